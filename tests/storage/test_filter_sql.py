"""Filters in SQL mean what they mean in memory, on both engines."""

import random
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meibo.scim import urns
from meibo.scim.comparison import format_date_time
from meibo.scim.core_schemas import CustomAttribute, CustomType, user_type
from meibo.scim.errors import InvalidFilter
from meibo.scim.filter import And, Compare, Filter, Not, Or, Present, ValuePath, matches
from meibo.scim.parser import MAX_COMPARISONS, MAX_DEPTH, parse_filter
from meibo.scim.path import AttributePath
from meibo.scim.representation import etag
from meibo.scim.resource import check
from meibo.scim.schema import Attribute, Json, JsonObject, ResourceType
from meibo.storage.database import Database, Transaction
from meibo.storage.dialect import POSTGRESQL, SQLITE, Dialect
from meibo.storage.engine import open_database
from meibo.storage.filter_sql import compile_filter
from tests.postgres import PostgresCluster
from tests.storage.filter_world import (
    CUSTOM,
    ENTERPRISE,
    GROUP,
    INSTANTS,
    MICROS,
    NUMBERS,
    TEXTS,
    USER,
    World,
    populate,
    user_statements,
)

each_dialect = pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL], ids=lambda it: it.engine)

UNSEARCHABLE = {
    "meta.location": USER,
    "groups.$ref": USER,
    f"{ENTERPRISE}:manager.$ref": USER,
    "members.$ref": GROUP,
}


@each_dialect
def test_a_filter_on_one_column_is_one_comparison(dialect: Dialect) -> None:
    condition = compile_filter(parse_filter('userName eq "ALICE"', USER), USER, dialect)
    assert (condition.sql, condition.parameters) == ("u.user_name_key = :p0", {"p0": "alice"})


@each_dialect
@pytest.mark.parametrize("path", UNSEARCHABLE)
def test_a_url_made_for_the_request_cannot_be_searched_by(path: str, dialect: Dialect) -> None:
    resource_type = UNSEARCHABLE[path]
    name, _, sub = path.rpartition(".")
    for text in (f'{path} sw "http"', f"{path} pr", f"not ({path} pr)", f'{name}[{sub} eq "x"]'):
        filter = parse_filter(text, resource_type)
        with pytest.raises(InvalidFilter, match="cannot be searched by"):
            compile_filter(filter, resource_type, dialect)


@each_dialect
def test_no_literal_and_no_attribute_name_gets_into_the_sql(dialect: Dialect) -> None:
    resource_type = user_type((CustomAttribute("zebra"),))
    literal = "zebra'); drop table users; --"
    for operator in ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"):
        for path in ("userName", "title", "emails", "emails.type", "groups", f"{CUSTOM}:zebra"):
            text = f'{path} {operator} "{literal}" or not ({path} {operator} "{literal}")'
            condition = compile_filter(parse_filter(text, resource_type), resource_type, dialect)
            assert "zebra" not in condition.sql
            assert "urn" not in condition.sql
            assert literal in condition.parameters.values()


@each_dialect
def test_filters_of_one_shape_share_their_sql(dialect: Dialect) -> None:
    text = 'title co "%s" and emails[type eq "%s" and value ew "%s"] or userName sw "%s"'
    first, second = (
        compile_filter(parse_filter(text % ((word,) * 4), USER), USER, dialect)
        for word in ("a", "bcd")
    )
    assert first.sql == second.sql
    assert first.parameters.keys() == second.parameters.keys()


# -- against a directory -------------------------------------------------------------------------


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await open_database(database_url, migrate=True)
    yield database
    await database.close()


@pytest_asyncio.fixture
async def world(database: Database) -> World:
    return await populate(database, random.Random(7))


