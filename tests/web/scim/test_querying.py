"""Queries at the door: filters, pages, .search, and what of each resource is answered."""

import asyncio
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from meibo.scim import urns
from tests.web.scim.service import (
    ENTERPRISE,
    IdentityProvider,
    Service,
    group,
    refusal,
    remove,
    replace,
    user,
)

ALICE = {
    "externalId": "00u1",
    "displayName": "Alice Adams",
    "name": {"givenName": "Alice", "familyName": "Adams"},
    "emails": [
        {"value": "Alice@a.example", "type": "work", "primary": True},
        {"value": "a@home.example", "type": "home"},
    ],
    ENTERPRISE: {"department": "Sales", "employeeNumber": "17"},
}
BOB = {"externalId": "00U1", "active": False, "emails": [{"value": "a@home.example"}]}

# A filter and the people it finds: what identity providers ask, then the rest of the language.
FILTERS = {
    'userName eq "alice@a.example"': "alice",
    'userName eq "ALICE@A.EXAMPLE"': "alice",
    'USERNAME EQ "alice@a.example"': "alice",
    'urn:ietf:params:scim:schemas:core:2.0:User:userName eq "alice@a.example"': "alice",
    'userName eq "nobody@a.example"': "",
    "userName eq alice@a.example": "alice",  # bare, as older clients send it
    'externalId eq "00u1"': "alice",
    'externalId eq "00U1"': "bob",
    'emails.value eq "alice@A.example"': "alice",
    'emails eq "alice@a.example"': "alice",
    'emails.value eq "a@home.example"': "alice bob",
    'emails[type eq "work"].value eq "alice@a.example"': "alice",
    'emails[type eq "work" and value eq "a@home.example"]': "",
    'emails[type eq "home" and value eq "a@home.example"]': "alice",
    'displayName eq "alice adams"': "alice",
    'name.familyName sw "ad"': "alice",
    "active eq true": "alice",
    "active eq false": "bob",
    f'{ENTERPRISE}:department eq "sales"': "alice",
    f'{ENTERPRISE}:employeeNumber eq "17" and active eq true': "alice",
    'userName sw "a" or userName sw "B"': "alice bob",
    'not (userName sw "a")': "bob",
    "externalId pr": "alice bob",
    "displayName pr": "alice",
    'meta.lastModified gt "2020-01-01T00:00:00Z"': "alice bob",
    'meta.created lt "2020-01-01T00:00:00Z"': "",
    'schemas eq "urn:ietf:params:scim:schemas:core:2.0:User"': "alice bob",
}


async def test_a_filter_finds_whom_it_means(idp: IdentityProvider) -> None:
    alice = await idp.create_user("alice@a.example", **ALICE)
    bob = await idp.create_user("bob@a.example", **BOB)
    ids = {"alice": alice["id"], "bob": bob["id"]}
    filters = {
        **FILTERS,
        f'id eq "{alice["id"]}"': "alice",
        f'id eq "{bob["id"]}" and userName eq "bob@a.example"': "bob",
        f'meta.version eq "W/\\"1\\"" and id eq "{bob["id"]}"': "bob",
    }
    found = {filter: await idp.find("/Users", filter) for filter in filters}
    assert found == {
        filter: [ids[who] for who in names.split()] for filter, names in filters.items()
    }


async def test_a_filter_follows_every_change(idp: IdentityProvider) -> None:
    created = await idp.create_user("alice@a.example", **ALICE)
    path = f"/Users/{created['id']}"
    await idp.patch(
        path,
        replace("userName", "blum@a.example"),
        replace("externalId", "00u2"),
        replace('emails[type eq "work"].value', "blum@a.example"),
        replace(f"{ENTERPRISE}:department", "Research"),
    )
    for old, new in (
        ('userName eq "alice@a.example"', 'userName eq "blum@a.example"'),
        ('externalId eq "00u1"', 'externalId eq "00u2"'),
        ('emails.value eq "alice@a.example"', 'emails.value eq "blum@a.example"'),
        (f'{ENTERPRISE}:department eq "sales"', f'{ENTERPRISE}:department eq "research"'),
    ):
        assert await idp.find("/Users", old) == []
        assert await idp.find("/Users", new) == [created["id"]]
    await idp.patch(path, remove("emails"))
    assert await idp.find("/Users", 'emails.value eq "blum@a.example"') == []


