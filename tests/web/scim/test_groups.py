"""Groups and who is in them."""

import asyncio
from typing import Any

import pytest

from meibo.scim import urns
from tests.web.scim.service import (
    PUBLIC_URL,
    IdentityProvider,
    Service,
    add,
    group,
    refusal,
    remove,
    replace,
)

NOBODY = "01a205de-0000-7000-8000-000000000000"


def member(resource: Any, base_url: str) -> Any:
    kind = resource["meta"]["resourceType"]
    return {
        "value": resource["id"],
        "$ref": f"{base_url}/{kind}s/{resource['id']}",
        "type": kind,
    }


def listed(*resources: Any) -> Any:
    return [{"value": each["id"]} for each in resources]


async def people(idp: IdentityProvider, count: int) -> list[Any]:
    return [await idp.create_user(f"user-{number}") for number in range(count)]


# -- life ------------------------------------------------------------------------------------------


async def test_a_group_is_created_with_its_members(idp: IdentityProvider) -> None:
    alice, bob = await people(idp, 2)
    answer = await idp.post("/Groups", group("Staff", [alice, bob], externalId="g1"))
    created = answer.json()
    assert answer.status_code == 201
    assert created == {
        "schemas": [urns.GROUP],
        "id": created["id"],
        "externalId": "g1",
        "displayName": "Staff",
        "members": [member(each, idp.base_url) for each in (alice, bob)],
        "meta": {
            "resourceType": "Group",
            "created": created["meta"]["created"],
            "lastModified": created["meta"]["created"],
            "version": 'W/"1"',
            "location": f"{idp.base_url}/Groups/{created['id']}",
        },
    }
    assert answer.headers["location"] == created["meta"]["location"]
    assert answer.headers["etag"] == 'W/"1"'
    assert await idp.read(created) == created


async def test_an_empty_group_has_no_members_attribute(idp: IdentityProvider) -> None:
    for sent in ({}, {"members": []}, {"members": None}):
        answer = await idp.post("/Groups", group(**sent))
        assert "members" not in answer.json()


async def test_a_put_replaces_the_members_and_clears_what_it_leaves_out(
    service: Service, idp: IdentityProvider
) -> None:
    alice, bob, carol = await people(idp, 3)
    created = await idp.create_group("Staff", [alice, bob], externalId="g1")
    path = f"/Groups/{created['id']}"
    answer = await idp.put(path, group("Staff", [bob, carol]))
    assert answer.status_code == 200
    assert [each["value"] for each in answer.json()["members"]] == [bob["id"], carol["id"]]
    assert "externalId" not in answer.json()
    *_, last = await service.changes()
    assert (last.action, last.version) == ("updated", 2)
    answer = await idp.put(path, group("Staff"))
    assert "members" not in answer.json()
    assert await idp.members(created) == set()


async def test_a_put_of_what_is_there_changes_nothing(
    service: Service, idp: IdentityProvider
) -> None:
    created = await idp.create_group("Staff", await people(idp, 2))
    before = len(await service.changes())
    answer = await idp.put(f"/Groups/{created['id']}", created)
    assert answer.json() == created
    assert len(await service.changes()) == before


async def test_a_removed_group_is_gone_and_its_people_stay_as_they_are(
    service: Service, idp: IdentityProvider
) -> None:
    alice, bob = await people(idp, 2)
    created = await idp.create_group("Staff", [alice, bob])
    before = [await idp.read(each) for each in (alice, bob)]
    path = f"/Groups/{created['id']}"
    assert (await idp.delete(path)).status_code == 204
    after = [await idp.read(each) for each in (alice, bob)]
    assert [{k: v for k, v in each.items() if k != "groups"} for each in before] == after
    for answer in (
        await idp.get(path),
        await idp.put(path, group()),
        await idp.patch(path, replace("displayName", "x")),
        await idp.delete(path),
    ):
        refusal(answer, 404)
    assert (await idp.get("/Groups")).json()["totalResults"] == 0
    assert [each.action for each in (await service.changes())[3:]] == ["removed"]


# -- PATCH -----------------------------------------------------------------------------------------


async def test_a_patch_answers_204_with_the_new_version(idp: IdentityProvider) -> None:
    (alice,) = await people(idp, 1)
    created = await idp.create_group()
    answer = await idp.patch(f"/Groups/{created['id']}", add("members", listed(alice)))
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["etag"] == 'W/"2"'
    assert "content-type" not in answer.headers


