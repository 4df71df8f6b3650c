"""PATCH operations: the message, and what they make of a resource (RFC 7644 §3.5.2)."""

import copy
import json
import os
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meibo.scim import urns
from meibo.scim.core_schemas import CustomAttribute, group_type, user_type
from meibo.scim.elements import Leeway
from meibo.scim.errors import (
    InvalidPath,
    InvalidSyntax,
    InvalidValue,
    Mutability,
    NoTarget,
    ScimError,
    TooMany,
)
from meibo.scim.patch import MembersPlan, apply, parse_patch, plan_members
from meibo.scim.resource import check
from meibo.scim.schema import Attribute, Json, JsonObject, ResourceType, Schema

USER = user_type((CustomAttribute("badge"), CustomAttribute("floor", "decimal")))
GROUP = group_type()
ENTERPRISE = urns.ENTERPRISE_USER
OWN_ID = "019aa000-0000-7000-8000-000000000001"

WORK: JsonObject = {"value": "anne@work.example", "type": "work", "primary": True}
HOME: JsonObject = {"value": "anne@home.example", "type": "home"}


def anne(**attributes: Json) -> JsonObject:
    body: JsonObject = {"schemas": [urns.USER], "userName": "anne", **attributes}
    return check(body, USER).resource


def enterprise(**attributes: Json) -> JsonObject:
    return {ENTERPRISE: attributes}


def message(*operations: Json) -> JsonObject:
    return {"schemas": [urns.PATCH_OP], "Operations": list(operations)}


def operation(op: str, path: str | None = None, value: Json = None) -> JsonObject:
    """One operation; without a value when it is None."""
    result: JsonObject = {"op": op}
    if path is not None:
        result["path"] = path
    if value is not None:
        result["value"] = value
    return result


def patched(
    resource: JsonObject, *operations: Json, resource_type: ResourceType = USER
) -> JsonObject:
    before = copy.deepcopy(resource)
    parsed = parse_patch(message(*operations), resource_type, own_id=OWN_ID)
    try:
        return apply(resource, parsed, resource_type)
    finally:
        assert resource == before


# -- the message ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "x",
        {},
        {"schemas": [urns.PATCH_OP]},
        {"schemas": [urns.PATCH_OP], "Operations": None},
        {"schemas": [urns.PATCH_OP], "Operations": {}},
        {"schemas": [urns.PATCH_OP], "Operations": []},
        {"schemas": [urns.PATCH_OP], "Operations": ["replace"]},
        {"schemas": [urns.PATCH_OP], "Operations": [None]},
        {"Operations": [operation("remove", "title")]},
        {"schemas": [], "Operations": [operation("remove", "title")]},
        {"schemas": urns.PATCH_OP, "Operations": [operation("remove", "title")]},
        {"schemas": [urns.USER], "Operations": [operation("remove", "title")]},
        {"schemas": [urns.PATCH_OP, "urn:foo"], "Operations": [operation("remove", "title")]},
        {"schemas": [urns.USER, urns.PATCH_OP], "Operations": [operation("remove", "title")]},
        {"schemas": [urns.PATCH_OP, ""], "Operations": [operation("remove", "title")]},
        message({"path": "title", "value": "x"}),
        message({"op": 1, "path": "title", "value": "x"}),
        message(operation("move", "title", "x")),
        message(operation("", "title", "x")),
        message(operation("add;remove", "title", "x")),
    ],
    ids=lambda case: str(case)[:60],
)
def test_what_is_no_patch_message_is_refused(body: Json) -> None:
    with pytest.raises(InvalidSyntax):
        parse_patch(body, USER)


def test_a_tolerant_connection_may_leave_schemas_and_operations_out() -> None:
    assert parse_patch({"Operations": []}, USER, strict_schemas=False, allow_empty=True) == []
    body: JsonObject = {"Operations": [operation("remove", "title")]}
    assert len(parse_patch(body, USER, strict_schemas=False)) == 1


def test_members_of_the_message_and_op_are_recognised_in_any_letter_case() -> None:
    body: JsonObject = {
        "Schemas": [urns.PATCH_OP.upper()],
        "operations": [{"OP": "Add", "Path": "TITLE", "Value": "x", "name": "addTitle"}],
    }
    assert apply(anne(), parse_patch(body, USER), USER) == anne(title="x")


def test_the_number_of_operations_is_limited() -> None:
    parse_patch(message(*[operation("remove", "title")] * 1_000), USER)
    with pytest.raises(InvalidValue, match="1,000"):
        parse_patch(message(*[operation("remove", "title")] * 1_001), USER)


