"""What a database is given while it is served."""

import asyncio

from meibo.storage.database import Statement, Transaction
from meibo.storage.engine import open_database

FILL = """
    INSERT INTO totals (tenant, connection, resource_type, slot, live)
    SELECT 1, 1, 'User', CAST(n AS TEXT), 1 FROM generate_series(1, 1000) AS numbers (n)
"""


async def test_a_table_that_was_just_filled_is_analysed_once(postgres_url: str) -> None:
    database = await open_database(postgres_url, migrate=True)
    try:
        await database.write(lambda tx: tx.write(Statement(FILL, {})))
        # The server publishes how many rows a table has about a second later.
        async with asyncio.timeout(20):
            while not (found := await database.read(analysed)):
                await asyncio.sleep(0.2)
                await database.look_after()
        assert found == ["totals"]
        await database.look_after()
    finally:
        await database.close()


async def analysed(tx: Transaction) -> list[str]:
    """The tables of which the planner has statistics."""
    rows = await tx.all("SELECT relname FROM pg_stat_user_tables WHERE last_analyze IS NOT NULL")
    return [row[0] for row in rows]
