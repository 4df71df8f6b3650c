"""Who is asking: from the Authorization header to a principal, or a refusal that tells nothing.

A token that was let in is taken from memory for a second, so that a revocation reaches every
process within a second, and the process that made it at once (``forget``). Only acceptance rests on
that memory: before anybody is refused the database is asked, so a token works from the moment it is
made, and a flood of wrong ones fills nothing.
"""

import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Literal, TypeAlias, cast

from meibo import clock
from meibo.access.connections import Connection
from meibo.access.tenants import is_slug
from meibo.access.token_format import LENGTH, hash_of, take_apart
from meibo.scim.core_schemas import CustomAttribute, CustomType, group_type, user_type
from meibo.scim.errors import Unauthorized
from meibo.scim.schema import ResourceType
from meibo.storage import attributes, tokens
from meibo.storage.attributes import AttributeRow
from meibo.storage.database import Database, Transaction
from meibo.storage.tokens import Credential, Use

Reason: TypeAlias = Literal[
    "missing",
    "malformed",
    "unknown",
    "wrong secret",
    "renewed",
    "deleted",
    "inactive",
    "expired",
]

DETAIL = "The request needs a bearer token that is accepted here."
"""The same whatever is wrong; only the log tells the reason."""

FRESH_SECONDS = 1.0
REMEMBERED = 4_096  # tokens

_SCHEME = b"bearer "
_HEADER_LENGTH = len(_SCHEME) + LENGTH
_ID = slice(18, 30)  # of the header: after "Bearer meibo_scim_"
_DUMMY_HASH = hash_of("no token has this secret")
_FLUSHED_AT_ONCE = 50
_ADDRESS_LENGTH = 64
_USER_AGENT_LENGTH = 256