@pytest.mark.parametrize(
    "wrong, error",
    [
        (operation("remove"), NoTarget),
        ({"op": "remove", "path": None}, NoTarget),
        (operation("add", "title"), InvalidValue),
        (operation("replace", "title"), InvalidValue),
        (operation("add"), InvalidValue),
        (operation("replace", None, "x"), InvalidValue),
        (operation("replace", None, ["x"]), InvalidValue),
        ({"op": "replace", "path": 7, "value": "x"}, InvalidPath),
        ({"op": "replace", "path": {"a": 1}, "value": "x"}, InvalidPath),
        (operation("replace", "", "x"), InvalidPath),
        (operation("replace", "nosuch", "x"), InvalidPath),
        (operation("replace", "emails[", "x"), InvalidPath),
        (operation("replace", "emails[0]", "x"), InvalidPath),
        (operation("replace", "name.givenName.more", "x"), InvalidPath),
        (operation("replace", "urn:none:title", "x"), InvalidPath),
        (operation("replace", "name" + ".a" * 8_000, "x"), InvalidPath),
        (operation("remove", "members"), InvalidPath),
        (operation("replace", None, {"nosuch": 1}), InvalidPath),
        (operation("replace", None, {"name.nosuch": 1}), InvalidPath),
        (operation("replace", None, {ENTERPRISE: {"nosuch": 1}}), InvalidPath),
        (operation("replace", ENTERPRISE, {"nosuch": 1}), InvalidPath),
        (operation("replace", None, {"name.givenName": "x"}), InvalidPath),
        (operation("replace", None, {'emails[type eq "work"].value': "x"}), InvalidPath),
        (operation("add", None, {f"{ENTERPRISE}:department": "x"}), InvalidPath),
        (operation("add", None, {f"{ENTERPRISE}.department": "x"}), InvalidPath),
        (operation("add", None, {f"{urns.USER}:title": "x"}), InvalidPath),
        (operation("add", None, {urns.USER: {"name.givenName": "x"}}), InvalidPath),
        (operation("replace", None, {"department": "x"}), InvalidPath),
        (operation("replace", None, {"name": {"nosuch": 1, "givenName": "x"}}), InvalidPath),
        (operation("add", "name", {"nosuch": None}), InvalidPath),
        (operation("add", None, {"emails": [{"value": "x", "nosuch": 1}]}), InvalidPath),
        (operation("replace", "emails", [{"value": "x"}, {"nosuch": {}}]), InvalidPath),
        (operation("remove", "emails", [{"value": "x", "nosuch": 1}]), InvalidPath),
        (operation("add", 'emails[type eq "work"]', {"value": "x", "nosuch": 1}), InvalidPath),
        (operation("add", f"{ENTERPRISE}:manager", {"value": "x", "nosuch": 1}), InvalidPath),
        (operation("add", ENTERPRISE, {"manager": {"value": "x", "nosuch": 1}}), InvalidPath),
        (operation("add", None, {ENTERPRISE: {"manager": {"nosuch": 1}}}), InvalidPath),
        (operation("replace", ENTERPRISE, "x"), InvalidValue),
        (operation("replace", "title", []), InvalidValue),
        (operation("replace", "active", []), InvalidValue),
        (operation("replace", "name", []), InvalidValue),
        (operation("replace", ENTERPRISE, []), InvalidValue),
        (operation("replace", 'emails[type eq "work"].value', []), InvalidValue),
        (operation("replace", "id", "x"), Mutability),
        (operation("remove", "id"), Mutability),
        (operation("replace", f"{urns.USER}:id", "x"), Mutability),
        (operation("replace", "meta.created", "1999-01-01T00:00:00Z"), Mutability),
        (operation("add", "groups", [{"value": "g"}]), Mutability),
        (operation("remove", 'groups[value eq "g"]'), Mutability),
        (operation("replace", None, {"groups": [{"value": "g"}]}), Mutability),
        (operation("replace", None, {"id": "another"}), Mutability),
        (operation("replace", f"{ENTERPRISE}:manager.displayName", "x"), Mutability),
        (operation("replace", f"{ENTERPRISE}:manager.$ref", "x"), Mutability),
        (operation("remove", "userName"), Mutability),
        ({"op": "replace", "path": "userName", "value": None}, Mutability),
        (operation("replace", "userName", ""), InvalidValue),
        (operation("replace", "userName", ["a"]), InvalidValue),
        (operation("replace", "active", "maybe"), InvalidValue),
        (operation("replace", "name", "x"), InvalidValue),
        (operation("replace", "emails", "x"), InvalidValue),
        (operation("add", "emails", {"value": "x"}), InvalidValue),
        (operation("remove", "emails", "x"), InvalidValue),
        (operation("add", 'emails[type eq "work"]', "x"), InvalidValue),
        (operation("add", 'emails[type eq "work"].value', {"value": "x"}), InvalidValue),
        (operation("replace", "displayName", {"a": 1}), InvalidValue),
        (operation("replace", "password", {"a": 1}), InvalidValue),
        (operation("replace", f"{urns.CUSTOM_USER}:floor", "4"), InvalidValue),
        (operation("remove", "schemas"), Mutability),
        ({"op": "replace", "path": "schemas", "value": []}, Mutability),
        (operation("replace", "schemas", ["urn:none"]), InvalidValue),
        (operation("replace", "schemas", "urn:none"), InvalidSyntax),
    ],
    ids=lambda case: str(case)[:70] if isinstance(case, dict) else "",
)
def test_a_wrong_operation_is_refused_and_nothing_is_applied(
    wrong: Json, error: type[ScimError]
) -> None:
    good = operation("replace", "title", "changed")
    with pytest.raises(error) as caught:
        parse_patch(message(good, wrong), USER)
    assert type(caught.value) is error or error is InvalidPath
    assert len(caught.value.detail) < 300


