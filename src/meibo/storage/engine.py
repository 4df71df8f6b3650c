"""From a database URL to an open database of the right schema."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from meibo.storage.database import Database, Transaction
from meibo.storage.errors import SchemaMismatch
from meibo.storage.migrate import Part, migrations
from meibo.storage.postgres import PostgresDatabase
from meibo.storage.sqlite import SqliteDatabase


def sqlite_path(url: str) -> Path | None:
    """The file of a ``sqlite:///`` URL, None for another database.

    Raises:
        ValueError: the URL names no database that Meibo knows.
    """
    if url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        # Three slashes are followed by the path as it is: relative, or absolute with a fourth.
        return Path(url.removeprefix("sqlite:///"))
    if urlsplit(url).scheme in ("postgresql", "postgres"):
        return None
    raise ValueError(f"{url!r} is neither sqlite:///PATH nor postgresql://...")


async def open_database(url: str, *, migrate: bool | None = None) -> Database:
    """Opens the database at ``url``.

    Args:
        migrate: whether an older schema is brought up to date. By default SQLite's is and
            PostgreSQL's is not, since other processes may be using it.

    Raises:
        ValueError: the URL is none of ours.
        DatabaseUnavailable: it cannot be opened.
        SchemaMismatch: its schema is newer than this program, or older and not to be migrated.
    """
    path = sqlite_path(url)
    if path is not None:
        log = SqliteDatabase(path.with_name(f"{path.stem}-log{path.suffix}"), synchronous="NORMAL")
        embedded = SqliteDatabase(path, log=log)
        async with _closed_on_failure(embedded):
            await _bring_up_to_date(embedded, "directory", migrate=migrate is not False)
            await _bring_up_to_date(log, "log", migrate=migrate is not False)
        return embedded
    server = await PostgresDatabase.connect(url)
    async with _closed_on_failure(server):
        await _bring_up_to_date(server, "directory", migrate=migrate is True)
        await _bring_up_to_date(server, "log", migrate=migrate is True)
    return server


@asynccontextmanager
async def _closed_on_failure(database: Database) -> AsyncGenerator[None]:
    try:
        yield
    except BaseException:
        await database.close()
        raise


async def _bring_up_to_date(
    database: SqliteDatabase | PostgresDatabase, part: Part, *, migrate: bool
) -> None:
    steps = migrations(part, database.dialect.engine)

    async def missing(tx: Transaction) -> list[str]:
        version = await _version(tx, part)
        _check(part, version, steps[-1].version, migrate=migrate)
        return [step.sql for step in steps if step.version > version]

    if await database.read(missing):
        # Asked again while nobody else migrates: two processes may have started at once.
        await database.migrate(missing)


async def _version(tx: Transaction, part: Part) -> int:
    """The number of the last migration; 0 for a database without any."""
    if await tx.one(f"SELECT 1 WHERE {tx.dialect.has_versions}") is None:
        return 0
    row = await tx.one("SELECT version FROM schema_versions WHERE part = :part", part=part)
    return 0 if row is None else int(row[0])


def _check(part: Part, version: int, newest: int, *, migrate: bool) -> None:
    if version > newest:
        raise SchemaMismatch(
            f"the database's {part} schema is version {version}, newer than this program's"
            f" {newest}: use the newer program"
        )
    if version < newest and not migrate:
        raise SchemaMismatch(
            f"the database's {part} schema is version {version}, this program needs {newest}:"
            " run 'meibo migrate' first"
        )
