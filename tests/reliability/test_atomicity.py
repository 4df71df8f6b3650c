"""A PATCH is carried out whole or not at all (RFC 7644 §3.5.2; R10)."""

import random
from collections import Counter
from collections.abc import Callable

import pytest

from meibo.scim.schema import JsonObject
from tests.reliability.clients import GROUP, IMPOSSIBLE, marking, patch_op, person
from tests.reliability.conftest import Effort
from tests.reliability.inspection import all_changes
from tests.reliability.nodes import Service
from tests.reliability.wire import Wire

NOBODY = "00000000-0000-7000-8000-000000000000"


def possible(chance: random.Random) -> list[JsonObject]:
    """Operations on a user that would be carried out if they stood alone."""
    operations: list[JsonObject] = [
        *marking(f"{chance.random()}"),
        {"op": "replace", "path": "active", "value": False},
        {"op": "replace", "path": "userName", "value": f"{chance.random()}"},
        {"op": "remove", "path": "externalId"},
        {"op": "add", "path": "emails", "value": [{"value": "a@example.com", "type": "work"}]},
        {"op": "add", "value": {"name": {"familyName": "Sato"}, "locale": "ja"}},
    ]
    return chance.sample(operations, chance.randrange(1, len(operations) + 1))


def possible_for_a_group(chance: random.Random, people: list[str]) -> list[JsonObject]:
    """The same for a group that has the first half of the people."""
    one = chance.choice(people)
    operations: list[JsonObject] = [
        {"op": "replace", "path": "displayName", "value": f"{chance.random()}"},
        {"op": "replace", "path": "externalId", "value": f"{chance.random()}"},
        {"op": "add", "path": "members", "value": [{"value": one}]},
        {"op": "remove", "path": f'members[value eq "{one}"]'},
        {"op": "remove", "path": "members"},
        {"op": "replace", "path": "members", "value": [{"value": people[-1]}]},
    ]
    return chance.sample(operations, chance.randrange(1, len(operations) + 1))


async def snapshot(wire: Wire, path: str) -> tuple[bytes, str]:
    """The resource as it is answered, and its ETag."""
    answer = await wire.ask("GET", path)
    assert answer.status == 200
    return answer.body, answer.headers["etag"]


@pytest.mark.slow
async def test_a_patch_with_one_impossible_operation_changes_nothing(
    service: Service, effort: Effort, seed: int, report: Callable[[str], None]
) -> None:
    chance = random.Random(seed)
    wires = service.wires(len(service.nodes))
    created = [await wires[0].ask("POST", "/Users", person(f"person {n}", "-")) for n in range(8)]
    people = [str(answer.json["id"]) for answer in created]
    group: JsonObject = {
        "schemas": [GROUP],
        "displayName": "some",
        "externalId": "g",
        "members": [{"value": each} for each in people[:4]],
    }
    group_id = (await wires[0].ask("POST", "/Groups", group)).json["id"]
    taken: JsonObject = {"op": "replace", "path": "userName", "value": "PERSON 0"}
    user_path, group_path = f"/Users/{people[1]}", f"/Groups/{group_id}"
    of_users = {**IMPOSSIBLE, "taken": taken}
    of_groups: dict[str, JsonObject] = {
        "unknown member": {"op": "add", "path": "members", "value": [{"value": NOBODY}]},
        "read-only": {"op": "replace", "path": "id", "value": NOBODY},
        "required": {"op": "remove", "path": "displayName"},
        "no such attribute": IMPOSSIBLE["no such attribute"],
    }
    before = {path: await snapshot(wires[0], path) for path in (user_path, group_path)}
    async with service.database() as database:
        changes = await all_changes(database)
        statuses: Counter[tuple[int, object]] = Counter()
        for _ in range(effort.patches):
            wire = chance.choice(wires)
            if chance.random() < 0.6:
                path, operations, impossible = user_path, possible(chance), of_users
            else:
                path, impossible = group_path, of_groups
                operations = possible_for_a_group(chance, people)
            name = chance.choice(list(impossible))
            if name == "taken":  # a later operation may not take it back
                operations = [each for each in operations if each.get("path") != "userName"]
            if name == "unknown member":
                operations = [each for each in operations if "members" not in str(each["path"])]
            place = chance.randrange(len(operations) + 1)
            operations.insert(place, impossible[name])
            answer = await wire.ask("PATCH", path, patch_op(*operations))
            statuses[answer.status, answer.json.get("scimType")] += 1
            assert answer.status in (400, 409), f"{name} at {place} of {operations}"
            assert await snapshot(wire, path) == before[path], f"{name} at {place} of {operations}"
        assert await all_changes(database) == changes
    await service.check()
    told = ", ".join(f"{count} {scim_type}" for (_, scim_type), count in statuses.most_common())
    report(f"{effort.patches} refused PATCHes ({told})")