@pytest.mark.parametrize(
    "path, value, resource_type",
    [
        (f"{ENTERPRISE}:manager", {"value": "1", "displayName": "B", "$ref": "x"}, USER),
        (ENTERPRISE, {"manager": {"value": "1", "DisplayName": "B"}}, USER),
        (None, {"members": [{"value": "1", "display": "A", "$ref": None}]}, GROUP),
        ("members", [{"value": "1", "display": "A", "type": "User", "$ref": "x"}], GROUP),
    ],
    ids=str,
)
def test_what_is_known_but_not_the_clients_is_left_out_of_a_value(
    path: str | None, value: Json, resource_type: ResourceType
) -> None:
    (parsed,) = parse_patch(message(operation("add", path, value)), resource_type)
    assert "display" not in str(parsed.value).lower()
    assert "$ref" not in str(parsed.value)


# -- single-valued attributes --------------------------------------------------------------------

NAME: JsonObject = {"givenName": "Anne", "familyName": "Meier"}


@pytest.mark.parametrize(
    "before, operations, after",
    [
        pytest.param({}, [("add", "title", "x")], {"title": "x"}, id="add"),
        pytest.param({"title": "x"}, [("add", "title", "y")], {"title": "y"}, id="add replaces"),
        pytest.param({"title": "x"}, [("replace", "Title", "y")], {"title": "y"}, id="replace"),
        pytest.param({}, [("replace", "title", "y")], {"title": "y"}, id="replace of nothing"),
        pytest.param({"title": "x"}, [("remove", "title", None)], {}, id="remove"),
        pytest.param({"title": "x"}, [("remove", "title", "y")], {}, id="remove ignores a value"),
        pytest.param({}, [("remove", "title", None)], {}, id="remove of nothing"),
        pytest.param(
            {"title": "x"},
            [("remove", "title", None), ("add", "title", "z")],
            {"title": "z"},
            id="in order",
        ),
        pytest.param(
            {}, [("replace", f"{urns.USER}:title", "y")], {"title": "y"}, id="qualified core name"
        ),
        pytest.param({}, [("replace", "password", "s3cret")], {}, id="password is not kept"),
        pytest.param({"title": "x"}, [("add", None, {"title": None})], {}, id="null clears"),
        pytest.param(
            {"name": NAME},
            [("replace", "name.givenName", "Ann")],
            {"name": {**NAME, "givenName": "Ann"}},
            id="sub-attribute",
        ),
        pytest.param(
            {"name": NAME},
            [("replace", "name", {"givenName": "Ann"})],
            {"name": {**NAME, "givenName": "Ann"}},
            id="replace of a complex attribute keeps what is not named",
        ),
        pytest.param(
            {"name": NAME},
            [("add", "name", {"GIVENNAME": None, "middleName": "B"})],
            {"name": {"familyName": "Meier", "middleName": "B"}},
            id="null in a complex value clears that sub-attribute",
        ),
        pytest.param(
            {"name": NAME},
            [("replace", "name", {})],
            {"name": NAME},
            id="an empty object names nothing",
        ),
        pytest.param({"name": NAME}, [("remove", "name", None)], {}, id="remove complex"),
        pytest.param(
            {"name": {"givenName": "Anne"}},
            [("remove", "name.givenName", None)],
            {},
            id="nothing left is unassigned",
        ),
        pytest.param({}, [("remove", "name.givenName", None)], {}, id="remove sub of nothing"),
        pytest.param(
            {"name": NAME},
            [
                ("Replace", None, {"NAME": {"GivenName": "Ann", "formatted": "A M"}, "title": "x"}),
            ],
            {"name": {**NAME, "givenName": "Ann", "formatted": "A M"}, "title": "x"},
            id="without a path the keys are attributes",
        ),
        pytest.param(
            {},
            [("add", None, {"id": OWN_ID, "schemas": ["x"], "meta": {"a": 1}, "title": "x"})],
            {"title": "x"},
            id="what a client sends back is left out",
        ),
        pytest.param(
            {}, [("add", None, {urns.USER: {"title": "x"}})], {"title": "x"}, id="core URN as key"
        ),
        pytest.param(
            {}, [("add", "schemas", [urns.USER, ENTERPRISE])], {}, id="schemas follows, not leads"
        ),
    ],
)
def test_a_single_valued_attribute(
    before: JsonObject, operations: list[tuple[str, str | None, Json]], after: JsonObject
) -> None:
    assert patched(anne(**before), *(operation(*each) for each in operations)) == anne(**after)


# -- extensions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        operation("add", f"{ENTERPRISE}:department", "Sales"),
        operation("replace", f"{ENTERPRISE.upper()}:DEPARTMENT", "Sales"),
        operation("replace", ENTERPRISE, {"Department": "Sales"}),
        operation("add", None, {ENTERPRISE.lower(): {"department": "Sales"}}),
        operation("add", f"{ENTERPRISE}", {"schemas": [ENTERPRISE], "department": "Sales"}),
    ],
    ids=lambda case: str(case)[:90],
)
def test_an_extension_joins_schemas_with_its_first_attribute_and_leaves_with_its_last(
    target: JsonObject,
) -> None:
    joined = patched(anne(), target)
    assert joined == anne(**enterprise(department="Sales"))
    assert joined["schemas"] == [urns.USER, ENTERPRISE]
    for path in (f"{ENTERPRISE}:department", ENTERPRISE):
        assert patched(joined, operation("remove", path)) == anne()
    assert patched(joined, {"op": "replace", "path": ENTERPRISE, "value": None}) == anne()


