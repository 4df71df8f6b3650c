"""A node is killed under load, again and again (R1, R2), or only stopped for a while (R17)."""

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from meibo.access import tokens
from tests.postgres import ROOT
from tests.reliability.checkers import every_problem, longest_silence
from tests.reliability.clients import Load
from tests.reliability.conftest import IS_LONG, Effort
from tests.reliability.inspection import prepare
from tests.reliability.ledger import read_ledger
from tests.reliability.nodes import Service, clients

READY_SECONDS = 3.0 if IS_LONG else 10.0
SILENCE_SECONDS = 1.0 if IS_LONG else 5.0
"""The figures of docs/reliability.md; the quick ones leave room for a busy machine."""


@pytest.mark.slow
async def test_a_killed_node_loses_nothing_that_it_acknowledged(
    service: Service, tmp_path: Path, effort: Effort, seed: int, report: Callable[[str], None]
) -> None:
    chance = random.Random(seed)
    ledger = tmp_path / "ledger"
    seconds: list[float] = []
    async with clients(Load(service.ports, service.token, str(ledger), seed)):
        for number in range(effort.kills):
            await asyncio.sleep(chance.uniform(0.05, 0.5))
            seconds.append(await service.nodes[number % len(service.nodes)].restart())
    state = await service.state()
    operations = read_ledger(ledger)

    assert every_problem(operations, state) == []
    assert max(seconds) <= READY_SECONDS
    counted = Counter(each.end.outcome for each in operations)
    silence = longest_silence(operations)
    report(
        f"{effort.kills} kills, {counted['ok']} acknowledged, {counted['unknown']} of unknown"
        f" outcome, 0 lost; ready after {max(seconds):.1f} s at most, {silence:.1f} s of silence"
    )
    if len(service.nodes) > 1:
        assert silence <= SILENCE_SECONDS


@pytest.mark.slow
@pytest.mark.postgresql
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_the_other_node_goes_on_while_one_is_paused(
    service: Service, tmp_path: Path, effort: Effort, seed: int, report: Callable[[str], None]
) -> None:
    ledger = tmp_path / "ledger"
    load = Load(service.ports, service.token, str(ledger), seed, shared=1, patience=0.5)
    async with clients(load):
        for number in range(max(2, effort.kills // 10)):
            await asyncio.sleep(0.3)
            node = service.nodes[number % len(service.nodes)]
            node.signal(signal.SIGSTOP)
            await asyncio.sleep(2)
            node.signal(signal.SIGCONT)
    # What the paused node had been asked it does now; nobody waits for it any more.
    await asyncio.sleep(0.5)
    operations, state = read_ledger(ledger), await service.state()

    assert every_problem(operations, state) == []
    silence = longest_silence(operations)
    report(f"{len(operations)} operations, {silence:.1f} s of silence")
    assert silence <= SILENCE_SECONDS


@pytest.mark.slow
@pytest.mark.parametrize("vendor", ["entra", "okta"])
async def test_a_simulation_ends_verified_although_both_sides_are_killed(
    database_url: str, tmp_path: Path, vendor: tokens.Vendor, seed: int
) -> None:
    token = await prepare(database_url, vendor=vendor, strict=False)
    async with Service(database_url, token, tmp_path) as service:

        async def simulation() -> asyncio.subprocess.Process:
            url = f"http://127.0.0.1:{service.ports[0]}/scim/v2"
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "meibo", "simulate", vendor, "--base-url", url, "--json"),
                *("--users", "150", "--groups", "8", "--cycles", "3", "--seed", str(seed)),
                *("--state-file", str(tmp_path / "state.json")),
                cwd=ROOT,
                env={**os.environ, "MEIBO_TOKEN": token},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )

        async def people(count: int) -> None:
            """Waits until so many are there."""
            (wire,) = service.wires(1)
            found = 0
            async with asyncio.timeout(30):
                while found < count:
                    await asyncio.sleep(0.02)
                    answer = await wire.ask("GET", "/Users?count=0")
                    found = int(str(answer.json["totalResults"]))

        killed = await simulation()
        await people(25)
        await service.nodes[0].restart()
        await people(50)
        killed.kill()
        await killed.communicate()
        resumed = await simulation()
        for count in (75, 125):
            await people(count)
            await service.nodes[0].restart()
        output, errors = await asyncio.wait_for(resumed.communicate(), 60)
        assert resumed.returncode == 0, output + errors
        told = json.loads(output)
        assert told["ok"]
        assert told["verification"]["differences"] == []
        assert told["users"]["matched"] > 0
        assert told["repeated"] > 0
        await service.check()
