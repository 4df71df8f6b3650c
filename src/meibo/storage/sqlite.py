"""The embedded engine: one process, one writing connection, commits shared by all who wait.

Reads run inline on the event loop: one takes microseconds, a thread hop costs more. Writes run
inline too, each in a savepoint on the one writing connection; the COMMIT, which waits for the disk,
runs in a thread, and everything that arrives meanwhile shares the next one. Nobody is answered
before the commit that holds his write is on disk (``synchronous=FULL``; NORMAL survives a killed
process and loses acknowledged writes in a power cut).

SQLite before 3.51.3 can corrupt a WAL file when two connections write and checkpoint at once, so
``apsw``, which carries its own SQLite, is the driver and an older library is refused.
"""

import asyncio
import fcntl
import os
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, LiteralString, TypeVar

import apsw

from meibo.storage.database import Database, Operation, Parameter, Row, Statement
from meibo.storage.dialect import SQLITE, Dialect
from meibo.storage.errors import (
    DatabaseUnavailable,
    TooSlow,
    UniqueViolation,
    VersionConflict,
)
from meibo.storage.scans import Scans

T = TypeVar("T")

OLDEST_LIBRARY = (3, 51, 3)
BUSY_SECONDS = 5.0  # how long another process (the CLI) may hold the file
READER_CACHE_KIB = 16_384
WRITER_CACHE_KIB = 8_192
SCANNER_CACHE_KIB = 2_048
WAL_LIMIT_BYTES = 64 * 1024 * 1024

_CONSTRAINTS = ("CHECK", "FOREIGN KEY", "NOT NULL")
_UNAVAILABLE = (
    apsw.BusyError,
    apsw.LockedError,
    apsw.FullError,
    apsw.IOError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.NoMemError,
    apsw.ProtocolError,  # the locks of the write-ahead log were contended for too long
)