def test_an_extension_keeps_what_is_not_named() -> None:
    before = anne(**enterprise(department="Sales", costCenter="7"))
    after = patched(
        before,
        operation("replace", ENTERPRISE, {"department": "Legal"}),
        operation("add", f"{ENTERPRISE}:manager", {"value": "m", "displayName": "x"}),
        operation("add", f"{urns.CUSTOM_USER}:floor", 4),
    )
    held: Json = {"department": "Legal", "costCenter": "7", "manager": {"value": "m"}}
    assert after == anne(**{ENTERPRISE: held, urns.CUSTOM_USER: {"floor": 4}})


def test_a_manager_goes_when_it_is_removed_or_replaced_with_null() -> None:
    before = anne(**enterprise(manager={"value": "m"}))
    for gone in (
        operation("remove", f"{ENTERPRISE}:manager"),
        operation("remove", f"{ENTERPRISE}:manager.value"),
        {"op": "replace", "path": f"{ENTERPRISE}:manager", "value": None},
    ):
        assert patched(before, gone) == anne()


# -- multi-valued attributes ---------------------------------------------------------------------

OTHER: JsonObject = {"value": "anne@other.example", "type": "other"}
BOTH: list[Json] = [WORK, HOME]


@pytest.mark.parametrize(
    "before, operations, after",
    [
        pytest.param([], [("add", "emails", [WORK])], [WORK], id="add to nothing"),
        pytest.param(BOTH, [("add", "emails", [OTHER])], [*BOTH, OTHER], id="add appends"),
        pytest.param(BOTH, [("add", "emails", [HOME])], BOTH, id="add of what is there"),
        pytest.param(BOTH, [("add", "emails", [])], BOTH, id="add of an empty list"),
        pytest.param(
            [HOME],
            [("add", "emails", [{**HOME, "value": "ANNE@home.example", "display": "A"}])],
            [{"value": "ANNE@home.example", "type": "home", "display": "A"}],
            id="add of the same value and type completes it",
        ),
        pytest.param(
            BOTH,
            [("add", "emails", [{**OTHER, "primary": True}])],
            [{**WORK, "primary": False}, HOME, {**OTHER, "primary": True}],
            id="a new primary value makes the others not",
        ),
        pytest.param(
            BOTH,
            [("replace", 'emails[type eq "home"].primary', True)],
            [{**WORK, "primary": False}, {**HOME, "primary": True}],
            id="an old value made primary makes the others not",
        ),
        pytest.param(
            [HOME],
            [
                ("add", 'emails[type eq "work"].primary', True),
                ("add", 'emails[type eq "work"].value', WORK["value"]),
            ],
            [HOME, {"type": "work", "primary": True, "value": WORK["value"]}],
            id="primary before value",
        ),
        pytest.param(BOTH, [("replace", "emails", [OTHER])], [OTHER], id="replace all"),
        pytest.param(BOTH, [("replace", "emails", [])], [], id="replace by nothing"),
        pytest.param(
            BOTH, [("replace", None, {"emails": [OTHER]})], [OTHER], id="replace without path"
        ),
        pytest.param(BOTH, [("add", None, {"emails": [OTHER]})], [*BOTH, OTHER], id="add, no path"),
        pytest.param(
            BOTH,
            [("replace", 'emails[type eq "work"].value', "new@x")],
            [{**WORK, "value": "new@x"}, HOME],
            id="replace a part of what matches",
        ),
        pytest.param(
            BOTH,
            [("replace", 'emails[type eq "work"]', {"value": "new@x"})],
            [{**WORK, "value": "new@x"}, HOME],
            id="replace what matches, keep what is not named",
        ),
        pytest.param(
            BOTH,
            [("replace", "emails[value pr].display", "Anne")],
            [{**WORK, "display": "Anne"}, {**HOME, "display": "Anne"}],
            id="replace changes every match",
        ),
        pytest.param(
            BOTH,
            [("add", "emails.display", "Anne")],
            [{**WORK, "display": "Anne"}, {**HOME, "display": "Anne"}],
            id="a sub-attribute without filter is that of all",
        ),
        pytest.param(
            [], [("add", "emails.value", "a@x")], [{"value": "a@x"}], id="or of a new one"
        ),
        pytest.param(
            [HOME],
            [("add", 'emails[type eq "work"].value', "w@x")],
            [HOME, {"type": "work", "value": "w@x"}],
            id="add without a match creates",
        ),
        pytest.param(
            [],
            [("add", 'emails[type eq "work" and primary eq true]', {"value": "w@x"})],
            [{"type": "work", "primary": True, "value": "w@x"}],
            id="add creates what the filter describes",
        ),
        pytest.param(
            [{"value": "a@x", "type": "work"}, {"value": "b@x", "type": "work"}],
            [("replace", 'emails[type eq "work"].value', "c@x")],
            [{"value": "c@x", "type": "work"}],
            id="values made equal become one",
        ),
        pytest.param(BOTH, [("remove", "emails", None)], [], id="remove all"),
        pytest.param(
            BOTH, [("remove", 'emails[type eq "WORK"]', None)], [HOME], id="remove what matches"
        ),
        pytest.param(
            BOTH, [("remove", 'emails[type eq "fax"]', None)], BOTH, id="remove without match"
        ),
        pytest.param(
            BOTH,
            [("remove", "emails[primary eq true].type", None)],
            [{"value": WORK["value"], "primary": True}, HOME],
            id="remove a part of what matches",
        ),
        pytest.param(
            [{"type": "work"}, HOME],
            [("remove", 'emails[type eq "work"].type', None)],
            [HOME],
            id="an element with nothing left goes",
        ),
        pytest.param(
            BOTH,
            [("remove", "emails", [{"value": "ANNE@work.example"}])],
            [HOME],
            id="listed value",
        ),
        pytest.param(
            BOTH,
            [("remove", "emails", [{"value": "anne@work.example", "type": "home"}])],
            BOTH,
            id="listed value of another type",
        ),
        pytest.param(BOTH, [("remove", "emails", [])], BOTH, id="an empty list removes nothing"),
    ],
)
def test_a_multi_valued_attribute(
    before: list[Json], operations: list[tuple[str, str | None, Json]], after: list[Json]
) -> None:
    result = patched(anne(emails=before), *(operation(*each) for each in operations))
    assert result == anne(emails=after)