async def test_groups_are_found_by_name_external_id_and_member(idp: IdentityProvider) -> None:
    alice = await idp.create_user()
    staff = await idp.create_group("Staff", [alice], externalId="g1")
    crew = await idp.create_group("Crew")
    for filter, expected in {
        'displayName eq "STAFF"': [staff],
        'displayName eq "nothing"': [],
        'externalId eq "g1"': [staff],
        'externalId eq "G1"': [],
        f'members eq "{alice["id"]}"': [staff],
        f'members.value eq "{alice["id"]}"': [staff],
        f'members[value eq "{alice["id"]}"]': [staff],
        f'id eq "{staff["id"]}" and members[value eq "{alice["id"]}"]': [staff],
        f'id eq "{crew["id"]}" and members eq "{alice["id"]}"': [],
        "members pr": [staff],
        'displayName co "r"': [crew],
    }.items():
        assert await idp.find("/Groups", filter) == [each["id"] for each in expected], filter
    assert await idp.find("/Users", f'groups.value eq "{staff["id"]}"') == [alice["id"]]


async def test_form_encoding_of_filters_is_undone(idp: IdentityProvider) -> None:
    names = ("o'neil+tag@a.example", "a&b=c", "100%", "æøå ß", "山田 太郎", 'quo"te', "back\\slash")
    for name in names:
        created = await idp.create_user(name)
        literal = name.replace("\\", "\\\\").replace('"', '\\"')
        text = f'userName eq "{literal}"'
        plus = quote(text, safe="").replace("%20", "+")
        for query in (quote(text), plus):
            found = (await idp.get(f"/Users?filter={query}")).json()
            assert [each["id"] for each in found["Resources"]] == [created["id"]], name


REFUSED = [
    *("", "userName", "userName eq", 'userName == "x"', 'shoeSize eq "43"', 'password eq "x"'),
    *("userName eq 'x'", 'userName eq "x" and', '(userName eq "x"', "active gt true"),
    *('meta.created gt "yesterday"', 'emails[type eq "work"', 'password sw "a" or userName pr'),
    *("not userName pr", "userName eq “x”", 'meta.location sw "https"', "members pr"),
]


async def test_a_filter_that_cannot_be_answered_is_refused_and_never_finds_nothing(
    idp: IdentityProvider,
) -> None:
    await idp.create_user()
    for text in REFUSED:
        answer = await idp.get(f"/Users?filter={quote(text)}")
        assert (text, answer.status_code) == (text, 400)
        refusal(answer, 400, "invalidFilter")
        message = {"schemas": [urns.SEARCH_REQUEST], "filter": text}
        refusal(await idp.post("/Users/.search", message), 400, "invalidFilter")


async def test_a_bare_word_is_a_value_for_tolerant_connections_only(
    service: Service, idp: IdentityProvider, strict: IdentityProvider
) -> None:
    created = await idp.create_user("alice@a.example")
    assert await idp.find("/Users", "userName eq alice@a.example") == [created["id"]]
    answer = await strict.get("/Users?filter=userName+eq+alice@a.example")
    refusal(answer, 400, "invalidFilter")
    assert (await service.log())[1].quirks == "bare-word"


async def test_a_slash_before_the_query_is_let_pass(idp: IdentityProvider) -> None:
    """Microsoft's own collection of test requests has it."""
    created = await idp.create_user()
    found = await idp.get("/Users/?filter=userName+eq+%22alice@a.example%22")
    assert [each["id"] for each in found.json()["Resources"]] == [created["id"]]
    assert (await idp.get("/Groups/?excludedAttributes=members")).status_code == 200


# -- pages -----------------------------------------------------------------------------------------

