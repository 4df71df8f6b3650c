"""The disk refuses what SQLite asks of it, at every point in turn (R12)."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from tests.reliability.clients import MARKED, marking, patch_op, person
from tests.reliability.disk import Entry, noted_disk
from tests.reliability.door import Door, open_door
from tests.reliability.inspection import damage, prepare

MOST_POINTS = 500


class Failing:
    """Refuses the entry of a number, and with ``for_good`` all that follow."""

    def __init__(self, point: int, error: type[apsw.Error], *, for_good: bool) -> None:
        self._left = point
        self._error = error
        self._for_good = for_good
        self.refused = 0

    def __call__(self, entry: Entry) -> None:
        self._left -= 1
        if self._left == 0 or (self._for_good and self._left < 0):
            self.refused += 1
            raise self._error(f"{entry.kind} {Path(entry.path).name}")


async def round_of(door: Door, number: int, shared: str, expected: dict[str, str]) -> None:
    """Three clients at once: a new person, a change, and one that is refused for another reason."""
    mark = f"{number}"
    answers = await asyncio.gather(
        door.ask("POST", "/Users", person(f"person {number}", mark)),
        door.ask("PATCH", f"/Users/{shared}", patch_op(*marking(mark))),
        door.ask("POST", "/Users", person("shared", mark)),
    )
    for answer in answers:
        assert answer.status < 500 or answer.is_honest_refusal, answer
        if answer.status in (200, 201):
            expected[str(answer.json["id"])] = mark
    assert answers[2].status in (409, 503)


@pytest.mark.slow
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "until repaired"])
@pytest.mark.parametrize("error", [apsw.IOError, apsw.FullError])
async def test_a_disk_that_fails_at_any_point_costs_no_acknowledged_write(
    tmp_path: Path, error: type[apsw.Error], for_good: bool, report: Callable[[str], None]
) -> None:
    url = f"sqlite:///{tmp_path}/meibo.sqlite3"
    expected: dict[str, str] = {}
    with noted_disk() as disk:
        token = await prepare(url)
        async with open_door(url, token) as door:
            created = await door.ask("POST", "/Users", person("shared", "0"))
            shared = str(created.json["id"])
            expected[shared] = "0"
            point = refused = number = 0
            for point in range(1, MOST_POINTS):
                failing = Failing(point, error, for_good=for_good)
                disk.before = failing
                async with asyncio.timeout(10):
                    for _ in range(2):
                        number += 1
                        await round_of(door, number, shared, expected)
                        answer = await door.ask("GET", f"/Users/{shared}")
                        assert answer.status == 200 or answer.is_honest_refusal
                    disk.before = lambda _: None
                    answer = await door.ask("GET", f"/Users/{shared}")
                    (mark,) = {str(answer.json[name]) for name in MARKED}
                    # What was answered 503 may have been written all the same.
                    assert int(mark) in range(int(expected[shared]), number + 1)
                    # Without a restart, and at once.
                    number += 1
                    await round_of(door, number, shared, expected)
                assert expected[shared] == str(number)
                refused += failing.refused
                if failing.refused == 0:
                    break
            assert point < MOST_POINTS - 1
            for key, mark in expected.items():
                assert (await door.ask("GET", f"/Users/{key}")).json["title"] == mark
            assert await damage(door.database) == []
    report(f"{point - 1} points, {refused} refusals")
