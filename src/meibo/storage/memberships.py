"""Who is in which group, seen from the side of the memberships."""

from meibo.storage.database import Transaction


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
