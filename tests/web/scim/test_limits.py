"""The limits of docs/security.md: what is over one is refused, and the refusal names it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from meibo.web import http_head
from meibo.web.http_connection import Limits
from tests.web.scim.service import IdentityProvider, add, group, refusal, replace, user

SECURITY = Path(__file__).resolve().parents[3] / "docs" / "security.md"
KIB = 1_024


def documented() -> dict[str, str]:
    """The limits by what they are of."""
    text = SECURITY.read_text(encoding="utf-8")
    section = text[text.index("\n## Limits\n") : text.index("\n## What is not there yet\n")]
    rows = re.findall(r"^\| (.+?) \| (.+?) \| .+? \|$", section, re.MULTILINE)
    return dict(rows[2:])  # after the heads and the line below them


@dataclass(frozen=True)
class Case:
    """A request that is over a limit by one. ``row`` begins the limit's row in the document."""

    row: str
    limit: str
    method: str
    path: str
    body: Any = None
    status: int = 400


def patch(*operations: Any) -> Any:
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations}


def search(filter: str) -> Any:
    return {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": filter,
    }


def filtered(filter: str) -> tuple[str, str]:
    return "GET", f"/Users?filter={quote(filter)}"


NESTED: Any = 1
for _ in range(32):
    NESTED = [NESTED]
LONG = f'title eq "{"x" * 8_192}"'
MANY = " or ".join(["title pr"] * 101)
DEEP = f"{'(' * 33}title pr{')' * 33}"
PEOPLE = [{"value": str(number)} for number in range(100_001)]

CASES = [
    Case("body", "1 MiB", "POST", "/Users", b" " * (KIB * KIB + 1), 413),
    Case("body", "8 MiB", "POST", "/Groups", b" " * (8 * KIB * KIB + 1), 413),
    Case("body", "64 KiB", "POST", "/Users/.search", b" " * (64 * KIB + 1), 413),
    Case("JSON: depth", "32", "POST", "/Users", user(x=NESTED)),
    Case("JSON: depth", "500", "POST", "/Users", {f"a{number}": 1 for number in range(501)}),
    Case("JSON: depth", "1,000", "POST", "/Users", user(x=[1] * 1_001)),
    Case("JSON: depth", "100,000", "POST", "/Groups", group("g", members=PEOPLE)),
    Case("JSON: a string", "64 KiB", "POST", "/Users", user(x="x" * (64 * KIB + 1))),
    Case("JSON: a string", "1,024", "POST", "/Users", user(**{"x" * 1_025: 1})),
    Case("JSON: a string", "19", "POST", "/Users", user(x=10**19)),
    Case("filter", "8,192", *filtered(LONG)),
    Case("filter", "16,384", "POST", "/Users/.search", search(f'title eq "{"x" * 16_384}"')),
    Case("filter", "32", *filtered(DEEP)),
    Case("filter", "100", *filtered(MANY)),
    Case(
        "PATCH: operations",
        "1,000",
        "PATCH",
        "/Users/{id}",
        json.dumps(patch(*[replace("title", "x")] * 1_000))
        .replace('"Operations": [', '"Operations": [{"op": "remove", "path": "title"}, ')
        .encode(),
    ),
    Case("PATCH: operations", "1,024", "PATCH", "/Users/{id}", patch(replace("x" * 1_025, "x"))),
    Case(
        "PATCH: what",
        "500,000",
        "PATCH",
        "/Users/{id}",
        patch(
            add("roles", [{"value": f"role {number}"} for number in range(1_000)]),
            *[add(f'roles[value eq "role {number}"].display', "x") for number in range(999)],
        ),
    ),
    Case("userName", "256", "POST", "/Users", user("x" * 257)),
    Case("externalId", "512", "POST", "/Users", user(externalId="x" * 513)),
    Case("externalId", "1,024", "POST", "/Groups", group("x" * 1_025)),
    Case("displayName of a user", "1,024", "POST", "/Users", user(displayName="x" * 1_025)),
    Case("displayName of a user", "8,192", "POST", "/Users", user(title="x" * 8_193)),
    Case(
        "e-mail addresses",
        "100",
        "POST",
        "/Users",
        user(emails=[{"value": f"{number}@a.example"} for number in range(101)]),
    ),
]

ELSEWHERE = {
    "request target": "below",
    "open connections": "below",
    "requests per second": "test_limits.py of the folder above",
    "refused log-ins": "test_limits.py of the folder above",
    "time: for a head": "test_http_server.py",
    "media type": "test_errors.py",
    "JSON: a name twice": "test_json_input.py",
    "a query parameter twice": "test_querying.py",
    "`count`; `startIndex`": "test_querying.py",
    "time of a filter": "test_engines.py",
    "PostgreSQL: connecting": "test_engines.py",
    "SQLite: while": "test_engines.py",
    "custom attributes": "test_attributes.py",
}


def row(begin: str) -> str:
    """The limits of the one row that begins so."""
    (found,) = [limits for what, limits in documented().items() if what.startswith(begin)]
    return found


def test_every_limit_of_the_document_has_its_test() -> None:
    tested = (*{case.row for case in CASES}, *ELSEWHERE)
    for what in documented():
        assert [begin for begin in tested if what.startswith(begin)], what
    for begin in tested:
        assert row(begin)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.row}, {case.limit}")
async def test_a_refusal_names_the_limit(idp: IdentityProvider, case: Case) -> None:
    path = case.path
    if "{id}" in path:
        path = path.format(id=(await idp.create_user())["id"])
    content = case.body if isinstance(case.body, bytes) else None
    body = None if isinstance(case.body, bytes) else case.body
    answer = await idp.send(case.method, path, body, content=content)
    assert answer.status_code == case.status, answer.text
    detail = refusal(answer, case.status, answer.json().get("scimType"))
    assert re.search(rf"\b{case.limit}\b", row(case.row))
    assert re.search(rf"\b{case.limit}\b", detail), detail


@pytest.mark.parametrize(
    "begin, answer, limits",
    [
        ("request target", http_head.LONG_TARGET, ["16 KiB"]),
        ("request target", http_head.LARGE_HEADERS, ["8 KiB", "32 KiB", "100"]),
        ("open connections", http_head.overloaded(Limits().max_connections), ["10,000"]),
        ("open connections", http_head.pipeline_full(Limits().max_pipelined), ["100"]),
    ],
    ids=["target", "headers", "connections", "pipeline"],
)
def test_a_refusal_of_the_server_names_the_limit(
    begin: str, answer: bytes, limits: list[str]
) -> None:
    detail = json.loads(answer.partition(b"\r\n\r\n")[2])["detail"]
    for limit in limits:
        assert re.search(rf"\b{limit}\b", row(begin))
        assert re.search(rf"\b{limit}\b", detail)
