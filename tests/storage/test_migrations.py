"""Every database of the past becomes the one of today, and nobody works on any other."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import apsw
import asyncpg
import msgspec
import pytest

from meibo.storage import engine, memberships, migrate, users
from meibo.storage.database import Database, Statement
from meibo.storage.engine import open_database
from meibo.storage.errors import DatabaseUnavailable, SchemaMismatch
from meibo.storage.migrate import Engine, Migration, Part, migrations
from tests.postgres import PostgresCluster
from tests.reliability.inspection import damage
from tests.storage.sampling import TABLES, Rows, load, sample, sample_file

PARTS: tuple[Part, ...] = get_args(Part)
VERSIONS = [
    pytest.param(part, step.version, id=f"{part} {step.version}")
    for part in PARTS
    for step in migrations(part, "sqlite")
]

Schema = dict[str, dict[str, Any]]


def only_until(monkeypatch: pytest.MonkeyPatch, part: Part, version: int, *more: Migration) -> None:
    """Makes the program one of the past for that part, or one with ``more`` steps."""

    def steps(wanted: Part, engine: Engine) -> tuple[Migration, ...]:
        found = migrations(wanted, engine)
        if wanted != part:
            return found
        return (*(each for each in found if each.version <= version), *more)

    monkeypatch.setattr(engine, "migrations", steps)


def of_part(database: Database, part: Part) -> Database:
    return database if part == "directory" else database.log


async def schema_of(database: Database) -> Schema:
    """Tables, columns, keys and indexes, in words that are the same on both engines."""
    if database.dialect.engine == "postgresql":
        return await _postgresql_schema(database)
    found: Schema = {}
    for part in PARTS:
        found |= await _sqlite_schema(of_part(database, part))
    return found


async def _sqlite_schema(database: Database) -> Schema:
    tables = await _all(database, "SELECT name FROM sqlite_schema WHERE type = 'table'")
    found: Schema = {}
    for (table,) in tables:
        columns = await _all(
            database, 'SELECT name, type, "notnull" FROM pragma_table_info(:table)', table=table
        )
        indexes: dict[str, Any] = {}
        for name, unique, origin, partial in await _all(
            database,
            'SELECT name, "unique", origin, partial FROM pragma_index_list(:table)',
            table=table,
        ):
            parts = await _all(
                database, "SELECT name FROM pragma_index_info(:name) ORDER BY seqno", name=name
            )
            shown = f"{table}_pkey" if origin == "pk" else name
            indexes[shown] = (bool(unique), bool(partial), [part[0] for part in parts])
        references: dict[int, list[str]] = defaultdict(list)
        for number, other, column in await _all(
            database,
            """
            SELECT id, "table", "from" FROM pragma_foreign_key_list(:table) ORDER BY id, seq""",
            table=table,
        ):
            references[number] += [column] if references[number] else [other, column]
        found[table] = {
            "columns": {name: (kind.lower(), bool(notnull)) for name, kind, notnull in columns},
            "indexes": indexes,
            "references": sorted(references.values()),
        }
    return found


async def _postgresql_schema(database: Database) -> Schema:
    found: Schema = defaultdict(lambda: {"columns": {}, "indexes": {}, "references": []})
    for table, column, kind, nullable in await _all(
        database,
        """
        SELECT table_name, column_name, coalesce(domain_name, data_type), is_nullable
          FROM information_schema.columns
         WHERE table_schema = current_schema()
         ORDER BY table_name, ordinal_position""",
    ):
        found[table]["columns"][column] = (kind, nullable == "NO")
    for table, name, unique, partial, columns in await _all(
        database,
        """
        SELECT t.relname, i.relname, x.indisunique, x.indpred IS NOT NULL,
               array(SELECT a.attname
                       FROM unnest(x.indkey) WITH ORDINALITY AS k(number, place)
                       JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number
                      ORDER BY k.place)
          FROM pg_index x
          JOIN pg_class t ON t.oid = x.indrelid
          JOIN pg_class i ON i.oid = x.indexrelid
         WHERE t.relnamespace = CAST(current_schema() AS regnamespace)""",
    ):
        found[table]["indexes"][name] = (unique, partial, list(columns))
    for table, other, columns in await _all(
        database,
        """
        SELECT t.relname, o.relname,
               array(SELECT a.attname
                       FROM unnest(c.conkey) WITH ORDINALITY AS k(number, place)
                       JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number
                      ORDER BY k.place)
          FROM pg_constraint c
          JOIN pg_class t ON t.oid = c.conrelid
          JOIN pg_class o ON o.oid = c.confrelid
         WHERE c.contype = 'f'""",
    ):
        found[table]["references"].append([other, *columns])
    return {
        table: {**each, "references": sorted(each["references"])} for table, each in found.items()
    }


async def _all(database: Database, sql: Any, **parameters: Any) -> list[tuple[Any, ...]]:
    rows = await database.read(lambda tx: tx.all(sql, **parameters))
    return [tuple(row) for row in rows]


async def fresh_schema(url: str) -> Schema:
    database = await open_database(url, migrate=True)
    try:
        return await schema_of(database)
    finally:
        await database.close()


@pytest.fixture(scope="module")
def another_postgres_url(postgres_server: PostgresCluster) -> Iterator[str]:
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def another_url(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> str:
    """A second database on the same engine, which several tests may have used."""
    if database_url.startswith("sqlite"):
        return f"sqlite:///{tmp_path}/another.sqlite3"
    return request.getfixturevalue("another_postgres_url")


# -- from the past ---------------------------------------------------------------------------------


@pytest.mark.parametrize("part, version", VERSIONS)
async def test_a_migrated_database_is_like_a_fresh_one_and_has_kept_everything(
    database_url: str,
    another_url: str,
    part: Part,
    version: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as past:
        only_until(past, part, version)
        old = await open_database(database_url, migrate=True)
        for each in PARTS:
            newest = migrations(each, "sqlite")[-1].version
            await load(of_part(old, each), sample(each, version if each == part else newest))
        await old.close()
    database = await open_database(database_url, migrate=True)
    try:
        assert await schema_of(database) == await fresh_schema(another_url)
        assert await damage(database) == []
        await check_people(database, sample("directory", version) if part == "directory" else {})
        counted = await _all(of_part(database, part), _counts(part))
        kept = sample(part, version)
        assert dict(counted) == {table: len(kept.get(table, [])) for table in TABLES[part]}
    finally:
        await database.close()


def _counts(part: Part) -> str:
    return " UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in TABLES[part])


async def check_people(database: Database, rows: Rows) -> None:
    """Whoever was there is found by today's program as he was."""
    for row in rows.get("users", []):
        tenant, connection, key = row["tenant"], row["connection"], row["id"]
        found = await database.read(
            lambda tx, t=tenant, c=connection, k=key: users.load(tx, t, c, k)
        )
        assert (found is None) == (row["removed"] is not None)
        if found is not None:
            assert msgspec.json.decode(found.body)["userName"] == row["user_name"]
            assert found.version == row["version"]
    for row in rows.get("groups", []):
        tenant, key = row["tenant"], row["id"]
        members = await database.read(
            lambda tx, t=tenant, k=key: memberships.members(tx, t, k, count=1_000)
        )
        was = [each for each in rows["memberships"] if each["group_id"] == key]
        assert {each.id for each in members} == {each["member_id"] for each in was}


