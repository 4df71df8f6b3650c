"""The service on either engine, with a tenant of each test's own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from meibo.storage.database import Database
from meibo.storage.engine import open_database
from tests.postgres import PostgresCluster
from tests.web.scim.service import IdentityProvider, Service, serving


@pytest.fixture(scope="session")
def scim_postgres_url(postgres_server: PostgresCluster) -> Iterator[str]:
    """A database that many tests share, each as a tenant."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database with tenants of other tests in it, perhaps; the test runs once on each engine."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/meibo.sqlite3"
    else:
        url = request.getfixturevalue("scim_postgres_url")
    database = await open_database(url, migrate=True)
    yield database
    await database.close()


@pytest.fixture
async def service(database: Database) -> AsyncIterator[Service]:
    async with serving(database) as service:
        yield service


@pytest.fixture
async def idp(service: Service) -> IdentityProvider:
    """A tolerant connection of no particular vendor."""
    return await service.connect()


@pytest.fixture
async def strict(service: Service) -> IdentityProvider:
    """A connection that follows the RFCs to the letter."""
    return await service.connect("strict", strict=True)