OF_USERS = (
    *('title eq "a"', 'title ne "a"', 'not (title eq "a")', 'title co "%"', 'title ew "_"'),
    *('title sw "a\U0010ffff"', 'title ew ""', 'title gt "B"', 'title le "\uffff"', "title pr"),
    *('userName sw "a"', 'userName sw "\U0010ffff"', 'userName sw ""', 'userName co "1"'),
    *('externalId ne "a1"', "externalId eq null", "externalId ne null", 'id gt "u010"'),
    *("emails pr", "emails.primary pr", "emails[primary eq false]", 'emails[type eq ""]'),
    *('emails eq "a"', 'emails eq ""', 'emails ne "a"', 'emails[type eq "work"].value eq "a"'),
    *('emails[value co "a"]', 'emails[value eq "a" or type pr]', "emails[value eq null]"),
    *('emails[value eq "a" and value eq "b"]', 'emails[not (type eq "work")]', "emails eq null"),
    *("name pr", 'name[not (familyName eq "a")]', 'addresses.country ne "a"', "active ne true"),
    *('x509Certificates eq "TUlJ"', f'schemas eq "{ENTERPRISE.upper()}"', 'schemas co ":custom"'),
    *('groups.display eq "a"', 'groups[value eq "g001" and type eq "direct"]', "groups pr"),
    *('groups.type ne "direct"', 'groups[not (display eq "a")]', 'groups.value sw "g00"'),
    *(
        f"{ENTERPRISE}:manager pr",
        f'{ENTERPRISE}:manager.displayName co "a"',
        f"{ENTERPRISE}:manager.displayName pr",
    ),
    *(f'{ENTERPRISE}:manager[value ne "u001"]', f'{ENTERPRISE}:department eq "a"'),
    *(f"{CUSTOM}:level gt 1", f"{CUSTOM}:level eq 1.0", f"{CUSTOM}:level eq 0.30000000000000004"),
    *(f'{CUSTOM}:hired eq "2024-01-01T00:00:00Z"', f'{CUSTOM}:hired lt "2000-01-01T00:00:00Z"'),
    *(f"{CUSTOM}:remote eq false", f"not ({CUSTOM}:remote eq true)", f"{CUSTOM}:remote pr"),
    *('meta.version eq "W/\\"1\\""', 'meta.created gt "2023-01-01T00:00:00Z"', "meta pr"),
    *('meta[resourceType eq "User" and not (version eq "x")]', 'meta.resourceType gt "A"'),
)
OF_GROUPS = (
    *('displayName sw "a"', 'displayName sw "\ud7ff"', 'displayName sw "\U0010ffff"'),
    *('members eq "u000"', 'members.type eq "user"', 'members[display co "a"]', "members pr"),
    *('members ne "u000"', 'members[not (value eq "u000")]', 'members.display gt "a"'),
    *('members[value eq "g001" and type eq "Group"]', 'members.display eq "a"'),
    *('externalId sw "a"', 'meta.lastModified le "2023-01-01T00:00:00Z"'),
)


async def compare(world: World, resource_type: ResourceType, texts: Iterable[str]) -> None:
    for text in texts:
        filter = parse_filter(text, resource_type)
        found = await world.found(resource_type, filter)
        assert (text, found) == (text, world.expected(resource_type, filter))


async def test_sql_finds_what_the_filter_matches(world: World) -> None:
    await compare(world, USER, OF_USERS)
    await compare(world, GROUP, OF_GROUPS)


async def test_the_order_of_a_database_for_people_changes_nothing(
    postgres_server: PostgresCluster,
) -> None:
    """A database of a locale sorts a, B, c; filters go by code points."""
    postgres_server.execute(
        "CREATE DATABASE meibo_in_english TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
    )
    url = postgres_server.url("meibo_in_english")
    database = await open_database(url, migrate=True)
    try:
        world = await populate(database, random.Random(7))
        await compare(world, USER, OF_USERS)
        await compare(world, GROUP, OF_GROUPS)
    finally:
        await database.close()
        postgres_server.drop_database(url)


BY_INDEX = (
    *((USER, 'userName eq "a"'), (USER, 'externalId eq "a"'), (USER, 'id eq "a"')),
    *((USER, 'emails eq "a"'), (USER, 'emails[type eq "work"].value eq "a"')),
    *((GROUP, 'displayName eq "a"'), (GROUP, 'displayName eq "a" and externalId pr')),
    *((USER, 'userName sw "a"'), (USER, 'userName eq "a" and title co "b"')),
    *((GROUP, 'externalId eq "a"'), (GROUP, 'displayName sw "a"'), (GROUP, 'members eq "u000"')),
    *((GROUP, 'id eq "a" and members eq "u000"'), (USER, 'groups.value eq "g000"')),
)


@pytest.mark.parametrize("resource_type, text", BY_INDEX)
async def test_a_frequent_filter_reads_an_index_and_not_the_directory(
    tmp_path: Path, resource_type: ResourceType, text: str
) -> None:
    database = await open_database(f"sqlite:///{tmp_path}/meibo.sqlite3")

    async def plan(tx: Transaction) -> list[str]:
        condition = compile_filter(parse_filter(text, resource_type), resource_type, tx.dialect)
        table, alias = ("users u", "u") if resource_type is USER else ("groups g", "g")
        rows = await tx.all(
            f"""
            EXPLAIN QUERY PLAN
            SELECT {alias}.body FROM {table}
             WHERE {alias}.tenant = :tenant AND {alias}.connection = :connection
               AND {alias}.removed IS NULL AND ({condition.sql})
             ORDER BY {alias}.id
            """,
            tenant=1,
            connection=1,
            **condition.parameters,
        )
        return [row[3] for row in rows]

    steps = await database.read(plan)
    await database.close()
    # More than the tenant and the connection lead to the rows of every table.
    assert [step for step in steps if "SCAN" in step and "VIRTUAL" not in step] == []
    assert not [step for step in steps if step.endswith(("(tenant=?)", "AND connection=?)"))]


