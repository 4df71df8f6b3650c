"""The ASGI application: SCIM by its raw path, everything else by Starlette."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from meibo import clock
from meibo.access.authentication import Authenticator
from meibo.access.tenants import DEFAULT_TENANT
from meibo.clock import MICROSECONDS
from meibo.storage.database import Database, Transaction
from meibo.storage.errors import StorageError
from meibo.web.limits import RateLimits
from meibo.web.metrics import Metrics
from meibo.web.scim.application import ScimApplication
from meibo.web.scim.request_log import RequestLog

LOG_SECONDS = 0.5
LAST_USED_SECONDS = 5.0
CARE_SECONDS = 5.0
LARGEST_CLOCK_OFFSET = 5 * MICROSECONDS

_log = structlog.get_logger(__name__)

_SCIM = "/scim/v2"
_TENANT = re.compile(r"(/t/([^/]{1,64})/scim/v2)(/.*)?", re.DOTALL)


class Application:
    """The whole service on an open database."""

    def __init__(self, database: Database, *, public_url: str, rate_limit: int | None) -> None:
        self._database = database
        self._authenticator = Authenticator(database)
        self._log = RequestLog(database)
        self._metrics = Metrics()
        self._scim = ScimApplication(
            database,
            self._authenticator,
            self._log,
            RateLimits(rate_limit),
            self._metrics,
            public_url,
        )
        self._pages: ASGIApp = Starlette(
            routes=[
                Route("/health/live", self._live),
                Route("/health/ready", self._ready),
                Route("/metrics", self._exposed_metrics),
            ],
            lifespan=self._lifespan,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or takes part in the server's start and stop."""
        if scope["type"] == "http":
            # As it came over the wire, not decoded: no %2e and no second slash is anything but
            # itself, for whoever checks the credentials and for whoever routes.
            path = scope["raw_path"].decode("latin-1")
            if path.startswith(_SCIM) and path[len(_SCIM) : len(_SCIM) + 1] in ("", "/"):
                await self._scim(
                    scope,
                    receive,
                    send,
                    slug=DEFAULT_TENANT,
                    prefix=_SCIM,
                    path=path[len(_SCIM) :],
                )
                return
            if path.startswith("/t/"):
                match = _TENANT.fullmatch(path)
                if match is not None:
                    await self._scim(
                        scope,
                        receive,
                        send,
                        slug=match[2],
                        prefix=match[1],
                        path=match[3] or "",
                    )
                    return
        await self._pages(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        stopping = asyncio.Event()
        tasks = [
            asyncio.create_task(_every(seconds, act, stopping))
            for seconds, act in (
                (LOG_SECONDS, self._log.flush),
                (LAST_USED_SECONDS, self._authenticator.flush),
                (CARE_SECONDS, self._database.look_after),
            )
        ]
        try:
            yield
        finally:
            stopping.set()
            await asyncio.gather(*tasks, return_exceptions=True)
            for act in (self._log.flush, self._authenticator.flush):
                await _tried(act)

    async def _live(self, _: Request) -> Response:
        return PlainTextResponse("alive")

    async def _ready(self, _: Request) -> Response:
        async def clock_of_database(tx: Transaction) -> int:
            row = await tx.one(f"SELECT {tx.dialect.now}")
            return 0 if row is None else int(row[0])

        try:
            offset = clock.now() - await self._database.read(clock_of_database)
        except StorageError:
            return JSONResponse({"ready": False, "database": "unavailable"}, status_code=503)
        # Expiry and lastModified rest on this process's clock.
        in_time = abs(offset) <= LARGEST_CLOCK_OFFSET
        return JSONResponse(
            {"ready": in_time, "database": "available", "clock_offset_microseconds": offset},
            status_code=200 if in_time else 503,
        )

    async def _exposed_metrics(self, _: Request) -> Response:
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")


async def _every(
    seconds: float, act: Callable[[], Awaitable[None]], stopping: asyncio.Event
) -> None:
    """Does something again and again, also after a time in which the database was away.

    It is never cut short: rows that are on their way to the database would be lost.
    """
    while not stopping.is_set():
        try:
            async with asyncio.timeout(seconds):
                await stopping.wait()
        except TimeoutError:
            await _tried(act)


async def _tried(act: Callable[[], Awaitable[None]]) -> None:
    try:
        await act()
    except StorageError as error:
        _log.warning("put_off", task=act.__qualname__, error=repr(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the next time may go well
        _log.error("failed", task=act.__qualname__, exc_info=error)