class Refused(Unauthorized):
    """Nobody is let in. ``token_id`` is empty unless a token of that id exists in the tenant."""

    def __init__(self, reason: Reason, token_id: str = "") -> None:
        super().__init__(DETAIL)
        self.reason: Reason = reason
        self.token_id = token_id


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking, and what the resources look like to him.

    The same object comes back for the same secret as long as nothing about it has changed.
    """

    tenant_id: int
    connection: Connection
    token_id: str
    user_type: ResourceType
    group_type: ResourceType
    secret_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Accepted:
    proof: bytes  # SHA-256 of the whole token
    principal: Principal
    until: int  # microseconds of the wall clock
    read_at: float  # seconds of the monotonic clock


_FOR_EVER = 2**63 - 1


class Authenticator:
    """Checks tokens against the database, and remembers when they were used.

    Args:
        wall: the time in microseconds since 1970, against which expiry is held.
        monotonic: seconds, by which what is remembered grows old.
    """

    def __init__(
        self,
        database: Database,
        *,
        wall: Callable[[], int] = clock.now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._wall = wall
        self._monotonic = monotonic
        # A token has two secrets for a while after its renewal.
        self._accepted: dict[tuple[str, bytes], tuple[_Accepted, ...]] = {}
        self._forgotten = 0
        self._uses: dict[tuple[int, str, str], tuple[int, str, str]] = {}

    async def authenticate(self, slug: str, authorization: bytes | None) -> Principal:
        """Who sends this Authorization header to the tenant of that slug.

        Raises:
            Refused: nobody whom we know; always with the same detail.
            DatabaseUnavailable: it cannot be told for the moment.
        """
        if authorization is None:
            raise Refused("missing")
        if b"  " in authorization:  # RFC 6750 §2.1: one or more spaces
            scheme, _, credentials = authorization.partition(b" ")
            authorization = scheme + b" " + credentials.lstrip(b" ")
        if len(authorization) != _HEADER_LENGTH:
            raise Refused("malformed")
        key = (slug, authorization[_ID])
        known = self._accepted.get(key, ())
        if known and authorization[: len(_SCHEME)].lower() == _SCHEME:
            proof = hashlib.sha256(authorization[len(_SCHEME) :]).digest()
            oldest = self._monotonic() - FRESH_SECONDS
            for each in known:
                if (
                    compare_digest(each.proof, proof)
                    and each.read_at > oldest
                    and each.until > self._wall()
                ):
                    return each.principal
        return await self._ask(key, authorization)

    def forget(self, token_id: str) -> None:
        """Asks the database when the token comes next: to be called after it was changed here."""
        self._forgotten += 1
        id_ = token_id.encode()
        for key in [key for key in self._accepted if key[1] == id_]:
            del self._accepted[key]

    def used(self, principal: Principal, address: str, user_agent: str) -> None:
        """Notes a use in memory; ``flush`` writes it down."""
        key = (principal.tenant_id, principal.token_id, principal.secret_hash)
        self._uses[key] = (self._wall(), address, user_agent)

    async def flush(self) -> None:
        """Writes down the latest use of each token since the last time.

        Raises:
            DatabaseUnavailable: not now; nothing noted is lost.
        """
        noted, self._uses = self._uses, {}
        try:
            for batch in _batches(noted):
                await self._database.write(_recording(batch))
        except BaseException:
            self._uses = {**noted, **self._uses}
            raise

    async def _ask(self, key: tuple[str, bytes], authorization: bytes) -> Principal:
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            raise Refused("malformed")
        parts = take_apart(authorization[len(_SCHEME) :].decode("latin-1"))
        if parts is None:
            raise Refused("malformed")
        slug, (token_id, secret) = key[0], parts
        if not is_slug(slug):  # a database is not asked for what it may not even take
            raise Refused("unknown")
        forgotten, read_at = self._forgotten, self._monotonic()

        secret_hash = hash_of(secret)

        async def look_up(tx: Transaction) -> tuple[Principal, int]:
            credential = await tokens.credential(tx, slug, token_id)
            if credential is None:
                compare_digest(secret_hash, _DUMMY_HASH)
                raise Refused("unknown")
            until = _until(credential, token_id, secret_hash, self._wall())
            custom = await attributes.list_attributes(tx, credential.connection.tenant)
            return _principal(token_id, secret_hash, credential, custom), until

        principal, until = await self._database.read(look_up)
        if forgotten == self._forgotten:  # else what was read may be older than the change
            proof = hashlib.sha256(authorization[len(_SCHEME) :]).digest()
            principal = self._remember(key, _Accepted(proof, principal, until, read_at))
        return principal

    def _remember(self, key: tuple[str, bytes], accepted: _Accepted) -> Principal:
        known = self._accepted.pop(key, ())  # the key goes to the end: the first is the oldest
        others = [each for each in known if each.proof != accepted.proof]
        for each in known:
            # Whoever keeps something for a principal finds it again.
            if each.principal == accepted.principal:
                accepted = _Accepted(
                    accepted.proof, each.principal, accepted.until, accepted.read_at
                )
        if len(self._accepted) >= REMEMBERED:
            del self._accepted[next(iter(self._accepted))]
        self._accepted[key] = (accepted, *others[:1])
        return accepted.principal


def _until(credential: Credential, token_id: str, secret_hash: str, now: int) -> int:
    """Until when the secret is good, in microseconds.

    Raises:
        Refused: it is not good now.
    """
    expires = _FOR_EVER if credential.expires is None else credential.expires
    current = compare_digest(secret_hash, credential.secret_hash)
    previous = compare_digest(secret_hash, credential.previous_hash or _DUMMY_HASH)
    if not (current or previous):
        raise Refused("wrong secret", token_id)
    if credential.status != "active":
        raise Refused(credential.status, token_id)
    if not current:
        expires = min(expires, credential.previous_until or 0)
        if expires <= now:
            raise Refused("renewed", token_id)
    if expires <= now:
        raise Refused("expired", token_id)
    return expires


def _principal(
    token_id: str, secret_hash: str, credential: Credential, custom: list[AttributeRow]
) -> Principal:
    connection = Connection.from_row(credential.connection)
    policy = connection.settings.attribute_policy
    return Principal(
        tenant_id=credential.connection.tenant,
        connection=connection,
        token_id=token_id,
        user_type=user_type(
            [CustomAttribute(each.name, cast("CustomType", each.type)) for each in custom], policy
        ),
        group_type=group_type(policy),
        secret_hash=secret_hash,
    )


def _batches(noted: dict[tuple[int, str, str], tuple[int, str, str]]) -> list[list[Use]]:
    """The uses in lists of a limited length in which no token is twice.

    A write touches no row twice, and a token may have been used with its old and its new secret.
    """
    rounds: list[list[Use]] = []
    seen: dict[tuple[int, str], int] = {}
    for (tenant, token, secret_hash), (at, address, user_agent) in noted.items():
        nth = seen[tenant, token] = seen.get((tenant, token), -1) + 1
        if nth == len(rounds):
            rounds.append([])
        address, user_agent = address[:_ADDRESS_LENGTH], user_agent[:_USER_AGENT_LENGTH]
        rounds[nth].append(Use(tenant, token, secret_hash, at, address, user_agent))
    return [
        uses[first : first + _FLUSHED_AT_ONCE]
        for uses in rounds
        for first in range(0, len(uses), _FLUSHED_AT_ONCE)
    ]


def _recording(uses: list[Use]) -> Callable[[Transaction], Awaitable[None]]:
    async def record(tx: Transaction) -> None:
        await tx.write(*[tokens.record_use(use) for use in uses])

    return record
