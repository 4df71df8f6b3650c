"""PATCH messages on a tolerant connection."""

import copy
import time
from typing import Any

import pytest

from meibo.idp.profile import profile_for
from meibo.scim import urns
from meibo.scim.errors import InvalidPath, InvalidSyntax, InvalidValue, Mutability, NoTarget
from meibo.scim.patch import MAX_OPERATIONS, apply, parse_patch
from tests.idp.cases import DEPARTMENT, ENTERPRISE, GROUPS, MANAGER, PATCHES, USERS, Case

TOLERANT = profile_for("other", strict=False)


def message(operations: Any) -> dict[str, Any]:
    return {"schemas": [urns.PATCH_OP], "Operations": operations}


def undone(sent: Any, resource_type: Any = USERS) -> tuple[Any, set[str], list[str]]:
    noted: set[str] = set()
    ignored: list[str] = []
    return TOLERANT.patch(sent, resource_type, "own", noted, ignored), noted, ignored


@pytest.mark.parametrize("case", PATCHES, ids=lambda case: case.id)
def test_a_departure_is_undone_and_noted(case: Case) -> None:
    sent = message(case.before)
    copied = copy.deepcopy(sent)

    made, noted, ignored = undone(sent, case.resource_type)

    assert made == message(case.after)
    assert noted == case.quirks
    assert ignored == case.ignored
    assert sent == copied, "the request itself was changed"
    parse_patch(made, case.resource_type, own_id="own", allow_empty=True)


@pytest.mark.parametrize("case", PATCHES, ids=lambda case: case.id)
def test_what_was_undone_has_no_quirk_left(case: Case) -> None:
    made, _, _ = undone(message(case.before), case.resource_type)
    again, noted, ignored = undone(made, case.resource_type)
    assert again is made
    assert noted <= {"empty-operations"}
    assert ignored == (case.ignored if case.before == case.after else [])


@pytest.mark.parametrize(
    "operation, resource_type",
    [
        ({"op": "Replace", "path": "displayName", "value": "A"}, USERS),
        ({"OP": "Replace", "Path": "displayName", "VALUE": "A", "name": "x"}, USERS),
        ({"op": "replace", "value": {"active": False, "title": None}}, USERS),
        ({"op": "replace", "value": {ENTERPRISE: {"department": "D"}}}, USERS),
        ({"op": "replace", "path": DEPARTMENT, "value": "D"}, USERS),
        ({"op": "add", "path": 'emails[type eq "work"].value', "value": "a"}, USERS),
        ({"op": "replace", "path": 'emails[type ne "work"].value', "value": "a"}, USERS),
        ({"op": "replace", "path": 'emails[type eq "work"].value', "value": None}, USERS),
        ({"op": "remove", "path": 'emails[type eq "work"].value', "value": "a"}, USERS),
        ({"op": "Add", "path": "members", "value": [{"$ref": None, "value": "1"}]}, GROUPS),
        ({"op": "remove", "path": 'members[value eq "1"]'}, GROUPS),
        ({"op": "remove", "path": "members"}, GROUPS),
        ({"op": "replace", "path": "members", "value": []}, GROUPS),
    ],
    ids=str,
)
def test_an_operation_without_quirks_is_given_back_itself(
    operation: dict[str, Any], resource_type: Any
) -> None:
    sent = message([operation])
    made, noted, ignored = undone(sent, resource_type)
    assert made is sent
    assert (noted, ignored) == (set(), [])


@pytest.mark.parametrize(
    "schemas",
    [{}, {"schemas": None}, {"schemas": []}, {"schemas": [urns.USER]}, {"Schemas": "x"}],
    ids=["missing", "null", "empty", "another", "a string"],
)
def test_wrong_schemas_of_the_message_are_replaced(schemas: dict[str, Any]) -> None:
    operations = [{"op": "replace", "path": "active", "value": True}]
    made, noted, _ = undone({**schemas, "operations": operations})
    assert made[next(iter(schemas), "schemas")] == [urns.PATCH_OP]
    assert noted == {"wrong-schemas"}
    parse_patch(made, USERS)


def test_schemas_of_the_message_in_another_letter_case_are_right() -> None:
    sent = {"schemas": [urns.PATCH_OP.lower()], "Operations": [{"op": "remove", "path": "title"}]}
    assert undone(sent)[0] is sent