# A query over seven users: startIndex, itemsPerPage and which of them come.
PAGES: list[Any] = [
    ("", 1, range(7)),
    ("startIndex=1&count=3", 1, range(3)),
    ("startIndex=4&count=3", 4, range(3, 6)),
    ("startIndex=7&count=3", 7, range(6, 7)),
    ("startIndex=8&count=3", 8, range(0)),
    ("startIndex=2147483647&count=1000", 2_147_483_647, range(0)),
    ("startIndex=9999999999", 2_147_483_647, range(0)),
    ("startIndex=0&count=2", 1, range(2)),
    ("startIndex=-5&count=2", 1, range(2)),
    ("STARTINDEX=2&COUNT=1", 2, range(1, 2)),
    ("count=0", 1, range(0)),
    ("count=-1", 1, range(0)),
    ("count=7", 1, range(7)),
    ("count=5000", 1, range(7)),
    ("startIndex=6", 6, range(5, 7)),
    ("aadOptscim062020&count=1", 1, range(1)),
]


@pytest.mark.parametrize("filter", ["", "filter=userName+sw+%22user%22"], ids=["all", "filter"])
@pytest.mark.parametrize("path", ["/Users", "/Groups"])
async def test_pages_have_the_right_numbers(idp: IdentityProvider, path: str, filter: str) -> None:
    create = idp.create_user if path == "/Users" else idp.create_group
    ids = [(await create(f"user-{number}"))["id"] for number in range(7)]
    if path == "/Groups":
        filter = filter.replace("userName", "displayName")
    for query, start_index, expected in PAGES:
        listed = (await idp.get(f"{path}?{query}&{filter}")).json()
        assert [each["id"] for each in listed.pop("Resources")] == [ids[each] for each in expected]
        assert listed == {
            "schemas": [urns.LIST_RESPONSE],
            "totalResults": 7,
            "itemsPerPage": len(expected),
            "startIndex": start_index,
        }, query


async def test_a_page_holds_a_hundred_unless_asked_and_a_thousand_at_most(
    idp: IdentityProvider,
) -> None:
    await asyncio.gather(*(idp.create_user(f"user-{number}") for number in range(1_001)))
    for query, count in (("", 100), ("?count=1000", 1_000), ("?count=1001", 1_000)):
        listed = (await idp.get(f"/Users{query}")).json()
        assert (listed["totalResults"], len(listed["Resources"])) == (1_001, count)


async def test_whoever_arrives_while_an_idp_pages_is_appended(idp: IdentityProvider) -> None:
    ids = [(await idp.create_user(f"user-{number}"))["id"] for number in range(4)]
    first = (await idp.get("/Users?startIndex=1&count=2")).json()
    ids.append((await idp.create_user("a newcomer"))["id"])
    rest = (await idp.get("/Users?startIndex=3&count=100")).json()
    assert [each["id"] for each in first["Resources"] + rest["Resources"]] == ids


async def test_the_total_follows_who_comes_and_goes(idp: IdentityProvider) -> None:
    for path, create in (("/Users", idp.create_user), ("/Groups", idp.create_group)):

        async def total(path: str = path) -> int:
            return (await idp.get(f"{path}?count=0")).json()["totalResults"]

        one, other = await create("one"), await create("other")
        assert await total() == 2
        await idp.delete(f"{path}/{one['id']}")
        assert await total() == 1
        await idp.patch(f"{path}/{other['id']}", replace("displayName", "x"))
        assert await total() == 1
        await create("one")  # a user comes back, a group is a new one
        assert await total() == 2


@pytest.mark.parametrize(
    "query",
    [
        *("count=ten", "count=1_0", "startIndex=1.5", "startIndex=", "count=１"),
        *("filter=userName+pr&filter=userName+pr", "Filter=userName+pr&filter=userName+pr"),
        *("attributes=id&excludedAttributes=userName", "count=99999999999"),
    ],
)
async def test_a_parameter_that_makes_no_sense_is_refused(
    idp: IdentityProvider, query: str
) -> None:
    refusal(await idp.get(f"/Users?{query}"), 400, "invalidValue")


async def test_an_unknown_parameter_is_ignored(idp: IdentityProvider) -> None:
    created = await idp.create_user()
    listed = (await idp.get("/Users?aadOptscim062020&sortBy=userName&x=1")).json()
    assert [each["id"] for each in listed["Resources"]] == [created["id"]]


# -- .search ---------------------------------------------------------------------------------------