@pytest.mark.parametrize(
    "query, has_members",
    [
        pytest.param("attributes=members", True, id="attributes"),
        pytest.param("attributes=displayName", False, id="other attributes"),
        pytest.param("excludedAttributes=members", False, id="excludedAttributes"),
        pytest.param("excludedAttributes=externalId", True, id="other excludedAttributes"),
    ],
)
async def test_a_patch_answers_what_is_asked_for(
    idp: IdentityProvider, query: str, has_members: bool
) -> None:
    (alice,) = await people(idp, 1)
    created = await idp.create_group()
    answer = await idp.patch(f"/Groups/{created['id']}?{query}", add("members", listed(alice)))
    assert answer.status_code == 200
    assert ("members" in answer.json()) is has_members
    assert answer.headers["etag"] == 'W/"2"'


# Operations on a group of the people 0, 1, 2; who is in it afterwards.
MEMBERSHIP: list[Any] = [
    pytest.param(lambda p: [add("members", listed(p[3]))], {0, 1, 2, 3}, id="add"),
    pytest.param(lambda p: [add("members", listed(p[1], p[3]))], {0, 1, 2, 3}, id="add twice"),
    pytest.param(lambda p: [add("members", [])], {0, 1, 2}, id="add nobody"),
    pytest.param(
        lambda p: [remove(f'members[value eq "{p[1]["id"]}"]')], {0, 2}, id="remove by value path"
    ),
    pytest.param(
        lambda p: [{"op": "remove", "path": "members", "value": listed(p[0], p[2])}],
        {1},
        id="remove listed ones",
    ),
    pytest.param(
        lambda p: [{"op": "remove", "path": "members", "value": listed(p[3])}],
        {0, 1, 2},
        id="remove somebody who is not in it",
    ),
    pytest.param(lambda p: [remove("members")], set(), id="remove all"),
    pytest.param(lambda p: [replace("members", [])], set(), id="replace by nobody"),
    pytest.param(lambda p: [replace("members", listed(p[3], p[0]))], {0, 3}, id="replace"),
    pytest.param(
        lambda p: [replace(None, {"displayName": "Crew"})], {0, 1, 2}, id="nothing about members"
    ),
    pytest.param(
        lambda p: [replace(None, {"displayName": "Crew", "members": listed(p[3])})],
        {3},
        id="replace without a path",
    ),
    pytest.param(
        lambda p: [remove(f'members[value eq "{p[0]["id"]}"]'), add("members", listed(p[3]))],
        {1, 2, 3},
        id="remove and add",
    ),
    pytest.param(
        lambda p: [add("members", listed(p[3])), remove(f'members[value eq "{p[3]["id"]}"]')],
        {0, 1, 2},
        id="add and remove",
    ),
    pytest.param(
        lambda p: [remove("members"), add("members", listed(p[1]))], {1}, id="empty and add"
    ),
    pytest.param(
        lambda p: [remove('members[display eq "user-1"]')], {0, 2}, id="remove by another attribute"
    ),
    pytest.param(
        lambda p: [remove('members[type eq "Group"]')], {0, 1, 2}, id="remove by type, no match"
    ),
]


@pytest.mark.parametrize("operations, expected", MEMBERSHIP)
async def test_a_patch_of_members_leaves_the_right_ones(
    service: Service, idp: IdentityProvider, operations: Any, expected: set[int]
) -> None:
    who = await people(idp, 4)
    created = await idp.create_group("Staff", who[:3])
    before = len(await service.changes())
    sent = operations(who)
    answer = await idp.patch(f"/Groups/{created['id']}", *sent)
    assert answer.status_code == 204, answer.text
    assert await idp.members(created) == {who[number]["id"] for number in expected}
    changed = expected != {0, 1, 2} or "displayName" in str(sent)
    assert len(await service.changes()) == before + changed
    assert answer.headers["etag"] == f'W/"{1 + changed}"'
    again = await idp.patch(f"/Groups/{created['id']}", *sent)
    assert again.headers["etag"] == answer.headers["etag"]


async def test_a_change_of_members_names_who_came_and_who_went(
    service: Service, idp: IdentityProvider
) -> None:
    alice, bob = await people(idp, 2)
    created = await idp.create_group("Staff", [alice])
    await idp.patch(f"/Groups/{created['id']}", replace("members", listed(bob)))
    *_, last = await service.changes()
    assert last.action == "members changed"
    assert last.attributes == (
        f'{{"members":{{"added":["{bob["id"]}"],"removed":["{alice["id"]}"]}}}}'
    )


