"""Several clients want the same thing at once, on every node that there is (R6, R7, R8)."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from meibo.scim.schema import JsonObject
from tests.reliability.clients import GROUP, adding, patch_op, person, removing
from tests.reliability.conftest import Effort
from tests.reliability.nodes import Service
from tests.reliability.wire import Answer, Wire

T = TypeVar("T")

RACERS = 8
ONE_WINNER = Counter({(201, None): 1, (409, "uniqueness"): RACERS - 1})


def same(number: int) -> Iterator[str]:
    """One name for all."""
    for _ in range(RACERS):
        yield f"person{number}@example.com"


def spelled(number: int) -> Iterator[str]:
    """One name, spelled by each client in his own way: letter case, ligatures, widths, forms."""
    yield f"josé.straße.ﬁ{number}@example.com"
    yield f"JOSÉ.STRASSE.FI{number}@EXAMPLE.COM"
    yield f"jose\u0301.strasse.fi{number}@example.com"
    yield f"JOSE\u0301.STRAẞE.Fi{number}@example.com"
    yield f"josé.ſtrasſe.fi{number}@example.com"
    yield f"ｊｏｓé.ｓtrasse.fi{number}@example.com"
    yield f"José.Straße.Fi{number}@Example.Com"
    yield f"josé.straße.fi{number}＠example.com"


async def gathered(asked: Iterator[Coroutine[Any, Any, T]]) -> list[T]:
    """All of them at once."""
    return await asyncio.gather(*asked)


def outcomes(answers: list[Answer]) -> Counter[tuple[int, object]]:
    """How often each status and scimType was answered."""
    return Counter((each.status, each.json.get("scimType")) for each in answers)


@pytest.mark.slow
@pytest.mark.parametrize("names", [same, spelled])
async def test_one_of_many_racing_creates_of_a_name_wins(
    service: Service,
    effort: Effort,
    names: Callable[[int], Iterator[str]],
    report: Callable[[str], None],
) -> None:
    wires = service.wires(RACERS)
    count = effort.names // 2
    for number in range(count):
        bodies = [person(name, "-") for name in names(number)]
        for racer, body in enumerate(bodies):
            body["externalId"] = f"{number}/{racer}"
        answers = await gathered(
            wire.ask("POST", "/Users", body) for wire, body in zip(wires, bodies, strict=True)
        )
        assert outcomes(answers) == ONE_WINNER

    assert len((await service.state()).users) == count
    report(f"{count} names, {RACERS} clients for each")


@pytest.mark.slow
async def test_one_of_many_racing_creates_of_an_external_id_wins(
    service: Service, effort: Effort
) -> None:
    wires = service.wires(RACERS)
    for number in range(effort.names // 20):
        answers = await gathered(
            wire.ask(
                "POST", "/Users", {**person(f"{number}-{racer}", "-"), "externalId": f"{number}"}
            )
            for racer, wire in enumerate(wires)
        )
        assert outcomes(answers) == ONE_WINNER
    assert len((await service.state()).users) == effort.names // 20


@pytest.mark.slow
async def test_one_of_many_racing_renames_wins(service: Service, effort: Effort) -> None:
    wires = service.wires(RACERS)
    for number in range(effort.names // 20):
        created = await gathered(
            wire.ask("POST", "/Users", person(f"{number}-{racer}", "-"))
            for racer, wire in enumerate(wires)
        )
        wanted = patch_op({"op": "replace", "path": "userName", "value": f"wanted {number}"})
        answers = await gathered(
            wire.ask("PATCH", f"/Users/{answer.json['id']}", wanted)
            for wire, answer in zip(wires, created, strict=True)
        )
        assert outcomes(answers) == Counter({(200, None): 1, (409, "uniqueness"): RACERS - 1})
    await service.check()


@pytest.mark.slow
async def test_a_group_that_many_clients_change_ends_as_the_set_that_they_made(
    service: Service, effort: Effort, seed: int, report: Callable[[str], None]
) -> None:
    clients = 64
    wires = service.wires(clients)
    (created,) = await gathered(
        wire.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": "all"})
        for wire in wires[:1]
    )
    path = f"/Groups/{created.json['id']}"
    retried = 0

    async def change(wire: Wire, message: JsonObject) -> None:
        nonlocal retried
        while (answer := await wire.ask("PATCH", path, message)).status != 204:
            assert answer.is_honest_refusal
            retried += 1
            assert retried < effort.members

    async def add(number: int) -> list[str]:
        mine: list[str] = []
        for index in range(number, effort.members, clients):
            answer = await wires[number].ask("POST", "/Users", person(f"member {index}", "-"))
            mine.append(str(answer.json["id"]))
            await change(wires[number], adding(mine[-1]))
        return mine

    people = await gathered(add(number) for number in range(clients))
    state = await service.state()
    assert state.members(str(created.json["id"])) == {each for mine in people for each in mine}

    async def mix(number: int) -> set[str]:
        chance = random.Random(f"{seed}/{number}")
        there = set(people[number])
        for _ in range(2 * len(people[number])):
            one = chance.choice(people[number])
            if chance.random() < 0.5:
                await change(wires[number], adding(one))
                there.add(one)
            else:
                await change(wires[number], removing(one))
                there.discard(one)
        return there

    expected = await gathered(mix(number) for number in range(clients))
    state = await service.state()
    assert state.members(str(created.json["id"])) == {each for mine in expected for each in mine}
    report(
        f"{effort.members} members by {clients} clients, then a mix; {retried} retries after 503"
    )


@pytest.mark.slow
async def test_one_of_many_writers_on_top_of_one_version_wins(
    service: Service, effort: Effort
) -> None:
    writers = 32
    wires = service.wires(writers)
    created = await wires[0].ask("POST", "/Users", person("contested", "-"))
    path = f"/Users/{created.json['id']}"
    tag = created.headers["etag"]
    for round in range(effort.names // 50):
        answers = await gathered(
            wire.ask(
                *("PATCH", path),
                patch_op({"op": "replace", "path": "title", "value": f"{round}/{number}"}),
                if_match=tag,
            )
            for number, wire in enumerate(wires)
        )
        assert Counter(each.status for each in answers) == Counter({200: 1, 412: writers - 1})
        (winner,) = (each for each in answers if each.status == 200)
        tag = winner.headers["etag"]
        assert tag == f'W/"{round + 2}"'
    await service.check()


@pytest.mark.slow
async def test_writers_without_a_condition_each_make_a_version(
    service: Service, effort: Effort
) -> None:
    writers = 32
    wires = service.wires(writers)
    created = await wires[0].ask("POST", "/Users", person("contested", "-"))
    path = f"/Users/{created.json['id']}"
    versions: list[int | None] = []
    for round in range(effort.names // 100):
        answers = await gathered(
            wire.ask(
                *("PATCH", path),
                patch_op({"op": "replace", "path": "title", "value": f"{round}/{number}"}),
            )
            for number, wire in enumerate(wires)
        )
        assert {each.status for each in answers} == {200}
        versions.extend(each.version for each in answers)
    assert sorted(each or 0 for each in versions) == list(range(2, len(versions) + 2))
    await service.check()


@pytest.mark.slow
async def test_somebody_who_is_deleted_while_he_joins_groups_is_in_none(
    service: Service, effort: Effort, seed: int
) -> None:
    chance = random.Random(seed)
    wires = service.wires(RACERS)
    made = await gathered(
        wire.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": "all"}) for wire in wires
    )
    groups = [str(answer.json["id"]) for answer in made]
    for number in range(effort.names // 10):
        created = await wires[0].ask("POST", "/Users", person(f"{number}", "-"))
        gone = str(created.json["id"])
        asked = [
            wire.ask("PATCH", f"/Groups/{group}", adding(gone))
            for wire, group in zip(wires[1:], groups[1:], strict=True)
        ]
        asked.insert(chance.randrange(3), wires[0].ask("DELETE", f"/Users/{gone}"))
        answers = await gathered(iter(asked))
        assert {each.status for each in answers} <= {204, 400}

    await service.check()
    state = await service.state()
    assert not any(state.members(group) for group in groups)
