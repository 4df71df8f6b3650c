"""Custom attributes, on both engines."""

import asyncio
import json

import pytest

from meibo.directory import attributes
from meibo.directory.attributes import AttributeRefused
from meibo.scim import urns
from meibo.storage.database import Statement
from tests.access.conftest import House


async def test_an_attribute_is_added_and_listed_with_its_path(house: House) -> None:
    await house.add_attribute("costCenterCode")
    await house.add_attribute("Badge_2", "number")
    listed = await house.read(attributes.list_attributes)
    assert [(each.name, each.type, each.scim_type) for each in listed] == [
        ("Badge_2", "number", "decimal"),
        ("costCenterCode", "text", "string"),
    ]
    assert listed[1].path == f"{urns.CUSTOM_USER}:costCenterCode"
    assert await house.events() == ["Custom Attribute Created", "Custom Attribute Created"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "1st",
        "_x",
        "cost-center",
        "a b",
        "名前",
        "ａ",
        "a" * 65,
        "x\n",
        "groups",
        "USERNAME",
        "department",
        "costCenter",
        "id",
        "meta",
        "schemas",
        "externalId",
        "members",
        "password",
        "taken",
        "TAKEN",
    ],
)
async def test_what_cannot_be_added(house: House, name: str) -> None:
    await house.add_attribute("Taken")
    await house.audit()
    with pytest.raises(AttributeRefused):
        await house.add_attribute(name)
    assert await house.events() == []


async def test_one_of_two_added_at_once_is_refused(house: House) -> None:
    done = await asyncio.gather(
        *(house.add_attribute(name) for name in ("badge", "Badge", "BADGE")),
        return_exceptions=True,
    )
    assert sum(isinstance(each, AttributeRefused) for each in done) == 2
    assert await house.events() == ["Custom Attribute Created"]


async def test_an_attribute_that_nobody_has_is_deleted(house: House) -> None:
    await house.add_attribute("badge", "boolean")
    await house.audit()
    gone = await house.write(attributes.delete, "BADGE")
    assert gone.name == "badge"
    assert await house.read(attributes.list_attributes) == []
    assert await house.events() == ["Custom Attribute Deleted"]


async def test_an_attribute_in_use_is_kept_and_its_people_are_named(house: House) -> None:
    await house.add_attribute("badge")
    await house.add_attribute("unused")
    for number in range(5):
        await add_user(house, f"user{number}", {urns.CUSTOM_USER: {"badge": "x"}})
    await add_user(house, "none", {"displayname": "badge"})
    await house.audit()
    with pytest.raises(AttributeRefused, match=r"5 people .*user0, user1, user2, \.\.\."):
        await house.write(attributes.delete, "badge")
    assert await house.events() == []
    await house.write(attributes.delete, "unused")


async def test_false_is_a_value_and_a_removed_person_has_none(house: House) -> None:
    await house.add_attribute("badge", "boolean")
    await add_user(house, "gone", {urns.CUSTOM_USER: {"badge": True}}, removed=1)
    await add_user(
        house, "other tenant", {urns.CUSTOM_USER: {"badge": True}}, tenant=house.tenant + 1_000_000
    )
    await add_user(house, "here", {urns.CUSTOM_USER: {"badge": False}})
    with pytest.raises(AttributeRefused, match=r"1 person has .*\(here\)"):
        await house.write(attributes.delete, "badge")


async def test_an_attribute_that_is_not_there_cannot_be_deleted(house: House) -> None:
    with pytest.raises(AttributeRefused, match="no custom attribute 'badge'"):
        await house.write(attributes.delete, "badge")


async def add_user(
    house: House,
    name: str,
    search: dict[str, object],
    *,
    removed: int | None = None,
    tenant: int | None = None,
) -> None:
    user = Statement(
        """
        INSERT INTO users (tenant, id, connection, user_name, user_name_key, active, removed,
                           version, created, last_modified, body, search)
        VALUES (:tenant, :name, 1, :name, :name, 1, :removed, 1, 0, 0, '{}', :search)
        """,
        {
            "tenant": tenant or house.tenant,
            "name": name,
            "removed": removed,
            "search": json.dumps(search),
        },
    )
    await house.database.write(lambda tx: tx.write(user))
