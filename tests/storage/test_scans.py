"""Long reads: they take turns, end in time and hold nobody else up."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

import pytest

from meibo.storage import scans
from meibo.storage.database import Database, Transaction
from meibo.storage.engine import open_database
from meibo.storage.errors import Overloaded, TooSlow
from meibo.storage.scans import Scans

# Counts far enough to take longer than any limit here.
ENDLESS = """
    WITH RECURSIVE counted (n) AS (
        SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 2000000000)
    SELECT max(n) FROM counted"""


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    opened = await open_database(database_url, migrate=True)
    yield opened
    await opened.close()


async def endless(tx: Transaction) -> None:
    if tx.dialect.engine == "postgresql":
        await tx.all("SET LOCAL statement_timeout = '300ms'")
    await tx.one(ENDLESS)


async def test_a_read_that_takes_too_long_is_ended_and_look_ups_go_on_meanwhile(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scans, "SECONDS", 0.3)
    reading = asyncio.create_task(database.read(endless, scan=True))
    looked_up = 0
    while not reading.done():
        await database.read(lambda tx: tx.one("SELECT 1"))
        looked_up += 1
        await asyncio.sleep(0.001)
    with pytest.raises(TooSlow):
        await reading
    assert looked_up > 20


async def test_a_scan_reads_what_was_written(database: Database) -> None:
    row = await database.read(lambda tx: tx.one("SELECT slug FROM tenants"), scan=True)
    assert row is not None
    assert row[0] == "default"


async def test_who_waits_too_long_or_behind_too_many_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scans, "SECONDS", 0.05)
    turns = Scans(running=1)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(turns.turn())
        waiting = [asyncio.create_task(turn(turns)) for _ in range(scans.WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="waiting"):
            await turn(turns)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(each, Overloaded) for each in outcomes)
    await turn(turns)  # the turn was given back


async def turn(turns: Scans) -> None:
    async with turns.turn():
        pass
