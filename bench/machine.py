"""The machine that the numbers belong to, in a few lines."""

import os
import platform
import statistics
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import apsw
import psutil

from scripts.postgresql import find_programs, major_version

# Load above this many runnable processes for each processor is somebody else's work.
BUSY = 0.5
SYNCS = 100


def describe(directory: Path, driver: str) -> list[str]:
    """What the numbers depend on: machine, disk, versions, driver, and how busy the machine is."""
    cpus = os.cpu_count() or 1
    memory = psutil.virtual_memory().total / 1e9
    load = os.getloadavg()[0]
    programs = find_programs()
    versions = [
        f"Python {platform.python_version()}",
        *(f"{name} {version(name)}" for name in ("uvicorn", "starlette", "uvloop", "httptools")),
        f"SQLite {apsw.sqlite_lib_version()}",
        *([f"PostgreSQL {major_version(programs)}"] if programs else []),
    ]
    lines = [
        f"Machine: {_processor()}, {cpus} processors, {memory:.0f} GB, "
        f"{platform.system()} {platform.release()}",
        f"Disk: {_file_system(directory)}, fdatasync of 4 KiB: {_sync_ms(directory):.2f} ms",
        f"Versions: {', '.join(versions)}",
        f"Driver: {driver}",
        f"Date: {time.strftime('%Y-%m-%d')}; load average before: {load:.1f}",
    ]
    if load / cpus > BUSY:
        lines.append("THE MACHINE IS BUSY: requests/s mean little now, processor time somewhat.")
    return lines


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(directory: Path) -> str:
    mounts: Sequence[tuple[str, str]] = [
        (each.mountpoint, each.fstype) for each in psutil.disk_partitions(all=True)
    ]
    within = [mount for mount in mounts if directory.resolve().is_relative_to(mount[0])]
    return max(within, key=lambda mount: len(mount[0]))[1] if within else "unknown"


def _sync_ms(directory: Path) -> float:
    """How long it takes to make one page durable; far below 0.1 ms no disk is behind it."""
    path = directory / "sync"
    spent: list[float] = []
    with path.open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            spent.append(time.perf_counter() - began)
    path.unlink()
    return statistics.median(spent) * 1e3
