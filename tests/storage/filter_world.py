"""A small directory full of what filters could stumble over, in a database and in memory."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from meibo.scim import urns
from meibo.scim.comparison import fold, format_date_time
from meibo.scim.core_schemas import CustomAttribute, group_type, user_name_rule, user_type
from meibo.scim.filter import Filter, matches
from meibo.scim.representation import encode_text, etag, stored
from meibo.scim.resource import check, comparable_resource
from meibo.scim.schema import Attribute, Json, JsonObject, ResourceType
from meibo.storage import groups, resources, users
from meibo.storage.database import Database, Statement, Transaction
from meibo.storage.filter_sql import compile_filter

USER = user_type(
    (
        CustomAttribute("badge", "string"),
        CustomAttribute("level", "decimal"),
        CustomAttribute("remote", "boolean"),
        CustomAttribute("hired", "dateTime"),
    )
)
GROUP = group_type()
CUSTOM, ENTERPRISE = urns.CUSTOM_USER, urns.ENTERPRISE_USER

# What SQL, LIKE, JSON paths, letter case or an encoding could stumble over.
TEXTS = (
    *("a", "A", "ab", "aB", "b", "Alice", "alice smith", "work", "WORK", "home", "O'Brien", '"'),
    *("%", "_", "a%", "a_b", "\\", "\\%", "$", "$.a", ":p0", "?", "1", "1.0", "true", "null"),
    *("Straße", "STRASSE", "strasse", "İ", "i̇", "ı", "I", "ﬁn", "fin", "Ａｌｉｃｅ", "山田", "山"),
    *("é", "e\u0301", "Ω", "ω", "😀", "a😀b", "\ud7ff", "\ue000", "\uffff", "\U0010ffff", "'"),
    *("a\U0010ffff", " ", "a b", "\t", "[a-z]", ".*", "", "urn:a", "--", "\u2028", "{}", "田"),
)
NAMES = [text for text in TEXTS if user_name_rule(f"{text}0") is None]
INSTANTS = (
    *("2024-01-01T00:00:00Z", "2024-01-01T09:00:00+09:00", "2024-01-01T00:00:00.000001Z"),
    *("1969-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
)
NUMBERS = (
    *(0, 1, -1, 1.0, 1.5, 0.1, 0.30000000000000004, -0.0, 2**53, 2**53 + 1, 2**63 - 1),
    *(1e-7, 1e16, 123456.789, 1e300, 5e-324),
)
MICROS = (0, 50, 1_700_000_000_000_000, 1_700_000_000_000_001)


@dataclass
class World:
    """What connection 1 of tenant 1 is shown of the database: resources by id, for each type."""

    database: Database
    shown: dict[str, dict[str, JsonObject]] = field(
        default_factory=lambda: {"User": {}, "Group": {}}
    )

    async def found(self, resource_type: ResourceType, filter: Filter) -> set[str]:
        """The ids that the database finds."""

        async def ids(tx: Transaction) -> set[str]:
            condition = compile_filter(filter, resource_type, tx.dialect)
            page = groups.page if resource_type is GROUP else users.page
            rows = await page(tx, 1, 1, condition, skip=0, count=1_000)
            return {row.id for row in rows}

        return await self.database.read(ids)

    def expected(self, resource_type: ResourceType, filter: Filter) -> set[str]:
        """The ids of what matches in memory."""
        shown = self.shown[resource_type.name]
        return {key for key, resource in shown.items() if matches(filter, resource)}


async def populate(database: Database, chance: random.Random) -> World:
    """Fills the database, also with people and groups that the connection must not be shown."""
    world = World(database)
    people = [f"u{number:03}" for number in range(40)]
    others = {"removed": (1, 1), "foreign": (1, 2), "elsewhere": (2, 1)}
    managers = (*people[:6], *others, "nobody")
    writes: list[Statement] = []
    for number, user_id in enumerate(people):
        resource, times = person(chance, number, managers), meta(chance)
        writes += user_statements((1, 1), user_id, resource, times)
        world.shown["User"][user_id] = shown(USER, user_id, resource, times)
        # Somebody of another tenant may have the same id: nothing of him counts.
        writes += user_statements((2, 1), user_id, person(chance, number, managers), times)
    for number, (user_id, place) in enumerate(others.items()):
        writes += user_statements(
            place, user_id, person(chance, 90 + number, managers), meta(chance)
        )
    for number in range(20):
        group_id, removed = f"g{number:03}", number % 5 == 4
        resource, times = group(chance, number), meta(chance)
        writes += group_statements((1, 1), group_id, resource, times)
        writes += group_statements((2, 1), group_id, group(chance, number), times)
        inside = chance.sample(people, chance.randrange(6))
        nested = [each for each in ("g000", "g001", "g002") if chance.random() < 0.2]
        for tenant, kind, members in (
            *((1, "User", inside), (1, "Group", nested)),
            *((2, "User", chance.sample(people, 10)), (2, "Group", ["g000"])),
        ):
            writes += [membership(tenant, group_id, each, kind) for each in set(members)]
        if removed:  # its memberships stay, for a restore
            writes.append(resources.remove(1, "groups", group_id, times["version"], 60))
        else:
            world.shown["Group"][group_id] = shown(GROUP, group_id, resource, times)
            world.shown["Group"][group_id]["members"] = [*inside, *nested]
    writes += group_statements((1, 2), "foreign", group(chance, 90), meta(chance))
    _show_names(world)
    # What is guarded changes rows that the others must have written before.
    removals = [each for each in writes if each.guard]
    inserts = [each for each in writes if not each.guard]
    for start in range(0, len(inserts), 100):
        part = inserts[start : start + 100]
        await database.write(lambda tx, part=part: tx.write(*part))
    await database.write(lambda tx: tx.write(*removals))

    async def remove(tx: Transaction) -> None:
        row = await users.load(tx, 1, 1, "removed")
        assert row is not None
        await tx.write(resources.remove(1, "users", "removed", row.version, 60))

    await database.write(remove)
    return world


def person(chance: random.Random, number: int, managers: Sequence[str]) -> JsonObject:
    """A person who has about half of all attributes."""

    def some(make: Callable[[], Json], probability: float = 0.5) -> Json:
        return make() if chance.random() < probability else None

    def text() -> Json:
        return chance.choice(TEXTS)

    def element(attribute: Attribute, *, first: bool) -> Json:
        held: JsonObject = {sub.name: some(text, 0.6) for sub in attribute.sub_attributes}
        held["primary"] = chance.choice((True if first else None, False, None))
        if attribute.name == "x509Certificates":
            held["value"] = some(lambda: chance.choice(("TUlJ", "bWlq", "")))
        # An element that holds nothing but empty text is no value.
        return {"type": ""} if chance.random() < 0.2 else held

    user_name = f"{chance.choice(NAMES)}{number}"
    body: JsonObject = {"schemas": [urns.USER], "userName": user_name}
    for attribute in USER.core_attributes():
        if attribute.name in body or attribute.mutability != "readWrite":
            continue
        if attribute.multi_valued:
            count = chance.choice((0, 1, 1, 2, 3))
            body[attribute.name] = [element(attribute, first=not place) for place in range(count)]
        elif attribute.type == "complex":
            body[attribute.name] = {sub.name: some(text, 0.3) for sub in attribute.sub_attributes}
        else:
            body[attribute.name] = some(text)
    body["active"] = chance.random() < 0.7
    body["externalId"] = some(lambda: f"{text()}{number}", 0.6)
    manager: JsonObject = {"value": some(lambda: chance.choice(managers), 0.8)}
    body[ENTERPRISE] = {"department": some(text), "division": some(text), "manager": manager}
    body[CUSTOM] = {
        "badge": some(text),
        "level": some(lambda: chance.choice((*NUMBERS, -(2**63)))),
        "remote": some(lambda: chance.random() < 0.5),
        "hired": some(lambda: chance.choice(INSTANTS)),
    }
    return check({**body, "schemas": [urns.USER, ENTERPRISE, CUSTOM]}, USER).resource


def group(chance: random.Random, number: int) -> JsonObject:
    """A group without members."""
    body: JsonObject = {"schemas": [urns.GROUP], "displayName": chance.choice(TEXTS) or "x"}
    if chance.random() < 0.6:
        body["externalId"] = f"{chance.choice(TEXTS)}{number}"
    return check(body, GROUP).resource


def meta(chance: random.Random) -> dict[str, int]:
    """What the columns say about a resource."""
    return {
        "created": chance.choice(MICROS),
        "last_modified": chance.choice(MICROS),
        "version": chance.choice((1, 2, 10)),
    }


def shown(
    resource_type: ResourceType, resource_id: str, resource: JsonObject, meta: dict[str, int]
) -> JsonObject:
    """The resource as a client sees it, but for what other resources say, and for URLs."""
    return {
        **resource,
        "id": resource_id,
        "meta": {
            "resourceType": resource_type.name,
            "created": format_date_time(meta["created"]),
            "lastModified": format_date_time(meta["last_modified"]),
            "version": etag(meta["version"]),
        },
    }


def user_statements(
    place: tuple[int, int],
    user_id: str,
    resource: JsonObject,
    meta: dict[str, int],
    resource_type: ResourceType = USER,
) -> Iterator[Statement]:
    """Writes a person of a tenant and connection."""
    held: Any = resource
    yield users.insert(
        users.UserColumns(
            tenant=place[0],
            id=user_id,
            connection=place[1],
            user_name=held["userName"],
            user_name_key=fold(held["userName"]),
            external_id=held.get("externalId"),
            display_name=held.get("displayName"),
            manager=held.get(ENTERPRISE, {}).get("manager", {}).get("value"),
            active=held["active"],
            body=stored(resource, resource_id=user_id, resource_type="User", **meta),
            search=encode_text(comparable_resource(resource, resource_type)),
            **meta,
        )
    )
    addresses = {fold(each["value"]) for each in held.get("emails", ()) if "value" in each}
    yield from users.emails(place[0], user_id, (), addresses)


def group_statements(
    place: tuple[int, int], group_id: str, resource: JsonObject, meta: dict[str, int]
) -> Iterator[Statement]:
    """Writes a group of a tenant and connection."""
    held: Any = resource
    yield groups.insert(
        groups.GroupColumns(
            tenant=place[0],
            id=group_id,
            connection=place[1],
            display_name=held["displayName"],
            display_name_key=fold(held["displayName"]),
            external_id=held.get("externalId"),
            body=stored(resource, resource_id=group_id, resource_type="Group", **meta),
            search=encode_text(comparable_resource(resource, GROUP)),
            **meta,
        )
    )


def _show_names(world: World) -> None:
    """Put in what a resource tells of others: managers' names, members and groups."""
    people: Any = world.shown["User"]
    teams: Any = world.shown["Group"]
    names = {key: user.get("displayName", user["userName"]) for key, user in people.items()}
    for user in people.values():
        manager = user.get(ENTERPRISE, {}).get("manager", {})
        if manager.get("value") in names:
            manager["displayName"] = names[manager["value"]]
    for group_id, team in teams.items():
        members: list[Json] = []
        for member_id in team.pop("members"):
            if member_id in people:
                members.append({"value": member_id, "type": "User", "display": names[member_id]})
                link = {"value": group_id, "display": team["displayName"], "type": "direct"}
                people[member_id].setdefault("groups", []).append(link)
            else:
                name = teams[member_id]["displayName"]
                members.append({"value": member_id, "type": "Group", "display": name})
        if members:
            team["members"] = members


def membership(tenant: int, group_id: str, member_id: str, kind: str) -> Statement:
    """Makes somebody a member without asking whether he exists."""
    return Statement(
        """
        INSERT INTO memberships (tenant, group_id, member_id, member_type, added)
        VALUES (:tenant, :group_id, :member_id, :kind, 0)
        """,
        {"tenant": tenant, "group_id": group_id, "member_id": member_id, "kind": kind},
    )
