"""What the service does, as dictionaries: the oracle that it is compared with (R24).

Written from the RFCs and the requirements, not from the code: one client, no database, no text.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

NAMES = {
    "ann": "ann",
    "Ann": "ann",
    "ａｎｎ": "ann",
    "bob": "bob",
    "straße": "strasse",
    "STRASSE": "strasse",
    "carol": "carol",
}
"""User names, and which of them are one name."""

Resource: TypeAlias = dict[str, Any]
Change: TypeAlias = Callable[[Resource], None]
"""Changes a resource in place; raises Refusal."""


class Refusal(Exception):
    """A request is refused with this status and scimType."""

    def __init__(self, status: int, scim_type: str | None = None) -> None:
        super().__init__(status, scim_type)
        self.answer = (status, scim_type)


@dataclass
class Held:
    """A person or a group: its attributes without id, meta and members, and its version."""

    attributes: Resource
    version: int = 1
    members: set[str] = field(default_factory=set)
    removed: int = 0
    """When it was removed: the higher the later, 0 for not at all."""


@dataclass
class Model:
    """One connection's directory; ``revives`` says whether a POST brings a removed person back."""

    revives: bool
    users: dict[str, Held] = field(default_factory=dict)
    groups: dict[str, Held] = field(default_factory=dict)
    removals: int = 0

    def live(self, kind: Literal["users", "groups"]) -> dict[str, Held]:
        """Those that are there, in the order of lists."""
        every: dict[str, Held] = getattr(self, kind)
        return {key: every[key] for key in sorted(every) if not every[key].removed}

    def user(self, key: str) -> Held:
        """A person who is there.

        Raises:
            Refusal: 404.
        """
        if key not in self.live("users"):
            raise Refusal(404)
        return self.users[key]

    def group(self, key: str) -> Held:
        """A group that is there.

        Raises:
            Refusal: 404.
        """
        if key not in self.live("groups"):
            raise Refusal(404)
        return self.groups[key]

    def returning(self, attributes: Resource) -> str | None:
        """The removed person whom a POST means."""
        if not self.revives:
            return None
        wanted = attributes.get("externalId")
        removed = sorted(
            (key for key, held in self.users.items() if held.removed),
            key=lambda key: -self.users[key].removed,
        )
        for key in removed:
            if wanted is not None and self.users[key].attributes.get("externalId") == wanted:
                return key
        for key in removed:
            theirs = self.users[key].attributes
            same = NAMES[theirs["userName"]] == NAMES[attributes["userName"]]
            if same and (wanted is None or theirs.get("externalId") is None):
                return key
        return None

    def check_unique(self, attributes: Resource, own: str | None) -> None:
        """Raises a Refusal when somebody else has the name or the external id."""
        for key, held in self.live("users").items():
            theirs = held.attributes
            external = attributes.get("externalId")
            same = NAMES[theirs["userName"]] == NAMES[attributes["userName"]]
            if key != own and (same or (external and external == theirs.get("externalId"))):
                raise Refusal(409, "uniqueness")

    def check_unique_group(self, attributes: Resource, own: str | None) -> None:
        """The same for groups, whose names need not be unique."""
        external = attributes.get("externalId")
        for key, held in self.live("groups").items():
            if key != own and external and external == held.attributes.get("externalId"):
                raise Refusal(409, "uniqueness")

    def change(self, held: Held, change: Change, check: Callable[[Resource], None]) -> bool:
        """Carries out a change of attributes whole or not at all; whether it was one."""
        after = copy.deepcopy(held.attributes)
        change(after)
        check(after)
        changed = after != held.attributes
        held.attributes = after
        held.version += changed
        return changed

    def set_members(self, group: str, members: set[str]) -> None:
        """Makes these the members; who is not there cannot be one."""
        held = self.groups[group]
        if members != held.members:
            held.members = members
            held.version += 1

    def exists(self, key: str) -> bool:
        """Whether a person or a group of that id is there."""
        return key in self.live("users") or key in self.live("groups")

    def remove(self, held: Held, key: str) -> None:
        """Takes somebody, or a group, away and out of every group."""
        self.removals += 1
        held.removed = self.removals
        held.version += 1
        for group in self.live("groups").values():
            if key in group.members:
                group.members.discard(key)
                group.version += 1

    def groups_of(self, key: str) -> set[str]:
        """The ids of the groups that somebody is directly in."""
        return {group for group, held in self.live("groups").items() if key in held.members}
