"""The checkers find what they are there to find: histories with one lie in each."""

import dataclasses
from typing import Any

import msgspec
import pytest

from meibo.scim.schema import JsonObject
from meibo.storage.changes import Change
from tests.reliability.checkers import State, every_problem, longest_silence
from tests.reliability.ledger import End, Invoke, Kind, Operation, Outcome

CREATED = {"userName": "ann", "externalId": "x-ann", "active": True}


def operation(
    number: int,
    kind: Kind,
    target: str,
    value: str = "",
    outcome: Outcome = "ok",
    **more: Any,
) -> Operation:
    """Begun at the second of its number, ended half a second later; its request is r<number>."""
    end: dict[str, Any] = {"request": f"r{number}", "status": 200 if outcome == "ok" else 400}
    return Operation(
        Invoke(number, float(number), 0, kind, target, value),
        End(number, number + 0.5, outcome, **{**end, **more}),
    )


def marks(marker: str) -> JsonObject:
    return {"displayName": marker, "title": marker, "nickName": marker}


def change(
    request: str, resource: str, version: int, action: str, attributes: JsonObject
) -> Change:
    return Change(
        tenant=1,
        at=0,
        resource_type="Group" if resource == "g" else "User",
        resource_id=resource,
        action=action,
        version=version,
        actor="",
        connection=1,
        token="",
        request=request,
        attributes=msgspec.json.encode(attributes).decode(),
    )


def after(values: JsonObject) -> JsonObject:
    return {name: {"after": value} for name, value in values.items()}


OPERATIONS = [
    operation(1, "create group", "all", resource="g", version=1),
    operation(2, "create", "ann", "m1", resource="a", version=1),
    operation(3, "patch", "a", "m2", resource="a", version=2, marker="m2"),
    operation(4, "add", "g", "a", version=2),
    operation(5, "refused", "a", "refused-m3", "fail"),
    operation(6, "read", "a", resource="a", version=2, marker="m2"),
    operation(7, "create", "bob", "m4", resource="b", version=1),
    operation(8, "delete", "b"),
    operation(9, "create", "lost answer", "m5", "unknown", status=0),
    operation(10, "create", "refused", "m6", "fail"),
]
ANN: JsonObject = {**CREATED, **marks("m2"), "id": "a", "meta": {"version": 'W/"2"'}}
GROUP: JsonObject = {
    "id": "g",
    "displayName": "all",
    "members": [{"value": "a"}],
    "meta": {"version": 'W/"2"'},
}
BOB: JsonObject = {"userName": "bob", "externalId": "x-bob", "active": True, **marks("m4")}
CHANGES = [
    change("r1", "g", 1, "created", after({"displayName": "all"})),
    change("r2", "a", 1, "created", after({**CREATED, **marks("m1")})),
    change("r3", "a", 2, "updated", after(marks("m2"))),
    change("r4", "g", 2, "members changed", {"members": {"added": ["a"], "removed": []}}),
    change("r7", "b", 1, "created", after(BOB)),
    change("r8", "b", 2, "removed", {}),
]
TRUE = State({"a": ANN}, {"g": GROUP}, CHANGES)


def test_a_true_history_has_no_problem() -> None:
    assert every_problem(OPERATIONS, TRUE) == []
    assert longest_silence(OPERATIONS) == 2.0


def told(number: int, **end: Any) -> list[Operation]:
    """The operations, one of which ended in another way."""
    return [
        Operation(each.invoke, msgspec.structs.replace(each.end, **end))
        if each.invoke.number == number
        else each
        for each in OPERATIONS
    ]


def there(user: JsonObject | None, changes: list[Change] = CHANGES, **group: Any) -> State:
    """The state with another ann, none, or another group."""
    users = {} if user is None else {"a": user}
    return State(users, {"g": {**GROUP, **group}}, changes)


def without(number: int) -> list[Change]:
    return [*CHANGES[:number], *CHANGES[number + 1 :]]


