"""The process dies at every point of an operation in turn; what it leaves is all of it or nothing.

Each operation is carried out on people and groups of its own, once for each point, until a run
comes to its end alive (R10).
"""

import copy
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from meibo.scim.schema import Json, JsonObject
from tests.postgres import ROOT
from tests.reliability.checkers import replayed
from tests.reliability.clients import GROUP, marking, patch_op, person
from tests.reliability.conftest import IS_LONG
from tests.reliability.door import Door, open_door
from tests.reliability.inspection import damage, prepare, read_state
from tests.reliability.sweep import Order, Outcome

MOST_POINTS = 100

Essence = dict[str, dict[str, Any]]
"""People by userName and groups by externalId, without what every write changes."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part: two people and a group, which has the first of them."""

    number: int
    one: str
    other: str
    group: str

    @property
    def names(self) -> tuple[str, str, str]:
        return f"one {self.number}", f"other {self.number}", f"group {self.number}"


@dataclass(frozen=True, slots=True)
class Case:
    """A request, and what it does to what there is."""

    method: str
    path: Callable[[Cast], str]
    body: Callable[[Cast], Json]
    apply: Callable[[Essence, Cast], None]
    status: int


def _rename(essence: Essence, cast: Cast) -> None:
    user = essence.pop(cast.names[0])
    user |= dict.fromkeys(("displayName", "title", "nickName"), "changed")
    user |= {
        "userName": f"renamed {cast.number}",
        "emails": [{"value": f"{cast.number}@b.example"}],
    }
    essence[f"renamed {cast.number}"] = user


def _create(essence: Essence, cast: Cast) -> None:
    essence[f"new {cast.number}"] = {**_new_person(cast), "active": True}


def _new_person(cast: Cast) -> JsonObject:
    new = person(f"new {cast.number}", "-")
    del new["schemas"]
    return {**new, "emails": [{"value": f"{cast.number}@n.example"}, {"value": "same@example"}]}


def _delete(essence: Essence, cast: Cast) -> None:
    del essence[cast.names[0]]
    essence[cast.names[2]]["members"] = set()


def _swap_members(essence: Essence, cast: Cast) -> None:
    essence[cast.names[2]] |= {"displayName": "changed", "members": {cast.other}}


def _create_group(essence: Essence, cast: Cast) -> None:
    essence[f"new {cast.number}"] = {
        "displayName": "new",
        "externalId": f"new {cast.number}",
        "members": {cast.one, cast.other},
    }


def _delete_group(essence: Essence, cast: Cast) -> None:
    del essence[cast.names[2]]


CASES = {
    "create a user": Case(
        "POST",
        lambda _: "/Users",
        lambda cast: {**person("", "-"), **_new_person(cast)},
        _create,
        201,
    ),
    "patch a user": Case(
        "PATCH",
        lambda cast: f"/Users/{cast.one}",
        lambda cast: patch_op(
            *marking("changed"),
            {"op": "replace", "path": "userName", "value": f"renamed {cast.number}"},
            {"op": "replace", "path": "emails", "value": [{"value": f"{cast.number}@b.example"}]},
        ),
        _rename,
        200,
    ),
    "delete a user": Case(
        "DELETE", lambda cast: f"/Users/{cast.one}", lambda _: None, _delete, 204
    ),
    "create a group": Case(
        "POST",
        lambda _: "/Groups",
        lambda cast: {
            "schemas": [GROUP],
            "displayName": "new",
            "externalId": f"new {cast.number}",
            "members": [{"value": cast.one}, {"value": cast.other}],
        },
        _create_group,
        201,
    ),
    "patch a group": Case(
        "PATCH",
        lambda cast: f"/Groups/{cast.group}",
        lambda cast: patch_op(
            {"op": "replace", "path": "displayName", "value": "changed"},
            {"op": "add", "path": "members", "value": [{"value": cast.other}]},
            {"op": "remove", "path": f'members[value eq "{cast.one}"]'},
        ),
        _swap_members,
        204,
    ),
    "delete a group": Case(
        "DELETE", lambda cast: f"/Groups/{cast.group}", lambda _: None, _delete_group, 204
    ),
}

