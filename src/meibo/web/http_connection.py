"""One client's connection: uvicorn's httptools protocol, with time-outs and limits.

A client may be silent, slow with a head, slow with a body or slow to read for so long only. A head
is cut off while it arrives when it outgrows its limits, and so are trailers; requests that wait for
their turn are counted. Upgrade is not honoured. What is refused never reaches the application.
"""

import asyncio
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import httptools
import uvicorn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from meibo.web import http_head
from meibo.web.http_cycle import Cycle
from meibo.web.http_head import Refused

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, HTTPScope

_log = logging.getLogger(__name__)

# A head that has not ended is cut off here.
_MAX_HEAD_BYTES = http_head.MAX_TARGET_BYTES + http_head.MAX_HEADERS_BYTES + 64
# A head that arrives within a piece of this size can break no limit but that of the count.
_SMALL = min(http_head.MAX_TARGET_BYTES, http_head.MAX_HEADER_BYTES)
# The largest piece that the event loop hands over.
_PIECE = 262_144
# How much a client may still send after its last answer.
_LINGER_BYTES = 524_288
# The answer to a client that is too slow: the connection closes.
_SILENCE = b""
# HTTP/0.9 has no headers, for which llhttp would wait.
_HTTP_0_9 = re.compile(rb"[\r\n]*[A-Z]+ [^ \r\n]+\r?\n")

# What a connection is at; see HttpProtocol. Plain integers: they are compared on every request.
_IDLE, _HEAD, _BODY, _BUSY, _DEAF, _LINGERING, _CLOSING = range(7)


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
        """How often all connections are looked at; a time-out is early by this at most."""
        return min(1.0, self.head_seconds / 4, self.body_seconds / 4, self.idle_seconds / 4)


