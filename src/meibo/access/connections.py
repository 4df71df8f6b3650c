"""Connections: one identity provider's link to a tenant.

A connection is made with its first token and never changes its vendor or its strictness: what was
stored through it was understood by those.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, cast

from meibo import audit
from meibo.access import connection_settings
from meibo.access.connection_settings import ConnectionSettings
from meibo.access.errors import NotKnown, NotPossible
from meibo.storage import connections as rows
from meibo.storage.connections import ConnectionRow
from meibo.storage.database import Statement, Transaction

Vendor: TypeAlias = Literal["entra", "okta", "other"]

VENDOR_LABELS: dict[Vendor, str] = {
    "entra": "Entra ID (Azure)",
    "okta": "Okta",
    "other": "Other SCIM 2.0",
}
"""What the audit trail calls a vendor; either name of Entra ID finds it."""

NAME_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection as the doors use it; ``created`` is in microseconds."""

    id: int
    vendor: Vendor
    name: str
    strict: bool
    settings: ConnectionSettings
    created: int

    @property
    def label(self) -> str:
        """The vendor's name in the audit trail."""
        return VENDOR_LABELS[self.vendor]

    @classmethod
    def from_row(cls, row: ConnectionRow) -> "Connection":
        return cls(
            id=row.id,
            vendor=cast("Vendor", row.vendor),  # only ``creation`` writes it
            name=row.name,
            strict=row.strict,
            settings=connection_settings.from_json(row.settings),
            created=row.created,
        )


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """``changed``: setting -> what it was and what it is; empty if nothing had to change."""

    connection: Connection
    changed: Mapping[str, tuple[str, str]]


async def find(tx: Transaction, tenant: int, name: str) -> Connection:
    """The connection of that name.

    Raises:
        NotKnown: there is none.
    """
    return Connection.from_row(await _row(tx, tenant, name))


async def list_connections(tx: Transaction, tenant: int) -> list[Connection]:
    """The tenant's connections in the order in which they were made."""
    return [Connection.from_row(row) for row in await rows.list_connections(tx, tenant)]


async def creation(
    tx: Transaction, tenant: int, name: str, *, vendor: Vendor, strict: bool, by: str, now: int
) -> tuple[Connection, tuple[Statement, ...]]:
    """A connection to be made, and the statements that make and record it.

    They belong into one write with its first token. When two connections of a name are made at
    once, the unique index ``connections_name`` or the primary key refuses one of them.

    Raises:
        NotPossible: the name cannot be one.
    """
    _check_name(name)
    connection = Connection(
        await rows.next_id(tx, tenant), vendor, name, strict, ConnectionSettings(), now
    )
    settings = connection_settings.to_json(connection.settings)
    return connection, (
        rows.insert(ConnectionRow(tenant, connection.id, vendor, name, strict, settings, now)),
        audit.record(
            tx,
            tenant,
            audit.Event.CONNECTION_CREATED,
            subject=name,
            by=by,
            at=now,
            details={
                "IdP": connection.label,
                "Connection": name,
                "Strict": "yes" if strict else "no",
            },
        ),
    )


async def change_settings(
    tx: Transaction, tenant: int, name: str, values: Mapping[str, str], *, by: str, now: int
) -> SettingsChange:
    """Sets all the settings that ``values`` names, or none; see ``connection_settings.changed``.

    Raises:
        NotKnown: there is no such connection.
        NotPossible: a setting is unknown, or cannot have that value.
    """
    row = await _row(tx, tenant, name)
    connection = Connection.from_row(row)
    settings = connection_settings.changed(connection.settings, values)
    before, after = connection.settings.as_text(), settings.as_text()
    changed = {key: (before[key], after[key]) for key in after if before[key] != after[key]}
    if changed:
        await tx.write(
            rows.update_settings(
                tenant, row.id, before=row.settings, after=connection_settings.to_json(settings)
            ),
            audit.record(
                tx,
                tenant,
                audit.Event.CONNECTION_SETTINGS_CHANGED,
                subject=name,
                by=by,
                at=now,
                details={
                    "IdP": connection.label,
                    "Connection": name,
                    **{key: f"{old} -> {new}" for key, (old, new) in changed.items()},
                },
            ),
        )
    return SettingsChange(replace(connection, settings=settings), changed)


async def _row(tx: Transaction, tenant: int, name: str) -> ConnectionRow:
    row = await rows.by_name(tx, tenant, name)
    if row is None:
        raise NotKnown(f"there is no connection {name!r}")
    return row


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= NAME_LENGTH or name != name.strip():
        raise NotPossible(
            f"a connection's name has 1 to {NAME_LENGTH} characters and neither begins nor ends"
            " with white space"
        )
    if not is_one_visible_line(name):
        raise NotPossible("a connection's name has no invisible characters")


def is_one_visible_line(text: str) -> bool:
    """Whether text that an administrator gives has no control, format or unassigned characters.

    Nobody could type such a name again, and some of them rewrite the terminal that shows it.
    """
    return not any(unicodedata.category(each)[0] == "C" or each in "\u2028\u2029" for each in text)
