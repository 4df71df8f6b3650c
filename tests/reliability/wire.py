"""A small HTTP/1.1 client that knows what it does not know.

Whether a request without an answer was carried out nobody can tell; only when the connection could
not even be opened it certainly was not. General clients hide that difference and some try again.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from meibo.scim.schema import Json, JsonObject

ANSWER_SECONDS = 20.0


class NotSent(Exception):
    """Nobody listens: the request was certainly not carried out."""


class Unanswered(Exception):
    """The connection was cut or stayed silent after the request: it may have been carried out."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> JsonObject:
        return msgspec.json.decode(self.body)

    @property
    def version(self) -> int | None:
        """The number in the ETag."""
        tag = self.headers.get("etag", "")
        return int(tag.removeprefix('W/"').removesuffix('"')) if tag else None

    @property
    def request(self) -> str:
        """The id under which the server logged the request."""
        return self.headers.get("x-request-id", "")

    @property
    def is_honest_refusal(self) -> bool:
        """Whether a 5xx is the one that there may be: 503 with Retry-After and a SCIM error."""
        if self.status != 503 or not self.headers.get("retry-after", "").isdigit():
            return False
        try:
            return self.json.get("status") == "503"
        except msgspec.DecodeError:
            return False


class Wire:
    """One keep-alive connection to a node of 127.0.0.1, opened when it is needed.

    ``patience`` is how long it waits for an answer, in seconds.
    """

    def __init__(
        self,
        port: int,
        token: str,
        *,
        prefix: str = "/scim/v2",
        patience: float = ANSWER_SECONDS,
    ) -> None:
        self.port = port
        self._prefix = prefix
        self._patience = patience
        self._head = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, method: str, path: str, body: Json = None, *, if_match: str | None = None
    ) -> Answer:
        """Sends a request under the SCIM prefix and waits for the answer.

        Raises:
            NotSent, Unanswered.
        """
        content = b"" if body is None else msgspec.json.encode(body)
        head = f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._head}"
        if if_match is not None:
            head += f"If-Match: {if_match}\r\n"
        if body is not None:
            head += f"Content-Type: application/scim+json\r\nContent-Length: {len(content)}\r\n"
        try:
            async with asyncio.timeout(self._patience):
                return await self._exchange(head.encode() + b"\r\n" + content)
        except (OSError, EOFError, TimeoutError) as error:  # EOFError: asyncio.IncompleteReadError
            self.close()
            raise Unanswered(repr(error)) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Cuts the connection; the next request opens another."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def _exchange(self, request: bytes) -> Answer:
        if self._streams is None:
            try:
                self._streams = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError as error:
                raise NotSent(str(error)) from error
        reader, writer = self._streams
        writer.write(request)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        named = (line.partition(":") for line in lines[1:-2])
        headers = {name.lower(): value.strip() for name, _, value in named}
        status = int(lines[0].split(" ", 2)[1])
        if headers.get("transfer-encoding") == "chunked":
            body = await _chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    while True:
        size = int(await reader.readuntil(b"\r\n"), 16)
        parts.append((await reader.readexactly(size + 2))[:-2])
        if size == 0:
            return b"".join(parts)


async def is_ready(port: int) -> bool:
    """Whether the node answers that it is ready, now."""
    wire = Wire(port, "", prefix="")
    try:
        return (await wire.ask("GET", "/health/ready")).status == 200
    except (NotSent, Unanswered):
        return False
    finally:
        wire.close()
