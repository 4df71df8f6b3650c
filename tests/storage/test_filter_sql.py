"""Filters in SQL mean what they mean in memory, on both engines."""

import json
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meibo.scim import urns
from meibo.scim.comparison import fold, format_date_time
from meibo.scim.core_schemas import CustomAttribute, group_type, user_name_rule, user_type
from meibo.scim.errors import InvalidFilter
from meibo.scim.filter import And, Compare, Filter, Not, Or, Present, ValuePath, matches
from meibo.scim.parser import MAX_COMPARISONS, MAX_DEPTH, parse_filter
from meibo.scim.path import AttributePath
from meibo.scim.representation import encode_text, etag, stored
from meibo.scim.resource import check, comparable_resource
from meibo.scim.schema import Attribute, Json, JsonObject, ResourceType
from meibo.storage import groups, users
from meibo.storage.database import Database, Statement, Transaction
from meibo.storage.dialect import POSTGRESQL, SQLITE
from meibo.storage.engine import open_database
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
TYPES = {"User": USER, "Group": GROUP}
CUSTOM, ENTERPRISE = urns.CUSTOM_USER, urns.ENTERPRISE_USER

# What SQL, LIKE, JSON paths, letter case or an encoding could stumble over.
TEXTS = (
    *(
        "a",
        "A",
        "ab",
        "aB",
        "b",
        "Alice",
        "alice smith",
        "work",
        "WORK",
        "home",
        "O'Brien",
        '"',
        "'",
    ),
    *("%", "_", "a%", "a_b", "\\", "\\%", "$", "$.a", ":p0", "?", "1", "1.0", "true", "null", "{}"),
    *(
        "Straße",
        "STRASSE",
        "strasse",
        "İ",
        "i̇",
        "ı",
        "I",
        "ﬁn",
        "fin",
        "Ａｌｉｃｅ",
        "山田",
        "山",
        "田",
    ),
    *(
        "é",
        "e\u0301",
        "Ω",
        "ω",
        "😀",
        "a😀b",
        "\ud7ff",
        "\ue000",
        "\uffff",
        "\U0010ffff",
        "a\U0010ffff",
    ),
    *(" ", "a b", "\t", "[a-z]", ".*", "", "urn:a", "--", "\u2028"),
)
NAMES = [text for text in TEXTS if user_name_rule(f"{text}0") is None]
INSTANTS = (
    *("2024-01-01T00:00:00Z", "2024-01-01T09:00:00+09:00", "2024-01-01T00:00:00.000001Z"),
    *("1969-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
)
NUMBERS = (0, 1, -1, 1.0, 1.5, 0.1, 0.30000000000000004, -0.0, 2**53, 2**53 + 1, 2**63 - 1)
NUMBERS = (*NUMBERS, 1e-7, 1e16, 123456.789, 1e300, 5e-324)


def test_a_filter_on_one_column_is_one_comparison() -> None:
    for engine in (SQLITE, POSTGRESQL):
        condition = compile_filter(parse_filter('userName eq "ALICE"', USER), USER, engine)
        assert (condition.sql, condition.parameters) == ("u.user_name_key = :p0", {"p0": "alice"})


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL], ids=["sqlite", "postgresql"])
@pytest.mark.parametrize(
    "path",
    [
        "meta.location",
        "groups.$ref",
        f"{ENTERPRISE}:manager.$ref",
        "members.$ref",
    ],
)
def test_what_depends_on_the_request_cannot_be_searched_by(path: str, dialect: Any) -> None:
    resource_type = GROUP if path == "members.$ref" else USER
    name, _, sub = path.rpartition(".")
    for text in (f'{path} sw "http"', f"{path} pr", f"not ({path} pr)", f'{name}[{sub} eq "x"]'):
        filter = parse_filter(text, resource_type)
        with pytest.raises(InvalidFilter, match="cannot be searched by"):
            compile_filter(filter, resource_type, dialect)


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL], ids=["sqlite", "postgresql"])
def test_no_literal_and_no_attribute_name_gets_into_the_sql(dialect: Any) -> None:
    resource_type = user_type((CustomAttribute("zebra"),))
    marker = "zebra'); drop table users; --"
    for operator in ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"):
        for path in ("userName", "title", "emails", "emails.type", "groups", f"{CUSTOM}:zebra"):
            text = f'{path} {operator} "{marker}" or not ({path} {operator} "{marker}")'
            condition = compile_filter(parse_filter(text, resource_type), resource_type, dialect)
            assert "zebra" not in condition.sql.lower()
            assert "urn" not in condition.sql
            assert marker in condition.parameters.values()