class SqliteDatabase:
    """One SQLite file that is open for reading and writing."""

    def __init__(
        self,
        path: Path,
        *,
        log: "SqliteDatabase | None" = None,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
    ) -> None:
        version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
        if version < OLDEST_LIBRARY:
            raise DatabaseUnavailable(
                f"SQLite {apsw.sqlite_lib_version()} can damage its files;"
                " 3.51.3 or later is needed"
            )
        self.path = path
        self._log = log
        with _errors(None):
            self._writer = _connect(path, synchronous, WRITER_CACHE_KIB)
            self._reader = _connect(path, synchronous, READER_CACHE_KIB)
            self._scanner = _connect(path, synchronous, SCANNER_CACHE_KIB)
        self._unique: dict[str, str] | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="commit")
        self._scanning = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scan")
        self._scans = Scans(running=1)
        self._occupied = False  # an operation or a COMMIT is using the writing connection
        self._waiting: list[asyncio.Future[None]] = []
        self._batch: list[asyncio.Future[None]] = []
        self._commit_is_due = False

    @property
    def dialect(self) -> Dialect:
        """What statements must know of the engine."""
        return SQLITE

    @property
    def log(self) -> Database:
        """The database that holds the provisioning log: a file of its own."""
        return self._log or self

    async def read(
        self, operation: Operation[T], *, snapshot: bool = False, scan: bool = False
    ) -> T:
        """See ``Database.read``. The last commit is what is read; a scan is read in a thread."""
        if scan:
            async with self._scans.turn() as deadline:
                return await asyncio.get_running_loop().run_in_executor(
                    self._scanning, self._scan, operation, deadline
                )
        transaction = _SqliteTransaction(self._reader, self)
        if not snapshot:
            return await operation(transaction)
        with _errors(self):
            self._reader.execute("BEGIN")
        try:
            return await operation(transaction)
        finally:
            self._reader.execute("COMMIT")

    async def write(self, operation: Operation[T], *, locking: bool = False) -> T:
        """See ``Database.write``; there is one writer at a time, so everything is locked."""
        deadline = asyncio.get_running_loop().time() + BUSY_SECONDS
        await self._occupy()
        try:
            if not self._writer.in_transaction:
                await self._begin(deadline)
            with _errors(self):
                self._writer.execute("SAVEPOINT operation")
                try:
                    result = await operation(_SqliteTransaction(self._writer, self))
                    self._writer.execute("RELEASE operation")
                except BaseException:
                    self._undo()
                    raise
            durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._batch.append(durable)
            if not self._commit_is_due:
                self._commit_is_due = True
                asyncio.get_running_loop().call_soon(self._commit)
        finally:
            self._release()
        await durable
        return result

    async def look_after(self) -> None:
        """See ``Database.look_after``; plans rest on the indexes, not on statistics."""

    async def close(self) -> None:
        """Waits for writes under way, folds the write-ahead log back and closes the files."""
        await self._occupy()
        if self._writer.in_transaction:
            self._writer.execute("COMMIT")
            self._settle(None)
        self._executor.shutdown()
        self._scanning.shutdown()
        self._scanner.close()
        self._reader.close()
        self._writer.close()
        if self._log is not None:
            await self._log.close()

    def _scan(self, operation: Operation[T], deadline: float) -> T:
        """Runs an operation to its end in this thread, which it may: it awaits nothing else."""
        # The event loop's clock is the monotonic one.
        self._scanner.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        with _errors(self), self._scanner:
            running = operation(_SqliteTransaction(self._scanner, self)).__await__()
            try:
                next(running)
            except StopIteration as finished:
                return finished.value
        raise AssertionError("an operation has awaited something else than its transaction")

    async def migrate(self, steps: Operation[Sequence[str]]) -> None:
        """Runs the scripts that ``steps`` asks for, all or none, while nobody else can migrate."""
        await self._begin(asyncio.get_running_loop().time() + BUSY_SECONDS)
        try:
            with _errors(self):
                for script in await steps(_SqliteTransaction(self._writer, self)):
                    self._writer.execute(script).fetchall()
                self._writer.execute("COMMIT")
        finally:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")

    # The writing connection is used by one operation or one COMMIT at a time.

    async def _occupy(self) -> None:
        while self._occupied:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        self._occupied = True

    def _release(self) -> None:
        self._occupied = False
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def _begin(self, deadline: float) -> None:
        while True:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                return
            except apsw.BusyError as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise DatabaseUnavailable("another process holds the database") from error
                await asyncio.sleep(0.002)
            except _UNAVAILABLE as error:
                raise DatabaseUnavailable(str(error)) from error

    def _undo(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK TO operation; RELEASE operation")
            if not self._batch:
                self._writer.execute("ROLLBACK")
        else:  # the error (disk full, I/O) has ended the whole transaction, others' writes with it
            self._settle(DatabaseUnavailable("the transaction was rolled back"))

    def _commit(self) -> None:
        if self._batch and self._occupied:  # an operation is suspended; it will not be long
            asyncio.get_running_loop().call_later(0.001, self._commit)
            return
        self._commit_is_due = False
        if not self._batch:
            return
        self._occupied = True
        committing = asyncio.get_running_loop().run_in_executor(
            self._executor, self._writer.execute, "COMMIT"
        )
        committing.add_done_callback(self._committed)

    def _committed(self, committing: "asyncio.Future[apsw.Cursor]") -> None:
        error = committing.exception()
        try:
            if error is not None and self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        finally:
            self._settle(DatabaseUnavailable(str(error)) if error is not None else None)
            self._release()

    def _settle(self, error: DatabaseUnavailable | None) -> None:
        batch, self._batch = self._batch, []
        for durable in batch:
            if durable.done():  # its client has gone
                continue
            if error is None:
                durable.set_result(None)
            else:
                durable.set_exception(error)

    def constraint(self, message: str) -> str:
        """The unique index's name for ``UNIQUE constraint failed: users.tenant, users.x``."""
        if self._unique is None:
            self._unique = _unique_indexes(self._reader)
        columns = message.rsplit(": ", 1)[-1]
        return self._unique.get(columns, columns)


class _SqliteTransaction:
    """Statements on one connection, run inline: awaiting one never suspends."""

    __slots__ = ("_connection", "_database", "for_update")

    def __init__(self, connection: apsw.Connection, database: SqliteDatabase) -> None:
        self._connection = connection
        self._database = database
        self.for_update: LiteralString = ""

    @property
    def dialect(self) -> Dialect:
        return SQLITE

    async def one(self, sql: LiteralString, **parameters: Parameter) -> Row | None:
        try:
            return self._connection.execute(sql, parameters).fetchone()
        except apsw.Error as error:
            raise _translated(error, self._database) from error

    async def all(self, sql: LiteralString, **parameters: Parameter) -> Sequence[Row]:
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except apsw.Error as error:
            raise _translated(error, self._database) from error

    async def write(self, *statements: Statement) -> None:
        execute = self._connection.execute
        try:
            for statement in statements:
                execute(statement.sql, statement.parameters)
                if statement.guard and self._connection.changes() == 0:
                    raise VersionConflict(statement.sql)
        except apsw.Error as error:
            raise _translated(error, self._database) from error

    async def append(
        self, table: LiteralString, columns: tuple[LiteralString, ...], rows: Sequence[Row]
    ) -> None:
        marks = ", ".join("?" * len(columns))
        try:
            self._connection.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows
            )
        except apsw.Error as error:
            raise _translated(error, self._database) from error


