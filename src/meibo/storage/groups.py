"""Groups and memberships. A membership is a row; members are never read unasked."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import LiteralString, NamedTuple

from meibo.scim.representation import encode_text
from meibo.storage.database import Parameter, Statement, Transaction
from meibo.storage.dialect import Dialect
from meibo.storage.filter_sql import Condition, further


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group as it is read, without its members."""

    id: str
    version: int
    body: str
    created: int
    last_modified: int


class Member(NamedTuple):
    """One membership with the member's name as it is now."""

    id: str
    type: str
    display: str | None


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


async def count_matching(
    tx: Transaction, tenant: int, connection: int, condition: Condition
) -> int:
    """How many groups satisfy the condition."""
    where, parameters = further(condition)
    row = await tx.one(
        f"""
        SELECT count(*)
          FROM groups g
         WHERE g.tenant = :tenant AND g.connection = :connection AND g.removed IS NULL {where}
        """,
        tenant=tenant,
        connection=connection,
        **parameters,
    )
    return 0 if row is None else int(row[0])


async def known(tx: Transaction, tenant: int, connection: int, ids_json: str) -> set[str]:
    """Which of the ids (a JSON array) are groups that the connection may see."""
    rows = await tx.all(
        f"""
        SELECT g.id
          FROM groups g
         WHERE g.tenant = :tenant AND g.connection = :connection AND g.removed IS NULL
           AND g.id {tx.dialect.among_ids}
        """,
        tenant=tenant,
        connection=connection,
        ids=ids_json,
    )
    return {row[0] for row in rows}


async def holder_of_external_id(
    tx: Transaction, tenant: int, connection: int, external_id: str
) -> str | None:
    """Id of the connection's group that has the external id."""
    row = await tx.one(
        """
        SELECT g.id
          FROM groups g
         WHERE g.tenant = :tenant AND g.connection = :connection AND g.external_id = :external_id
           AND g.removed IS NULL
        """,
        tenant=tenant,
        connection=connection,
        external_id=external_id,
    )
    return None if row is None else row[0]


async def members(
    tx: Transaction,
    tenant: int,
    group_id: str,
    *,
    after: str = "",
    count: int,
    display: bool = False,
) -> list[Member]:
    """Up to ``count`` members in id order, after the member with the id ``after``.

    Their names are looked up only with ``display``.
    """
    name, joins = (_DISPLAY, _DISPLAY_JOINS) if display else ("NULL", "")
    rows = await tx.all(
        f"""
        SELECT m.member_id, m.member_type, {name}
          FROM memberships m
               {joins}
         WHERE m.tenant = :tenant AND m.group_id = :group_id AND m.member_id > :after
         ORDER BY m.member_id
         LIMIT :count
        """,
        tenant=tenant,
        group_id=group_id,
        after=after,
        count=count,
    )
    return [Member(*row) for row in rows]


_DISPLAY: LiteralString = "coalesce(u.display_name, u.user_name, g.display_name)"
_DISPLAY_JOINS: LiteralString = """
    LEFT JOIN users u ON u.tenant = m.tenant AND u.id = m.member_id
    LEFT JOIN groups g ON g.tenant = m.tenant AND g.id = m.member_id"""


async def member_ids(tx: Transaction, tenant: int, group_id: str) -> set[str]:
    """Every member's id; only for a request that replaces or empties the whole list."""
    rows = await tx.all(
        "SELECT member_id FROM memberships WHERE tenant = :tenant AND group_id = :group_id",
        tenant=tenant,
        group_id=group_id,
    )
    return {row[0] for row in rows}


async def members_among(tx: Transaction, tenant: int, group_id: str, ids_json: str) -> set[str]:
    """Which of the ids (a JSON array) are members."""
    rows = await tx.all(
        f"""
        SELECT m.member_id
          FROM memberships m
         WHERE m.tenant = :tenant AND m.group_id = :group_id AND m.member_id {tx.dialect.among_ids}
        """,
        tenant=tenant,
        group_id=group_id,
        ids=ids_json,
    )
    return {row[0] for row in rows}


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


def remove(tenant: int, group_id: str, version: int, now: int) -> Statement:
    """Hides a group whose version is still ``version``; its memberships stay for a restore."""
    return Statement(
        """
        UPDATE groups
           SET removed = :now, version = :version + 1, last_modified = :now
         WHERE tenant = :tenant AND id = :id AND version = :version AND removed IS NULL
        """,
        {"tenant": tenant, "id": group_id, "version": version, "now": now},
        guard=True,
    )


def add_users(
    tenant: int, connection: int, group_id: str, ids: Collection[str], now: int, dialect: Dialect
) -> Statement:
    """Makes people members who are not; a guard, which fails when one of them has been removed.

    Their rows are locked against removal until the write is done, so that nobody who is removed at
    the same moment stays a member, and what is recorded is what was done.
    """
    return Statement(
        f"""
        WITH live AS (
            SELECT u.id
              FROM users u
             WHERE u.tenant = :tenant AND u.connection = :connection
               AND u.removed IS NULL AND u.id {dialect.among_ids}
               {dialect.for_share})
        INSERT INTO memberships (tenant, group_id, member_id, member_type, added)
        SELECT :tenant, :group_id, live.id, 'User', :now
          FROM live
         WHERE (SELECT count(*) FROM live) = :wanted
        ON CONFLICT (tenant, group_id, member_id) DO NOTHING
        """,
        {
            "tenant": tenant,
            "connection": connection,
            "group_id": group_id,
            "ids": encode_text([*ids]),
            "wanted": len(ids),
            "now": now,
        },
        guard=True,
    )


def add_groups(
    tenant: int, connection: int, group_id: str, ids: Collection[str], now: int, dialect: Dialect
) -> Statement:
    """Makes groups members that are not, as ``add_users`` does."""
    return Statement(
        f"""
        WITH live AS (
            SELECT g.id
              FROM groups g
             WHERE g.tenant = :tenant AND g.connection = :connection
               AND g.removed IS NULL AND g.id {dialect.among_ids}
               {dialect.for_share})
        INSERT INTO memberships (tenant, group_id, member_id, member_type, added)
        SELECT :tenant, :group_id, live.id, 'Group', :now
          FROM live
         WHERE (SELECT count(*) FROM live) = :wanted
        ON CONFLICT (tenant, group_id, member_id) DO NOTHING
        """,
        {
            "tenant": tenant,
            "connection": connection,
            "group_id": group_id,
            "ids": encode_text([*ids]),
            "wanted": len(ids),
            "now": now,
        },
        guard=True,
    )


def remove_members(
    tenant: int, group_id: str, ids_json: str, among_ids: LiteralString
) -> Statement:
    """Ends the memberships of the ids (a JSON array)."""
    return Statement(
        f"""
        DELETE FROM memberships
         WHERE tenant = :tenant AND group_id = :group_id AND member_id {among_ids}
        """,
        {"tenant": tenant, "group_id": group_id, "ids": ids_json},
    )


def end_memberships(tenant: int, member_id: str) -> Statement:
    """Takes somebody out of every group."""
    return Statement(
        "DELETE FROM memberships WHERE tenant = :tenant AND member_id = :member_id",
        {"tenant": tenant, "member_id": member_id},
    )
