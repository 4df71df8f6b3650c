"""Connections: the links of identity providers to a tenant."""

from dataclasses import dataclass

from meibo.storage.database import Row, Statement, Transaction


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """``settings`` is JSON text; ``created`` is in microseconds."""

    tenant: int
    id: int
    vendor: str
    name: str
    strict: bool
    settings: str
    created: int

    @classmethod
    def from_row(cls, row: Row) -> "ConnectionRow":
        tenant, id_, vendor, name, strict, settings, created = row
        return cls(tenant, id_, vendor, name, bool(strict), settings, created)


async def by_name(tx: Transaction, tenant: int, name: str) -> ConnectionRow | None:
    row = await tx.one(
        f"""
        SELECT tenant, id, vendor, name, strict, settings, created
          FROM connections
         WHERE tenant = :tenant AND name = :name{tx.for_update}
        """,
        tenant=tenant,
        name=name,
    )
    return None if row is None else ConnectionRow.from_row(row)


async def by_id(tx: Transaction, tenant: int, connection: int) -> ConnectionRow:
    """A connection that is known to be there: connections are never deleted."""
    row = await tx.one(
        """
        SELECT tenant, id, vendor, name, strict, settings, created
          FROM connections
         WHERE tenant = :tenant AND id = :connection
        """,
        tenant=tenant,
        connection=connection,
    )
    if row is None:
        raise LookupError(f"connection {connection} of tenant {tenant}")
    return ConnectionRow.from_row(row)


async def list_connections(tx: Transaction, tenant: int) -> list[ConnectionRow]:
    """The tenant's connections in the order in which they were made."""
    rows = await tx.all(
        """
        SELECT tenant, id, vendor, name, strict, settings, created
          FROM connections
         WHERE tenant = :tenant
         ORDER BY id
        """,
        tenant=tenant,
    )
    return [ConnectionRow.from_row(row) for row in rows]


async def next_id(tx: Transaction, tenant: int) -> int:
    """An id that is free unless another connection is being made: the primary key then says so."""
    row = await tx.one(
        "SELECT coalesce(max(id), 0) + 1 FROM connections WHERE tenant = :tenant", tenant=tenant
    )
    return 1 if row is None else int(row[0])


def insert(connection: ConnectionRow) -> Statement:
    return Statement(
        """
        INSERT INTO connections (tenant, id, vendor, name, strict, settings, created)
        VALUES (:tenant, :id, :vendor, :name, :strict, :settings, :created)
        """,
        {
            "tenant": connection.tenant,
            "id": connection.id,
            "vendor": connection.vendor,
            "name": connection.name,
            "strict": int(connection.strict),
            "settings": connection.settings,
            "created": connection.created,
        },
    )


def update_settings(tenant: int, connection: int, *, before: str, after: str) -> Statement:
    """Replaces the settings if they are still ``before``."""
    return Statement(
        """
        UPDATE connections
           SET settings = :after
         WHERE tenant = :tenant AND id = :connection AND settings = :before
        """,
        {"tenant": tenant, "connection": connection, "before": before, "after": after},
        guard=True,
    )
