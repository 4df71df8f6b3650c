"""``attributes`` and ``excludedAttributes`` (RFC 7644 §3.9)."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meibo.scim import urns
from meibo.scim.core_schemas import CustomAttribute, group_type, user_type
from meibo.scim.errors import InvalidValue
from meibo.scim.projection import Projection
from meibo.scim.schema import Json, JsonObject

USER = user_type((CustomAttribute("badge"),))
GROUP = group_type()
ENTERPRISE = urns.ENTERPRISE_USER

ANNE: JsonObject = {
    "schemas": [urns.USER, ENTERPRISE, urns.CUSTOM_USER],
    "id": "1",
    "externalId": "x1",
    "userName": "anne",
    "name": {"givenName": "Anne", "familyName": "Meier"},
    "emails": [{"value": "a@x", "type": "work"}, {"type": "home"}],
    ENTERPRISE: {"department": "Sales", "manager": {"value": "2", "displayName": "Bo"}},
    urns.CUSTOM_USER: {"badge": "7"},
    "meta": {"resourceType": "User", "version": 'W/"1"'},
}
MINIMUM: JsonObject = {"schemas": ANNE["schemas"], "id": "1"}


def projected(*, only: list[str] | None = None, without: list[str] | None = None) -> JsonObject:
    before = copy.deepcopy(ANNE)
    projection = Projection.parse(only, without, USER)
    result = ANNE if projection is None else projection.apply(ANNE)
    assert before == ANNE
    return result


def rest(*names: str) -> JsonObject:
    return {name: value for name, value in ANNE.items() if name not in names}


@pytest.mark.parametrize(
    "names, expected",
    [
        (["userName"], {"userName": "anne"}),
        (["USERNAME", "userName"], {"userName": "anne"}),
        ([f"{urns.USER}:username"], {"userName": "anne"}),
        (["id"], {}),
        (["nosuch"], {}),
        (["nosuch[", "emails[type eq 5]", ""], {}),
        (["password"], {}),
        (["name.givenname"], {"name": {"givenName": "Anne"}}),
        (["name.givenName", "name"], {"name": ANNE["name"]}),
        (["name", "name.givenName"], {"name": ANNE["name"]}),
        (["name.middleName"], {}),
        (["emails.value"], {"emails": [{"value": "a@x"}]}),
        (["emails.display"], {}),
        (["emails.nosuch"], {}),
        ([f"{ENTERPRISE}:department"], {ENTERPRISE: {"department": "Sales"}}),
        ([f"{ENTERPRISE}:manager.value"], {ENTERPRISE: {"manager": {"value": "2"}}}),
        ([f"{ENTERPRISE}:costCenter"], {}),
        ([ENTERPRISE.upper()], {ENTERPRISE: ANNE[ENTERPRISE]}),
        (["meta.version"], {"meta": {"version": 'W/"1"'}}),
        ([urns.USER], {name: ANNE[name] for name in ("userName", "name", "emails")}),
        (["department"], {}),
    ],
    ids=str,
)
def test_attributes_gives_the_minimum_and_what_is_named(
    names: list[str], expected: JsonObject
) -> None:
    assert projected(only=names) == {**MINIMUM, **expected}


@pytest.mark.parametrize(
    "names, expected",
    [
        (["userName"], rest("userName")),
        (["nosuch"], ANNE),
        (["id", "schemas"], ANNE),
        (["meta", "EXTERNALID"], rest("meta", "externalId")),
        (["name.givenName"], {**ANNE, "name": {"familyName": "Meier"}}),
        (["name.givenName", "name.familyName"], rest("name")),
        (["name.givenName", "name"], rest("name")),
        (["emails.type"], {**ANNE, "emails": [{"value": "a@x"}]}),
        (["emails.display"], ANNE),
        (
            [f"{ENTERPRISE}:manager"],
            {**ANNE, ENTERPRISE: {"department": "Sales"}},
        ),
        ([f"{ENTERPRISE}:manager", f"{ENTERPRISE}:department"], rest(ENTERPRISE)),
        ([ENTERPRISE], rest(ENTERPRISE)),
        ([urns.USER], rest("userName", "name", "emails")),
    ],
    ids=str,
)
def test_excluded_attributes_are_left_out_unless_they_are_always_returned(
    names: list[str], expected: JsonObject
) -> None:
    assert projected(without=names) == expected


def test_nothing_asked_for_is_no_projection() -> None:
    for nothing in (None, [], ()):
        assert Projection.parse(nothing, nothing, USER) is None
    assert Projection.parse(None, ["nosuch"], USER) is None


def test_the_two_parameters_exclude_each_other() -> None:
    with pytest.raises(InvalidValue):
        Projection.parse(["userName"], ["members"], USER)


@pytest.mark.parametrize(
    "only, without, wanted",
    [
        (["displayName"], None, False),
        (["members"], None, True),
        (["MEMBERS.value"], None, True),
        ([f"{urns.GROUP}:members"], None, True),
        (None, ["members"], False),
        (None, ["members.display"], True),
        (None, ["displayName"], True),
    ],
    ids=str,
)
def test_members_need_not_be_read_when_nobody_wants_them(
    only: list[str] | None, without: list[str] | None, wanted: bool
) -> None:
    projection = Projection.parse(only, without, GROUP)
    assert projection is not None
    assert projection.wants("members") == wanted


NAMES = st.sampled_from(
    [
        *("id", "schemas", "userName", "name", "name.givenName", "emails", "emails.value", "meta"),
        *(ENTERPRISE, f"{ENTERPRISE}:manager", f"{ENTERPRISE}:manager.value", urns.USER),
        *("externalId", "nosuch", "password", urns.CUSTOM_USER),
    ]
)


def leaves(value: Json, at: str = "") -> set[str]:
    if isinstance(value, dict):
        return {leaf for name, inner in value.items() for leaf in leaves(inner, f"{at}/{name}")}
    if isinstance(value, list):
        return {leaf for place, each in enumerate(value) for leaf in leaves(each, at)}
    return {f"{at}={value}"}


@given(st.lists(NAMES | st.text(max_size=5), min_size=1, max_size=4))
def test_what_is_kept_and_what_is_left_out_make_up_the_whole(names: list[str]) -> None:
    kept, left = leaves(projected(only=names)), leaves(projected(without=names))
    assert kept | left == leaves(ANNE)
    assert kept & left == leaves(MINIMUM)
