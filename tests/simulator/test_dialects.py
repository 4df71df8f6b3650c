"""What goes over the wire: the forms that Microsoft's and Okta's documents show."""

from dataclasses import replace
from typing import Any

import pytest

from meibo.simulator import attributes as paths
from meibo.simulator.company import Group, story
from meibo.simulator.dialect import GroupChange, Member, Request, locate
from meibo.simulator.entra import EntraDialect
from meibo.simulator.okta import OktaDialect
from meibo.simulator.people import Person
from meibo.simulator.plan import Plan

URL = "http://127.0.0.1:8080/scim/v2"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
CUSTOM = "urn:ietf:params:scim:schemas:extension:ivanti:2.0:User"
CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

ENTRA = EntraDialect(custom_attribute=True)
OKTA = OktaDialect(custom_attribute=True, app="template")
WIZARD = OktaDialect(custom_attribute=True, app="wizard")
PEOPLE = story(Plan("entra", URL, "t", users=60, cycles=1))[0].people
GROUP = Group(1, "group-guid", "営業部", "department", frozenset())


def person(number: int = 40, **changes: Any) -> Person:
    return replace(
        PEOPLE[number],
        user_name="aiko.o'brien+x@kaede.example",
        display_name="佐藤 愛子",
        given_name="愛子",
        family_name="佐藤",
        email="aiko@kaede.example",
        external_id="the-id",
        **changes,
    )


def body(request: Request) -> dict[str, Any]:
    assert isinstance(request.body, dict)
    return request.body


def operations(request: Request) -> list[dict[str, Any]]:
    assert body(request)["schemas"] == [PATCH_OP]
    return body(request)["Operations"]


def group_change(**changes: Any) -> GroupChange:
    change = GroupChange("g-1", GROUP, {}, [], [], [], found=False)
    return replace(change, **changes)


@pytest.mark.parametrize(
    "request_, target",
    [
        (
            ENTRA.find("/Users", "userName", "aiko.o'brien+x@kaede.example"),
            "/Users?filter=userName+eq+%22aiko.o%27brien%2Bx%40kaede.example%22",
        ),
        (
            ENTRA.find("/Groups", "displayName", 'The "A" & B'),
            "/Groups?excludedAttributes=members&"
            "filter=displayName+eq+%22The+%5C%22A%5C%22+%26+B%22",
        ),
        (
            OKTA.find("/Users", "userName", "aiko.o'brien+x@kaede.example"),
            "/Users?filter=userName%20eq%20%22aiko.o'brien%2Bx%40kaede.example%22"
            "&startIndex=1&count=100",
        ),
        (
            OKTA.find("/Groups", "displayName", "営業部"),
            "/Groups?filter=displayName%20eq%20%22%E5%96%B6%E6%A5%AD%E9%83%A8%22"
            "&startIndex=1&count=100",
        ),
    ],
    ids=["entra user", "entra group", "okta user", "okta group"],
)
def test_a_look_up_is_encoded_as_the_provider_does(request_: Request, target: str):
    assert (request_.method, request_.target, request_.body) == ("GET", target, None)


def test_entra_creates_a_user_with_two_schemas_and_a_bare_manager_id():
    created = body(ENTRA.create_user(person(), ENTRA.attributes(person(), "head-id")))
    assert created["schemas"] == [CORE, ENTERPRISE]
    assert created["meta"] == {"resourceType": "User"}
    assert created["roles"] == []
    assert created["externalId"] == "the-id"
    assert created["active"] is True
    assert created["name"]["familyName"] == "佐藤"
    assert created["emails"] == [{"type": "work", "primary": True, "value": "aiko@kaede.example"}]
    assert created[ENTERPRISE]["manager"] == "head-id"
    assert created[CUSTOM] == {"costCenterCode": person().cost_center_code}


def test_entra_with_the_flag_creates_the_manager_as_an_object():
    created = body(ENTRA.create_user(person(42), ENTRA.attributes(person(42), "head-id")))
    assert created[ENTERPRISE]["manager"] == {"value": "head-id"}


def test_entra_sends_some_people_with_active_as_a_string():
    created = body(ENTRA.create_user(person(41), ENTRA.attributes(person(41), None)))
    assert created["active"] == "True"


CHANGED = {
    paths.DISPLAY_NAME: "高橋 愛子",
    paths.FAMILY_NAME: "高橋",
    paths.WORK_EMAIL: "aiko.takahashi@kaede.example",
    paths.DEPARTMENT: "開発部",
    paths.TITLE: "主任",
    paths.ACTIVE: False,
}


