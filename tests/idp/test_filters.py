"""Filters on a tolerant connection."""

import pytest

from meibo.idp.profile import Profile, profile_for
from meibo.idp.quirks import QUIRKS
from meibo.scim.errors import InvalidFilter
from meibo.scim.filter import to_text
from meibo.scim.parser import parse_filter
from tests.idp.cases import CUSTOM, DEPARTMENT, ENTERPRISE, GROUPS, MANAGER, USERS

TOLERANT = profile_for("entra", strict=False)
STRICT = profile_for("entra", strict=True)

ENCODED = {
    "an address": (
        'userName eq "a%40x.example"',
        'userName eq "a%40x.example" or userName eq "a@x.example"',
    ),
    "letters of another script": (
        'externalId eq "%E5%B1%B1"',
        'externalId eq "%E5%B1%B1" or externalId eq "山"',
    ),
    "inside a value path": (
        'emails[type eq "work" and value eq "a%2Bb@x.example"]',
        'emails[type eq "work" and (value eq "a%2Bb@x.example" or value eq "a+b@x.example")]',
    ),
    "one of two": (
        'active eq true and not (userName eq "a%40b")',
        'active eq true and not (userName eq "a%40b" or userName eq "a@b")',
    ),
}
PLAIN = {
    "a percent sign": 'userName eq "100%"',
    "what is no text when it is decoded": 'userName eq "a%FFb"',
    "a NUL": 'userName eq "a%00b"',
    "another operator": 'userName co "a%40b"',
}
GUID = "0a1b2c3d-0000-4000-8000-000000000001"
MADE_RIGHT = {
    "a bare word": ("userName eq bob", 'userName eq "bob"', {"bare-word"}),
    "a bare instant": (
        "meta.created gt 2020-01-01T00:00:00Z",
        'meta.created gt "2020-01-01T00:00:00Z"',
        {"bare-word"},
    ),
    "an id and a manager (E-07)": (
        f"id eq {GUID} and manager eq {GUID}",
        f'id eq "{GUID}" and {MANAGER}.value eq "{GUID}"',
        {"bare-word", "extension-without-urn"},
    ),
    "an extension's attribute": (
        'Department eq "D"',
        f'{DEPARTMENT} eq "D"',
        {"extension-without-urn"},
    ),
    "a sub-attribute of an extension's": (
        'manager.value eq "1"',
        f'{MANAGER}.value eq "1"',
        {"extension-without-urn"},
    ),
    "a value path of an extension's": (
        'manager[value eq "1"]',
        f'{MANAGER}[value eq "1"]',
        {"extension-without-urn"},
    ),
    "presence": (
        "not (costCenterCode pr)",
        f"not ({CUSTOM}:costCenterCode pr)",
        {"extension-without-urn"},
    ),
    "a dot behind an extension's URN": (
        f'{ENTERPRISE}.department eq "D"',
        f'{DEPARTMENT} eq "D"',
        {"dotted-urn"},
    ),
    "a dot behind the core URN": (
        'urn:ietf:params:scim:schemas:core:2.0:User.name.givenName eq "A"',
        'name.givenName eq "A"',
        {"dotted-urn"},
    ),
    "a boolean in capitals": ("active eq True", "active eq true", {"boolean-as-string"}),
    "a quoted boolean": (
        'roles[primary eq "True"].value eq "x"',
        'roles[primary eq true and value eq "x"]',
        {"boolean-as-string"},
    ),
    "a boolean that is right beside a bare word": (
        "active eq true and userName eq bob",
        'active eq true and userName eq "bob"',
        {"bare-word"},
    ),
    "a quoted number": (
        f'{CUSTOM}:level eq "42.5"',
        f"{CUSTOM}:level eq 42.5",
        {"number-as-string"},
    ),
    "a number of an attribute without its URN": (
        'level gt "-3"',
        f"{CUSTOM}:level gt -3",
        {"extension-without-urn", "number-as-string"},
    ),
    "parentheses in a bare name": (
        "displayName eq （株）山田",
        'displayName eq "（株）山田"',
        {"bare-word"},
    ),
}
REFUSED = [
    'shoeSize eq "43"',
    'department.zz eq "x"',
    f'{ENTERPRISE}.zz eq "x"',
    f'{CUSTOM}:level eq "007"',
    f'{CUSTOM}:level eq "1e999"',
    f'{CUSTOM}:level eq "many"',
    "level eq 1.5.2",
    'active eq "maybe"',
    "userName eq 'bob'",
    "department eq “D”",
    "",
]


@pytest.mark.parametrize("text, meant", ENCODED.values(), ids=ENCODED.keys())
def test_a_value_that_is_still_encoded_is_looked_for_in_both_forms(text: str, meant: str) -> None:
    noted: set[str] = set()
    assert to_text(TOLERANT.filter(text, USERS, noted)) == meant
    assert noted == {"twice-encoded"}


@pytest.mark.parametrize("text", PLAIN.values(), ids=PLAIN.keys())
def test_other_values_stay_as_they_are(text: str) -> None:
    noted: set[str] = set()
    assert to_text(TOLERANT.filter(text, USERS, noted)) == text
    assert not noted


def test_a_strict_connection_takes_every_value_by_the_letter() -> None:
    text = 'userName eq "a%40x.example"'
    assert STRICT.filter(text, USERS, set()) == parse_filter(text, USERS)


@pytest.mark.parametrize("text, meant, quirks", MADE_RIGHT.values(), ids=MADE_RIGHT.keys())
def test_a_departure_is_undone_and_noted(text: str, meant: str, quirks: set[str]) -> None:
    for _ in range(2):  # what is read leniently is not remembered for those who are strict
        noted: set[str] = set()
        assert to_text(TOLERANT.filter(text, USERS, noted)) == meant
        assert noted == quirks
        with pytest.raises(InvalidFilter):
            STRICT.filter(text, USERS, noted)


@pytest.mark.parametrize("text", REFUSED, ids=str)
def test_what_is_no_known_departure_is_refused(text: str) -> None:
    noted: set[str] = set()
    with pytest.raises(InvalidFilter):
        TOLERANT.filter(text, USERS, noted)
    assert not noted


@pytest.mark.parametrize("text, meant, quirks", MADE_RIGHT.values(), ids=MADE_RIGHT.keys())
def test_a_quirk_that_is_not_tolerated_is_refused(text: str, meant: str, quirks: set[str]) -> None:
    for left in quirks:
        tolerated = frozenset(QUIRKS) - {left}
        profile = Profile("some", "Some", "SCIM", strict=False, tolerated=tolerated)
        with pytest.raises(InvalidFilter):
            profile.filter(text, USERS, set())


def test_a_group_has_no_attributes_of_users() -> None:
    with pytest.raises(InvalidFilter):
        TOLERANT.filter('department eq "D"', GROUPS, set())
