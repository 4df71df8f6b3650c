"""Which connections tolerate what."""

from typing import Any

import pytest

from meibo.idp import quirks
from meibo.idp.profile import VENDORS, Profile, profile_for
from meibo.scim import urns
from tests.idp.cases import BODIES, PATCHES, USERS, Case


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("case", BODIES, ids=lambda case: case.id)
def test_a_strict_connection_changes_no_body(vendor: str, case: Case) -> None:
    noted: set[str] = set()
    strict = profile_for(vendor, strict=True)
    assert strict.resource(case.before, case.resource_type, noted) is case.before
    assert noted == set()


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("case", PATCHES, ids=lambda case: case.id)
def test_a_strict_connection_changes_no_patch(vendor: str, case: Case) -> None:
    noted: set[str] = set()
    ignored: list[str] = []
    message: Any = {"Operations": case.before}
    strict = profile_for(vendor, strict=True)
    assert strict.patch(message, case.resource_type, "own", noted, ignored) is message
    assert (noted, ignored) == (set(), [])


def flags(profile: Profile) -> dict[str, bool]:
    return {
        "strict_schemas": profile.strict_schemas,
        "bare_words": profile.bare_words,
        "allow_empty_operations": profile.allow_empty_operations,
        "skip_unknown_members": profile.skip_unknown_members,
        "revives": profile.revives,
    }


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_others_act_upon_follows_the_quirks_of_the_vendor(vendor: str) -> None:
    assert flags(profile_for(vendor, strict=False)) == {
        "strict_schemas": False,
        "bare_words": True,
        "allow_empty_operations": True,
        "skip_unknown_members": True,
        "revives": True,
    }
    assert flags(profile_for(vendor, strict=True)) == {
        "strict_schemas": True,
        "bare_words": False,
        "allow_empty_operations": False,
        "skip_unknown_members": False,
        "revives": False,
    }


@pytest.mark.parametrize(
    "vendor, label, source_label",
    [
        ("entra", "Entra ID (Azure)", "SCIM Entra ID"),
        ("okta", "Okta", "SCIM Okta"),
        ("other", "Other SCIM 2.0", "SCIM"),
    ],
)
def test_a_vendor_has_its_names(vendor: str, label: str, source_label: str) -> None:
    profile = profile_for(vendor, strict=False)
    assert (profile.vendor, profile.label, profile.source_label) == (vendor, label, source_label)
    assert profile.tolerated == quirks.QUIRKS.keys()


def test_an_unknown_vendor_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'google'.*entra, okta, other"):
        profile_for("google", strict=False)


def test_a_vendor_may_tolerate_only_some_quirks() -> None:
    tolerated = frozenset({quirks.BOOLEAN_AS_STRING.name})
    profile = Profile("some", "Some", "SCIM", strict=False, tolerated=tolerated)
    sent: Any = {"userName": "u", "active": "True", "title": "", "displayName": ["A"]}
    noted: set[str] = set()
    assert profile.resource(sent, USERS, noted) == {**sent, "active": True}
    assert noted == tolerated
    assert (profile.strict_schemas, profile.bare_words) == (True, False)


@pytest.mark.parametrize("left", quirks.QUIRKS.values(), ids=lambda quirk: quirk.name)
def test_a_quirk_that_is_not_tolerated_is_neither_undone_nor_noted(left: quirks.Quirk) -> None:
    tolerated = frozenset(quirks.QUIRKS) - {left.name}
    profile = Profile("some", "Some", "SCIM", strict=False, tolerated=tolerated)
    for case in BODIES + PATCHES:
        noted: set[str] = set()
        if case in BODIES:
            made = profile.resource({**case.before}, case.resource_type, noted)
        else:
            message: Any = {"schemas": [urns.PATCH_OP], "Operations": case.before}
            made = profile.patch(message, case.resource_type, "own", noted, [])
            assert isinstance(made, dict)
            made = made["Operations"]
        assert left.name not in noted
        if case.quirks == {left.name} and case.before != case.after:
            assert made != case.after, case.id
