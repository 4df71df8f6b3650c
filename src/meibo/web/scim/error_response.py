"""The one place where a refusal becomes an answer (RFC 7644 §3.12)."""

from collections import defaultdict

import structlog

from meibo.scim import errors
from meibo.scim.errors import ScimError
from meibo.scim.representation import encode
from meibo.storage.errors import Overloaded, StorageError, TooSlow, VersionConflict
from meibo.storage.scans import SECONDS
from meibo.web.scim.exchange import Answer

RETRY_AFTER_SECONDS = 2

_PUT_OFF: defaultdict[type[StorageError], str] = defaultdict(
    lambda: "the directory cannot be reached for the moment; try again",
    {
        Overloaded: "too many long searches at once; try again later, or search by userName",
        VersionConflict: "others keep changing the same resource; try again",
    },
)

_log = structlog.get_logger(__name__)


def scim_error(error: Exception, request_id: str) -> ScimError:
    """What the client is told of an error; anything unexpected is logged and kept to ourselves."""
    if isinstance(error, ScimError):
        return error
    if isinstance(error, TooSlow):
        return errors.TooMany(
            f"this search takes longer than {SECONDS:.0f} s; narrow it, by userName, externalId,"
            " displayName or an e-mail address"
        )
    if isinstance(error, StorageError):
        _log.warning("storage_error", request=request_id, error=repr(error))
        return errors.Unavailable(_PUT_OFF[type(error)], retry_after_seconds=RETRY_AFTER_SECONDS)
    _log.error("unexpected_error", request=request_id, exc_info=error)
    return errors.InternalError(f"an unexpected error; its number is {request_id}")


def error_answer(error: ScimError) -> Answer:
    """The SCIM error message with the headers that go with its status."""
    headers: list[tuple[bytes, bytes]] = []
    if isinstance(error, errors.Unauthorized):
        headers.append((b"www-authenticate", b'Bearer realm="Meibo"'))
    if isinstance(error, errors.MethodNotAllowed):
        headers.append((b"allow", ", ".join(error.allowed).encode()))
    if error.retry_after_seconds is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after_seconds))
    return Answer(error.status, encode(error.message()), headers=tuple(headers))
