"""The power goes at any moment; of what was not synced the disk has kept what it liked (R11)."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import apsw
import pytest

from meibo.storage import engine
from meibo.storage.sqlite import SqliteDatabase
from tests.reliability.clients import marking, patch_op, person
from tests.reliability.conftest import Effort
from tests.reliability.disk import Entry, after_power_cuts, noted_disk
from tests.reliability.door import Door, open_door
from tests.reliability.inspection import prepare

CLIENTS = 6
FILE = "meibo.sqlite3"


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Somebody's marker that a client was told is written, after so many entries of the disk."""

    entries: int
    resource: str
    marker: str


async def write(door: Door, disk: list[Entry], number: int, people: int) -> list[Acknowledged]:
    """One client's work: creates people and changes each once."""
    told: list[Acknowledged] = []
    for index in range(people):
        name = f"{number}/{index}"
        answer = await door.ask("POST", "/Users", person(name, "1"))
        assert answer.status == 201
        created = str(answer.json["id"])
        told.append(Acknowledged(len(disk), created, "1"))
        answer = await door.ask("PATCH", f"/Users/{created}", patch_op(*marking("2")))
        assert answer.status == 200
        told.append(Acknowledged(len(disk), created, "2"))
    return told


async def lost_in_power_cuts(directory: Path, count: int, seed: int) -> tuple[int, int]:
    """How many cuts were made, and how many of them lost something that was acknowledged."""
    chance = random.Random(seed)
    url = f"sqlite:///{directory / FILE}"
    with noted_disk() as disk:
        token = await prepare(url)
        ready = len(disk.entries)
        async with open_door(url, token) as door:
            work = [write(door, disk.entries, n, count // 60) for n in range(CLIENTS)]
            told = [each for client in await asyncio.gather(*work) for each in client]
    told.sort(key=lambda each: each.entries)
    of_file = [each for each in disk.entries[ready:] if each.path.endswith(f"/{FILE}")]
    assert of_file[0].kind == "write", "the write-ahead log was never folded back"

    places = range(ready, len(disk.entries) + 1)
    cuts = chance.sample(places, min(count, len(places)))
    expected: dict[str, str] = {}
    done = losses = 0
    for cut, files in after_power_cuts(disk.entries, cuts, chance):
        while done < len(told) and told[done].entries <= cut:
            each = told[done]
            expected[each.resource] = max(expected.get(each.resource, ""), each.marker)
            done += 1
        found = read_after(directory / "after", files)
        losses += any(found.get(key, "") < marker for key, marker in expected.items())
    return len(cuts), losses


def read_after(directory: Path, files: dict[str, bytearray]) -> dict[str, str]:
    """The markers of all people once the power is back; the file must be sound."""
    directory.mkdir(exist_ok=True)
    for name, content in files.items():
        if name.startswith(FILE):
            (directory / name).write_bytes(content)
    connection = apsw.Connection(str(directory / FILE))
    try:
        # To read is all that is wanted here; syncing what was recovered takes ten times as long.
        connection.execute("PRAGMA synchronous = OFF")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        sql = "SELECT id, json_extract(body, '$.title') FROM users"
        return {str(key): str(title) for key, title in connection.execute(sql).fetchall()}
    finally:
        connection.close()
        for file in directory.iterdir():
            file.unlink()


@pytest.mark.slow
async def test_a_power_cut_loses_nothing_that_was_acknowledged(
    tmp_path: Path, effort: Effort, seed: int, report: Callable[[str], None]
) -> None:
    cuts = 0
    for round in range(max(1, effort.power_cuts // 3_000)):
        directory = tmp_path / f"{round}"
        directory.mkdir()
        made, losses = await lost_in_power_cuts(directory, 3_000, seed + round)
        assert losses == 0, f"in round {round}"
        cuts += made
    report(f"{cuts} cuts, no acknowledged write lost, no file damaged")


async def test_with_less_syncing_the_same_power_cuts_lose_acknowledged_writes(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "SqliteDatabase", partial(SqliteDatabase, synchronous="NORMAL"))
    _, losses = await lost_in_power_cuts(tmp_path, 300, seed)
    assert losses > 100
