"""What both engines promise to an operation, and what is particular to each."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import pytest

from meibo.scim.errors import NotFound
from meibo.storage import sqlite
from meibo.storage.database import Database, Operation, Statement, Transaction
from meibo.storage.engine import open_database
from meibo.storage.errors import DatabaseUnavailable, UniqueViolation, VersionConflict
from meibo.storage.postgres import WRITE_TRIES, PostgresDatabase
from meibo.storage.sqlite import serving_lock
from tests.postgres import PostgresCluster


@pytest.fixture(scope="module")
def shared_url(postgres_server: PostgresCluster) -> Iterator[str]:
    """A database that many tests share one after the other: to make one takes a second."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
async def server(shared_url: str) -> AsyncIterator[PostgresDatabase]:
    """PostgreSQL with nothing in it."""
    await (await open_database(shared_url, migrate=True)).close()
    database = await PostgresDatabase.connect(shared_url)
    await database.write(writing(*(deletion(table) for table in (*ROWS, "tenants"))))
    yield database
    await database.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database(request: pytest.FixtureRequest) -> Database:
    return request.getfixturevalue("embedded" if request.param == "sqlite" else "server")


def tenant(number: int, slug: str | None = None) -> Statement:
    """Adds a row, to a table where one needs no other."""
    return Statement(
        "INSERT INTO tenants (id, slug, created) VALUES (:id, :slug, 1)",
        {"id": number, "slug": slug or f"tenant-{number}"},
    )


def at_version(number: int, version: int) -> Statement:
    """Counts ``created`` of a tenant up, if it is ``version`` still."""
    return Statement(
        "UPDATE tenants SET created = :version + 1 WHERE id = :id AND created = :version",
        {"id": number, "version": version},
        guard=True,
    )


def writing(*statements: Statement) -> Operation[None]:
    return lambda tx: tx.write(*statements)


async def tenants(database: Database) -> set[int]:
    """The numbers of those that tests have added."""
    rows = await database.read(lambda tx: tx.all("SELECT id FROM tenants WHERE id > 1"))
    return {row[0] for row in rows}


# -- both ------------------------------------------------------------------------------------------


async def test_all_statements_of_a_write_are_done_or_none(database: Database) -> None:
    await database.write(writing(tenant(2), tenant(3)))
    with pytest.raises(UniqueViolation):
        await database.write(writing(tenant(4), tenant(5, slug="tenant-2"), tenant(6)))
    with pytest.raises(VersionConflict):
        await database.write(writing(tenant(7), at_version(2, 99), tenant(8)))
    assert await tenants(database) == {2, 3}


async def test_very_many_statements_are_one_write_all_the_same(database: Database) -> None:
    many = [tenant(number) for number in range(2, 402)]
    with pytest.raises(VersionConflict):
        await database.write(writing(*many, at_version(399, 99)))
    assert await tenants(database) == set()
    await database.write(writing(*many))
    assert len(await tenants(database)) == 400


async def test_a_guard_lets_a_write_through_on_what_was_read_only(database: Database) -> None:
    await database.write(writing(tenant(2)))
    await database.write(writing(at_version(2, 1)))
    with pytest.raises(VersionConflict):
        await database.write(writing(at_version(2, 1)))
    with pytest.raises(VersionConflict):
        await database.write(writing(at_version(3, 1)))
    row = await database.read(lambda tx: tx.one("SELECT created FROM tenants WHERE id = 2"))
    assert row is not None
    assert row[0] == 2


async def test_what_an_operation_raises_comes_out_as_it_is_and_undoes_it(
    database: Database,
) -> None:
    async def refuse(tx: Transaction) -> None:
        raise NotFound("nobody")

    for run in (database.read, database.write):
        with pytest.raises(NotFound, match="nobody"):
            await run(refuse)
    await database.write(writing(tenant(2)))
    assert await tenants(database) == {2}


async def test_a_refused_write_can_still_ask_whose_the_value_is(database: Database) -> None:
    await database.write(writing(tenant(2)))

    async def ask(tx: Transaction) -> int:
        try:
            await tx.write(tenant(3, slug="tenant-2"))
        except UniqueViolation:
            row = await tx.one("SELECT id FROM tenants WHERE slug = :slug", slug="tenant-2")
            assert row is not None
            return row[0]
        raise AssertionError

    for locking in (False, True):
        assert await database.write(ask, locking=locking) == 2


