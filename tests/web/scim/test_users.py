"""The life of a user at the door: create, read, replace, patch, and what each answers."""

import asyncio
import re
from typing import Any

import httpx
import pytest

from meibo import clock
from meibo.scim import urns
from meibo.scim.comparison import parse_date_time
from meibo.storage import users
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

WHOLE = {
    "externalId": "00u1",
    "name": {"givenName": "Aoi", "familyName": "佐藤", "formatted": "佐藤 Aoi"},
    "displayName": "佐藤 葵",
    "nickName": "Aoi",
    "profileUrl": "https://people.example/aoi",
    "title": "Engineer",
    "userType": "Employee",
    "preferredLanguage": "ja",
    "locale": "ja-JP",
    "timezone": "Asia/Tokyo",
    "active": True,
    "emails": [
        {"value": "aoi@a.example", "type": "work", "primary": True},
        {"value": "aoi@home.example", "type": "home"},
    ],
    "phoneNumbers": [{"value": "+81 3 0000 0000", "type": "work"}],
    "ims": [{"value": "aoi", "type": "xmpp"}],
    "photos": [{"value": "https://people.example/aoi.png", "type": "photo"}],
    "addresses": [{"locality": "東京", "country": "JP", "type": "work"}],
    "entitlements": [{"value": "car"}],
    "roles": [{"value": "Admin", "display": "Administrators"}],
    "x509Certificates": [{"value": "TUlJ"}],
    ENTERPRISE: {
        "employeeNumber": "17",
        "costCenter": "A",
        "organization": "Meibo",
        "division": "Rosters",
        "department": "Research",
    },
}


@pytest.mark.parametrize("vendor", ["entra", "okta", "other", "strict"])
async def test_what_was_sent_comes_back_with_what_the_server_adds(
    service: Service, vendor: Any
) -> None:
    strict = vendor == "strict"
    idp = await service.connect(vendor, vendor="other" if strict else vendor, strict=strict)
    body = user("Aoi.Sato@a.example", **WHOLE) | {"schemas": [urns.USER, ENTERPRISE]}
    created = await idp.create_user("Aoi.Sato@a.example", **WHOLE)
    added = {"id": created["id"], "meta": created["meta"]}
    assert created == body | added
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-.{12}", added["id"]
    )
    assert added["meta"] == {
        "resourceType": "User",
        "created": added["meta"]["created"],
        "lastModified": added["meta"]["created"],
        "version": 'W/"1"',
        "location": f"{idp.base_url}/Users/{added['id']}",
    }
    assert abs(parse_date_time(added["meta"]["created"]) - clock.now()) < 10_000_000
    assert await idp.read(created) == created


async def test_a_user_is_read_alone_as_it_is_in_a_list(
    service: Service, idp: IdentityProvider
) -> None:
    await idp.create_group("Staff", [created := await idp.create_user()])
    ((connection,),) = await service.rows(
        "SELECT connection FROM users WHERE id = :id", id=created["id"]
    )
    tenant = service.tenant.id
    alone = await service.database.read(
        lambda tx: users.load(tx, tenant, connection, created["id"])
    )
    listed = await service.database.read(
        lambda tx: users.page(tx, tenant, connection, None, skip=0, count=2)
    )
    assert listed == [alone]
    assert listed[0].created == listed[0].last_modified > 0


async def test_location_and_etag_are_those_of_meta_in_every_answer(idp: IdentityProvider) -> None:
    created = await idp.post("/Users", user())
    path = f"/Users/{created.json()['id']}"
    answers = [
        created,
        await idp.get(path),
        await idp.put(path, user(title="Engineer")),
        await idp.patch(path, replace("title", "Manager")),
        await idp.get(path),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 200]
    assert [answer.json()["meta"]["version"] for answer in answers] == [
        *('W/"1"', 'W/"1"', 'W/"2"', 'W/"3"', 'W/"3"')
    ]
    for answer in answers:
        meta = answer.json()["meta"]
        assert answer.headers["etag"] == meta["version"]
        assert answer.headers["location"] == meta["location"] == f"{idp.base_url}{path}"
        assert answer.headers["content-type"] == "application/scim+json"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/Users/{id}", "/Users", "/ServiceProviderConfig", "/Users/{no}"])