def test_there_is_a_sample_of_every_version() -> None:
    """Made by tests/storage/sampling.py, before the next migration is written."""
    for part in PARTS:
        for step in migrations(part, "sqlite"):
            assert sample_file(part, step.version).is_file()
            assert set(sample(part, step.version)) == set(TABLES[part]) or step.version > 1


def test_every_file_is_a_migration_and_their_numbers_have_no_gaps() -> None:
    for part in PARTS:
        folder = resources.files("meibo.storage") / "migrations" / part
        names = [file.name for file in folder.iterdir() if not file.name.startswith("__")]
        for name in names:
            assert migrate._NAME.fullmatch(name), f"{name} would be passed over"
        for each in get_args(Engine):
            numbers = [step.version for step in migrations(part, each)]
            assert numbers == list(range(1, len(numbers) + 1))
        assert len(migrations(part, "sqlite")) == len(migrations(part, "postgresql"))


@pytest.mark.postgresql
async def test_both_engines_have_the_same_tables(tmp_path: Path, another_postgres_url: str) -> None:
    embedded = await fresh_schema(f"sqlite:///{tmp_path}/meibo.sqlite3")
    server = await fresh_schema(another_postgres_url)
    assert embedded == server
    assert set(server) == {*TABLES["directory"], *TABLES["log"], "schema_versions"}