async def test_a_snapshot_is_one_state(database: Database) -> None:
    begun, written = asyncio.Event(), asyncio.Event()

    async def count(tx: Transaction) -> int:
        row = await tx.one("SELECT count(*) FROM tenants")
        assert row is not None
        return row[0]

    async def twice(tx: Transaction) -> tuple[int, int]:
        first = await count(tx)
        begun.set()
        await written.wait()
        return first, await count(tx)

    reading = asyncio.create_task(database.read(twice, snapshot=True))
    await begun.wait()
    await database.write(writing(tenant(2)))
    written.set()
    assert await reading == (1, 1)
    assert await database.read(count) == 2


async def test_a_scan_reads_like_any_other_and_tells_what_goes_wrong(database: Database) -> None:
    await database.write(writing(tenant(2)))
    rows = await database.read(
        lambda tx: tx.all("SELECT id FROM tenants WHERE id > :id", id=1), scan=True
    )
    assert [row[0] for row in rows] == [2]

    async def refuse(tx: Transaction) -> None:
        await tx.one("SELECT 1")
        raise NotFound("nobody")

    with pytest.raises(NotFound, match="nobody"):
        await database.read(refuse, scan=True)


async def test_rows_are_appended_in_bulk(database: Database) -> None:
    columns = ("id", "slug", "created")
    rows = [(number, f"tenant-{number}", 1) for number in range(2, 502)]
    await database.write(lambda tx: tx.append("tenants", columns, rows))
    assert len(await tenants(database)) == 500
    with pytest.raises(UniqueViolation):
        await database.write(lambda tx: tx.append("tenants", columns, [(600, "x", 1), *rows]))
    assert len(await tenants(database)) == 500


# A row of each table, and what another row has instead of it; each clash by its constraint.
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "connections": (
        {"tenant": 1, "id": 1, "vendor": "okta", "name": "one", "strict": 0, "settings": "{}"}
        | {"created": 1},
        {"id": 2, "name": "two"},
    ),
    "tokens": (
        {"tenant": 1, "id": "t1", "connection": 1, "slot": 1, "status": "active"}
        | {"description": "", "secret_hash": "x", "created": 1, "created_by": "x"},
        {"id": "t2", "slot": 2},
    ),
    "attributes": (
        {"tenant": 1, "name_key": "badge", "name": "badge", "type": "string", "created": 1},
        {"name_key": "level"},
    ),
    "users": (
        {"tenant": 1, "id": "u1", "connection": 1, "user_name": "a", "user_name_key": "alice"}
        | {"external_id": "e1", "active": 1, "version": 1, "created": 1, "last_modified": 1}
        | {"body": "{}", "search": "{}"},
        {"id": "u2", "user_name_key": "bob", "external_id": "e2"},
    ),
    "groups": (
        {"tenant": 1, "id": "g1", "connection": 1, "display_name": "A", "display_name_key": "a"}
        | {"external_id": "e1", "version": 1, "created": 1, "last_modified": 1}
        | {"body": "{}", "search": "{}"},
        {"id": "g2", "external_id": "e2"},
    ),
}
CONSTRAINTS: dict[str, tuple[str, dict[str, Any]]] = {
    "connections_pkey": ("connections", {"id": 1}),
    "connections_name": ("connections", {"name": "one"}),
    "tokens_pkey": ("tokens", {"id": "t1"}),
    "tokens_slot": ("tokens", {"slot": 1}),
    "attributes_pkey": ("attributes", {"name_key": "badge"}),
    "users_pkey": ("users", {"id": "u1"}),
    "users_user_name": ("users", {"user_name_key": "alice"}),
    "users_external_id": ("users", {"external_id": "e1"}),
    "groups_pkey": ("groups", {"id": "g1"}),
    "groups_external_id": ("groups", {"external_id": "e1"}),
}


def insert(table: str, row: dict[str, Any]) -> Statement:
    columns = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    sql: Any = f"INSERT INTO {table} ({columns}) VALUES ({values})"
    return Statement(sql, row)


def deletion(table: str) -> Statement:
    sql: Any = f"DELETE FROM {table}{' WHERE id > 1' if table == 'tenants' else ''}"
    return Statement(sql, {})


