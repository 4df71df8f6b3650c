"""The service in process: a tenant of the test's own, and identity providers that talk to it."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, LiteralString, TypeVar
from urllib.parse import quote

import httpx
from starlette.types import ASGIApp, Message

from meibo.access import connections, tenants, tokens
from meibo.directory import attributes
from meibo.scim import urns
from meibo.storage import changes, requests
from meibo.storage.changes import Change
from meibo.storage.database import Database, Operation, Parameter, Row, Statement, Transaction
from meibo.storage.dialect import Dialect
from meibo.storage.requests import LoggedRequest
from meibo.storage.tenants import Tenant
from meibo.web.app import Application

T = TypeVar("T")

PUBLIC_URL = "https://meibo.example"
NOW = 1_800_000_000_000_000  # when tenants and tokens are made; tokens live for a year
ENTERPRISE = urns.ENTERPRISE_USER
CUSTOM = urns.CUSTOM_USER

_numbers = itertools.count(1)


class IdentityProvider:
    """A connection with its token."""

    def __init__(self, client: httpx.AsyncClient, base_url: str, token: str, name: str) -> None:
        self._client = client
        self.base_url = base_url
        self.token = token
        self.name = name

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: bytes | None = None,
        headers: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        """Sends as it stands: ``path`` follows the base URL and is encoded already."""
        if content is None and body is not None:
            content = json.dumps(body).encode()
        return await self._client.request(
            method,
            f"{self.base_url}{path}",
            headers={
                "Authorization": f"Bearer {self.token}",
                "Accept": "application/scim+json",
                **({} if content is None else {"Content-Type": "application/scim+json"}),
                **(headers or {}),
            },
            content=content,
        )

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.send("GET", path, headers=headers)

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.send("POST", path, body, headers=headers)

    async def put(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.send("PUT", path, body, headers=headers)

    async def delete(self, path: str, **headers: str) -> httpx.Response:
        return await self.send("DELETE", path, headers=headers)

    async def patch(self, path: str, *operations: Any, **headers: str) -> httpx.Response:
        message = {"schemas": [urns.PATCH_OP], "Operations": list(operations)}
        return await self.send("PATCH", path, message, headers=headers)

    async def create_user(self, user_name: str = "alice@a.example", /, **attributes: Any) -> Any:
        """The JSON of a new user."""
        response = await self.post("/Users", user(user_name, **attributes))
        assert response.status_code == 201, response.text
        return response.json()

    async def create_group(
        self, name: str = "Staff", members: Sequence[Any] = (), /, **more: Any
    ) -> Any:
        """The JSON of a new group; ``members`` are users or groups that were created before."""
        response = await self.post("/Groups", group(name, members, **more))
        assert response.status_code == 201, response.text
        return response.json()

    async def read(self, resource: Any, query: str = "") -> Any:
        """The JSON of a user or group as it is now."""
        kind = resource["meta"]["resourceType"]
        response = await self.get(f"/{kind}s/{resource['id']}{query}")
        assert response.status_code == 200, response.text
        return response.json()

    async def members(self, group: Any) -> set[str]:
        """The ids of a group's members as they are now."""
        return {each["value"] for each in (await self.read(group)).get("members", [])}

    async def find(self, path: str, filter: str) -> list[str]:
        """The ids of what a filter finds."""
        response = await self.get(f"{path}?filter={quote(filter)}")
        assert response.status_code == 200, response.text
        listed = response.json()
        assert listed["totalResults"] == len(listed["Resources"])
        return [each["id"] for each in listed["Resources"]]


def user(user_name: Any = "alice@a.example", /, **attributes: Any) -> Any:
    """The body of a POST or PUT."""
    return {"schemas": [urns.USER], "userName": user_name, **attributes}


def group(name: str = "Staff", members: Sequence[Any] = (), /, **attributes: Any) -> Any:
    """The body of a POST or PUT; ``members`` are resources that were created before."""
    listed = {"members": [{"value": each["id"]} for each in members]} if members else {}
    return {"schemas": [urns.GROUP], "displayName": name, **listed, **attributes}


def replace(path: str | None, value: Any) -> Any:
    return {"op": "replace", "value": value} | ({} if path is None else {"path": path})


def add(path: str, value: Any) -> Any:
    return {"op": "add", "path": path, "value": value}


def remove(path: str) -> Any:
    return {"op": "remove", "path": path}


