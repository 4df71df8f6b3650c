"""Filters whose values were encoded once too often."""

import pytest

from meibo.idp.profile import profile_for
from meibo.scim.core_schemas import user_type
from meibo.scim.filter import to_text
from meibo.scim.parser import parse_filter

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


@pytest.mark.parametrize("text, meant", ENCODED.values(), ids=ENCODED.keys())
def test_a_value_that_is_still_encoded_is_looked_for_in_both_forms(text: str, meant: str) -> None:
    noted: set[str] = set()
    found = profile_for("entra", strict=False).filter(parse_filter(text, user_type()), noted)
    assert to_text(found) == meant
    assert noted == {"twice-encoded"}


@pytest.mark.parametrize("text", PLAIN.values(), ids=PLAIN.keys())
def test_other_values_stay_as_they_are(text: str) -> None:
    noted: set[str] = set()
    assert (
        to_text(profile_for("entra", strict=False).filter(parse_filter(text, user_type()), noted))
        == text
    )
    assert not noted


def test_a_strict_connection_takes_every_value_by_the_letter() -> None:
    asked = parse_filter('userName eq "a%40x.example"', user_type())
    assert profile_for("entra", strict=True).filter(asked, set()) is asked
