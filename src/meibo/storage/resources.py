"""What people and groups have in common as rows: a tenant, a connection, and an end."""

from typing import Literal, LiteralString, TypeAlias

from meibo.storage.database import Statement, Transaction
from meibo.storage.filter_sql import Condition, further

Table: TypeAlias = Literal["users", "groups"]

# What compiled filters call the row.
_ALIASES: dict[Table, LiteralString] = {"users": "u", "groups": "g"}


async def count_matching(
    tx: Transaction, tenant: int, connection: int, table: Table, condition: Condition
) -> int:
    """How many resources satisfy the condition."""
    alias = _ALIASES[table]
    where, parameters = further(condition)
    row = await tx.one(
        f"""
        SELECT count(*)
          FROM {table} {alias}
         WHERE {alias}.tenant = :tenant AND {alias}.connection = :connection
           AND {alias}.removed IS NULL {where}
        """,
        tenant=tenant,
        connection=connection,
        **parameters,
    )
    return 0 if row is None else int(row[0])


async def known(
    tx: Transaction, tenant: int, connection: int, table: Table, ids_json: str
) -> set[str]:
    """Which of the ids (a JSON array) are resources that the connection may see."""
    rows = await tx.all(
        f"""
        SELECT id
          FROM {table}
         WHERE tenant = :tenant AND connection = :connection AND removed IS NULL
           AND id {tx.dialect.among_ids}
        """,
        tenant=tenant,
        connection=connection,
        ids=ids_json,
    )
    return {row[0] for row in rows}


async def holder_of_external_id(
    tx: Transaction, tenant: int, connection: int, table: Table, external_id: str
) -> str | None:
    """Id of the connection's resource that has the external id."""
    row = await tx.one(
        f"""
        SELECT id
          FROM {table}
         WHERE tenant = :tenant AND connection = :connection AND external_id = :external_id
           AND removed IS NULL
        """,
        tenant=tenant,
        connection=connection,
        external_id=external_id,
    )
    return None if row is None else row[0]


def remove(tenant: int, table: Table, resource_id: str, version: int, now: int) -> Statement:
    """Hides a resource whose version is still ``version``; the row stays and can be restored.

    So do a group's memberships.
    """
    return Statement(
        f"""
        UPDATE {table}
           SET removed = :now, version = :version + 1, last_modified = :now
         WHERE tenant = :tenant AND id = :id AND version = :version AND removed IS NULL
        """,
        {"tenant": tenant, "id": resource_id, "version": version, "now": now},
        guard=True,
    )
