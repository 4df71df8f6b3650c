"""How much is tried, from which seed, and what is told of it at the end of the run.

``MEIBO_TEST_RELIABILITY=long`` (``make test-long``) takes the figures of docs/reliability.md.
``MEIBO_TEST_SEED`` repeats a run; quick runs always have the same seed, so what is red stays red.
"""

import os
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.reliability.inspection import prepare
from tests.reliability.nodes import Service

IS_LONG = os.environ.get("MEIBO_TEST_RELIABILITY") == "long"
SEED = int(os.environ.get("MEIBO_TEST_SEED") or (random.randrange(10**6) if IS_LONG else 20261122))

REPORTED = "reliability"


@dataclass(frozen=True, slots=True)
class Effort:
    """How often each thing is tried."""

    kills: int
    names: int
    members: int
    patches: int
    power_cuts: int


EFFORT = (
    Effort(kills=200, names=10_000, members=5_000, patches=10_000, power_cuts=20_000)
    if IS_LONG
    else Effort(kills=20, names=1_000, members=500, patches=1_000, power_cuts=3_000)
)


@pytest.fixture
def effort() -> Effort:
    return EFFORT


@pytest.fixture
def seed() -> int:
    return SEED


@pytest.fixture
def report(
    record_property: Callable[[str, object], None], request: pytest.FixtureRequest
) -> Callable[[str], None]:
    """Takes a sentence about what was tried, for the end of the run's output."""

    def tell(text: str) -> None:
        record_property(REPORTED, f"{request.node.name}: {text}")

    return tell


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """The service on an empty database with a strict connection; on PostgreSQL two nodes."""
    token = await prepare(database_url)
    async with Service(database_url, token, tmp_path) as service:
        yield service


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    told = [
        text
        for outcome in ("passed", "failed")
        for each in terminalreporter.stats.get(outcome, [])
        for name, text in each.user_properties
        if name == REPORTED
    ]
    if told:
        terminalreporter.section("Reliability")
        for text in sorted(told):
            terminalreporter.line(text)
        terminalreporter.line(f"MEIBO_TEST_SEED={SEED} repeats this run.")