# Every statement is a point once more, which takes its time.
CONTESTED = frozenset({"patch a user", "patch a group"})


async def cast_of(door: Door, number: int, essence: Essence) -> Cast:
    """A new cast, which is added to the essence too."""
    ids: list[str] = []
    for name in (f"one {number}", f"other {number}"):
        body = {**person(name, "-"), "emails": [{"value": f"{number}@a.example"}]}
        ids.append(str((await door.ask("POST", "/Users", body)).json["id"]))
        del body["schemas"]
        essence[name] = {**body, "active": True}
    own = {"displayName": "group", "externalId": f"group {number}"}
    members: Json = [{"value": ids[0]}]
    answer = await door.ask("POST", "/Groups", {"schemas": [GROUP], **own, "members": members})
    essence[own["externalId"]] = {**own, "members": {ids[0]}}
    return Cast(number, ids[0], ids[1], str(answer.json["id"]))


async def essence_of(door: Door) -> Essence:
    """What there is, which must not contradict itself or its history."""
    state = await read_state(door.ask, door.database)
    problems = [*await damage(door.database), *replayed(state)]
    assert not problems
    essence: Essence = {}
    for key, resource in (*state.users.items(), *state.groups.items()):
        kept: dict[str, Any] = {
            name: value
            for name, value in resource.items()
            if name not in ("id", "meta", "schemas", "groups")
        }
        if key in state.groups:
            kept["members"] = state.members(key)
        essence[str(kept.get("userName", kept["externalId"]))] = kept
    return essence


@contextmanager
def sweeper() -> Iterator[Callable[[Order], Outcome]]:
    """A process that carries out orders."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.reliability.sweep"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    orders, outcomes = process.stdin, process.stdout
    assert orders is not None
    assert outcomes is not None

    def carry_out(order: Order) -> Outcome:
        orders.write(msgspec.json.encode(order) + b"\n")
        orders.flush()
        return msgspec.json.decode(outcomes.readline(), type=Outcome)

    try:
        yield carry_out
    finally:
        orders.close()
        outcomes.close()
        code = process.wait()
    assert code == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "database_url, contested",
    [
        pytest.param("sqlite", False, id="sqlite"),
        pytest.param("postgresql", False, id="postgresql", marks=pytest.mark.postgresql),
        pytest.param("postgresql", True, id="postgresql-contested", marks=pytest.mark.postgresql),
    ],
    indirect=["database_url"],
)
async def test_a_process_that_dies_at_any_point_leaves_all_or_nothing(
    database_url: str, contested: bool, report: Callable[[str], None]
) -> None:
    token = await prepare(database_url)
    points = committed = number = 0
    with sweeper() as carry_out:
        for name, case in CASES.items():
            if contested and not IS_LONG and name not in CONTESTED:
                continue
            possible: list[Essence] | None = None
            outcome = Outcome(None)
            done = 0
            for point in range(1, MOST_POINTS):
                number += 1
                async with open_door(database_url, token) as door:
                    found = await essence_of(door)
                    if possible is not None:
                        assert found in possible, f"{name}, killed at point {point - 1}"
                        done += found == possible[-1]
                    if outcome.status is not None:
                        break
                    cast = await cast_of(door, number, found)
                after = copy.deepcopy(found)
                case.apply(after, cast)
                order = Order(
                    *(database_url, token, case.method, case.path(cast), case.body(cast)),
                    point=point,
                    contested=contested,
                )
                outcome = carry_out(order)
                assert outcome.status in (None, case.status), name
                possible = [found, after] if outcome.status is None else [after]
                points += outcome.status is None
            assert outcome.status is not None, f"{name}: no end after {MOST_POINTS} points"
            assert done > 1, f"{name}: no point was after the commit"
            committed += done - 1
    report(f"{points} points, {committed} of them after the commit")
