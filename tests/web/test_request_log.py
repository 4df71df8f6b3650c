"""The provisioning log's writer, on both engines."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from meibo.storage.database import Database, Transaction
from meibo.storage.engine import open_database
from meibo.web.scim.request_log import RequestLog

MINUTE = 60_000_000


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    opened = await open_database(database_url, migrate=True)
    yield opened
    await opened.close()


async def refused_rows(database: Database) -> list[tuple[Any, ...]]:
    """What is counted, by tenant's slug and reason."""

    async def read(tx: Transaction) -> list[tuple[Any, ...]]:
        rows = await tx.all(
            "SELECT slug, reason, times, user_agent FROM refused_logins ORDER BY slug, reason"
        )
        return [tuple(row) for row in rows]

    return await database.log.read(read)


async def test_refused_logins_of_several_user_agents_are_one_row(database: Database) -> None:
    log = RequestLog(database)
    for user_agent in ("first", "second", "third"):
        log.refuse("default", MINUTE, "192.0.2.1", "unknown", "", user_agent)
    await log.flush()
    log.refuse("default", MINUTE, "192.0.2.1", "unknown", "", "fourth")
    await log.flush()
    assert await refused_rows(database) == [("default", "unknown", 4, "fourth")]


async def test_invented_tenants_are_counted_together(database: Database) -> None:
    log = RequestLog(database)
    for number in range(500):
        log.refuse(f"invented-{number}", MINUTE, "192.0.2.1", "missing", "", "scanner")
    log.refuse("default", MINUTE, "192.0.2.1", "missing", "", "client")
    await log.flush()
    assert await refused_rows(database) == [
        ("", "missing", 500, "scanner"),
        ("default", "missing", 1, "client"),
    ]


async def test_more_kinds_than_one_write_takes_are_all_stored(database: Database) -> None:
    log = RequestLog(database)
    for number in range(450):
        log.refuse("default", MINUTE, f"192.0.2.{number}", "unknown", "", "client")
    await log.flush()
    assert sum(row[2] for row in await refused_rows(database)) == 450
