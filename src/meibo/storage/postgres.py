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
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, LiteralString, TypeVar, cast

import asyncpg

from meibo.scim.errors import ScimError
from meibo.storage.database import Database, Operation, Parameter, Row, Statement
from meibo.storage.dialect import POSTGRESQL, Dialect
from meibo.storage.errors import (
    DatabaseUnavailable,
    StorageError,
    TooSlow,
    UniqueViolation,
    VersionConflict,
)
from meibo.storage.postgres_pool import CONNECT_SECONDS, Pool
from meibo.storage.scans import Scans

if TYPE_CHECKING:
    from meibo.storage.postgres_pool import Connection

T = TypeVar("T")

WRITE_TRIES = 6  # the first without a lock, the others with one
COMPOSED = 50  # statements sent as one; the time to plan them grows with the square of that
POOL_SIZE = 10
SCANS = 3  # of the pool's connections, for reads that may go through many rows
MIGRATING = 6312041  # an advisory lock: any number, the same in every version of this program
NOTICEABLE_ROWS = 500
_NEVER_ANALYZED = """
    SELECT relname
      FROM pg_stat_user_tables
     WHERE schemaname = current_schema() AND n_live_tup >= $1
       AND last_analyze IS NULL AND last_autoanalyze IS NULL
"""
SESSION = {
    "application_name": "meibo",
    "lock_timeout": "2s",
    "statement_timeout": "5s",
    "idle_in_transaction_session_timeout": "10s",
    "synchronous_commit": "on",
    # With LIMIT as a parameter the server would plan each execution anew: 150 µs for a look-up of
    # 35. Filters that differ in more than their literals are different statements.
    "plan_cache_mode": "force_generic_plan",
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
    asyncpg.InsufficientPrivilegeError,  # somebody has made a table unwritable,
    asyncpg.RaiseError,  # or a trigger of his refuses the row
    asyncpg.PostgresSystemError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
    *_AGAIN,
)


class PostgresDatabase:
    """Connections to one PostgreSQL database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._scans = Scans(running=SCANS)

    @classmethod
    async def connect(cls, url: str, *, pool_size: int = POOL_SIZE) -> "PostgresDatabase":
        """Opens the database.

        Raises:
            DatabaseUnavailable: nobody answers at the URL, or it refuses us.
        """

        async def connect() -> "Connection":
            return await asyncpg.connect(
                url,
                timeout=CONNECT_SECONDS,
                statement_cache_size=512,
                max_cached_statement_lifetime=0,
                server_settings=SESSION,
            )

        database = cls(Pool(connect, pool_size))
        try:
            database._pool.release(await database._pool.acquire())
        except (asyncpg.PostgresError, *_UNAVAILABLE) as error:
            raise DatabaseUnavailable(f"PostgreSQL cannot be reached: {error}") from error
        return database

    @property
    def dialect(self) -> Dialect:
        """What statements must know of the engine."""
        return POSTGRESQL

    @property
    def log(self) -> Database:
        """The provisioning log lives in the same database."""
        return self

    async def read(
        self, operation: Operation[T], *, snapshot: bool = False, scan: bool = False
    ) -> T:
        """See ``Database.read``."""

        async def run(connection: "Connection") -> T:
            if not (snapshot or scan):
                return await operation(_PostgresTransaction(connection))
            try:
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    return await operation(_PostgresTransaction(connection))
            except asyncpg.QueryCanceledError as error:  # statement_timeout
                raise TooSlow(str(error)) from error

        if not scan:
            return await self._with_connection(run)
        async with self._scans.turn():
            return await self._with_connection(run)

    async def write(self, operation: Operation[T], *, locking: bool = False) -> T:
        """See ``Database.write``."""

        async def run(connection: "Connection") -> T:
            for attempt in range(1, WRITE_TRIES):
                try:
                    return await _attempt(connection, operation, locking=locking or attempt > 1)
                except (VersionConflict, *_AGAIN):
                    if attempt > 1:
                        await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - jitter
            return await _attempt(connection, operation, locking=True)

        return await self._with_connection(run)

    async def look_after(self) -> None:
        """Gathers the planner's first statistics of tables that have just been filled.

        Without any it takes every table for small and may read all people of a connection to find
        one by name. Autovacuum comes by once a minute, and a first synchronisation is over by then.
        """

        async def run(connection: "Connection") -> None:
            for (table,) in await connection.fetch(_NEVER_ANALYZED, NOTICEABLE_ROWS):
                await connection.execute(f'ANALYZE "{table}"')

        await self._with_connection(run)

    async def close(self) -> None:
        """Closes every connection."""
        await self._pool.close()

    async def migrate(self, steps: Operation[Sequence[str]]) -> None:
        """Runs the scripts that ``steps`` asks for, all or none, while nobody else can migrate."""

        async def run(connection: "Connection") -> None:
            async with connection.transaction():
                await connection.execute("SET LOCAL statement_timeout = 0")
                await connection.execute("SET LOCAL lock_timeout = 0")
                await connection.execute(f"SELECT pg_advisory_xact_lock({MIGRATING})")
                for script in await steps(_PostgresTransaction(connection)):
                    await connection.execute(script)

        await self._with_connection(run)

    async def _with_connection(self, run: "Callable[[Connection], Awaitable[T]]") -> T:
        """Runs with a connection of the pool; whatever goes wrong gets one of our names."""
        broken = True
        connection: Connection | None = None
        try:
            connection = await self._pool.acquire()
            result = await run(connection)
            broken = False
            return result
        except (StorageError, ScimError):
            broken = False
            raise
        except asyncpg.UniqueViolationError as error:
            broken = False
            raise UniqueViolation(error.constraint_name or "") from error
        except asyncpg.InterfaceError as error:  # its text may hold a parameter's value
            raise DatabaseUnavailable(type(error).__name__) from error
        except _UNAVAILABLE as error:
            raise DatabaseUnavailable(f"{type(error).__name__}: {error}") from error
        finally:
            if connection is not None:
                self._pool.release(connection, broken=broken)


async def _attempt(connection: "Connection", operation: Operation[T], *, locking: bool) -> T:
    if not locking:
        return await operation(_PostgresTransaction(connection))
    async with connection.transaction():
        return await operation(_PostgresTransaction(connection, locking=True))


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
        try:
            if self._locking or len(statements) > COMPOSED:
                # Under a lock a savepoint: after a refusal the operation can still ask whose the
                # value is.
                async with self._connection.transaction():
                    for first in range(0, len(statements), COMPOSED):
                        await self._run(statements[first : first + COMPOSED])
            else:
                await self._run(statements)
        except asyncpg.DivisionByZeroError as error:  # see _composed
            raise VersionConflict(statements[0].sql) from error
        except asyncpg.UniqueViolationError as error:
            raise UniqueViolation(error.constraint_name or "") from error

    async def _run(self, statements: Sequence[Statement]) -> None:
        text, places = _composed(tuple((each.sql, each.guard) for each in statements))
        values = [statements[index].parameters[name] for index, name in places]
        await self._connection.fetch(text, *values)

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
