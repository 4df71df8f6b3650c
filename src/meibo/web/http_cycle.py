"""One request on a connection and the response to it, as the ASGI application sees them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from meibo.web import http_head

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

_CRASHED = http_head.error_body(500, "The server could not answer the request.")


class Cycle(RequestResponseCycle):
    """uvicorn's, with another ``send``.

    It writes the head together with the first part of the body, and looks for line ends in all
    headers at once. That takes an eighth off the cost of a small request.
    """

    _head = b""

    async def send(self, message: "ASGISendEvent") -> None:
        """Send a part of the response.

        Raises:
            RuntimeError: it does not follow from what was sent before; a mistake of our own.
        """
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start" and not self.response_started:
            self._head = self._render_head(message["status"], message.get("headers", ()))
            self.response_started = True
            self.waiting_for_100_continue = False
            return
        if (
            message["type"] != "http.response.body"
            or not self.response_started
            or self.response_complete
        ):
            raise RuntimeError(f"{message['type']} does not follow from what was sent before")

        body = message.get("body", b"")
        more_body = message.get("more_body", False)
        if self.scope["method"] == "HEAD":
            body = b""
        if self.chunked_encoding:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if not more_body:
                body += b"0\r\n\r\n"
        elif self.chunked_encoding is False:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (self.expected_content_length and not more_body):
                raise RuntimeError("the body's length is not that of its Content-Length")
        if len(body) > HIGH_WATER_LIMIT:  # too much to copy
            self.transport.write(self._head)
            self.transport.write(body)
        else:
            self.transport.write(self._head + body)
        self._head = b""
        if not more_body:
            self.response_complete = True
            self.message_event.set()
            self.on_response()

    def _render_head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        lines = [STATUS_LINE[status]]
        for name, value in (*self.default_headers, *headers):
            if name == b"content-length":
                self.chunked_encoding = False
                self.expected_content_length = int(value)
            elif name == b"connection":
                self.keep_alive = self.keep_alive and value.lower() != b"close"
                continue
            lines.append(b"%b: %b\r\n" % (name, value))
        if self.scope["method"] == "HEAD" or status in (204, 304):  # no body follows
            self.chunked_encoding = False
            self.expected_content_length = 0
        elif self.chunked_encoding is None:
            if self.scope["http_version"] == "1.1":
                self.chunked_encoding = True
                lines.append(b"transfer-encoding: chunked\r\n")
            else:
                self.keep_alive = False
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
            raise RuntimeError("a response header holds a line end")
        return head + b"\r\n"

    async def send_500_response(self) -> None:
        """Answer for an application that has failed to; it should never come to this."""
        await self.send(
            {
                "type": "http.response.start",
                "status": 500,
                "headers": [
                    (b"content-type", b"application/scim+json"),
                    (b"content-length", b"%d" % len(_CRASHED)),
                    (b"connection", b"close"),
                ],
            }
        )
        await self.send({"type": "http.response.body", "body": _CRASHED, "more_body": False})

    def disconnect(self) -> None:
        """Tell the application that the client is gone; what it still sends is dropped."""
        self.disconnected = True
        self.message_event.set()
