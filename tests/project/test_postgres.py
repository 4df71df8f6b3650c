"""The tests' own PostgreSQL: others build on what is promised here."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import asyncpg
import psutil
import pytest

from tests.postgres import ROOT, PostgresCluster, StopMode, is_alive


async def test_a_database_is_new_and_empty(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    tables = await connection.fetch("SELECT 1 FROM pg_tables WHERE schemaname = 'public'")
    settings = {
        name: await connection.fetchval("SELECT current_setting($1)", name)
        for name in ("fsync", "data_checksums", "server_encoding", "listen_addresses")
    }
    await connection.close()
    assert tables == []
    assert settings == {
        "fsync": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "listen_addresses": "127.0.0.1",
    }


def test_a_database_is_dropped_even_with_a_connection_left_open(
    postgres_server: PostgresCluster,
) -> None:
    url = postgres_server.create_database()
    name = url.rpartition("/")[2]
    sleeper = subprocess.Popen(
        [postgres_server.programs / "psql", url, "-c", "SELECT pg_sleep(60)"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        postgres_server.drop_database(url)
    finally:
        sleeper.kill()
        sleeper.wait()
    listed = postgres_server.execute("SELECT datname FROM pg_database")
    assert name not in listed.split()


async def test_nobody_enters_without_the_password(postgres_server: PostgresCluster) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(
            host="127.0.0.1", port=postgres_server.port, user="postgres", password="postgres"
        )


@pytest.mark.parametrize("end", ["kill", "smart", "fast", "immediate"])
def test_what_was_committed_is_there_after_a_restart(
    end: StopMode | Literal["kill"], postgres_cluster: PostgresCluster
) -> None:
    url = postgres_cluster.url()
    postgres_cluster.execute("CREATE TABLE kept (name text)")
    postgres_cluster.execute("INSERT INTO kept VALUES ('山田'), ('Smith')")
    if end == "kill":
        postgres_cluster.kill()
    else:
        postgres_cluster.stop(end)
    assert postgres_cluster.pid is None
    postgres_cluster.start()
    assert postgres_cluster.url() == url
    assert postgres_cluster.execute("SELECT name FROM kept") == "山田\nSmith"


@pytest.mark.postgresql
def test_a_server_ends_with_the_run_that_started_it_even_by_kill_9() -> None:
    program = (
        "import time; from tests.postgres import PostgresCluster as Cluster\n"
        "cluster = Cluster(Cluster.new_directory()); cluster.start()\n"
        "print(cluster.directory, cluster.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        directory, pid = owner.stdout.readline().split()
        server = psutil.Process(int(pid))
        owner.kill()
    deadline = time.monotonic() + 20
    while is_alive(server) or Path(directory).exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