async def test_head_is_get_without_the_body(idp: IdentityProvider, path: str) -> None:
    created = await idp.create_user()
    path = path.format(id=created["id"], no="0" * 36)
    got, head = await idp.get(path), await idp.send("HEAD", path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    varying = {"x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in varying} == {
        k: v for k, v in got.headers.items() if k not in varying
    }


CHANGES = [
    pytest.param(replace("title", "Manager"), {"title": "Manager"}, id="an attribute"),
    pytest.param(add("nickName", "Al"), {"nickName": "Al"}, id="a new attribute"),
    pytest.param(remove("title"), {"title": None}, id="a removed attribute"),
    pytest.param(
        replace("name.familyName", "Blum"),
        {"name": {"givenName": "Alice", "familyName": "Blum"}},
        id="a sub-attribute",
    ),
    pytest.param(
        replace('emails[type eq "work"].value', "a2@a.example"),
        {"emails": [{"value": "a2@a.example", "type": "work", "primary": True}]},
        id="a value path",
    ),
    pytest.param(
        replace(None, {f"{ENTERPRISE}:department": "Sales", "active": False}),
        {"active": False, ENTERPRISE: {"department": "Sales"}},
        id="several without a path",
    ),
]


@pytest.mark.parametrize("operation, expected", CHANGES)
async def test_a_patch_changes_what_it_names(
    idp: IdentityProvider, operation: Any, expected: Any
) -> None:
    before = await idp.create_user(
        title="Engineer",
        name={"givenName": "Alice", "familyName": "Adams"},
        emails=[{"value": "a@a.example", "type": "work", "primary": True}],
    )
    answer = await idp.patch(f"/Users/{before['id']}", operation)
    assert answer.status_code == 200
    after = answer.json()
    assert after == await idp.read(before)
    merged = before | expected
    assert {k: v for k, v in after.items() if k not in ("meta", "schemas")} == {
        k: v for k, v in merged.items() if v is not None and k not in ("meta", "schemas")
    }
    assert after["meta"]["version"] == 'W/"2"'


async def test_a_patch_with_one_refused_operation_changes_nothing(
    service: Service, idp: IdentityProvider
) -> None:
    before = await idp.create_user(title="Engineer")
    answer = await idp.patch(
        f"/Users/{before['id']}", replace("title", "Manager"), replace("active", "perhaps")
    )
    refusal(answer, 400, "invalidValue")
    assert await idp.read(before) == before
    assert len(await service.changes()) == 1


async def test_put_clears_what_it_leaves_out_but_active(idp: IdentityProvider) -> None:
    before = await idp.create_user(**WHOLE | {"active": False})
    answer = await idp.put(f"/Users/{before['id']}", user("alice@a.example", title="Manager"))
    after = answer.json()
    assert answer.status_code == 200
    assert {k: v for k, v in after.items() if k != "meta"} == {
        "schemas": [urns.USER],
        "id": before["id"],
        "active": False,
        "userName": "alice@a.example",
        "title": "Manager",
    }
    assert after["meta"]["created"] == before["meta"]["created"]


async def test_put_ignores_what_the_server_owns(idp: IdentityProvider) -> None:
    """Okta sends back the whole object that it has read, changed."""
    before = await idp.create_user(title="Engineer")
    await idp.create_group("Staff", [before])
    whole = await idp.read(before)
    assert whole["groups"]
    answer = await idp.put(
        f"/Users/{before['id']}",
        whole | {"id": "another", "meta": {"version": 'W/"9"', "created": "1999-01-01T00:00:00Z"}},
    )
    assert answer.status_code == 200
    assert answer.json() == whole


NO_CHANGES = [
    pytest.param("PATCH", [replace("title", "Engineer")], id="the same value"),
    pytest.param("PATCH", [replace("title", "x"), replace("title", "Engineer")], id="and back"),
    pytest.param("PATCH", [remove("nickName")], id="nothing to remove"),
    pytest.param("PATCH", [add("emails", [{"value": "a@a.example"}])], id="a value twice"),
    pytest.param("PATCH", [remove('emails[type eq "none"]')], id="a value path without a match"),
    pytest.param("PATCH", [replace("password", "s3cret")], id="a password, which is not kept"),
    pytest.param("PUT", {"title": "Engineer", "emails": [{"value": "a@a.example"}]}, id="put"),
]


@pytest.mark.parametrize("method, sent", NO_CHANGES)
async def test_a_write_that_changes_nothing_moves_nothing(
    service: Service, idp: IdentityProvider, method: str, sent: Any
) -> None:
    before = await idp.create_user(title="Engineer", emails=[{"value": "a@a.example"}])
    path = f"/Users/{before['id']}"
    answer = (
        await idp.patch(path, *sent) if method == "PATCH" else await idp.put(path, user(**sent))
    )
    assert answer.status_code == 200
    assert answer.json() == before == await idp.read(before)
    assert [change.action for change in await service.changes()] == ["created"]


async def test_last_modified_never_goes_back(
    idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock may be set back, or another node's may be behind."""
    created = await idp.create_user()
    group = await idp.create_group("Staff", [created])
    real = clock.now()
    monkeypatch.setattr(clock, "now", lambda: real - 3_600_000_000)
    path = f"/Users/{created['id']}"
    patched = (await idp.patch(path, replace("title", "Manager"))).json()
    assert patched["meta"]["lastModified"] == created["meta"]["lastModified"]
    assert patched["meta"]["version"] == 'W/"2"'
    await idp.delete(path)
    revived = await idp.create_user()
    assert revived["id"] == created["id"]
    assert revived["meta"]["lastModified"] == created["meta"]["lastModified"]
    left = await idp.read(group)
    assert left["meta"]["lastModified"] == group["meta"]["lastModified"]
    assert left["meta"]["version"] == 'W/"2"'


async def conditional(idp: IdentityProvider, method: str, path: str, tag: str) -> httpx.Response:
    condition = {"If-Match": tag}
    if method == "PUT":
        return await idp.put(path, user(path, title="Manager"), **condition)
    if method == "PATCH":
        return await idp.patch(path, replace("title", "Manager"), **condition)
    return await idp.delete(path, **condition)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_a_write_on_the_version_that_was_read_gets_through(
    idp: IdentityProvider, method: str
) -> None:
    for tag in ('W/"1"', '"1"', "*", 'W/"0", W/"1"', '"9","1"'):
        created = await idp.create_user(f"user of {tag!r}")
        answer = await conditional(idp, method, f"/Users/{created['id']}", tag)
        assert (tag, answer.status_code) == (tag, 204 if method == "DELETE" else 200)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_a_write_on_another_version_is_refused(
    service: Service, idp: IdentityProvider, method: str
) -> None:
    created = await idp.create_user()
    for tag in ('W/"2"', '"2"', 'W/"11"', '"one"', "1", ""):
        answer = await conditional(idp, method, f"/Users/{created['id']}", tag)
        assert "has changed since" in refusal(answer, 412)
    assert await idp.read(created) == created
    assert len(await service.changes()) == 1


async def test_if_match_of_somebody_who_is_not_there_is_404(idp: IdentityProvider) -> None:
    refusal(await idp.delete(f"/Users/{'0' * 36}", **{"If-Match": "*"}), 404)


async def test_writers_of_one_user_at_once_lose_nothing(
    service: Service, idp: IdentityProvider
) -> None:
    created = await idp.create_user()
    names = ("title", "nickName", "locale", "timezone", "userType", "displayName")
    answers = await asyncio.gather(
        *(idp.patch(f"/Users/{created['id']}", replace(name, "x")) for name in names)
    )
    assert {answer.status_code for answer in answers} == {200}
    after = await idp.read(created)
    assert {after[name] for name in names} == {"x"}
    assert after["meta"]["version"] == f'W/"{1 + len(names)}"'
    versions = [change.version for change in await service.changes()]
    assert versions == list(range(1, 2 + len(names)))


async def test_of_two_writers_on_one_version_only_one_gets_through(idp: IdentityProvider) -> None:
    created = await idp.create_user()
    path = f"/Users/{created['id']}"
    answers = await asyncio.gather(
        *(idp.patch(path, replace("title", text), **{"If-Match": 'W/"1"'}) for text in "abcd")
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]


async def test_the_extensions_that_have_values_are_listed_in_schemas(
    service: Service, idp: IdentityProvider
) -> None:
    await service.add_attribute("costCenterCode")
    created = await idp.create_user(**{ENTERPRISE: {"department": "Sales"}})
    assert created["schemas"] == [urns.USER, ENTERPRISE]
    path = f"/Users/{created['id']}"
    patched = (await idp.patch(path, add(f"{CUSTOM}:costCenterCode", "C1"))).json()
    assert patched["schemas"] == [urns.USER, ENTERPRISE, CUSTOM]
    bare = (await idp.patch(path, remove(f"{ENTERPRISE}:department"))).json()
    assert bare["schemas"] == [urns.USER, CUSTOM]
    assert ENTERPRISE not in bare


async def test_a_manager_is_answered_with_name_and_reference(
    service: Service, idp: IdentityProvider
) -> None:
    boss = await idp.create_user("boss@a.example", displayName="The Boss")
    manager = {"manager": {"value": boss["id"]}}
    created = await idp.create_user(**{ENTERPRISE: manager})
    shown = {
        "value": boss["id"],
        "$ref": f"{idp.base_url}/Users/{boss['id']}",
        "displayName": "The Boss",
    }
    assert created[ENTERPRISE]["manager"] == shown
    await idp.patch(f"/Users/{boss['id']}", replace("displayName", 'Anna "The" Boss'))
    after = await idp.read(created)
    assert after[ENTERPRISE]["manager"] == shown | {"displayName": 'Anna "The" Boss'}
    assert after["meta"] == created["meta"]  # another's rename moves no version
    await idp.delete(f"/Users/{boss['id']}")
    assert (await idp.read(created))[ENTERPRISE]["manager"] == {"value": boss["id"]}


async def test_a_manager_of_another_connection_stays_a_bare_id(
    service: Service, idp: IdentityProvider
) -> None:
    other = await (await service.connect("elsewhere")).create_user("boss@a.example")
    created = await idp.create_user(**{ENTERPRISE: {"manager": {"value": other["id"]}}})
    assert created[ENTERPRISE]["manager"] == {"value": other["id"]}


async def test_a_user_is_told_the_groups_that_it_is_in(idp: IdentityProvider) -> None:
    created = await idp.create_user()
    assert "groups" not in created
    first, second = [await idp.create_group(name, [created]) for name in ("A", 'B "2"')]
    after = await idp.read(created)
    assert after["groups"] == [
        {
            "value": each["id"],
            "$ref": f"{idp.base_url}/Groups/{each['id']}",
            "display": each["displayName"],
            "type": "direct",
        }
        for each in (first, second)
    ]
    assert after["meta"] == created["meta"]  # membership is the group's, not the user's
    patched = await idp.patch(f"/Users/{created['id']}", replace("title", "Manager"))
    assert patched.json()["groups"] == after["groups"]


async def test_a_password_is_taken_and_never_answered(idp: IdentityProvider) -> None:
    created = await idp.create_user(password="s3cret-1")
    path = f"/Users/{created['id']}"
    put = await idp.put(path, user(title="x", password="s3cret-2"))
    patch = await idp.patch(path, replace("password", "s3cret-3"), replace("title", "y"))
    found = await idp.get("/Users?attributes=password,userName")
    for body in (created, put.json(), patch.json(), found.json()):
        assert "s3cret" not in str(body)
    assert patch.json()["title"] == "y"
