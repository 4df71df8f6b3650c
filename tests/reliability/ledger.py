"""What clients asked for and what they were told, in a file that only ever grows.

An operation is two lines: ``invoke`` before the request is sent, and after the answer ``ok`` (2xx,
read to its end), ``fail`` (certainly not carried out: 4xx, or nobody listened) or ``unknown`` (503,
cut, time-out: perhaps carried out). An operation without a second line is unknown too. Written by
the clients' process, so nothing that happens to the service can touch it.
"""

import os
from pathlib import Path
from time import monotonic
from typing import Literal, TypeAlias

import msgspec

from tests.reliability.wire import Answer, NotSent, Unanswered

Outcome: TypeAlias = Literal["ok", "fail", "unknown"]
Kind: TypeAlias = Literal[
    "create", "create group", "patch", "delete", "refused", "add", "remove", "read"
]


class Invoke(msgspec.Struct, tag="invoke", frozen=True):
    """What is about to be asked.

    ``target`` is the resource's id, or the userName of somebody who is to be created; ``value``
    the marker that is written, or the member that is added or removed.
    """

    number: int
    at: float
    client: int
    kind: Kind
    target: str
    value: str


class End(msgspec.Struct, tag="end", frozen=True):
    """What came of it. ``scim_type`` is empty unless it was refused with one."""

    number: int
    at: float
    outcome: Outcome
    status: int = 0
    resource: str = ""
    version: int = 0
    request: str = ""
    scim_type: str = ""
    marker: str = ""
    honest: bool = True


class Operation(msgspec.Struct, frozen=True):
    """Both lines in one."""

    invoke: Invoke
    end: End

    @property
    def kind(self) -> Kind:
        return self.invoke.kind

    @property
    def ok(self) -> bool:
        return self.end.outcome == "ok"

    @property
    def unknown(self) -> bool:
        return self.end.outcome == "unknown"

    @property
    def resource(self) -> str:
        """The id of the resource, also when only the invocation names it."""
        return self.end.resource or self.invoke.target


class Ledger:
    """Writes; one for each process of clients."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._number = 0

    def invoke(self, client: int, kind: Kind, target: str, value: str = "") -> int:
        """Notes what is going to be sent, and gives it a number."""
        self._number += 1
        self._write(Invoke(self._number, monotonic(), client, kind, target, value))
        return self._number

    def answered(self, number: int, answer: Answer) -> End:
        """Notes an answer."""
        outcome: Outcome = "fail" if 400 <= answer.status < 500 else "unknown"
        resource, scim_type, marker = "", "", ""
        if 200 <= answer.status < 300:
            outcome = "ok"
        if "json" in answer.headers.get("content-type", ""):
            found = answer.json
            resource, scim_type = str(found.get("id", "")), str(found.get("scimType", ""))
            marker = str(found.get("title", ""))
        end = End(
            number,
            monotonic(),
            outcome,
            answer.status,
            resource,
            answer.version or 0,
            answer.request,
            scim_type,
            marker,
            answer.status < 500 or answer.is_honest_refusal,
        )
        self._write(end)
        return end

    def unanswered(self, number: int, error: NotSent | Unanswered) -> End:
        """Notes that there was no answer."""
        outcome: Outcome = "fail" if isinstance(error, NotSent) else "unknown"
        end = End(number, monotonic(), outcome)
        self._write(end)
        return end

    def close(self) -> None:
        os.close(self._file)

    def _write(self, line: Invoke | End) -> None:
        os.write(self._file, msgspec.json.encode(line) + b"\n")


_decoder = msgspec.json.Decoder(Invoke | End)


def read_ledger(path: Path) -> list[Operation]:
    """All operations in the order in which they were begun."""
    invoked: dict[int, Invoke] = {}
    ended: dict[int, End] = {}
    for line in path.read_bytes().splitlines():
        found = _decoder.decode(line)
        if isinstance(found, Invoke):
            invoked[found.number] = found
        else:
            ended[found.number] = found
    return [
        Operation(invoke, ended.get(number, End(number, float("inf"), "unknown")))
        for number, invoke in invoked.items()
    ]