@pytest.mark.parametrize(
    "operation, error",
    [
        ({"op": "Frobnicate", "path": "title", "value": ""}, InvalidSyntax),
        ({"op": "Frobnicate", "path": "shoeSize", "value": "43"}, InvalidSyntax),
        ({"op": 1, "path": "active", "value": "True"}, InvalidSyntax),
        ({"op": "remove"}, NoTarget),
        ({"op": "remove", "value": {"members": []}}, NoTarget),
        ({"op": "add", "path": "title"}, InvalidValue),
        ({"op": "add"}, InvalidValue),
        ({"op": "replace", "value": "x"}, InvalidValue),
        ({"op": "replace", "value": [{"active": True}, {"title": "T"}]}, InvalidValue),
        ({"op": "replace", "path": 1, "value": "x"}, InvalidPath),
        ({"op": "replace", "path": "", "value": "x"}, InvalidPath),
        ({"op": "replace", "path": "emails[type", "value": "x"}, InvalidPath),
        ({"op": "replace", "path": 'emails[type eq "work"] eq "x"', "value": "y"}, InvalidPath),
        ({"op": "replace", "path": "emails[type eq 'work'].value", "value": "y"}, InvalidPath),
        ({"op": "remove", "path": 'displayName[value eq "x"]'}, InvalidPath),
        ({"op": "replace", "path": "x" * 2_000, "value": "y"}, InvalidPath),
        ({"op": "replace", "value": {"emails[type": "x"}}, InvalidPath),
        ({"op": "replace", "path": "id", "value": "own"}, Mutability),
        ({"op": "replace", "path": "meta.created", "value": ""}, Mutability),
        ({"op": "add", "path": "groups", "value": "1"}, Mutability),
        ({"op": "replace", "value": {"id": "another"}}, Mutability),
        ({"op": "replace", "path": "userName", "value": ""}, InvalidValue),
        ({"op": "replace", "path": "active", "value": "maybe"}, InvalidValue),
    ],
    ids=str,
)
def test_what_is_no_known_departure_is_left_for_the_engine_to_refuse(
    operation: dict[str, Any], error: type[Exception]
) -> None:
    sent = message([operation])
    made, noted, ignored = undone(sent)
    assert made is sent
    assert (noted, ignored) == (set(), [])
    with pytest.raises(error):
        parse_patch(made, USERS, own_id="own", allow_empty=True, bare_words=True)


@pytest.mark.parametrize(
    "value",
    [[], "", {}, [""], [{}], [None], [{"value": ""}], [{"value": None}], {"members": []}],
    ids=str,
)
def test_a_remove_that_lists_nobody_removes_nobody(value: Any) -> None:
    made, _, _ = undone(message([{"op": "Remove", "path": "members", "value": value}]), GROUPS)
    group: Any = {"schemas": [urns.GROUP], "displayName": "G", "members": [{"value": "1"}]}
    try:
        operations = parse_patch(made, GROUPS)
    except InvalidValue:
        return
    assert apply(group, operations, GROUPS) == group


@pytest.mark.parametrize("op", ["add", "replace"])
@pytest.mark.parametrize("member", [{}, {"display": "A"}, {"id": "1"}], ids=str)
def test_a_member_without_any_value_is_refused(op: str, member: Any) -> None:
    sent = message([{"op": op, "path": "members", "value": [{"value": "1"}, member]}])
    made, _, _ = undone(sent, GROUPS)
    with pytest.raises(InvalidValue, match="value is required"):
        parse_patch(made, GROUPS)


@pytest.mark.parametrize("value", [[{"value": ""}], [{"value": None}], [None]], ids=str)
def test_a_group_is_not_emptied_by_empty_members(value: Any) -> None:
    sent = message([{"op": "replace", "path": "members", "value": value}])
    made, _, _ = undone(sent, GROUPS)
    assert made is sent
    with pytest.raises(InvalidValue):
        parse_patch(made, GROUPS)


