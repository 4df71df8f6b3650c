"""The HTTP server over real sockets: what it refuses, what it cuts off, and what it lets pass."""

import asyncio
import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from starlette.types import Receive, Scope, Send

from meibo.scim import urns
from meibo.scim.errors import ScimError
from meibo.web.body import read_body
from meibo.web.http_connection import Limits
from meibo.web.http_server import HttpServer, build_server

HOST = "127.0.0.1"
QUICK = Limits(
    head_seconds=0.4,
    body_seconds=0.6,
    idle_seconds=0.8,
    write_seconds=0.5,
    linger_seconds=0.3,
    max_pipelined=250,
)
KIB = 1_024
LARGE = 16 * KIB * KIB  # more than the kernel's buffers take


class Application:
    """Answers by path, and remembers how requests ended that have no answer."""

    def __init__(self) -> None:
        self.endings: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        match scope["path"]:
            case "/unread":
                await self.answer(send, 401, b"who are you?")
            case "/patient":
                await asyncio.sleep(0.2)
                await self.answer(send, 200, await read_body(scope, receive, 1_000_000))
            case "/busy":
                await asyncio.sleep(1)
                body = await read_body(scope, receive, 1_000_000)
                await self.answer(send, 200, b"%d" % len(body))
            case "/large":
                await self.stream(send)
            case "/block":
                await self.answer(send, 200, b"x" * LARGE)
            case "/eager":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"so far", "more_body": True})
                await read_body(scope, receive, 1_000_000)
            case "/nothing":
                await send({"type": "http.response.start", "status": 204})
                await send({"type": "http.response.body"})
            case "/injected":
                headers = [(b"etag", b"1\r\nset-cookie: a=b")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
            case "/contradiction":
                await send({"type": "http.response.start", "status": 204})
                await send({"type": "http.response.body", "body": b"HTTP/1.1 200 OK"})
            case "/short" | "/long":
                headers = [(b"content-length", b"5")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                body = b"123" if scope["path"] == "/short" else b"1234567"
                await send({"type": "http.response.body", "body": body})
            case "/crash":
                raise RuntimeError("secret detail")
            case _:
                await self.echo(scope, receive, send)

    async def echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(scope, receive, 1_000_000)
        except ScimError as error:
            self.endings.append(type(error).__name__)
            await self.answer(send, error.status, b"")
            return
        told = {
            "method": scope["method"],
            "version": scope["http_version"],
            "path": scope["path"],
            "raw_path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "client": scope["client"][0],
            "headers": {name.decode(): value.decode() for name, value in scope["headers"]},
            "body": body.decode() if len(body) < 100 else len(body),
        }
        await self.answer(send, 200, json.dumps(told).encode())

    async def stream(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(LARGE // 65_536):
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        self.endings.append("streamed")

    async def answer(self, send: Send, status: int, body: bytes) -> None:
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@dataclass
class Running:
    """A server in a thread of its own."""

    server: HttpServer
    application: Application
    port: int

    def connect(self) -> socket.socket:
        return socket.create_connection((HOST, self.port), timeout=5)

    def exchange(self, data: bytes, *, half_close: bool = False) -> "Answers":
        """What comes back for ``data`` until the server closes, or says nothing more."""
        with self.connect() as client:
            with contextlib.suppress(ConnectionError):
                client.sendall(data)
                if half_close:
                    client.shutdown(socket.SHUT_WR)
            return receive_all(client)


@contextlib.contextmanager
def running(limits: Limits, trusted_proxies: Sequence[str] = ()) -> Iterator[Running]:
    application = Application()
    server = build_server(
        application,
        host=HOST,
        port=0,
        limits=limits,
        trusted_proxies=trusted_proxies,
        graceful_seconds=5,
    )
    with socket.create_server((HOST, 0)) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, args=([listening],), name="server")
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield Running(server, application, port)
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def http() -> Iterator[Running]:
    with running(QUICK) as server:
        yield server


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Answers:
    """All the responses of one connection; ``closed`` is whether the server ended it."""

    data: bytes
    closed: bool

    def __iter__(self) -> Iterator[Answer]:
        data = self.data
        while data:
            head, _, data = data.partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            status = int(first.split(" ")[1])
            headers = dict(line.split(": ", 1) for line in lines)
            length = int(headers.get("content-length", 0))
            yield Answer(status, headers, data[:length])
            data = data[length:]

    @property
    def statuses(self) -> list[int]:
        return [answer.status for answer in self]

    @property
    def only(self) -> Answer:
        (answer,) = self
        return answer


def receive_all(client: socket.socket, quiet_seconds: float = 0.1) -> Answers:
    """What comes until the server closes, or until whole answers are followed by silence."""
    data = b""
    while True:
        client.settimeout(quiet_seconds if is_whole(data) else 5)
        try:
            piece = client.recv(1 << 20)
        except TimeoutError:
            return Answers(data, closed=False)
        except ConnectionError:
            return Answers(data, closed=True)
        if not piece:
            return Answers(data, closed=True)
        data += piece


def is_whole(data: bytes) -> bool:
    """Whether ``data`` ends where a response does."""
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        size = int(length[1]) if length else 0
        if not end or len(data) < size:
            return False
        if len(data) == size:
            return True
        data = data[size:]
    return False


def check_refusal(answer: Answer, status: int) -> None:
    assert answer.status == status
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == "application/scim+json"
    message = json.loads(answer.body)
    assert message["schemas"] == [urns.ERROR]
    assert message["status"] == str(status)
    assert message["detail"]


GET = b"GET /a HTTP/1.1\r\nHost: h\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
LAST_CHUNK = b"\r\n0\r\n\r\n"
TE = b"Transfer-Encoding: "
CODING = POST + TE
CHUNKED = CODING + b"chunked\r\n\r\n"
LENGTH = b"Content-Length: "
BEARER = b"Authorization: Bearer "
UPGRADE = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"

REFUSED = {
    # RFC 9112 §6: what a body's length could be mistaken for
    "length and chunked": (POST + LENGTH + b"6\r\n" + TE + b"chunked\r\n" + LAST_CHUNK, 400),
    "chunked and length": (CODING + b"chunked\r\nContent-Length: 6\r\n" + LAST_CHUNK, 400),
    "unknown coding": (CODING + b"xchunked\r\n\r\n", 400),
    "coding after chunked": (CODING + b"chunked, identity\r\n\r\n", 400),
    "coding before chunked": (CODING + b"identity, chunked\r\n" + LAST_CHUNK, 400),
    "gzip before chunked": (CODING + b"gzip, chunked\r\n" + LAST_CHUNK, 400),
    "coding in two headers": (CODING + b"gzip\r\n" + TE + b"chunked\r\n" + LAST_CHUNK, 400),
    "chunked twice": (CODING + b"chunked\r\n" + TE + b"chunked\r\n" + LAST_CHUNK, 400),
    "vertical tab before chunked": (CODING + b"\x0bchunked\r\n\r\n", 400),
    "white space behind chunked": (CODING + b"chunked \r\n" + LAST_CHUNK, 400),
    "chunked in HTTP/1.0": (CHUNKED.replace(b"/1.1", b"/1.0") + b"0\r\n\r\n", 400),
    "two equal lengths": (POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
    "two lengths": (POST + b"Content-Length: 2\r\nContent-Length: 60\r\n\r\n{}", 400),
    "two lengths in one": (POST + b"Content-Length: 2, 2\r\n\r\n{}", 400),
    "length with a sign": (POST + b"Content-Length: +2\r\n\r\n{}", 400),
    "negative length": (POST + b"Content-Length: -1\r\n\r\n{}", 400),
    "hexadecimal length": (POST + b"Content-Length: 0x2\r\n\r\n{}", 400),
    "length with underscore": (POST + b"Content-Length: 1_0\r\n\r\n{}", 400),
    "fractional length": (POST + b"Content-Length: 2.0\r\n\r\n{}", 400),
    "empty length": (POST + b"Content-Length: \r\n\r\n{}", 400),
    "length of 40 digits": (POST + b"Content-Length: " + b"1" * 40 + b"\r\n\r\n{}", 400),
    "no length": (POST + b"\r\n{}", 411),
    "no length in HTTP/1.0": (POST.replace(b"/1.1", b"/1.0") + b"\r\n{}", 411),
    # chunks
    "chunk size in letters": (CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n", 400),
    "chunk size with 0x": (CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n", 400),
    "negative chunk size": (CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n", 400),
    "empty chunk size": (CHUNKED + b"\r\n{}\r\n0\r\n\r\n", 400),
    "chunk size over 64 bits": (CHUNKED + b"f" * 18 + b"\r\n{}\r\n0\r\n\r\n", 400),
    "chunk size ended by LF": (CHUNKED + b"2\n{}\r\n0\r\n\r\n", 400),
    "chunk ended by LF": (CHUNKED + b"2\r\n{}\n0\r\n\r\n", 400),
    "chunk ended by other bytes": (CHUNKED + b"2\r\n{}XX0\r\n\r\n", 400),
    "101 trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n" + b"X: 1\r\n" * 101 + b"\r\n", 431),
    # lines and headers
    "bare LF": (b"GET /a HTTP/1.1\nHost: h\n\n", 400),
    "bare LF after a header": (GET + b"A: b\nC: d\r\n\r\n", 400),
    "bare CR in a value": (GET + b"A: b\rC: d\r\n\r\n", 400),
    "NUL in a value": (GET + b"A: b\0c\r\n\r\n", 400),
    "control character in a value": (GET + b"A: b\x01c\r\n\r\n", 400),
    "DEL in a value": (GET + b"A: b\x7fc\r\n\r\n", 400),
    "folded header": (GET + b"Authorization: Bearer\r\n x\r\n\r\n", 400),
    "header folded into the first line": (b"GET /a HTTP/1.1\r\n Host: h\r\n\r\n", 400),
    "space before the colon": (GET + b"Transfer-Encoding : chunked\r\n\r\n", 400),
    "space in a name": (GET + b"X A: a\r\n\r\n", 400),
    "no name": (GET + b": a\r\n\r\n", 400),
    "no colon": (GET + b"nonsense\r\n\r\n", 400),
    "no Host": (b"GET /a HTTP/1.1\r\nA: b\r\n\r\n", 400),
    "two Hosts": (GET + b"Host: evil.example\r\n\r\n", 400),
    "the same Host twice": (GET + b"Host: h\r\n\r\n", 400),
    "two Hosts in HTTP/1.0": (b"GET /a HTTP/1.0\r\nHost: h\r\nHost: i\r\n\r\n", 400),
    "empty Host": (b"GET /a HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "Host that is none": (b"GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "Host with a user": (b"GET /a HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    "two Authorizations": (GET + BEARER + b"a\r\n" + BEARER + b"b\r\n\r\n", 400),
    "two Content-Types": (POST + b"content-type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 400),
    "another expectation": (POST + b"Expect: 200-maybe\r\nContent-Length: 2\r\n\r\n{}", 417),
    "Upgrade with a body": (POST + UPGRADE + b"Content-Length: 2\r\n\r\n{}", 400),
    # the first line
    "HTTP/0.9 in words": (b"GET /a HTTP/0.9\r\n\r\n", 505),
    "HTTP/1.2": (b"GET /a HTTP/1.2\r\nHost: h\r\n\r\n", 400),
    "HTTP/2.0": (b"GET /a HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "version in lower case": (b"GET /a http/1.1\r\nHost: h\r\n\r\n", 400),
    "method in lower case": (b"get /a HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "unknown method": (b"FOO /a HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "TRACE": (b"TRACE /a HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "CONNECT": (b"CONNECT h:22 HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "PROPFIND": (b"PROPFIND /a HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "no method": (b"/a HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    "TLS": (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\0" * 200, 501),
    "space in the target": (b'GET /a?filter=a eq "b" HTTP/1.1\r\nHost: h\r\n\r\n', 400),
    "UTF-8 in the target": ("GET /é HTTP/1.1\r\nHost: h\r\n\r\n".encode(), 400),
    "UTF-8 in the query": ("GET /a?é HTTP/1.1\r\nHost: h\r\n\r\n".encode(), 400),
    "NUL in the target": (b"GET /a\0 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "DEL in the query": (b"GET /a?\x7f HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "fragment in the target": (b"GET /a?filter=b#c HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "asterisk as the target": (b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "relative target": (b"GET a HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "target of another scheme": (b"GET ftp://h/a HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    # sizes
    "target over 16 KiB": (b"GET /" + b"a" * 16 * KIB + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
    "target of 1 MB": (b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
    "header over 8 KiB": (GET + b"ABCD: " + b"a" * (8 * KIB - 3) + b"\r\n\r\n", 431),
    "header of 1 MB": (GET + b"A: " + b"a" * 1_000_000 + b"\r\n\r\n", 431),
    "headers over 32 KiB": (GET + (b"A: " + b"a" * 8_188 + b"\r\n") * 4 + b"\r\n", 431),
    "101 headers": (GET + b"A: b\r\n" * 100 + b"\r\n", 431),
    "10,000 headers": (GET + b"A: b\r\n" * 10_000 + b"\r\n", 431),
}  # fmt: skip


@pytest.mark.parametrize("data, status", REFUSED.values(), ids=REFUSED.keys())
def test_a_request_that_could_mislead_is_refused_and_the_connection_closed(
    http: Running, data: bytes, status: int
) -> None:
    answers = http.exchange(data + NEXT)
    assert answers.closed
    check_refusal(answers.only, status)


def test_http_0_9_is_refused(http: Running) -> None:
    answers = http.exchange(b"GET /a\r\n")
    assert answers.closed
    check_refusal(answers.only, 505)


ACCEPTED = {
    "line ends before the request": (b"\r\n\r\n" + GET + b"\r\n", {"path": "/a"}),
    "absolute target": (
        b"GET http://evil.example/a/b?c=d HTTP/1.1\r\nHost: h\r\n\r\n",
        {"path": "/a/b", "query": "c=d"},
    ),
    "absolute target without a path": (
        b"GET HTTPS://evil.example HTTP/1.1\r\nHost: h\r\n\r\n",
        {"path": "/"},
    ),
    "two slashes": (b"GET //b/c HTTP/1.1\r\nHost: h\r\n\r\n", {"path": "//b/c"}),
    "percent signs": (
        b"GET /%55sers/%2e%2e?q=%55 HTTP/1.1\r\nHost: h\r\n\r\n",
        {"path": "/Users/..", "raw_path": "/%55sers/%2e%2e", "query": "q=%55"},
    ),
    "two question marks": (b"GET /a?b?c HTTP/1.1\r\nHost: h\r\n\r\n", {"query": "b?c"}),
    "HTTP/1.0 without Host": (b"GET /a HTTP/1.0\r\n\r\n", {"version": "1.0"}),
    "Host with a port": (b"GET /a HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", {"path": "/a"}),
    "a header twice that may be": (GET + b"Cookie: a\r\nCookie: b\r\n\r\n", {"path": "/a"}),
    "GET with a body": (GET + b"Content-Length: 2\r\n\r\n{}", {"body": "{}"}),
    "DELETE without a length": (b"DELETE /a HTTP/1.1\r\nHost: h\r\n\r\n", {"method": "DELETE"}),
    "empty POST": (POST + b"Content-Length: 0\r\n\r\n", {"body": ""}),
    "chunks": (CHUNKED + b"1\r\n{\r\n1;a=b\r\n}\r\n0\r\n\r\n", {"body": "{}"}),
    "chunked in capitals": (
        POST + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        {"body": "{}"},
    ),
    "Upgrade that Connection does not name": (GET + b"Upgrade: h2c\r\n\r\n", {"path": "/a"}),
    "target of 16 KiB": (
        b"GET /" + b"a" * (16 * KIB - 1) + b" HTTP/1.1\r\nHost: h\r\n\r\n",
        {"path": "/" + "a" * (16 * KIB - 1)},
    ),
    "header of 8 KiB": (GET + b"ABCD: " + b"a" * (8 * KIB - 4) + b"\r\n\r\n", {"path": "/a"}),
    "headers of 31 KiB": (GET + (b"A: " + b"a" * 7_900 + b"\r\n") * 4 + b"\r\n", {"path": "/a"}),
    "100 headers": (GET + b"A: b\r\n" * 99 + b"\r\n", {"path": "/a"}),
}


@pytest.mark.parametrize("data, told", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_an_unusual_request_reaches_the_application(
    http: Running, data: bytes, told: dict[str, object]
) -> None:
    answer = http.exchange(data).only
    assert answer.status == 200
    assert told.items() <= json.loads(answer.body).items()


def test_a_connection_serves_one_request_after_another(http: Running) -> None:
    with http.connect() as client:
        for body in (b"{}", b"[1]", b""):
            client.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            answer = receive_all(client, quiet_seconds=0.02).only
            assert json.loads(answer.body)["body"] == body.decode()
            assert "connection" not in answer.headers


def test_a_request_may_come_byte_by_byte(http: Running) -> None:
    with http.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in POST + b"Content-Length: 2\r\n\r\n{}":
            client.send(bytes([byte]))
        assert receive_all(client).statuses == [200]


@pytest.mark.parametrize("cut", [10, 30, 9_000], ids=["target", "headers", "value"])
def test_the_limits_hold_for_a_head_in_pieces(http: Running, cut: int) -> None:
    data = GET + b"A: " + b"a" * 8_500 + b"\r\n\r\n"
    with http.connect() as client:
        client.sendall(data[:cut])
        time.sleep(0.05)
        client.sendall(data[cut:])
        check_refusal(receive_all(client).only, 431)


def test_the_limits_hold_for_every_pipelined_head(http: Running) -> None:
    answers = http.exchange(GET + b"\r\n" + NEXT + GET + b"A: " + b"a" * 8_500 + b"\r\n\r\n" + NEXT)
    *answered, refused = answers
    assert [answer.status for answer in answered] == [200, 200]
    check_refusal(refused, 431)
    assert answers.closed


@pytest.mark.parametrize(
    "begin, status",
    [
        (b"GET /", 414),
        (b"GET /?", 414),
        (GET + b"A: ", 431),
        (GET + b"a", 431),
        (NEXT + GET + b"A: ", 431),
        (CHUNKED + b"2;", 431),
        (CHUNKED + b"2\r\n{}\r\n0\r\nA: ", 431),
        (CHUNKED + b"2\r\n{}\r\n0\r\nA", 431),
    ],
    ids=["target", "query", "value", "name", "pipelined", "chunk extension", "trailer", "its name"],
)
def test_what_never_ends_is_cut_off(http: Running, begin: bytes, status: int) -> None:
    sent = 0
    with http.connect() as client:
        with contextlib.suppress(ConnectionError, TimeoutError):
            client.sendall(begin)
            client.settimeout(2)
            while sent < 64 << 20:
                sent += client.send(b"a" * 65_536)
        *_, last = receive_all(client)
    check_refusal(last, status)
    # What the kernel's buffers on both sides take comes on top of what the server read.
    assert sent < 16 << 20


def test_trailers_do_not_become_headers(http: Running) -> None:
    trailers = b"Authorization: Bearer x\r\nContent-Type: text/plain\r\nHost: i\r\n"
    answer = http.exchange(CHUNKED + b"2\r\n{}\r\n0\r\n" + trailers + b"\r\n").only
    assert json.loads(answer.body)["headers"] == {
        "host": "h",
        "content-type": "application/json",
        "transfer-encoding": "chunked",
    }


# Pipelines


def test_two_hundred_pipelined_requests_are_answered_in_order(http: Running) -> None:
    requests = [b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % i for i in range(200)]
    answers = http.exchange(b"".join(requests))
    assert [json.loads(answer.body)["path"] for answer in answers] == [f"/{i}" for i in range(200)]


def test_more_are_answered_as_far_as_they_may_wait(http: Running) -> None:
    answers = http.exchange(NEXT * 5_000)
    *answered, refused = answers
    assert {answer.status for answer in answered} == {200}
    assert QUICK.max_pipelined < len(answered) < 5_000
    check_refusal(refused, 503)
    assert b"limit of 250" in refused.body
    assert refused.headers["retry-after"] == "1"
    assert answers.closed


def test_an_error_is_answered_after_the_requests_before_it(http: Running) -> None:
    slow = b"GET /patient HTTP/1.1\r\nHost: h\r\n\r\n"
    answers = http.exchange(slow + NEXT + b"nonsense\r\n\r\n" + NEXT)
    assert answers.statuses == [200, 200, 501]
    assert answers.closed


def test_an_error_in_a_pipelined_body_is_answered_after_the_requests_before_it(
    http: Running,
) -> None:
    slow = b"GET /patient HTTP/1.1\r\nHost: h\r\n\r\n"
    with http.connect() as client:
        client.sendall(slow + CHUNKED + b"zz\r\n" + NEXT)
        answers = receive_all(client)
    assert answers.statuses == [200, 400]
    assert answers.closed


def test_nothing_is_answered_after_a_request_that_closes(http: Running) -> None:
    answers = http.exchange(GET + b"Connection: close\r\n\r\n" + NEXT)
    assert answers.closed
    assert answers.only.headers["connection"] == "close"


# Bodies that are not read, or not sent


def test_an_answer_before_the_body_has_come_ends_the_connection(http: Running) -> None:
    with http.connect() as client:
        client.sendall(b"POST /unread HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n")
        time.sleep(0.05)
        client.sendall(b"{" * 100 + NEXT)
        answers = receive_all(client)
    assert answers.closed
    assert answers.only.status == 401
    assert answers.only.headers["connection"] == "close"


def test_a_client_that_still_sends_can_read_the_answer(http: Running) -> None:
    size = 400 * KIB
    with http.connect() as client:
        client.sendall(b"POST /unread HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(10):
            client.sendall(b"x" * (size // 10))
            time.sleep(0.01)
        answers = receive_all(client)
    assert answers.only.status == 401
    assert answers.closed


def test_a_body_that_was_not_read_but_has_come_leaves_the_connection_open(http: Running) -> None:
    request = b"POST /unread HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
    answers = http.exchange(request + request)
    assert answers.statuses == [401, 401]
    assert not answers.closed


def test_a_client_is_told_to_continue_only_when_its_body_is_wanted(http: Running) -> None:
    expecting = b"Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n"
    with http.connect() as client:
        client.sendall(POST + expecting)
        assert receive_all(client, quiet_seconds=0.05).statuses == [100]
        client.sendall(b"{}")
        assert receive_all(client, quiet_seconds=0.05).statuses == [200]
    answers = http.exchange(b"POST /unread HTTP/1.1\r\nHost: h\r\n" + expecting)
    assert answers.statuses == [401]
    assert answers.closed


def test_a_body_may_be_large(http: Running) -> None:
    body = b"x" * 900_000
    answer = http.exchange(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body).only
    assert json.loads(answer.body)["body"] == len(body)


def test_a_body_over_the_limit_is_refused_before_it_is_sent(http: Running) -> None:
    answers = http.exchange(POST + b"Content-Length: 100000000\r\n\r\n" + b"x" * 1_000)
    assert answers.statuses == [413]
    assert answers.closed


@pytest.mark.parametrize(
    "sent",
    [POST + b"Content-Length: 1000\r\n\r\n{", CHUNKED + b"2\r\n{}\r\n"],
    ids=["length", "chunks"],
)
def test_a_body_that_breaks_off_is_refused(http: Running, sent: bytes) -> None:
    answers = http.exchange(sent, half_close=True)
    assert answers.closed
    check_refusal(answers.only, 400)


@pytest.mark.parametrize("path", [b"/a", b"/large"], ids=["known length", "unknown length"])
def test_the_answer_to_head_has_no_body(http: Running, path: bytes) -> None:
    request = b"HEAD %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" % path
    head, _, body = http.exchange(request).data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"transfer-encoding" not in head
    assert body == b""


def test_upgrade_is_not_honoured(http: Running) -> None:
    answers = http.exchange(GET + UPGRADE + b"\r\n" + NEXT)
    assert answers.only.status == 200
    assert answers.only.headers["connection"] == "close"
    assert answers.closed


# Time


def test_a_silent_connection_is_closed(http: Running) -> None:
    with http.connect() as client:
        began = time.monotonic()
        assert receive_all(client) == Answers(b"", closed=True)
        assert 0.5 < time.monotonic() - began < 1.5


def test_a_connection_is_closed_that_has_been_idle_since_its_last_answer(http: Running) -> None:
    with http.connect() as client:
        time.sleep(0.5)
        client.sendall(NEXT)
        assert receive_all(client, quiet_seconds=0.5).statuses == [200]
        began = time.monotonic()
        assert receive_all(client) == Answers(b"", closed=True)
        assert time.monotonic() - began < 1


@pytest.mark.parametrize("before", [b"", NEXT], ids=["first", "second"])
def test_a_slow_head_is_cut_off(http: Running, before: bytes) -> None:
    with http.connect() as client:
        client.sendall(before + b"G")
        began = time.monotonic()
        ended = drip(client, GET[1:] + b"X: " + b"a" * 1_000)
    assert 0.2 < ended - began < 1


def test_a_slow_body_is_cut_off_and_its_request_told(http: Running) -> None:
    http.application.endings.clear()
    with http.connect() as client:
        client.sendall(POST + b"Content-Length: 1000\r\n\r\n")
        began = time.monotonic()
        ended = drip(client, b"a" * 1_000)
    assert 0.4 < ended - began < 1.2
    wait_for_ending(http, "RequestTimeout")


def drip(client: socket.socket, data: bytes) -> float:
    """Send a byte each 20 ms until the server closes; returns when it did."""
    client.settimeout(0.02)
    for byte in data:
        with contextlib.suppress(TimeoutError):
            if not client.recv(65_536):
                return time.monotonic()
        try:
            client.send(bytes([byte]))
        except ConnectionError:
            return time.monotonic()
    pytest.fail("the connection is still held")


def wait_for_ending(http: Running, ending: str) -> None:
    for _ in range(100):
        if ending in http.application.endings:
            return
        time.sleep(0.02)
    pytest.fail(f"{ending} has not come, but {http.application.endings}")


def test_a_client_is_not_blamed_for_the_time_in_which_nobody_reads(http: Running) -> None:
    body = b"x" * 700_000
    with http.connect() as client:
        head = POST.replace(b"/a", b"/busy") + b"Content-Length: %d\r\n\r\n" % len(body)
        client.sendall(head + body)
        assert receive_all(client).only.body == b"700000"


def test_a_client_that_does_not_read_is_cut_off(http: Running) -> None:
    http.application.endings.clear()
    with http.connect() as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
        wait_for_ending(http, "streamed")
        assert len(receive_all(client).data) < LARGE
    assert not http.server.server_state.tasks


def test_a_client_that_does_not_read_the_last_answer_is_cut_off(http: Running) -> None:
    with http.connect() as client:
        client.sendall(b"GET /block HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        time.sleep(1)
        assert len(receive_all(client).data) < LARGE
    assert not http.server.server_state.connections


@pytest.mark.parametrize("path", [b"/large", b"/block"], ids=["streamed", "at once"])
def test_a_client_that_reads_gets_a_large_answer(http: Running, path: bytes) -> None:
    with http.connect() as client:
        client.sendall(b"GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" % path)
        time.sleep(0.1)
        answers = receive_all(client)
    assert answers.closed
    assert len(answers.data) > LARGE


def test_an_answer_that_has_begun_breaks_off_when_the_body_does(http: Running) -> None:
    with http.connect() as client:
        client.sendall(CHUNKED.replace(b"/a", b"/eager"))
        time.sleep(0.05)
        client.sendall(b"zz\r\n" + NEXT)
        answers = receive_all(client)
    assert answers.data.startswith(b"HTTP/1.1 200 ")
    assert answers.data.endswith(b"so far\r\n")
    assert answers.closed


def test_a_thousand_idle_connections_are_in_nobodys_way(http: Running) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(1_000):
            stack.enter_context(http.connect())
        assert http.exchange(NEXT).statuses == [200]


# Answers


def test_an_answer_without_a_body_says_nothing_of_its_length(http: Running) -> None:
    request = GET.replace(b"/a", b"/nothing") + b"\r\n"
    answers = http.exchange(request + request)
    assert answers.data == b"HTTP/1.1 204 No Content\r\n\r\n" * 2
    assert not answers.closed


def test_an_answer_of_unknown_length_comes_in_chunks(http: Running) -> None:
    data = http.exchange(GET.replace(b"/a", b"/eager") + b"\r\n").data
    assert data.startswith(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nso far\r\n")


def test_an_answer_of_unknown_length_ends_with_the_connection_in_http_1_0(http: Running) -> None:
    with http.connect() as client:
        client.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        answers = receive_all(client)
    head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"
    assert answers.data.startswith(head)
    assert len(answers.data) == len(head) + LARGE
    assert answers.closed


def test_a_header_cannot_be_injected(http: Running, caplog: pytest.LogCaptureFixture) -> None:
    answers = http.exchange(GET.replace(b"/a", b"/injected") + b"\r\n")
    check_refusal(answers.only, 500)
    assert b"set-cookie" not in answers.data
    assert "line end" in caplog.text


@pytest.mark.parametrize("path", [b"/short", b"/long", b"/contradiction"])
def test_an_answer_of_another_length_than_it_says_breaks_off(
    http: Running, path: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answers = http.exchange(GET.replace(b"/a", path) + b"\r\n" + NEXT)
    assert answers == Answers(b"", closed=True)
    assert "Content-Length" in caplog.text


# The server


@pytest.mark.parametrize(
    "trusted, forwarded, client",
    [
        ((), "192.0.2.7", HOST),
        (("10.0.0.1",), "192.0.2.7", HOST),
        ((HOST,), "192.0.2.7", "192.0.2.7"),
        (("127.0.0.0/8",), "192.0.2.7", "192.0.2.7"),
        ((HOST, "10.0.0.0/8"), "192.0.2.66, 192.0.2.7, 10.1.2.3", "192.0.2.7"),
        ((HOST,), "192.0.2.7, 2001:db8::1", "2001:db8::1"),
        ((HOST,), "", HOST),
    ],
    ids=["nobody", "another", "address", "network", "a chain", "what a client wrote", "empty"],
)
def test_the_address_of_a_client_is_taken_from_a_trusted_proxy_only(
    trusted: tuple[str, ...], forwarded: str, client: str
) -> None:
    with running(QUICK, trusted_proxies=trusted) as http:
        answers = http.exchange(GET + b"X-Forwarded-For: %s\r\n\r\n" % forwarded.encode())
        assert json.loads(answers.only.body)["client"] == client


def test_too_many_connections_are_told_to_come_back() -> None:
    with running(Limits(max_connections=20, linger_seconds=0.1)) as http:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(http.connect()) for _ in range(20)]
            answers = http.exchange(NEXT)
            check_refusal(answers.only, 503)
            assert b"limit of 20 connections" in answers.only.body
            assert answers.only.headers["retry-after"] == "5"
            assert answers.closed
            clients[0].sendall(NEXT)
            assert receive_all(clients[0]).statuses == [200]
            clients += [stack.enter_context(http.connect()) for _ in range(5)]
            assert receive_all(clients[-1]) == Answers(b"", closed=True)
        time.sleep(0.3)
        assert http.exchange(NEXT).statuses == [200]


def test_a_crash_is_answered_without_its_reason(
    http: Running, caplog: pytest.LogCaptureFixture
) -> None:
    answers = http.exchange(GET.replace(b"/a", b"/crash") + b"\r\n")
    check_refusal(answers.only, 500)
    assert b"secret" not in answers.data
    assert "secret detail" in caplog.text


def test_a_server_that_stops_answers_what_it_has_begun() -> None:
    with running(QUICK) as http, http.connect() as busy, http.connect() as idle:
        busy.sendall(b"GET /patient HTTP/1.1\r\nHost: h\r\n\r\n")
        time.sleep(0.05)
        http.server.should_exit = True
        answers = receive_all(busy)
        assert answers.only.status == 200
        assert answers.only.headers["connection"] == "close"
        assert answers.closed
        assert receive_all(idle) == Answers(b"", closed=True)
        with pytest.raises(OSError, match="refused"):
            http.connect()


def test_sigterm_ends_a_process_after_its_answers() -> None:
    program = """
        import asyncio, socket
        from meibo.web.http_server import build_server

        async def app(scope, receive, send):
            if scope["type"] == "lifespan":
                while True:
                    message = await receive()
                    await send({"type": message["type"] + ".complete"})
                    if message["type"] == "lifespan.shutdown":
                        print("shut down", flush=True)
                        return
            await asyncio.sleep(0.5)
            headers = [(b"content-length", b"4")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"done"})

        with socket.create_server(("127.0.0.1", 0)) as listening:
            print(listening.getsockname()[1], flush=True)
            build_server(app).run([listening])
        print("returned", flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.create_connection((HOST, port), timeout=5) as client:
            client.sendall(NEXT)
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            answer = receive_all(client).only
        assert answer.body == b"done"
        assert answer.headers["connection"] == "close"
        assert process.wait(5) == 0
        assert process.stdout.read() == "shut down\nreturned\n"
