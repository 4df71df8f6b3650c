"""The HTTP/1.1 server: uvicorn with httptools, made fit to be reached by anybody.

httptools (llhttp) is strict about the grammar of RFC 9112 and refuses most of what smuggles
requests. What it and uvicorn leave open is closed here:

- a client may be silent, or slow with the head, the body or with reading, for so long only;
- a head is cut off while it arrives when it outgrows its limits, and so are trailers;
- one Host, one Authorization, a Transfer-Encoding of exactly ``chunked``, a length on every POST;
- Upgrade is not honoured, trailers are dropped (uvicorn adds them to the headers);
- connections and pipelined requests are counted.

What is refused here never reaches the application. The client gets a SCIM error message (RFC 7644
§3.12) and the connection closes, because nobody knows where its next request would begin.
"""

import asyncio
import json
import logging
import re
import resource
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import httptools
import uvicorn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from meibo.scim import urns

if TYPE_CHECKING:
    from uvicorn._types import ASGIApplication, HTTPScope

MAX_TARGET_BYTES = 16_384
MAX_HEADER_BYTES = 8_192  # its name and value
MAX_HEADERS_BYTES = 32_768  # each with four bytes more, for its separator and line end
MAX_HEADERS = 100

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client, and all together, may ask of the server.

    Attributes:
        head_seconds: from the first byte of a request to the end of its head.
        body_seconds: from there to the end of its body.
        idle_seconds: between requests, and before the first one.
        write_seconds: how long a client may leave an answer unread that fills the buffers.
        linger_seconds: how long we wait, after a last answer, for a client that still sends.
        max_pipelined: requests that wait on one connection for the answer to an earlier one.
        max_connections: those above it are told 503, those far above it nothing.
    """

    head_seconds: float = 10
    body_seconds: float = 30
    idle_seconds: float = 75
    write_seconds: float = 30
    linger_seconds: float = 2
    max_pipelined: int = 100
    max_connections: int = 10_000

    @property
    def sweep_seconds(self) -> float:
        """How often all connections are looked at; a time-out is late by this at most."""
        return min(1.0, self.head_seconds / 4, self.body_seconds / 4, self.idle_seconds / 4)


DEFAULT_LIMITS = Limits()


def build_server(
    app: "ASGIApplication | str",
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    limits: Limits = DEFAULT_LIMITS,
    trusted_proxies: Sequence[str] = (),
    graceful_seconds: int = 30,
) -> "HttpServer":
    """A server for ``app``, to be started by its ``run()`` or ``serve()``.

    It writes no access log and sends no Date and Server headers. SIGTERM and SIGINT make it accept
    no more, answer what it has begun within ``graceful_seconds``, and end. ``X-Forwarded-For`` and
    ``X-Forwarded-Proto`` are believed from ``trusted_proxies`` (addresses or networks) only.
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


