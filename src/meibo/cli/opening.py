"""Open the database for one command, and find the tenant that it is about."""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from meibo import config
from meibo.access import tenants
from meibo.cli.command import NoDatabase, WrongSetting
from meibo.storage.database import Database, Transaction
from meibo.storage.engine import open_database, sqlite_path
from meibo.storage.errors import DatabaseUnavailable, SchemaMismatch
from meibo.storage.tenants import Tenant

T = TypeVar("T")


def actor() -> str:
    """Who acts, for the audit trail: the operating system's name of whoever runs the command."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # nobody knows the number
        name = str(os.getuid())
    return f"CLI ({name})"


def in_database(
    url: str,
    work: Callable[[Database], Awaitable[T]],
    *,
    migrate: bool | None = None,
) -> T:
    """Runs ``work`` on the database.

    Raises:
        WrongSetting, NoDatabase: the URL is none, or the database cannot be opened.
        StorageError: from ``work``.
    """
    prepare(url)

    async def run() -> T:
        with naming_database(url):
            database = await open_database(url, migrate=migrate)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def reading(url: str, slug: str, operation: Callable[[Transaction, Tenant], Awaitable[T]]) -> T:
    """What an operation that only reads finds in the tenant."""

    async def work(database: Database) -> T:
        async def run(tx: Transaction) -> T:
            return await operation(tx, await tenants.find(tx, slug))

        return await database.read(run, snapshot=True)

    return in_database(url, work)


def writing(url: str, slug: str, operation: Callable[[Transaction, Tenant], Awaitable[T]]) -> T:
    """What an operation that writes gives back when it is on disk."""

    async def work(database: Database) -> T:
        async def run(tx: Transaction) -> T:
            return await operation(tx, await tenants.find(tx, slug))

        return await database.write(run)

    return in_database(url, work)


def prepare(url: str) -> None:
    """Checks the URL, and makes the folder of an SQLite database.

    Raises:
        WrongSetting, NoDatabase: the URL is none of ours, or the folder cannot be made.
    """
    try:
        path = sqlite_path(url)
    except ValueError as error:
        raise WrongSetting(f"--database: {error}") from error
    if path is None:
        return
    try:
        if url == config.default_database(os.environ):
            make_private(path.parent)
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NoDatabase(f"{path.parent} cannot be made: {error.strerror}") from error


@contextmanager
def naming_database(url: str) -> Generator[None]:
    """Tells of which SQLite file it is that an error speaks.

    Raises:
        NoDatabase: in place of what storage raises when a database cannot be used.
    """
    try:
        yield
    except (DatabaseUnavailable, SchemaMismatch) as error:
        path = sqlite_path(url)
        named = path is None or str(path) in str(error)
        raise NoDatabase(str(error) if named else f"{path}: {error}") from error


def make_private(directory: Path) -> None:
    """Makes a folder that only its owner may look into, if it is not there.

    Raises:
        OSError: it cannot be made.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
