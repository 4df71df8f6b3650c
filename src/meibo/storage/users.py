"""People. Every statement carries the tenant; what a connection may not see is not found."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import LiteralString

from meibo.storage.database import Parameter, Row, Statement, Transaction
from meibo.storage.filter_sql import Condition, further

# Everything that an answer needs in one statement: the rendered body, and what other resources say.
_ANSWER: LiteralString = """
    u.id, u.version, u.body, u.created, u.last_modified,
    (SELECT coalesce(m.display_name, m.user_name)
       FROM users m
      WHERE m.tenant = u.tenant AND m.id = u.manager AND m.connection = u.connection
        AND m.removed IS NULL),
    u.manager"""


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user as it is read.

    ``body`` is the stored representation, ``groups`` JSON text of its groups (see
    ``representation.user_answer``), ``manager`` the id and name of a manager that exists; times
    are microseconds.
    """

    id: str
    version: int
    body: str
    groups: str | None
    manager: tuple[str, str] | None
    created: int
    last_modified: int


@dataclass(frozen=True, slots=True)
class RemovedUser:
    """A removed person that a POST may bring back."""

    id: str
    version: int
    body: str
    created: int
    last_modified: int
    external_id: str | None


@dataclass(frozen=True, slots=True)
class UserColumns:
    """What is written of a user."""

    tenant: int
    id: str
    connection: int
    user_name: str
    user_name_key: str
    external_id: str | None
    display_name: str | None
    manager: str | None
    active: bool | None
    version: int
    created: int
    last_modified: int
    body: str
    search: str

    def parameters(self) -> dict[str, Parameter]:
        """The ``:name`` parameters of the statements below."""
        return {
            "tenant": self.tenant,
            "id": self.id,
            "connection": self.connection,
            "user_name": self.user_name,
            "user_name_key": self.user_name_key,
            "external_id": self.external_id,
            "display_name": self.display_name,
            "manager": self.manager,
            "active": None if self.active is None else int(self.active),
            "version": self.version,
            "created": self.created,
            "last_modified": self.last_modified,
            "body": self.body,
            "search": self.search,
        }


async def load(
    tx: Transaction, tenant: int, connection: int, user_id: str, *, groups: bool = True
) -> UserRow | None:
    """The user, None when there is none that this connection may see."""
    row = await tx.one(
        f"""
        SELECT {_ANSWER}, {tx.dialect.groups_of_user if groups else "NULL"}
          FROM users u
         WHERE u.tenant = :tenant AND u.id = :id AND u.connection = :connection
           AND u.removed IS NULL{tx.for_update}
        """,
        tenant=tenant,
        id=user_id,
        connection=connection,
    )
    return None if row is None else _user_row(row)


async def page(
    tx: Transaction,
    tenant: int,
    connection: int,
    condition: Condition | None,
    *,
    skip: int,
    count: int,
    groups: bool = True,
) -> list[UserRow]:
    """Users in id order that satisfy the condition, after the first ``skip``."""
    where, parameters = further(condition)
    rows = await tx.all(
        f"""
        SELECT {_ANSWER}, {tx.dialect.groups_of_user if groups else "NULL"}
          FROM users u
         WHERE u.tenant = :tenant AND u.connection = :connection AND u.removed IS NULL {where}
         ORDER BY u.id
         LIMIT :count OFFSET :skip
        """,
        tenant=tenant,
        connection=connection,
        count=count,
        skip=skip,
        **parameters,
    )
    return [_user_row(row) for row in rows]


async def removed_matches(
    tx: Transaction, tenant: int, connection: int, user_name_key: str, external_id: str | None
) -> list[RemovedUser]:
    """Removed people of the connection with that name or external id, at most 20.

    First come those with the external id, last those with another one; of a kind, the latest
    removed first.
    """
    rows = await tx.all(
        """
        SELECT u.id, u.version, u.body, u.created, u.last_modified, u.external_id
          FROM users u
         WHERE u.tenant = :tenant AND u.connection = :connection AND u.removed IS NOT NULL
           AND (u.user_name_key = :user_name_key OR u.external_id = :external_id)
         ORDER BY CASE WHEN u.external_id = :external_id THEN 0
                       WHEN u.external_id IS NULL OR :external_id IS NULL THEN 1
                       ELSE 2 END,
                  u.removed DESC
         LIMIT 20
        """,
        tenant=tenant,
        connection=connection,
        user_name_key=user_name_key,
        external_id=external_id,
    )
    return [RemovedUser(*row) for row in rows]


async def holder(tx: Transaction, tenant: int, user_name_key: str) -> tuple[str, int] | None:
    """Id and connection of the person who has the user name."""
    row = await tx.one(
        """
        SELECT u.id, u.connection
          FROM users u
         WHERE u.tenant = :tenant AND u.user_name_key = :key AND u.removed IS NULL
        """,
        tenant=tenant,
        key=user_name_key,
    )
    return None if row is None else (row[0], row[1])


def insert(user: UserColumns) -> Statement:
    """Adds a person."""
    return Statement(
        """
        INSERT INTO users (
            tenant, id, connection, user_name, user_name_key, external_id, display_name, manager,
            active, version, created, last_modified, body, search)
        VALUES (
            :tenant, :id, :connection, :user_name, :user_name_key, :external_id, :display_name,
            :manager, :active, :version, :created, :last_modified, :body, :search)
        """,
        user.parameters(),
    )


def update(user: UserColumns) -> Statement:
    """Writes a person, or brings a removed one back, if the version is still the one before."""
    return Statement(
        """
        UPDATE users
           SET user_name = :user_name, user_name_key = :user_name_key, external_id = :external_id,
               display_name = :display_name, manager = :manager, active = :active, removed = NULL,
               version = :version, last_modified = :last_modified, body = :body, search = :search
         WHERE tenant = :tenant AND id = :id AND connection = :connection
           AND version = :version - 1
        """,
        user.parameters(),
        guard=True,
    )


def emails(
    tenant: int, user_id: str, before: Iterable[str], after: Iterable[str]
) -> Iterator[Statement]:
    """What changes in the index of folded e-mail addresses."""
    old, new = set(before), set(after)
    for value in sorted(old - new):
        yield Statement(
            """
            DELETE FROM user_emails
             WHERE tenant = :tenant AND user_id = :id AND value_key = :value
            """,
            {"tenant": tenant, "id": user_id, "value": value},
        )
    for value in sorted(new - old):
        yield Statement(
            """
            INSERT INTO user_emails (tenant, user_id, value_key)
            VALUES (:tenant, :id, :value)
            ON CONFLICT (tenant, user_id, value_key) DO NOTHING
            """,
            {"tenant": tenant, "id": user_id, "value": value},
        )


def _user_row(row: Row) -> UserRow:
    user_id, version, body, created, modified, manager_name, manager, groups = row
    named = None if manager is None or manager_name is None else (manager, manager_name)
    return UserRow(user_id, version, body, groups, named, created, modified)
