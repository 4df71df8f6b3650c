"""Custom attributes: the definitions that an administrator adds to the custom extension."""

from dataclasses import dataclass

from meibo.scim import urns
from meibo.storage.database import Statement, Transaction


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """``name_key`` is the name in lower case; ``type`` a SCIM type; ``created`` microseconds."""

    tenant: int
    name_key: str
    name: str
    type: str
    created: int


@dataclass(frozen=True, slots=True)
class Usage:
    """How many people have a value, and the user names of the first few."""

    people: int
    examples: tuple[str, ...]


async def list_attributes(tx: Transaction, tenant: int) -> list[AttributeRow]:
    """The tenant's custom attributes in the order of their names."""
    rows = await tx.all(
        """
        SELECT tenant, name_key, name, type, created
          FROM attributes
         WHERE tenant = :tenant
         ORDER BY name_key
        """,
        tenant=tenant,
    )
    return [AttributeRow(*row) for row in rows]


async def usage(tx: Transaction, tenant: int, name: str) -> Usage:
    """Who has a value of the attribute, removed people apart; reads every user of the tenant."""
    value = tx.dialect.custom_value
    count = await tx.one(
        f"""
        SELECT count(*)
          FROM users u
         WHERE u.tenant = :tenant AND u.removed IS NULL AND {value} IS NOT NULL
        """,
        tenant=tenant,
        schema=urns.CUSTOM_USER,
        name=name,
    )
    if count is None or count[0] == 0:
        return Usage(0, ())
    rows = await tx.all(
        f"""
        SELECT u.user_name
          FROM users u
         WHERE u.tenant = :tenant AND u.removed IS NULL AND {value} IS NOT NULL
         ORDER BY u.id
         LIMIT 3
        """,
        tenant=tenant,
        schema=urns.CUSTOM_USER,
        name=name,
    )
    return Usage(int(count[0]), tuple(str(row[0]) for row in rows))


def insert(attribute: AttributeRow) -> Statement:
    return Statement(
        """
        INSERT INTO attributes (tenant, name_key, name, type, created)
        VALUES (:tenant, :name_key, :name, :type, :created)
        """,
        {
            "tenant": attribute.tenant,
            "name_key": attribute.name_key,
            "name": attribute.name,
            "type": attribute.type,
            "created": attribute.created,
        },
    )


def delete(tenant: int, name_key: str) -> Statement:
    """Removes a definition that is there."""
    return Statement(
        "DELETE FROM attributes WHERE tenant = :tenant AND name_key = :name_key",
        {"tenant": tenant, "name_key": name_key},
        guard=True,
    )
