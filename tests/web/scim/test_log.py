"""The provisioning log: one row for each request, refused log-ins collapsed."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from meibo.access import tokens
from meibo.storage.errors import DatabaseUnavailable
from meibo.web import app
from tests.web.scim.service import (
    NOW,
    IdentityProvider,
    Service,
    add,
    group,
    remove,
    replace,
    running,
    user,
)


async def test_every_request_leaves_one_row(service: Service, idp: IdentityProvider) -> None:
    alice = await idp.create_user()
    path = f"/Users/{alice['id']}"
    staff = await idp.create_group("Staff", [alice])
    group_path = f"/Groups/{staff['id']}"
    await idp.get(f"{path}?attributes=userName")
    await idp.get("/Users?filter=userName+eq+%22x%22")
    await idp.send("HEAD", path)
    await idp.patch(path, replace("title", "x"))
    await idp.patch(path, replace("title", "x"))
    await idp.patch(path, replace("active", False))
    await idp.put(path, user("blum@a.example", active=False))
    await idp.patch(group_path, remove("members"))
    await idp.post("/Users/.search", {"schemas": []})
    await idp.get("/Schemas")
    await idp.get("/Nothing")
    await idp.post("/Users", {"userName": ["a", "b"]})
    await idp.post("/Users", user("BLUM@a.example"))
    await idp.delete(group_path)
    await idp.delete(path)
    await idp.create_user("blum@a.example")
    rows = [
        (row.method, row.action, row.resource_type, row.resource_id, row.status, row.scim_type)
        for row in await service.log()
    ]
    u, g = alice["id"], staff["id"]
    assert rows == [
        ("POST", "created", "User", u, 201, None),
        ("POST", "created", "Group", g, 201, None),
        ("GET", "look-up", "User", u, 200, None),
        ("GET", "look-up", "User", None, 200, None),
        ("HEAD", "look-up", "User", u, 200, None),
        ("PATCH", "updated", "User", u, 200, None),
        ("PATCH", "no change", "User", u, 200, None),
        ("PATCH", "disabled", "User", u, 200, None),
        ("PUT", "renamed", "User", u, 200, None),
        ("PATCH", "members changed", "Group", g, 204, None),
        ("POST", "look-up", "User", None, 200, None),
        ("GET", "look-up", None, None, 200, None),
        ("GET", "look-up", None, None, 404, None),
        ("POST", "create", "User", None, 400, "invalidValue"),
        ("POST", "create", "User", None, 409, "uniqueness"),
        ("DELETE", "removed", "Group", g, 204, None),
        ("DELETE", "removed", "User", u, 204, None),
        ("POST", "revived", "User", u, 201, None),
    ]


async def test_a_row_tells_who_asked_for_what(service: Service, idp: IdentityProvider) -> None:
    agent = "SCIM-Client/1.0 " + "x" * 600
    answer = await idp.post("/Users?attributes=userName", user(), **{"User-Agent": agent})
    refused = await idp.post("/Users", user())
    first, second = await service.log()
    assert first.id == answer.headers["x-request-id"]
    assert first.token == idp.token[11:23]
    assert first.target == "/Users?attributes=userName"
    assert (first.address, first.user_agent) == ("192.0.2.7", agent[:512])
    assert first.resource_name == "alice@a.example"
    assert first.detail is None
    assert 0 < first.microseconds < 5_000_000
    assert second.detail == refused.json()["detail"]
    assert second.resource_name == "alice@a.example"
    (change,) = await service.changes()
    assert change.request == first.id


# What is sent, and the quirks that fire.
QUIRKS: list[tuple[Any, str]] = [
    ([{"op": "Replace", "path": "active", "value": "True"}], "boolean-as-string"),
    ([replace('emails[type eq "home"].value', "a@home.example")], "replace-creates"),
    ([replace(None, {"name.givenName": "Al"})], "flattened-keys"),
    ([replace("shoeSize", 43)], "unknown-attribute"),
    ([replace("title", "")], "empty-string"),
    ([], "empty-operations"),
    (
        [replace(None, {"name.givenName": "A", "active": "False"})],
        "boolean-as-string,flattened-keys",
    ),
    ([replace("title", "x")], ""),
]


async def test_the_quirks_that_fired_are_named(service: Service) -> None:
    entra = await service.connect("entra", vendor="entra")
    created = await entra.create_user()
    for operations, _ in QUIRKS:
        answer = await entra.patch(f"/Users/{created['id']}", *operations)
        assert answer.status_code == 200
    await entra.post("/Users", {"userName": "bob", "active": "True"})
    await entra.post("/Groups", group() | {"members": [{"value": "0" * 36}]})
    rows = [row.quirks or "" for row in await service.log()]
    assert rows == [
        "",
        *(names for _, names in QUIRKS),
        "boolean-as-string,wrong-schemas",
        "unknown-member",
    ]


async def test_what_a_refused_request_was_forgiven_is_named_too(service: Service) -> None:
    idp = await service.connect()
    created = await idp.create_user()
    await idp.patch(f"/Users/{created['id']}", replace("active", "True"), replace("id", "x"))
    *_, row = await service.log()
    assert (row.status, row.quirks) == (400, "boolean-as-string")


HOSTILE = [
    *("/Users?filter=%00", "/Users?filter=userName+eq+%22%00%22", "/Users?count=%00"),
    *("/Users?a%00=1&a%00=1", "/Users?attributes=%00", "/Users?%FF=1", "/Users/%00", "/%00"),
    *("/Users?filter=%22" + "x" * 8_000, "/Users?filter=%F0%9F%98%80", "/Users?attributes=%0D%0AX"),
]


async def test_whatever_comes_the_log_can_hold_it(service: Service, idp: IdentityProvider) -> None:
    for path in HOSTILE:
        await idp.send("GET", path, headers={"User-Agent": b"caf\xe9 \x7f"})
    await idp.post("/Users", user("name", **{"k" * 5_000 + str(n): n for n in range(20)}))
    await idp.send("BREW" * 40, "/Users")
    rows = await service.log()
    assert len(rows) == len(HOSTILE) + 2
    for row in rows:
        assert len(row.target) <= 2_048
        assert len(row.ignored or "") <= 512
        assert len(row.method) <= 20
        assert "\x00" not in str(tuple(row))


async def test_no_secret_that_stands_in_a_url_is_kept(
    service: Service, idp: IdentityProvider
) -> None:
    for query in (
        'filter=password eq "hunter2"',
        'filter=userName pr and Password sw "hunter2"',
        "filter=%70assword eq hunter2",
        f"access_token={idp.token}",
    ):
        await idp.get(f"/Users?{quote(query, safe='=%')}")
    await idp.get(f"/Users/{idp.token}")
    rows = str(await service.log())
    assert "hunter2" not in rows
    assert idp.token[-49:] not in rows


@pytest.fixture
async def quick_log(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is written a hundred times a second."""
    monkeypatch.setattr(app, "LOG_SECONDS", 0.01)
    await service.stop()
    await service.start()


