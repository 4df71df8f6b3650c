"""JSON checked against its schemas (RFC 7643 §2, §3)."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meibo.scim import urns
from meibo.scim.core_schemas import CustomAttribute, group_type, user_type
from meibo.scim.errors import InvalidSyntax, InvalidValue, ScimError
from meibo.scim.resource import check, check_value, comparable_resource
from meibo.scim.schema import Attribute, Json, JsonObject, ResourceType, Schema, SchemaExtension

CUSTOM = (
    CustomAttribute("badge"),
    CustomAttribute("floor", "decimal"),
    CustomAttribute("remote", "boolean"),
    CustomAttribute("hired", "dateTime"),
)
USER = user_type(CUSTOM)
GROUP = group_type()


def user(**attributes: Json) -> JsonObject:
    return {"schemas": [urns.USER], "userName": "anne", **attributes}


def extended(urn: str, **attributes: Json) -> JsonObject:
    return user(**{urn: attributes})


def checked(body: Json, resource_type: ResourceType = USER) -> JsonObject:
    return check(body, resource_type).resource


def refusal(body: Json, resource_type: ResourceType = USER) -> str:
    with pytest.raises((InvalidValue, InvalidSyntax)) as caught:
        check(body, resource_type)
    return caught.value.detail


def test_names_are_recognised_in_any_letter_case_and_spelled_as_in_the_schema() -> None:
    body: JsonObject = {
        "SCHEMAS": [urns.USER.upper()],
        "UserName": "Anne",
        "NAME": {"GivenName": "Anne"},
        "emails": [{"VALUE": "Anne@example.com", "Primary": True}],
        urns.ENTERPRISE_USER.lower(): {"Department": "Sales"},
    }
    assert checked(body) == {
        "schemas": [urns.USER, urns.ENTERPRISE_USER],
        "userName": "Anne",
        "name": {"givenName": "Anne"},
        "emails": [{"value": "Anne@example.com", "primary": True}],
        urns.ENTERPRISE_USER: {"department": "Sales"},
    }


@pytest.mark.parametrize(
    "attributes",
    [
        {"title": None},
        {"emails": []},
        {"emails": None},
        {"name": {}},
        {"name": {"givenName": None}},
        {"emails": [{}]},
        {"emails": [{"value": None}]},
        {urns.ENTERPRISE_USER: {}},
        {urns.ENTERPRISE_USER: None},
        {urns.ENTERPRISE_USER: {"manager": {"value": None}}},
    ],
    ids=str,
)
def test_null_and_empty_are_unassigned(attributes: JsonObject) -> None:
    assert checked(user(**attributes)) == {"schemas": [urns.USER], "userName": "anne"}


def test_what_the_server_decides_is_dropped_without_a_word() -> None:
    manager: JsonObject = {
        urns.ENTERPRISE_USER: {"manager": {"value": "m", "displayName": 1, "$ref": None}}
    }
    body = user(
        id="x",
        meta={"resourceType": 5},
        groups=[{"value": "g"}],
        **manager,
    )
    result = check(body, USER)
    assert result.ignored == []
    assert result.resource == {
        "schemas": [urns.USER, urns.ENTERPRISE_USER],
        "userName": "anne",
        urns.ENTERPRISE_USER: {"manager": {"value": "m"}},
    }


def test_what_nobody_defined_is_named_and_not_kept() -> None:
    body = user(
        shoeSize=42,
        emails=[{"value": "a@x", "colour": "red"}, {"value": "b@x", "colour": "blue"}],
        __proto__={"admin": True},
        **{urns.ENTERPRISE_USER: {"office": "4"}, "urn:none:User": {"a": 1}},
    )
    result = check(body, USER)
    assert result.ignored == [
        "shoeSize",
        "emails.colour",
        "__proto__",
        f"{urns.ENTERPRISE_USER}:office",
        "urn:none:User",
    ]
    assert result.resource == checked(user(emails=[{"value": "a@x"}, {"value": "b@x"}]))


def test_what_is_ignored_is_bounded_and_fit_for_a_log() -> None:
    ignored = check(user(**{"k" * 100_000: 1, "a\nb": 1}), USER).ignored
    assert all(each.isprintable() and len(each) < 100 for each in ignored)
    assert len(check(user(**{f"k{n}": 1 for n in range(400)}), USER).ignored) == 100


def test_a_password_is_checked_and_not_kept() -> None:
    result = check(user(password="S3cret"), USER)
    assert "password" not in result.resource
    assert result.ignored == []
    assert "password must be a string" in refusal(user(password={"$gt": ""}))


def test_active_is_not_made_up() -> None:
    assert "active" not in checked(user())
    assert checked(user(active=False))["active"] is False


@pytest.mark.parametrize(
    "attributes, named",
    [
        ({"userName": 12345}, "userName"),
        ({"userName": ["a@x"]}, "userName"),
        ({"userName": {"value": "a"}}, "userName"),
        ({"userName": None}, "userName"),
        ({"userName": ""}, "userName"),
        ({"userName": "a" * 257}, "userName"),
        ({"userName": " a"}, "userName"),
        ({"displayName": "a" * 1_025}, "displayName"),
        ({"title": "a" * 8_193}, "title"),
        ({"title": 1}, "title"),
        ({"title": True}, "title"),
        ({"active": "perhaps"}, "active"),
        ({"active": 2}, "active"),
        ({"active": []}, "active"),
        ({"active": 1}, "active"),
        ({"externalId": 1}, "externalId"),
        ({"name": "Ann"}, "name"),
        ({"name": {"givenName": {}}}, "name.givenName"),
        ({"emails": {"value": "a@x"}}, "emails"),
        ({"emails": ["a@x"]}, "emails"),
        ({"emails": [None]}, "emails"),
        ({"emails": [[["a@x"]]]}, "emails"),
        ({"emails": [{"value": 5}]}, "emails.value"),
        ({"emails": [{"value": "a", "primary": "true"}]}, "emails.primary"),
        ({"emails": [{"value": f"{n}@x"} for n in range(101)]}, "emails"),
        ({"ims": [{"value": str(n)} for n in range(1_001)]}, "ims"),
        ({"x509Certificates": [{"value": "%%%"}]}, "x509Certificates.value"),
        ({"x509Certificates": [{"value": "é"}]}, "x509Certificates.value"),
        ({"x509Certificates": [{"value": "QUJ"}]}, "x509Certificates.value"),
        ({urns.ENTERPRISE_USER: "x"}, urns.ENTERPRISE_USER),
        ({urns.ENTERPRISE_USER: {"department": 4}}, f"{urns.ENTERPRISE_USER}:department"),
        ({urns.ENTERPRISE_USER: {"manager": "m"}}, f"{urns.ENTERPRISE_USER}:manager"),
        ({urns.CUSTOM_USER: {"floor": "4"}}, f"{urns.CUSTOM_USER}:floor"),
        ({urns.CUSTOM_USER: {"floor": True}}, f"{urns.CUSTOM_USER}:floor"),
        ({urns.CUSTOM_USER: {"floor": float("inf")}}, f"{urns.CUSTOM_USER}:floor"),
        ({urns.CUSTOM_USER: {"floor": 2**63}}, f"{urns.CUSTOM_USER}:floor"),
        ({urns.CUSTOM_USER: {"floor": -(10**400)}}, f"{urns.CUSTOM_USER}:floor"),
        ({urns.CUSTOM_USER: {"remote": 0}}, f"{urns.CUSTOM_USER}:remote"),
        ({urns.CUSTOM_USER: {"hired": "yesterday"}}, f"{urns.CUSTOM_USER}:hired"),
        ({urns.CUSTOM_USER: {"hired": "2026-02-30T00:00:00Z"}}, f"{urns.CUSTOM_USER}:hired"),
        ({urns.CUSTOM_USER: {"hired": 5}}, f"{urns.CUSTOM_USER}:hired"),
    ],
    ids=lambda case: str(case)[:50],
)
def test_a_value_of_the_wrong_kind_is_refused_by_its_path(
    attributes: JsonObject, named: str
) -> None:
    detail = refusal(user(**attributes))
    assert detail.startswith(f"{named} ")
    assert len(detail) < 300


@pytest.mark.parametrize(
    "name, value",
    [
        ("floor", 3),
        ("floor", -2.5),
        ("remote", False),
        ("hired", "2026-11-22T10:00:00+09:00"),
        ("badge", ""),
    ],
)
def test_custom_values_are_kept_as_sent(name: str, value: Json) -> None:
    body = extended(urns.CUSTOM_USER, **{name.upper(): value})
    assert checked(body)[urns.CUSTOM_USER] == {name: value}


def test_a_certificate_is_base64() -> None:
    body = user(x509Certificates=[{"value": "TUlJQg=="}])
    assert checked(body)["x509Certificates"] == [{"value": "TUlJQg=="}]


def test_whole_numbers_have_no_fraction() -> None:
    level = Attribute("level", type="integer")
    assert check_value(level, 4, "level") == 4
    for wrong in (4.0, 1e2, True, "4"):
        with pytest.raises(InvalidValue):
            check_value(level, wrong, "level")


def test_an_error_shows_little_of_the_input_and_escapes_it() -> None:
    detail = refusal(user(active="\r\nX-Evil: 1" + "z" * 500))
    assert detail.isprintable()
    assert len(detail) < 200


def test_at_most_one_value_is_primary() -> None:
    two: Json = [{"value": "a@x", "primary": True}, {"value": "b@x", "primary": True}]
    assert "primary" in refusal(user(emails=two))


@pytest.mark.parametrize(
    "sent, kept",
    [
        ([{"value": "a@x"}, {"value": "a@x"}], [{"value": "a@x"}]),
        ([{"value": "a@x"}, {"value": "A@X"}], [{"value": "a@x"}]),
        (
            [{"value": "a@x", "type": "work"}, {"value": "a@x", "type": "Work", "display": "A"}],
            [{"value": "a@x", "type": "work", "display": "A"}],
        ),
        (
            [{"value": "a@x", "primary": False}, {"value": "a@x", "primary": True}],
            [{"value": "a@x", "primary": True}],
        ),
        (
            [{"value": "a@x", "type": "work"}, {"value": "a@x", "type": "home"}],
            [{"value": "a@x", "type": "work"}, {"value": "a@x", "type": "home"}],
        ),
        ([{"type": "work"}, {"type": "work"}], [{"type": "work"}]),
    ],
)
def test_the_same_value_and_type_is_kept_once(sent: Json, kept: Json) -> None:
    assert checked(user(emails=sent))["emails"] == kept


def test_equal_addresses_are_kept_once() -> None:
    tokyo: JsonObject = {"locality": "Tokyo", "type": "work"}
    body = user(addresses=[tokyo, {"type": "work", "locality": "Tokyo"}, {"locality": "Osaka"}])
    assert checked(body)["addresses"] == [tokyo, {"locality": "Osaka"}]


# -- groups --------------------------------------------------------------------------------------


def test_members_keep_what_the_client_decides() -> None:
    body: JsonObject = {
        "schemas": [urns.GROUP],
        "displayName": "Sales",
        "members": [
            {"value": "a", "$ref": "https://evil.example/", "display": 7, "type": "User"},
            {"value": "a"},
            {"value": "not/an/id"},
        ],
    }
    assert checked(body, GROUP)["members"] == [
        {"value": "a", "type": "User"},
        {"value": "not/an/id"},
    ]


@pytest.mark.parametrize(
    "members",
    [
        {"value": "x"},
        "x",
        ["x"],
        [{}],
        [{"value": 5}],
        [{"value": {"a": 1}}],
        [{"value": ""}],
        [{"value": None}],
        [{"$ref": "https://evil.example/Users/1"}],
        [{"value": "x" * 257}],
        [{"value": "x", "$ref": 4}],
    ],
    ids=str,
)
def test_a_member_is_an_object_with_an_id(members: Json) -> None:
    body: JsonObject = {"schemas": [urns.GROUP], "displayName": "g", "members": members}
    assert refusal(body, GROUP).startswith("members")


def test_a_group_needs_a_name() -> None:
    assert "displayName" in refusal({"schemas": [urns.GROUP]}, GROUP)


# -- schemas -------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [None, [], "user", True, 5], ids=str)
def test_a_body_is_an_object(body: Json) -> None:
    with pytest.raises(InvalidSyntax):
        check(body, USER)
    with pytest.raises(InvalidSyntax):
        check(body, USER, strict_schemas=False)


@pytest.mark.parametrize(
    "schemas, error",
    [
        (None, InvalidSyntax),
        ([], InvalidSyntax),
        (urns.USER, InvalidSyntax),
        ([{"a": 1}], InvalidSyntax),
        ([urns.USER, None], InvalidSyntax),
        (["urn:example:none"], InvalidValue),
        ([urns.GROUP], InvalidValue),
        ([urns.USER, "urn:example:none"], InvalidValue),
        ([urns.ENTERPRISE_USER], InvalidValue),
    ],
    ids=str,
)
def test_schemas_must_be_right_only_when_strict(schemas: Json, error: type[ScimError]) -> None:
    body: JsonObject = {"schemas": schemas, "userName": "anne"}
    with pytest.raises(error):
        check(body, USER)
    plain = {"schemas": [urns.USER], "userName": "anne"}
    assert check(body, USER, strict_schemas=False).resource == plain


def test_an_extension_that_schemas_does_not_name_is_kept_and_one_it_names_in_vain_is_not() -> None:
    body = extended(urns.CUSTOM_USER, badge="7")
    body["schemas"] = [urns.USER, urns.ENTERPRISE_USER]
    assert checked(body)["schemas"] == [urns.USER, urns.CUSTOM_USER]


def test_a_required_extension_must_be_there_with_what_it_requires() -> None:
    schema = Schema("urn:x:Y", "Y", "", (Attribute("code", required=True), Attribute("note")))
    strict_type = ResourceType(
        "User", "/Users", "", USER.schema, (SchemaExtension(schema, required=True),), USER.common
    )
    assert "urn:x:Y" in refusal(user(), strict_type)
    assert "urn:x:Y:code" in refusal(extended("urn:x:Y", note="n"), strict_type)
    assert checked(extended("urn:x:Y", code="c"), strict_type)["urn:x:Y"] == {"code": "c"}


# -- the search document -------------------------------------------------------------------------


def test_the_search_document_holds_comparable_values() -> None:
    resource = checked(
        user(
            userName="Straße",
            externalId="AbC",
            password="x",
            active=True,
            emails=[{"value": "Anne@Example.com", "type": "Work"}],
            profileUrl="https://example.com/Anne",
            **{urns.CUSTOM_USER: {"hired": "1970-01-01T09:00:01+09:00", "floor": 2.5}},
        )
    )
    resource["id"] = "AA"
    resource["meta"] = {"created": "1970-01-01T00:00:00Z", "version": 'W/"A"'}
    resource["groups"] = [{"value": "g"}]
    assert comparable_resource(resource, USER) == {
        "schemas": [urns.USER.lower(), urns.CUSTOM_USER.lower()],
        "userName": "strasse",
        "externalId": "AbC",
        "active": True,
        "emails": [{"value": "anne@example.com", "type": "work", "primary": False}],
        "profileUrl": "https://example.com/Anne",
        urns.CUSTOM_USER: {"hired": 1_000_000, "floor": 2.5},
        "id": "AA",
        "meta": {"created": 0, "version": 'W/"A"'},
    }


def test_members_are_not_in_the_search_document() -> None:
    group: JsonObject = {"displayName": "G", "members": [{"value": "x"}]}
    assert comparable_resource(group, GROUP) == {"displayName": "g"}


def test_a_value_of_an_older_definition_cannot_be_searched_and_does_no_harm() -> None:
    resource: JsonObject = {
        "userName": "anne",
        urns.CUSTOM_USER: {"floor": "third", "hired": "then", "gone": 1, "badge": 7},
    }
    assert comparable_resource(resource, USER) == {"userName": "anne"}


# -- properties ----------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("schemas", "userName", "name", "active", "hired", "manager", "$ref"),
                    *("emails", "addresses", "x509Certificates", "members", "groups"),
                    *("value", "type", "primary", "display"),
                    urns.ENTERPRISE_USER,
                    urns.CUSTOM_USER,
                    "nobody's",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.sampled_from([USER, GROUP]), st.booleans())
def test_no_body_gives_anything_but_a_scim_error_and_a_result_is_stable(
    body: Json, resource_type: ResourceType, strict: bool
) -> None:
    if isinstance(body, dict) and not strict:
        body.setdefault("userName", "anne")
        body.setdefault("displayName", "Sales")
    before = copy.deepcopy(body)
    try:
        result = check(body, resource_type, strict_schemas=strict).resource
    except ScimError:
        return
    finally:
        assert repr(body) == repr(before)
    again = check(result, resource_type)
    assert again.resource == result
    assert again.ignored == []
    comparable_resource(result, resource_type)