def test_filters_of_one_shape_share_their_sql() -> None:
    text = 'title co "%s" and emails[type eq "%s" and value ew "%s"] or userName sw "%s"'
    for engine in (SQLITE, POSTGRESQL):
        first, second = (
            compile_filter(parse_filter(text % ((word,) * 4), USER), USER, engine)
            for word in ("a", "bcd")
        )
        assert first.sql == second.sql
        assert first.parameters.keys() == second.parameters.keys()


# -- against a directory -----------------------------------------------------------------------


@dataclass
class World:
    """A database, and what a connection is shown of it, by id."""

    database: Database
    shown: dict[str, dict[str, JsonObject]]

    async def found(self, resource_type: ResourceType, filter: Filter) -> set[str]:
        async def ids(tx: Transaction) -> set[str]:
            condition = compile_filter(filter, resource_type, tx.dialect)
            page = groups.page if resource_type is GROUP else users.page
            rows = await page(tx, 1, 1, condition, skip=0, count=1_000)
            return {row.id for row in rows}

        return await self.database.read(ids)

    def expected(self, resource_type: ResourceType, filter: Filter) -> set[str]:
        shown = self.shown[resource_type.name]
        return {key for key, resource in shown.items() if matches(filter, resource)}


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await open_database(database_url, migrate=True)
    yield database
    await database.close()


@pytest_asyncio.fixture
async def world(database: Database) -> World:
    world = World(database, {"User": {}, "Group": {}})
    await populate(world, random.Random(7), people=60)
    return world


async def populate(world: World, chance: random.Random, *, people: int) -> None:
    """Fills connection 1 of tenant 1, and puts beside it what it must not be shown."""
    ids = [f"u{number:03}" for number in range(people)]
    statements: list[Statement] = []
    names: dict[str, str] = {}
    for number, user_id in enumerate(ids):
        body = person(chance, f"{chance.choice(NAMES)}{number}", ids)
        resource = check(body, USER).resource
        tenant, connection, removed = 1, 1, number % 10 == 9
        if number % 10 > 6:
            tenant, connection = (2, 1) if number % 10 == 7 else (1, 2 - removed)
        meta = {
            "created": chance.choice((0, 1_700_000_000_000_000, 1_700_000_000_000_001)),
            "last_modified": chance.choice((1_700_000_000_000_001, 1_800_000_000_000_000)),
            "version": chance.choice((1, 2, 10)),
        }
        statements += user_statements(tenant, connection, user_id, resource, meta)
        if removed:
            version = meta["version"]
            statements.append(users.remove(tenant, user_id, version, meta["last_modified"]))
        elif (tenant, connection) == (1, 1):
            names[user_id] = str(resource.get("displayName", resource["userName"]))
            world.shown["User"][user_id] = {
                **resource,
                "id": user_id,
                "meta": meta_of("User", meta),
            }
    for user in world.shown["User"].values():
        show_manager(user, names)
    members_of = await populate_groups(world, chance, statements, list(names))
    for group_id, group in world.shown["Group"].items():
        show_members(world, group_id, group, members_of.get(group_id, ()), names)

    # Guarded are the removals, which must find what the others have written.
    removals = [each for each in statements if each.guard]
    inserts = [each for each in statements if not each.guard]
    for each in (inserts[:100], inserts[100:200], inserts[200:], removals):
        await world.database.write(lambda tx, part=each: tx.write(*part))


def person(chance: random.Random, user_name: str, ids: list[str]) -> JsonObject:
    def some(make: Any, probability: float = 0.5) -> Json:
        return make() if chance.random() < probability else None

    def text() -> Json:
        return chance.choice(TEXTS)

    def element(attribute: Attribute, primary: bool) -> Json:
        held: JsonObject = {sub.name: some(text, 0.6) for sub in attribute.sub_attributes}
        held["primary"] = chance.choice((True if primary else None, False, None))
        if attribute.name == "x509Certificates":
            held["value"] = some(lambda: chance.choice(("TUlJ", "bWlq", "")))
        return held

    def elements(attribute: Attribute) -> Json:
        return [element(attribute, place == 0) for place in range(chance.randrange(4))]

    body: JsonObject = {"schemas": [urns.USER], "userName": user_name, "active": True}
    for attribute in USER.core_attributes():
        if attribute.name in body or attribute.mutability != "readWrite":
            continue
        if attribute.multi_valued:
            body[attribute.name] = elements(attribute)
        elif attribute.type == "complex":
            body[attribute.name] = {sub.name: some(text, 0.4) for sub in attribute.sub_attributes}
        else:
            body[attribute.name] = some(text)
    body["active"] = chance.random() < 0.7
    body["externalId"] = some(lambda: f"{text()}{user_name}", 0.6)
    body[ENTERPRISE] = {
        "department": some(text),
        "employeeNumber": some(text),
        "manager": {"value": some(lambda: chance.choice((*ids, "nobody")), 0.7)},
    }
    body[CUSTOM] = {
        "badge": some(text),
        "level": some(lambda: chance.choice((*NUMBERS, 12345678901234567890))),
        "remote": some(lambda: chance.random() < 0.5),
        "hired": some(lambda: chance.choice(INSTANTS)),
    }
    return body