async def test_a_value_that_is_in_use_is_refused_by_the_same_name(database: Database) -> None:
    for table, (row, _) in ROWS.items():
        await database.write(writing(insert(table, row)))
    for constraint, (table, clash) in CONSTRAINTS.items():
        row, differently = ROWS[table]
        with pytest.raises(UniqueViolation) as refused:
            await database.write(writing(insert(table, row | differently | clash)))
        assert refused.value.constraint == constraint
    for slug, number, constraint in (("default", 2, "tenants_slug"), ("x", 1, "tenants_pkey")):
        with pytest.raises(UniqueViolation) as refused:
            await database.write(writing(tenant(number, slug)))
        assert refused.value.constraint == constraint
    for table, (row, differently) in ROWS.items():
        await database.write(writing(insert(table, row | differently)))


# -- SQLite ----------------------------------------------------------------------------------------


@dataclass
class Watch:
    """The connections to one file, and how often one has committed."""

    path: Path
    connections: list[apsw.Connection] = field(default_factory=list[apsw.Connection])
    commits: int = 0
    refuse: bool = False

    def __call__(self, connection: apsw.Connection) -> None:
        if connection.filename == str(self.path):
            self.connections.append(connection)
            connection.set_commit_hook(self.committing)

    def committing(self) -> bool:
        self.commits += 1
        return self.refuse

    def limit(self, pages: int) -> None:
        """Lets the file grow by so many pages and no more: the disk is full then."""
        (current,) = self.connections[0].execute("PRAGMA page_count").fetchone() or (0,)
        for connection in self.connections:
            connection.execute(f"PRAGMA max_page_count = {current + pages}").fetchall()


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch(tmp_path / "meibo.sqlite3")
    monkeypatch.setattr(apsw, "connection_hooks", [*apsw.connection_hooks, watch])
    return watch


@pytest.fixture
async def embedded(watch: Watch) -> AsyncIterator[Database]:
    database = await open_database(f"sqlite:///{watch.path}")
    watch.commits = 0
    yield database
    await database.close()


@pytest.fixture
def beside(embedded: Database, watch: Watch) -> Iterator[apsw.Connection]:
    """Another connection to the file, such as the command line has."""
    connection = apsw.Connection(str(watch.path))
    yield connection
    connection.close()


def seen_by(connection: apsw.Connection) -> set[int]:
    return {row[0] for row in connection.execute("SELECT id FROM tenants WHERE id > 1")}


async def test_writes_share_commits_and_are_on_disk_when_they_return(
    embedded: Database, watch: Watch, beside: apsw.Connection
) -> None:
    async def write(number: int) -> None:
        for step in range(5):
            await embedded.write(writing(tenant(number + 1_000 * step)))
            assert number + 1_000 * step in seen_by(beside)

    await asyncio.gather(*(write(number) for number in range(2, 42)))
    assert len(seen_by(beside)) == 200
    assert watch.commits <= 40


async def test_a_failing_operation_takes_nobody_with_it(
    embedded: Database, beside: apsw.Connection
) -> None:
    async def write(number: int, tx: Transaction) -> None:
        await tx.write(tenant(number))
        if number % 3 == 0:
            raise NotFound(str(number))
        if number % 3 == 1:
            raise asyncio.CancelledError

    def attempt(number: int) -> Any:
        return embedded.write(lambda tx: write(number, tx))

    found = await asyncio.gather(*map(attempt, range(3, 33)), return_exceptions=True)
    assert seen_by(beside) == set(range(5, 33, 3))
    assert [each is None for each in found] == [number % 3 == 2 for number in range(3, 33)]


async def test_a_full_disk_fails_all_who_share_the_transaction_and_is_survived(
    embedded: Database, watch: Watch, beside: apsw.Connection
) -> None:
    watch.limit(pages=20)
    found = await asyncio.gather(
        *(embedded.write(writing(tenant(number))) for number in range(2, 6)),
        embedded.write(writing(tenant(6, slug="x" * 1_000_000))),
        return_exceptions=True,
    )
    assert [type(each) for each in found] == [DatabaseUnavailable] * 5
    assert seen_by(beside) == set()
    await embedded.write(writing(tenant(7)))
    watch.limit(pages=1_000)
    await embedded.write(writing(tenant(6, slug="x" * 1_000_000)))
    assert seen_by(beside) == {6, 7}


async def test_a_commit_that_fails_fails_all_who_wait_for_it(
    embedded: Database, watch: Watch, beside: apsw.Connection
) -> None:
    watch.refuse = True
    found = await asyncio.gather(
        *(embedded.write(writing(tenant(number))) for number in range(2, 6)),
        return_exceptions=True,
    )
    assert [type(each) for each in found] == [DatabaseUnavailable] * 4
    assert seen_by(beside) == set()
    watch.refuse = False
    await embedded.write(writing(tenant(7)))
    assert seen_by(beside) == {7}


