"""People and groups of all of a tenant's connections, for reading by an administrator."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast

import click

from meibo.access import connections
from meibo.access.connections import Connection
from meibo.cli.command import WrongSetting
from meibo.scim.core_schemas import CustomAttribute, CustomType, group_type, user_type
from meibo.scim.errors import InvalidFilter
from meibo.scim.filter import Compare, Filter, Or
from meibo.scim.parser import parse_attribute_path, parse_filter
from meibo.scim.path import AttributePath
from meibo.scim.representation import decode
from meibo.scim.schema import Json, JsonObject, ResourceType
from meibo.storage import attributes, groups, memberships, users
from meibo.storage.database import Transaction
from meibo.storage.filter_sql import Condition, compile_filter
from meibo.storage.groups import GroupRow
from meibo.storage.users import UserRow

PAGE = 1_000


class _Row(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def body(self) -> str: ...


RowT = TypeVar("RowT", bound=_Row)


@dataclass(frozen=True, slots=True)
class Found:
    """A resource, with the connection that it came through; a group's members are counted only."""

    connection: Connection
    resource: JsonObject
    members: int = 0

    def as_json(self) -> JsonObject:
        """The resource with its connection's name."""
        return {"connection": self.connection.name, **self.resource}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for; ``who`` is an id, an external id or a name."""

    filter: str | None = None
    who: str | None = None

    def check(self) -> None:
        """Refuses to show nobody in particular.

        Raises:
            UsageError: neither or both are given.
        """
        if (self.filter is None) == (self.who is None):
            raise click.UsageError("say whom to show: by WHO or by --filter")


async def find_users(tx: Transaction, tenant: int, wanted: Wanted) -> list[Found]:
    """The people who are wanted, with their groups, by connection and id.

    Raises:
        WrongSetting: the filter is none.
    """
    custom = [
        CustomAttribute(each.name, cast("CustomType", each.type))
        for each in await attributes.list_attributes(tx, tenant)
    ]
    condition = _condition(tx, wanted, user_type(custom), "userName")

    async def page(connection: int, skip: int) -> list[UserRow]:
        return await users.page(tx, tenant, connection, condition, skip=skip, count=PAGE)

    found: list[Found] = []
    for connection, row in await _all(tx, tenant, page):
        resource = decode(row.body)
        if row.groups is not None:
            resource["groups"] = cast("list[Json]", decode(f'{{"groups":{row.groups}}}')["groups"])
        found.append(Found(connection, resource))
    return found


async def find_groups(
    tx: Transaction, tenant: int, wanted: Wanted, *, with_members: bool
) -> list[Found]:
    """The groups that are wanted, by connection and id.

    Raises:
        WrongSetting: the filter is none.
    """
    condition = _condition(tx, wanted, group_type(), "displayName")

    async def page(connection: int, skip: int) -> list[GroupRow]:
        return await groups.page(tx, tenant, connection, condition, skip=skip, count=PAGE)

    counts = await memberships.counts(tx, tenant)
    found: list[Found] = []
    for connection, row in await _all(tx, tenant, page):
        resource = decode(row.body)
        if with_members:
            resource["members"] = await _members(tx, tenant, row.id)
        found.append(Found(connection, resource, counts.get(row.id, 0)))
    return found


def text_of(resource: JsonObject, name: str) -> str:
    """The text of an attribute, empty where it has none."""
    value = resource.get(name)
    return value if isinstance(value, str) else ""


def described(resource: JsonObject) -> dict[str, str]:
    """A resource as labels and lines of text, in its own order."""
    lines: dict[str, str] = {}
    for name, value in resource.items():
        if name == "schemas":
            continue
        match value:
            case dict():
                for sub, inner in value.items():
                    lines[f"{name.rpartition(':')[2] if ':' in name else name}.{sub}"] = _words(
                        inner
                    )
            case list():
                for index, element in enumerate(value):
                    lines[f"{name} {index + 1}" if len(value) > 1 else name] = _words(element)
            case _:
                lines[name] = _words(value)
    return lines


def _words(value: Json) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case dict():
            main = value.get("display") or value.get("value") or value.get("formatted")
            notes = [str(value["type"])] if "type" in value else []
            if value.get("primary") is True:
                notes.append("primary")
            if main is None:
                return ", ".join(f"{key} {_words(inner)}" for key, inner in value.items())
            return f"{main} ({', '.join(notes)})" if notes else str(main)
        case list():
            return ", ".join(map(_words, value))
        case _:
            return str(value)


def _condition(
    tx: Transaction, wanted: Wanted, resource_type: ResourceType, name: str
) -> Condition | None:
    filter: Filter | None = None
    if wanted.filter is not None:
        try:
            filter = parse_filter(wanted.filter, resource_type)
        except InvalidFilter as error:
            raise WrongSetting(f"--filter: {error.detail}") from error
    for attribute in () if wanted.who is None else (name, "externalId", "id"):
        path = parse_attribute_path(attribute, resource_type)
        if isinstance(path, AttributePath):
            same = Compare(path, "eq", wanted.who)
            filter = same if filter is None else Or(same, filter)
    return None if filter is None else compile_filter(filter, resource_type, tx.dialect)


async def _all(
    tx: Transaction, tenant: int, page: Callable[[int, int], Awaitable[Sequence[RowT]]]
) -> list[tuple[Connection, RowT]]:
    found: list[tuple[Connection, RowT]] = []
    for connection in await connections.list_connections(tx, tenant):
        skip = 0
        while rows := await page(connection.id, skip):
            found.extend((connection, row) for row in rows)
            skip += len(rows)
            if len(rows) < PAGE:
                break
    return found


async def _members(tx: Transaction, tenant: int, group: str) -> list[Json]:
    found: list[Json] = []
    after = ""
    while rows := await memberships.members(
        tx, tenant, group, after=after, count=PAGE, display=True
    ):
        found.extend(
            {"value": each.id, "type": each.type, "display": each.display} for each in rows
        )
        after = rows[-1].id
    return found
