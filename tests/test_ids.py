"""Ids: their form, and their order."""

import re
import uuid

from meibo.ids import new_id


def test_an_id_is_a_uuid_of_version_7_in_lower_case() -> None:
    for _ in range(1_000):
        made = new_id()
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made)
        parsed = uuid.UUID(made)
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)


def test_ids_are_in_the_order_in_which_they_are_made() -> None:
    stamps = [made[:18] for made in (new_id() for _ in range(1_000))]
    assert stamps == sorted(stamps)


def test_no_id_is_made_twice() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000