async def test_who_goes_away_while_he_waits_for_the_disk_disturbs_nobody(
    embedded: Database, beside: apsw.Connection
) -> None:
    tasks = [asyncio.create_task(embedded.write(writing(tenant(number)))) for number in range(2, 8)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[3].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [each is None for each in found] == [False, True, True, False, True, True]
    assert seen_by(beside) >= {3, 4, 6, 7}
    await embedded.write(writing(tenant(9)))


async def test_another_writer_delays_a_write_and_nothing_else(
    embedded: Database, beside: apsw.Connection
) -> None:
    beside.execute("BEGIN IMMEDIATE; INSERT INTO tenants VALUES (2, 'cli', 1)")
    waiting = asyncio.create_task(embedded.write(writing(tenant(3))))
    longest = 0.0
    for _ in range(40):
        before = time.monotonic()
        assert await tenants(embedded) == set()  # reads go on, of the last commit
        await asyncio.sleep(0.002)
        longest = max(longest, time.monotonic() - before)
    assert not waiting.done()
    assert longest < 1  # whoever waited inside SQLite would hold up everybody, for 5 s
    beside.execute("COMMIT")
    await waiting
    assert await tenants(embedded) == {2, 3}


async def test_a_writer_that_does_not_let_go_is_told_to_all_at_one_time(
    embedded: Database, beside: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.2)
    beside.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    found = await asyncio.gather(
        *(embedded.write(writing(tenant(number))) for number in range(2, 12)),
        return_exceptions=True,
    )
    assert [type(each) for each in found] == [DatabaseUnavailable] * 10
    assert 0.2 <= time.monotonic() - began < 1.5
    beside.execute("COMMIT")
    await embedded.write(writing(tenant(2)))


def test_a_file_is_served_by_one_process(tmp_path: Path) -> None:
    path = tmp_path / "meibo.sqlite3"
    with serving_lock(path):
        with (
            pytest.raises(DatabaseUnavailable, match="already served"),
            serving_lock(path),
        ):
            raise AssertionError("served twice")
        with serving_lock(tmp_path / "another.sqlite3"):
            pass
    with serving_lock(path):
        pass


async def test_a_library_that_can_damage_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(DatabaseUnavailable, match=r"3\.51\.2"):
        await open_database(f"sqlite:///{tmp_path}/meibo.sqlite3")


@pytest.mark.parametrize(
    "content", [b"This is no database." * 1_000, b"SQLite format 3\0" + b"\1" * 9_000]
)
async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "meibo.sqlite3").write_bytes(content)
    with pytest.raises(DatabaseUnavailable):
        await open_database(f"sqlite:///{tmp_path}/meibo.sqlite3")


# -- PostgreSQL ------------------------------------------------------------------------------------


async def test_writers_who_collide_queue_up_behind_a_lock(server: PostgresDatabase) -> None:
    await server.write(writing(tenant(2)))
    attempts: list[tuple[int, bool]] = []

    async def count_up(number: int, tx: Transaction) -> None:
        attempts.append((number, bool(tx.for_update)))
        row = await tx.one(f"SELECT created FROM tenants WHERE id = 2{tx.for_update}")
        assert row is not None
        await tx.write(at_version(2, row[0]))

    writers = range(20)
    await asyncio.gather(
        *(server.write(lambda tx, number=number: count_up(number, tx)) for number in writers)
    )
    row = await server.read(lambda tx: tx.one("SELECT created FROM tenants WHERE id = 2"))
    assert row is not None
    assert row[0] == 1 + len(writers)
    for number in writers:
        first, *rest = [locking for who, locking in attempts if who == number]
        assert first is False  # the quick way first
        assert all(rest)  # then under a lock
        assert len(rest) < WRITE_TRIES - 1


async def test_a_write_under_a_lock_from_the_start_is_tried_once(server: PostgresDatabase) -> None:
    await server.write(writing(tenant(2)))
    tries = 0

    async def count_up(tx: Transaction) -> None:
        nonlocal tries
        tries += 1
        row = await tx.one(f"SELECT created FROM tenants WHERE id = 2{tx.for_update}")
        assert row is not None
        await tx.write(at_version(2, row[0]))

    await asyncio.gather(*(server.write(count_up, locking=True) for _ in range(8)))
    assert tries == 8


