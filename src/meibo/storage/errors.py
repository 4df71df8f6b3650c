"""What storage raises; ``directory`` and ``access`` turn the first two into SCIM errors.

StorageError
  UniqueViolation       a value that must be unique is in use; names the constraint
  VersionConflict       the row has changed since it was read; the operation is run again
  DatabaseUnavailable   the database does not answer, is full or broken: 503, try again
  Overloaded            too many long reads at once: 503, try again
  TooSlow               a read took longer than it may; the same one will again
  SchemaMismatch        the database is older or newer than this program
"""


class StorageError(Exception):
    """Base of everything that storage raises on purpose."""


class UniqueViolation(StorageError):
    """A value that must be unique is in use.

    Args:
        constraint: the unique index's name, as in the migrations, on both engines.
    """

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class VersionConflict(StorageError):
    """A guarded statement found no row: it was changed or removed by somebody else meanwhile."""


class DatabaseUnavailable(StorageError):
    """The database cannot be reached or written to for the moment."""


class Overloaded(StorageError):
    """There is more to read than can be read now."""


class TooSlow(StorageError):
    """A statement was ended since it took longer than it may (``scans.SECONDS``)."""


class SchemaMismatch(StorageError):
    """The database's schema is not the one that this program was made for."""