def refusal(response: httpx.Response, status: int, scim_type: str | None = None) -> str:
    """The detail of a SCIM error, which must be one of that kind."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/scim+json"
    error = response.json()
    detail = error.pop("detail")
    expected = {"schemas": [urns.ERROR], "status": str(status)}
    assert error == expected | ({} if scim_type is None else {"scimType": scim_type})
    return detail


class Service:
    """The application on an open database, with a tenant that nobody else uses."""

    def __init__(self, database: Database, tenant: Tenant) -> None:
        self.database = Watched(database)
        self.tenant = tenant
        self.application = Application(self.database, public_url=PUBLIC_URL, rate_limit=None)
        transport = httpx.ASGITransport(self.application, client=("192.0.2.7", 40_000))
        self.http = httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL)
        self._lifespan = AsyncExitStack()

    @property
    def base_url(self) -> str:
        if self.tenant.slug == tenants.DEFAULT_TENANT:
            return f"{PUBLIC_URL}/scim/v2"
        return f"{PUBLIC_URL}/t/{self.tenant.slug}/scim/v2"

    async def connect(
        self,
        name: str = "other",
        *,
        vendor: connections.Vendor = "other",
        strict: bool = False,
        **settings: str,
    ) -> IdentityProvider:
        """A connection, made with its first token; ``settings`` as in ``meibo connection set``."""
        tenant = self.tenant.id
        issued = await self.database.write(
            lambda tx: tokens.generate(
                tx, tenant, vendor=vendor, connection=name, strict=strict, by="tests", now=NOW
            )
        )
        if settings:
            await self.database.write(
                lambda tx: connections.change_settings(
                    tx, tenant, name, settings, by="tests", now=NOW
                )
            )
        return IdentityProvider(self.http, self.base_url, issued.secret.text, name)

    async def add_attribute(self, name: str, type: attributes.DataType = "text") -> None:
        """Defines a custom attribute."""
        await self.database.write(
            lambda tx: attributes.add(tx, self.tenant.id, name, type, by="tests", now=NOW)
        )

    async def changes(self) -> list[Change]:
        """What has changed in the tenant, oldest first."""
        found = await self.database.read(
            lambda tx: changes.of_tenant(tx, self.tenant.id, count=10_000)
        )
        return [change for _, change in reversed(found)]

    async def log(self) -> list[LoggedRequest]:
        """The tenant's rows of the provisioning log, oldest first."""
        # The log is written when the service stops, and now and then before.
        await self.stop()
        await self.start()
        found = await self.database.log.read(
            lambda tx: requests.latest(tx, self.tenant.id, count=10_000)
        )
        return sorted(found, key=lambda row: row.at)

    async def rows(self, sql: LiteralString, **parameters: Parameter) -> list[tuple[Any, ...]]:
        """The rows that a SELECT finds, past all doors."""
        found = await self.database.read(lambda tx: tx.all(sql, **parameters))
        return [tuple(row) for row in found]

    async def answer_to(
        self, path: str, token: str, *, method: str = "GET", query: bytes = b""
    ) -> list[Message]:
        """The application's own messages for a path that no client has tidied up."""
        told: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            told.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": [(b"authorization", f"Bearer {token}".encode())],
            "client": None,
        }
        await self.application(scope, receive, send)
        return told

    async def start(self) -> None:
        await self._lifespan.enter_async_context(running(self.application))

    async def stop(self) -> None:
        await self._lifespan.aclose()


@asynccontextmanager
async def serving(database: Database, slug: str | None = None) -> AsyncIterator[Service]:
    """A service that runs, with a new tenant unless ``slug`` names one."""
    if slug is None:
        name = f"tenant-{next(_numbers)}"
        tenant = await database.write(lambda tx: tenants.create(tx, name, by="tests", now=NOW))
    else:
        tenant = await database.read(lambda tx: tenants.find(tx, slug))
    service = Service(database, tenant)
    await service.start()
    try:
        async with service.http:
            yield service
    finally:
        await service.stop()


@asynccontextmanager
async def running(application: ASGIApp) -> AsyncIterator[None]:
    """Takes the application through its start and stop, as a server does."""
    sent: asyncio.Queue[Message] = asyncio.Queue()
    told: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    task = asyncio.ensure_future(application(scope, sent.get, told.put))
    sent.put_nowait({"type": "lifespan.startup"})
    assert await told.get() == {"type": "lifespan.startup.complete"}
    yield
    sent.put_nowait({"type": "lifespan.shutdown"})
    assert await told.get() == {"type": "lifespan.shutdown.complete"}
    await task


class Watched:
    """A database that keeps the text of every statement, and counts the rows that were read.

    With an ``error`` it raises that and does nothing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.statements: list[str] = []
        self.rows_read = 0
        self.error: Exception | None = None

    @property
    def dialect(self) -> Dialect:
        return self._database.dialect

    @property
    def log(self) -> Database:
        return self._database.log

    async def read(self, operation: Operation[T], **how: Any) -> T:
        self._fail()
        return await self._database.read(self._watching(operation), **how)

    async def write(self, operation: Operation[T], **how: Any) -> T:
        self._fail()
        return await self._database.write(self._watching(operation), **how)

    async def look_after(self) -> None:
        await self._database.look_after()

    async def close(self) -> None:
        await self._database.close()

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error

    def _watching(self, operation: Operation[T]) -> Callable[[Transaction], Awaitable[T]]:
        return lambda tx: operation(_WatchedTransaction(tx, self))


class _WatchedTransaction:
    def __init__(self, tx: Transaction, watched: Watched) -> None:
        self._tx = tx
        self._watched = watched

    @property
    def dialect(self) -> Dialect:
        return self._tx.dialect

    @property
    def for_update(self) -> LiteralString:
        return self._tx.for_update

    async def one(self, sql: LiteralString, **parameters: Parameter) -> Row | None:
        self._watched.statements.append(sql)
        row = await self._tx.one(sql, **parameters)
        self._watched.rows_read += row is not None
        return row

    async def all(self, sql: LiteralString, **parameters: Parameter) -> Sequence[Row]:
        self._watched.statements.append(sql)
        rows = await self._tx.all(sql, **parameters)
        self._watched.rows_read += len(rows)
        return rows

    async def write(self, *statements: Statement) -> None:
        self._watched.statements.extend(each.sql for each in statements)
        await self._tx.write(*statements)

    async def append(
        self, table: LiteralString, columns: tuple[LiteralString, ...], rows: Sequence[Row]
    ) -> None:
        await self._tx.append(table, columns, rows)