@contextmanager
def serving_lock(path: Path) -> Generator[None]:
    """Held by the one process that serves the file; another one is refused.

    Raises:
        DatabaseUnavailable: another process serves it.
    """
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DatabaseUnavailable(f"{path} is already served by another process") from error
        yield
    finally:
        os.close(lock)


def _connect(path: Path, synchronous: str, cache_kib: int) -> apsw.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    # People's data: for nobody else on the machine. SQLite's other files take the mode of this one.
    path.touch(mode=0o600)
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(int(BUSY_SECONDS * 1000))
    _use_write_ahead_log(connection)
    for setting in (
        f"synchronous = {synchronous}",
        f"cache_size = -{cache_kib}",
        "foreign_keys = ON",
        f"journal_size_limit = {WAL_LIMIT_BYTES}",
        "trusted_schema = OFF",
    ):
        # One by one, and each to its end: some answer with a row, and what follows in the same
        # text is not run before that row is read.
        connection.execute(f"PRAGMA {setting}").fetchall()
    # Without this a statement is planned anew each time its LIMIT is bound, 30 µs instead of 4.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    # From here on nobody waits inside SQLite, where the event loop would wait too.
    connection.set_busy_timeout(0)
    return connection


def _use_write_ahead_log(connection: apsw.Connection) -> None:
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            return
        except apsw.BusyError:
            # Of two processes that change a new file to it at once, SQLite lets neither wait.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)


@contextmanager
def _errors(database: SqliteDatabase | None) -> Generator[None]:
    try:
        yield
    except apsw.Error as error:
        raise _translated(error, database) from error


def _translated(error: apsw.Error, database: SqliteDatabase | None) -> Exception:
    if isinstance(error, apsw.ConstraintError) and database is not None:
        message = str(error)
        if message.startswith("UNIQUE"):
            return UniqueViolation(database.constraint(message))
        if not message.startswith(_CONSTRAINTS):  # a trigger's own words: a table is unwritable
            return DatabaseUnavailable(message)
    if isinstance(error, apsw.InterruptError):
        return TooSlow(str(error))
    if isinstance(error, _UNAVAILABLE):
        return DatabaseUnavailable(str(error))
    return error


def _unique_indexes(connection: apsw.Connection) -> dict[str, str]:
    """SQLite names the columns of a violated index; this maps them back to the index's name."""
    indexes: dict[str, str] = {}
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for (table,) in tables:
        listed = connection.execute(
            """SELECT name, origin FROM pragma_index_list(?) WHERE "unique" """, (table,)
        ).fetchall()
        for name, origin in listed:
            info = connection.execute("SELECT name FROM pragma_index_info(?)", (name,)).fetchall()
            columns = ", ".join(f"{table}.{column}" for (column,) in info)
            indexes[columns] = f"{table}_pkey" if origin == "pk" else str(name)
    return indexes
