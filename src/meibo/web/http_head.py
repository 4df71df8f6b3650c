"""The head of an HTTP/1.1 request: what is refused, and the answers that say so.

httptools (llhttp) has checked the grammar before: no bare CR or LF, no folded header, no space
before a colon, no control character in a value, nothing but visible ASCII in the target, no
Content-Length that is odd, repeated or beside a Transfer-Encoding (RFC 9112 §2.2, §5, §6). Here is
what it lets pass and we do not.

An answer from here is a SCIM error message (RFC 7644 §3.12), after which the connection closes:
nobody knows where the client's next request would begin.
"""

import json
import re
from functools import lru_cache
from http import HTTPStatus

from meibo.scim import urns

MAX_TARGET_BYTES = 16_384
MAX_HEADER_BYTES = 8_192  # its name and value
MAX_HEADERS_BYTES = 32_768  # each with four bytes more, for its separator and line end
MAX_HEADERS = 100

METHODS = {
    method.encode(): method
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}
_NEEDS_LENGTH = frozenset({"POST", "PUT", "PATCH"})
# Of two of these, a proxy and we, or two parts of the application, might believe different ones.
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


def error_body(status: int, detail: str) -> bytes:
    """A SCIM error message."""
    message = {"schemas": [urns.ERROR], "status": str(status), "detail": detail}
    return json.dumps(message, separators=(",", ":")).encode()


def _answer(status: int, detail: str, *headers: bytes) -> bytes:
    body = error_body(status, detail)
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(),
        b"content-type: application/scim+json",
        b"content-length: %d" % len(body),
        b"connection: close",
        *headers,
    )
    return b"\r\n".join((*head, b"", body))


MALFORMED = _answer(400, "The request is not valid HTTP/1.1.")
BAD_TARGET = _answer(400, "The request target must be a path and query, without a fragment.")
BAD_HOST = _answer(400, "The request needs exactly one valid Host header.")
BAD_CODING = _answer(400, "The only Transfer-Encoding is chunked, in HTTP/1.1.")
REPEATED = _answer(400, "A header that may stand only once is repeated.")
UPGRADE = _answer(400, "Upgrade is not supported for a request with a body.")
INCOMPLETE = _answer(400, "The request ended before its body was complete.")
NO_LENGTH = _answer(411, "The request needs a Content-Length.")
LONG_TARGET = _answer(
    414, f"The request target is longer than the limit of {MAX_TARGET_BYTES >> 10} KiB."
)
EXPECTATION = _answer(417, "The only expectation that can be met is 100-continue.")
LARGE_HEADERS = _answer(
    431,
    f"The headers are larger than the limits: {MAX_HEADER_BYTES >> 10} KiB for one, "
    f"{MAX_HEADERS_BYTES >> 10} KiB for all, {MAX_HEADERS} of them.",
)
METHOD = _answer(501, "The request method is not supported.")
VERSION = _answer(505, "The HTTP version is not supported; use HTTP/1.1.")


@lru_cache(maxsize=8)
def overloaded(most: int) -> bytes:
    """The answer to a connection beyond so many."""
    detail = f"The server has more than its limit of {most:,} connections."
    return _answer(503, detail, b"retry-after: 5")


@lru_cache(maxsize=8)
def pipeline_full(most: int) -> bytes:
    """The answer to a request that comes while so many wait on its connection."""
    detail = f"More requests wait on this connection than the limit of {most:,}."
    return _answer(503, detail, b"retry-after: 1")


class Refused(Exception):
    """The request whose head is being read gets ``answer`` and no other."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer


def check_sizes(target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Refuse a target or headers that are too long."""
    if len(target) > MAX_TARGET_BYTES:
        raise Refused(LONG_TARGET)
    sizes = [len(name) + len(value) for name, value in headers]
    if max(sizes, default=0) > MAX_HEADER_BYTES or sum(sizes) + 4 * len(sizes) > MAX_HEADERS_BYTES:
        raise Refused(LARGE_HEADERS)


def check_headers(
    headers: list[tuple[bytes, bytes]], method: str, http_version: str
) -> tuple[bool, bool]:
    """Whether the request has a body, and whether the client waits to be told to send it.

    Names are in lower case. Only 1.0 and 1.1 are expected as ``http_version``.

    Raises:
        Refused: the length of the body is in doubt, or a header is wrong, missing or repeated.
    """
    fields = dict(headers)
    if len(fields) != len(headers):
        names = [name for name, _ in headers if name in _SINGLE]
        if len(set(names)) != len(names):
            raise Refused(BAD_HOST if names.count(b"host") > 1 else REPEATED)

    # Nothing is ever derived from Host, but a request without it is malformed (RFC 9112 §3.2).
    host = fields.get(b"host")
    if not (_is_host(host) if host is not None else http_version == "1.0"):
        raise Refused(BAD_HOST)

    coding = fields.get(b"transfer-encoding")
    length = fields.get(b"content-length")
    if coding is not None:
        # RFC 9112 §6.1: others we do not know, and HTTP/1.0 does not know it at all.
        if coding.lower() != b"chunked" or length is not None or http_version == "1.0":
            raise Refused(BAD_CODING)
    elif length is None and method in _NEEDS_LENGTH:
        raise Refused(NO_LENGTH)
    has_body = coding is not None or (length is not None and length != b"0")

    expectation = fields.get(b"expect")
    if expectation is None or http_version == "1.0":  # RFC 9110 §10.1.1
        return has_body, False
    if expectation.lower() != b"100-continue":
        raise Refused(EXPECTATION)
    return has_body, True


@lru_cache(maxsize=64)
def _is_host(host: bytes) -> bool:
    return _HOST.fullmatch(host) is not None


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """The path and query of a request target in origin or absolute form (RFC 9112 §3.2).

    Raises:
        Refused: it has another form, or a fragment, which would cut a filter short unseen.
    """
    if target[:1] == b"/" and b"#" not in target:
        path, _, query = target.partition(b"?")
        return path, query
    absolute = _ABSOLUTE_TARGET.fullmatch(target)
    if absolute is None:
        raise Refused(BAD_TARGET)
    return absolute[1] or b"/", absolute[2] or b""
