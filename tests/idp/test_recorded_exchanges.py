"""Real exchanges: every write that must succeed gets through, with nothing left to tolerate."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meibo.idp.profile import profile_for
from meibo.scim.core_schemas import CustomAttribute, group_type, user_type
from meibo.scim.patch import parse_patch
from meibo.scim.resource import check

CORPORA = Path(os.environ.get("MEIBO_CORPORA") or Path(__file__).resolve().parents[3] / "shared")
RECORDED = CORPORA / "idp"
USER_TYPES = {
    preset: user_type((CustomAttribute("costCenterCode"),), preset)
    for preset in ("standard", "neurons")
}

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded exchanges are not here")


def writes(vendor: str) -> Iterator[tuple[str, str, str, Any]]:
    """Scenario, method, path and body of every step that can only succeed."""
    name = {"other": "others"}.get(vendor, vendor)
    for scenario in json.loads((RECORDED / f"{name}.json").read_text()):
        for step in scenario["steps"]:
            request = step["request"]
            succeeds = max(step["expect"]["status"]) < 300 or step["expect"]["status"] == [409]
            if request.get("body") is not None and succeeds:
                yield scenario["id"], request["method"], request["path"], request["body"]


@pytest.mark.parametrize("preset", USER_TYPES)
@pytest.mark.parametrize("vendor", ["entra", "okta", "other"])
def test_recorded_writes_are_understood(vendor: str, preset: Any) -> None:
    profile = profile_for(vendor, strict=False)
    count = 0
    for scenario, method, path, body in writes(vendor):
        resource_type = group_type() if path.startswith("/Groups") else USER_TYPES[preset]
        if method == "PATCH":
            own_id = path.split("/")[2]
            made = profile.patch(body, resource_type, own_id, set(), [])
            assert parse_patch(made, resource_type, own_id=own_id, allow_empty=True) is not None
        else:
            made = profile.resource(body, resource_type, set())
            assert check(made, resource_type).resource, scenario
        count += 1
    assert count > 20
