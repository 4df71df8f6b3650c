"""What a filter means (RFC 7644 §3.4.2.2), on one resource that has something of everything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meibo.scim import urns
from meibo.scim.core_schemas import CustomAttribute, user_type
from meibo.scim.filter import And, Compare, Filter, Not, Or, Present, ValuePath, matches, to_text
from meibo.scim.parser import parse_filter
from meibo.scim.path import AttributePath, resolve
from meibo.scim.schema import JsonObject

USERS = user_type(
    (
        CustomAttribute("level", "decimal"),
        CustomAttribute("badge", "boolean"),
        CustomAttribute("hired", "dateTime"),
    )
)

SOMEONE: JsonObject = {
    "schemas": [urns.USER, urns.ENTERPRISE_USER, urns.CUSTOM_USER],
    "id": "0199-ab",
    "externalId": "Ext-7",
    "userName": "Hana.Straße@Example.com",
    "name": {"givenName": "Hana", "familyName": "O'Brien", "middleName": ""},
    "title": "",
    "active": False,
    "profileUrl": "https://people.example/Hana",
    "emails": [
        {"value": "hana@home.example", "type": "home"},
        {"value": "Hana@Work.example", "type": "work", "primary": True},
    ],
    "phoneNumbers": [{"value": "+81 3 0000 0000", "type": "work"}],
    "x509Certificates": [{"value": "QUJD"}],
    "roles": [],
    "meta": {"resourceType": "User", "lastModified": "2026-11-22T10:00:00.250000Z"},
    urns.ENTERPRISE_USER: {"department": "Sales 100%", "manager": {"value": "0199-cd"}},
    urns.CUSTOM_USER: {"level": 2.5, "badge": True, "hired": "2024-04-01T00:00:00Z"},
}


@pytest.mark.parametrize(
    "text",
    [
        # Case follows the attribute, for every operator.
        'userName eq "HANA.strasse@example.COM"',
        'userName ne "bob"',
        'userName co "STRASSE"',
        'userName sw "hana."',
        'userName ew ".COM"',
        'userName gt "GZZ"',
        'userName ge "hana.strasse@example.com"',
        'userName lt "HB"',
        'userName le "HANA.STRASSE@EXAMPLE.COM"',
        'externalId eq "Ext-7"',
        'externalId ne "ext-7"',
        'profileUrl sw "https://people.example/H"',
        # Wildcards and quotes are plain characters.
        f'{urns.ENTERPRISE_USER}:department ew "100%"',
        'name.familyName co "\'"',
        # Common attributes and extensions.
        'id eq "0199-ab"',
        'meta.resourceType eq "User"',
        'meta.lastModified gt "2026-11-22T18:59:59+09:00"',
        'meta.lastModified eq "2026-11-22T19:00:00.25+09:00"',
        'meta.lastModified le "2026-11-22T10:00:00.2500009Z"',
        f'schemas eq "{urns.ENTERPRISE_USER}"',
        f'schemas ne "{urns.ENTERPRISE_USER}"',  # another one is there
        f'{urns.USER}:userName sw "hana"',
        f'{urns.ENTERPRISE_USER}:manager.value eq "0199-cd"',
        f'{urns.ENTERPRISE_USER}:manager eq "0199-cd"',
        f"{urns.CUSTOM_USER}:level gt 2",
        f"{urns.CUSTOM_USER}:level eq 2.5",
        f"{urns.CUSTOM_USER}:badge eq true",
        f'{urns.CUSTOM_USER}:hired lt "2024-04-01T00:00:00-01:00"',
        # Multi-valued: any value will do; brackets bind tests to one value.
        'emails co "work.example"',
        'emails eq "hana@home.example"',
        'emails.type eq "WORK"',
        'emails.type eq "home" and emails.primary eq true',
        'emails[type eq "work" and primary eq true]',
        'emails[type eq "work"].value eq "hana@work.example"',
        'emails[not (type eq "work") and value sw "hana"]',
        'emails ne "hana@home.example"',
        'x509Certificates eq "QUJD"',
        # A primary that is left out is false.
        "emails.primary eq false",
        'emails[type eq "home" and primary eq false]',
        'emails[type eq "home" and primary ne true]',
        "phoneNumbers.primary eq false",
        # Present: something that is not empty; false is a value.
        "active pr",
        "name pr",
        "emails pr",
        "emails.value pr",
        "emails[value pr]",
        f"{urns.ENTERPRISE_USER}:manager pr",
        "not (title pr)",
        "not (roles pr)",
        "not (nickName pr)",
        "not (name.middleName pr)",
        # Null asks whether there is a value.
        "nickName eq null",
        "title eq null",
        "roles eq null",
        "addresses eq null",
        "userName ne null",
        "active ne null",
        "emails ne null",
        "name ne null",
        "emails.display eq null",
        # An absent attribute is not equal to anything.
        'nickName ne "x"',
        'not (nickName eq "x")',
        'roles ne "x"',
        'addresses.locality ne "Tokyo"',
        "active eq false",
        "active ne true",
        # Precedence: not, and, or.
        'active eq true and active eq true or userName sw "hana"',
        'userName sw "hana" or active eq true and active eq true',
        "not (active eq true) and userName pr",
    ],
)
def test_a_filter_holds(text: str) -> None:
    assert matches(parse_filter(text, USERS), SOMEONE)


@pytest.mark.parametrize(
    "text",
    [
        'userName eq "hana"',
        'userName ne "hana.strasse@example.com"',
        'userName co "%"',
        'userName sw "_ana"',
        'userName gt "hana.strasse@example.com"',
        'externalId eq "ext-7"',
        'externalId sw "ext"',
        'profileUrl eq "HTTPS://people.example/Hana"',
        'meta.lastModified gt "2026-11-22T19:00:00.25+09:00"',
        f"{urns.CUSTOM_USER}:level lt 2.5",
        'schemas eq "urn:x"',
        'emails[type eq "home" and primary eq true]',
        'emails[type eq "home"].value eq "hana@work.example"',
        'emails[type eq "other"].value ne "x"',
        'phoneNumbers ne "+81 3 0000 0000"',
        "phoneNumbers.primary eq true",
        'x509Certificates eq "qujd"',
        "title pr",
        "roles pr",
        "nickName pr",
        "name.middleName pr",
        "addresses[type pr]",
        'nickName eq "x"',
        'nickName co ""',
        'nickName gt ""',
        'nickName lt "x"',
        "emails eq null",
        "active eq null",
        "not (active eq false)",
        '(userName sw "hana" or active eq true) and active eq true',
        f'{urns.ENTERPRISE_USER}:employeeNumber eq "1"',
    ],
)
def test_a_filter_does_not_hold(text: str) -> None:
    assert not matches(parse_filter(text, USERS), SOMEONE)


@pytest.mark.parametrize(
    "resource",
    [
        pytest.param({}, id="nothing-at-all"),
        pytest.param({"emails": "x", "name": [], "active": "yes"}, id="other-types"),
        pytest.param({"emails": ["x", None, 5, {"value": 5}]}, id="other-elements"),
        pytest.param({urns.CUSTOM_USER: None}, id="extension-null"),
        pytest.param({urns.CUSTOM_USER: {"hired": "soon", "level": "5"}}, id="older-definition"),
    ],
)
@pytest.mark.parametrize("path", ["active", "hired", "level", "emails.value", "name.givenName"])
def test_what_is_not_of_the_attributes_type_equals_nothing(path: str, resource: JsonObject) -> None:
    literal = {"active": "true", "level": "5", "hired": '"2024-01-01T00:00:00Z"'}.get(path, '"5"')
    if path in ("hired", "level"):
        path = f"{urns.CUSTOM_USER}:{path}"
    assert not matches(parse_filter(f"{path} eq {literal}", USERS), resource)
    assert matches(parse_filter(f"{path} ne {literal}", USERS), resource)


@pytest.mark.parametrize("value", ["x", "Hana.Straße@example.com", "", "~"])
@pytest.mark.parametrize("resource", [SOMEONE, {}], ids=["assigned", "absent"])
def test_ne_is_the_opposite_of_eq_for_a_single_value(value: str, resource: JsonObject) -> None:
    equal = parse_filter(f'userName eq "{value}"', USERS)
    unequal = parse_filter(f'userName ne "{value}"', USERS)
    assert matches(equal, resource) != matches(unequal, resource)


def test_a_literal_is_made_comparable_once() -> None:
    found = parse_filter('userName eq "ＢＯＢ"', USERS)
    assert isinstance(found, Compare)
    assert (found.value, found.comparable) == ("ＢＯＢ", "bob")


def test_a_comparison_with_a_value_of_another_type_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="boolean"):
        Compare(path("active"), "eq", "true")


def path(text: str) -> AttributePath:
    found = resolve(text, USERS)
    assert isinstance(found, AttributePath)
    return found


A, B, C = (Present(path(name)) for name in ("userName", "active", "title"))


@pytest.mark.parametrize(
    "filter, text",
    [
        (Or(Or(A, B), C), "userName pr or active pr or title pr"),
        (Or(A, Or(B, C)), "userName pr or (active pr or title pr)"),
        (And(And(A, B), C), "userName pr and active pr and title pr"),
        (And(A, And(B, C)), "userName pr and (active pr and title pr)"),
        (Or(And(A, B), C), "userName pr and active pr or title pr"),
        (Or(A, And(B, C)), "userName pr or active pr and title pr"),
        (And(Or(A, B), C), "(userName pr or active pr) and title pr"),
        (And(A, Or(B, C)), "userName pr and (active pr or title pr)"),
        (Not(A), "not (userName pr)"),
        (Not(Not(A)), "not (not (userName pr))"),
        (And(Not(Or(A, B)), C), "not (userName pr or active pr) and title pr"),
        (Compare(path("userName"), "eq", 'a"\\\n山'), 'userName eq "a\\"\\\\\\n山"'),
        (Compare(path("active"), "ne", False), "active ne false"),
        (Compare(path("emails"), "eq", None), "emails eq null"),
        (
            Compare(path(f"{urns.CUSTOM_USER}:level"), "ge", 1e300),
            f"{urns.CUSTOM_USER}:level ge 1e+300",
        ),
        (
            ValuePath(
                path("emails"), Compare(AttributePath(None, path("emails.type").leaf), "sw", "w")
            ),
            'emails[type sw "w"]',
        ),
    ],
)
def test_a_filter_is_written_with_the_fewest_parentheses(filter: Filter, text: str) -> None:
    assert to_text(filter) == text
    assert parse_filter(text, USERS) == filter


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
NUMBERS = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: len(repr(number).split("e")[0].replace(".", "").replace("-", "")) <= 19
)
INSTANTS = st.datetimes().map(lambda instant: instant.isoformat() + "Z")
ORDER = ("gt", "ge", "lt", "le")


def comparisons(*paths: AttributePath) -> st.SearchStrategy[Filter]:
    """Every comparison that suits one of the paths' types."""

    def of(path: AttributePath) -> st.SearchStrategy[Filter]:
        here = st.just(path)
        null: st.SearchStrategy[Filter] = st.builds(
            Compare, here, st.sampled_from(["eq", "ne"]), st.none()
        )
        match path.leaf.type:
            case "complex":
                return null | st.builds(Present, here)
            case "boolean":
                operators, literals = ["eq", "ne"], st.booleans()
            case "binary":
                operators, literals = ["eq", "ne"], TEXTS
            case "decimal" | "integer":
                operators, literals = ["eq", "ne", *ORDER], NUMBERS
            case "dateTime":
                operators, literals = ["eq", "ne", *ORDER], INSTANTS
            case _:
                operators, literals = ["eq", "ne", "co", "sw", "ew", *ORDER], TEXTS
        compare = st.builds(Compare, here, st.sampled_from(operators), literals)
        return compare | null | st.builds(Present, here)

    return st.one_of(*map(of, paths))