async def test_a_rename_touches_no_member_and_no_member_sees_a_new_version(
    service: Service, idp: IdentityProvider
) -> None:
    (alice,) = await people(idp, 1)
    created = await idp.create_group("Staff", [alice])
    await idp.patch(
        f"/Groups/{created['id']}", replace(None, {"id": created["id"], "displayName": "Crew"})
    )
    assert await idp.members(created) == {alice["id"]}
    after = await idp.read(alice)
    assert after["groups"][0]["display"] == "Crew"
    assert after["meta"] == alice["meta"]
    *_, last = await service.changes()
    assert (last.action, last.resource_id) == ("renamed", created["id"])


async def test_the_cost_of_a_patch_does_not_grow_with_the_group(
    service: Service, idp: IdentityProvider
) -> None:
    *others, new = await people(idp, 41)
    costs: list[tuple[int, int]] = []
    for size in (1, 40):
        created = await idp.create_group("Staff", others[:size])
        service.database.statements.clear()
        service.database.rows_read = 0
        for operation in (
            add("members", listed(new)),
            remove(f'members[value eq "{new["id"]}"]'),
            add("members", listed(new, others[0])),
            {"op": "remove", "path": "members", "value": listed(new)},
            replace(None, {"id": created["id"], "displayName": "Crew"}),
        ):
            assert (await idp.patch(f"/Groups/{created['id']}", operation)).status_code == 204
        costs.append((len(service.database.statements), service.database.rows_read))
    assert costs[0] == costs[1]


async def test_many_who_change_one_group_at_once_lose_nothing(
    service: Service, idp: IdentityProvider
) -> None:
    who = await people(idp, 12)
    created = await idp.create_group("Staff", who[:2])
    path = f"/Groups/{created['id']}"
    answers = await asyncio.gather(
        *(idp.patch(path, add("members", listed(each))) for each in who[2:]),
        *(idp.patch(path, remove(f'members[value eq "{each["id"]}"]')) for each in who[:2]),
    )
    assert {answer.status_code for answer in answers} == {204}
    assert await idp.members(created) == {each["id"] for each in who[2:]}
    versions = [each.version for each in await service.changes() if each.resource_type == "Group"]
    assert versions == list(range(1, 14))


async def test_a_patch_with_one_refused_operation_changes_no_member(
    idp: IdentityProvider,
) -> None:
    alice, bob = await people(idp, 2)
    created = await idp.create_group("Staff", [alice])
    answer = await idp.patch(
        f"/Groups/{created['id']}", add("members", listed(bob)), remove("displayName")
    )
    refusal(answer, 400, "mutability")
    assert await idp.read(created) == created


async def test_if_match_guards_a_group_too(idp: IdentityProvider) -> None:
    alice, bob = await people(idp, 2)
    created = await idp.create_group("Staff", [alice])
    path = f"/Groups/{created['id']}"
    old = {"If-Match": created["meta"]["version"]}
    assert (await idp.patch(path, add("members", listed(bob)), **old)).status_code == 204
    for answer in (
        await idp.patch(path, remove("members"), **old),
        await idp.put(path, group(), **old),
        await idp.delete(path, **old),
    ):
        refusal(answer, 412)
    assert await idp.members(created) == {alice["id"], bob["id"]}


# -- who can be a member ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_a_member_that_nobody_knows_is_skipped_and_named_in_the_log(
    service: Service, idp: IdentityProvider, method: str
) -> None:
    (alice,) = await people(idp, 1)
    members = [{"value": NOBODY}, *listed(alice), {"value": "not-an-id"}]
    created = await idp.create_group("Crew")
    path = f"/Groups/{created['id']}"
    if method == "POST":
        created = (await idp.post("/Groups", group() | {"members": members})).json()
    elif method == "PUT":
        assert (await idp.put(path, group() | {"members": members})).status_code == 200
    else:
        assert (await idp.patch(path, add("members", members))).status_code == 204
    assert await idp.members(created) == {alice["id"]}
    row = next(row for row in await service.log() if row.method == method and row.ignored)
    assert row.ignored == f'members[value eq "{NOBODY}"],members[value eq "not-an-id"]'


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_a_strict_connection_refuses_a_member_that_nobody_knows(
    strict: IdentityProvider, method: str
) -> None:
    (alice,) = await people(strict, 1)
    members = [*listed(alice), {"value": NOBODY}]
    created = await strict.create_group("Crew")
    path = f"/Groups/{created['id']}"
    if method == "POST":
        answer = await strict.post("/Groups", group() | {"members": members})
    elif method == "PUT":
        answer = await strict.put(path, group() | {"members": members})
    else:
        answer = await strict.patch(path, add("members", members))
    assert NOBODY in refusal(answer, 400, "invalidValue")
    assert await strict.read(created) == created
    assert (await strict.get("/Groups")).json()["totalResults"] == 1


