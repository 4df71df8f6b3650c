"""Which of SCIM's two media types an answer is in (RFC 7644 §3.8, RFC 9110 §12.5.1)."""

from functools import lru_cache

_LONGEST = 256  # bytes; a longer header is nobody's preference


def prefers_json(accept: bytes) -> bool:
    """Whether ``application/json`` is wanted rather than ``application/scim+json``.

    SCIM's own type is the answer when both are as welcome, and also when neither is: a client that
    asks for something else still understands an error better than nothing.
    """
    if accept in (b"", b"*/*", b"application/scim+json") or len(accept) > _LONGEST:
        return False
    return _prefers_json(accept)


@lru_cache(maxsize=128)
def _prefers_json(accept: bytes) -> bool:
    welcome: dict[str, float] = {}
    for each in accept.decode("latin-1").lower().split(","):
        media_type, *parameters = (part.strip() for part in each.split(";"))
        welcome[media_type] = _quality(parameters)
    rest = welcome.get("application/*", welcome.get("*/*", 0.0))
    json = welcome.get("application/json", rest)
    return json > welcome.get("application/scim+json", rest)


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
