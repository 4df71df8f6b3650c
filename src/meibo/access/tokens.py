"""Tokens: generate, switch on and off, renew, delete. ``authentication`` is where they are checked.

A connection has two tokens at most, which is what a rotation without a gap needs. A secret is shown
once, when it is made. What is done to a token is recorded in the same write.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from meibo import audit
from meibo.access import connections
from meibo.access.connections import Connection, Vendor
from meibo.access.errors import NotKnown, NotPossible, TokenLimit
from meibo.access.token_format import NewToken, new_token
from meibo.storage import audit as audit_rows
from meibo.storage import connections as connection_rows
from meibo.storage import tokens as rows
from meibo.storage.database import Statement, Transaction
from meibo.storage.errors import UniqueViolation, VersionConflict
from meibo.storage.tokens import StoredStatus, TokenRow

Status: TypeAlias = Literal["active", "inactive", "expired", "deleted"]

SLOTS = (1, 2)
DAY = 24 * 60 * 60 * 1_000_000
"""Microseconds."""
LIFE = 365 * DAY
"""How long a token lives unless said, in microseconds."""
LONGEST_LIFE_DAYS = 3_650
OVERLAP = DAY
"""How long the old secret of an active token lives after a renewal unless said, in microseconds."""
LONGEST_OVERLAP = 90 * DAY
DESCRIPTION_LENGTH = 256

# Somebody else took the slot, the name or the number between our read and our write.
_RACES = frozenset({"tokens_slot", "tokens_pkey", "connections_name", "connections_pkey"})


@dataclass(frozen=True, slots=True)
class Token:
    """A token and the connection that it belongs to."""

    row: TokenRow
    connection: Connection

    @property
    def id(self) -> str:
        return self.row.id


@dataclass(frozen=True, slots=True)
class Issued:
    """A token with a new secret; ``secret.text`` is to be shown now or never."""

    token: Token
    secret: NewToken
    connection_created: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A token as it is now, and whether anything had to change for that."""

    token: Token
    changed: bool


def status_of(token: TokenRow, now: int) -> Status:
    """The status that people see. "Expired" is never stored: it comes about by itself."""
    if token.status == "active" and token.expires is not None and token.expires <= now:
        return "expired"
    return token.status


async def list_tokens(tx: Transaction, tenant: int) -> list[Token]:
    """All tokens of the tenant by connection, deleted ones last."""
    found = {each.id: each for each in await connections.list_connections(tx, tenant)}
    return [Token(row, found[row.connection]) for row in await rows.list_tokens(tx, tenant)]


async def generate(
    tx: Transaction,
    tenant: int,
    *,
    vendor: Vendor,
    connection: str | None = None,
    strict: bool = False,
    description: str = "",
    life: int | None = LIFE,
    by: str,
    now: int,
) -> Issued:
    """A new token, active at once, and its connection if there is none of that name.

    Args:
        connection: the connection's name; the vendor's unless given.
        strict: only for a connection that is made now.
        life: in microseconds; None for a token that does not expire.

    Raises:
        TokenLimit: the connection has two tokens.
        NotPossible: the connection is of another vendor or strictness, or a value is not allowed.
    """
    name = vendor if connection is None else connection
    _check_description(description)
    if life is not None and not DAY <= life <= LONGEST_LIFE_DAYS * DAY:
        raise NotPossible(f"a token lives for 1 to {LONGEST_LIFE_DAYS} days, or never expires")
    row = await connection_rows.by_name(tx, tenant, name)
    if row is None:
        owner, statements = await connections.creation(
            tx, tenant, name, vendor=vendor, strict=strict, by=by, now=now
        )
        existing: list[TokenRow] = []
    else:
        owner, statements = Connection.from_row(row), ()
        _check_owner(owner, vendor, strict=strict)
        existing = await rows.of_connection(tx, tenant, owner.id)
    taken = {each.slot for each in existing}
    slot = next((slot for slot in SLOTS if slot not in taken), None)
    if slot is None:
        raise TokenLimit(_limit_text(owner, existing, now), tuple(existing))
    secret = new_token()
    token = TokenRow(
        tenant=tenant,
        id=secret.id,
        connection=owner.id,
        slot=slot,
        status="active",
        description=description,
        secret_hash=secret.hash,
        previous_hash=None,
        previous_until=None,
        expires=None if life is None else now + life,
        created=now,
        created_by=by,
    )
    recorded = _recorded(
        tx,
        Token(token, owner),
        audit.Event.TOKEN_CREATED,
        {"Expires": audit.moment(token.expires)},
        by,
        now,
    )
    try:
        await tx.write(*statements, rows.insert(token), recorded)
    except UniqueViolation as violation:
        if violation.constraint in _RACES:
            # Run again, and look afresh: perhaps there are two tokens now.
            raise VersionConflict(violation.constraint) from violation
        raise
    return Issued(Token(token, owner), secret, connection_created=row is None)


async def activate(tx: Transaction, tenant: int, token_id: str, *, by: str, now: int) -> Change:
    """Lets the token in again.

    Raises:
        NotKnown: there is no such token.
        NotPossible: it is deleted, or has expired: renewing it is what helps then.
    """
    token = await _find(tx, tenant, token_id)
    expires = token.row.expires
    if expires is not None and expires <= now:
        raise NotPossible(f"token {token_id} expired on {audit.moment(expires)}: renew it instead")
    return await _switch(tx, token, "active", audit.Event.TOKEN_ENABLED, by=by, now=now)


