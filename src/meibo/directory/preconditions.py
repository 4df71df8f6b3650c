"""If-Match: a write only on top of the version that the client has seen (RFC 7644 §3.14)."""

import re

from meibo.scim.errors import VersionMismatch

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def check_version(if_match: str | None, version: int) -> None:
    """Compares weakly: the RFC's own example sends a weak tag, which no strong one equals.

    Args:
        if_match: the header as it came; None and ``*`` match every version that exists.

    Raises:
        VersionMismatch: none of the tags is the resource's.
    """
    if if_match is None or if_match.strip() == "*":
        return
    if f'"{version}"' not in _TAG.findall(if_match):
        raise VersionMismatch(
            "the resource has changed since the version in If-Match; read it again and repeat the"
            " change on what it is now"
        )