@pytest.mark.usefixtures("quick_log")
async def test_a_row_outlives_the_stop_that_comes_while_it_is_stored(
    service: Service, idp: IdentityProvider
) -> None:
    """Some of them are on their way to the log when the service is told to stop."""
    for number in range(60):
        await idp.get(f"/Users?count={number}")
        if number % 3 == 0:
            await asyncio.sleep(0.01)  # about when the log writes what has gathered
            await service.stop()
            await service.start()
    assert len(await service.log()) == 60


@pytest.mark.usefixtures("quick_log")
async def test_the_log_waits_for_a_database_that_is_away(
    service: Service, idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Away(service.database.log)
    monkeypatch.setattr(service.application._log, "_database", log)
    await idp.get("/Users")
    await log.tried.wait()
    await idp.get("/Groups")
    log.away = False
    assert [row.target for row in await service.log()] == ["/Users", "/Groups"]


class Away:
    """A database that cannot be written to."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.away = True
        self.tried = asyncio.Event()

    async def write(self, operation: Any) -> Any:
        self.tried.set()
        if self.away:
            raise DatabaseUnavailable("away")
        return await self._database.write(operation)


class Forgetful(Away):
    """A database that does what it is told to, and loses the first answer."""

    async def write(self, operation: Any) -> Any:
        await self._database.write(operation)
        self.tried.set()
        if self.away:
            self.away = False
            raise DatabaseUnavailable("the connection was lost")


@pytest.mark.usefixtures("quick_log")
async def test_rows_that_were_stored_after_all_are_not_stored_twice(
    service: Service, idp: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Forgetful(service.database.log)
    monkeypatch.setattr(service.application._log, "_database", log)
    await idp.get("/Users")
    await log.tried.wait()
    await idp.get("/Groups")
    assert [row.target for row in await service.log()] == ["/Users", "/Groups"]


# -- log-ins that were refused ---------------------------------------------------------------------


async def refused_logins(service: Service) -> dict[tuple[str, str, str], int]:
    """Reason, token, address -> how often, in the tenant that the URL names."""
    await service.log()  # written
    rows = await service.database.log.read(
        lambda tx: tx.all(
            "SELECT reason, token, address, times FROM refused_logins WHERE slug = :slug",
            slug=service.tenant.slug,
        )
    )
    found: dict[tuple[str, str, str], int] = {}
    for reason, token, address, times in rows:  # a minute may have ended meanwhile
        found[reason, token, address] = found.get((reason, token, address), 0) + times
    return found


async def test_refused_log_ins_of_a_kind_are_one_row(
    service: Service, idp: IdentityProvider
) -> None:
    token_id = idp.token[11:23]
    other = await service.connect("other")
    await service.database.write(
        lambda tx: tokens.deactivate(tx, service.tenant.id, other.token[11:23], by="tests", now=NOW)
    )
    wrong = tokens.new_token(token_id).text
    for _ in range(3):
        for authorization in ("", f"Bearer {wrong}", f"Bearer {other.token}"):
            answer = await idp.get("/Users", Authorization=authorization)
            assert answer.status_code == 401
        await service.http.get(f"{service.base_url}/Users")
    assert await refused_logins(service) == {
        ("malformed", "", "192.0.2.7"): 3,
        ("missing", "", "192.0.2.7"): 3,
        ("wrong secret", token_id, "192.0.2.7"): 3,
        ("inactive", other.token[11:23], "192.0.2.7"): 3,
    }
    assert await service.log() == []  # who is not known has no row of a tenant


async def test_a_service_that_stops_and_starts_again_goes_on_logging(
    service: Service, idp: IdentityProvider
) -> None:
    await idp.get("/Users")
    await service.stop()
    async with running(service.application):
        await idp.patch(f"/Users/{'0' * 36}", add("title", "x"))
    await service.start()
    assert [row.status for row in await service.log()] == [200, 404]