async def deactivate(tx: Transaction, tenant: int, token_id: str, *, by: str, now: int) -> Change:
    """Refuses the token from now on, but keeps it.

    Raises:
        NotKnown: there is no such token.
        NotPossible: it is deleted.
    """
    token = await _find(tx, tenant, token_id)
    return await _switch(tx, token, "inactive", audit.Event.TOKEN_DISABLED, by=by, now=now)


async def renew(
    tx: Transaction,
    tenant: int,
    token_id: str,
    *,
    old_valid_for: int | None = None,
    by: str,
    now: int,
) -> Issued:
    """A new secret for the same token, and a new expiry as far away as it was at first.

    An expired token becomes active by that, an inactive one stays inactive.

    Args:
        old_valid_for: how long the old secret is still let in, in microseconds; unless given, a day
            if the token is active and not at all otherwise.

    Raises:
        NotKnown: there is no such token.
        NotPossible: it is deleted, or the old secret would live too long.
    """
    token = await _find(tx, tenant, token_id)
    if old_valid_for is None:
        old_valid_for = OVERLAP if status_of(token.row, now) == "active" else 0
    if not 0 <= old_valid_for <= LONGEST_OVERLAP:
        raise NotPossible(f"an old secret lives on for {LONGEST_OVERLAP // DAY} days at most")
    secret = new_token(token_id)
    life = await _life(tx, token.row)
    expires = None if life is None else now + life
    previous_until = now + old_valid_for
    renewed = replace(
        token.row,
        secret_hash=secret.hash,
        previous_hash=token.row.secret_hash,
        previous_until=previous_until,
        previous_last_used=token.row.last_used,
        expires=expires,
        last_used=None,
        last_address=None,
        last_user_agent=None,
    )
    details = {
        "Expires": audit.moment(expires),
        "Old secret": f"valid until {audit.moment(previous_until)}"
        if old_valid_for
        else "not valid any more",
    }
    await tx.write(
        rows.renew(token.row, secret.hash, previous_until=previous_until, expires=expires),
        _recorded(tx, token, audit.Event.TOKEN_RENEWED, details, by, now),
    )
    return Issued(Token(renewed, token.connection), secret)


async def delete(tx: Transaction, tenant: int, token_id: str, *, by: str, now: int) -> Token:
    """Refuses the token for good and gives its slot free; its row stays, to know it by.

    Raises:
        NotKnown: there is no such token.
        NotPossible: it is deleted already.
    """
    token = await _find(tx, tenant, token_id)
    details = {"Last used": last_use(token.row)}
    await tx.write(
        rows.change_status(token.row, "deleted"),
        _recorded(tx, token, audit.Event.TOKEN_DELETED, details, by, now),
    )
    return Token(replace(token.row, status="deleted", slot=None), token.connection)


def last_use(token: TokenRow) -> str:
    """The time of the token's last use, with either secret, for people."""
    latest = max(token.last_used or 0, token.previous_last_used or 0)
    return audit.moment(latest or None)


async def _find(tx: Transaction, tenant: int, token_id: str) -> Token:
    row = await rows.load(tx, tenant, token_id)
    if row is None:
        raise NotKnown(f"there is no token {token_id!r}")
    if row.status == "deleted":
        raise NotPossible(f"token {token_id} is deleted")
    owner = await connection_rows.by_id(tx, tenant, row.connection)
    return Token(row, Connection.from_row(owner))


async def _life(tx: Transaction, token: TokenRow) -> int | None:
    """How long the token's secret was to live when it was made, in microseconds."""
    if token.expires is None:
        return None
    made = (audit.Event.TOKEN_CREATED, audit.Event.TOKEN_RENEWED)
    made_at = await audit_rows.latest(tx, token.tenant, token.id, made)
    return LIFE if made_at is None else token.expires - made_at


async def _switch(
    tx: Transaction, token: Token, status: StoredStatus, event: audit.Event, *, by: str, now: int
) -> Change:
    if token.row.status == status:
        return Change(token, changed=False)
    await tx.write(rows.change_status(token.row, status), _recorded(tx, token, event, {}, by, now))
    return Change(Token(replace(token.row, status=status), token.connection), changed=True)


def _recorded(
    tx: Transaction, token: Token, event: audit.Event, more: dict[str, str], by: str, now: int
) -> Statement:
    return audit.record(
        tx,
        token.row.tenant,
        event,
        subject=token.id,
        by=by,
        at=now,
        details={
            "IdP": token.connection.label,
            "Connection": token.connection.name,
            "Token": token.id,
            **more,
        },
    )


def _limit_text(connection: Connection, tokens: Sequence[TokenRow], now: int) -> str:
    listed = " and ".join(
        f"{each.id} ({status_of(each, now)}, last used: {last_use(each)})" for each in tokens
    )
    return f"connection {connection.name!r} has two tokens already, {listed}: delete one first"


def _check_owner(connection: Connection, vendor: Vendor, *, strict: bool) -> None:
    if connection.vendor != vendor:
        raise NotPossible(
            f"connection {connection.name!r} is one of the vendor {connection.vendor!r}, not"
            f" {vendor!r}"
        )
    if strict:
        raise NotPossible(
            f"connection {connection.name!r} exists already: strict is said when it is made"
        )


def _check_description(description: str) -> None:
    if len(description) > DESCRIPTION_LENGTH or not connections.is_one_visible_line(description):
        raise NotPossible(f"a description is one line of at most {DESCRIPTION_LENGTH} characters")
