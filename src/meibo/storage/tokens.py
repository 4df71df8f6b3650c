"""Tokens: what an identity provider shows to be let in. Only hashes of secrets are here."""

from dataclasses import dataclass, fields
from typing import Literal, LiteralString

from meibo.storage.connections import ConnectionRow
from meibo.storage.database import Row, Statement, Transaction

StoredStatus = Literal["active", "inactive", "deleted"]

_COLUMNS: LiteralString = """
    k.tenant, k.id, k.connection, k.slot, k.status, k.description, k.secret_hash, k.previous_hash,
    k.previous_until, k.expires, k.created, k.created_by, k.last_used, k.last_address,
    k.last_user_agent, k.previous_last_used"""


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token; times are in microseconds.

    ``slot`` is 1 or 2, and None once deleted; ``expires`` is None for a token that does not.
    ``previous_*`` is about the secret before the last renewal.
    """

    tenant: int
    id: str
    connection: int
    slot: int | None
    status: StoredStatus
    description: str
    secret_hash: str
    previous_hash: str | None
    previous_until: int | None
    expires: int | None
    created: int
    created_by: str
    last_used: int | None = None
    last_address: str | None = None
    last_user_agent: str | None = None
    previous_last_used: int | None = None


_FIELDS = tuple(field.name for field in fields(TokenRow))


@dataclass(frozen=True, slots=True)
class Credential:
    """What a login is checked against: the token and the connection that it belongs to."""

    status: StoredStatus
    secret_hash: str
    previous_hash: str | None
    previous_until: int | None
    expires: int | None
    connection: ConnectionRow


@dataclass(frozen=True, slots=True)
class Use:
    """The latest use of a secret; ``at`` is in microseconds."""

    tenant: int
    token: str
    secret_hash: str
    at: int
    address: str
    user_agent: str


async def load(tx: Transaction, tenant: int, token: str) -> TokenRow | None:
    row = await tx.one(
        f"""
        SELECT {_COLUMNS}
          FROM tokens k
         WHERE k.tenant = :tenant AND k.id = :token{tx.for_update}
        """,
        tenant=tenant,
        token=token,
    )
    return None if row is None else _token(row)


async def of_connection(tx: Transaction, tenant: int, connection: int) -> list[TokenRow]:
    """The connection's tokens by slot, deleted ones left out."""
    rows = await tx.all(
        f"""
        SELECT {_COLUMNS}
          FROM tokens k
         WHERE k.tenant = :tenant AND k.connection = :connection AND k.slot IS NOT NULL
         ORDER BY k.slot
        """,
        tenant=tenant,
        connection=connection,
    )
    return [_token(row) for row in rows]


async def list_tokens(tx: Transaction, tenant: int) -> list[TokenRow]:
    """All tokens of the tenant by connection, deleted ones last."""
    rows = await tx.all(
        f"""
        SELECT {_COLUMNS}
          FROM tokens k
         WHERE k.tenant = :tenant
         ORDER BY k.connection, CASE WHEN k.slot IS NULL THEN 1 ELSE 0 END, k.slot, k.created, k.id
        """,
        tenant=tenant,
    )
    return [_token(row) for row in rows]


async def credential(tx: Transaction, slug: str, token: str) -> Credential | None:
    """What the token of that id is checked against, if it belongs to the tenant of that slug."""
    row = await tx.one(
        """
        SELECT k.status, k.secret_hash, k.previous_hash, k.previous_until, k.expires,
               c.tenant, c.id, c.vendor, c.name, c.strict, c.settings, c.created
          FROM tenants t
          JOIN tokens k ON k.tenant = t.id AND k.id = :token
          JOIN connections c ON c.tenant = k.tenant AND c.id = k.connection
         WHERE t.slug = :slug
        """,
        slug=slug,
        token=token,
    )
    if row is None:
        return None
    status, secret_hash, previous_hash, previous_until, expires = row[:5]
    return Credential(
        status,
        secret_hash,
        previous_hash,
        previous_until,
        expires,
        ConnectionRow.from_row(row[5:]),
    )


def insert(token: TokenRow) -> Statement:
    return Statement(
        """
        INSERT INTO tokens (
            tenant, id, connection, slot, status, description, secret_hash, previous_hash,
            previous_until, expires, created, created_by, last_used, last_address,
            last_user_agent, previous_last_used
        ) VALUES (
            :tenant, :id, :connection, :slot, :status, :description, :secret_hash, :previous_hash,
            :previous_until, :expires, :created, :created_by, :last_used, :last_address,
            :last_user_agent, :previous_last_used
        )
        """,
        {name: getattr(token, name) for name in _FIELDS},
    )


def change_status(token: TokenRow, status: StoredStatus) -> Statement:
    """Another status, if the token is still as it was read. A deleted token gives its slot free."""
    return Statement(
        """
        UPDATE tokens
           SET status = :status, slot = :slot
         WHERE tenant = :tenant AND id = :token
           AND status = :status_before AND secret_hash = :hash_before
        """,
        {
            "tenant": token.tenant,
            "token": token.id,
            "status_before": token.status,
            "hash_before": token.secret_hash,
            "status": status,
            "slot": None if status == "deleted" else token.slot,
        },
        guard=True,
    )


def renew(
    token: TokenRow, secret_hash: str, *, previous_until: int, expires: int | None
) -> Statement:
    """A new secret, if the token is still as it was read; the one it had becomes the previous."""
    return Statement(
        """
        UPDATE tokens
           SET secret_hash = :hash,
               previous_hash = secret_hash,
               previous_until = :previous_until,
               previous_last_used = last_used,
               expires = :expires,
               last_used = NULL,
               last_address = NULL,
               last_user_agent = NULL
         WHERE tenant = :tenant AND id = :token
           AND status = :status_before AND secret_hash = :hash_before
        """,
        {
            "tenant": token.tenant,
            "token": token.id,
            "status_before": token.status,
            "hash_before": token.secret_hash,
            "hash": secret_hash,
            "previous_until": previous_until,
            "expires": expires,
        },
        guard=True,
    )


def record_use(use: Use) -> Statement:
    """Notes a use unless a later one is noted already.

    A secret that was renewed since it was used counts as the previous one.
    """
    return Statement(
        """
        UPDATE tokens
           SET last_used = CASE WHEN secret_hash = :hash THEN :at ELSE last_used END,
               last_address = CASE WHEN secret_hash = :hash THEN :address ELSE last_address END,
               last_user_agent =
                   CASE WHEN secret_hash = :hash THEN :user_agent ELSE last_user_agent END,
               previous_last_used =
                   CASE WHEN previous_hash = :hash THEN :at ELSE previous_last_used END
         WHERE tenant = :tenant AND id = :token
           AND (secret_hash = :hash AND coalesce(last_used, 0) < :at
                OR previous_hash = :hash AND coalesce(previous_last_used, 0) < :at)
        """,
        {
            "tenant": use.tenant,
            "token": use.token,
            "hash": use.secret_hash,
            "at": use.at,
            "address": use.address,
            "user_agent": use.user_agent,
        },
    )


def _token(row: Row) -> TokenRow:
    return TokenRow(*row)
