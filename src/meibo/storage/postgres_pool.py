"""Connections to PostgreSQL that are opened once and lent out.

asyncpg has a pool of its own, which costs 25-35 µs each time a connection is taken and given back
(it guards against what borrowers do to a session, and nothing here does anything to one): more than
half of what the statement itself costs. This one hands out the connection used last.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from meibo.storage.errors import DatabaseUnavailable

if TYPE_CHECKING:
    Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONNECT_SECONDS = 2.0


class Pool:
    """At most ``size`` connections, made by ``connect`` when they are first wanted."""

    def __init__(self, connect: "Callable[[], Awaitable[Connection]]", size: int) -> None:
        self._connect = connect
        self._size = size
        self._open = 0
        self._idle: list[Connection] = []
        # Each is given a connection, or None: a place for a new one has come free.
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False

    async def acquire(self) -> "Connection":
        """A connection that is open as far as we know; it has to be released.

        Raises:
            DatabaseUnavailable: all are busy for two seconds, or none can be opened.
        """
        while True:
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_closed():
                    return connection
                self._open -= 1
            if self._open < self._size:
                return await self._new()
            handed_over = await self._wait()
            if handed_over is not None:
                return handed_over

    def release(self, connection: "Connection", *, broken: bool = False) -> None:
        """Gives a connection back; a ``broken`` one, in the middle of something, is cut."""
        if broken or self._closed:
            connection.terminate()
        if connection.is_closed():
            self._open -= 1
            self._hand_over(None)
        elif not self._hand_over(connection):
            self._idle.append(connection)

    async def close(self) -> None:
        """Closes what is idle now and the others when they come back."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            self._open -= 1
            await connection.close(timeout=CONNECT_SECONDS)

    async def _new(self) -> "Connection":
        self._open += 1
        try:
            # Not wait_for: up to Python 3.11 it can lose a cancellation.
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._connect()
        except BaseException:
            self._open -= 1
            self._hand_over(None)
            raise

    async def _wait(self) -> "Connection | None":
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await waiter
        except (TimeoutError, asyncio.CancelledError) as error:
            if waiter.cancelled():
                if waiter in self._waiting:  # else it has been passed over
                    self._waiting.remove(waiter)
            elif (connection := waiter.result()) is not None:  # it comes too late
                self.release(connection)
            else:
                self._hand_over(None)
            if isinstance(error, TimeoutError):
                raise DatabaseUnavailable("every connection to PostgreSQL is busy") from error
            raise

    def _hand_over(self, connection: "Connection | None") -> bool:
        """Gives to who has waited longest, so that nobody who comes later overtakes him."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False