def user_statements(
    tenant: int,
    connection: int,
    user_id: str,
    resource: JsonObject,
    meta: dict[str, int],
    resource_type: ResourceType = USER,
) -> Iterator[Statement]:
    enterprise: Any = resource.get(ENTERPRISE, {})
    emails: Any = resource.get("emails", ())
    text: Any = resource.get
    yield users.insert(
        users.UserColumns(
            tenant=tenant,
            id=user_id,
            connection=connection,
            user_name=text("userName"),
            user_name_key=fold(text("userName")),
            external_id=text("externalId"),
            display_name=text("displayName"),
            manager=enterprise.get("manager", {}).get("value"),
            active=resource["active"] is True,
            body=stored(resource, resource_id=user_id, resource_type="User", **meta),
            search=encode_text(comparable_resource(resource, resource_type)),
            **meta,
        )
    )
    addresses = {fold(each["value"]) for each in emails if "value" in each}
    yield from users.emails(tenant, user_id, (), addresses)


async def populate_groups(
    world: World, chance: random.Random, statements: list[Statement], people: list[str]
) -> dict[str, list[str]]:
    each_id = (await world.database.read(dialect_of)).each_id
    members_of: dict[str, list[str]] = {}
    for number in range(30):
        group_id = f"g{number:03}"
        removed, connection = number % 10 == 9, 2 if number % 10 == 8 else 1
        body: JsonObject = {
            "schemas": [urns.GROUP],
            "displayName": chance.choice(TEXTS) or "x",
            "externalId": f"{chance.choice(TEXTS)}{number}" if chance.random() < 0.6 else None,
        }
        resource = check(body, GROUP).resource
        meta = {
            "created": number,
            "last_modified": chance.choice((50, 51)),
            "version": number % 3 + 1,
        }
        statements.append(
            groups.insert(
                groups.GroupColumns(
                    tenant=1,
                    id=group_id,
                    connection=connection,
                    display_name=str(resource["displayName"]),
                    display_name_key=fold(str(resource["displayName"])),
                    external_id=resource.get("externalId"),  # pyright: ignore[reportArgumentType]
                    body=stored(resource, resource_id=group_id, resource_type="Group", **meta),
                    search=encode_text(comparable_resource(resource, GROUP)),
                    **meta,
                )
            )
        )
        if connection == 2:
            continue
        inside = chance.sample(people, chance.randrange(6))
        nested = [group for group in list(world.shown["Group"])[:3] if chance.random() < 0.3]
        for kind, ids in (("User", inside), ("Group", nested)):
            if ids:
                statements.append(
                    groups.add_members(1, group_id, json.dumps(ids), kind, 0, each_id)
                )
        if removed:  # its memberships stay, for a restore
            statements.append(groups.remove(1, group_id, meta["version"], 60))
            continue
        members_of[group_id] = [*inside, *nested]
        world.shown["Group"][group_id] = {
            **resource,
            "id": group_id,
            "meta": meta_of("Group", meta),
        }
    return members_of


async def dialect_of(tx: Transaction) -> Any:
    return tx.dialect


def meta_of(resource_type: str, meta: dict[str, int]) -> JsonObject:
    return {
        "resourceType": resource_type,
        "created": format_date_time(meta["created"]),
        "lastModified": format_date_time(meta["last_modified"]),
        "version": etag(meta["version"]),
    }


def show_manager(user: JsonObject, names: dict[str, str]) -> None:
    enterprise: Any = user.get(ENTERPRISE, {})
    manager = enterprise.get("manager")
    if manager is not None and manager["value"] in names:
        manager["displayName"] = names[manager["value"]]


