"""A server of each engine for all corpora, started by the first test that wants it."""

from collections.abc import Iterator

import pytest

from tests.corpora.serving import Server, serving
from tests.postgres import PostgresCluster

SERVERS = {"sqlite": "embedded_server", "postgresql": "postgres_backed_server"}
"""The fixture of each engine's server."""


@pytest.fixture(scope="session")
def embedded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("corpora")
    with serving(f"sqlite:///{folder}/meibo.sqlite3", folder / "log") as server:
        yield server


@pytest.fixture(scope="session")
def postgres_backed_server(
    postgres_server: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    url = postgres_server.create_database()
    with serving(url, tmp_path_factory.mktemp("corpora") / "log") as server:
        yield server
    postgres_server.drop_database(url)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def server(request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(SERVERS[request.param])
