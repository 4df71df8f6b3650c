"""A database with the default tenant, and the acts of administrators in short."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from meibo.access import connections, tenants, tokens
from meibo.directory import attributes
from meibo.storage import audit as audit_rows
from meibo.storage.audit import AuditRow
from meibo.storage.database import Database, Transaction
from meibo.storage.engine import open_database

T = TypeVar("T")

DAY = tokens.DAY
HOUR = DAY // 24
START = 1_800_000_000_000_000


@dataclass
class House:
    """A tenant on a database, at a time that only a test moves."""

    database: Database
    tenant: int
    now: int = START
    by: str = "CLI (tester)"
    slug: str = tenants.DEFAULT_TENANT
    seen: list[str] = field(default_factory=list)

    async def write(self, operation: Callable[..., Awaitable[T]], *arguments: Any, **named: Any) -> T:
        async def run(tx: Transaction) -> T:
            return await operation(tx, self.tenant, *arguments, by=self.by, now=self.now, **named)

        return await self.database.write(run)

    async def read(self, operation: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        return await self.database.read(lambda tx: operation(tx, self.tenant, *arguments))

    async def generate(self, vendor: connections.Vendor = "entra", **named: Any) -> tokens.Issued:
        return await self.write(tokens.generate, vendor=vendor, **named)

    async def audit(self) -> list[AuditRow]:
        """What was recorded since the last call, oldest first."""
        rows = await self.database.read(
            lambda tx: audit_rows.list_events(tx, self.tenant, count=1_000)
        )
        new = [row for row in reversed(rows) if str(row.sequence) not in self.seen]
        self.seen.extend(str(row.sequence) for row in new)
        return new

    async def events(self) -> list[str]:
        return [row.event for row in await self.audit()]

    async def add_attribute(self, name: str, type: attributes.DataType = "text") -> None:
        await self.write(attributes.add, name, type)


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    database = await open_database(database_url, migrate=True)
    tenant = await database.write(
        lambda tx: tenants.ensure_default(tx, by="CLI (tester)", now=START)
    )
    house = House(database, tenant.id)
    await house.audit()
    yield house
    await database.close()