@pytest.mark.parametrize("who", ["removed", "of another connection"])
async def test_whom_the_connection_cannot_see_cannot_be_a_member(
    service: Service, idp: IdentityProvider, who: str
) -> None:
    if who == "removed":
        (somebody,) = await people(idp, 1)
        await idp.delete(f"/Users/{somebody['id']}")
    else:
        (somebody,) = await people(await service.connect("elsewhere"), 1)
    created = await idp.create_group("Staff", [somebody])
    assert "members" not in created


async def test_an_inactive_user_can_be_a_member(idp: IdentityProvider) -> None:
    alice = await idp.create_user(active=False)
    created = await idp.create_group("Staff", [alice])
    assert await idp.members(created) == {alice["id"]}


async def test_groups_can_be_members_of_groups(service: Service, idp: IdentityProvider) -> None:
    (alice,) = await people(idp, 1)
    inner = await idp.create_group("Inner", [alice])
    outer = await idp.create_group("Outer", [inner])
    assert outer["members"] == [member(inner, idp.base_url)]
    assert [each["display"] for each in (await idp.read(alice))["groups"]] == ["Inner"]
    assert await idp.find("/Groups", f'members.value eq "{inner["id"]}"') == [outer["id"]]
    before = len(await service.changes())
    await idp.delete(f"/Groups/{inner['id']}")
    after = await idp.read(outer)
    assert "members" not in after
    assert after["meta"]["version"] == 'W/"2"'
    changed = (await service.changes())[before:]
    assert {(each.resource_id, each.action) for each in changed} == {
        (inner["id"], "removed"),
        (outer["id"], "members changed"),
    }


async def test_groups_that_hold_each_other_or_themselves_can_be_removed(
    idp: IdentityProvider,
) -> None:
    one, other = await idp.create_group("one"), await idp.create_group("other")
    await idp.patch(f"/Groups/{one['id']}", add("members", listed(other, one)))
    await idp.patch(f"/Groups/{other['id']}", add("members", listed(one)))
    assert await idp.members(one) == {other["id"]}  # nobody is a member of itself
    assert (await idp.delete(f"/Groups/{one['id']}")).status_code == 204
    assert await idp.members(other) == set()
    assert (await idp.delete(f"/Groups/{other['id']}")).status_code == 204


# -- reading ---------------------------------------------------------------------------------------


async def test_without_members_no_membership_is_read(
    service: Service, idp: IdentityProvider
) -> None:
    created = await idp.create_group("Staff", await people(idp, 2))
    paths = [
        f"/Groups/{created['id']}?excludedAttributes=members",
        f"/Groups/{created['id']}?attributes=displayName",
        "/Groups?excludedAttributes=members",
        "/Groups?attributes=displayName",
        "/Groups?excludedAttributes=members&filter=displayName+eq+%22staff%22",
    ]
    for path in paths:
        service.database.statements.clear()
        answer = await idp.get(path)
        assert answer.status_code == 200
        assert "members" not in answer.text
        assert not [sql for sql in service.database.statements if "memberships" in sql], path


async def test_a_members_name_is_told_when_it_is_asked_for(idp: IdentityProvider) -> None:
    named = await idp.create_user("alice", displayName="Alice")
    nameless = await idp.create_user("bob")
    inner = await idp.create_group("Inner")
    created = await idp.create_group("Staff", [named, nameless, inner])
    assert "display" not in str(created["members"])
    found = await idp.read(created, "?attributes=members.display,members.value")
    assert [each.get("display") for each in found["members"]] == ["Alice", "bob", "Inner"]


async def test_a_large_group_comes_whole_and_in_pieces(
    service: Service, idp: IdentityProvider
) -> None:
    who = await asyncio.gather(*(idp.create_user(f"user-{number}") for number in range(1_003)))
    created = await idp.create_group("Everybody", who)
    ids = sorted(each["id"] for each in who)
    assert [each["value"] for each in created["members"]] == ids
    for query in ("", "?attributes=members", "?excludedAttributes=displayName"):
        found = await idp.read(created, query)
        assert [each["value"] for each in found["members"]] == ids
    listing = (await idp.get("/Groups")).json()
    assert [each["value"] for each in listing["Resources"][0]["members"]] == ids

    path = f"{idp.base_url.removeprefix(PUBLIC_URL)}/Groups/{created['id']}"
    start, *bodies = await service.answer_to(path, idp.token)
    assert b"content-length" not in dict(start["headers"])
    assert len(bodies) >= 4  # the group, a thousand members, three members, the end
    assert max(len(each["body"]) for each in bodies) < 250_000
