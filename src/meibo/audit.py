"""What administrators do, as a closed list of events, and the row that tells of each.

    await tx.write(tokens.insert(token), record(tx, tenant, Event.TOKEN_CREATED, ...))

The row is a statement in the same write as the change: no change without its row, no row without
its change. What identity providers do to people and groups is told by ``changes``. An event is
named "<Noun> <Participle>"; docs/audit.md describes each. Details hold what a reader must know and
never a secret.
"""

# ruff: noqa: S105  (these are names of events, not secrets)

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from meibo.scim.comparison import format_date_time
from meibo.storage import audit as rows
from meibo.storage.database import Statement, Transaction


class Event(StrEnum):
    """Everything that is recorded. The five names of a token's life are a contract with users."""

    TENANT_CREATED = "Tenant Created"
    CONNECTION_CREATED = "Connection Created"
    CONNECTION_SETTINGS_CHANGED = "Connection Settings Changed"
    TOKEN_CREATED = "SCIM Token Created"
    TOKEN_ENABLED = "SCIM Token Enabled"
    TOKEN_DISABLED = "SCIM Token Disabled"
    TOKEN_RENEWED = "SCIM Token Renewed"
    TOKEN_DELETED = "SCIM Token Deleted"
    ATTRIBUTE_CREATED = "Custom Attribute Created"
    ATTRIBUTE_DELETED = "Custom Attribute Deleted"


def record(
    tx: Transaction,
    tenant: int,
    event: Event,
    *,
    subject: str,
    by: str,
    at: int,
    details: Mapping[str, str],
) -> Statement:
    """The row that tells of ``event``, to be written together with what happened.

    Args:
        subject: what it happened to: a token's id, a connection's or an attribute's name.
        by: who did it, as text: ``CLI (root)``.
        at: when, in microseconds.
        details: label -> text in the order in which they are read.
    """
    return rows.insert(
        tx,
        tenant,
        at=at,
        event=event.value,
        subject=subject,
        actor=by,
        details=msgspec.json.encode(details).decode(),
    )


def moment(micros: int | None, otherwise: str = "never") -> str:
    """A time as details show it: in UTC, to the second."""
    return otherwise if micros is None else f"{format_date_time(micros)[:19]}Z"


def details_of(row: rows.AuditRow) -> dict[str, str]:
    """The details of a row by their labels."""
    return msgspec.json.decode(row.details, type=dict[str, str])


def as_text(details: Mapping[str, str]) -> str:
    """``IdP: Entra ID (Azure); Token: 1a2B...``: the audit trail's column Details."""
    return "; ".join(f"{label}: {text}" for label, text in details.items())
