"""What is stored and what is not: custom attributes, presets, and a connection's settings."""

from typing import Any

import pytest

from meibo.scim import urns
from tests.web.scim.service import (
    CUSTOM,
    ENTERPRISE,
    IdentityProvider,
    Service,
    add,
    refusal,
    remove,
    replace,
    user,
)

VALUES = {"costCenter7Code": "C-1", "level": 2.5, "remote": True, "hired": "2026-04-01T00:00:00Z"}
TYPES: Any = {"costCenter7Code": "text", "level": "number", "remote": "boolean", "hired": "date"}


@pytest.fixture
async def custom(service: Service) -> None:
    for name, type in TYPES.items():
        await service.add_attribute(name, type)


@pytest.mark.usefixtures("custom")
async def test_custom_attributes_are_kept_found_and_published(idp: IdentityProvider) -> None:
    created = await idp.create_user(**{CUSTOM: VALUES})
    assert created["schemas"] == [urns.USER, CUSTOM]
    assert created[CUSTOM] == VALUES
    for filter in (
        f'{CUSTOM}:costCenter7Code eq "c-1"',
        f"{CUSTOM}:level gt 2",
        f"{CUSTOM}:remote eq true",
        f'{CUSTOM}:hired eq "2026-04-01T09:00:00+09:00"',
    ):
        assert await idp.find("/Users", filter) == [created["id"]]
    published = (await idp.get(f"/Schemas/{CUSTOM}")).json()
    assert {each["name"]: each["type"] for each in published["attributes"]} == {
        "costCenter7Code": "string",
        "level": "decimal",
        "remote": "boolean",
        "hired": "dateTime",
    }


@pytest.mark.usefixtures("custom")
async def test_custom_attributes_change_like_any_others(
    service: Service, idp: IdentityProvider
) -> None:
    created = await idp.create_user(**{CUSTOM: VALUES})
    path = f"/Users/{created['id']}"
    answer = await idp.patch(
        path,
        replace(f"{CUSTOM}:COSTCENTER7CODE", "C-2"),
        remove(f"{CUSTOM}:remote"),
        replace(None, {CUSTOM: {"level": 3}}),
    )
    assert answer.json()[CUSTOM] == {
        "costCenter7Code": "C-2",
        "level": 3,
        "hired": VALUES["hired"],
    }
    *_, last = await service.changes()
    assert f'"{CUSTOM}:costCenter7Code":{{"before":"C-1","after":"C-2"}}' in last.attributes
    assert CUSTOM not in (await idp.put(path, user())).json()


WRONG = {"costCenter7Code": 7, "level": "high", "remote": "maybe", "hired": "yesterday"}


@pytest.mark.usefixtures("custom")
@pytest.mark.parametrize("name", WRONG)
async def test_a_custom_value_of_another_type_is_refused(
    strict: IdentityProvider, name: str
) -> None:
    answer = await strict.post("/Users", user(**{CUSTOM: {name: WRONG[name]}}))
    assert name in refusal(answer, 400, "invalidValue")


async def test_an_attribute_can_be_used_from_the_moment_it_is_defined(
    service: Service, idp: IdentityProvider
) -> None:
    created = await idp.create_user(**{CUSTOM: {"badge": "7"}})
    assert CUSTOM not in created
    assert (await idp.get(f"/Schemas/{CUSTOM}")).status_code == 404
    await service.add_attribute("badge")
    idp = await service.connect(idp.name)  # what is known of a token may be a second old
    answer = await idp.patch(f"/Users/{created['id']}", add(f"{CUSTOM}:badge", "7"))
    assert answer.json()[CUSTOM] == {"badge": "7"}


# -- attributes that nobody has defined ------------------------------------------------------------


async def test_unknown_attributes_are_left_out_and_named_in_the_log(
    service: Service, idp: IdentityProvider
) -> None:
    vendor = "urn:example:vendor:2.0:User"
    created = await idp.create_user(shoeSize=43, **{vendor: {"badge": 7}}, name={"nick": "A"})
    assert set(created) == {"schemas", "id", "userName", "active", "meta"}
    path = f"/Users/{created['id']}"
    patched = await idp.patch(path, replace("title", "x"), replace("shoeSize", 44))
    assert patched.json()["title"] == "x"
    put, post = await idp.put(path, user(shoeSize=45)), await idp.post("/Groups", {"shoeSize": 1})
    assert put.status_code == 200
    assert post.status_code == 400
    rows = {row.method: row for row in await service.log()}
    assert rows["PATCH"].ignored == "shoeSize"
    assert rows["PUT"].ignored == "shoeSize"
    first = (await service.log())[0].ignored
    assert first is not None
    assert sorted(first.split(",")) == sorted(["shoeSize", vendor, "name.nick"])


async def test_a_connection_may_refuse_unknown_attributes(service: Service) -> None:
    idp = await service.connect(unknown_attributes="refuse")
    created = await idp.create_user(password="s3cret")
    path = f"/Users/{created['id']}"
    for answer in (
        await idp.post("/Users", user("bob", shoeSize=43)),
        await idp.put(path, user(shoeSize=43)),
        await idp.patch(path, replace("title", "x"), replace("shoeSize", 43)),
        await idp.patch(path, replace(None, {"title": "x", "shoeSize": 43})),
    ):
        assert "shoeSize" in refusal(answer, 400, "invalidValue")
    assert await idp.read(created) == created
    assert (await idp.get("/Users")).json()["totalResults"] == 1


