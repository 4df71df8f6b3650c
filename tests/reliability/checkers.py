"""Was every promise kept? Pure functions of what clients were told and of what is there at the end.

Each gives back what is wrong, in sentences; an empty list is a pass. An operation whose outcome is
unknown may have taken effect at any time after it was begun, or never.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from meibo.scim.comparison import fold
from meibo.scim.schema import JsonObject
from meibo.scim.urns import ENTERPRISE_USER
from meibo.storage.changes import Change
from tests.reliability.clients import MARKED, REFUSED
from tests.reliability.ledger import Operation

WRITES = frozenset({"create", "create group", "patch", "delete", "add", "remove"})


@dataclass(frozen=True, slots=True)
class State:
    """What is there at the end: people and groups by id, as they are answered, and the history."""

    users: dict[str, JsonObject]
    groups: dict[str, JsonObject]
    changes: Sequence[Change]

    def members(self, group: str) -> set[str]:
        """The ids of a group's members."""
        listed = self.groups[group].get("members", [])
        assert isinstance(listed, list)
        return {str(each["value"]) for each in listed if isinstance(each, dict)}


def version_of(resource: JsonObject) -> int:
    """The number in ``meta.version``."""
    meta = resource["meta"]
    assert isinstance(meta, dict)
    return int(str(meta["version"]).strip('W/"'))


def every_problem(operations: Sequence[Operation], state: State) -> list[str]:
    """All that the checkers below find."""
    return [
        *dishonest(operations),
        *lost_or_phantom(operations, state),
        *duplicates(state),
        *registers(operations, state),
        *memberships(operations, state),
        *half_applied(state),
        *history(operations, state),
        *replayed(state),
    ]


def dishonest(operations: Iterable[Operation]) -> list[str]:
    """5xx that are not 503 with Retry-After and a SCIM error, and refusals that were none."""
    found = [
        f"operation {each.invoke.number} ({each.kind}) was answered {each.end.status}"
        for each in operations
        if not each.end.honest
    ]
    found += [
        f"operation {each.invoke.number} was to be refused and was answered {each.end.status}"
        for each in operations
        if each.kind == "refused" and each.ok
    ]
    return found


def lost_or_phantom(operations: Iterable[Operation], state: State) -> list[str]:
    """People who were acknowledged and are not there, or are there and were not asked for.

    A userName is asked for by one client only, perhaps several times, so a 409 acknowledges one of
    its earlier attempts.
    """
    created: dict[str, list[Operation]] = defaultdict(list)
    deleted: dict[str, list[Operation]] = defaultdict(list)
    read: dict[str, list[Operation]] = defaultdict(list)
    for each in operations:
        if each.kind == "create":
            created[each.invoke.target].append(each)
        elif each.kind == "delete":
            deleted[each.invoke.target].append(each)
        elif each.kind == "read":
            read[each.invoke.target].append(each)
    by_name = {str(user["userName"]): key for key, user in state.users.items()}
    problems: list[str] = []
    for name, attempts in created.items():
        found = by_name.pop(name, None)
        acknowledged = [each.end.resource for each in attempts if each.ok]
        if len(acknowledged) > 1:
            problems.append(f"{name} was created {len(acknowledged)} times")
        for resource in acknowledged:
            gone = any(each.ok or each.unknown for each in deleted[resource])
            if found is None and not gone:
                problems.append(f"{name} ({resource}) was acknowledged and is lost")
            if found is not None and found != resource:
                problems.append(f"{name} was acknowledged as {resource} and is {found}")
        refused = any(each.end.status == 409 for each in attempts)
        if refused and not acknowledged and found is None:
            problems.append(f"{name} was refused as taken and is not there")
        if all(each.end.outcome == "fail" for each in attempts) and found is not None:
            problems.append(f"{name} was refused each time and is there")
    problems += [f"{name} is there and nobody asked for it" for name in by_name]
    for resource, attempts in deleted.items():
        since = min((each.end.at for each in attempts if each.ok), default=float("inf"))
        if resource in state.users and since < float("inf"):
            problems.append(f"{resource} was deleted and is there")
        problems += [
            f"{resource} was deleted and operation {each.invoke.number} read it later"
            for each in read[resource]
            if each.ok and each.invoke.at > since
        ]
    return problems


