"""Who sees what: connections see their own people, tenants see nothing of each other."""

import itertools
from typing import Any

import httpx

from meibo.access import tenants, tokens
from meibo.access.authentication import DETAIL
from meibo.storage.database import Database
from tests.web.scim.service import (
    PUBLIC_URL,
    IdentityProvider,
    Service,
    add,
    group,
    refusal,
    replace,
    serving,
    user,
)

ENDPOINTS = [
    *(("GET", "/Users"), ("POST", "/Users"), ("POST", "/Users/.search"), ("GET", "/Groups")),
    *(("GET", "/ServiceProviderConfig"), ("GET", "/ResourceTypes"), ("GET", "/Schemas")),
    *(("PATCH", f"/Users/{'0' * 36}"), ("DELETE", f"/Groups/{'0' * 36}"), ("GET", "/Nothing")),
    *(("POST", "/Bulk"), ("GET", ""), ("TRACE", "/Users"), ("GET", "/Users?filter=((((")),
]


async def attempts(idp: IdentityProvider, path: str, body: Any) -> list[httpx.Response]:
    """Everything that can be done to one resource."""
    return [
        await idp.get(path),
        await idp.put(path, body),
        await idp.patch(path, replace("displayName", "x")),
        await idp.delete(path),
    ]


async def test_a_connection_sees_only_its_own_people_and_groups(service: Service) -> None:
    one, other = await service.connect("one"), await service.connect("other")
    alice = await one.create_user("alice", externalId="e1", title="Engineer")
    staff = await one.create_group("Staff", [alice], externalId="g1")
    before = len(await service.changes())
    for path, body in (
        (f"/Users/{alice['id']}", user("x")),
        (f"/Groups/{staff['id']}", group("x")),
    ):
        unknown = await attempts(other, f"{path[: path.rindex('/')]}/{'0' * 36}", body)
        for answer, of_unknown in zip(await attempts(other, path, body), unknown, strict=True):
            # Not to be told from somebody who does not exist.
            detail = refusal(answer, 404).replace(path[path.rindex("/") + 1 :], "0" * 36)
            assert detail == refusal(of_unknown, 404)
    for filter in ('userName eq "alice"', 'externalId eq "e1"', 'title co "e"', "userName pr"):
        assert await other.find("/Users", filter) == []
    for filter in ('displayName eq "staff"', f'members.value eq "{alice["id"]}"'):
        assert await other.find("/Groups", filter) == []
    for path in ("/Users", "/Groups"):
        assert (await other.get(path)).json()["totalResults"] == 0
    crew = await other.create_group("Crew")
    await other.patch(f"/Groups/{crew['id']}", add("members", [{"value": alice["id"]}]))
    assert await other.members(crew) == set()
    assert len(await service.changes()) == before + 1
    assert await one.read(alice) == alice | {"groups": (await one.read(alice))["groups"]}


async def test_tenants_see_nothing_of_each_other(database: Database) -> None:
    async with serving(database) as here, serving(database) as there:
        one, other = await here.connect("idp"), await there.connect("idp")
        alice = await one.create_user("alice", externalId="e1")
        # Names and ids are unique in a tenant.
        twin = await other.create_user("Alice", externalId="e1")
        assert twin["id"] != alice["id"]
        for answer in await attempts(other, f"/Users/{alice['id']}", user("x")):
            refusal(answer, 404)
        assert await other.find("/Users", "userName pr") == [twin["id"]]
        assert [each.resource_id for each in await there.changes()] == [twin["id"]]
        assert [row.resource_id for row in await here.log()][-1] == alice["id"]


async def test_a_token_is_asked_for_before_anything_else(
    service: Service, idp: IdentityProvider
) -> None:
    wrong = ("", f"bearer {idp.token[:-1]}", idp.token, "Basic YTpi")
    for (method, path), authorization in itertools.product(ENDPOINTS, wrong):
        answer = await idp.send(
            method, path, content=b"{not json", headers={"Authorization": authorization}
        )
        assert refusal(answer, 401) == DETAIL
        assert answer.headers["www-authenticate"] == 'Bearer realm="Meibo"'
    assert await service.log() == []


async def test_a_token_is_refused_at_another_tenants_url(database: Database) -> None:
    async with serving(database) as here, serving(database) as there:
        idp = await here.connect()
        await there.connect()
        for base_url in (
            there.base_url,
            f"{PUBLIC_URL}/scim/v2",
            f"{PUBLIC_URL}/t/nobody/scim/v2",
            f"{PUBLIC_URL}/t/{here.tenant.slug.upper()}/scim/v2",
            f"{PUBLIC_URL}/t/%20{here.tenant.slug}/scim/v2",
        ):
            stray = IdentityProvider(here.http, base_url, idp.token, "stray")
            assert refusal(await stray.get("/Users"), 401) == DETAIL
        assert (await idp.get("/Users")).status_code == 200


async def test_the_default_tenant_is_at_the_root(database: Database) -> None:
    async with serving(database, tenants.DEFAULT_TENANT) as service:
        assert service.base_url == "https://meibo.example/scim/v2"
        async with serving(database) as elsewhere:
            foreign = await elsewhere.connect()
            stray = IdentityProvider(service.http, service.base_url, foreign.token, "stray")
            refusal(await stray.get("/Users"), 401)
        issued = await database.write(
            lambda tx: tokens.generate(
                tx,
                service.tenant.id,
                vendor="other",
                connection=f"of {foreign.token[11:23]}",
                by="tests",
                now=1_800_000_000_000_000,
            )
        )
        idp = IdentityProvider(service.http, service.base_url, issued.secret.text, "")
        created = await idp.create_user(f"user of {foreign.token[11:23]}")
        assert created["meta"]["location"] == (
            f"https://meibo.example/scim/v2/Users/{created['id']}"
        )


OTHER_PATHS = (
    *("/SCIM/v2/Users", "/scim/v2/users", "/scim/v2//Users", "//scim/v2/Users"),
    *("/scim/v2/%55sers", "/scim%2fv2/Users", "/scim/v2/./Users", "/scim/v2/Users//"),
    *("/scim/v2/Users/%30", "/scim/v2x/Users", "/scim/Users", "/scim/v2/Users%00"),
    *("/scim/v2/Users/../Groups", "/scim/v2/Users;x=1", "/scim/v2/%2e%2e/Users", "/Users"),
    *("/scim/v2", "/scim/v2/", "/scim/v2/Users\n", "/scim/v2/Users/.search/"),
)


async def test_a_path_is_nothing_but_itself(service: Service, idp: IdentityProvider) -> None:
    """No proxy and no router may see another path than the one that was checked."""
    for path in OTHER_PATHS:
        path = path.replace("/scim/v2", idp.base_url.removeprefix(PUBLIC_URL), 1)
        (start, *_) = await service.answer_to(path, idp.token)
        assert (path, start["status"]) == (path, 404)


async def test_addresses_are_made_of_the_public_url_and_never_of_what_a_client_says(
    idp: IdentityProvider,
) -> None:
    answer = await idp.post(
        "/Users",
        user(),
        **{"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil"},
    )
    assert "evil" not in answer.text + str(answer.headers)
    assert answer.headers["location"].startswith(f"{idp.base_url}/Users/")