async def test_a_strict_connection_refuses_unknown_paths_in_a_patch_only(
    strict: IdentityProvider,
) -> None:
    created = await strict.create_user(shoeSize=43)
    path = f"/Users/{created['id']}"
    for operation in (replace("shoeSize", 44), replace(None, {"title": "x", "shoeSize": 44})):
        refusal(await strict.patch(path, operation), 400, "invalidPath")
    assert await strict.read(created) == created


# -- the preset of an existing product -------------------------------------------------------------


@pytest.fixture
async def neurons(service: Service) -> IdentityProvider:
    return await service.connect(attribute_policy="neurons")


async def test_neurons_keeps_its_list_and_accepts_the_rest(
    service: Service, neurons: IdentityProvider
) -> None:
    await service.add_attribute("badge")
    kept = {
        "externalId": "e1",
        "displayName": "Alice",
        "active": True,
        "name": {"givenName": "Alice", "familyName": "Adams", "formatted": "Alice Adams"},
        "emails": [{"value": "a@a.example", "type": "work", "primary": True}],
        ENTERPRISE: {"department": "Sales"},
        CUSTOM: {"badge": "7"},
    }
    sent: Any = kept | {
        "title": "Engineer",
        "phoneNumbers": [{"value": "1"}],
        "name": {**kept["name"], "middleName": "B"},
        ENTERPRISE: {"department": "Sales", "costCenter": "C", "manager": {"value": "x"}},
        "password": "s3cret",
    }
    created = await neurons.create_user(**sent)
    assert {k: v for k, v in created.items() if k not in ("schemas", "id", "meta", "userName")} == (
        kept
    )
    (row,) = await service.log()
    assert row.ignored is not None
    assert sorted(row.ignored.split(",")) == sorted(
        [
            *("title", "phoneNumbers", "name.middleName"),
            *(f"{ENTERPRISE}:costCenter", f"{ENTERPRISE}:manager"),
        ]
    )


async def test_neurons_ignores_the_same_in_a_patch(
    service: Service, neurons: IdentityProvider
) -> None:
    created = await neurons.create_user()
    answer = await neurons.patch(
        f"/Users/{created['id']}",
        replace("title", "Engineer"),
        replace(f"{ENTERPRISE}:costCenter", "C"),
        replace("displayName", "Alice"),
    )
    assert answer.status_code == 200
    assert answer.json()["displayName"] == "Alice"
    assert "title" not in answer.json()
    assert ENTERPRISE not in answer.json()
    *_, row = await service.log()
    assert row.ignored == f"title,{ENTERPRISE}:costCenter"
    assert row.quirks == "unknown-attribute"


async def test_neurons_publishes_what_it_keeps(neurons: IdentityProvider) -> None:
    published = (await neurons.get(f"/Schemas/{urns.USER}")).json()
    assert [each["name"] for each in published["attributes"]] == [
        *("userName", "name", "displayName", "active", "emails", "groups")
    ]
    enterprise = (await neurons.get(f"/Schemas/{ENTERPRISE}")).json()
    assert [each["name"] for each in enterprise["attributes"]] == ["department"]


async def test_a_filter_on_what_neurons_does_not_keep_is_refused(neurons: IdentityProvider) -> None:
    refusal(await neurons.get("/Users?filter=title+eq+%22x%22"), 400, "invalidFilter")


# -- settings --------------------------------------------------------------------------------------


async def test_a_connection_may_require_an_email_address(service: Service) -> None:
    idp = await service.connect(email_required="on")
    detail = refusal(await idp.post("/Users", user("alice")), 400, "invalidValue")
    assert "emails" in detail
    await idp.create_user("bob@a.example")  # a user name that is one will do
    carol = await idp.create_user("carol", emails=[{"value": "carol@a.example"}])
    path = f"/Users/{carol['id']}"
    for answer in (await idp.put(path, user("carol")), await idp.patch(path, remove("emails"))):
        refusal(answer, 400, "invalidValue")
    assert await idp.read(carol) == carol


async def test_neurons_requires_an_email_address_too(neurons: IdentityProvider) -> None:
    refusal(await neurons.post("/Users", user("alice")), 400, "invalidValue")


async def test_a_connection_may_refuse_whoever_arrives_inactive(service: Service) -> None:
    idp = await service.connect(inactive_on_create="refuse")
    answer = await idp.post("/Users", user(active=False))
    assert "active" in refusal(answer, 400, "invalidValue")
    created = await idp.create_user()
    assert (await idp.patch(f"/Users/{created['id']}", replace("active", False))).is_success
    await idp.delete(f"/Users/{created['id']}")
    refusal(await idp.post("/Users", user(active=False)), 400, "invalidValue")


async def test_whoever_arrives_inactive_is_taken_as_that(idp: IdentityProvider) -> None:
    assert (await idp.create_user(active=False))["active"] is False