def lenient(user: Any, *operations: Any) -> tuple[Any, set[str]]:
    """The user after the operations, and what was noted while they were applied."""
    noted: set[str] = set()
    made, _, _ = undone(message(list(operations)))
    parsed = parse_patch(made, USERS, leeway=TOLERANT.leeway(noted))
    return apply({"schemas": [urns.USER], "userName": "u", **user}, parsed, USERS), noted


def test_of_two_primaries_that_a_path_makes_the_first_stays_so() -> None:
    emails = [{"type": "work", "value": "a"}, {"type": "work", "value": "b"}]
    operation = {"op": "Replace", "path": 'emails[type eq "work"].primary', "value": "True"}
    user, noted = lenient({"emails": emails}, operation)
    assert [each["primary"] for each in user["emails"]] == [True, False]
    assert noted == {"several-primaries"}


@pytest.mark.parametrize("value", ["", None, []], ids=str)
def test_an_element_whose_value_is_cleared_is_left_out(value: Any) -> None:
    emails = [{"type": "work", "value": "a", "primary": True}, {"type": "home", "value": "b"}]
    operation = {"op": "Replace", "path": 'emails[type eq "work"].value', "value": value}
    user, noted = lenient({"emails": emails}, operation)
    assert user["emails"] == emails[1:]
    assert noted == {"empty-element"}


def test_an_element_that_has_no_value_yet_stays() -> None:
    primary = {"op": "Add", "path": 'emails[type eq "work"].primary', "value": "True"}
    user, noted = lenient({}, primary)
    assert user["emails"] == [{"type": "work", "primary": True}]
    assert noted == set()


def test_strict_connections_have_no_leeway() -> None:
    assert profile_for("entra", strict=True).leeway(set()) is None


def test_a_replace_with_a_filter_creates_or_changes_the_element() -> None:
    sent = message([{"op": "Replace", "path": 'emails[type eq "work"].value', "value": "b"}])
    made, _, _ = undone(sent)
    operations = parse_patch(made, USERS)
    user: Any = {"schemas": [urns.USER], "userName": "u"}

    created = apply(user, operations, USERS)
    assert created["emails"] == [{"type": "work", "value": "b"}]

    both: Any = {**user, "emails": [{"type": "work", "value": "a"}, {"type": "home", "value": "c"}]}
    changed = apply(both, operations, USERS)
    assert changed["emails"] == [{"type": "work", "value": "b"}, {"type": "home", "value": "c"}]


@pytest.mark.parametrize("value", ["", {"value": ""}, [""], None], ids=str)
def test_an_empty_manager_is_taken_away(value: Any) -> None:
    made, _, _ = undone(message([{"op": "Replace", "path": MANAGER, "value": value}]))
    user: Any = {"schemas": [urns.USER], "userName": "u", ENTERPRISE: {"manager": {"value": "1"}}}
    assert ENTERPRISE not in apply(user, parse_patch(made, USERS), USERS)


def test_the_ignored_paths_are_few_and_short() -> None:
    names = {f"unknown{number}": 1 for number in range(200)} | {"x\n" + "y" * 500: 1}
    _, noted, ignored = undone(message([{"op": "replace", "value": names}]))
    assert noted == {"unknown-attribute"}
    assert len(ignored) == 100
    _, _, ignored = undone(message([{"op": "remove", "path": "x" * 900}]))
    assert len(ignored) == 1
    assert len(ignored[0]) < 130


def test_a_message_of_unknown_names_costs_little() -> None:
    names = {f"unknown{number}": 1 for number in range(500)}
    sent = message([{"op": "replace", "value": names}] * 260)
    started = time.process_time()
    made, _, _ = undone(sent)
    assert time.process_time() - started < 2
    with pytest.raises(InvalidPath):
        parse_patch(made, USERS)


def test_more_operations_than_are_possible_are_not_looked_at() -> None:
    sent = message([{"op": "Replace", "path": "active", "value": "True"}] * (MAX_OPERATIONS + 1))
    assert undone(sent)[0] is sent


@pytest.mark.parametrize(
    "sent",
    [None, [], "x", {}, {"Operations": {}}, message({}), message([None, 1, "x", []])],
    ids=str,
)
def test_a_message_that_is_none_is_refused_by_the_engine(sent: Any) -> None:
    made, _, _ = undone(sent)
    with pytest.raises(InvalidSyntax):
        parse_patch(made, USERS, allow_empty=True)
