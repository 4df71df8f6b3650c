"""`meibo serve` as a process, with the connections that the corpora want."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from click.testing import CliRunner

from meibo.cli import main
from tests.postgres import ROOT, free_port

READY_SECONDS = 30.0
VENDORS = ("other", "entra", "okta")


@dataclass(frozen=True, slots=True)
class Access:
    """Where a connection is served, and its token."""

    base_url: str
    token: str


@dataclass(frozen=True, slots=True)
class Server:
    """Who is served: tolerant connections by vendor, a strict one in each of two tenants."""

    connections: dict[str, Access]
    strict: Access
    elsewhere: Access


@contextmanager
def serving(database: str, log: Path) -> Iterator[Server]:
    """Serves a new database until the block ends; the process must end in good order."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    def meibo(*arguments: str) -> str:
        environment = {"MEIBO_DATABASE": database, "MEIBO_PUBLIC_URL": url}
        done = CliRunner().invoke(main, arguments, env=environment, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    def token(*arguments: str) -> Access:
        issued: Any = json.loads(meibo("token", "generate", *arguments, "--json"))
        return Access(issued["scim_url"], issued["token"])

    meibo("migrate")
    meibo("tenant", "create", "elsewhere")
    meibo("attribute", "add", "costCenterCode")
    strict = ("--idp", "other", "--connection", "strict", "--strict")
    server = Server(
        connections={vendor: token("--idp", vendor) for vendor in VENDORS},
        strict=token(*strict),
        elsewhere=token(*strict, "--tenant", "elsewhere"),
    )
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "meibo", "serve", "--database", database),
                *("--port", str(port), "--public-url", url, "--rate-limit", "off"),
            ],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _wait_until_ready(url, process, log)
        yield server
    finally:
        process.terminate()
        try:
            code = process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
    told = log.read_text()
    assert code == 0, told
    assert "unexpected_error" not in told, told  # no 500 behind a case that takes any status


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            if httpx.get(f"{url}/health/ready", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None, f"the service has ended:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"the service is not ready:\n{log.read_text()}"
        time.sleep(0.05)


def run(*command: str | Path, timeout: float, **environment: str) -> tuple[int, str]:
    """The exit code and what a program of the corpora has written."""
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )
    return done.returncode, done.stdout
