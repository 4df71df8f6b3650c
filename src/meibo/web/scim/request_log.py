"""The provisioning log's writer: rows gather in memory and are stored a few times a second.

A crash loses the rows of the last moment, never a change: the directory's own record of what
changed is in the transaction of the change (``directory.changes``).
"""

import asyncio
import contextlib
from collections import deque

from meibo.clock import MICROSECONDS
from meibo.storage import requests, tenants
from meibo.storage.database import Database
from meibo.storage.errors import StorageError, UniqueViolation
from meibo.storage.requests import LoggedRequest, RefusedLogin

BATCH_ROWS = 500  # one batch holds up the event loop for about 2 ms on SQLite
MOST_WAITING = 100_000
BATCH_REFUSED = 200
MOST_REFUSED = 10_000  # kinds of refused log-ins; more than that within a moment are an attack


class RequestLog:
    """Takes log rows at once and stores them when ``flush`` is called."""

    def __init__(self, database: Database) -> None:
        self._directory = database
        self._database = database.log
        self._rows: deque[LoggedRequest] = deque(maxlen=MOST_WAITING)
        # How often, and the User-Agent that came last.
        self._refused: dict[RefusedLogin, tuple[int, str]] = {}
        self._flushing = asyncio.Lock()

    def add(self, row: LoggedRequest) -> None:
        """Queues a request's row."""
        self._rows.append(row)

    def refuse(
        self, slug: str, at: int, address: str, reason: str, token: str, user_agent: str
    ) -> None:
        """Counts a refused log-in; those of one kind within a minute are one row."""
        login = RefusedLogin(slug, at // (60 * MICROSECONDS), address, reason, token)
        times, _ = self._refused.get(login, (0, ""))
        if times or len(self._refused) < MOST_REFUSED:
            self._refused[login] = (times + 1, user_agent)

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
            refused, self._refused = self._refused, {}
            try:
                await self._store_refused(refused)
            except StorageError:
                self._refused = {**refused, **self._refused}
                raise

    async def _store(self, batch: list[LoggedRequest]) -> None:
        try:
            await self._database.write(lambda tx: requests.append(tx, batch))
        except UniqueViolation:
            # An earlier try, whose end nobody heard of, has stored some of them.
            for row in batch:
                with contextlib.suppress(UniqueViolation):
                    await self._database.write(lambda tx, row=row: requests.append(tx, [row]))

    async def _store_refused(self, refused: dict[RefusedLogin, tuple[int, str]]) -> None:
        slugs = {login.slug for login in refused}
        known = await self._directory.read(lambda tx: tenants.known_slugs(tx, slugs))
        # Whoever invents names of tenants must not fill the table with them.
        counts: dict[RefusedLogin, tuple[int, str]] = {}
        for login, (times, user_agent) in refused.items():
            kept = login if login.slug in known else login._replace(slug="")
            counts[kept] = (counts.get(kept, (0, ""))[0] + times, user_agent)
        statements = [
            requests.refused(login, times, user_agent)
            for login, (times, user_agent) in counts.items()
        ]
        for first in range(0, len(statements), BATCH_REFUSED):
            batch = statements[first : first + BATCH_REFUSED]
            await self._database.write(lambda tx, batch=batch: tx.write(*batch))