def show_members(
    world: World, group_id: str, group: JsonObject, ids: Any, names: dict[str, str]
) -> None:
    members: list[Json] = []
    for member_id in ids:
        user: Any = world.shown["User"].get(member_id)
        kind, display = "User", names.get(member_id)
        if user is None:
            kind, display = "Group", str(world.shown["Group"][member_id]["displayName"])
        else:
            user.setdefault("groups", []).append(
                {"value": group_id, "display": group["displayName"], "type": "direct"}
            )
        members.append({"value": member_id, "type": kind, "display": display})
    if members:
        group["members"] = members


# -- random filters ------------------------------------------------------------------------------

UNSEARCHABLE = {"meta.location", "groups.$ref", "members.$ref", f"{ENTERPRISE}:manager.$ref"}
OPERATORS = {
    "string": ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"),
    "reference": ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"),
    "dateTime": ("eq", "ne", "gt", "ge", "lt", "le"),
    "decimal": ("eq", "ne", "gt", "ge", "lt", "le"),
    "boolean": ("eq", "ne"),
    "binary": ("eq", "ne"),
}
IDS = ("u000", "u001", "u010", "u02", "g000", "g001", "g01", "nobody", "u", "g")
CONSTANTS = ("User", "Group", "user", "group", "direct", urns.USER, urns.GROUP, ENTERPRISE, CUSTOM)
WORDS = st.sampled_from((*TEXTS, *IDS, *CONSTANTS, etag(1), etag(10), "TUlJ"))
LITERALS: dict[str, st.SearchStrategy[Any]] = {
    "string": WORDS | st.builds(str.upper, WORDS) | st.builds(str.__add__, WORDS, WORDS),
    "reference": WORDS,
    "binary": WORDS,
    "dateTime": st.sampled_from(
        (*INSTANTS, *(format_date_time(each) for each in (0, 50, 1_700_000_000_000_001)))
    ),
    "decimal": st.sampled_from(NUMBERS) | st.integers(-3, 3) | st.floats(-1e9, 1e9),
    "boolean": st.booleans(),
}


def paths(resource_type: ResourceType) -> Iterator[AttributePath]:
    """Every path that can be searched by."""
    holders: list[tuple[str | None, Any]] = [(None, resource_type.core_attributes())]
    holders += [(each.schema.id, each.schema.attributes) for each in resource_type.extensions]
    for schema, attributes in holders:
        for attribute in attributes:
            if attribute.returned != "never":
                for sub in (None, *attribute.sub_attributes):
                    path = AttributePath(schema, attribute, sub)
                    if str(path) not in UNSEARCHABLE:
                        yield path


def comparisons(candidates: list[AttributePath]) -> st.SearchStrategy[Filter]:
    def of(path: AttributePath) -> st.SearchStrategy[Filter]:
        unassigned = st.just(Present(path)) | st.builds(
            Compare, st.just(path), st.sampled_from(("eq", "ne")), st.none()
        )
        if path.leaf.type == "complex":
            return unassigned
        return unassigned | st.builds(
            Compare,
            st.just(path),
            st.sampled_from(OPERATORS[path.leaf.type]),
            LITERALS[path.leaf.type],
        )

    return st.sampled_from(candidates).flatmap(of)


def nested(leaves: st.SearchStrategy[Filter], most: int) -> st.SearchStrategy[Filter]:
    return st.recursive(
        leaves,
        lambda inner: (
            st.builds(And, inner, inner) | st.builds(Or, inner, inner) | st.builds(Not, inner)
        ),
        max_leaves=most,
    )


def filters(resource_type: ResourceType) -> st.SearchStrategy[Filter]:
    candidates = list(paths(resource_type))

    def value_path(path: AttributePath) -> st.SearchStrategy[Filter]:
        within = [
            AttributePath(None, each.sub)
            for each in candidates
            if each.attribute is path.attribute and each.sub is not None
        ]
        return st.builds(ValuePath, st.just(path), nested(comparisons(within), 4))

    complex_ones = [path for path in candidates if path.leaf.type == "complex"]
    value_paths = st.sampled_from(complex_ones).flatmap(value_path)
    return nested(comparisons(candidates) | value_paths, 6)


def filter_on(text: str) -> tuple[ResourceType, Filter]:
    resource_type = GROUP if text.startswith("members") else USER
    return resource_type, parse_filter(text, resource_type)