class HttpServerState(ServerState):
    """What the connections of a server share; ``now`` is the loop's time at the last sweep."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits = limits
        self.max_connections = limits.max_connections
        self.now = 0.0


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

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = self._state.now = loop.time()
        for connection in list(self._state.connections):
            if isinstance(connection, HttpProtocol):
                connection.end_if_overdue(now)
        self._timer = loop.call_later(self._limits.sweep_seconds, self._sweep)


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


def _body(status: int, detail: str) -> bytes:
    message = {"schemas": [urns.ERROR], "status": str(status), "detail": detail}
    return json.dumps(message, separators=(",", ":")).encode()


def _answer(status: int, detail: str, *headers: bytes) -> bytes:
    """A whole response: a SCIM error message, after which the connection closes."""
    body = _body(status, detail)
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(),
        b"content-type: application/scim+json",
        b"content-length: %d" % len(body),
        b"connection: close",
        *headers,
    )
    return b"\r\n".join((*head, b"", body))


_MALFORMED = _answer(400, "The request is not valid HTTP/1.1.")
_BAD_TARGET = _answer(400, "The request target must be a path and query, without a fragment.")
_BAD_HOST = _answer(400, "The request needs exactly one valid Host header.")
_BAD_CODING = _answer(400, "The only Transfer-Encoding is chunked, in HTTP/1.1.")
_REPEATED = _answer(400, "A header that may stand only once is repeated.")
_UPGRADE = _answer(400, "Upgrade is not supported for a request with a body.")
_INCOMPLETE = _answer(400, "The request ended before its body was complete.")
_LATE_HEAD = _answer(408, "The request did not arrive in time.")
_LATE_BODY = _answer(408, "The body of the request did not arrive in time.")
_NO_LENGTH = _answer(411, "The request needs a Content-Length.")
_LONG_TARGET = _answer(
    414, f"The request target is longer than the limit of {MAX_TARGET_BYTES >> 10} KiB."
)
_EXPECTATION = _answer(417, "The only expectation that can be met is 100-continue.")
_LARGE_HEADERS = _answer(
    431,
    f"The headers are larger than the limits: {MAX_HEADER_BYTES >> 10} KiB for one, "
    f"{MAX_HEADERS_BYTES >> 10} KiB for all, {MAX_HEADERS} of them.",
)
_METHOD = _answer(501, "The request method is not supported.")
_OVERLOADED = _answer(503, "The server has too many connections.", b"retry-after: 5")
_PIPELINE = _answer(503, "Too many requests wait on this connection.", b"retry-after: 1")
_VERSION = _answer(505, "The HTTP version is not supported; use HTTP/1.1.")
_CRASHED_BODY = _body(500, "The server could not answer the request.")

_METHODS = {
    method.encode(): method
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}
_NEEDS_LENGTH = frozenset({"POST", "PUT", "PATCH"})
# Two of these could be read differently by a proxy, or by two parts of the application.
_SINGLE = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"if-match",
        b"transfer-encoding",
    }
)
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_ABSOLUTE_TARGET = re.compile(rb"https?://[^/?#]+(/[^?#]*)?(?:\?([^#]*))?", re.IGNORECASE)
_HTTP_0_9 = re.compile(rb"[\r\n]*[A-Z]+ [^ \r\n]+\r?\n")

# Where a head that has not ended is cut off.
_MAX_HEAD_BYTES = MAX_TARGET_BYTES + MAX_HEADERS_BYTES + 64
# A head that arrives within a piece of this size cannot break a limit, but for the count.
_SMALL = min(MAX_TARGET_BYTES, MAX_HEADER_BYTES)
# The largest piece that the event loop hands over.
_PIECE = 262_144
# How much a client may still send after its last answer.
_LINGER_BYTES = 524_288

# What a connection is at; see HttpProtocol. Plain integers: they are compared on every request.
_IDLE, _HEAD, _BODY, _BUSY, _DEAF, _LINGERING, _CLOSING = range(7)


class _Refused(Exception):
    """The request that is being read gets ``answer`` and no other."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer


