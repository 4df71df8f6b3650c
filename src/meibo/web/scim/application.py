"""The SCIM service as one ASGI application: who is it, what is asked, answer, log.

Authentication comes first, before the path is looked at and before a byte of the body is read, on
the path as it came over the wire. Whatever is refused on the way becomes an answer in one place.
"""

import re
import time
from functools import cache
from urllib.parse import unquote_to_bytes

from starlette.types import Receive, Scope, Send

from meibo import clock
from meibo.access.authentication import Authenticator, Principal, Refused
from meibo.access.token_format import TOKEN_PATTERN, TOKEN_PREFIX
from meibo.idp.profile import profile_for
from meibo.ids import new_id
from meibo.scim.errors import InternalError, ScimError
from meibo.storage.database import Database
from meibo.storage.requests import LoggedRequest
from meibo.web.limits import RateLimits
from meibo.web.metrics import Metrics
from meibo.web.scim.accept import prefers_json
from meibo.web.scim.error_response import error_answer, scim_error
from meibo.web.scim.exchange import Answer, Exchange
from meibo.web.scim.request_log import RequestLog
from meibo.web.scim.routes import answer

_SCIM_JSON = (b"content-type", b"application/scim+json")
_JSON = (b"content-type", b"application/json")
_NO_STORE = (b"cache-control", b"no-store")
_LOGGED_TARGET = 2_048
_LOGGED_TEXT = 512

_profile = cache(profile_for)


class ScimApplication:
    """Answers everything under ``{public}/scim/v2`` and ``{public}/t/{tenant}/scim/v2``."""

    def __init__(
        self,
        database: Database,
        authenticator: Authenticator,
        log: RequestLog,
        limits: RateLimits,
        metrics: Metrics,
        public_url: str,
    ) -> None:
        self._database = database
        self._authenticator = authenticator
        self._log = log
        self._limits = limits
        self._metrics = metrics
        self._public_url = public_url

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send, *, slug: str, prefix: str, path: str
    ) -> None:
        """Answers one request.

        Args:
            slug: the tenant that the URL names.
            prefix: the service's path, ``/scim/v2`` or ``/t/{slug}/scim/v2``.
            path: what follows it, empty or with a leading slash.
        """
        started = time.perf_counter_ns()
        request_id = new_id()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        client = scope["client"]
        address: str = client[0] if client else ""
        exchange: Exchange | None = None
        refusal: ScimError | None = None
        try:
            principal = await self._authenticate(slug, headers, address)
            exchange = Exchange(
                self._database,
                principal,
                _profile(principal.connection.vendor, principal.connection.strict),
                scope,
                receive,
                headers,
                scope["method"],
                path,
                f"{self._public_url}{prefix}",
                request_id,
            )
            self._limits.spend(principal)
            found = await answer(exchange)
        except Exception as error:  # noqa: BLE001 - the one place; what is not ours is logged
            refusal = scim_error(error, request_id)
            found = error_answer(refusal)
        try:
            await _send(send, found, headers, scope["method"], request_id)
        except Exception:
            # In the middle of a streamed answer: the client sees it cut off, and so does the log.
            refusal = InternalError("the answer broke off")
            found = error_answer(refusal)
            raise
        finally:
            microseconds = (time.perf_counter_ns() - started) // 1000
            self._metrics.answered(scope["method"], found.status, microseconds)
            if exchange is not None:
                self._log.add(_row(exchange, found, refusal, microseconds, address))

    async def _authenticate(
        self, slug: str, headers: dict[bytes, bytes], address: str
    ) -> Principal:
        user_agent = headers.get(b"user-agent", b"")[:_LOGGED_TEXT].decode("latin-1")
        try:
            principal = await self._authenticator.authenticate(slug, headers.get(b"authorization"))
        except Refused as refused:
            self._log.refuse(
                slug[:64], clock.now(), address, refused.reason, refused.token_id, user_agent
            )
            self._limits.spend_refusal(address)
            raise
        self._authenticator.used(principal, address, user_agent)
        return principal


async def _send(
    send: Send, found: Answer, headers: dict[bytes, bytes], method: str, request_id: str
) -> None:
    outgoing = [(b"x-request-id", request_id.encode()), _NO_STORE]
    body = found.body
    if found.status != 204:
        outgoing.append(_JSON if prefers_json(headers.get(b"accept", b"")) else _SCIM_JSON)
    if found.etag is not None:
        outgoing.append((b"etag", found.etag.encode()))
    if found.location is not None:
        outgoing.append((b"location", found.location.encode()))
    outgoing.extend(found.headers)
    if isinstance(body, bytes):
        if found.status != 204:
            outgoing.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": found.status, "headers": outgoing})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
        return
    await send({"type": "http.response.start", "status": found.status, "headers": outgoing})
    if method != "HEAD":
        async for part in body:
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _row(
    exchange: Exchange,
    found: Answer,
    refusal: ScimError | None,
    microseconds: int,
    address: str,
) -> LoggedRequest:
    scope, principal = exchange.scope, exchange.principal
    query: bytes = scope["query_string"]
    if query and found.status >= 400 and b"password" in unquote_to_bytes(query).lower():
        query = b"..."  # a filter by password was refused; what it was compared with is not kept
    target = exchange.path if not query else f"{exchange.path}?{query.decode('latin-1')}"
    if TOKEN_PREFIX in target:
        target = re.sub(TOKEN_PATTERN, f"{TOKEN_PREFIX}...", target)
    return LoggedRequest(
        principal.tenant_id,
        exchange.request_id,
        clock.now(),
        principal.connection.id,
        principal.token_id,
        exchange.method[:20],
        target[:_LOGGED_TARGET],
        exchange.action,
        exchange.resource_type,
        exchange.resource_id,
        _storable(exchange.resource_name),
        found.status,
        refusal.scim_type if refusal is not None else None,
        _storable(refusal.detail) if refusal is not None else None,
        ",".join(sorted(exchange.quirks)) or None,
        _storable(",".join(exchange.ignored)) or None,
        microseconds,
        address,
        exchange.headers.get(b"user-agent", b"")[:_LOGGED_TEXT].decode("latin-1"),
    )


def _storable(text: str | None) -> str | None:
    """Bounded; what the client sent has no NUL, which PostgreSQL could not hold."""
    return None if text is None else text[:_LOGGED_TEXT]
