"""The service in the test's own process, asked as over HTTP."""

import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from starlette.types import Message, Scope

from meibo.scim.schema import Json
from meibo.storage.database import Database
from meibo.storage.engine import open_database
from meibo.web.app import Application
from tests.reliability.wire import Answer

PUBLIC_URL = "http://directory.example.com"


class Door:
    """The ASGI application on an open database; what runs in its background does not run."""

    def __init__(self, database: Database, token: str, *, prefix: str = "/scim/v2") -> None:
        self.database = database
        self._app = Application(database, public_url=PUBLIC_URL, rate_limit=None)
        self._authorization = b"Bearer " + token.encode()
        self._prefix = prefix

    def of(self, token: str, *, prefix: str) -> "Door":
        """The same application for another token, and perhaps tenant."""
        other = copy.copy(self)
        other._authorization = b"Bearer " + token.encode()
        other._prefix = prefix
        return other

    async def ask(
        self, method: str, path: str, body: Json = None, *, if_match: str | None = None
    ) -> Answer:
        """Sends a request under the SCIM prefix and waits for the answer."""
        target, _, query = f"{self._prefix}{path}".partition("?")
        headers = [(b"authorization", self._authorization)]
        if body is not None:
            headers.append((b"content-type", b"application/scim+json"))
        if if_match is not None:
            headers.append((b"if-match", if_match.encode()))
        scope: Scope = {
            "type": "http",
            "method": method,
            "path": target,
            "raw_path": target.encode(),
            "query_string": query.encode(),
            "headers": headers,
            "client": ("127.0.0.1", 1),
        }
        content = b"" if body is None else msgspec.json.encode(body)
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": content}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        start, *parts = sent
        names = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], names, b"".join(part["body"] for part in parts))


@asynccontextmanager
async def open_door(url: str, token: str) -> AsyncIterator[Door]:
    """Opens the database for as long as the door is used."""
    database = await open_database(url)
    try:
        yield Door(database, token)
    finally:
        await database.close()
