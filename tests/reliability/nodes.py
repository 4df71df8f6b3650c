"""Nodes of the service as processes of their own, and what befalls them.

Only processes that were started here are ever signalled, by their id.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from tests.postgres import free_port
from tests.reliability.wire import is_ready

READY_SECONDS = 30.0


class Node:
    """One serving process on a port that it keeps over its restarts."""

    def __init__(self, database: str, log: Path) -> None:
        self.port = free_port()
        self._database = database
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the process; it is not ready yet."""
        url = f"http://127.0.0.1:{self.port}"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "meibo", "serve", "--database", self._database),
                    *("--port", str(self.port), "--public-url", url, "--rate-limit", "off"),
                ],
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
            await asyncio.sleep(0.01)
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


class Nodes:
    """All nodes of a service on one database: one on SQLite, two on PostgreSQL."""

    def __init__(self, database: str, log: Path) -> None:
        self.database = database
        count = 1 if database.startswith("sqlite") else 2
        self.each = [Node(database, log / f"node-{number}.log") for number in range(count)]

    @property
    def ports(self) -> list[int]:
        return [node.port for node in self.each]

    async def __aenter__(self) -> "Nodes":
        for node in self.each:
            node.start()
        for node in self.each:
            await node.ready()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        codes = [node.stop() for node in self.each]
        if kind is None:
            assert codes == [0] * len(codes), f"the nodes ended with {codes}"
