"""The body of a request: of a media type that we speak, and never more than a limit.

How long a client may take to send it is the server's concern (``web.http_server``).
"""

from starlette.types import Receive, Scope

from meibo.scim.errors import PayloadTooLarge, RequestTimeout, UnsupportedMediaType

# As they are sent nearly always; anything else is taken apart.
_USUAL_TYPES = frozenset(
    {
        b"application/scim+json",
        b"application/json",
        b"application/scim+json; charset=utf-8",
        b"application/json; charset=utf-8",
    }
)
_TYPES = frozenset({"application/scim+json", "application/json"})


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body, of at most ``limit`` bytes; empty when there is none.

    A body without Content-Type is taken as SCIM's own (RFC 7644 §3.1): some clients leave it out.

    Raises:
        UnsupportedMediaType: it is declared as another media type than SCIM's or JSON's, as
            another character set than UTF-8, or as compressed.
        PayloadTooLarge: it is longer than ``limit``; its Content-Length is believed at once.
        RequestTimeout: the client went away, or was too slow and has been cut off.
    """
    _check_headers(scope, limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        return body
    whole = bytearray()
    while message["type"] == "http.request":
        whole += message.get("body", b"")
        if len(whole) > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return bytes(whole)
        message = await receive()
    raise RequestTimeout("The body did not arrive completely.")


def _check_headers(scope: Scope, limit: int) -> None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    for name, value in headers:
        if name == b"content-type":
            if value not in _USUAL_TYPES:
                _check_type(value)
        elif name == b"content-length":
            # No more digits than a limit can have: int() refuses those of over 4,300.
            digits = value.strip()
            if len(digits) > 19 or not digits.isdigit() or int(digits) > limit:
                raise _too_large(limit)
        elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise UnsupportedMediaType(
                "The body has a Content-Encoding; send it without compression."
            )


def _check_type(value: bytes) -> None:
    """Check a Content-Type and its charset; other parameters mean nothing to JSON."""
    media_type, *parameters = value.decode("latin-1").lower().split(";")
    if media_type.strip() not in _TYPES:
        raise UnsupportedMediaType(
            "The Content-Type of the body must be application/scim+json or application/json."
        )
    for parameter in parameters:
        name, _, charset = parameter.partition("=")
        if name.strip() == "charset" and charset.strip().strip('"') not in ("utf-8", "utf8"):
            raise UnsupportedMediaType("The character set of the body must be UTF-8.")


def _too_large(limit: int) -> PayloadTooLarge:
    for size, unit in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if limit >= size and not limit % size:
            return PayloadTooLarge(f"The body is larger than the limit of {limit // size} {unit}.")
    return PayloadTooLarge(f"The body is larger than the limit of {limit:,} bytes.")
