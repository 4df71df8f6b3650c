"""A tenant of each test's own, and the acts of administrators in short."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from meibo.access import connections, tenants, tokens
from meibo.directory import attributes
from meibo.storage import audit as audit_rows
from meibo.storage.audit import AuditRow
from meibo.storage.database import Database, Transaction
from meibo.storage.engine import open_database
from tests.postgres import PostgresCluster

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
    slug: str = ""
    seen: list[str] = field(default_factory=list)

    async def write(
        self, operation: Callable[..., Awaitable[T]], *arguments: Any, **named: Any
    ) -> T:
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


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def shared_postgres_url(postgres_server: PostgresCluster) -> Iterator[str]:
    """A database that many tests share, each as a tenant: to make one takes a second."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def shared_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/meibo.sqlite3"
    return request.getfixturevalue("shared_postgres_url")


@pytest.fixture
async def house(shared_database_url: str) -> AsyncIterator[House]:
    database = await open_database(shared_database_url, migrate=True)
    slug = f"house-{next(_numbers)}"
    tenant = await database.write(lambda tx: tenants.create(tx, slug, by="CLI (tester)", now=START))
    house = House(database, tenant.id, slug=slug)
    await house.audit()
    yield house
    await database.close()