def test_null_clears_what_a_filter_selects() -> None:
    clear: JsonObject = {"op": "replace", "path": 'emails[type eq "work"].value', "value": None}
    without_value = [{"type": "work", "primary": True}, HOME]
    assert patched(anne(emails=BOTH), clear)["emails"] == without_value
    clear["path"] = 'emails[type eq "work"]'
    assert patched(anne(emails=BOTH), clear)["emails"] == [HOME]


def test_addresses_have_no_value_and_are_told_apart_by_all_they_hold() -> None:
    tokyo: JsonObject = {"locality": "Tokyo", "type": "work"}
    osaka: JsonObject = {"locality": "Osaka"}
    both = anne(addresses=[tokyo, osaka])
    assert patched(both, operation("add", "addresses", [osaka])) == both
    assert patched(both, operation("remove", "addresses", [tokyo])) == anne(addresses=[osaka])
    assert patched(both, operation("remove", "addresses", [{"type": "work"}])) == both


@pytest.mark.parametrize(
    "target, error",
    [
        (operation("replace", 'emails[type eq "fax"].value', "x"), NoTarget),
        (operation("replace", 'emails[type eq "fax"]', {"value": "x"}), NoTarget),
        (operation("add", 'emails[type ne "work" and type ne "home"].value', "x"), NoTarget),
        (operation("add", 'emails[type eq "a" or type eq "b"].value', "x"), NoTarget),
        (operation("add", 'emails[not (type eq "a") and type eq null].value', "x"), NoTarget),
        (operation("replace", "emails[value pr].primary", True), InvalidValue),
        (operation("add", "emails", [{"value": f"{n}@x"} for n in range(99)]), InvalidValue),
    ],
    ids=lambda case: str(case)[:70] if isinstance(case, dict) else "",
)
def test_what_cannot_be_done_to_the_elements(target: JsonObject, error: type[ScimError]) -> None:
    with pytest.raises(error):
        patched(anne(emails=BOTH), operation("replace", "title", "changed"), target)


def test_a_resource_without_a_required_attribute_is_not_left_so() -> None:
    incomplete: JsonObject = {"schemas": [urns.USER]}
    with pytest.raises(Mutability, match="userName"):
        apply(incomplete, parse_patch(message(operation("add", "title", "x")), USER), USER)


def test_simple_values_and_immutable_ones_of_another_resource_type() -> None:
    schema = Schema(
        "urn:x:Device",
        "Device",
        "",
        (Attribute("tags", multi_valued=True), Attribute("serial", mutability="immutable")),
    )
    device_type = ResourceType("Device", "/Devices", "", schema)
    device: JsonObject = {"tags": ["red", "Blue"]}

    def after(*operations: Json) -> JsonObject:
        return patched(device, *operations, resource_type=device_type)

    assert after(operation("add", "tags", ["RED", "green"]))["tags"] == ["red", "Blue", "green"]
    assert after(operation("remove", "tags", ["blue"]))["tags"] == ["red"]
    assert "tags" not in after(operation("remove", "tags"))
    assert after(operation("replace", "tags", ["x"]))["tags"] == ["x"]
    set_once = operation("add", "serial", "7")
    assert after(set_once, set_once)["serial"] == "7"
    for change in (operation("replace", "serial", "8"), operation("remove", "serial")):
        with pytest.raises(Mutability):
            after(set_once, change)


# -- members of groups ---------------------------------------------------------------------------


def plan(*operations: Json) -> MembersPlan | None:
    return plan_members(parse_patch(message(*operations), GROUP))


def members(*ids: str) -> list[Json]:
    return [{"value": id} for id in ids]


