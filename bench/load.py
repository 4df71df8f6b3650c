"""Load on a server by a driver, which is a program of its own, and what came of it.

The driver is ``bench/load.py`` in the folder that MEIBO_CORPORA names (by default the folder
``shared`` beside the repository) where it is there, and otherwise our own, which is smaller.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.driver import cpu_seconds
from bench.servers import BenchFailed, Server
from tests.postgres import ROOT

OWN_DRIVER = ROOT / "bench" / "driver.py"
# Of one processor; above it, a row says how fast the driver is.
DRIVER_BOUND = 0.9
FILL_CONNECTIONS = 16
FILL_SECONDS = 900.0


class DriverRow(msgspec.Struct, frozen=True):
    """What we read of a row that a driver writes."""

    kind: str
    failed: str | None = None
    requests: int = 0
    rps: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    errors: int = 0
    wrong: int = 0
    sample: str | None = None
    server_cpu_ms_per_request: float | None = None
    driver_cpu_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one kind of request, or the medians of several.

    Attributes:
        rate: requests/s.
        cpu_ms: processor time of the server for each request, its database's included.
        database_ms: how much of it is the database's own server, None if that is not known.
        failures: answers that were not what was asked for; ``sample`` is one of them.
    """

    kind: str
    requests: int
    rate: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float | None
    database_ms: float | None
    driver_share: float
    failures: int
    sample: str | None

    @property
    def own_cpu_ms(self) -> float | None:
        """Processor time of the server without its database's."""
        return None if self.cpu_ms is None else self.cpu_ms - (self.database_ms or 0.0)

    @property
    def is_driver_bound(self) -> bool:
        """Whether the driver had no time to spare: the rate is its own, not the server's."""
        return self.driver_share > DRIVER_BOUND


def median(runs: Sequence[Run]) -> Run:
    """The medians of runs of one kind; failures are added up."""

    def middle(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return statistics.median(known) if known else None

    return Run(
        kind=runs[0].kind,
        requests=sum(run.requests for run in runs),
        rate=statistics.median(run.rate for run in runs),
        p50_ms=statistics.median(run.p50_ms for run in runs),
        p99_ms=statistics.median(run.p99_ms for run in runs),
        cpu_ms=middle([run.cpu_ms for run in runs]),
        database_ms=middle([run.database_ms for run in runs]),
        driver_share=statistics.median(run.driver_share for run in runs),
        failures=sum(run.failures for run in runs),
        sample=next((run.sample for run in runs if run.sample), None),
    )


@dataclass(frozen=True, slots=True)
class Load:
    """A driver, and how it is to be used."""

    driver: Path
    connections: int
    seconds: float
    warmup: float

    @property
    def is_own(self) -> bool:
        return self.driver == OWN_DRIVER

    def fill(self, server: Server, users: int) -> None:
        """Bring the server's directory to this many users, all known by id."""
        self._drive(server, "get", {"--users": users, "--pool": users, "--seconds": 0})
        known = len(json.loads(server.state.read_text()))
        if known < users:
            raise BenchFailed(f"{server.name}: only {known} of {users} users could be made")

    def run(self, server: Server, operation: str, *, seconds: float | None = None) -> Run:
        """One run of an operation of the driver's."""
        before = {pid: cpu_seconds([pid]) for pid in server.pids}
        wanted = self.seconds if seconds is None else seconds
        rows = self._drive(server, operation, {"--seconds": wanted, "--warmup": self.warmup})
        spent = {pid: cpu_seconds([pid]) - before[pid] for pid in server.pids}
        if len(rows) != 1:
            raise BenchFailed(f"{operation} on {server.name}: the driver wrote {len(rows)} rows")
        # The warm-up is in our figures and not in the driver's: only the share is taken from ours.
        database = spent[server.database_pid] if server.database_pid else None
        share = None if database is None else database / (sum(spent.values()) or 1.0)
        return _run_of(rows[0], share)

    def run_groups(self, server: Server, sizes: Sequence[int]) -> list[Run]:
        """One-member PATCHes of a group by one connection, one run for each size named.

        A size may be named several times: it is one group, made before it is measured first.
        """
        options = {
            "--seconds": self.seconds,
            "--warmup": self.warmup,
            "--concurrency": 1,
            "--members": ",".join(str(size) for size in sizes),
        }
        rows = self._drive(server, "group-patch", options)
        if [row.kind for row in rows] != [f"group-patch-{size}(all)" for size in sizes]:
            raise BenchFailed(f"group-patch: the driver measured {[row.kind for row in rows]}")
        return [_run_of(row, None) for row in rows]

    def start(self, server: Server, operation: str, seconds: float) -> "subprocess.Popen[bytes]":
        """The driver at work, for somebody who watches the server meanwhile."""
        options = {"--seconds": seconds, "--json": os.devnull}
        return subprocess.Popen(
            self._command(server, operation, options),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _drive(
        self, server: Server, operation: str, options: Mapping[str, object]
    ) -> list[DriverRow]:
        output = server.state.with_suffix(".rows")
        output.write_bytes(b"")
        command = self._command(server, operation, {**options, "--json": output})
        # A bare server answers about one user, whatever the driver thinks that it has created.
        kept = server.state.read_bytes() if server.name == "bare" else None
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if kept is not None:
            server.state.write_bytes(kept)
        if done.returncode != 0:
            told = (done.stderr or done.stdout).strip()
            raise BenchFailed(f"{operation} on {server.name}: the driver failed: {told[-1000:]}")
        lines = [json.loads(line) for line in output.read_text().splitlines()]
        # Beside the rows there are notes of what was made first.
        rows = [msgspec.convert(line, DriverRow) for line in lines if "kind" in line]
        if failed := next((row.failed for row in rows if row.failed), None):
            raise BenchFailed(f"{operation} on {server.name}: {failed}")
        # A row of a part (only the adds, say) stands beside that of the whole.
        return [row for row in rows if row.kind.endswith("(all)")] or rows

    def _command(
        self, server: Server, operation: str, options: Mapping[str, object]
    ) -> list[str | Path]:
        words: dict[str, object] = {
            "--base-url": server.base_url,
            "--token": server.token,
            "--op": operation,
            "--concurrency": self.connections,
            "--warmup": 0,
            "--users": 0,
            "--pool": 1,
            "--seed-concurrency": FILL_CONNECTIONS,
            "--seed-limit": FILL_SECONDS,
            "--state": server.state,
            **options,
        }
        pids = [word for pid in server.pids for word in ("--pid", str(pid))]
        given = [str(word) for option in words.items() for word in option]
        return [sys.executable, self.driver, *given, *pids]


def find_driver() -> Path:
    """The larger driver where it is there, else our own."""
    corpora = Path(os.environ.get("MEIBO_CORPORA") or ROOT.parent / "shared")
    larger = corpora / "bench" / "load.py"
    return larger if larger.is_file() else OWN_DRIVER


def _run_of(row: DriverRow, database_share: float | None) -> Run:
    cpu = row.server_cpu_ms_per_request
    return Run(
        kind=row.kind,
        requests=row.requests,
        rate=row.rps,
        p50_ms=row.p50_ms,
        p99_ms=row.p99_ms,
        cpu_ms=cpu,
        database_ms=None if cpu is None or database_share is None else cpu * database_share,
        driver_share=row.driver_cpu_share,
        failures=row.errors + row.wrong,
        sample=row.sample,
    )