async def test_search_answers_as_the_url_does(idp: IdentityProvider) -> None:
    alice = await idp.create_user("alice", title="x")
    await idp.create_user("bob")
    await idp.create_group("Staff", [alice])
    for path, message, query in (
        ("/Users", {"filter": 'userName sw "a"'}, "filter=userName+sw+%22a%22"),
        ("/Users", {"startIndex": 2, "count": 1}, "startIndex=2&count=1"),
        ("/Users", {"attributes": ["userName", "title"]}, "attributes=userName,title"),
        ("/Groups", {"excludedAttributes": ["members"]}, "excludedAttributes=members"),
        ("/Groups", {"filter": 'displayName eq "none"'}, "filter=displayName+eq+%22none%22"),
    ):
        found = await idp.post(f"{path}/.search", {"schemas": [urns.SEARCH_REQUEST], **message})
        assert found.status_code == 200
        assert found.json() == (await idp.get(f"{path}?{query}")).json()
        assert "etag" not in found.headers


# -- what is answered ------------------------------------------------------------------------------


async def test_every_method_answers_what_is_asked_for(idp: IdentityProvider) -> None:
    body: Any = user(title="x", name={"givenName": "Alice", "familyName": "Adams"})
    always = {"schemas": [urns.USER]}
    query = "?attributes=userName,name.familyName"

    async def check(answer: httpx.Response, query: str, expected: Any) -> None:
        shown = answer.json()
        shown = shown["Resources"][0] if "Resources" in shown else shown
        assert shown.pop("id")
        assert shown == always | expected, (answer.request.method, query)

    expected: Any = {"userName": "alice@a.example", "name": {"familyName": "Adams"}}
    created = await idp.post(f"/Users{query}", body)
    await check(created, query, expected)
    path = f"/Users/{created.json()['id']}"
    await check(await idp.get(f"{path}{query}"), query, expected)
    await check(await idp.get(f"/Users{query}"), query, expected)
    await check(await idp.put(f"{path}{query}", body), query, expected)
    await check(await idp.patch(f"{path}{query}", replace("nickName", "Al")), query, expected)
    query = "?excludedAttributes=name.givenName,meta,nickName,active,userName"
    expected = {"title": "x", "name": {"familyName": "Adams"}}
    await check(await idp.get(f"{path}{query}"), query, expected)
    await check(await idp.get(f"/Users{query}"), query, expected)
    await check(await idp.patch(f"{path}{query}", replace("nickName", "A")), query, expected)
    query = "?attributes=nothing.such"
    await check(await idp.get(f"{path}{query}"), query, {})
    etag = (await idp.get(f"{path}{query}")).headers["etag"]
    assert etag == (await idp.get(path)).headers["etag"]


async def test_a_group_answers_what_is_asked_for(idp: IdentityProvider) -> None:
    alice = await idp.create_user()
    created = await idp.post("/Groups?excludedAttributes=members,meta", group("Staff", [alice]))
    staff = created.json()
    assert staff == {"schemas": [urns.GROUP], "id": staff["id"], "displayName": "Staff"}
    found = (await idp.get(f"/Groups/{staff['id']}?attributes=members.value")).json()
    assert found["members"] == [{"value": alice["id"]}]
    put = await idp.put(f"/Groups/{staff['id']}?attributes=displayName", group("Crew", [alice]))
    assert put.json() == staff | {"displayName": "Crew"}


async def test_without_groups_no_membership_is_read(
    service: Service, idp: IdentityProvider
) -> None:
    created = await idp.create_user()
    for path in ("/Users", f"/Users/{created['id']}"):
        for query in ("attributes=userName", "excludedAttributes=groups"):
            service.database.statements.clear()
            assert (await idp.get(f"{path}?{query}")).status_code == 200
            assert not [sql for sql in service.database.statements if "memberships" in sql]


async def test_a_read_and_a_look_up_are_one_statement_each(
    service: Service, idp: IdentityProvider
) -> None:
    created = await idp.create_user()
    await idp.create_group("Staff", [created])
    for path in (
        f"/Users/{created['id']}",
        "/Users?filter=userName+eq+%22alice@a.example%22",
        "/Users?filter=externalId+eq+%22none%22",
        "/Groups?excludedAttributes=members&filter=displayName+eq+%22staff%22",
    ):
        service.database.statements.clear()
        assert (await idp.get(path)).status_code == 200
        assert len(service.database.statements) == 1
