"""What every test may ask for: an empty database on either engine, the corpora, a clean machine."""

import fcntl
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import apsw
import hypothesis
import pytest

from tests.postgres import PostgresCluster, make_passable

ROOT = Path(__file__).resolve().parent.parent

# Set by the process that started the test run, read by its workers (pytest-xdist).
POSTGRES_DIRECTORY = "MEIBO_TEST_POSTGRES_DIRECTORY"
POSTGRES_OWNER = "MEIBO_TEST_POSTGRES_OWNER"

STARTED = pytest.StashKey[float]()
RUNNING = pytest.StashKey[set[str]]()
POSTGRES_FIXTURES = {"postgres_server", "postgres_url", "postgres_cluster"}

# The same examples in every run, so that a red run is red again. Search for new ones with
# `make test ARGS=--hypothesis-profile=thorough`; what it finds becomes a test of its own.
hypothesis.settings.register_profile("quick", deadline=None, derandomize=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=5_000, print_blob=True)
hypothesis.settings.load_profile("quick")


def is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def corpora_directory() -> Path:
    return Path(os.environ.get("MEIBO_CORPORA") or ROOT.parent / "shared")


@dataclass(frozen=True, slots=True, eq=False)  # pytest asks for a hash
class Running:
    """Keeps the names of the tests at work, those of all workers."""

    names: set[str]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.names.add(nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.names.discard(nodeid)


def end_after(seconds: float, running: set[str]) -> None:
    """End the run after this time, as failed, and name the tests that were still at work."""

    def end(number: int, frame: FrameType | None) -> None:
        names = ", ".join(sorted(running)) or "no test"
        pytest.exit(f"No end within {seconds:.0f} s. At work: {names}.", returncode=1)

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--end-after",
        type=float,
        metavar="SECONDS",
        help="end a run that takes longer, in good order, as failed: no hang goes on for ever",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[STARTED] = time.monotonic()
    config.stash[RUNNING] = set()
    config.pluginmanager.register(Running(config.stash[RUNNING]))
    if not is_worker(config):
        os.environ[POSTGRES_DIRECTORY] = str(PostgresCluster.new_path())
        os.environ[POSTGRES_OWNER] = str(os.getpid())
        if seconds := config.getoption("--end-after"):
            end_after(seconds, config.stash[RUNNING])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the shared server, if a test has started it; also after Ctrl-C."""
    if is_worker(config):
        return
    signal.setitimer(signal.ITIMER_REAL, 0)
    directory = Path(os.environ.pop(POSTGRES_DIRECTORY))
    if PostgresCluster.exists(directory):
        PostgresCluster(directory).remove()
    elif directory.exists():  # a server that could not be started
        shutil.rmtree(directory)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if POSTGRES_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.postgresql)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Say in two lines what was tested, on what, and what was not."""
    counts = {
        outcome: len(terminalreporter.stats.get(outcome, []))
        for outcome in ("passed", "failed", "error", "skipped")
    }
    engines = f"SQLite {apsw.sqlite_lib_version()}"
    directory = Path(os.environ[POSTGRES_DIRECTORY])
    if PostgresCluster.exists(directory):
        engines += f" and PostgreSQL {PostgresCluster(directory).version}"
    seconds = time.monotonic() - config.stash[STARTED]
    corpora = corpora_directory()
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    terminalreporter.section("Meibo")
    terminalreporter.line(f"{told or 'no tests'} in {seconds:.0f} s, on {engines}")
    if not corpora.is_dir():
        terminalreporter.line(
            f"Tests over recorded exchanges and attacks were skipped: there is no {corpora} "
            f"(MEIBO_CORPORA names another place)"
        )
    terminalreporter.line("All is well." if exitstatus == 0 else "NOT all is well: see above.")


@pytest.fixture(scope="session", autouse=True)
def clean_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nobody's settings reach the tests, and the tests reach nobody's files."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            ours = name.startswith("MEIBO_") and not name.startswith("MEIBO_TEST_")
            # A proxy would be asked even for 127.0.0.1.
            if (ours and name != "MEIBO_CORPORA") or name.lower().endswith("_proxy"):
                patch.delenv(name)
        for name in ("CONFIG", "DATA", "STATE", "CACHE"):
            patch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
        yield


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of recorded exchanges and attacks, outside the repository; skips without it."""
    directory = corpora_directory()
    if not directory.is_dir():
        pytest.skip(f"there is no {directory}")
    return directory


@pytest.fixture(scope="session")
def postgres_server() -> PostgresCluster:
    """The PostgreSQL server of the whole run, started by the first test that asks for it.

    For databases only. Tests that stop or kill a server take ``postgres_cluster``.
    """
    directory = Path(os.environ[POSTGRES_DIRECTORY])
    make_passable(directory)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = PostgresCluster(directory)
        if server.pid is None:
            server.start(owner=int(os.environ[POSTGRES_OWNER]))
    return server


@pytest.fixture
def postgres_url(postgres_server: PostgresCluster) -> Iterator[str]:
    """The URL of a new, empty PostgreSQL database."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def postgres_cluster() -> Iterator[PostgresCluster]:
    """A running PostgreSQL server for this test alone: to stop, kill and restart."""
    cluster = PostgresCluster(PostgresCluster.new_directory())
    cluster.start()
    yield cluster
    cluster.remove()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty database; the test runs once on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/meibo.sqlite3"
    return request.getfixturevalue("postgres_url")
