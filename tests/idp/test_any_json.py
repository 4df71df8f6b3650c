"""Whatever JSON is sent, a tolerant connection never fails, and never touches what was sent."""

import copy
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meibo.idp.profile import profile_for
from meibo.idp.quirks import QUIRKS
from meibo.scim import urns
from meibo.scim.errors import ScimError
from meibo.scim.patch import apply, parse_patch
from meibo.scim.resource import check
from tests.idp.cases import CUSTOM, DEPARTMENT, ENTERPRISE, GROUPS, MANAGER, ROLE, USERS

TOLERANT = profile_for("entra", strict=False)

_NAMES = [
    *(each.name for each in USERS.core_attributes()),
    *(each.name for each in GROUPS.core_attributes()),
    *("value", "type", "primary", "display", "$ref", "givenName", "locality"),
    *("department", "manager", "level", "vip", ENTERPRISE, CUSTOM, urns.USER),
    *("op", "path", "Operations", "Active", "EMAILS"),
]
_PATHS = [
    *(DEPARTMENT, MANAGER, f"{ENTERPRISE}.manager", "name.givenName", "members", "emails"),
    *('emails[type eq "work"].value', 'emails[type eq "work"]', "roles[primary eq True].value"),
    *(
        'manager[value eq "1"]',
        "emails[type",
        "x y",
        "[",
        "a.b.c",
        "urn:x:y",
        "shoeSize",
        "emails.",
    ),
]
_TEXTS = [
    "",
    "True",
    "false",
    "1",
    "1.5",
    "{}",
    "[]",
    '{"value":"x"}',
    '["a",null]',
    ROLE,
    "\ud800",
]
_keys = st.sampled_from([*_NAMES, *_PATHS]) | st.text(max_size=5)
_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from([*_TEXTS, *_PATHS])
    | st.text(max_size=5)
)
_json = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)
_operations = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "op": st.sampled_from(["add", "Replace", "REMOVE", "x"]) | _scalars,
            "path": st.sampled_from([*_NAMES, *_PATHS]) | _scalars,
            "value": _json,
        },
    ),
    max_size=4,
)
_types = st.sampled_from([USERS, GROUPS])


@given(body=_json | st.dictionaries(_keys, _json, max_size=6), resource_type=_types)
def test_any_body_passes(body: Any, resource_type: Any) -> None:
    copied = copy.deepcopy(body)
    noted: set[str] = set()
    made = TOLERANT.resource(body, resource_type, noted)
    assert body == copied
    assert noted <= QUIRKS.keys()
    if not noted:
        assert made is body
    with suppress(ScimError):
        check(made, resource_type, strict_schemas=False)


@given(operations=_operations | _json, frame=st.booleans(), resource_type=_types)
def test_any_patch_passes(operations: Any, frame: bool, resource_type: Any) -> None:
    message = {"schemas": [urns.PATCH_OP], "Operations": operations} if frame else operations
    copied = copy.deepcopy(message)
    noted: set[str] = set()
    made = TOLERANT.patch(message, resource_type, "own", noted, [])
    assert message == copied
    assert noted <= QUIRKS.keys()
    if not noted:
        assert made is message
    with suppress(ScimError):
        parsed = parse_patch(made, resource_type, own_id="own", allow_empty=True)
        apply({"schemas": [], "userName": "u", "displayName": "d"}, parsed, resource_type)


@given(operations=_operations, resource_type=_types)
def test_what_a_strict_connection_accepts_means_the_same_to_a_tolerant_one(
    operations: Any, resource_type: Any
) -> None:
    """As far as nothing was cleared or left out that a strict connection would have stored."""
    message = {"schemas": [urns.PATCH_OP], "Operations": operations}
    try:
        strict = parse_patch(message, resource_type, own_id="own")
    except ScimError:
        return
    noted: set[str] = set()
    made = TOLERANT.patch(message, resource_type, "own", noted, [])
    tolerant = parse_patch(made, resource_type, own_id="own", allow_empty=True)
    differing = {"empty-string", "empty-element", "role-as-json-text", "replace-creates"}
    if not noted & differing:
        assert tolerant == strict