def found(one: Person) -> dict[str, Any]:
    """The person as a server without titles answers it."""
    sent = ENTRA.attributes(one, None)
    del sent[paths.TITLE]
    return {"id": "u-1", **paths.write({}, sent)}


def test_entra_patches_one_capital_operation_per_attribute():
    request = ENTRA.change_user(person(40), "u-1", found(person(40)), CHANGED)
    assert (request.method, request.target) == ("PATCH", "/Users/u-1")
    assert operations(request) == [
        {"op": "Replace", "path": "displayName", "value": "高橋 愛子"},
        {"op": "Replace", "path": "name.familyName", "value": "高橋"},
        {
            "op": "Replace",
            "path": 'emails[type eq "work"].value',
            "value": "aiko.takahashi@kaede.example",
        },
        {"op": "Replace", "path": f"{ENTERPRISE}:department", "value": "開発部"},
        {"op": "Add", "path": "title", "value": "主任"},
        {"op": "Replace", "path": "active", "value": "False"},
    ]


def test_entra_with_the_flag_patches_by_value_path_and_flattened_keys():
    request = ENTRA.change_user(person(42), "u-1", found(person(42)), CHANGED)
    assert request.target == "/Users/u-1?aadOptscim062020"
    assert operations(request) == [
        {
            "op": "replace",
            "path": 'emails[type eq "work"].value',
            "value": "aiko.takahashi@kaede.example",
        },
        {"op": "add", "value": {"title": "主任"}},
        {
            "op": "replace",
            "value": {
                "displayName": "高橋 愛子",
                "name.familyName": "高橋",
                f"{ENTERPRISE}:department": "開発部",
                "active": False,
            },
        },
    ]


def test_entra_creates_a_group_without_members():
    assert body(ENTRA.create_group(GROUP)) == {
        "schemas": [
            "urn:ietf:params:scim:schemas:core:2.0:Group",
            "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group",
        ],
        "meta": {"resourceType": "Group"},
        "displayName": "営業部",
        "externalId": "group-guid",
    }


def test_entra_renames_adds_and_removes_in_requests_of_their_own():
    change = group_change(
        attributes={"displayName": "営業部"},
        added=[Member("a", "a@x.example")],
        removed=[Member("b", "b@x.example"), Member("c", "c@x.example")],
    )
    assert [operations(step.request) for step in ENTRA.change_group(change)] == [
        [{"op": "Replace", "path": "displayName", "value": "営業部"}],
        [{"op": "Add", "path": "members", "value": [{"$ref": None, "value": "a"}]}],
        [
            {
                "op": "Remove",
                "path": "members",
                "value": [{"$ref": None, "value": "b"}, {"$ref": None, "value": "c"}],
            }
        ],
    ]


def test_entra_with_the_flag_removes_members_by_filter():
    change = group_change(
        group=replace(GROUP, number=3),
        attributes={"displayName": "営業部"},
        removed=[Member("b", ""), Member("c", "")],
    )
    assert [operations(step.request) for step in ENTRA.change_group(change)] == [
        [{"op": "replace", "value": {"displayName": "営業部"}}],
        [
            {"op": "remove", "path": 'members[value eq "b"]'},
            {"op": "remove", "path": 'members[value eq "c"]'},
        ],
    ]


def test_entra_adds_at_most_a_hundred_members_at_once():
    members = [Member(str(number), "") for number in range(250)]
    steps = ENTRA.change_group(group_change(added=members))
    assert [len(operations(step.request)[0]["value"]) for step in steps] == [100, 100, 50]
    assert [member for step in steps for member in step.added] == members


def test_okta_creates_a_user_with_the_core_schema_only_a_password_and_groups():
    created = body(OKTA.create_user(person(), OKTA.attributes(person(), "head-id")))
    assert created["schemas"] == [CORE]
    assert created["groups"] == []
    assert len(created["password"]) == 20
    assert created["emails"][0]["primary"] is True
    assert created[ENTERPRISE] == {
        "employeeNumber": person().employee_number,
        "department": person().department.name,
    }
    assert created[CUSTOM] == {"costCenterCode": person().cost_center_code}


