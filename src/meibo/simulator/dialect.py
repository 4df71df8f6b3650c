"""What two providers say differently: requests as data, no I/O. ``provisioning`` sends them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar, Literal, Protocol, TypeAlias, TypeVar
from urllib.parse import quote

from meibo.scim import urns
from meibo.scim.schema import Json, JsonObject
from meibo.simulator.attributes import Attributes, Value
from meibo.simulator.company import Group
from meibo.simulator.people import Person

Endpoint: TypeAlias = Literal["/Users", "/Groups"]

# Members in one PATCH. AWS IAM Identity Center takes no more than 100, so clients stay at that.
MEMBERS_AT_ONCE = 100

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``target`` is relative to the base URL and holds the query as it is sent."""

    method: str
    target: str
    body: "JsonObject | None" = None


@dataclass(frozen=True, slots=True)
class Member:
    """A user as a group refers to one: the service's id, and the user name for display."""

    id: str
    user_name: str


@dataclass(frozen=True, slots=True)
class GroupChange:
    """What is to happen to one group that the service has.

    ``attributes`` are those that differ; ``everyone`` is the whole list as it is to be. A group
    was ``found`` when it was there before the provider ever sent it.
    """

    id: str
    group: Group
    attributes: Mapping[str, str]
    added: Sequence[Member]
    removed: Sequence[Member]
    everyone: Sequence[Member]
    found: bool


@dataclass(frozen=True, slots=True)
class GroupStep:
    """One request of a group change, and what is true of the group once it has succeeded."""

    request: Request
    added: Sequence[Member] = ()
    removed: Sequence[Member] = ()
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])


class Dialect(Protocol):
    """How one provider writes its requests."""

    # Sent with every request, ``Authorization`` apart.
    headers: ClassVar[Mapping[str, str]]
    # Whether an account that is gone for good is deleted here, too.
    deletes_users: ClassVar[bool]
    # Whether somebody who comes back is looked up by name, instead of by the kept id.
    looks_up_returners: ClassVar[bool]

    def first_requests(self, guid: str) -> list[Request]:
        """What the provider asks when its administrator presses "test": each must answer 200."""
        ...

    def attributes(self, person: Person, manager_id: str | None) -> dict[str, Value]:
        """Everything that is sent of ``person``, in the order of the mapping."""
        ...

    def group_attributes(self, group: Group) -> dict[str, str]:
        """What is sent of a group besides its members."""
        ...

    def find(self, endpoint: Endpoint, attribute: str, value: str) -> Request:
        """The matching query."""
        ...

    def create_user(self, person: Person, wanted: Attributes) -> Request:
        """POST of a user."""
        ...

    def change_user(
        self, person: Person, id_: str, found: JsonObject, changed: Attributes
    ) -> Request:
        """The request that turns ``found``, as the service answered it, into what is wanted."""
        ...

    def create_group(self, group: Group) -> Request:
        """POST of a group, without members."""
        ...

    def probe_group(self, id_: str) -> Request | None:
        """What is read before a membership changes; its answer may hold no ``members``."""
        ...

    def change_group(self, change: GroupChange) -> list[GroupStep]:
        """The requests of a group change, in order."""
        ...

    def bad_requests(self, person: Person, id_: str) -> list[Request]:
        """Requests that have to be refused whole, with a 4xx: values that cannot be right."""
        ...


def locate(endpoint: Endpoint, id_: str) -> str:
    """The target of one resource. An id is the server's own, and may hold anything."""
    return f"{endpoint}/{quote(id_, safe='')}"


def patch(target: str, operations: Sequence[JsonObject]) -> Request:
    """A PatchOp message (RFC 7644 §3.5.2)."""
    return Request(
        "PATCH", target, {"schemas": [urns.PATCH_OP], "Operations": list[Json](operations)}
    )


def batches(items: Sequence[_T], size: int = MEMBERS_AT_ONCE) -> list[list[_T]]:
    """``items`` in lists of at most ``size``."""
    rest = iter(items)
    return [batch for _ in range(0, len(items), size) if (batch := list(islice(rest, size)))]