async def test_a_database_is_opened_again_as_it_is(database_url: str) -> None:
    await (await open_database(database_url, migrate=True)).close()
    for migrating in (None, True, False):
        database = await open_database(database_url, migrate=migrating)
        assert await _all(database, "SELECT slug FROM tenants") == [("default",)]
        await database.close()


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
async def test_a_database_newer_than_the_program_is_refused(database_url: str, part: Part) -> None:
    database = await open_database(database_url, migrate=True)
    future = Statement("UPDATE schema_versions SET version = 99 WHERE part = :part", {"part": part})
    await of_part(database, part).write(lambda tx: tx.write(future))
    await database.close()
    for migrating in (None, True, False):
        with pytest.raises(SchemaMismatch, match=f"{part} schema is version 99, newer"):
            await open_database(database_url, migrate=migrating)


@pytest.mark.parametrize("part", PARTS)
async def test_an_older_database_is_refused_unless_it_is_to_be_migrated(
    database_url: str, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await open_database(database_url, migrate=True)).close()
    newest = migrations(part, "sqlite")[-1].version
    step = Migration(
        part, newest + 1, "CREATE TABLE later (x BIGINT);" + recorded(part, newest + 1)
    )
    only_until(monkeypatch, part, newest, step)
    refusing = (False,) if database_url.startswith("sqlite") else (None, False)
    for migrating in refusing:
        with pytest.raises(SchemaMismatch, match="'meibo migrate'"):
            await open_database(database_url, migrate=migrating)
    database = await open_database(database_url, migrate=True)
    assert "later" in await schema_of(database)
    await database.close()


async def test_an_empty_postgresql_database_is_not_touched_unasked(postgres_url: str) -> None:
    with pytest.raises(SchemaMismatch, match="'meibo migrate'"):
        await open_database(postgres_url)
    connection = await asyncpg.connect(postgres_url)
    tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert await connection.fetchval(tables) == 0
    await connection.close()


def recorded(part: Part, version: int) -> str:
    return f"UPDATE schema_versions SET version = {version} WHERE part = '{part}';"


@pytest.mark.parametrize("part", PARTS)
async def test_a_migration_that_is_cut_short_leaves_nothing(
    database_url: str, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await open_database(database_url, migrate=True)).close()
    newest = migrations(part, "sqlite")[-1].version
    good = "CREATE TABLE first (x BIGINT); INSERT INTO first VALUES (1);"
    bad = "CREATE TABLE second (x BIGINT); INSERT INTO second VALUES (1); INSERT INTO nowhere;"
    with monkeypatch.context() as interrupted:
        only_until(
            interrupted,
            part,
            newest,
            Migration(part, newest + 1, good + recorded(part, newest + 1)),
            Migration(part, newest + 2, bad + recorded(part, newest + 2)),
        )
        with pytest.raises((apsw.Error, asyncpg.PostgresError)):
            await open_database(database_url, migrate=True)
    database = await open_database(database_url)
    assert not {"first", "second"} & set(await schema_of(database))
    versions = await _all(of_part(database, part), "SELECT part, version FROM schema_versions")
    assert dict(versions)[part] == newest
    await database.close()


async def test_processes_that_start_at_once_do_not_stumble_over_each_other(
    database_url: str,
) -> None:
    """Two nodes with --migrate, or the command line and the service on a new file."""

    async def start() -> None:
        await (await open_database(database_url, migrate=True)).close()

    await asyncio.gather(*(asyncio.to_thread(asyncio.run, start()) for _ in range(4)))
    database = await open_database(database_url)
    assert await _all(database, "SELECT slug FROM tenants") == [("default",)]
    await database.close()


async def test_a_file_that_another_process_writes_to_can_be_opened_and_read(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/meibo.sqlite3"
    await (await open_database(url)).close()
    beside = apsw.Connection(str(tmp_path / "meibo.sqlite3"))
    beside.execute("BEGIN IMMEDIATE")
    database = await open_database(url)
    assert await _all(database, "SELECT slug FROM tenants") == [("default",)]
    await database.close()
    beside.execute("ROLLBACK")
    beside.close()


@pytest.mark.parametrize(
    "url", ["", "sqlite:meibo", "sqlite:///", "mysql://x/y", "meibo.sqlite3", "postgresql"]
)
async def test_another_url_is_none_of_ours(url: str) -> None:
    with pytest.raises(ValueError, match=r"neither sqlite:///PATH nor postgresql://"):
        await open_database(url)


async def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises((DatabaseUnavailable, OSError)):
        await open_database(f"sqlite:///{tmp_path}/file/meibo.sqlite3")
