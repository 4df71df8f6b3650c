"""Who is in which group. A membership is a row; members are never read unasked."""

from collections.abc import Collection
from typing import Literal, LiteralString, NamedTuple, TypeAlias

from meibo.scim.representation import encode_text
from meibo.storage.database import Statement, Transaction
from meibo.storage.dialect import Dialect

MemberType: TypeAlias = Literal["User", "Group"]

_TABLES: dict[MemberType, LiteralString] = {"User": "users", "Group": "groups"}

_DISPLAY: LiteralString = "coalesce(u.display_name, u.user_name, g.display_name)"
_DISPLAY_JOINS: LiteralString = """
    LEFT JOIN users u ON u.tenant = m.tenant AND u.id = m.member_id
    LEFT JOIN groups g ON g.tenant = m.tenant AND g.id = m.member_id"""


class Member(NamedTuple):
    """One membership with the member's name as it is now."""

    id: str
    type: str
    display: str | None


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


async def counts(tx: Transaction, tenant: int) -> dict[str, int]:
    """How many members each group of the tenant has; a group without any is not in it."""
    rows = await tx.all(
        """
        SELECT group_id, count(*)
          FROM memberships
         WHERE tenant = :tenant
         GROUP BY group_id
        """,
        tenant=tenant,
    )
    return {str(row[0]): int(row[1]) for row in rows}


def add(
    tenant: int,
    connection: int,
    group_id: str,
    member_type: MemberType,
    ids: Collection[str],
    now: int,
    dialect: Dialect,
) -> Statement:
    """Makes people or groups members that are not; a guard, which fails if one has been removed.

    Their rows are locked against removal until the write is done, so that nobody who is removed at
    the same moment stays a member, and what is recorded is what was done.
    """
    return Statement(
        f"""
        WITH live AS (
            SELECT m.id
              FROM {_TABLES[member_type]} m
             WHERE m.tenant = :tenant AND m.connection = :connection
               AND m.removed IS NULL AND m.id {dialect.among_ids}
               {dialect.for_share})
        INSERT INTO memberships (tenant, group_id, member_id, member_type, added)
        SELECT :tenant, :group_id, live.id, '{member_type}', :now
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


def remove(tenant: int, group_id: str, ids: Collection[str], dialect: Dialect) -> Statement:
    """Ends the memberships of these members in the group."""
    return Statement(
        f"""
        DELETE FROM memberships
         WHERE tenant = :tenant AND group_id = :group_id AND member_id {dialect.among_ids}
        """,
        {"tenant": tenant, "group_id": group_id, "ids": encode_text([*ids])},
    )


def end(tenant: int, member_id: str) -> Statement:
    """Takes somebody out of every group."""
    return Statement(
        "DELETE FROM memberships WHERE tenant = :tenant AND member_id = :member_id",
        {"tenant": tenant, "member_id": member_id},
    )
