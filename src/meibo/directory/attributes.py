"""Custom attributes: what an administrator adds to people, under the custom extension's URN."""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from meibo import audit
from meibo.scim import urns
from meibo.scim.core_schemas import COMMON, ENTERPRISE_USER, GROUP, USER, CustomType
from meibo.storage import attributes as rows
from meibo.storage.attributes import AttributeRow
from meibo.storage.database import Transaction
from meibo.storage.errors import UniqueViolation, VersionConflict

DataType: TypeAlias = Literal["text", "number", "boolean", "date"]

SCIM_TYPES: dict[DataType, CustomType] = {
    "text": "string",
    "number": "decimal",
    "boolean": "boolean",
    "date": "dateTime",
}
_DATA_TYPES: dict[CustomType, DataType] = {scim: data for data, scim in SCIM_TYPES.items()}

MOST_ATTRIBUTES = 500

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_STANDARD = frozenset(
    each.name.lower()
    for each in (*COMMON, *USER.attributes, *GROUP.attributes, *ENTERPRISE_USER.attributes)
)


class AttributeRefused(Exception):
    """The attribute cannot be added or deleted; the text is one sentence that says why."""


@dataclass(frozen=True, slots=True)
class CustomAttribute:
    """A custom attribute; ``created`` is in microseconds."""

    name: str
    type: DataType
    created: int

    @property
    def path(self) -> str:
        """What an identity provider maps to."""
        return f"{urns.CUSTOM_USER}:{self.name}"

    @property
    def scim_type(self) -> CustomType:
        return SCIM_TYPES[self.type]

    @classmethod
    def from_row(cls, row: AttributeRow) -> "CustomAttribute":
        return cls(row.name, _DATA_TYPES[cast("CustomType", row.type)], row.created)


async def list_attributes(tx: Transaction, tenant: int) -> list[CustomAttribute]:
    """The tenant's custom attributes in the order of their names."""
    return [CustomAttribute.from_row(row) for row in await rows.list_attributes(tx, tenant)]


async def add(
    tx: Transaction, tenant: int, name: str, type: DataType, *, by: str, now: int
) -> CustomAttribute:
    """A new custom attribute, which identity providers can send from now on.

    Raises:
        AttributeRefused: the name is not allowed, standard or in use in whatever letter case, or
            there are too many attributes.
    """
    if _NAME.fullmatch(name) is None:
        raise AttributeRefused(
            f"{name!r} cannot be an attribute's name: up to 64 letters, digits and _, the first a"
            " letter"
        )
    if name.lower() in _STANDARD:
        raise AttributeRefused(f"{name!r} is the name of a standard attribute")
    existing = await rows.list_attributes(tx, tenant)
    if len(existing) >= MOST_ATTRIBUTES:
        raise AttributeRefused(f"there are {MOST_ATTRIBUTES} custom attributes already")
    for each in existing:
        if each.name_key == name.lower():
            raise AttributeRefused(f"the attribute {each.name!r} exists already")
    attribute = CustomAttribute(name, type, now)
    try:
        await tx.write(
            rows.insert(AttributeRow(tenant, name.lower(), name, attribute.scim_type, now)),
            audit.record(
                tx,
                tenant,
                audit.Event.ATTRIBUTE_CREATED,
                subject=name,
                by=by,
                at=now,
                details={"Attribute": name, "Type": type},
            ),
        )
    except UniqueViolation as violation:
        # Somebody else has added it between our read and our write: look again.
        raise VersionConflict(violation.constraint) from violation
    return attribute


async def delete(tx: Transaction, tenant: int, name: str, *, by: str, now: int) -> CustomAttribute:
    """Removes an attribute of which nobody has a value.

    A value that arrives in the same moment may remain stored. It is answered with its person until
    a PUT, and ignored by everything else: nobody can search by it, ask for it or change it.

    Raises:
        AttributeRefused: there is no such attribute, or people have values of it.
    """
    found = [
        each for each in await rows.list_attributes(tx, tenant) if each.name_key == name.lower()
    ]
    if not found:
        raise AttributeRefused(f"there is no custom attribute {name!r}")
    (row,) = found
    usage = await rows.usage(tx, tenant, row.name)
    if usage.people:
        names = ", ".join(usage.examples) + (", ..." if usage.people > len(usage.examples) else "")
        people = "1 person has" if usage.people == 1 else f"{usage.people} people have"
        raise AttributeRefused(f"{people} a value of {row.name!r} ({names}): clear it first")
    await tx.write(
        rows.delete(tenant, row.name_key),
        audit.record(
            tx,
            tenant,
            audit.Event.ATTRIBUTE_DELETED,
            subject=row.name,
            by=by,
            at=now,
            details={"Attribute": row.name, "Type": _DATA_TYPES[cast("CustomType", row.type)]},
        ),
    )
    return CustomAttribute.from_row(row)