@pytest.mark.parametrize(
    "operations, clear, add, remove",
    [
        ([("Add", "members", members("a", "b", "a"))], False, "ab", ""),
        ([("add", None, {"members": members("a")})], False, "a", ""),
        ([("remove", "members", members("a", "b"))], False, "", "ab"),
        ([("remove", 'members[value eq "a"]', None)], False, "", "a"),
        ([("remove", 'members[value eq "a" or value eq "b" or value eq "c"]', None)], 0, "", "abc"),
        ([("remove", "members", None)], True, "", ""),
        ([("remove", "members", [])], False, "", ""),
        ([("replace", "members", members("a"))], True, "a", ""),
        ([("replace", "members", [])], True, "", ""),
        ([("add", "members", [])], False, "", ""),
        ([("add", "members", members("a")), ("remove", "members", members("a"))], False, "", "a"),
        ([("remove", "members", members("a")), ("add", "members", members("a"))], False, "a", ""),
        ([("add", "members", members("b")), ("remove", "members", None)], True, "", ""),
        ([("replace", "members", members("a")), ("add", "members", members("b"))], True, "ab", ""),
        (
            [("replace", "members", members("a", "b")), ("remove", "members", members("b"))],
            True,
            "a",
            "b",
        ),
        (
            [("remove", "members", members("c")), ("replace", "members", members("a"))],
            True,
            "a",
            "",
        ),
    ],
    ids=str,
)
def test_member_operations_come_to_a_plan(
    operations: list[tuple[str, str, Json]], clear: bool, add: str, remove: str
) -> None:
    planned = plan(*(operation(*each) for each in operations))
    assert planned is not None
    assert planned.clear == clear
    assert list(planned.add) == list(add)
    assert planned.remove == frozenset(remove)


def test_null_added_to_the_members_does_not_empty_the_group() -> None:
    assert parse_patch(message({"op": "add", "path": "members", "value": None}), GROUP) == []


@pytest.mark.parametrize(
    "path",
    [
        'members[type eq "User"]',
        'members[value sw "a"]',
        'members[value eq "a" and type eq "User"]',
        'members[not (value eq "a")]',
        "members[value eq null]",
        "members[value pr]",
    ],
)
def test_other_filters_need_the_members(path: str) -> None:
    assert plan(operation("remove", path)) is None


def test_with_the_members_loaded_any_filter_works() -> None:
    both: list[Json] = [{"value": "a", "type": "User"}, {"value": "b", "type": "Group"}]
    loaded: JsonObject = {"schemas": [urns.GROUP], "displayName": "g", "members": both}
    after = patched(loaded, operation("remove", 'members[type eq "group"]'), resource_type=GROUP)
    assert after["members"] == [{"value": "a", "type": "User"}]
    with pytest.raises(Mutability):
        patched(
            loaded,
            operation("replace", 'members[value eq "a"]', {"value": "c"}),
            resource_type=GROUP,
        )
    added = patched(loaded, operation("add", 'members[value eq "c"]', {}), resource_type=GROUP)
    assert added["members"] == [*both, {"value": "c"}]


@pytest.mark.parametrize(
    "target",
    [
        operation("replace", 'members[value eq "a"].value', "b"),
        operation("add", 'members[value eq "a"].type', "Group"),
        operation("remove", 'members[value eq "a"].type'),
        operation("remove", 'members[value eq "a"].value'),
        operation("remove", "members.value"),
        operation("replace", "members.display", "x"),
        operation("replace", "members.$ref", "x"),
    ],
    ids=str,
)
def test_members_are_added_and_removed_but_not_edited(target: JsonObject) -> None:
    with pytest.raises(Mutability):
        plan(target)


@pytest.mark.parametrize(
    "value", ["x", {"value": "x"}, ["x"], [{}], [{"value": 5}], [{"value": {"a": 1}}]], ids=str
)
def test_a_member_without_an_id_is_refused(value: Json) -> None:
    for op in ("add", "replace", "remove"):
        with pytest.raises(InvalidValue):
            plan(operation(op, "members", value))


# -- cost ----------------------------------------------------------------------------------------


def test_a_message_that_would_take_minutes_is_refused_in_time() -> None:
    many: list[Json] = [{"value": f"{n:04d}", "type": "x"} for n in range(1_000)]
    condition = " or ".join(f'value ew "{n}z"' for n in range(40))
    heavy = operation("remove", f"ims[{condition}].type")
    with pytest.raises(TooMany, match="500,000"):
        patched(anne(ims=many), *[heavy] * 1_000)
    long: list[Json] = [{"value": "\u1100\u1161" * 4_000 + str(n)} for n in range(100)]
    with pytest.raises(TooMany, match="500,000"):
        patched(anne(ims=long), *[operation("remove", 'ims[value co "x"].type')] * 1_000)


def test_a_full_message_of_ordinary_operations_is_not() -> None:
    operations = [
        operation("replace", 'emails[type eq "work"].value', f"{n}@x") for n in range(999)
    ]
    assert patched(anne(emails=BOTH), *operations)["emails"] == [{**WORK, "value": "998@x"}, HOME]


# -- properties ----------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
TYPES = st.sampled_from(["work", "home", "Work"])
ELEMENT = st.fixed_dictionaries(
    {"value": TEXT}, optional={"type": TYPES, "display": TEXT, "primary": st.just(False)}
)
SIMPLE_PATHS = st.sampled_from(
    [
        "title",
        "nickName",
        "name.givenName",
        "name.familyName",
        f"{ENTERPRISE}:department",
        f"{ENTERPRISE}:manager.value",
        f"{urns.CUSTOM_USER}:badge",
        'emails[type eq "work"].value',
        'phoneNumbers[type eq "fax" and primary eq false].display',
    ]
)
MULTI_PATHS = st.sampled_from(["emails", "phoneNumbers", "roles"])
USERS = st.builds(
    anne,
    title=st.none() | TEXT,
    name=st.none() | st.fixed_dictionaries({}, optional={"givenName": TEXT, "familyName": TEXT}),
    emails=st.lists(ELEMENT, max_size=4),
    phoneNumbers=st.lists(ELEMENT, max_size=2),
)