KINDS_OF_FILTER = (
    *('title eq "a"', 'title ne "a"', 'not (title eq "a")', 'title co "%"', 'title ew "_"'),
    *('title sw "a\U0010ffff"', 'userName sw "\U0010ffff"', 'userName sw ""', 'title ew ""'),
    *("emails pr", "name pr", "emails.primary pr", "emails[primary eq false]", "meta pr"),
    *('emails eq "a"', 'emails.value ne "a"', 'emails[type eq "work"].value eq "a"'),
    *('emails[value eq "a" and value eq "b"]', 'emails[not (type eq "work")]', "emails eq null"),
    *('name[not (familyName eq "a")]', 'addresses.country ne "a"', 'schemas eq "URN:a"'),
    *('groups.display eq "a"', "groups pr", 'groups[value eq "g001" and type eq "direct"]'),
    *('groups.type ne "direct"', f'{ENTERPRISE}:manager.displayName co "a"', "externalId eq null"),
    *(f"{CUSTOM}:level gt 1", f"{CUSTOM}:level eq 1.0", f"{CUSTOM}:remote eq false"),
    *(f'{CUSTOM}:hired eq "2024-01-01T00:00:00Z"', f"not ({CUSTOM}:remote eq true)"),
    *('members eq "u000"', 'members.type eq "user"', 'members[display co "a"]', "members pr"),
    *('members.value ne "u000"', 'members[not (value eq "u000")]', 'members.display gt "a"'),
    *('meta.version eq "W/\\"1\\""', 'meta.created gt "2023-01-01T00:00:00Z"', "active ne true"),
    *('meta[resourceType eq "User" and not (version eq "x")]', 'meta.resourceType gt "A"'),
)


async def test_sql_finds_whom_the_filter_matches(world: World) -> None:
    for text in KINDS_OF_FILTER:
        resource_type, filter = filter_on(text)
        found = await world.found(resource_type, filter)
        assert (text, found) == (text, world.expected(resource_type, filter))


# The directory stays as it is, so that every example may be asked of the same.
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@SHARED
@given(filter=filters(USER))
async def test_any_filter_finds_the_people_whom_it_matches(world: World, filter: Filter) -> None:
    assert await world.found(USER, filter) == world.expected(USER, filter)


@SHARED
@given(filter=filters(GROUP))
async def test_any_filter_finds_the_groups_that_it_matches(world: World, filter: Filter) -> None:
    assert await world.found(GROUP, filter) == world.expected(GROUP, filter)


async def test_a_filter_at_the_limits_is_answered(world: World) -> None:
    deep = "title pr"
    for _ in range(MAX_DEPTH - 1):
        deep = f"not ({deep})"
    half = MAX_COMPARISONS // 2
    wide = " or ".join(['emails[type sw "q" and not (value ew "q")]'] * half)
    for text in (deep, wide, f"not ({wide})", " and ".join(['members co "a"'] * MAX_COMPARISONS)):
        resource_type = GROUP if "members" in text else USER
        filter = parse_filter(text, resource_type)
        assert await world.found(resource_type, filter) == world.expected(resource_type, filter)


@pytest.mark.parametrize(
    "old, new, value",
    [
        ("string", "decimal", "5"),
        ("string", "dateTime", "2024"),
        ("string", "boolean", "true"),
        ("decimal", "string", 5),
        ("boolean", "string", True),
        ("boolean", "decimal", True),
        ("decimal", "boolean", 1),
    ],
)
async def test_a_value_of_another_type_than_the_attribute_has_now_equals_nothing(
    database: Database, old: Any, new: Any, value: Json
) -> None:
    before, after = (user_type((CustomAttribute("x", each),)) for each in (old, new))
    body: JsonObject = {
        "schemas": [urns.USER],
        "userName": "a",
        "active": True,
        CUSTOM: {"x": value},
    }
    resource = check(body, before).resource
    meta = {"created": 0, "last_modified": 0, "version": 1}
    [statement] = user_statements(1, 1, "u1", resource, meta, before)
    await database.write(lambda tx: tx.write(statement))
    literals = {"string": ("5", "true"), "decimal": (5, 1), "boolean": (True,)}
    world = World(database, {"User": {"u1": {**resource, "id": "u1"}}})
    path = AttributePath(CUSTOM, after.extensions[-1].schema.attributes[0])
    for operator in OPERATORS[new]:
        for literal in literals.get(new, ("2024-01-01T00:00:00Z",)):
            filter = Compare(path, operator, literal)
            assert (filter, await world.found(after, filter)) == (
                filter,
                world.expected(after, filter),
            )
