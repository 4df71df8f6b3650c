"""Random sequences of requests, answered by the service as by a dictionary (R24)."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Set
from itertools import count
from typing import Any, TypeVar
from urllib.parse import quote

import hypothesis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from meibo.access import tenants, tokens
from meibo.scim.schema import Json, JsonObject
from meibo.storage.engine import open_database
from tests.reliability.clients import GROUP, USER, patch_op
from tests.reliability.conftest import IS_LONG
from tests.reliability.door import Door
from tests.reliability.inspection import damage, prepare
from tests.reliability.model import NAMES, Change, Held, Model, Refusal, Resource
from tests.reliability.requests import (
    FILTERS,
    Step,
    assigned,
    bad_steps,
    conditions,
    externals,
    names,
    people,
    steps,
)
from tests.reliability.wire import Answer

T = TypeVar("T")

RUNS, STEPS = (5_000, 50) if IS_LONG else (200, 30)
NOBODY = "00000000-0000-7000-8000-000000000000"
NOW = 1_800_000_000_000_000


class World:
    """A database that all runs of a test share, each as a tenant of its own."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self.wait(prepare(url))
        self.database = self.wait(open_database(url))
        self._door = Door(self.database, "")
        self._numbers = count(1)
        self.requests: Counter[int] = Counter()

    def wait(self, asked: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(asked)

    def door(self, *, strict: bool) -> Door:
        """The door of a new tenant."""
        slug = f"tenant-{next(self._numbers)}"

        async def make() -> Door:
            tenant = await self.database.write(
                lambda tx: tenants.create(tx, slug, by="test", now=NOW)
            )
            issued = await self.database.write(
                lambda tx: tokens.generate(
                    tx, tenant.id, vendor="other", strict=strict, by="test", now=NOW
                )
            )
            return self._door.of(issued.secret.text, prefix=f"/t/{slug}/scim/v2")

        return self.wait(make())

    def close(self) -> None:
        self.wait(self.database.close())
        self._loop.close()


class Directory(RuleBasedStateMachine):
    """Every rule is a request; its answer is compared with what the model says."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        strict = self.is_strict
        self.door = self.world.door(strict=strict)
        self.model = Model(revives=not strict)

    is_strict = True

    # Requests and comparisons.

    def ask(self, method: str, path: str, body: Json = None, if_match: str | None = None) -> Answer:
        answer = self.world.wait(self.door.ask(method, path, body, if_match=if_match))
        self.world.requests[answer.status] += 1
        return answer

    def condition(self, held: Held | None, which: str | None) -> str | None:
        if which is None or held is None:
            return None
        return f'W/"{held.version + (which == "wrong")}"'

    def expect(self, answer: Answer, refusal: Refusal) -> None:
        found = answer.status, answer.json.get("scimType")
        assert found == refusal.answer, (found, refusal.answer, answer.body)

    def compare_user(self, answer: Answer, key: str) -> None:
        held = self.model.users[key]
        found = answer.json
        assert answer.version == held.version, (answer.version, held.version)
        groups = found.pop("groups", [])
        assert isinstance(groups, list)
        ids = {str(each["value"]) for each in groups if isinstance(each, dict)}
        assert ids == self.model.groups_of(key)
        self._compare(found, key, held)

    def compare_group(self, answer: Answer, key: str) -> None:
        held = self.model.groups[key]
        found = answer.json
        assert answer.version == held.version, (answer.version, held.version)
        members = found.pop("members", [])
        assert isinstance(members, list)
        ids = {str(each["value"]) for each in members if isinstance(each, dict)}
        assert ids == held.members
        self._compare(found, key, held)

    def _compare(self, found: JsonObject, key: str, held: Held) -> None:
        meta = found.pop("meta")
        assert isinstance(meta, dict)
        assert meta["version"] == f'W/"{held.version}"'
        assert found.pop("id") == key
        del found["schemas"]
        assert found == held.attributes

    def someone(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from([*3 * list(self.model.users), NOBODY]))

    def some_group(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from([*3 * list(self.model.groups), NOBODY]))

    def some_members(self, data: st.DataObject, least: int = 0) -> list[str]:
        every = [*3 * list(self.model.users), *self.model.groups, NOBODY]
        return data.draw(st.lists(st.sampled_from(every), min_size=least, max_size=3, unique=True))

    # People.

    @initialize()
    def begin(self) -> None:
        """Some people and a group, so that there is something to be done."""
        for name in ("ann", "bob"):
            self.create({"userName": name, "displayName": name})
        answer = self.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": "ann"})
        self.model.groups[str(answer.json["id"])] = Held({"displayName": "ann"})

    @rule(attributes=people)
    def create(self, attributes: Resource) -> None:
        answer = self.ask("POST", "/Users", {"schemas": [USER], **attributes})
        wanted = {"active": True, **attributes}
        key = self.model.returning(wanted)
        try:
            self.model.check_unique(wanted, key)
        except Refusal as refusal:
            self.expect(answer, refusal)
            return
        assert answer.status == 201, answer.body
        if key is None:
            key = str(answer.json["id"])
            assert key not in self.model.users
            self.model.users[key] = Held(wanted)
        else:
            held = self.model.users[key]
            held.attributes, held.removed = wanted, 0
            held.version += 1
        self.compare_user(answer, key)

    @rule(data=st.data(), attributes=people, which=conditions)
    def replace(self, data: st.DataObject, attributes: Resource, which: str | None) -> None:
        key = self.someone(data)
        tag = self.condition(self.model.users.get(key), which)
        answer = self.ask("PUT", f"/Users/{key}", {"schemas": [USER], **attributes}, tag)

        def put(resource: Resource) -> None:
            wanted = {"active": resource["active"], **attributes}
            resource.clear()
            resource.update(wanted)

        self._changed(answer, key, put, which)

    @rule(data=st.data(), operations=steps, bad=st.none() | bad_steps, which=conditions)
    def patch(
        self, data: st.DataObject, operations: list[Step], bad: Step | None, which: str | None
    ) -> None:
        key = self.someone(data)
        if bad is not None and not self.is_strict:
            return  # what each vendor is forgiven is another matter
        if bad is not None:
            operations, which = [*operations, bad], None
        tag = self.condition(self.model.users.get(key), which)
        message = patch_op(*(each.operation for each in operations))
        answer = self.ask("PATCH", f"/Users/{key}", message, tag)
        if bad is not None:
            # Which of several things that are wrong is named is not promised.
            assert answer.status in (400, 404), answer.body
            return

        def patched(resource: Resource) -> None:
            for each in operations:
                each.carry_out(resource, strict=self.is_strict)

        self._changed(answer, key, patched, which)

    def _changed(self, answer: Answer, key: str, change: Change, which: str | None) -> None:
        try:
            held = self.model.user(key)
            if which == "wrong":
                raise Refusal(412)
            self.model.change(held, change, lambda after: self.model.check_unique(after, key))
        except Refusal as refusal:
            self.expect(answer, refusal)
            return
        assert answer.status == 200, answer.body
        self.compare_user(answer, key)

    @rule(data=st.data(), which=conditions)
    def delete(self, data: st.DataObject, which: str | None) -> None:
        key = self.someone(data)
        answer = self.ask(
            "DELETE", f"/Users/{key}", None, self.condition(self.model.users.get(key), which)
        )
        try:
            held = self.model.user(key)
            if which == "wrong":
                raise Refusal(412)
        except Refusal as refusal:
            self.expect(answer, refusal)
            return
        assert answer.status == 204
        self.model.remove(held, key)

    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        key = self.someone(data)
        answer = self.ask("GET", f"/Users/{key}")
        if key in self.model.live("users"):
            assert answer.status == 200
            self.compare_user(answer, key)
        else:
            assert answer.status == 404

    @rule(
        asked=st.sampled_from([("", lambda _: True), *FILTERS]),
        start=st.integers(1, 3),
        size=st.integers(0, 3),
    )
    def search(self, asked: tuple[str, Callable[[Resource], bool]], start: int, size: int) -> None:
        text, holds = asked
        filter = f"filter={quote(text)}&" if text else ""
        answer = self.ask("GET", f"/Users?{filter}startIndex={start}&count={size}")
        expected = [key for key, held in self.model.live("users").items() if holds(held.attributes)]
        assert answer.status == 200, answer.body
        assert answer.json["totalResults"] == len(expected)
        found = answer.json["Resources"]
        assert isinstance(found, list)
        ids = [each["id"] for each in found if isinstance(each, dict)]
        assert ids == expected[start - 1 : start - 1 + size]

    # Groups.

    @rule(data=st.data(), name=names, external=externals)
    def create_group(self, data: st.DataObject, name: str, external: str | None) -> None:
        members = self.some_members(data)
        attributes = assigned({"displayName": name, "externalId": external})
        listed: Json = [{"value": each} for each in members]
        answer = self.ask("POST", "/Groups", {"schemas": [GROUP], **attributes, "members": listed})
        try:
            wanted = self._members(members)
            self.model.check_unique_group(attributes, None)
        except Refusal as refusal:
            self.expect(answer, refusal)
            return
        assert answer.status == 201, answer.body
        key = str(answer.json["id"])
        self.model.groups[key] = Held(attributes, members=wanted)
        self.compare_group(answer, key)

    @rule(
        data=st.data(),
        op=st.sampled_from(["add", "replace", "remove", "remove listed", "clear"]),
        rename=st.none() | names,
        which=conditions,
    )
    def change_group(
        self, data: st.DataObject, op: str, rename: str | None, which: str | None
    ) -> None:
        key = self.some_group(data)
        listed = self.some_members(data, least=1)
        values: Json = [{"value": each} for each in listed]
        operation: JsonObject = {"op": op, "path": "members", "value": values}
        if op == "remove":
            listed = listed[:1]
            del operation["value"]
            operation["path"] = f'members[value eq "{listed[0]}"]'
        elif op == "remove listed":
            operation["op"] = "remove"
        elif op == "clear":
            listed = []
            operation = {"op": "remove", "path": "members"}
        renaming: JsonObject = {"op": "replace", "path": "displayName", "value": rename}
        operations = [operation] if rename is None else [operation, renaming]
        tag = self.condition(self.model.groups.get(key), which)
        answer = self.ask("PATCH", f"/Groups/{key}", patch_op(*operations), tag)
        try:
            held = self.model.group(key)
            if which == "wrong":
                raise Refusal(412)
            members = set(held.members)
            if op == "add":
                members |= self._members(listed, key, held.members)
            elif op in ("remove", "remove listed"):
                members -= set(listed)
            else:
                members = self._members(listed, key, held.members)
        except Refusal as refusal:
            self.expect(answer, refusal)
            return
        assert answer.status == 204, answer.body
        renamed = rename is not None and rename != held.attributes["displayName"]
        if rename is not None:
            held.attributes["displayName"] = rename
        held.version += renamed or members != held.members
        held.members = members
        assert answer.version == held.version
        self.compare_group(self.ask("GET", f"/Groups/{key}"), key)

    def _members(
        self, listed: list[str], group: str = "", present: Set[str] = frozenset()
    ) -> set[str]:
        """Those of the listed that can be members.

        Raises:
            Refusal: one cannot, and the connection is strict.
        """
        possible = {each for each in listed if self.model.exists(each) and each != group}
        possible |= set(listed) & present
        if not self.model.revives and possible != set(listed):
            raise Refusal(400, "invalidValue")
        return possible

    @rule(data=st.data())
    def delete_group(self, data: st.DataObject) -> None:
        key = self.some_group(data)
        answer = self.ask("DELETE", f"/Groups/{key}")
        try:
            held = self.model.group(key)
        except Refusal as refusal:
            self.expect(answer, refusal)
            return
        assert answer.status == 204
        self.model.remove(held, key)

    @rule(name=names)
    def find_group(self, name: str) -> None:
        answer = self.ask(
            "GET",
            f"/Groups?excludedAttributes=members&filter=displayName%20eq%20%22{quote(name)}%22",
        )
        expected = [
            key
            for key, held in self.model.live("groups").items()
            if NAMES[held.attributes["displayName"]] == NAMES[name]
        ]
        found = answer.json["Resources"]
        assert isinstance(found, list)
        assert [each["id"] for each in found if isinstance(each, dict)] == expected
        assert not any("members" in each for each in found if isinstance(each, dict))

    def teardown(self) -> None:
        for key in self.model.live("users"):
            self.compare_user(self.ask("GET", f"/Users/{key}"), key)
        for key in self.model.live("groups"):
            self.compare_group(self.ask("GET", f"/Groups/{key}"), key)


@pytest.mark.slow
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "tolerant"])
def test_random_requests_are_answered_as_by_a_dictionary(
    database_url: str, strict: bool, seed: int, report: Callable[[str], None]
) -> None:
    the_world = World(database_url)

    @hypothesis.seed(seed)
    class Machine(Directory):
        world = the_world
        is_strict = strict

    try:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=RUNS // 2,
                stateful_step_count=STEPS,
                deadline=None,
                report_multiple_bugs=False,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
        assert the_world.wait(damage(the_world.database)) == []
    finally:
        the_world.close()
    told = ", ".join(f"{times} x {status}" for status, times in the_world.requests.most_common())
    report(f"{RUNS // 2} runs of {STEPS} steps: {told}")