def combined(leaves: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    return st.recursive(
        leaves,
        lambda inner: (
            st.builds(And, inner, inner) | st.builds(Or, inner, inner) | st.builds(Not, inner)
        ),
        max_leaves=8,
    )


ELEMENTS = combined(
    comparisons(*(AttributePath(None, sub) for sub in path("emails").attribute.sub_attributes))
)
FILTERS = combined(
    comparisons(
        *map(
            path,
            [
                "userName",
                "active",
                "name",
                "name.givenName",
                "emails",
                "emails.value",
                "profileUrl",
                "schemas",
                "meta.created",
                "x509Certificates.value",
                f"{urns.ENTERPRISE_USER}:department",
                f"{urns.ENTERPRISE_USER}:manager.value",
                f"{urns.CUSTOM_USER}:level",
                f"{urns.CUSTOM_USER}:hired",
            ],
        )
    )
    | st.builds(ValuePath, st.just(path("emails")), ELEMENTS)
)


@given(FILTERS)
def test_a_filter_survives_being_written(filter: Filter) -> None:
    text = to_text(filter)
    assert parse_filter(text, USERS, max_length=1_000_000) == filter
    # Once more, from the template that the first time has left.
    assert parse_filter(text, USERS, max_length=1_000_000) == filter


@given(FILTERS)
def test_any_filter_holds_or_does_not(filter: Filter) -> None:
    assert matches(Not(filter), SOMEONE) is not matches(filter, SOMEONE)
    assert matches(filter, {}) in (True, False)