class HttpServerState(ServerState):
    """What the connections of a server share; ``now`` is the loop's time at the last sweep."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits = limits
        self.max_connections = limits.max_connections
        self.now = 0.0


class HttpProtocol(HttpToolsProtocol):
    """One connection.

    Its input goes round from idle to reading a head, reading a body, busy (the application has the
    whole request) and idle again; a pipelined request begins while an earlier one is busy. The
    way out: deaf (answers are owed, but no more input is read), lingering (all is written, but the
    client may still be sending), closing.
    """

    # uvicorn's attributes are as many as CPython keeps in the compact form that it reads fast.
    __slots__ = (
        "_current",
        "_discarded",
        "_has_data",
        "_keep_alive",
        "_last_answer",
        "_overhead",
        "_phase",
        "_piece",
        "_since",
        "_stalled_since",
        "_state",
    )

    app: "ASGI3Application"
    parser: httptools.HttpRequestParser

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
        # When the phase began, by the sweep's clock, which is one sweep behind at most.
        self._since = server_state.now
        self._stalled_since: float | None = None
        # The cycle whose turn it is. uvicorn's `cycle` is the newest, which may wait for its turn.
        self._current: Cycle | None = None
        # The last answer of all, while those to earlier requests are owed.
        self._last_answer: bytes | None = None
        # Bytes of the piece of input at hand.
        self._piece = 0
        # Bytes of an unfinished head in pieces before, or since the last data of a body.
        self._overhead = 0
        self._has_data = False
        self._discarded = 0
        # Whether the connection outlives the newest request, once that is whole.
        self._keep_alive = False

    # What the event loop calls

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Wait for a request, or refuse the connection as one too many."""
        super().connection_made(transport)
        self._since = self._state.now
        most = self._state.max_connections
        excess = len(self.connections) - most
        if excess > most // 10:
            transport.abort()
        elif excess > 0:
            self._refuse(http_head.overloaded(most))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application, if it is at work for this client."""
        if self._current is not None and not self._current.response_complete:
            self._current.disconnect()
        super().connection_lost(exc)
        # They hold the connection, which holds them.
        self.pipeline.clear()
        self._current = None

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived; the parser calls the methods below."""
        if self._phase >= _DEAF:
            self._discarded += len(data)
            if self._discarded > _LINGER_BYTES:
                self.flow.pause_reading()
            return
        self._piece = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The application has the request; what follows it is in no language of ours.
            self._phase = _DEAF
        except httptools.HttpParserError as error:
            self._refuse(_answer_to(error))
        else:
            if self._phase == _HEAD or self._phase == _BODY:
                self._await_more(data)

    def eof_received(self) -> None:
        """Close; a client that sends no more does not wait for an answer either."""
        if self._phase == _BODY:
            self._refuse(http_head.INCOMPLETE)

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
        # Behind another request, nobody knows how much of this piece belongs to the new head.
        self._overhead = 0 if self._phase == _IDLE else -_PIECE
        self._phase = _HEAD
        self._since = self._state.now
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; or a trailer, which goes nowhere."""
        headers = self.headers
        if len(headers) >= http_head.MAX_HEADERS:
            raise Refused(http_head.LARGE_HEADERS)
        headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Hand the request to the application.

        Raises:
            Refused: it is none that we take.
        """
        headers, parser = self.headers, self.parser
        if self._piece > _SMALL or self._overhead:
            http_head.check_sizes(self.url, headers)
        http_version = parser.get_http_version()
        if http_version != "1.1" and http_version != "1.0":
            raise Refused(http_head.VERSION)
        method = http_head.METHODS.get(parser.get_method())
        if method is None:
            raise Refused(http_head.METHOD)
        has_body, expects_continue = http_head.check_headers(headers, method, http_version)
        self._keep_alive = http_version == "1.1" and parser.should_keep_alive()
        if parser.should_upgrade():
            if has_body:  # which the parser would take for the next request
                raise Refused(http_head.UPGRADE)
            self._keep_alive = False
        raw_path, query = http_head.split_target(self.url)
        waits = self._current is not None and not self._current.response_complete
        most = self._state.limits.max_pipelined
        if waits and len(self.pipeline) >= most:
            raise Refused(http_head.pipeline_full(most))

        path = raw_path.decode("ascii")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": http_version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "method": method,
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": headers,
            "state": self.app_state.copy(),
        }
        self.cycle = cycle = Cycle(
            scope=cast("HTTPScope", scope),
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=expects_continue,
            # An answer sent before the body has arrived is the last one: what follows may be the
            # rest of it or, when `Expect: 100-continue` was not met, the next request.
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        self._phase = _BODY
        self._since = self._state.now
        self._overhead = 0
        # Trailers are told as headers are, and must not join those that the application reads.
        self.headers = []
        if waits:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))
        else:
            self._current = cycle
            self._start_asgi_task(cycle, self.app)

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body until the application reads it."""
        self._has_data = True
        cycle = self.cycle
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._phase = _BUSY
        cycle = self.cycle
        if not cycle.response_started:
            cycle.keep_alive = self._keep_alive
        cycle.more_body = False
        cycle.message_event.set()

    # What a cycle and the server's sweep call

    def on_response_complete(self) -> None:
        """Turn to the next pipelined request, or wait for one."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self._current is None or not self._current.keep_alive:
            self._end()
        elif self.pipeline:
            cycle, app = self.pipeline.pop()
            self._current = cast(Cycle, cycle)
            self._start_asgi_task(cycle, app)
        elif self._last_answer is not None:
            self._give_up(self._last_answer)
        elif self._phase == _BUSY:
            self._phase = _IDLE
            self._since = self._state.now

    def shutdown(self) -> None:
        """Close, after the answer to what has been received."""
        self._keep_alive = False
        super().shutdown()

    def end_if_overdue(self, now: float) -> None:
        """End what has taken too long by the loop's time ``now``."""
        limits = self._state.limits
        phase = self._phase
        waited = now - self._since
        stalled = self._stalled_since
        if self.transport.is_closing():
            # What is written still goes out, if the client reads it.
            if phase != _CLOSING:
                self._phase = _CLOSING
                self._since = now
            elif waited > limits.write_seconds:
                self.transport.abort()
        elif stalled is not None and now - stalled > limits.write_seconds:
            self.transport.abort()
        elif phase == _IDLE:
            if waited >= limits.idle_seconds:
                self.transport.close()
        elif phase == _HEAD:
            if waited >= limits.head_seconds:
                self._refuse(_SILENCE)
        elif phase == _BODY:
            if self.flow.read_paused:
                self._since = now  # it is we who let the client wait
            elif waited >= limits.body_seconds:
                self._refuse(_SILENCE)
        elif phase == _LINGERING and waited >= limits.linger_seconds:
            self.transport.close()

    # Our own

    def _await_more(self, piece: bytes) -> None:
        """Bound what a message that is still under way makes the parser hold."""
        if self._phase == _BODY:
            if self._has_data:
                self._has_data = False
                self._overhead = 0
            else:  # chunk extensions or trailers
                self._overhead += len(piece)
                if self._overhead > http_head.MAX_HEADERS_BYTES:
                    self._refuse(http_head.LARGE_HEADERS)
            return
        is_first_piece = self._overhead == 0
        self._overhead += len(piece)
        if self._overhead > _MAX_HEAD_BYTES:
            is_long = len(self.url) > http_head.MAX_TARGET_BYTES
            self._refuse(http_head.LONG_TARGET if is_long else http_head.LARGE_HEADERS)
        elif is_first_piece and _HTTP_0_9.fullmatch(piece):
            self._refuse(http_head.VERSION)

    def _refuse(self, answer: bytes) -> None:
        """Give ``answer`` to the request that is being read, and end the connection.

        Earlier requests are answered first. An application that waits for the rest of this one is
        told that the client is gone.
        """
        _log.debug("A request was refused: %r", answer[9:12])
        current, phase = self._current, self._phase
        self._phase = _DEAF
        if current is None or current.response_complete:
            self._give_up(answer)
        elif phase != _BODY or current is not self.cycle:
            if phase == _BODY:
                self.pipeline.popleft()
            self._last_answer = answer
        elif current.response_started:
            current.disconnect()
            self.transport.close()
        else:
            current.disconnect()
            self._give_up(answer)

    def _give_up(self, answer: bytes) -> None:
        if answer:
            self.transport.write(answer)
            self._end()
        else:
            self.transport.close()

    def _end(self) -> None:
        """Close the connection once all that is written has gone out.

        Closing while input is unread makes TCP reset the connection, which may cost the client the
        answer. One that may still be sending is told that we are done and given time (RFC 9112
        §9.6).
        """
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
    if isinstance(cause, Refused):
        return cause.answer
    if cause is not None:
        _log.error("The HTTP parser could not hand over a request.", exc_info=cause)
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return http_head.METHOD
    return http_head.MALFORMED