LIES: dict[str, tuple[list[Operation], State, str]] = {
    "an acknowledged person is lost": (OPERATIONS, there(None), "acknowledged and is lost"),
    "a 409 for nobody": (
        told(10, status=409),
        TRUE,
        "refused was refused as taken and is not there",
    ),
    "a person who was refused is there": (
        OPERATIONS,
        dataclasses.replace(
            TRUE,
            users={"a": ANN, "c": {**ANN, "userName": "refused", "externalId": "c", "id": "c"}},
        ),
        "refused was refused each time and is there",
    ),
    "two people of one name": (
        OPERATIONS,
        dataclasses.replace(TRUE, users={"a": ANN, "c": {**ANN, "userName": "ANN", "id": "c"}}),
        "2 people have ann",
    ),
    "a deleted person is there": (
        OPERATIONS,
        dataclasses.replace(
            TRUE, users={"a": ANN, "b": {**BOB, "id": "b", "meta": {"version": 'W/"1"'}}}
        ),
        "b was deleted and is there",
    ),
    "a 500": (told(6, honest=False, status=500), TRUE, "was answered 500"),
    "what was to be refused is done": (told(5, outcome="ok", status=200), TRUE, "to be refused"),
    "a lost update": (
        OPERATIONS,
        there({**ANN, "meta": {"version": 'W/"1"'}}),
        "was seen at version 2 and ended at 1",
    ),
    "an old value under the new version": (
        OPERATIONS,
        there({**ANN, **marks("m1")}),
        "a has m1, which version 2 had not",
    ),
    "one version for two writers": (
        [*OPERATIONS, operation(11, "patch", "a", "m7", resource="a", version=2)],
        TRUE,
        "version 2 was acknowledged to 2 writers",
    ),
    "a stale read": (
        told(6, version=1, marker="m1"),
        TRUE,
        "saw version 1 of a after version 2 had been seen",
    ),
    "half a write": (OPERATIONS, there({**ANN, "title": "m1"}), "half of two writes"),
    "a refused value in the history": (
        OPERATIONS,
        there(ANN, [*CHANGES, change("r5", "a", 3, "updated", after(marks("refused-m3")))]),
        "holds a value of a request that was refused",
    ),
    "a member is missing": (OPERATIONS, there(ANN, members=[]), "a is missing from g"),
    "a member whom nobody added": (
        OPERATIONS,
        there(ANN, members=[{"value": "a"}, {"value": "z"}]),
        "z is a member of g, unasked",
    ),
    "a change is not recorded": (OPERATIONS, there(ANN, without(2)), "has no change"),
    "a change is recorded twice": (
        OPERATIONS,
        there(ANN, [*CHANGES[:3], *CHANGES[2:]]),
        "operation 3 has 2 changes",
    ),
    "a change of nobody's": (
        [each for each in OPERATIONS if not each.unknown],
        there(ANN, [*CHANGES, change("r99", "a", 3, "updated", {})]),
        "the change of request r99 was not acknowledged",
    ),
    "a history that tells something else": (
        OPERATIONS,
        there(
            ANN, [*CHANGES[:2], change("r3", "a", 2, "updated", after(marks("m9"))), *CHANGES[3:]]
        ),
        "but its history says",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_found(lie: str) -> None:
    operations, state, told = LIES[lie]
    assert told in "\n".join(every_problem(operations, state))


@pytest.mark.parametrize(
    "state",
    [
        TRUE,
        dataclasses.replace(
            TRUE,
            users={
                "a": ANN,
                "c": {
                    **BOB,
                    "userName": "lost answer",
                    "externalId": "c",
                    "id": "c",
                    "meta": {"version": 'W/"1"'},
                },
            },
            changes=[
                *CHANGES,
                change(
                    "r9",
                    "c",
                    1,
                    "created",
                    after({**BOB, "userName": "lost answer", "externalId": "c"}),
                ),
            ],
        ),
    ],
    ids=["nothing", "everything"],
)
def test_what_was_not_answered_may_have_been_done_or_not(state: State) -> None:
    assert every_problem(OPERATIONS, state) == []


def test_an_unanswered_change_may_be_the_last_version() -> None:
    unanswered = operation(11, "patch", "a", "m8", "unknown", status=0)
    state = there(
        {**ANN, **marks("m8"), "meta": {"version": 'W/"3"'}},
        [*CHANGES, change("r11", "a", 3, "updated", after(marks("m8")))],
    )
    assert every_problem([*OPERATIONS, unanswered], state) == []
    assert every_problem(OPERATIONS, state) != []
