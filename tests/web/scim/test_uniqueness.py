"""Names and external ids: who may have which, and who is told whose they are."""

import asyncio
from typing import Any

import pytest

from tests.web.scim.service import IdentityProvider, Service, group, refusal, replace, user

TWINS = [
    pytest.param("alice@a.example", "Alice@A.EXAMPLE", id="letter case"),
    pytest.param("Straße", "STRASSE", id="sharp s"),
    pytest.param("ａｌｉｃｅ", "Alice", id="full width"),
    pytest.param("caf\u00e9", "cafe\u0301", id="composed and decomposed"),
    pytest.param("\u212bngstr\u00f6m", "\u00e5NGSTRÖM", id="Ångström sign"),
    pytest.param("ﬁnn", "FINN", id="ligature"),
    pytest.param("ΣΊΣΥΦΟΣ", "σίσυφος", id="final sigma"),
    pytest.param("ｱｵｲ", "アオイ", id="half-width katakana"),
    pytest.param("İlker", "i̇LKER", id="dotted capital I"),
]
STRANGERS = [
    pytest.param("alice", "аlice", id="Cyrillic a"),
    pytest.param("ilker", "ılker", id="dotless i"),
    pytest.param("はな", "ハナ", id="hiragana and katakana"),
    pytest.param("cafe", "café", id="an accent"),
    pytest.param("a.b", "ab", id="a dot"),
]


@pytest.mark.parametrize("first, second", TWINS)
async def test_twins_cannot_both_have_the_name(
    service: Service, idp: IdentityProvider, first: str, second: str
) -> None:
    created = await idp.create_user(first)
    assert created["userName"] == first  # stored as it was sent
    assert created["id"] in refusal(await idp.post("/Users", user(second)), 409, "uniqueness")
    other = await idp.create_user("somebody else")
    path = f"/Users/{other['id']}"
    for answer in (
        await idp.put(path, user(second)),
        await idp.patch(path, replace("userName", second)),
    ):
        assert created["id"] in refusal(answer, 409, "uniqueness")
    assert await idp.read(other) == other
    assert await idp.find("/Users", f'userName eq "{second}"') == [created["id"]]
    assert len(await service.changes()) == 2


@pytest.mark.parametrize("first, second", STRANGERS)
async def test_names_that_only_look_alike_are_two(
    idp: IdentityProvider, first: str, second: str
) -> None:
    assert (await idp.create_user(first))["id"] != (await idp.create_user(second))["id"]


async def test_ones_own_name_in_another_case_is_a_rename(
    service: Service, idp: IdentityProvider
) -> None:
    created = await idp.create_user("alice@a.example")
    answer = await idp.patch(f"/Users/{created['id']}", replace("userName", "Alice@a.example"))
    assert answer.json()["userName"] == "Alice@a.example"
    *_, last = await service.changes()
    assert last.action == "renamed"


async def test_a_rename_gives_the_old_name_free(idp: IdentityProvider) -> None:
    created = await idp.create_user("alice.adams@a.example")
    answer = await idp.put(f"/Users/{created['id']}", user("alice.blum@a.example"))
    assert answer.json()["id"] == created["id"]
    assert (await idp.create_user("alice.adams@a.example"))["id"] != created["id"]
    assert await idp.find("/Users", 'userName eq "alice.blum@a.example"') == [created["id"]]


async def test_two_can_swap_their_names_by_way_of_a_third(idp: IdentityProvider) -> None:
    a, b = await idp.create_user("a"), await idp.create_user("b")
    for who, name in ((a, "c"), (b, "a"), (a, "b")):
        answer = await idp.patch(f"/Users/{who['id']}", replace("userName", name))
        assert answer.status_code == 200
    assert [(await idp.read(each))["userName"] for each in (a, b)] == ["b", "a"]


