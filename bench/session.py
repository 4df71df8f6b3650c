"""One run of the benchmark: servers are started and filled, and loaded by turns."""

import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from bench import servers
from bench.load import Load, Run, median
from bench.plan import ENGINE_LABELS, ENGINES, SHARED, Engine, Plan
from bench.rows import Row, compare_sizes, compare_with_bare, judge_memory
from bench.servers import Server
from tests.postgres import PostgresCluster

Name = TypeVar("Name", bound=str)


class Session:
    """A run with its directory and, where it is needed, its PostgreSQL server."""

    def __init__(
        self, plan: Plan, load: Load, directory: Path, cluster: PostgresCluster | None
    ) -> None:
        self._plan = plan
        self._load = load
        self._directory = directory
        self._cluster = cluster
        self._servers = 0
        self._began = time.monotonic()

    def measure(self) -> Generator[Row]:
        """The rows that are wanted, each as soon as it is known."""
        wanted = self._plan.names
        if wanted & {"memory", *(shared.name for shared in SHARED)}:
            yield from self._at_one_size()
        if wanted & {"filter-size", "list-size", "group-patch"}:
            for engine in self._plan.engines:
                yield from self._at_several_sizes(engine)

    @contextmanager
    def filled(self, engine: Engine, users: int) -> Generator[Server]:
        """Meibo with this many users."""
        directory = self._directory / str(self._servers)
        self._servers += 1
        with servers.meibo(directory, engine, self._cluster) as server:
            self._tell(f"{ENGINE_LABELS[engine]}: filling {users:,} users")
            began = time.monotonic()
            self._load.fill(server, users)
            rate = users / (time.monotonic() - began)
            self._tell(f"{ENGINE_LABELS[engine]}: {users:,} users, {rate:,.0f}/s")
            if self._cluster is not None and engine == "postgresql":
                # What autovacuum would do within a minute, and in the middle of a row.
                for database in self._cluster.execute(
                    "SELECT datname FROM pg_database WHERE datname LIKE 'meibo%'"
                ).splitlines():
                    self._cluster.execute("VACUUM (ANALYZE)", database=database)
            yield server

    def _at_one_size(self) -> Generator[Row]:
        plan = self._plan
        with ExitStack() as stack:
            measured: dict[Engine, Server] = {
                engine: stack.enter_context(self.filled(engine, plan.users))
                for engine in plan.engines
            }
            filled = {engine: server.resident_mb() for engine, server in measured.items()}
            first = next(iter(measured.values()))
            bare = stack.enter_context(servers.bare(self._directory / "bare", first))
            for shared in SHARED:
                if shared.name in plan.names:
                    runs = self._alternate(shared.name, {"bare": bare} | measured)
                    ours: dict[Engine, Run] = {each: runs[each] for each in plan.engines}
                    yield from compare_with_bare(shared, runs["bare"], ours)
            if "memory" in plan.names:
                for engine, server in measured.items():
                    yield from self._memory(engine, server, filled[engine])

    def _at_several_sizes(self, engine: Engine) -> Generator[Row]:
        plan = self._plan
        with ExitStack() as stack:
            many = stack.enter_context(self.filled(engine, plan.many))
            if plan.names & {"filter-size", "list-size"}:
                few = stack.enter_context(self.filled(engine, plan.few))
                sizes = {f"{plan.few:,} users": few, f"{plan.many:,} users": many}
                # Before there are groups, which all would be shown in the users of one size.
                for name, operation, what in (
                    ("filter-size", "filter-username", "filter userName eq"),
                    ("list-size", "list-first", "list, first 100"),
                ):
                    if name in plan.names:
                        runs = self._alternate(operation, sizes)
                        subjects = [f"{what}, {size}" for size in sizes]
                        yield from compare_sizes(
                            name, subjects, engine, list(runs.values()), informs=name == "list-size"
                        )
            if "group-patch" in plan.names:
                yield from self._groups(engine, many)
            if "memory" in plan.names:
                what = f"memory, peak with {plan.many:,} users"
                yield Row("memory", what, ENGINE_LABELS[engine], megabytes=many.peak_mb())

    def _alternate(self, operation: str, loaded: Mapping[Name, Server]) -> dict[Name, Run]:
        """Medians of an operation on servers that take turns, so that noise meets them all."""
        runs: dict[Name, list[Run]] = {name: [] for name in loaded}
        for turn in range(self._plan.repeat):
            for name, server in loaded.items():
                run = self._load.run(server, operation)
                runs[name].append(run)
                self._tell(f"{operation}, {name}, turn {turn + 1}: {run.rate:,.0f}/s")
        return {name: median(several) for name, several in runs.items()}

    def _groups(self, engine: Engine, server: Server) -> list[Row]:
        sizes = self._plan.groups
        self._tell(f"{ENGINE_LABELS[engine]}: groups of {', '.join(f'{size:,}' for size in sizes)}")
        runs = self._load.run_groups(server, sizes * self._plan.repeat)
        medians = [median(runs[at :: len(sizes)]) for at in range(len(sizes))]
        subjects = [f"PATCH one member, group of {size:,}" for size in sizes]
        return compare_sizes("group-patch", subjects, engine, medians, informs=False)

    def _memory(self, engine: Engine, server: Server, filled: float) -> list[Row]:
        self._send(engine, server, self._plan.requests // 5)  # until caches have their size
        before = server.resident_mb()
        self._send(engine, server, self._plan.requests)
        return judge_memory(
            engine,
            self._plan.users,
            filled=filled,
            peak=server.peak_mb(),
            growth=server.resident_mb() - before,
            requests=self._plan.requests,
        )

    def _send(self, engine: Engine, server: Server, requests: int) -> None:
        """Send at least this many requests of all kinds."""
        sent, seconds = 0, self._plan.seconds
        while sent < requests:
            run = self._load.run(server, "mixed", seconds=seconds)
            if run.failures:
                raise servers.BenchFailed(f"mixed load: {run.failures} failures: {run.sample}")
            sent += run.requests
            self._tell(
                f"{ENGINE_LABELS[engine]}: {sent:,} of {requests:,} mixed requests, "
                f"{run.rate:,.0f}/s, {server.resident_mb():.1f} MB"
            )
            seconds = min(30.0, max(0.5, (requests - sent) / run.rate))

    def _tell(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:6.1f} s  {text}", file=sys.stderr, flush=True)


@contextmanager
def opened(plan: Plan, load: Load, directory: Path) -> Generator[Session]:
    """A session in a directory that is new; PostgreSQL runs if the plan has it."""
    with ExitStack() as stack:
        cluster = None
        if "postgresql" in plan.engines:
            cluster = stack.enter_context(servers.postgres(directory))
        yield Session(plan, load, directory, cluster)


@contextmanager
def new_directory(parent: Path) -> Generator[Path]:
    """A directory of our own, removed at the end."""
    directory = Path(tempfile.mkdtemp(prefix="meibo-bench-", dir=parent))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def choose_engines(name: str) -> tuple[Engine, ...]:
    """The engines that this name stands for: that of one, or both."""
    return tuple(engine for engine in ENGINES if name in (engine, "both"))
