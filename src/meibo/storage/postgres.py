"""PostgreSQL (15 or later): any number of stateless processes, few round trips.

A read is one statement on a pooled connection. A write reads without a lock and then sends all its
statements as one (a CTE), guarded by the version it read: two round trips and no BEGIN. Only when
the guard fails, because somebody else wrote in between, is the operation run again inside a
transaction that locks the row first, so that a busy group's writers queue up instead of racing.
Invariants rest on unique indexes and row locks, never on the isolation level.
"""

import asyncio
import random
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, LiteralString, TypeAlias, TypeVar, cast

import asyncpg

from meibo.storage.database import Database, Operation, Parameter, Row, Statement
from meibo.storage.dialect import POSTGRESQL, Dialect
from meibo.storage.errors import (
    DatabaseUnavailable,
    StorageError,
    UniqueViolation,
    VersionConflict,
)

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
    Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

T = TypeVar("T")

WRITE_TRIES = 6  # the first without a lock, the others with one
CONNECT_SECONDS = 2.0
POOL_SIZE = 10
SESSION = {
    "application_name": "meibo",
    "lock_timeout": "2s",
    "statement_timeout": "5s",
    "idle_in_transaction_session_timeout": "10s",
    "synchronous_commit": "on",
}

_AGAIN = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
)
_UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,  # shutdown, cancelled, starting up
    asyncpg.InsufficientResourcesError,  # disk full, too many connections
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
    *_AGAIN,
)


class PostgresDatabase:
    """A pool of connections to one PostgreSQL database."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool

    @classmethod
    async def connect(cls, url: str, *, pool_size: int = POOL_SIZE) -> "PostgresDatabase":
        """Opens the pool.

        Raises:
            DatabaseUnavailable: nobody answers at the URL, or it refuses us.
        """
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=pool_size,
                timeout=CONNECT_SECONDS,
                statement_cache_size=512,
                max_cached_statement_lifetime=0,
                server_settings=SESSION,
                # The default sends a statement to the server each time a connection goes back.
                # Nothing here changes a session.
                reset=_keep,
            )
        except (asyncpg.PostgresError, *_UNAVAILABLE) as error:
            raise DatabaseUnavailable(f"PostgreSQL cannot be reached: {error}") from error
        return cls(pool)

    @property
    def dialect(self) -> Dialect:
        """What statements must know of the engine."""
        return POSTGRESQL

    @property
    def log(self) -> Database:
        """The provisioning log lives in the same database."""
        return self

    async def read(self, operation: Operation[T], *, snapshot: bool = False) -> T:
        """See ``Database.read``."""
        async with self._connection() as connection:
            if not snapshot:
                return await operation(_PostgresTransaction(connection))
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return await operation(_PostgresTransaction(connection))

    async def write(self, operation: Operation[T]) -> T:
        """See ``Database.write``."""
        async with self._connection() as connection:
            for attempt in range(WRITE_TRIES):
                try:
                    if attempt == 0:
                        return await operation(_PostgresTransaction(connection))
                    async with connection.transaction():
                        return await operation(_PostgresTransaction(connection, locking=True))
                except (VersionConflict, *_AGAIN):
                    if attempt == WRITE_TRIES - 1:
                        raise
                if attempt > 0:
                    await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311
        raise AssertionError("unreachable: the last try returns or raises")

    async def close(self) -> None:
        """Closes every connection; those still busy after a few seconds are cut."""
        try:
            await asyncio.wait_for(self._pool.close(), timeout=5)
        except TimeoutError:
            self._pool.terminate()

    async def script(self, sql: str) -> None:
        """Runs a migration's statements in one transaction of their own."""
        async with self._connection() as connection, connection.transaction():
            await connection.execute("SET LOCAL statement_timeout = 0")
            await connection.execute(sql)

    @asynccontextmanager
    async def _connection(self) -> "AsyncGenerator[Connection]":
        try:
            async with self._pool.acquire(timeout=CONNECT_SECONDS) as connection:
                yield connection
        except StorageError:
            raise
        except asyncpg.UniqueViolationError as error:
            raise UniqueViolation(error.constraint_name or "") from error
        except _UNAVAILABLE as error:
            raise DatabaseUnavailable(f"{type(error).__name__}: {error}") from error


class _PostgresTransaction:
    """Statements on one connection: each on its own, or inside a transaction that locks."""

    __slots__ = ("_connection", "_locking", "for_update")

    def __init__(self, connection: "Connection", *, locking: bool = False) -> None:
        self._connection = connection
        self._locking = locking
        self.for_update: LiteralString = " FOR UPDATE" if locking else ""

    @property
    def dialect(self) -> Dialect:
        return POSTGRESQL

    async def one(self, sql: LiteralString, **parameters: Parameter) -> Row | None:
        text, names = _numbered(sql)
        record = await self._connection.fetchrow(text, *[parameters[name] for name in names])
        return cast("Row | None", record)

    async def all(self, sql: LiteralString, **parameters: Parameter) -> Sequence[Row]:
        text, names = _numbered(sql)
        records = await self._connection.fetch(text, *[parameters[name] for name in names])
        return cast("Sequence[Row]", records)

    async def write(self, *statements: Statement) -> None:
        if not statements:
            return
        text, places = _composed(tuple((each.sql, each.guard) for each in statements))
        values = [statements[index].parameters[name] for index, name in places]
        try:
            if self._locking:
                # A savepoint: after a refusal the operation can still ask whose the value is.
                async with self._connection.transaction():
                    await self._connection.fetch(text, *values)
            else:
                await self._connection.fetch(text, *values)
        except asyncpg.DivisionByZeroError as error:  # see _composed
            raise VersionConflict(text) from error
        except asyncpg.UniqueViolationError as error:
            raise UniqueViolation(error.constraint_name or "") from error

    async def append(
        self, table: LiteralString, columns: tuple[LiteralString, ...], rows: Sequence[Row]
    ) -> None:
        await self._connection.copy_records_to_table(table, records=rows, columns=columns)


_PARAMETER = re.compile(r":([a-z][a-z0-9_]*)")


@lru_cache(maxsize=1024)
def _numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """``:name`` parameters as PostgreSQL's ``$1``: the text, and the names in order."""
    names: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${names.setdefault(match[1], len(names) + 1)}"

    return _PARAMETER.sub(number, sql), tuple(names)


@lru_cache(maxsize=1024)
def _composed(
    statements: tuple[tuple[str, bool], ...],
) -> tuple[str, tuple[tuple[int, str], ...]]:
    """All statements as one, which is atomic without a transaction around it.

    A guard that touches no row divides by zero: the only error that plain SQL can raise at will,
    and with it everything that the statement did is undone.
    """
    places: list[tuple[int, str]] = []
    parts: list[str] = []
    guards: list[str] = []
    for index, (sql, guard) in enumerate(statements):
        text, names = _numbered(sql)
        first = len(places)
        shifted = re.sub(r"\$(\d+)", lambda match, first=first: f"${int(match[1]) + first}", text)
        places.extend((index, name) for name in names)
        parts.append(f"w{index} AS ({shifted}{' RETURNING 1' if guard else ''})")
        if guard:
            guards.append(f"1 / (SELECT count(*) FROM w{index})")
    return f"WITH {', '.join(parts)} SELECT {', '.join(guards) or '1'}", tuple(places)


async def _keep(connection: object) -> None:
    """Gives a connection back to the pool as it is."""
