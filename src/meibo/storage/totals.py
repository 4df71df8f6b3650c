"""How many people and groups a connection holds, kept rather than counted."""

from meibo.storage.database import Statement, Transaction


async def live(tx: Transaction, tenant: int, connection: int, resource_type: str) -> int:
    """How many resources of the type are not removed."""
    row = await tx.one(
        """
        SELECT CAST(coalesce(sum(live), 0) AS BIGINT)
          FROM totals
         WHERE tenant = :tenant AND connection = :connection AND resource_type = :resource_type
        """,
        tenant=tenant,
        connection=connection,
        resource_type=resource_type,
    )
    return 0 if row is None else int(row[0])


def add(
    tenant: int, connection: int, resource_type: str, resource_id: str, change: int
) -> Statement:
    """Counts one more (``change`` 1) or one less (-1)."""
    return Statement(
        """
        INSERT INTO totals (tenant, connection, resource_type, slot, live)
        VALUES (:tenant, :connection, :resource_type, :slot, :change)
        ON CONFLICT (tenant, connection, resource_type, slot)
        DO UPDATE SET live = totals.live + excluded.live
        """,
        {
            "tenant": tenant,
            "connection": connection,
            "resource_type": resource_type,
            "slot": resource_id[-2:],
            "change": change,
        },
    )