def duplicates(state: State) -> list[str]:
    """Names and external ids that two people have, compared as SCIM compares them."""
    names = Counter(fold(str(user["userName"])) for user in state.users.values())
    externals = Counter(str(user["externalId"]) for user in state.users.values())
    return [
        f"{count} people have {value}" for value, count in (names + externals).items() if count > 1
    ]


def registers(operations: Iterable[Operation], state: State) -> list[str]:
    """Versions of each person: one write each, in real time's order, never back, never lost.

    A version that was acknowledged with a marker has that marker in every later answer, and at the
    end the version is the last acknowledged one or one that an unknown operation made.
    """
    of_resource: dict[str, list[Operation]] = defaultdict(list)
    unknown: dict[str, list[str]] = defaultdict(list)
    for each in operations:
        if each.kind in ("create", "patch", "read") and each.ok:
            of_resource[each.end.resource].append(each)
        elif each.kind == "patch" and each.unknown:
            unknown[each.invoke.target].append(each.invoke.value)
    problems: list[str] = []
    for resource, seen in of_resource.items():
        problems += _real_time(resource, seen)
        marker_at: dict[int, str] = {}
        writers: Counter[int] = Counter()
        for each in seen:
            marker = each.end.marker if each.kind == "read" else each.invoke.value
            version = each.end.version
            if marker_at.setdefault(version, marker) != marker:
                problems.append(f"{resource} version {version} was seen with two values")
            writers[version] += each.kind != "read"
        problems += [
            f"{resource} version {version} was acknowledged to {count} writers"
            for version, count in writers.items()
            if count > 1
        ]
        user = state.users.get(resource)
        if user is None:
            continue
        at_end, latest = version_of(user), max(marker_at)
        if not latest <= at_end <= latest + len(unknown[resource]):
            problems.append(f"{resource} was seen at version {latest} and ended at {at_end}")
        possible = [marker_at[at_end]] if at_end in marker_at else unknown[resource]
        if user["title"] not in possible:
            problems.append(f"{resource} has {user['title']}, which version {at_end} had not")
    return problems


def _real_time(resource: str, seen: list[Operation]) -> list[str]:
    """What began after something had ended may not see an older version."""
    problems: list[str] = []
    ended = sorted(seen, key=lambda each: each.end.at)
    newest, done = 0, 0
    for each in sorted(seen, key=lambda each: each.invoke.at):
        while done < len(ended) and ended[done].end.at < each.invoke.at:
            newest = max(newest, ended[done].end.version)
            done += 1
        if each.end.version < newest + (each.kind == "patch"):
            problems.append(
                f"operation {each.invoke.number} ({each.kind}) saw version {each.end.version} of"
                f" {resource} after version {newest} had been seen"
            )
    return problems


def memberships(operations: Iterable[Operation], state: State) -> list[str]:
    """The model of a set: each member is added and removed by one client, one request at a time."""
    told: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    deleted: dict[str, list[Operation]] = defaultdict(list)
    for each in operations:
        if each.kind in ("add", "remove"):
            told[each.invoke.target, each.invoke.value].append(each)
        elif each.kind == "delete":
            deleted[each.invoke.target].append(each)
    problems: list[str] = []
    for (group, member), each in told.items():
        gone = [end for end in deleted[member] if end.ok or end.unknown]
        certain = [one for one in each if one.ok]
        certain += [end for end in gone if end.ok]
        last = max(certain, key=lambda one: one.invoke.number, default=None)
        expected = {last is not None and last.kind == "add"}
        expected |= {one.kind == "add" for one in each if one.unknown}
        expected |= {False for end in gone if end.unknown}
        if (member in state.members(group)) not in expected:
            what = "is missing from" if True in expected else "is a member of"
            problems.append(f"{member} {what} {group}")
    for group in state.groups:
        stray = {each for each in state.members(group) if (group, each) not in told}
        problems += [f"{each} is a member of {group}, unasked" for each in stray]
    return problems


def half_applied(state: State) -> list[str]:
    """Values of one write that are not all there, or of one that was refused."""
    problems: list[str] = []
    for key, user in state.users.items():
        marks = {str(user.get(name)) for name in MARKED}
        if len(marks) > 1:
            problems.append(f"{key} has {', '.join(sorted(marks))}: half of two writes")
        if any(mark.startswith(REFUSED) for mark in marks):
            problems.append(f"{key} has a value of a request that was refused")
    problems += [
        f"a change of {change.resource_id} holds a value of a request that was refused"
        for change in state.changes
        if f'"{REFUSED}' in change.attributes
    ]
    return problems


