"""The service as processes of their own, the clients too, and what befalls them.

Only processes that were started here are ever signalled, by their id.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType

import msgspec

from meibo.storage.database import Database
from meibo.storage.engine import open_database
from tests.postgres import ROOT, free_port
from tests.reliability.checkers import State, replayed
from tests.reliability.clients import Load
from tests.reliability.inspection import damage, read_state
from tests.reliability.wire import Wire, is_ready

READY_SECONDS = 30.0
PUBLIC_URL = "http://directory.example.com"
"""Of all nodes, so that they answer the same bytes."""
MEIBO = (
    "import ctypes, runpy, signal\n"
    "PR_SET_PDEATHSIG = 1\n"
    "ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)\n"
    "runpy.run_module('meibo', run_name='__main__')\n"
)
"""The program, which Linux kills when the tests' process is gone, however that ended."""


class Node:
    """One serving process on a port that it keeps over its restarts."""

    def __init__(self, database: str, log: Path) -> None:
        self.port = free_port()
        self._database = database
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the process; it is not ready yet."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-c", MEIBO, "serve", "--database", self._database),
                    *("--port", str(self.port), "--rate-limit", "off"),
                    *("--public-url", PUBLIC_URL),
                ],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def ready(self) -> float:
        """Waits until the node serves; the seconds that this took.

        Raises:
            AssertionError: it has ended, or is not ready after READY_SECONDS.
        """
        began = time.monotonic()
        while not await is_ready(self.port):
            assert self._process is not None
            assert self._process.poll() is None, f"the node ended:\n{self._log.read_text()[-2000:]}"
            assert time.monotonic() < began + READY_SECONDS, "the node is not ready"
            await asyncio.sleep(0.02)
        return time.monotonic() - began

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP, SIGCONT or another."""
        assert self._process is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """kill -9, and waits until it is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    async def restart(self) -> float:
        """Kills it and starts it again; the seconds until it is ready."""
        self.kill()
        self.start()
        return await self.ready()

    def stop(self) -> int:
        """Ends it in good order, if it runs; its exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


class Service:
    """All nodes on one database: one on SQLite, two on PostgreSQL."""

    def __init__(self, url: str, token: str, directory: Path) -> None:
        self.url = url
        self.token = token
        count = 1 if url.startswith("sqlite") else 2
        self.nodes = [Node(url, directory / f"node-{number}.log") for number in range(count)]
        self._wires: list[Wire] = []

    @property
    def ports(self) -> list[int]:
        return [node.port for node in self.nodes]

    def wires(self, count: int) -> list[Wire]:
        """Connections to all nodes in turn."""
        ports = self.ports
        made = [Wire(ports[number % len(ports)], self.token) for number in range(count)]
        self._wires.extend(made)
        return made

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """The database itself, beside the nodes."""
        database = await open_database(self.url)
        try:
            yield database
        finally:
            await database.close()

    async def state(self) -> State:
        """Everything that is there, which must not contradict itself."""
        (wire,) = self.wires(1)
        async with self.database() as database:
            problems = await damage(database)
            assert not problems, problems
            return await read_state(wire.ask, database)

    async def check(self) -> None:
        """The tables must not contradict themselves, each other or the history."""
        problems = replayed(await self.state())
        assert not problems, problems

    async def __aenter__(self) -> "Service":
        try:
            for node in self.nodes:
                node.start()
            for node in self.nodes:
                await node.ready()
        except BaseException:
            for node in self.nodes:
                node.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for wire in self._wires:
            wire.close()
        codes = [node.stop() for node in self.nodes]
        if kind is None:
            assert codes == [0] * len(codes), f"the nodes ended with {codes}"


@asynccontextmanager
async def clients(load: Load) -> AsyncIterator[None]:
    """The clients' process at work; it comes to rest at the end.

    Raises:
        AssertionError: it failed.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.reliability.clients"),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(load) + b"\n")
        assert await process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.stdin.close()
        code = await process.wait()
    assert code == 0, "the clients failed"