async def test_a_pool_whose_connections_are_all_busy_says_so_after_two_seconds(
    shared_url: str,
) -> None:
    database = await PostgresDatabase.connect(shared_url, pool_size=2)
    done = asyncio.Event()

    async def hold(tx: Transaction) -> None:
        await tx.one("SELECT 1")
        await done.wait()

    holding = [asyncio.create_task(database.read(hold)) for _ in range(2)]
    began = time.monotonic()
    found = await asyncio.gather(
        *(database.read(lambda tx: tx.one("SELECT 1")) for _ in range(3)), return_exceptions=True
    )
    assert [type(each) for each in found] == [DatabaseUnavailable] * 3
    assert 1.5 < time.monotonic() - began < 4
    done.set()
    await asyncio.gather(*holding)
    assert await database.read(lambda tx: tx.one("SELECT 1")) is not None
    await database.close()


async def test_nobody_who_waits_for_a_connection_is_overtaken(shared_url: str) -> None:
    database = await PostgresDatabase.connect(shared_url, pool_size=1)
    order: list[str] = []

    async def greedy() -> None:
        for number in range(20):
            await database.read(lambda tx: tx.one("SELECT 1"))
            order.append(f"greedy {number}")

    async def patient() -> None:
        await database.read(lambda tx: tx.one("SELECT 1"))
        order.append("patient")

    await asyncio.gather(greedy(), patient())
    assert order.index("patient") <= 2
    await database.close()


async def test_who_goes_away_gives_his_connection_back(shared_url: str) -> None:
    database = await PostgresDatabase.connect(shared_url, pool_size=1)
    began = time.monotonic()
    for tick in range(10):
        done = asyncio.Event()
        using = asyncio.create_task(database.read(lambda tx, done=done: done.wait()))
        waiting = asyncio.create_task(database.read(lambda tx: tx.one("SELECT 1")))
        await asyncio.sleep(0.001)
        if tick % 2:
            done.set()  # the connection is on its way to him already
            for _ in range(tick // 2):
                await asyncio.sleep(0)
        else:
            using.cancel()
        waiting.cancel()
        await asyncio.gather(using, waiting, return_exceptions=True)
        assert await database.read(lambda tx: tx.one("SELECT 7")) is not None
    assert time.monotonic() - began < 2  # nobody has waited in vain
    await database.close()


async def test_a_server_that_was_killed_is_used_again_when_it_is_back(
    postgres_cluster: PostgresCluster,
) -> None:
    url = postgres_cluster.create_database()
    database = await open_database(url, migrate=True)
    await database.write(writing(tenant(2)))
    postgres_cluster.kill()
    for attempt in (
        database.read(lambda tx: tx.one("SELECT 1")),
        database.write(writing(tenant(3))),
    ):
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            await attempt
        assert time.monotonic() - began < 5
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        await open_database(url)
    postgres_cluster.start()
    await database.write(writing(tenant(4)))
    assert await tenants(database) == {2, 4}
    await database.close()


async def test_who_is_not_let_in_is_told_that_the_database_cannot_be_reached(
    shared_url: str,
) -> None:
    for url in (f"{shared_url}_not", shared_url.replace(":", ":x", 2).replace(":x//", "://")):
        with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
            await open_database(url)


async def test_a_statement_that_takes_too_long_is_ended(shared_url: str) -> None:
    database = await PostgresDatabase.connect(shared_url)
    await database.read(lambda tx: tx.one("SELECT set_config('statement_timeout', '50', false)"))
    with pytest.raises(DatabaseUnavailable, match="QueryCanceled"):
        await database.read(lambda tx: tx.one("SELECT pg_sleep(5)"))
    await database.close()


async def test_a_session_waits_for_no_lock_and_no_statement_for_ever(shared_url: str) -> None:
    database = await PostgresDatabase.connect(shared_url)
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        row = await database.read(
            lambda tx, name=name: tx.one("SELECT current_setting(:n)", n=name)
        )
        assert row is not None
        assert row[0].endswith("s")
    row = await database.read(lambda tx: tx.one("SHOW synchronous_commit"))
    assert row is not None
    assert row[0] == "on"
    await database.close()


def test_the_drivers_errors_are_known() -> None:
    """Names that storage catches; a new version of a driver may have others."""
    assert issubclass(asyncpg.QueryCanceledError, asyncpg.OperatorInterventionError)
    assert issubclass(asyncpg.DiskFullError, asyncpg.InsufficientResourcesError)
    assert issubclass(asyncpg.DivisionByZeroError, asyncpg.DataError)
