"""The benchmark: it runs on both engines with either driver, and its verdicts are right."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench import driver, profiling, session
from bench.load import OWN_DRIVER, Load, Run, median
from bench.plan import SHARED, Plan
from bench.rows import Row, compare_sizes, compare_with_bare, judge_memory
from bench.table import HEAD, render

TINY = Plan(
    engines=("sqlite",),
    users=60,
    few=20,
    many=60,
    groups=(2, 20),
    connections=4,
    seconds=0.2,
    warmup=0.0,
    repeat=1,
    requests=100,
)
RUN = Run(
    kind="get",
    requests=1_000,
    rate=10_000.0,
    p50_ms=1.0,
    p99_ms=2.0,
    cpu_ms=0.05,
    database_ms=None,
    driver_share=0.3,
    failures=0,
    sample=None,
)
GET = SHARED[0]
CREATE = SHARED[-1]


def larger_driver(corpora: Path) -> Path:
    path = corpora / "bench" / "load.py"
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    return path


def measure(plan: Plan, program: Path, directory: Path) -> list[Row]:
    """The rows of this plan, in which every answer was right."""
    load = Load(program, plan.connections, plan.seconds, plan.warmup)
    with session.opened(plan, load, directory) as opened:
        rows = list(opened.measure())
    assert {row.name for row in rows} == plan.names
    assert "bars met" in render(rows)
    for row in rows:
        assert (row.run is None) != (row.megabytes is None)
        if row.run is not None:
            assert row.run.failures == 0, row.run.sample
            assert row.run.rate > 0
    return rows


@pytest.mark.slow
def test_every_row_is_measured_on_sqlite(tmp_path: Path) -> None:
    measure(TINY, OWN_DRIVER, tmp_path)


@pytest.mark.slow
def test_the_larger_driver_measures_the_same(corpora: Path, tmp_path: Path) -> None:
    names = frozenset({"get", "create", "memory", "group-patch"})
    measure(replace(TINY, names=names), larger_driver(corpora), tmp_path)


@pytest.mark.slow
@pytest.mark.postgresql
def test_postgresql_is_measured_with_its_own_processes() -> None:
    plan = replace(TINY, engines=("postgresql",), names=frozenset({"get", "patch", "group-patch"}))
    # Not in tmp_path, through which PostgreSQL's user may not pass.
    with session.new_directory(Path("/var/tmp")) as directory:
        rows = measure(plan, OWN_DRIVER, directory)
    [database_ms] = [
        row.run.database_ms
        for row in rows
        if row.run and row.name == "patch" and row.server == "PostgreSQL"
    ]
    assert database_ms


@pytest.mark.parametrize(
    "run, met_by",
    [
        pytest.param(replace(RUN, rate=5_500, cpu_ms=0.2), ("requests/s",), id="requests/s"),
        pytest.param(replace(RUN, rate=100, cpu_ms=0.09), ("CPU",), id="CPU"),
        pytest.param(replace(RUN, rate=9_000, cpu_ms=0.06), ("requests/s", "CPU"), id="both"),
        pytest.param(replace(RUN, rate=5_400, cpu_ms=0.1), (), id="neither"),
        pytest.param(replace(RUN, rate=5_400, cpu_ms=None), (), id="processor time not known"),
    ],
)
def test_a_bar_is_met_by_requests_or_by_processor_time(run: Run, met_by: tuple[str, ...]) -> None:
    [bare, row] = compare_with_bare(GET, RUN, {"sqlite": run})
    assert (bare.verdict, row.met_by, row.is_missed) == ("", met_by, not met_by)


def test_durable_creates_may_meet_a_rate_instead_of_a_share() -> None:
    slow = replace(RUN, rate=3_000, cpu_ms=1.0)
    [_, row] = compare_with_bare(CREATE, replace(RUN, rate=100_000), {"sqlite": slow})
    assert row.verdict == "met by rate"


def test_a_database_of_its_own_counts_and_is_told_apart() -> None:
    run = replace(RUN, cpu_ms=0.2, database_ms=0.1)
    [_, row] = compare_with_bare(GET, RUN, {"postgresql": run})
    assert row.by_cpu == pytest.approx(0.25)
    assert row.by_own_cpu == pytest.approx(0.5)


def test_sizes_are_compared_with_the_fastest() -> None:
    runs = [RUN, replace(RUN, rate=5_000, cpu_ms=0.06), replace(RUN, rate=7_000, cpu_ms=0.07)]
    rows = compare_sizes("group-patch", ["10", "1,000", "100,000"], "sqlite", runs, informs=False)
    assert [row.met_by for row in rows] == [("requests/s", "CPU"), ("CPU",), ()]


def test_memory_that_grows_misses_its_bar() -> None:
    rows = judge_memory("sqlite", 10, filled=80, peak=149, growth=5.5, requests=100_000)
    assert [row.verdict for row in rows] == ["met by size", "met by size", "MISSED"]


def test_medians_are_taken_of_each_figure() -> None:
    found = median([replace(RUN, rate=rate, failures=1) for rate in (3.0, 9.0, 1.0)])
    assert (found.rate, found.failures, found.requests) == (3.0, 3, 3_000)


def test_the_table_marks_rows_that_tell_less_than_they_seem_to() -> None:
    row = Row("get", "GET", "bare", replace(RUN, driver_share=0.95, failures=2, sample="500"))
    lines = render([row]).splitlines()
    assert lines[0].count("|") == len(HEAD) + 1
    assert "- GET, bare: 2 WRONG ANSWERS: 500; the driver is the bottleneck" in lines


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nx-request-id: 1\r\n\r\nbody"


def test_the_driver_waits_for_the_whole_of_an_answer() -> None:
    for end in range(len(ANSWER)):
        assert driver.parse(ANSWER[:end]) is None
    assert driver.parse(ANSWER) == (200, b"body")
    assert driver.parse(b"HTTP/1.1 204 No Content\r\n\r\n") == (204, b"")


def test_a_profile_tells_the_parts_and_functions_by_their_share() -> None:
    root = "<module> (meibo/__main__.py:5);Runner.run (asyncio/runners.py:118)"
    stacks = [
        f"{root};one (meibo/storage/sqlite.py:9) 30",
        f"{root};send (uvicorn/server.py:1) 10",
        "_bootstrap (threading.py:1);_worker (concurrent/futures/thread.py:81) 40",
    ]
    told = profiling.summarise(stacks)
    assert "75.0%  meibo/storage\n" in told
    assert "25.0%  uvicorn/server.py: send\n" in told
    assert "100.0%  asyncio/runners.py: Runner.run\n" in told
    assert "meibo/__main__.py" not in told