def value_at(resource: JsonObject, path: str) -> list[Json]:
    (parsed,) = parse_patch(message(operation("remove", path)), USER)
    found = list(parsed.target.path.values(resource))
    return found if parsed.target.condition is None else [each for each in found if each]


@given(USERS, st.one_of(st.tuples(SIMPLE_PATHS, TEXT), st.tuples(MULTI_PATHS, st.lists(ELEMENT))))
def test_added_twice_is_added_once(user: JsonObject, change: tuple[str, Json]) -> None:
    once = patched(user, operation("add", *change))
    assert patched(once, operation("add", *change)) == once


@given(USERS, SIMPLE_PATHS, TEXT)
def test_what_is_replaced_reads_back(user: JsonObject, path: str, value: str) -> None:
    assume("[" not in path)
    after = patched(user, operation("replace", path, value))
    assert value_at(after, path) == [value]
    assert check(after, USER).resource == after


@given(USERS, MULTI_PATHS, st.lists(ELEMENT, min_size=1, max_size=4))
def test_replaced_values_are_those_that_a_put_would_store(
    user: JsonObject, path: str, values: list[Json]
) -> None:
    after = patched(user, operation("replace", path, values))
    assert after[path] == anne(**{path: values})[path]


@given(USERS, st.one_of(SIMPLE_PATHS, MULTI_PATHS, st.just("name"), st.just(ENTERPRISE)), TEXT)
def test_what_is_removed_is_absent(user: JsonObject, path: str, value: str) -> None:
    if path not in ("name", ENTERPRISE, "emails", "phoneNumbers", "roles"):
        user = patched(user, operation("add", path, value))
    after = patched(user, operation("remove", path))
    if "[" not in path and path != ENTERPRISE:
        assert value_at(after, path) == []
    assert ENTERPRISE not in after
    assert patched(after, operation("remove", path)) == after
    assert check(after, USER).resource == after


@given(USERS, st.lists(ELEMENT, max_size=4))
def test_removing_what_was_added_leaves_none_of_it(user: JsonObject, values: list[Json]) -> None:
    after = patched(user, operation("add", "emails", values), operation("remove", "emails", values))
    left = after.get("emails", [])
    assert isinstance(left, list)
    assert not [each for each in left if each in values]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("userName", "name", "givenName", "displayName", "active", "password"),
                    *("emails", "value", "type", "primary", "members", "$ref", "manager"),
                    *("id", "schemas", "groups", "nosuch"),
                    'emails[type eq "work"].value',
                    ENTERPRISE,
                    f"{ENTERPRISE}:department",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "Replace", "remove"])},
        optional={
            "value": JSON,
            "path": st.one_of(
                SIMPLE_PATHS,
                MULTI_PATHS,
                st.sampled_from(
                    [
                        "userName",
                        "name",
                        "emails.value",
                        "emails.primary",
                        'emails[type eq "work"]',
                        "emails[primary eq true].primary",
                        'emails[not (value co "a") or display pr].type',
                        'members[value eq "a"]',
                        "members",
                        ENTERPRISE,
                        f"{ENTERPRISE}:manager",
                        "schemas",
                    ]
                ),
                st.text(max_size=6),
            ),
        },
    ),
    max_size=4,
)


@given(st.sampled_from([USER, GROUP]), USERS, OPERATIONS)
def test_no_message_gives_anything_but_a_scim_error_or_a_sound_resource(
    resource_type: ResourceType, user: JsonObject, operations: list[Json]
) -> None:
    if resource_type is GROUP:
        user = {"schemas": [urns.GROUP], "displayName": "g", "members": members("a", "b")}
    before = copy.deepcopy(user)
    try:
        parsed = parse_patch(message(*operations), resource_type, allow_empty=True)
        after = apply(user, parsed, resource_type)
    except ScimError:
        assert user == before
        return
    assert user == before
    assert check(after, resource_type).resource == after
    if resource_type is GROUP:
        of_members = [each for each in parsed if each.target.path.attribute.name == "members"]
        try:
            planned = plan_members(of_members)
        except Mutability:
            return  # a sub-attribute set to what it was: apply lets that pass
        if planned is not None:
            ids = set[str]() if planned.clear else {"a", "b"}
            ids = (ids - planned.remove) | planned.add.keys()
            left = after.get("members", [])
            assert isinstance(left, list)
            assert ids == {str(each["value"]) for each in left if isinstance(each, dict)}


CORPUS = Path(os.environ.get("MEIBO_CORPORA", "../shared")) / "attacks" / "patch.json"


@pytest.mark.skipif(not CORPUS.exists(), reason="the attack corpus is not here")
def test_the_corpus_of_hostile_patches_is_refused_as_it_says() -> None:
    bare = anne(emails=BOTH)
    checked = 0
    for case in json.loads(CORPUS.read_text())["cases"]:
        step, *more = case["steps"]
        body = step.get("json")
        expected = step["expect"].get("scimType")
        if more or body is None or step["expect"]["status"] != [400] or not expected:
            continue
        if not step["path"].startswith("/Users/{user.id}") or "\0" in str(body):
            continue
        with pytest.raises(ScimError) as caught:
            apply(bare, parse_patch(body, USER, own_id=OWN_ID), USER)
        assert caught.value.status == 400, case["id"]
        assert caught.value.scim_type in expected, case["id"]
        checked += 1
    assert checked > 40