def test_okta_puts_back_the_whole_object_that_it_read():
    read = {
        **paths.write({}, OKTA.attributes(person(), None)),
        "id": "u-1",
        "schemas": [CORE, ENTERPRISE],
        "meta": {"version": 'W/"1"'},
        "groups": [{"value": "g"}],
        "nickName": "kept",
    }
    request = OKTA.change_user(person(), "u-1", read, {paths.FAMILY_NAME: "高橋"})
    assert (request.method, request.target) == ("PUT", "/Users/u-1")
    sent = body(request)
    assert sent["name"] == {"givenName": "愛子", "familyName": "高橋", "middleName": ""}
    assert sent["emails"] == [
        {"display": None, "type": "work", "primary": True, "value": "aiko@kaede.example"}
    ]
    assert (sent["id"], sent["meta"], sent["groups"], sent["nickName"]) == (
        "u-1",
        {"version": 'W/"1"'},
        [{"value": "g"}],
        "kept",
    )
    assert sent["schemas"] == [CORE]
    assert isinstance(read["name"], dict)
    assert read["name"]["familyName"] == "佐藤"


def test_an_id_that_is_no_plain_word_stays_one_segment_of_the_path():
    assert locate("/Users", "../a b?c#d/é") == "/Users/..%2Fa%20b%3Fc%23d%2F%C3%A9"


def test_okta_deactivates_by_a_path_less_patch():
    request = OKTA.change_user(person(), "u-1", {"id": "u-1"}, {paths.ACTIVE: False})
    assert request.method == "PATCH"
    assert operations(request) == [{"op": "replace", "value": {"active": False}}]


def test_an_app_of_the_wizard_deactivates_by_put():
    request = WIZARD.change_user(person(), "u-1", {"id": "u-1"}, {paths.ACTIVE: False})
    assert request.method == "PUT"
    assert body(request) == {"id": "u-1", "schemas": [CORE], "active": False}


def test_okta_repeats_name_and_id_before_each_membership_change():
    change = group_change(added=[Member("a", "a@x.example")], removed=[Member("b", "b")])
    assert [operations(step.request) for step in OKTA.change_group(change)] == [
        [{"op": "replace", "value": {"id": "g-1", "displayName": "営業部"}}],
        [
            {"op": "remove", "path": 'members[value eq "b"]'},
            {
                "op": "add",
                "path": "members",
                "value": [{"value": "a", "display": "a@x.example"}],
            },
        ],
    ]


def test_okta_pushes_the_whole_list_to_a_group_that_it_found():
    change = group_change(removed=[Member("b", "b")], everyone=[], found=True)
    assert operations(OKTA.change_group(change)[1].request) == [
        {"op": "replace", "path": "members", "value": []}
    ]


def test_an_app_of_the_wizard_pushes_groups_by_put():
    change = group_change(added=[Member("a", "n")], everyone=[Member("a", "n")])
    (step,) = WIZARD.change_group(change)
    assert (step.request.method, step.request.target) == ("PUT", "/Groups/g-1")
    assert body(step.request) == {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "id": "g-1",
        "displayName": "営業部",
        "members": [{"value": "a", "display": "n"}],
    }


@pytest.mark.parametrize("added, removed", [(0, 250), (250, 0), (120, 70), (10, 260)])
def test_okta_carries_every_member_once(added: int, removed: int):
    change = group_change(
        added=[Member(f"a{number}", "") for number in range(added)],
        removed=[Member(f"r{number}", "") for number in range(removed)],
    )
    steps = OKTA.change_group(change)
    assert [member for step in steps for member in step.added] == change.added
    assert [member for step in steps for member in step.removed] == change.removed
    assert all(len(step.added) + len(step.removed) <= 100 for step in steps)


@pytest.mark.parametrize("dialect", [ENTRA, OKTA], ids=["entra", "okta"])
def test_the_custom_attribute_is_sent_only_if_wanted(dialect: EntraDialect | OktaDialect):
    assert paths.COST_CENTER_CODE in dialect.attributes(person(), None)
    without = (
        EntraDialect(custom_attribute=False),
        OktaDialect(custom_attribute=False, app="template"),
    )
    assert all(paths.COST_CENTER_CODE not in one.attributes(person(), None) for one in without)


def test_what_is_written_is_read_again():
    sent = ENTRA.attributes(person(), "head-id")
    assert paths.read(paths.write({}, sent)) == sent


def test_a_value_of_a_wrong_type_equals_nothing_that_was_sent():
    resource = {"active": "True", "title": 7, ENTERPRISE: {"manager": "head-id"}}
    read = paths.read(resource)
    wanted = {paths.ACTIVE: True, paths.TITLE: "7", paths.MANAGER: "head-id"}
    assert paths.differences(read, wanted) == wanted
