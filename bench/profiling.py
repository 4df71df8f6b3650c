"""Where the server's time goes for one kind of request, as py-spy sees it."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from bench.load import Load
from bench.servers import BenchFailed, Server

OPERATIONS = (
    *("get", "filter-username", "filter-externalid", "create", "patch", "list-first"),
    *("group-patch", "mixed"),
)
RATE = 500
TOP = 20

# As py-spy writes a frame: "name (meibo/web/app.py:12)"; what has no file is a thread.
_FRAME = re.compile(r"(?P<name>.+) \((?P<file>[^()]+?)(?::\d+)?\)")
# A thread of a pool that waits for work, which py-spy takes for work.
_IDLE = re.compile(r";_worker \(concurrent/futures/thread\.py[^;]*$")
# Below it, every stack of the event loop is the same.
_ROOT = "asyncio/runners.py: Runner.run"


def find_profiler() -> str | None:
    """The path of py-spy, None when it is not installed."""
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


def profile(load: Load, server: Server, operation: str, seconds: float, output: Path) -> str:
    """A report on the server under load, whose stacks go to ``output``, one a line, with counts.

    The file can be made into a flame graph (flamegraph.pl, speedscope).
    """
    profiler = find_profiler()
    if profiler is None:
        raise BenchFailed("py-spy is not installed: pip install py-spy")
    command = [
        *(profiler, "record", "--pid", str(server.pid), "--rate", str(RATE)),
        *("--duration", str(round(seconds)), "--format", "raw", "--output", str(output)),
    ]
    # The driver begins first and ends last, so that every sample is of a loaded server.
    with load.start(server, operation, seconds + 60) as driver:
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=seconds + 60, check=False
            )
        finally:
            driver.terminate()
    if done.returncode != 0:
        raise BenchFailed(f"py-spy failed: {done.stderr.strip()[-500:]}")
    return summarise(output.read_text(encoding="utf-8").splitlines())


def summarise(lines: Iterable[str]) -> str:
    """The functions and the packages that most samples were in; ``lines`` are "a;b;c count"."""
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    parts: Counter[str] = Counter()
    total = 0
    for line in lines:
        stack, _, number = line.rpartition(" ")
        if _IDLE.search(stack):
            continue
        count = int(number)
        total += count
        frames = [_described(frame) for frame in stack.split(";")]
        own[frames[-1][0]] += count
        parts[frames[-1][1]] += count
        names = [name for name, _ in frames]
        for name in set(names[names.index(_ROOT) :] if _ROOT in names else names):
            within[name] += count
    total = total or 1

    def listed(title: str, counter: Counter[str]) -> list[str]:
        return [
            f"{title}:",
            *(f"  {count / total:6.1%}  {name}" for name, count in counter.most_common(TOP)),
            "",
        ]

    return "\n".join(
        [
            f"{total:,} samples",
            "",
            *listed("By part, own time", parts),
            *listed("Functions, own time", own),
            *listed("Functions, with what they call", within),
        ]
    )


def _described(frame: str) -> tuple[str, str]:
    """A frame as "file: function", and the part of the program that it belongs to."""
    match = _FRAME.fullmatch(frame)
    if match is None:
        return frame, "threads"
    file = match["file"]
    words = file.removesuffix(".py").split("/")
    if words[0] == "meibo":
        part = "/".join(words[:2])
    elif words[0] in sys.stdlib_module_names or words[0].startswith("<"):
        part = "Python"
    else:
        part = words[0]
    return f"{file}: {match['name']}", part
