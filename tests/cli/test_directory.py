"""People and groups on the command line, on both engines."""

import asyncio
import re

import pytest

from meibo import clock
from meibo.access import connections, tokens
from meibo.access.connections import Connection, Vendor
from meibo.directory import attributes, groups, users
from meibo.directory.actor import Actor, Rules
from meibo.scim import urns
from meibo.scim.core_schemas import CustomAttribute, group_type, user_type
from meibo.scim.schema import JsonObject
from meibo.storage.database import Database, Transaction
from meibo.storage.engine import open_database
from tests.cli.conftest import Meibo

CUSTOM = [CustomAttribute("costCenterCode")]


@pytest.fixture
def filled(on_both: Meibo) -> Meibo:
    """Two connections with people and a group."""
    asyncio.run(fill(on_both.environment["MEIBO_DATABASE"]))
    return on_both


async def fill(url: str) -> None:
    database = await open_database(url)

    async def add(tx: Transaction) -> None:
        await attributes.add(tx, 1, "costCenterCode", "text", by="x", now=1)

    await database.write(add)
    entra = await make_connection(database, "entra")
    okta = await make_connection(database, "okta")
    hanako = await make_user(
        database,
        entra,
        {
            "userName": "hanako@kaede.example",
            "externalId": "E-1",
            "displayName": "山田 花子",
            "emails": [{"value": "hanako@kaede.example", "type": "work", "primary": True}],
            "name": {"familyName": "山田", "givenName": "花子"},
            urns.CUSTOM_USER: {"costCenterCode": "CC-7"},
        },
    )
    await make_user(database, okta, {"userName": "bob@birch.example", "active": False})
    await make_user(database, okta, {"userName": "eve@birch.example", "displayName": "E\x1b[31mve"})
    actor = Actor(1, entra.id, "entra")
    group: JsonObject = {
        "schemas": [urns.GROUP],
        "displayName": "Sales",
        "members": [{"value": hanako, "type": "User"}],
    }
    await database.write(lambda tx: groups.create(tx, group, group_type(), by=actor, rules=Rules()))
    await database.close()


async def make_connection(database: Database, vendor: Vendor) -> Connection:
    await database.write(lambda tx: tokens.generate(tx, 1, vendor=vendor, by="x", now=clock.now()))
    return await database.read(lambda tx: connections.find(tx, 1, vendor))


async def make_user(database: Database, connection: Connection, user: JsonObject) -> str:
    actor = Actor(1, connection.id, connection.name)
    resource: JsonObject = {"schemas": [urns.USER], **user}
    written = await database.write(
        lambda tx: users.create(tx, resource, user_type(CUSTOM), by=actor, rules=Rules())
    )
    return written.row.id


def names(meibo: Meibo, *arguments: str) -> list[str]:
    return [each["userName"].partition("@")[0] for each in meibo.json("user", *arguments)]


def test_people_of_all_connections_are_listed(filled: Meibo) -> None:
    text = filled("user", "list")
    assert re.search(r"hanako@kaede\.example +山田 花子 +active +E-1 +entra ", text)
    assert re.search(r"bob@birch\.example +inactive +okta ", text)
    assert r"E\u001b[31mve" in text
    assert "\x1b" not in text
    assert names(filled, "list") == ["hanako", "bob", "eve"]


@pytest.mark.parametrize(
    "filter_text, found",
    [
        ("active eq false", ["bob"]),
        ('userName sw "HANAKO"', ["hanako"]),
        ('emails[type eq "work" and value co "kaede"]', ["hanako"]),
        (f'{urns.CUSTOM_USER}:costCenterCode eq "cc-7"', ["hanako"]),
        ('externalId eq "e-1"', []),
        ("title pr", []),
    ],
)
def test_people_are_found_by_scim_filters(
    filled: Meibo, filter_text: str, found: list[str]
) -> None:
    assert names(filled, "list", "--filter", filter_text) == found


@pytest.mark.parametrize("who", ["hanako@kaede.example", "HANAKO@KAEDE.EXAMPLE", "E-1"])
def test_a_person_is_shown_in_full(filled: Meibo, who: str) -> None:
    text = filled("user", "show", who)
    assert re.search(r"^connection +entra$", text, re.MULTILINE)
    assert re.search(r"^name.familyName +山田$", text, re.MULTILINE)
    assert re.search(r"^emails +hanako@kaede.example \(work, primary\)$", text, re.MULTILINE)
    assert re.search(r"^User.costCenterCode +CC-7$", text, re.MULTILINE)
    assert re.search(r"^groups +Sales$", text, re.MULTILINE)
    (shown,) = filled.json("user", "show", who)
    assert shown["connection"] == "entra"
    assert shown["groups"][0]["display"] == "Sales"
    assert names(filled, "show", shown["id"]) == ["hanako"]


def test_who_is_text_and_never_part_of_a_filter(filled: Meibo) -> None:
    assert "nobody is found" in filled.run("user", "show", '" or userName pr or "').stderr


def test_groups_have_a_number_of_members(filled: Meibo) -> None:
    text = filled("group", "list")
    assert re.search(r"^Sales +1 +entra ", text, re.MULTILINE)
    (listed,) = filled.json("group", "list", "--filter", 'displayName eq "sales"')
    assert listed["memberCount"] == 1
    assert "members" not in listed


def test_a_group_is_shown_with_its_members(filled: Meibo) -> None:
    assert re.search(r"^members +山田 花子", filled("group", "show", "Sales"), re.MULTILINE)
    (shown,) = filled.json("group", "show", "--filter", 'displayName sw "S"')
    assert [each["display"] for each in shown["members"]] == ["山田 花子"]


@pytest.mark.parametrize("noun", ["user", "group"])
def test_nothing_found_is_told(filled: Meibo, noun: str) -> None:
    assert "found" in filled(noun, "list", "--filter", 'externalId eq "none"')
    assert filled.json(noun, "list", "--filter", 'externalId eq "none"') == []
    assert "is found" in filled.refused(noun, "show", "none")
    assert filled.run(noun, "show", "none", "--json").stdout == "[]\n"


@pytest.mark.parametrize("noun", ["user", "group"])
@pytest.mark.parametrize("filter_text", ["userName eq", "nothing eq 1", "(" * 5_000, "password pr"])
def test_a_filter_that_is_none_is_a_wrong_command_line(
    filled: Meibo, noun: str, filter_text: str
) -> None:
    line = filled.refused(noun, "list", "--filter", filter_text, code=2)
    assert line.startswith("--filter: ")


def test_showing_nobody_in_particular_is_a_wrong_command_line(meibo: Meibo) -> None:
    assert meibo.run("user", "show").exit_code == 2
    assert meibo.run("group", "show", "x", "--filter", "id pr").exit_code == 2


def test_the_attribute_that_somebody_has_is_kept(filled: Meibo) -> None:
    line = filled.refused("attribute", "delete", "costCenterCode")
    assert line == "1 person has a value of 'costCenterCode' (hanako@kaede.example): clear it first"


def test_another_tenant_sees_nobody(filled: Meibo) -> None:
    filled("tenant", "create", "acme")
    assert filled.json("user", "list", "--tenant", "acme") == []
    assert filled.json("group", "list", "--tenant", "acme") == []