async def test_a_filter_at_the_limits_is_answered(world: World) -> None:
    deep = "title pr"
    for _ in range(MAX_DEPTH - 1):
        deep = f"not ({deep})"
    wide = " or ".join(['emails[type sw "q" and not (value ew "q")]'] * (MAX_COMPARISONS // 2))
    await compare(
        world, USER, (deep, wide, f"not ({wide})", f"emails[{deep.replace('title', 'type')}]")
    )
    await compare(world, GROUP, [" and ".join(['members.display co "a"'] * MAX_COMPARISONS)])


# The type of a custom attribute when the value was written, its type now, and the value.
STALE: tuple[tuple[CustomType, CustomType, Json], ...] = (
    ("string", "decimal", "5"),
    ("string", "dateTime", "2024"),
    ("string", "boolean", "true"),
    ("decimal", "string", 5),
    ("decimal", "boolean", 1),
    ("boolean", "string", True),
    ("boolean", "decimal", True),
)


async def test_a_value_of_another_type_than_the_attribute_has_now_equals_nothing(
    database: Database,
) -> None:
    literals: dict[str, tuple[Any, ...]]
    literals = {"string": ("5", "true"), "decimal": (5, 1), "boolean": (True,)}
    meta = {"created": 0, "last_modified": 0, "version": 1}
    for place, (old, new, value) in enumerate(STALE):
        before, after = (user_type((CustomAttribute("x", each),)) for each in (old, new))
        body: JsonObject = {"schemas": [urns.USER, CUSTOM], "userName": f"{place}", "active": True}
        resource = check({**body, CUSTOM: {"x": value}}, before).resource
        [statement] = user_statements((1, 1), f"u{place}", resource, meta, before)
        await database.write(lambda tx, statement=statement: tx.write(statement))
        path = AttributePath(CUSTOM, after.extensions[-1].schema.attributes[0])
        for operator in OPERATORS[new]:
            for literal in literals.get(new, INSTANTS):
                filter = Compare(path, operator, literal)
                found = f"u{place}" in await World(database).found(after, filter)
                assert (filter, found) == (filter, matches(filter, resource))


# -- any filter ----------------------------------------------------------------------------------

OPERATORS: dict[str, tuple[Any, ...]] = {
    "string": ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"),
    "reference": ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"),
    "dateTime": ("eq", "ne", "gt", "ge", "lt", "le"),
    "decimal": ("eq", "ne", "gt", "ge", "lt", "le"),
    "boolean": ("eq", "ne"),
    "binary": ("eq", "ne"),
}
WORDS = st.sampled_from(
    (
        *TEXTS,
        *("u000", "u001", "u02", "u", "g000", "g01", "g", "removed", "nobody", "TUlJ"),
        *("User", "group", "direct", urns.USER, ENTERPRISE.upper(), etag(1), etag(10)),
    )
)
LITERALS: dict[str, st.SearchStrategy[Any]] = {
    "string": WORDS | st.builds(str.upper, WORDS) | st.builds(str.__add__, WORDS, WORDS),
    "reference": WORDS,
    "binary": WORDS,
    "dateTime": st.sampled_from((*INSTANTS, *map(format_date_time, MICROS))),
    "decimal": st.sampled_from(NUMBERS) | st.integers(-3, 3) | st.floats(-1e9, 1e9),
    "boolean": st.booleans(),
}


def paths(resource_type: ResourceType) -> Iterator[AttributePath]:
    """Every path that can be searched by."""
    holders: list[tuple[str | None, Iterable[Attribute]]]
    holders = [(None, resource_type.core_attributes())]
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
        at, kind = st.just(path), path.leaf.type
        unassigned = st.builds(Compare, at, st.sampled_from(OPERATORS["boolean"]), st.none())
        assigned = st.builds(Present, at)
        if kind == "complex":
            return unassigned | assigned
        compared = st.builds(Compare, at, st.sampled_from(OPERATORS[kind]), LITERALS[kind])
        return compared | compared | assigned | unassigned

    return st.sampled_from(candidates).flatmap(of)


def nested(leaves: st.SearchStrategy[Filter], most: int) -> st.SearchStrategy[Filter]:
    def around(inner: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
        both = st.builds(And, inner, inner) | st.builds(Or, inner, inner)
        return both | st.builds(Not, inner)

    return st.recursive(leaves, around, max_leaves=most)


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


# Nothing changes the directory, so that every example may be asked of the same.
same_world = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@same_world
@given(filter=filters(USER))
async def test_any_filter_finds_the_people_whom_it_matches(world: World, filter: Filter) -> None:
    assert await world.found(USER, filter) == world.expected(USER, filter)


@same_world
@given(filter=filters(GROUP))
async def test_any_filter_finds_the_groups_that_it_matches(world: World, filter: Filter) -> None:
    assert await world.found(GROUP, filter) == world.expected(GROUP, filter)
