"""Open a database and work in it: one interface, two engines (docs/decisions/0002).

    database = await open_database("sqlite:///meibo.sqlite3")
    row = await database.read(lambda tx: users.load(tx, tenant, user_id))
    await database.write(lambda tx: users.delete(tx, ...))

An operation is an async function of the open transaction. It reads what it needs, decides, and
writes once, with all its statements in one ``tx.write``. It awaits nothing but ``tx``, and may be
run again when another writer came first, so it changes nothing outside.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, Protocol, TypeAlias, TypeVar

from meibo.storage.dialect import Dialect

T = TypeVar("T")

# A column's value; rows are taken apart in the order of their SELECT list, which the statement
# beside them shows, so the driver's untyped values get their types there.
Row: TypeAlias = Sequence[Any]
Parameter: TypeAlias = str | int | float | None


@dataclass(frozen=True, slots=True)
class Statement:
    """One INSERT, UPDATE or DELETE with its ``:name`` parameters.

    A ``guard`` must touch at least one row: when it does not, nothing of the write is done and
    ``VersionConflict`` is raised. That is how a write says "if it is still as I read it".
    """

    sql: LiteralString
    parameters: dict[str, Parameter]
    guard: bool = False


class Transaction(Protocol):
    """What an operation is given."""

    @property
    def dialect(self) -> Dialect: ...

    @property
    def for_update(self) -> LiteralString:
        """Ends a SELECT of the row that the operation is about to change; may be empty."""
        ...

    async def one(self, sql: LiteralString, **parameters: Parameter) -> Row | None:
        """The first row, or None."""
        ...

    async def all(self, sql: LiteralString, **parameters: Parameter) -> Sequence[Row]:
        """Every row."""
        ...

    async def write(self, *statements: Statement) -> None:
        """Runs all statements, or none. Called at most once in an operation.

        The statements are one to PostgreSQL: they do not see each other's effects, and no row may
        be touched by two of them.

        Raises:
            UniqueViolation: a unique index refused a value.
            VersionConflict: a guard touched no row.
        """
        ...

    async def append(
        self, table: LiteralString, columns: tuple[LiteralString, ...], rows: Sequence[Row]
    ) -> None:
        """Adds many rows to a table, the quickest way that the engine has."""
        ...


Operation: TypeAlias = Callable[[Transaction], Awaitable[T]]


class Database(Protocol):
    """A database that is open. ``log`` is where the provisioning log lives."""

    @property
    def dialect(self) -> Dialect: ...

    @property
    def log(self) -> "Database": ...

    async def read(
        self, operation: Operation[T], *, snapshot: bool = False, scan: bool = False
    ) -> T:
        """Runs an operation that only reads.

        With ``snapshot`` all its statements see one state. A ``scan`` may go through many rows; it
        sees one state too and does not hold up others.
        """
        ...

    async def write(self, operation: Operation[T], *, locking: bool = False) -> T:
        """Runs an operation that writes; returns when what it wrote is on disk.

        With ``locking`` the rows that it reads ``for_update`` are locked from its first try on, and
        what it reads after them is as new as the lock.

        Raises:
            UniqueViolation, VersionConflict: from ``tx.write``, a conflict after several tries.
            DatabaseUnavailable: the database cannot be written to now; the outcome of a write under
                way is unknown.
        """
        ...

    async def look_after(self) -> None:
        """What the engine wants done now and then while the database is served."""
        ...

    async def close(self) -> None: ...
