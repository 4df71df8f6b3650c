"""PostgreSQL goes away, whole or one connection after another, and comes back (R3, R4)."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.postgres import PostgresCluster
from tests.reliability.checkers import every_problem, longest_silence
from tests.reliability.clients import Load, person
from tests.reliability.conftest import Effort
from tests.reliability.inspection import prepare
from tests.reliability.ledger import Operation, read_ledger
from tests.reliability.nodes import Service, clients

ANSWER_SECONDS = 3.0
"""How long a request may take while the database is away; 2 are for getting a connection."""
RECOVERY_SECONDS = 10.0


def slowest(operations: list[Operation]) -> float:
    """The longest time that a request has taken, in seconds."""
    return max(each.end.at - each.invoke.at for each in operations)


@pytest.mark.slow
async def test_an_outage_of_postgresql_loses_nothing_and_ends_with_it(
    postgres_cluster: PostgresCluster,
    tmp_path: Path,
    effort: Effort,
    seed: int,
    report: Callable[[str], None],
) -> None:
    url = postgres_cluster.create_database()
    token, ledger = await prepare(url), tmp_path / "ledger"
    async with Service(url, token, tmp_path) as service:
        async with clients(Load(service.ports, token, str(ledger), seed)):
            for _ in range(max(3, effort.kills // 4)):
                await asyncio.sleep(0.7)
                await asyncio.to_thread(postgres_cluster.kill)
                (wire,) = service.wires(1)
                answer = await wire.ask("POST", "/Users", person("meanwhile", "-"))
                assert answer.is_honest_refusal
                await asyncio.to_thread(postgres_cluster.start)
            await asyncio.sleep(0.7)
        state, operations = await service.state(), read_ledger(ledger)

    assert every_problem(operations, state) == []
    assert slowest(operations) <= ANSWER_SECONDS
    assert longest_silence(operations) <= RECOVERY_SECONDS
    report(
        f"{len(operations)} operations, the slowest took {slowest(operations):.1f} s;"
        f" {longest_silence(operations):.1f} s of silence"
    )


@pytest.mark.slow
async def test_lost_connections_to_postgresql_are_replaced(
    postgres_cluster: PostgresCluster,
    tmp_path: Path,
    effort: Effort,
    seed: int,
    report: Callable[[str], None],
) -> None:
    chance = random.Random(seed)
    url = postgres_cluster.create_database()
    token, ledger = await prepare(url), tmp_path / "ledger"
    async with Service(url, token, tmp_path) as service:
        async with clients(Load(service.ports, token, str(ledger), seed)):
            for _ in range(effort.kills):
                await asyncio.sleep(0.02)
                await asyncio.to_thread(
                    postgres_cluster.execute,
                    f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    f" WHERE application_name = 'meibo' LIMIT {chance.randrange(1, 20)}",
                )
            await asyncio.sleep(0.5)
        state, operations = await service.state(), read_ledger(ledger)

    assert every_problem(operations, state) == []
    assert slowest(operations) <= ANSWER_SECONDS
    unknown = sum(each.unknown for each in operations)
    report(f"{len(operations)} operations, {unknown} of unknown outcome")
