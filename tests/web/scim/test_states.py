"""Active, inactive, removed, and back: the three states of a user, and who may return."""

from typing import Any

import pytest

from tests.web.scim.service import IdentityProvider, Service, refusal, remove, replace, user


async def test_an_inactive_user_stays_visible_and_keeps_its_groups(
    service: Service, idp: IdentityProvider
) -> None:
    created = await idp.create_user(externalId="e1")
    group = await idp.create_group("Staff", [created])
    path = f"/Users/{created['id']}"
    answer = await idp.patch(path, replace("active", False))
    assert answer.json()["active"] is False
    after = await idp.read(created)
    assert after["active"] is False
    assert [each["value"] for each in after["groups"]] == [group["id"]]
    for filter in ('userName eq "alice@a.example"', 'externalId eq "e1"', "active eq false"):
        assert await idp.find("/Users", filter) == [created["id"]]
    assert await idp.find("/Users", "active eq true") == []
    assert await idp.members(group) == {created["id"]}
    await idp.put(path, user(active=True))
    actions = [change.action for change in await service.changes()]
    assert actions == ["created", "created", "disabled", "enabled"]


async def test_an_inactive_user_holds_its_name(idp: IdentityProvider) -> None:
    created = await idp.create_user(active=False)
    detail = refusal(await idp.post("/Users", user("ALICE@a.example")), 409, "uniqueness")
    assert created["id"] in detail


async def test_active_that_is_taken_away_is_not_true_any_more(idp: IdentityProvider) -> None:
    created = await idp.create_user()
    await idp.patch(f"/Users/{created['id']}", remove("active"))
    for filter in ("active eq true", "active eq false", "active pr"):
        assert await idp.find("/Users", filter) == []
    assert await idp.find("/Users", "not (active pr)") == [created["id"]]


async def test_a_removed_user_is_gone_for_every_method(idp: IdentityProvider) -> None:
    created = await idp.create_user(externalId="e1")
    path = f"/Users/{created['id']}"
    gone = await idp.delete(path)
    assert (gone.status_code, gone.content) == (204, b"")
    answers = [
        await idp.get(path),
        await idp.put(path, user()),
        await idp.patch(path, replace("title", "x")),
        await idp.delete(path),
    ]
    for answer in answers:
        assert created["id"] in refusal(answer, 404)
    for filter in (
        'userName eq "alice@a.example"',
        'externalId eq "e1"',
        f'id eq "{created["id"]}"',
    ):
        assert await idp.find("/Users", filter) == []
    listed = (await idp.get("/Users")).json()
    assert (listed["totalResults"], listed["Resources"]) == (0, [])


async def test_a_removed_user_leaves_its_groups_each_with_a_new_version_and_a_change(
    service: Service, idp: IdentityProvider
) -> None:
    alice, bob = await idp.create_user(), await idp.create_user("bob")
    groups = [await idp.create_group(name, [alice, bob]) for name in "AB"]
    aside = await idp.create_group("C", [bob])
    before = len(await service.changes())
    await idp.delete(f"/Users/{alice['id']}")
    for group in groups:
        after = await idp.read(group)
        assert [each["value"] for each in after["members"]] == [bob["id"]]
        assert after["meta"]["version"] == 'W/"2"'
        assert after["meta"]["lastModified"] > group["meta"]["lastModified"]
    assert (await idp.read(aside))["meta"] == aside["meta"]
    new = (await service.changes())[before:]
    assert sorted((each.resource_type, each.resource_id, each.action) for each in new) == sorted(
        [("User", alice["id"], "removed")]
        + [("Group", each["id"], "members changed") for each in groups]
    )
    assert {each.request for each in new} == {new[0].request}


async def test_a_user_in_very_many_groups_can_be_removed(
    service: Service, idp: IdentityProvider
) -> None:
    """PostgreSQL takes 1,664 results and 32,767 parameters in a statement, and plans it slowly."""
    alice = await idp.create_user()
    for number in range(130):
        await idp.create_group(f"Group {number}", [alice])
    assert (await idp.delete(f"/Users/{alice['id']}")).status_code == 204
    assert (
        await service.rows(
            "SELECT member_id FROM memberships WHERE tenant = :t", t=service.tenant.id
        )
        == []
    )
    assert len(await service.changes()) == 1 + 130 + 1 + 130


# -- revival ---------------------------------------------------------------------------------------


