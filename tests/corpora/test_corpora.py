"""The corpora beside the repository, each against a server of either engine.

They are what the service is held to from outside: recorded exchanges of identity providers, hostile
input, and the public suites for SCIM servers. MEIBO_CORPORA names their folder (``../shared``).
"""

import fcntl
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import corpora_directory
from tests.corpora.conftest import SERVERS
from tests.corpora.serving import Access, Server, run
from tests.postgres import ROOT

# The public suites come from the package index, once; `make clean` takes them away.
SUITES = ROOT / ".venv" / "scim-conformance"
COULD_NOT_RUN = 2

# Which recorded exchanges are played on a connection of which vendor.
REPLAYED = {
    "other": ("entra.json", "okta.json", "others.json"),
    "entra": ("entra.json",),
    "okta": ("okta.json",),
}


def corpus(path: str, not_run: str) -> Path:
    """A file or folder of the corpora; skips without it, and says what was not run."""
    found = corpora_directory() / path
    if not found.exists():
        pytest.skip(f"{not_run}: there is no {found} (MEIBO_CORPORA names another folder)")
    return found


# Asked for before a server, which is not started in vain then.


@pytest.fixture
def exchanges() -> Path:
    return corpus("idp", "the recorded exchanges of identity providers were not replayed")


@pytest.fixture
def hostile_input() -> Path:
    return corpus("attacks", "no hostile input was sent")


@pytest.fixture
def public_suites() -> Path:
    return corpus("conformance/run", "the public SCIM suites were not run")


def where(access: Access) -> tuple[str, ...]:
    return ("--base-url", access.base_url, "--token", access.token)


def check(outcome: tuple[int, str]) -> None:
    code, told = outcome
    assert code == 0, told[-8_000:]
    *_, last = told.strip().splitlines()
    assert " passed, 0 failed" in last, told[-8_000:]
    assert not last.startswith("0 passed"), told


@pytest.mark.parametrize("content_type", ["application/scim+json", "application/json"])
@pytest.mark.parametrize("vendor", REPLAYED)
def test_recorded_exchanges_are_answered_as_identity_providers_need_it(
    exchanges: Path, server: Server, vendor: str, content_type: str
) -> None:
    check(
        run(
            *(sys.executable, exchanges / "replay.py", *where(server.connections[vendor])),
            *("--content-type", content_type),
            *(exchanges / name for name in REPLAYED[vendor]),
            timeout=120,
        )
    )


def attack(folder: Path, server: Server, *options: str) -> tuple[int, str]:
    return run(
        *(sys.executable, folder / "send.py", *where(server.strict)),
        *("--other-token", server.elsewhere.token),
        *("--other-base-url", server.elsewhere.base_url),
        *options,
        *sorted(folder.glob("*.json")),
        timeout=240,
    )


def test_hostile_input_is_refused_as_it_should_be_and_changes_nothing(
    hostile_input: Path, server: Server
) -> None:
    check(attack(hostile_input, server))


@pytest.mark.slow
@pytest.mark.postgresql
def test_clients_that_send_a_byte_now_and_then_are_cut_off(
    hostile_input: Path, request: pytest.FixtureRequest
) -> None:
    """It takes the server's patience to find out, 40 s; so both engines are asked at once."""
    servers = [request.getfixturevalue(name) for name in SERVERS.values()]

    def attack_slowly(server: Server) -> tuple[int, str]:
        return attack(hostile_input, server, "--slow", "--only", "slow")

    with ThreadPoolExecutor() as threads:
        for outcome in threads.map(attack_slowly, servers):
            check(outcome)


def test_the_public_suites_find_nothing(public_suites: Path, server: Server) -> None:
    SUITES.mkdir(parents=True, exist_ok=True)
    with (SUITES / "lock").open("w") as lock:  # another worker may be fetching them
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, told = run(
            *(sys.executable, public_suites, *where(server.strict)),
            timeout=300,
            SCIM_CONFORMANCE_CACHE=str(SUITES),
        )
    if code == COULD_NOT_RUN:
        reason: Any = told.strip().splitlines()[-1:]
        pytest.skip(f"the public SCIM suites were not run, the package index is needed: {reason}")
    check((code, told))
