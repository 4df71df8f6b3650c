"""The changes of people and groups: appended with the change itself, never altered."""

from dataclasses import dataclass

from meibo.storage.database import Statement, Transaction
from meibo.storage.dialect import Dialect


@dataclass(frozen=True, slots=True)
class Change:
    """What one write did to one resource.

    ``attributes`` is JSON: ``{"displayName": {"before": ..., "after": ...}}``, for a group's
    members ``{"members": {"added": [ids], "removed": [ids]}}``. ``at`` is in microseconds.
    """

    tenant: int
    at: int
    resource_type: str
    resource_id: str
    action: str
    version: int
    actor: str
    connection: int
    token: str
    request: str
    attributes: str


def append(change: Change, dialect: Dialect) -> Statement:
    """Records a change, in the transaction that makes it."""
    return Statement(
        f"""
        INSERT INTO changes (
            tenant, sequence, at, resource_type, resource_id, action, version,
            actor, connection, token, request, attributes)
        VALUES (
            :tenant, {dialect.next_change}, :at, :resource_type, :resource_id, :action, :version,
            :actor, :connection, :token, :request, :attributes)
        """,
        {
            "tenant": change.tenant,
            "at": change.at,
            "resource_type": change.resource_type,
            "resource_id": change.resource_id,
            "action": change.action,
            "version": change.version,
            "actor": change.actor,
            "connection": change.connection,
            "token": change.token,
            "request": change.request,
            "attributes": change.attributes,
        },
    )


async def of_tenant(tx: Transaction, tenant: int, *, count: int) -> list[tuple[int, Change]]:
    """The latest ``count`` changes with their sequence, newest first."""
    rows = await tx.all(
        """
        SELECT sequence, tenant, at, resource_type, resource_id, action, version,
               actor, connection, token, request, coalesce(attributes, '{}')
          FROM changes
         WHERE tenant = :tenant
         ORDER BY sequence DESC
         LIMIT :count
        """,
        tenant=tenant,
        count=count,
    )
    return [(row[0], Change(*row[1:])) for row in rows]
