"""What is refused and how: statuses, Allow, the error message, media types."""

import json
from typing import Any

import pytest

from meibo.scim import urns
from meibo.storage.errors import DatabaseUnavailable
from tests.web.scim.service import IdentityProvider, Service, refusal, replace, user

ITEM = "GET, PUT, PATCH, DELETE"
WRONG_METHODS = [
    *(("PUT", "/Users", "GET, POST"), ("PATCH", "/Users", "GET, POST")),
    *(("DELETE", "/Groups", "GET, POST"), ("OPTIONS", "/Users", "GET, POST")),
    *(("GET", "/Users/.search", "POST"), ("DELETE", "/Groups/.search", "POST")),
    *(
        ("POST", "/Users/{id}", ITEM),
        ("POST", "/Groups/{id}", ITEM),
        ("TRACE", "/Users/{id}", ITEM),
    ),
    *(("GET", "/Bulk", "POST"), ("GET", "/.search", "POST"), ("post", "/Users/{id}", ITEM)),
    *(("BREW", "/ServiceProviderConfig", "GET"), ("get", "/Users", "GET, POST")),
]


async def test_a_method_that_an_endpoint_does_not_have_is_405_with_those_it_has(
    service: Service, idp: IdentityProvider
) -> None:
    created = await idp.create_user()
    for method, path, allowed in WRONG_METHODS:
        path = f"{idp.base_url.removeprefix('https://meibo.example')}{path}"
        start, body = await service.answer_to(
            path.format(id=created["id"]), idp.token, method=method
        )
        headers = dict(start["headers"])
        assert (method, path, start["status"]) == (method, path, 405)
        assert headers[b"allow"].decode() == allowed
        assert json.loads(body["body"])["status"] == "405"


@pytest.mark.parametrize(
    "method, path", [("POST", "/Bulk"), ("POST", "/.search"), ("GET", "/Me"), ("DELETE", "/Me")]
)
async def test_what_is_not_supported_yet_says_so(
    idp: IdentityProvider, method: str, path: str
) -> None:
    assert path in refusal(await idp.send(method, path), 501)


@pytest.mark.parametrize("path", ["", "/", "/Devices", "/Users/x/y", "/Users/1", "/users"])
async def test_what_is_not_there_is_404(idp: IdentityProvider, path: str) -> None:
    refusal(await idp.get(path), 404)


BODIES: list[Any] = [
    pytest.param(b"", "invalidSyntax", id="nothing"),
    pytest.param(b"{", "invalidSyntax", id="no JSON"),
    pytest.param(b"[]", "invalidSyntax", id="no object"),
    pytest.param(b'{"userName":"a","userName":"b"}', "invalidSyntax", id="a name twice"),
    pytest.param(b'{"userName":"a","USERNAME":"b"}', "invalidSyntax", id="a name in two cases"),
    pytest.param(b'{"userName":"a\\u0000"}', "invalidSyntax", id="NUL"),
    pytest.param(b'{"userName":"\\ud800"}', "invalidSyntax", id="half a surrogate pair"),
    pytest.param(b'{"userName":"\xff"}', "invalidSyntax", id="no UTF-8"),
    pytest.param(b'{"displayName":"a"}', "invalidValue", id="no userName"),
    pytest.param(b'{"userName":""}', "invalidValue", id="an empty userName"),
    pytest.param(b'{"userName":["a","b"]}', "invalidValue", id="two userNames"),
    pytest.param(b'{"userName":" a"}', "invalidValue", id="a blank before the userName"),
    pytest.param('{"userName":"a\u200bb"}'.encode(), "invalidValue", id="an invisible character"),
    pytest.param(b'{"userName":"%b"}' % (b"a" * 257), "invalidValue", id="a long userName"),
    pytest.param(b'{"userName":"a","active":"perhaps"}', "invalidValue", id="no boolean"),
    pytest.param(
        b'{"userName":"a","emails":[{"value":["a","b"]}]}', "invalidValue", id="no e-mail"
    ),
]


@pytest.mark.parametrize("body, scim_type", BODIES)
async def test_a_body_that_is_no_user_is_refused(
    service: Service, idp: IdentityProvider, body: bytes, scim_type: str
) -> None:
    created = await idp.create_user()
    for method, path in (("POST", "/Users"), ("PUT", f"/Users/{created['id']}")):
        refusal(await idp.send(method, path, content=body), 400, scim_type)
    assert await idp.read(created) == created
    assert len(await service.changes()) == 1


STRICTLY: list[Any] = [
    pytest.param({"userName": "a"}, "invalidSyntax", id="no schemas"),
    pytest.param({"schemas": [], "userName": "a"}, "invalidSyntax", id="empty schemas"),
    pytest.param(
        {"schemas": [urns.USER, "urn:x"], "userName": "a"}, "invalidValue", id="unknown schemas"
    ),
    pytest.param(user(active="true"), "invalidValue", id="a boolean as a string"),
    pytest.param(user(emails={"value": "a@a.example"}), "invalidValue", id="one for a list"),
    pytest.param(user(title=["x"]), "invalidValue", id="a list for one"),
    pytest.param(
        user(emails=[{"value": "a", "primary": True}, {"value": "b", "primary": True}]),
        "invalidValue",
        id="two primaries",
    ),
]