async def test_who_comes_back_keeps_id_and_birthday_and_goes_on_with_the_version(
    service: Service, idp: IdentityProvider
) -> None:
    created = await idp.create_user(externalId="e1", title="Engineer", active=False)
    group = await idp.create_group("Staff", [created])
    await idp.patch(f"/Users/{created['id']}", replace("title", "Manager"))
    await idp.delete(f"/Users/{created['id']}")
    back = await idp.create_user(externalId="e1", nickName="Al")
    assert back == {
        "schemas": created["schemas"],
        "id": created["id"],
        "externalId": "e1",
        "userName": "alice@a.example",
        "nickName": "Al",  # a revival acts as PUT: the title is gone
        "active": False,  # and nothing said keeps it, as in a PUT
        "meta": created["meta"]
        | {"version": 'W/"4"', "lastModified": back["meta"]["lastModified"]},
    }
    assert back["meta"]["lastModified"] > created["meta"]["lastModified"]
    assert await idp.read(back) == back
    assert await idp.members(group) == set()  # the IdP adds it again if it is to be in there
    of_user = [each for each in await service.changes() if each.resource_id == created["id"]]
    assert [(each.action, each.version) for each in of_user] == [
        *(("created", 1), ("updated", 2), ("removed", 3), ("revived", 4))
    ]
    listed = (await idp.get("/Users")).json()
    assert listed["totalResults"] == 1


RETURNS: list[Any] = [
    pytest.param({"externalId": "e1"}, {"externalId": "e1"}, True, id="same external id"),
    pytest.param(
        {"externalId": "e1"},
        {"externalId": "e1", "userName": "blum@a.example"},
        True,
        id="same external id, another name",
    ),
    pytest.param({"externalId": "e1"}, {"externalId": "e2"}, False, id="another external id"),
    pytest.param({"externalId": "e1"}, {"externalId": "E1"}, False, id="external ids have a case"),
    pytest.param({}, {}, True, id="same name, no external id"),
    pytest.param({}, {"userName": "ALICE@A.example"}, True, id="same name in another case"),
    pytest.param({}, {"externalId": "e1"}, True, id="same name, the new one has an external id"),
    pytest.param({"externalId": "e1"}, {}, True, id="same name, the old one has an external id"),
    pytest.param({}, {"userName": "bob@a.example"}, False, id="another name"),
]


@pytest.mark.parametrize("old, new, returns", RETURNS)
async def test_a_post_brings_back_whom_it_means(
    idp: IdentityProvider, old: Any, new: Any, returns: bool
) -> None:
    first = await idp.create_user(**old)
    await idp.delete(f"/Users/{first['id']}")
    again = await idp.post("/Users", user() | new)
    assert again.status_code == 201
    assert (again.json()["id"] == first["id"]) is returns
    assert again.json()["meta"]["version"] == ('W/"3"' if returns else 'W/"1"')


async def test_the_external_id_decides_before_the_name(idp: IdentityProvider) -> None:
    by_id = await idp.create_user("old@a.example", externalId="e1")
    by_name = await idp.create_user("new@a.example")
    for each in (by_id, by_name):  # the one with the name is the latest removed
        await idp.delete(f"/Users/{each['id']}")
    assert (await idp.create_user("new@a.example", externalId="e1"))["id"] == by_id["id"]


async def test_of_several_with_the_name_the_latest_removed_comes_back(
    idp: IdentityProvider,
) -> None:
    ids = []
    for number in range(3):
        created = await idp.create_user(externalId=f"e{number}")
        await idp.delete(f"/Users/{created['id']}")
        ids.append(created["id"])
    assert (await idp.create_user())["id"] == ids[-1]


async def test_a_name_that_many_have_had_hides_nobody(idp: IdentityProvider) -> None:
    ids = []
    for number in range(25):
        created = await idp.create_user(externalId=f"e{number}")
        await idp.delete(f"/Users/{created['id']}")
        ids.append(created["id"])
    assert (await idp.create_user(externalId="e0"))["id"] == ids[0]


async def test_a_returner_finds_the_name_taken(service: Service, idp: IdentityProvider) -> None:
    leaver = await idp.create_user(externalId="e1")
    await idp.delete(f"/Users/{leaver['id']}")
    namesake = await idp.create_user(externalId="e2")
    assert namesake["id"] != leaver["id"]
    answer = await idp.post("/Users", user(externalId="e1"))
    assert namesake["id"] in refusal(answer, 409, "uniqueness")
    refusal(await idp.get(f"/Users/{leaver['id']}"), 404)


async def test_a_strict_connection_brings_nobody_back(strict: IdentityProvider) -> None:
    first = await strict.create_user(externalId="e1")
    await strict.delete(f"/Users/{first['id']}")
    again = await strict.create_user(externalId="e1")
    assert again["id"] != first["id"]
    assert again["meta"]["version"] == 'W/"1"'


async def test_nobody_comes_back_through_another_connection(service: Service) -> None:
    one, other = await service.connect("one"), await service.connect("other")
    first = await one.create_user(externalId="e1")
    await one.delete(f"/Users/{first['id']}")
    again = await other.create_user(externalId="e1")
    assert again["id"] != first["id"]


async def test_a_post_never_brings_back_a_group(idp: IdentityProvider) -> None:
    """Its members of old would come with it."""
    alice = await idp.create_user()
    first = await idp.create_group("Staff", [alice], externalId="g1")
    await idp.delete(f"/Groups/{first['id']}")
    again = await idp.create_group("Staff", externalId="g1")
    assert again["id"] != first["id"]
    assert await idp.members(again) == set()
