"""What a client did wrong, as SCIM errors: one class per status and ``scimType`` (RFC 7644 §3.12).

    ScimError
      InvalidFilter 400 invalidFilter         InvalidPath 400 invalidPath
      TooMany 400 tooMany                     NoTarget 400 noTarget
      InvalidSyntax 400 invalidSyntax         InvalidValue 400 invalidValue
      Mutability 400 mutability               InvalidVersion 400 invalidVers
      Unauthorized 401                        Sensitive 403 sensitive
      Forbidden 403                           NotFound 404
      MethodNotAllowed 405                    NotAcceptable 406
      RequestTimeout 408                      Uniqueness 409 uniqueness
      VersionMismatch 412                     PayloadTooLarge 413
      UriTooLong 414                          UnsupportedMediaType 415
      TooManyRequests 429                     HeadersTooLarge 431
      InternalError 500                       NotImplementedByServer 501
      Unavailable 503

The ``detail`` is read by the identity provider's administrator (Okta shows it in its task list): it
says which attribute, what is wrong and what to do, and never holds anything of our insides.
"""

from typing import ClassVar

from meibo.scim import urns
from meibo.scim.schema import JsonObject


class ScimError(Exception):
    """A refusal that is answered as a SCIM error message.

    Args:
        detail: text for people, without internals.
        retry_after_seconds: sent as ``Retry-After`` where waiting helps (429, 503).
    """

    status: ClassVar[int] = 400
    scim_type: ClassVar[str | None] = None

    def __init__(self, detail: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds

    def message(self) -> JsonObject:
        """The error message's JSON; ``status`` is a string (RFC 7644 §3.12)."""
        message: JsonObject = {"schemas": [urns.ERROR], "status": str(self.status)}
        if self.scim_type is not None:
            message["scimType"] = self.scim_type
        message["detail"] = self.detail
        return message


class InvalidFilter(ScimError):
    """The filter is malformed, or compares what cannot be compared."""

    scim_type = "invalidFilter"


class TooMany(ScimError):
    """The query would give more results than the server is willing to process."""

    scim_type = "tooMany"


class InvalidSyntax(ScimError):
    """The body is not JSON, or not of the message's shape."""

    scim_type = "invalidSyntax"


class InvalidPath(ScimError):
    """A PATCH path is malformed or names no attribute."""

    scim_type = "invalidPath"


class NoTarget(ScimError):
    """A PATCH path yields nothing to act on."""

    scim_type = "noTarget"


class InvalidValue(ScimError):
    """A value is missing, or not of the attribute's type or range."""

    scim_type = "invalidValue"


class InvalidVersion(ScimError):
    """The SCIM protocol version asked for is not spoken here."""

    scim_type = "invalidVers"


class Mutability(ScimError):
    """The change is not compatible with the attribute's mutability."""

    scim_type = "mutability"


class Unauthorized(ScimError):
    """No credentials, or none that are accepted."""

    status = 401


class Forbidden(ScimError):
    """The operation is not permitted."""

    status = 403


class Sensitive(Forbidden):
    """The request URI would hold sensitive data (RFC 7644 §7.5.2)."""

    scim_type = "sensitive"


class NotFound(ScimError):
    """There is no such resource or endpoint."""

    status = 404


class MethodNotAllowed(ScimError):
    """The endpoint does not have this method; ``allowed`` are those it has."""

    status = 405

    def __init__(self, detail: str, *, allowed: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.allowed = allowed


class NotAcceptable(ScimError):
    """None of the media types that the client accepts is spoken here."""

    status = 406


class RequestTimeout(ScimError):
    """The request did not arrive in time."""

    status = 408


class Uniqueness(ScimError):
    """A value that must be unique is in use."""

    status = 409
    scim_type = "uniqueness"


class VersionMismatch(ScimError):
    """The resource has changed since the version that the client named (If-Match)."""

    status = 412


class PayloadTooLarge(ScimError):
    """The body is larger than the limit that ``detail`` names."""

    status = 413


class UriTooLong(ScimError):
    """The request target is longer than the limit."""

    status = 414


class UnsupportedMediaType(ScimError):
    """The body's media type, character set or content coding is not supported."""

    status = 415


class TooManyRequests(ScimError):
    """The rate limit is used up; ``retry_after_seconds`` says for how long."""

    status = 429


class HeadersTooLarge(ScimError):
    """A header, or all of them, are larger than the limit."""

    status = 431


class InternalError(ScimError):
    """Something unexpected; the detail holds a request id and nothing else."""

    status = 500


class NotImplementedByServer(ScimError):
    """A part of the protocol that this server does not have (501)."""

    status = 501


class Unavailable(ScimError):
    """The directory cannot be reached for the moment; the client should try again."""

    status = 503