def history(operations: Iterable[Operation], state: State) -> list[str]:
    """Every acknowledged write has exactly one change, and no change lacks its request.

    An operation that leaves everything as it was keeps the version and has none; deleting somebody
    is also a change of each group that he was in.
    """
    of_request: dict[tuple[str, str], list[Change]] = defaultdict(list)
    for change in state.changes:
        of_request[change.request, change.resource_id].append(change)
    versions = {(change.resource_id, change.version): change.request for change in state.changes}
    problems: list[str] = []
    acknowledged: set[str] = set()
    open_ended = False
    for each in operations:
        open_ended |= each.kind in WRITES and each.unknown
        if each.kind not in WRITES or not each.ok:
            continue
        acknowledged.add(each.end.request)
        found = of_request[each.end.request, each.resource]
        if len(found) > 1:
            problems.append(f"operation {each.invoke.number} has {len(found)} changes")
        elif found and each.kind != "delete" and found[0].version != each.end.version:
            problems.append(f"operation {each.invoke.number} has a change of another version")
        elif not found and each.kind in ("add", "remove"):
            # Perhaps an earlier attempt of unknown outcome had done it already.
            if (each.resource, each.end.version) not in versions:
                problems.append(f"operation {each.invoke.number} made a version without a change")
        elif not found:
            problems.append(f"operation {each.invoke.number} ({each.kind}) has no change")
    if not open_ended:
        strays = {change.request for change in state.changes} - acknowledged
        problems += [f"the change of request {request} was not acknowledged" for request in strays]
    return problems


def replayed(state: State) -> list[str]:
    """The history told from its beginning gives exactly what is there now, version by version."""
    people: dict[str, JsonObject] = {}
    members: dict[str, set[str]] = defaultdict(set)
    versions: dict[str, int] = {}
    problems: list[str] = []
    for change in state.changes:
        key, attributes = change.resource_id, msgspec.json.decode(change.attributes)
        if change.version != versions.get(key, 0) + 1:
            problems.append(f"{key} goes from version {versions.get(key, 0)} to {change.version}")
        versions[key] = change.version
        if change.action == "removed":
            people.pop(key, None)
            continue
        moved = attributes.pop("members", None)
        if moved is not None:
            members[key] = (members[key] | set(moved["added"])) - set(moved["removed"])
        document = people.setdefault(key, {}) if change.resource_type == "User" else {}
        for name, entry in attributes.items():
            document.pop(name, None)
            if "after" in entry:
                document[name] = entry["after"]
    for key in people.keys() ^ state.users.keys():
        problems.append(f"{key} is only in {'the history' if key in people else 'the directory'}")
    for key in people.keys() & state.users.keys():
        user = _as_recorded(state.users[key])
        if user != people[key]:
            problems.append(f"{key} is {user}, but its history says {people[key]}")
        if version_of(state.users[key]) != versions[key]:
            problems.append(f"{key} has another version than its last change")
    for key, group in state.groups.items():
        if state.members(key) != members[key]:
            problems.append(f"group {key} has other members than its history says")
        if version_of(group) != versions.get(key):
            problems.append(f"group {key} has another version than its last change")
    return problems


def _as_recorded(user: JsonObject) -> JsonObject:
    """A user as the history tells of one: without what others decide, extensions taken apart."""
    found: JsonObject = {}
    for name, value in user.items():
        if name.startswith("urn:") and isinstance(value, dict):
            found.update((f"{name}:{sub}", each) for sub, each in value.items())
        elif name not in ("id", "meta", "schemas", "groups"):
            found[name] = value
    manager = found.get(f"{ENTERPRISE_USER}:manager")
    if isinstance(manager, dict):
        found[f"{ENTERPRISE_USER}:manager"] = {"value": manager["value"]}
    return found


def longest_silence(operations: Iterable[Operation]) -> float:
    """The longest time without an acknowledgement, in seconds."""
    times = sorted(each.end.at for each in operations if each.ok)
    return max((later - sooner for sooner, later in pairwise(times)), default=0.0)
