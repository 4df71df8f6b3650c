"""Clients that change the directory as hard as they can and note what they were told.

They are a process of their own: ``python -m tests.reliability.clients`` with a ``Load`` as JSON on
standard input, and go on until that is closed. Each client has people and memberships that only it
touches, so that it knows what must be there, and all share some people, whom they fight over.
"""

import asyncio
import contextlib
import random
import sys
from pathlib import Path

import msgspec

from meibo.scim.schema import Json, JsonObject
from tests.reliability.ledger import End, Kind, Ledger
from tests.reliability.wire import ANSWER_SECONDS, Answer, NotSent, Unanswered, Wire

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

MARKED = ("displayName", "title", "nickName")
"""Attributes that are always written together with one value: two values are half a write."""

REFUSED = "refused-"
"""Begins every marker that must never be seen anywhere."""


class Load(msgspec.Struct, frozen=True):
    """What the clients' process is told.

    ``think`` is the longest pause between requests, ``patience`` the longest wait for an answer, in
    seconds.
    """

    ports: list[int]
    token: str
    ledger: str
    seed: int
    clients: int = 8
    shared: int = 4
    groups: int = 4
    think: float = 0.005
    patience: float = ANSWER_SECONDS


def person(name: str, marker: str) -> JsonObject:
    """Somebody with a name, an externalId made of it, and the marker three times."""
    marks: JsonObject = dict.fromkeys(MARKED, marker)
    return {"schemas": [USER], "userName": name, "externalId": f"x-{name}", **marks}


def patch_op(*operations: JsonObject) -> JsonObject:
    """A PATCH message."""
    return {"schemas": [PATCH_OP], "Operations": list(operations)}


def marking(marker: str) -> list[JsonObject]:
    """Operations that write the marker everywhere."""
    return [{"op": "replace", "path": name, "value": marker} for name in MARKED]


def adding(member: str) -> JsonObject:
    """A PATCH message that adds a member."""
    return patch_op({"op": "add", "path": "members", "value": [{"value": member}]})


def removing(member: str) -> JsonObject:
    """A PATCH message that removes a member."""
    return patch_op({"op": "remove", "path": f'members[value eq "{member}"]'})


IMPOSSIBLE: dict[str, JsonObject] = {
    "read-only": {"op": "replace", "path": "groups", "value": []},
    "no such attribute": {"op": "replace", "path": "noSuchAttribute", "value": "x"},
    "no such element": {"op": "replace", "path": 'emails[type eq "none"].value', "value": "a@b.c"},
    "required": {"op": "remove", "path": "userName"},
    "wrong type": {"op": "replace", "path": "active", "value": "perhaps"},
    "wrong path": {"op": "add", "path": "emails[", "value": "x"},
    "no target": {"op": "remove"},
}
"""Operations that a strict connection refuses."""


class Client:
    """One client; all its requests go through ``ask``, which notes them."""

    def __init__(self, load: Load, number: int, ledger: Ledger, stop: asyncio.Event) -> None:
        self._ledger = ledger
        self._load = load
        self.number = number
        self.stop = stop
        self.random = random.Random(f"{load.seed}/{number}")
        self._wires = [Wire(port, load.token, patience=load.patience) for port in load.ports]
        self._made = 0
        self.own: list[str] = []

    async def ask(
        self, kind: Kind, target: str, value: str, method: str, path: str, body: Json = None
    ) -> tuple[End, Answer | None]:
        """Sends it to any node; when that does not answer, the next request goes elsewhere."""
        wire = self.random.choice(self._wires)
        number = self._ledger.invoke(self.number, kind, target, value)
        try:
            answer = await wire.ask(method, path, body)
        except (NotSent, Unanswered) as error:
            end = self._ledger.unanswered(number, error)
            await asyncio.sleep(0.03)
            return end, None
        return self._ledger.answered(number, answer), answer

    async def create(self, name: str, marker: str) -> str | None:
        """Asks until it is certain that the person exists: 201, or 409 after a lost answer.

        Whose 201 was lost is left alone from then on.
        """
        while not self.stop.is_set():
            end, _ = await self.ask("create", name, marker, "POST", "/Users", person(name, marker))
            if end.outcome == "ok":
                return end.resource
            if end.status == 409:
                return None
        return None

    async def act(self, shared: list[str], groups: list[str]) -> None:
        """One more request of a mix."""
        self._made += 1
        marker = f"m{self.number}-{self._made}"
        dice = self.random.random()
        if dice < 0.25 or not self.own:
            created = await self.create(f"u{self.number}-{self._made}", marker)
            if created is not None:
                self.own.append(created)
            return
        mine = self.random.choice(self.own)
        person_id = self.random.choice(shared) if self.random.random() < 0.3 else mine
        group = self.random.choice(groups)
        user_path, group_path = f"/Users/{person_id}", f"/Groups/{group}"
        if dice < 0.45:
            body = patch_op(*marking(marker))
            await self.ask("patch", person_id, marker, "PATCH", user_path, body)
        elif dice < 0.55:
            name = self.random.choice(list(IMPOSSIBLE))
            operations = marking(REFUSED + marker)
            operations.insert(self.random.randrange(4), IMPOSSIBLE[name])
            body = patch_op(*operations)
            await self.ask("refused", person_id, REFUSED + marker, "PATCH", user_path, body)
        elif dice < 0.7:
            await self.ask("add", group, mine, "PATCH", group_path, adding(mine))
        elif dice < 0.8:
            await self.ask("remove", group, mine, "PATCH", group_path, removing(mine))
        elif dice < 0.95:
            await self.ask("read", person_id, "", "GET", user_path)
        else:
            self.own.remove(mine)
            await self.ask("delete", mine, "", "DELETE", f"/Users/{mine}")

    async def run(self, shared: list[str], groups: list[str]) -> None:
        """Goes on until it is told to stop."""
        while not self.stop.is_set():
            await self.act(shared, groups)
            await asyncio.sleep(self.random.uniform(0, self._load.think))

    def close(self) -> None:
        for wire in self._wires:
            wire.close()


async def _prepare(client: Client, load: Load) -> tuple[list[str], list[str]]:
    shared = [await client.create(f"shared-{index}", "m0") for index in range(load.shared)]
    groups: list[str] = []
    for index in range(load.groups):
        body: JsonObject = {"schemas": [GROUP], "displayName": f"group {index}"}
        end, _ = await client.ask("create group", f"group {index}", "", "POST", "/Groups", body)
        groups.append(end.resource)
    return [each for each in shared if each is not None], groups


async def _main() -> None:
    load = msgspec.json.decode(sys.stdin.readline(), type=Load)
    stop = asyncio.Event()
    ledger = Ledger(Path(load.ledger))
    clients = [Client(load, number, ledger, stop) for number in range(load.clients)]
    shared, groups = await _prepare(clients[0], load)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    tasks = [asyncio.create_task(client.run(shared, groups)) for client in clients]
    ended = asyncio.gather(*tasks)
    told = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    await asyncio.wait((ended, told), return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    with contextlib.suppress(asyncio.CancelledError):
        await ended
    for client in clients:
        client.close()
    ledger.close()


if __name__ == "__main__":
    asyncio.run(_main())
