"""The HTTP/1.1 server: uvicorn, made fit to be reached by anybody."""

import asyncio
import contextlib
import resource
import signal
import socket
import threading
from collections.abc import Generator, Sequence
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from meibo.web.http_connection import HttpProtocol, HttpServerState, Limits

DEFAULT_LIMITS = Limits()


def build_server(
    app: ASGIApp | str,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    limits: Limits = DEFAULT_LIMITS,
    trusted_proxies: Sequence[str] = (),
    graceful_seconds: int = 30,
) -> "HttpServer":
    """A server for ``app``, to be started by its ``run()`` or ``serve()``.

    It writes no access log and sends no Date and Server headers. SIGTERM and SIGINT make it accept
    no more, answer what it has begun within ``graceful_seconds``, and return. ``X-Forwarded-For``
    and ``X-Forwarded-Proto`` are believed from ``trusted_proxies`` (addresses or networks) only.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=HttpProtocol,
        ws="none",
        loop="uvloop",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=graceful_seconds,
    )
    return HttpServer(config, limits)


class HttpServer(uvicorn.Server):
    """A uvicorn server that looks at all its connections now and then and ends what is overdue.

    One timer for all of them: arming and cancelling one for each request costs more than the rest
    of what this module does for a request.
    """

    def __init__(self, config: uvicorn.Config, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__(config)
        self._limits = limits
        self._state = HttpServerState(limits)
        self.server_state = self._state
        self._timer: asyncio.TimerHandle | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's; the limit of open files is raised to what the connections need."""
        self._state.max_connections = _allow_connections(self._limits.max_connections)
        self._sweep()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's; what is overdue is still ended meanwhile."""
        try:
            await super().shutdown(sockets)
        finally:
            if self._timer is not None:
                self._timer.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Be told of SIGTERM and SIGINT.

        Unlike uvicorn's, this does not raise them again afterwards: that would kill the process
        before its caller has closed the database.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self.handle_exit)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._limits.sweep_seconds, self._sweep)
        now = self._state.now = loop.time()
        for connection in list(cast("set[HttpProtocol]", self._state.connections)):
            connection.end_if_overdue(now)


def _allow_connections(wanted: int) -> int:
    """How many of ``wanted`` connections may be open; raises the soft limit of open files."""
    others = 256  # databases, logs, listening sockets
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + wanted // 10 + others
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(wanted, (soft - others) * 10 // 11))
