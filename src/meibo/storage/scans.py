"""Reads that may go through many rows: a few at a time, so that look-ups never wait for them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from meibo.storage.errors import Overloaded

SECONDS = 5.0  # from its arrival until a scan is given up
WAITING = 20  # scans that wait for their turn; a further one is refused at once


class Scans:
    """The turns of one database's scans.

    Args:
        running: how many run at a time.
    """

    def __init__(self, running: int) -> None:
        self._running = asyncio.Semaphore(running)
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[float]:
        """Waits for a turn; gives the event loop's time at which the scan has to be done.

        Raises:
            Overloaded: too many are waiting, or the turn has not come in time.
        """
        if self._waiting >= WAITING:
            raise Overloaded(f"{WAITING} scans are waiting")
        deadline = asyncio.get_running_loop().time() + SECONDS
        self._waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self._running.acquire()
        except TimeoutError as error:
            raise Overloaded(f"no turn within {SECONDS:.0f} s") from error
        finally:
            self._waiting -= 1
        try:
            yield deadline
        finally:
            self._running.release()