@pytest.mark.parametrize("body, scim_type", STRICTLY)
async def test_strict_connections_refuse_what_others_are_forgiven(
    idp: IdentityProvider, strict: IdentityProvider, body: Any, scim_type: str
) -> None:
    refusal(await strict.post("/Users", body), 400, scim_type)
    assert (await idp.post("/Users", body)).status_code == 201


PATCHES: list[Any] = [
    pytest.param({"op": "rename", "path": "title"}, "invalidSyntax", id="unknown op"),
    pytest.param(replace("title[", "x"), "invalidPath", id="malformed path"),
    pytest.param({"op": "remove"}, "noTarget", id="remove without a path"),
    pytest.param(replace("active", "perhaps"), "invalidValue", id="no boolean"),
    pytest.param(replace("id", "x"), "mutability", id="id"),
    pytest.param(replace("meta", {}), "mutability", id="meta"),
    pytest.param(replace("groups", []), "mutability", id="groups"),
    pytest.param(replace(None, {"id": "another"}), "mutability", id="another id"),
    pytest.param({"op": "remove", "path": "userName"}, "mutability", id="what is required"),
    pytest.param(replace("userName", ""), "invalidValue", id="an empty userName"),
]


@pytest.mark.parametrize("operation, scim_type", PATCHES)
async def test_an_operation_that_cannot_be_done_is_refused(
    idp: IdentityProvider, operation: Any, scim_type: str
) -> None:
    created = await idp.create_user(title="x")
    answer = await idp.patch(f"/Users/{created['id']}", replace("title", "y"), operation)
    assert answer.status_code == 400, answer.text
    assert answer.json()["scimType"] == scim_type
    assert await idp.read(created) == created


async def test_a_body_over_the_limit_is_413_and_a_group_may_be_larger(
    idp: IdentityProvider,
) -> None:
    padding = b" " * (1024 * 1024)
    body = b'{"userName":"a","displayName":"a"' + padding + b"}"
    assert "1 MiB" in refusal(await idp.send("POST", "/Users", content=body), 413)
    assert (await idp.send("POST", "/Groups", content=body)).status_code == 201
    refusal(await idp.send("POST", "/Users/.search", content=body[: 70 * 1024] + b"}"), 413)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/json; charset=latin-1"]
)
async def test_another_media_type_is_415(idp: IdentityProvider, content_type: str) -> None:
    answer = await idp.post("/Users", user(), **{"Content-Type": content_type})
    refusal(answer, 415)


@pytest.mark.parametrize("sent", ["application/scim+json", "application/json; charset=utf-8"])
@pytest.mark.parametrize(
    "accept, answered",
    [
        ("application/scim+json", "application/scim+json"),
        ("application/json", "application/json"),
        ("application/json, text/plain", "application/json"),
        ("application/json, application/scim+json", "application/scim+json"),
        ("*/*", "application/scim+json"),
        ("text/html", "application/scim+json"),
    ],
)
async def test_the_media_type_of_an_answer_is_one_that_is_accepted(
    idp: IdentityProvider, sent: str, accept: str, answered: str
) -> None:
    headers = {"Content-Type": sent, "Accept": accept}
    created = await idp.post("/Users", user(), **headers)
    assert created.status_code == 201
    path = f"/Users/{created.json()['id']}"
    for answer in (
        created,
        await idp.get(path, **headers),
        await idp.get("/Users", **headers),
        await idp.get("/Groups", **headers),
        await idp.get("/Schemas", **headers),
        await idp.patch(path, replace("title", "x"), **headers),
    ):
        assert answer.headers["content-type"] == answered
    missing = await idp.get("/Users/x", **headers)
    assert missing.status_code == 404
    assert missing.headers["content-type"] == answered


async def test_a_database_that_is_away_is_503_and_says_when_to_try_again(
    service: Service, idp: IdentityProvider
) -> None:
    created = await idp.create_user()
    service.database.error = DatabaseUnavailable("the disk of /var/lib is full")
    for answer in (
        await idp.get(f"/Users/{created['id']}"),
        await idp.get("/Users"),
        await idp.post("/Users", user("bob")),
        await idp.delete(f"/Users/{created['id']}"),
    ):
        assert "/var" not in refusal(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
    service.database.error = None
    assert await idp.read(created) == created


async def test_an_unexpected_error_tells_its_number_and_nothing_else(
    service: Service, idp: IdentityProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    await idp.get("/Users")
    service.database.error = KeyError("a secret of ours")
    answer = await idp.get("/Users")
    detail = refusal(answer, 500)
    assert detail == f"an unexpected error; its number is {answer.headers['x-request-id']}"
    assert answer.headers["x-request-id"] in capsys.readouterr().out  # the operator's log has more
    service.database.error = None
    assert (await idp.get("/Users")).status_code == 200


async def test_health_and_metrics_need_no_token(service: Service, idp: IdentityProvider) -> None:
    await idp.get("/Users")
    for path, text in (
        ("/health/live", "alive"),
        ("/health/ready", '"ready":true'),
        ("/metrics", "meibo_scim_requests"),
    ):
        answer = await service.http.get(path)
        assert answer.status_code == 200
        assert text in answer.text
    service.database.error = DatabaseUnavailable("gone")
    assert (await service.http.get("/health/ready")).status_code == 503
    assert (await service.http.get("/health/live")).status_code == 200
    service.database.error = None
