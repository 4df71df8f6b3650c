"""The provisioning log's writer: rows gather in memory and are stored a few times a second.

A crash loses the rows of the last moment, never a change: the directory's own record of what
changed is in the transaction of the change (``directory.changes``).
"""

import asyncio
import contextlib
from collections import Counter, deque

from meibo.clock import MICROSECONDS
from meibo.storage import requests
from meibo.storage.database import Database, Transaction
from meibo.storage.errors import StorageError, UniqueViolation
from meibo.storage.requests import LoggedRequest, RefusedLogin

BATCH_ROWS = 500  # one batch holds up the event loop for about 2 ms on SQLite
MOST_WAITING = 100_000


class RequestLog:
    """Takes log rows at once and stores them when ``flush`` is called."""

    def __init__(self, database: Database) -> None:
        self._database = database.log
        self._rows: deque[LoggedRequest] = deque(maxlen=MOST_WAITING)
        self._refused: Counter[RefusedLogin] = Counter()
        self._flushing = asyncio.Lock()

    def add(self, row: LoggedRequest) -> None:
        """Queues a request's row."""
        self._rows.append(row)

    def refuse(
        self, slug: str, at: int, address: str, reason: str, token: str, user_agent: str
    ) -> None:
        """Counts a refused log-in; those of one kind within a minute are one row."""
        if len(self._refused) < MOST_WAITING:
            minute = at // (60 * MICROSECONDS)
            self._refused[RefusedLogin(slug, minute, address, reason, token, user_agent)] += 1

    async def flush(self) -> None:
        """Stores what has gathered; rows that cannot be stored now stay for the next time.

        Raises:
            DatabaseUnavailable: the log cannot be written to.
        """
        async with self._flushing:
            await self._flush()

    async def _flush(self) -> None:
        while self._rows:
            batch = [self._rows.popleft() for _ in range(min(BATCH_ROWS, len(self._rows)))]
            try:
                await self._store(batch)
            except StorageError:
                self._rows.extendleft(reversed(batch))
                raise
        if self._refused:
            refused, self._refused = self._refused, Counter()
            try:
                await self._store_refused(refused)
            except StorageError:
                self._refused.update(refused)
                raise

    async def _store(self, batch: list[LoggedRequest]) -> None:
        try:
            await self._database.write(lambda tx: requests.append(tx, batch))
        except UniqueViolation:
            # An earlier try, whose end nobody heard of, has stored some of them.
            for row in batch:
                with contextlib.suppress(UniqueViolation):
                    await self._database.write(lambda tx, row=row: requests.append(tx, [row]))

    async def _store_refused(self, refused: Counter[RefusedLogin]) -> None:
        async def write(tx: Transaction) -> None:
            await tx.write(*[requests.refused(login, times) for login, times in refused.items()])

        await self._database.write(write)