async def test_a_connection_may_refuse_renames(service: Service) -> None:
    idp = await service.connect(user_name_changes="refuse")
    created = await idp.create_user()
    path = f"/Users/{created['id']}"
    for answer in (
        await idp.put(path, user("blum@a.example", title="x")),
        await idp.patch(path, replace("title", "x"), replace("userName", "blum@a.example")),
        await idp.patch(path, replace("userName", "ALICE@a.example")),
    ):
        assert "userName cannot be changed" in refusal(answer, 400, "mutability")
    assert await idp.read(created) == created
    assert (await idp.put(path, user(title="x"))).status_code == 200


async def test_a_name_that_another_connection_holds_is_told_without_its_id(
    service: Service,
) -> None:
    one, other = await service.connect("one"), await service.connect("other")
    held = await one.create_user("alice@a.example")
    detail = refusal(await other.post("/Users", user("Alice@a.example")), 409, "uniqueness")
    assert "another connection" in detail
    assert held["id"] not in detail
    assert "one" not in detail.replace("another connection", "")


async def test_external_ids_are_unique_in_the_connection_and_the_resource_type(
    service: Service,
) -> None:
    one, other = await service.connect("one"), await service.connect("other")
    held = await one.create_user("alice", externalId="e1")
    detail = refusal(await one.post("/Users", user("bob", externalId="e1")), 409, "uniqueness")
    assert "externalId" in detail
    assert held["id"] in detail
    for name, external_id in (("bob", "E1"), ("carol", "e1 ")):
        await one.create_user(name, externalId=external_id)
    await other.create_user("dave", externalId="e1")
    held = await one.create_group("Staff", externalId="e1")
    detail = refusal(await one.post("/Groups", group("Crew", externalId="e1")), 409, "uniqueness")
    assert held["id"] in detail
    await other.create_group("Crew", externalId="e1")


@pytest.mark.parametrize("kind", ["Users", "Groups"])
async def test_an_external_id_may_be_set_later_corrected_and_cleared(
    idp: IdentityProvider, kind: str
) -> None:
    async def create(name: str, **more: Any) -> Any:
        return await (idp.create_user if kind == "Users" else idp.create_group)(name, **more)

    one, other = await create("one", externalId="e1"), await create("other")
    path = f"/{kind}/{other['id']}"
    taken = await idp.patch(path, replace("externalId", "e1"))
    assert one["id"] in refusal(taken, 409, "uniqueness")
    assert await idp.read(other) == other
    assert (await idp.patch(path, replace("externalId", "e2"))).is_success
    assert (await idp.patch(f"/{kind}/{one['id']}", replace("externalId", None))).is_success
    assert (await idp.patch(path, replace("externalId", "e1"))).is_success
    assert await idp.find(f"/{kind}", 'externalId eq "e1"') == [other["id"]]


async def test_groups_may_share_a_name(idp: IdentityProvider) -> None:
    """A refusal would block tenants that match groups by their objectId."""
    ids = [(await idp.create_group("Staff"))["id"] for _ in range(2)]
    assert await idp.find("/Groups", 'displayName eq "staff"') == ids


async def test_of_many_who_want_a_name_at_once_one_gets_it(
    service: Service, idp: IdentityProvider
) -> None:
    names = ["alice", "Alice", "ALICE", "ａｌｉｃｅ"] * 3
    answers = await asyncio.gather(*(idp.post("/Users", user(name)) for name in names))
    won = [answer for answer in answers if answer.status_code == 201]
    assert len(won) == 1
    for answer in answers:
        if answer is not won[0]:
            assert won[0].json()["id"] in refusal(answer, 409, "uniqueness")
    assert (await idp.get("/Users")).json()["totalResults"] == 1
    assert len(await service.changes()) == 1


async def test_of_many_posts_that_would_bring_somebody_back_one_does(
    service: Service, idp: IdentityProvider
) -> None:
    created = await idp.create_user(externalId="e1")
    await idp.delete(f"/Users/{created['id']}")
    answers = await asyncio.gather(*(idp.post("/Users", user(externalId="e1")) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
    assert [each.version for each in await service.changes()] == [1, 2, 3]
    assert (await idp.get("/Users")).json()["totalResults"] == 1
