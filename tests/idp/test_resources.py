"""Bodies of POST and PUT on a tolerant connection."""

import copy
from typing import Any

import pytest

from meibo.idp.profile import profile_for
from meibo.scim import urns
from meibo.scim.errors import ScimError
from meibo.scim.resource import check
from tests.idp.cases import BODIES, CUSTOM, ENTERPRISE, GROUPS, USERS, Case

TOLERANT = profile_for("other", strict=False)


def framed(attributes: dict[str, Any], case: Case) -> dict[str, Any]:
    """The attributes with what every resource of the type must have."""
    if case.resource_type is GROUPS:
        return {"schemas": [urns.GROUP], "displayName": "G", **attributes}
    return {"schemas": [urns.USER, ENTERPRISE, CUSTOM], "userName": "u", **attributes}


@pytest.mark.parametrize("case", BODIES, ids=lambda case: case.id)
def test_a_departure_is_undone_and_noted(case: Case) -> None:
    sent = framed(case.before, case)
    copied = copy.deepcopy(sent)
    noted: set[str] = set()
    ignored: list[str] = []

    made = TOLERANT.resource(sent, case.resource_type, noted, ignored)

    assert made == framed(case.after, case)
    assert noted == case.quirks
    assert ignored == case.ignored
    assert sent == copied, "the request itself was changed"
    check(made, case.resource_type, strict_schemas=True)


@pytest.mark.parametrize("case", BODIES, ids=lambda case: case.id)
def test_what_was_undone_has_no_quirk_left(case: Case) -> None:
    made = TOLERANT.resource(framed(case.before, case), case.resource_type, set())
    noted: set[str] = set()
    assert TOLERANT.resource(made, case.resource_type, noted) is made
    assert noted == set()


@pytest.mark.parametrize(
    "body",
    [
        {
            "schemas": [urns.USER, ENTERPRISE],
            "externalId": "e",
            "userName": "u",
            "active": True,
            "emails": [{"primary": True, "type": "work", "value": "a@x.example"}],
            "meta": {"resourceType": "User"},
            "name": {"givenName": "A", "familyName": None},
            "roles": [],
            "photos": None,
            ENTERPRISE: {"department": "D", "manager": {"value": "1"}},
        },
        {"schemas": [urns.USER.upper()], "USERNAME": "u", CUSTOM: {"level": 1, "vip": False}},
        {"schemas": [urns.USER], "userName": "u", "shoeSize": "43", "groups": "", "id": ""},
        {"schemas": [urns.USER], "userName": "u", "roles": [{"value": '{"id":"1"}'}]},
    ],
    ids=["Entra ID", "any letter case", "unknown and read-only attributes", "a value that is JSON"],
)
def test_a_body_without_quirks_is_given_back_itself(body: dict[str, Any]) -> None:
    noted: set[str] = set()
    assert TOLERANT.resource(body, USERS, noted) is body
    assert noted == set()


@pytest.mark.parametrize(
    "schemas, expected",
    [
        ({}, [urns.USER, CUSTOM]),
        ({"schemas": None}, [urns.USER, CUSTOM]),
        ({"schemas": []}, [urns.USER, CUSTOM]),
        ({"schemas": urns.USER}, [urns.USER, CUSTOM]),
        ({"schemas": ["urn:scim:schemas:core:1.0"]}, [urns.USER, CUSTOM]),
        ({"schemas": [urns.USER, f"{ENTERPRISE[:-5]}User"]}, [urns.USER, CUSTOM]),
        ({"schemas": [CUSTOM]}, [urns.USER, CUSTOM]),
        ({"schemas": [1]}, [urns.USER, CUSTOM]),
        ({"Schemas": [{}]}, [urns.USER, CUSTOM]),
    ],
    ids=[
        "missing",
        "null",
        "empty",
        "a string",
        "1.x",
        "a typo",
        "no core",
        "a number",
        "an object",
    ],
)
def test_wrong_schemas_become_those_of_the_body(
    schemas: dict[str, Any], expected: list[str]
) -> None:
    noted: set[str] = set()
    made = TOLERANT.resource({"userName": "u", CUSTOM: {"level": 1}, **schemas}, USERS, noted)
    assert isinstance(made, dict)
    assert made[next(iter(schemas), "schemas")] == expected
    assert noted == {"wrong-schemas"}
    check(made, USERS, strict_schemas=True)


@pytest.mark.parametrize(
    "attributes",
    [
        {"active": "maybe"},
        {"active": "0"},
        {"active": 1},
        {"userName": ""},
        {"displayName": ["A", "B"]},
        {"displayName": {"value": "A", "other": "B"}},
        {"title": True},
        {"title": 2**63},
        {"externalId": 10**400},
        {ENTERPRISE: {"manager": 5}},
        {CUSTOM: {"costCenterCode": 1e21}},
        {"userName": []},
        {CUSTOM: {"hired": "2021-02-29"}},
        {CUSTOM: {"hired": "2020-01-01 "}},
        {CUSTOM: {"hired": "20200101"}},
        {"emails": 1},
        {"emails": [[{"value": "a"}, {"value": "b"}]]},
        {"name": "Amy"},
        {"name": '{"givenName":"A","givenname":"B"}'},
        {ENTERPRISE: "D"},
        {CUSTOM: {"level": "007"}},
        {CUSTOM: {"level": "1,5"}},
        {CUSTOM: {"level": "0.12345678901234567"}},
        {CUSTOM: {"hired": "yesterday"}},
    ],
    ids=str,
)
def test_what_is_no_known_departure_is_left_for_the_engine_to_refuse(
    attributes: dict[str, Any],
) -> None:
    body = {"schemas": [urns.USER], "userName": "u", **attributes}
    noted: set[str] = set()
    assert TOLERANT.resource(body, USERS, noted) is body
    assert noted == set()
    with pytest.raises(ScimError):
        check(body, USERS, strict_schemas=False)


@pytest.mark.parametrize("value", [None, [None], [{"value": ""}], [{"value": None}], [{}]], ids=str)
def test_members_are_never_left_out_of_a_list(value: Any) -> None:
    body = {"schemas": [urns.GROUP], "displayName": "G", "members": value}
    assert TOLERANT.resource(body, GROUPS, set()) is body


def test_an_extension_keeps_its_own_value_when_there_is_another_at_the_top() -> None:
    body = {
        "userName": "u",
        "schemas": [urns.USER],
        "department": "X",
        ENTERPRISE: {"department": "D"},
    }
    assert TOLERANT.resource(body, USERS, set()) is body


def test_a_value_at_the_top_that_is_null_clears_nothing() -> None:
    body = {
        "userName": "u",
        "schemas": [urns.USER],
        "manager": None,
        ENTERPRISE: {"manager": {"value": "1"}},
    }
    assert TOLERANT.resource(body, USERS, set()) is body


@pytest.mark.parametrize("body", [None, True, 1, "x", "{}", [], [{}]], ids=str)
def test_a_body_that_is_no_object_passes(body: Any) -> None:
    assert TOLERANT.resource(body, USERS, set()) is body
