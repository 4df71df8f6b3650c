"""The list of quirks: complete, documented and tested."""

import re
from pathlib import Path

import pytest

from meibo.idp.quirks import ALL, QUIRKS, Quirk
from tests.idp.cases import BODIES, PATCHES

ROOT = Path(__file__).resolve().parents[2]
# Wrong schemas and filters have tables of their own; unknown members are skipped by the directory.
ELSEWHERE = {"unknown-member", "wrong-schemas", "twice-encoded"}


def rows() -> dict[str, list[str]]:
    """The table of docs/quirks.md by the first column, without the backquotes."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "docs" / "quirks.md").read_text().splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            found[cells[0].strip("` ")] = cells[1:]
    return found


def test_names_are_stable_words() -> None:
    assert len(QUIRKS) == len(ALL)
    for name in QUIRKS:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+", name), name


def test_the_document_lists_the_quirks_in_their_order() -> None:
    assert list(rows()) == list(QUIRKS)


@pytest.mark.parametrize("quirk", ALL, ids=lambda quirk: quirk.name)
def test_a_quirk_is_documented_with_who_sends_it_and_where_that_is_known_from(
    quirk: Quirk,
) -> None:
    sent_by, sent, made, source = rows()[quirk.name]
    assert sent_by == ", ".join(quirk.sent_by)
    assert source == quirk.source
    assert sent
    assert made
    assert quirk.summary.endswith(".")


def test_every_quirk_has_a_case() -> None:
    tested = set[str]().union(*(case.quirks for case in BODIES + PATCHES))
    assert tested | ELSEWHERE == set(QUIRKS)