# -- what may be done otherwise than by the letter ---------------------------------------------


def leniently(resource: JsonObject, *operations: Json, may: bool = True) -> tuple[Json, list[str]]:
    """The e-mails after the operations, and what was asked for on the way."""
    asked: list[str] = []

    def ask(what: str) -> bool:
        asked.append(what)
        return may

    leeway = Leeway(lambda: ask("first primary"), lambda: ask("drop emptied"))
    parsed = parse_patch(message(*operations), USER, leeway=leeway)
    return apply(resource, parsed, USER).get("emails"), asked


TWO_WORK: JsonObject = {
    "emails": [
        {"type": "work", "value": "a"},
        {"type": "work", "value": "b", "primary": True},
        HOME,
    ]
}


@pytest.mark.parametrize("path", ['emails[type eq "work"].primary', "emails.primary"])
@pytest.mark.parametrize("op", ["add", "replace"])
def test_of_several_elements_made_primary_the_first_may_be_the_only_one(op: str, path: str) -> None:
    operation_ = operation(op, path, True)
    with pytest.raises(InvalidValue, match="primary"):
        patched(anne(**TWO_WORK), operation_)
    with pytest.raises(InvalidValue, match="primary"):
        leniently(anne(**TWO_WORK), operation_, may=False)
    emails, asked = leniently(anne(**TWO_WORK), operation_)
    assert emails == [
        {"type": "work", "value": "a", "primary": True},
        {"type": "work", "value": "b", "primary": False},
        {**HOME, "primary": False} if path == "emails.primary" else HOME,
    ]
    assert asked == ["first primary"]


def test_the_first_of_them_with_a_value_is_primary() -> None:
    emails: Json = [{"type": "work"}, {"type": "work", "value": "b"}]
    after, _ = leniently({**anne(), "emails": emails}, operation("add", "emails.primary", True))
    assert after == [
        {"type": "work", "primary": False},
        {"type": "work", "value": "b", "primary": True},
    ]


CLEAR_WORK: JsonObject = {"op": "replace", "path": 'emails[type eq "work"].value', "value": None}


@pytest.mark.parametrize(
    "before, operations, after",
    [
        pytest.param([WORK, HOME], [CLEAR_WORK], [HOME], id="a value cleared"),
        pytest.param([WORK], [CLEAR_WORK], None, id="the only value cleared"),
        pytest.param(
            [WORK, HOME],
            [operation("remove", 'emails[type eq "work"].value')],
            [HOME],
            id="a value removed",
        ),
        pytest.param(
            [{**WORK, "display": "A"}, HOME],
            [{"op": "add", "path": 'emails[type eq "work"]', "value": {"value": None}}],
            [HOME],
            id="a value cleared in an object",
        ),
        pytest.param([WORK, HOME], [operation("remove", "emails.value")], None, id="all values"),
        pytest.param(
            [{"value": "a", "primary": True}],
            [operation("remove", "emails[primary eq true].value")],
            None,
            id="an element without a type",
        ),
    ],
)
def test_an_element_that_lost_its_value_may_go(
    before: Json, operations: list[Json], after: Json
) -> None:
    emails, asked = leniently(anne(emails=before), *operations)
    assert emails == after
    assert asked == ["drop emptied"]
    # To the letter it stays, with its labels.
    kept = patched(anne(emails=before), *operations)["emails"]
    assert kept == leniently(anne(emails=before), *operations, may=False)[0]
    assert isinstance(kept, list)
    assert len(kept) > len(after if isinstance(after, list) else [])


@pytest.mark.parametrize(
    "before, operations, after",
    [
        pytest.param(
            [],
            [operation("add", 'emails[type eq "work"].primary', True)],
            [{"type": "work", "primary": True}],
            id="a new element waits for its value",
        ),
        pytest.param(
            [{"type": "work", "primary": True}],
            [operation("replace", 'emails[type eq "work"].primary', False)],
            [{"type": "work", "primary": False}],
            id="one that was made before",
        ),
        pytest.param(
            [WORK],
            [CLEAR_WORK, operation("add", 'emails[type eq "work"].value', "new@x")],
            [{**WORK, "value": "new@x"}],
            id="a later operation sets the value",
        ),
        pytest.param(
            [WORK],
            [operation("remove", 'emails[type eq "work"].primary')],
            [{"value": "anne@work.example", "type": "work"}],
            id="a label removed",
        ),
    ],
)
def test_an_element_that_did_not_lose_its_value_stays(
    before: Json, operations: list[Json], after: Json
) -> None:
    resource: JsonObject = {**anne(), "emails": before}
    assert leniently(resource, *operations) == (after, [])


def test_emptied_addresses_go_when_their_last_part_is_cleared() -> None:
    before = anne(addresses=[{"type": "work", "locality": "Oslo", "region": "O"}, {"region": "R"}])
    leeway = Leeway(lambda: True, lambda: True)
    for path, left in (("locality", 2), ("region", 1)):
        one = operation("remove", f'addresses[type eq "work"].{path}')
        before = apply(before, parse_patch(message(one), USER, leeway=leeway), USER)
        assert isinstance(before["addresses"], list)
        assert len(before["addresses"]) == left