class _Cycle(RequestResponseCycle):
    """One request and its response."""

    _keep_alive = False

    @property
    def keep_alive(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the connection outlives the response; uvicorn asks before and after sending it.

        Not when the body had not arrived by then: what follows may be the rest of it or, after an
        ``Expect: 100-continue`` that was not met, the next request.
        """
        if self.more_body:
            self._keep_alive = False
        return self._keep_alive

    @keep_alive.setter
    def keep_alive(self, value: bool) -> None:
        self._keep_alive = value

    async def send_500_response(self) -> None:
        """Answer for an application that has failed to; it should never come to this."""
        await self.send(
            {
                "type": "http.response.start",
                "status": 500,
                "headers": [
                    (b"content-type", b"application/scim+json"),
                    (b"content-length", b"%d" % len(_CRASHED_BODY)),
                    (b"connection", b"close"),
                ],
            }
        )
        await self.send({"type": "http.response.body", "body": _CRASHED_BODY, "more_body": False})

    def disconnect(self) -> None:
        """Tell the application that the client is gone; what it still sends is dropped."""
        self.disconnected = True
        self.message_event.set()


class _Output:
    """The transport as a cycle sees it: closing it is left to the connection."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


class HttpProtocol(HttpToolsProtocol):
    """One connection.

    Its input goes round from idle to reading a head, reading a body, busy (the application has the
    whole request) and idle again; a pipelined request begins while an earlier one is busy. The
    way out: deaf (answers are owed, but no more input is read), lingering (all is written, but the
    client may still be sending), closing.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: HttpServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._state = server_state
        self._phase = _IDLE
        # When the phase began, by the sweep's clock, which is late by one sweep at most.
        self._since = server_state.now
        self._stalled_since: float | None = None
        self._output = cast(asyncio.Transport, None)
        # The cycle whose turn it is. uvicorn's `cycle` is the newest, which may wait for its turn.
        self._current: _Cycle | None = None
        # The last answer, which waits until those to earlier requests are sent.
        self._last_answer = b""
        self._known_host = b""
        # The head may break a limit, so that its sizes are worth a look.
        self._large = False
        # Bytes of the unfinished head, or of what stands around a chunked body's data.
        self._overhead = 0
        self._has_data = False
        self._discarded = 0

    # What the event loop calls

    def connection_made(  # pyright: ignore[reportIncompatibleMethodOverride] - as uvicorn's
        self, transport: asyncio.Transport
    ) -> None:
        """Wait for a request, or refuse the connection as one too many."""
        super().connection_made(transport)
        self._output = cast(asyncio.Transport, _Output(transport, self._end))
        self._since = self._state.now
        most = self._state.max_connections
        excess = len(self.connections) - most
        if excess > most // 10:
            transport.abort()
        elif excess > 0:
            self._refuse(_OVERLOADED)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application, if it is at work for this client."""
        if self._current is not None and not self._current.response_complete:
            self._current.disconnect()
        super().connection_lost(exc)
        self.pipeline.clear()
        self._current = None
        self._output = cast(asyncio.Transport, None)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived; the callbacks below are told of it."""
        if self._phase >= _DEAF:
            self._discarded += len(data)
            if self._discarded > _LINGER_BYTES:
                self.flow.pause_reading()
            return
        if len(data) > _SMALL:
            self._large = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The request itself is with the application. Whatever follows it is not HTTP/1.1.
            self._phase = _DEAF
        except httptools.HttpParserError as error:
            self._refuse(_answer_to(error))
        else:
            if self._phase == _HEAD or self._phase == _BODY:
                self._await_more(data)

    def eof_received(self) -> None:
        """Close; a client that sends no more does not wait for an answer either."""
        if self._phase == _BODY:
            self._refuse(_INCOMPLETE)

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self._stalled_since = self._state.now
        super().pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._stalled_since = None
        super().resume_writing()

    # What the parser calls

    def on_message_begin(self) -> None:
        """Begin a head."""
        # After another request we do not know how much of this piece belongs to the new head.
        self._overhead = 0 if self._phase == _IDLE else -_PIECE
        self._phase = _HEAD
        self._since = self._state.now
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, or a trailer, which goes nowhere."""
        headers = self.headers
        if len(headers) >= MAX_HEADERS:
            raise _Refused(_LARGE_HEADERS)
        headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Check the head and hand the request to the application.

        Raises:
            _Refused: this server does not take it.
        """
        parser = self.parser
        headers = self.headers
        fields = dict(headers)
        if self._large:
            self._large = False
            _check_sizes(self.url, headers)
        if len(fields) != len(headers):
            _check_repetitions(headers)
        http_version = parser.get_http_version()
        if http_version != "1.1" and http_version != "1.0":
            raise _Refused(_VERSION)
        method = _METHODS.get(parser.get_method())
        if method is None:
            raise _Refused(_METHOD)
        self._check_host(fields.get(b"host"), http_version)
        has_body = _check_framing(fields, method, http_version)
        keep_alive = http_version != "1.0" and parser.should_keep_alive()
        if b"upgrade" in fields and parser.should_upgrade():
            # llhttp takes the body of such a request for what follows it.
            if has_body:
                raise _Refused(_UPGRADE)
            keep_alive = False
        expectation = fields.get(b"expect")
        if expectation is not None and expectation.lower() != b"100-continue":
            raise _Refused(_EXPECTATION)

        raw_path, query = _split_target(self.url)
        path = raw_path.decode("ascii")
        scope: HTTPScope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": http_version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme or "http",
            "method": method,
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": headers,
            "state": self.app_state.copy(),
        }
        cycle = _Cycle(
            scope=scope,
            transport=self._output,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=expectation is not None and http_version == "1.1",
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )
        if self._current is not None and not self._current.response_complete:
            if len(self.pipeline) >= self._state.limits.max_pipelined:
                raise _Refused(_PIPELINE)
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))
        else:
            self._current = cycle
            self._start_asgi_task(cycle, self.app)
        self.cycle = cycle
        self._phase = _BODY
        self._since = self._state.now
        self._overhead = 0
        # Trailers are told as headers, and must not join those that the application reads.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body until the application reads it."""
        self._has_data = True
        cycle = self.cycle
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """The application has the whole request."""
        self._phase = _BUSY
        cycle = self.cycle
        cycle.more_body = False
        cycle.message_event.set()

    # What a cycle, the server and its sweep call

    def on_response_complete(self) -> None:
        """Turn to the next pipelined request, or wait for one."""
        self.server_state.total_requests += 1
        if self._phase >= _LINGERING or self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._current = cast(_Cycle, cycle)
            self._start_asgi_task(cycle, app)
        elif self._last_answer:
            self.transport.write(self._last_answer)
            self._end()
        elif self._phase == _BUSY:
            self._phase = _IDLE
            self._since = self._state.now

    def end_if_overdue(self, now: float) -> None:
        """End what has taken too long by the loop's time ``now``."""
        limits = self._state.limits
        phase = self._phase
        waited = now - self._since
        stalled = self._stalled_since
        if self.transport.is_closing():
            # What has been written still goes out, to a client that reads it.
            if phase != _CLOSING:
                self._phase = _CLOSING
                self._since = now
            elif waited > limits.write_seconds:
                self.transport.abort()
        elif stalled is not None and now - stalled > limits.write_seconds:
            self.transport.abort()
        elif phase == _IDLE:
            if waited > limits.idle_seconds:
                self.transport.close()
        elif phase == _HEAD:
            if waited > limits.head_seconds:
                self._refuse(_LATE_HEAD)
        elif phase == _BODY:
            if self.flow.read_paused:
                self._since = now  # it is we who let the client wait
            elif waited > limits.body_seconds:
                self._refuse(_LATE_BODY)
        elif phase == _LINGERING and waited > limits.linger_seconds:
            self.transport.close()

    # Our own

    def _await_more(self, piece: bytes) -> None:
        """Bound what a message that is still under way makes the parser hold."""
        if self._phase == _BODY:
            if self._has_data:
                self._has_data = False
                self._overhead = 0
            else:
                self._overhead += len(piece)
                if self._overhead > MAX_HEADERS_BYTES:
                    self._refuse(_LARGE_HEADERS)
            return
        begun = self._overhead
        self._overhead += len(piece)
        if self._overhead > _SMALL:
            self._large = True
        if self._overhead > _MAX_HEAD_BYTES:
            long_target = len(self.url) > MAX_TARGET_BYTES
            self._refuse(_LONG_TARGET if long_target else _LARGE_HEADERS)
        elif begun == 0 and _HTTP_0_9.fullmatch(piece):
            self._refuse(_VERSION)  # llhttp waits for headers

    def _check_host(self, host: bytes | None, http_version: str) -> None:
        """RFC 9112 §3.2; nothing here is ever derived from it."""
        if host is None:
            if http_version == "1.1":
                raise _Refused(_BAD_HOST)
        elif host != self._known_host:
            if _HOST.fullmatch(host) is None:
                raise _Refused(_BAD_HOST)
            self._known_host = host

    def _refuse(self, answer: bytes) -> None:
        """Give ``answer`` to the request that is being read, and end the connection.

        Earlier requests are answered first. An application that waits for the rest of this one is
        told that the client is gone.
        """
        _log.debug("refused: %s", answer[9:12])
        at_work = self._current is not None and not self._current.response_complete
        if self._phase == _BODY and at_work:
            cycle = self.cycle
            if cycle is self._current:
                self._current.disconnect()
                if cycle.response_started:
                    self._phase = _CLOSING
                    self.transport.close()
                    return
                at_work = False
            else:
                self.pipeline.popleft()
        if at_work:
            self._phase = _DEAF
            self._last_answer = answer
        else:
            self._phase = _DEAF
            self.transport.write(answer)
            self._end()

    def _end(self) -> None:
        """Close the connection once all that is written has gone out.

        Closed while input is unread, TCP resets the connection and may take the answer with it.
        So a client that may still be sending gets our end of it and some time (RFC 9112 §9.6).
        """
        if self.transport.is_closing():
            return
        if self._phase == _IDLE or self._phase == _BUSY:
            self.transport.close()
            return
        self._phase = _LINGERING
        self._since = self._state.now
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()


def _answer_to(error: httptools.HttpParserError) -> bytes:
    cause = error.__context__
    if isinstance(cause, _Refused):
        return cause.answer
    if isinstance(error, httptools.HttpParserCallbackError):
        _log.error("A callback of the HTTP parser failed.", exc_info=error)
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return _METHOD
    return _MALFORMED


def _check_sizes(target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    if len(target) > MAX_TARGET_BYTES:
        raise _Refused(_LONG_TARGET)
    sizes = [len(name) + len(value) for name, value in headers]
    if max(sizes, default=0) > MAX_HEADER_BYTES or sum(sizes) + 4 * len(sizes) > MAX_HEADERS_BYTES:
        raise _Refused(_LARGE_HEADERS)


def _check_repetitions(headers: list[tuple[bytes, bytes]]) -> None:
    names = [name for name, _ in headers if name in _SINGLE]
    if names.count(b"host") > 1:
        raise _Refused(_BAD_HOST)
    if len(set(names)) != len(names):
        raise _Refused(_REPEATED)


def _check_framing(fields: dict[bytes, bytes], method: str, http_version: str) -> bool:
    """Whether the request has a body. llhttp has checked Content-Length (RFC 9112 §6)."""
    coding = fields.get(b"transfer-encoding")
    length = fields.get(b"content-length")
    if coding is not None:
        if coding.lower() != b"chunked" or length is not None or http_version != "1.1":
            raise _Refused(_BAD_CODING)
        return True
    if length is None:
        if method in _NEEDS_LENGTH:
            raise _Refused(_NO_LENGTH)
        return False
    return length != b"0"


def _split_target(target: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request target (RFC 9112 §3.2); llhttp lets only visible ASCII pass."""
    if target[:1] == b"/" and b"#" not in target:
        path, _, query = target.partition(b"?")
        return path, query
    absolute = _ABSOLUTE_TARGET.fullmatch(target)
    if absolute is None:
        raise _Refused(_BAD_TARGET)
    return absolute[1] or b"/", absolute[2] or b""
