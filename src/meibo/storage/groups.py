"""Groups, without their members: those are rows of their own (``memberships``)."""

from dataclasses import dataclass

from meibo.storage.database import Parameter, Statement, Transaction
from meibo.storage.filter_sql import Condition, further


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group as it is read, without its members."""

    id: str
    version: int
    body: str
    created: int
    last_modified: int


@dataclass(frozen=True, slots=True)
class GroupColumns:
    """What is written of a group."""

    tenant: int
    id: str
    connection: int
    display_name: str
    display_name_key: str
    external_id: str | None
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
            "display_name": self.display_name,
            "display_name_key": self.display_name_key,
            "external_id": self.external_id,
            "version": self.version,
            "created": self.created,
            "last_modified": self.last_modified,
            "body": self.body,
            "search": self.search,
        }


async def load(tx: Transaction, tenant: int, connection: int, group_id: str) -> GroupRow | None:
    """The group, None when there is none that this connection may see."""
    row = await tx.one(
        f"""
        SELECT g.id, g.version, g.body, g.created, g.last_modified
          FROM groups g
         WHERE g.tenant = :tenant AND g.id = :id AND g.connection = :connection
           AND g.removed IS NULL{tx.for_update}
        """,
        tenant=tenant,
        id=group_id,
        connection=connection,
    )
    return None if row is None else GroupRow(*row)


async def page(
    tx: Transaction,
    tenant: int,
    connection: int,
    condition: Condition | None,
    *,
    skip: int,
    count: int,
) -> list[GroupRow]:
    """Groups in id order that satisfy the condition, after the first ``skip``."""
    where, parameters = further(condition)
    rows = await tx.all(
        f"""
        SELECT g.id, g.version, g.body, g.created, g.last_modified
          FROM groups g
         WHERE g.tenant = :tenant AND g.connection = :connection AND g.removed IS NULL {where}
         ORDER BY g.id
         LIMIT :count OFFSET :skip
        """,
        tenant=tenant,
        connection=connection,
        count=count,
        skip=skip,
        **parameters,
    )
    return [GroupRow(*row) for row in rows]


async def holding(tx: Transaction, tenant: int, member_id: str) -> list[GroupRow]:
    """The groups that somebody is a direct member of."""
    rows = await tx.all(
        f"""
        SELECT g.id, g.version, g.body, g.created, g.last_modified
          FROM groups g
         WHERE g.tenant = :tenant AND g.removed IS NULL
           AND g.id IN (SELECT m.group_id FROM memberships m
                         WHERE m.tenant = :tenant AND m.member_id = :member_id)
         ORDER BY g.id{tx.for_update}
        """,
        tenant=tenant,
        member_id=member_id,
    )
    return [GroupRow(*row) for row in rows]


def insert(group: GroupColumns) -> Statement:
    """Adds a group."""
    return Statement(
        """
        INSERT INTO groups (
            tenant, id, connection, display_name, display_name_key, external_id,
            version, created, last_modified, body, search)
        VALUES (
            :tenant, :id, :connection, :display_name, :display_name_key, :external_id,
            :version, :created, :last_modified, :body, :search)
        """,
        group.parameters(),
    )


def update(group: GroupColumns) -> Statement:
    """Writes a group if the version is still the one before."""
    return Statement(
        """
        UPDATE groups
           SET display_name = :display_name, display_name_key = :display_name_key,
               external_id = :external_id, version = :version, last_modified = :last_modified,
               body = :body, search = :search
         WHERE tenant = :tenant AND id = :id AND connection = :connection
           AND version = :version - 1 AND removed IS NULL
        """,
        group.parameters(),
        guard=True,
    )


def touch(tenant: int, group_id: str, *, version: int, last_modified: int, body: str) -> Statement:
    """Gives a group whose members changed its next version."""
    return Statement(
        """
        UPDATE groups
           SET version = :version, last_modified = :last_modified, body = :body
         WHERE tenant = :tenant AND id = :id AND version = :version - 1 AND removed IS NULL
        """,
        {
            "tenant": tenant,
            "id": group_id,
            "version": version,
            "last_modified": last_modified,
            "body": body,
        },
        guard=True,
    )
