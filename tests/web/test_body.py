"""A request's body: its type, its length, and what ends it."""

from collections.abc import Iterable

import pytest
from starlette.types import Message, Receive, Scope

from meibo.scim.errors import PayloadTooLarge, RequestTimeout, UnsupportedMediaType
from meibo.web.body import read_body

MIB = 1_048_576


def scope(**headers: str) -> Scope:
    return {
        "type": "http",
        "headers": [
            (name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()
        ],
    }


class Client:
    """Sends ``parts``; counts how many of them were asked for."""

    def __init__(self, parts: Iterable[bytes], *, disconnects: bool = False) -> None:
        self._parts = list(parts)
        self._disconnects = disconnects
        self.asked = 0

    async def receive(self) -> Message:
        self.asked += 1
        if not self._parts:
            return {"type": "http.disconnect"}
        part = self._parts.pop(0)
        more = bool(self._parts) or self._disconnects
        return {"type": "http.request", "body": part, "more_body": more}


def sending(*parts: bytes) -> Receive:
    return Client(parts).receive


@pytest.mark.parametrize(
    "content_type",
    [
        "application/scim+json",
        "application/json",
        "application/scim+json; charset=utf-8",
        "application/scim+json;charset=UTF-8",
        'application/json ; Charset="Utf-8"',
        "application/json;charset=utf8",
        "Application/SCIM+JSON",
        "application/json; odata.metadata=minimal",
        "application/json;",
    ],
)
async def test_scim_and_json_in_utf_8_are_read(content_type: str) -> None:
    assert await read_body(scope(content_type=content_type), sending(b"{}"), 10) == b"{}"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=b",
        "application/x-www-form-urlencoded",
        "application/json-patch+json",
        "application/scim+json; charset=utf-7",
        "application/scim+json; charset=utf-8; charset=utf-16",
        "application/json; charset",
        "application/json, text/plain",
        "*/*",
        "",
        "\u00e9",
    ],
)
async def test_another_media_type_or_character_set_is_refused_unread(content_type: str) -> None:
    client = Client([b"{}"])
    with pytest.raises(UnsupportedMediaType):
        await read_body(scope(content_type=content_type), client.receive, 10)
    assert client.asked == 0


async def test_a_body_without_a_content_type_is_read() -> None:
    assert await read_body(scope(), sending(b"{}"), 10) == b"{}"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip", "GZIP"])
async def test_a_compressed_body_is_refused_unread(coding: str) -> None:
    client = Client([b"{}"])
    with pytest.raises(UnsupportedMediaType, match="without compression"):
        await read_body(scope(content_encoding=coding), client.receive, 10)
    assert client.asked == 0


async def test_the_identity_coding_is_none() -> None:
    assert await read_body(scope(content_encoding="Identity"), sending(b"{}"), 10) == b"{}"


async def test_the_parts_of_a_body_are_joined() -> None:
    assert await read_body(scope(), sending(b"ab", b"", b"cd", b"e"), 5) == b"abcde"
    assert await read_body(scope(), sending(b""), 5) == b""


@pytest.mark.parametrize("length", ["11", "99999999999999999999", "9" * 5_000, "-1", "x", ""])
async def test_a_declared_length_over_the_limit_is_refused_unread(length: str) -> None:
    client = Client([b"{}"])
    with pytest.raises(PayloadTooLarge, match="limit of 10 bytes"):
        await read_body(scope(content_length=length), client.receive, 10)
    assert client.asked == 0


async def test_a_declared_length_of_the_limit_is_read() -> None:
    assert await read_body(scope(content_length="10 "), sending(b"0123456789"), 10) == b"0123456789"


@pytest.mark.parametrize(
    "parts",
    [[b"x" * (MIB + 1)], [b"x" * MIB, b"x"], [b"x" * 4_096] * 257],
    ids=["at once", "by one byte", "part by part"],
)
async def test_a_longer_body_is_refused_while_it_is_read(parts: list[bytes]) -> None:
    client = Client([*parts, *[b"x" * 65_536] * 100])
    with pytest.raises(PayloadTooLarge, match="limit of 1 MiB"):
        await read_body(scope(), client.receive, MIB)
    assert client.asked <= len(parts)


async def test_a_longer_body_is_refused_when_it_comes_at_once() -> None:
    assert await read_body(scope(), sending(b"x" * 10), 10) == b"x" * 10
    with pytest.raises(PayloadTooLarge, match="limit of 10 bytes"):
        await read_body(scope(), sending(b"x" * 11), 10)


async def test_a_client_that_goes_away_has_sent_no_body() -> None:
    client = Client([b"{"], disconnects=True)
    with pytest.raises(RequestTimeout):
        await read_body(scope(), client.receive, 10)
    with pytest.raises(RequestTimeout):
        await read_body(scope(), sending(), 10)
