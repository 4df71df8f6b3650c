"""From a database URL to an open database of the right schema."""

from pathlib import Path
from urllib.parse import urlsplit

from meibo.storage.database import Database, Transaction
from meibo.storage.errors import SchemaMismatch
from meibo.storage.migrate import VERSIONS_TABLE, Engine, Part, migrations
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
        parts: tuple[tuple[Part, SqliteDatabase], ...] = (("directory", embedded), ("log", log))
        for part, database in parts:
            database.script(VERSIONS_TABLE)
            for step in await _pending(database, part, "sqlite", migrate=migrate is not False):
                database.script(step)
        return embedded
    server = await PostgresDatabase.connect(url)
    try:
        await server.script(f"SELECT pg_advisory_xact_lock(6312041);{VERSIONS_TABLE}")
        for part in ("directory", "log"):
            for step in await _pending(server, part, "postgresql", migrate=migrate is True):
                await server.script(step)
    except BaseException:
        await server.close()
        raise
    return server


async def _pending(database: Database, part: Part, engine: Engine, *, migrate: bool) -> list[str]:
    async def current(tx: Transaction) -> int:
        row = await tx.one("SELECT version FROM schema_versions WHERE part = :part", part=part)
        return 0 if row is None else int(row[0])

    version, steps = await database.read(current), migrations(part, engine)
    newest = steps[-1].version
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
    return [step.sql for step in steps if step.version > version]
