"""Reading everything back and comparing it with what the server has acknowledged.

``survey`` looks once before anything is sent: what is there already, ours or somebody else's.
``verify`` looks at the end. Both read by pages, as an import does.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from meibo.scim.schema import JsonObject
from meibo.simulator import attributes as paths
from meibo.simulator.client import Client, detail
from meibo.simulator.company import Company
from meibo.simulator.crew import each
from meibo.simulator.dialect import Endpoint, Request, locate
from meibo.simulator.provisioning import Ledger, member_ids
from meibo.simulator.report import Difference, Tally, Verification

_PAGE = 100
# How many deleted resources are asked for by id: each has to be a 404.
_DELETED_SAMPLE = 20
_NAMES_IN_A_LINE = 5


@dataclass(frozen=True, slots=True)
class Survey:
    """What was on the server before the first request.

    ``users`` and ``groups`` are the numbers of the company's own; ``strangers`` the ids of all
    others, which are not ours to judge.
    """

    users: frozenset[int] = frozenset()
    groups: frozenset[int] = frozenset()
    strangers: frozenset[str] = frozenset()
    empty: bool = True


@dataclass(slots=True)
class _Findings:
    """Differences as they are found, and what is needed to tell "not kept" from "lost"."""

    differences: list[Difference] = field(default_factory=list[Difference])
    seen_paths: set[str] = field(default_factory=set[str])
    missing: dict[str, list[Difference]] = field(default_factory=dict[str, list[Difference]])

    def add(self, resource: str, name: str, path: str, sent: object, found: object) -> None:
        self.differences.append(Difference(resource, name, path, str(sent), str(found)))


async def survey(client: Client, history: tuple[Company, ...], tally: Tally) -> Survey:
    """What the server holds now, told apart by the external ids and names of the whole history."""
    users: dict[str, int] = {}
    groups: dict[str, int] = {}
    for company in history:
        for person in company.people.values():
            users[person.external_id] = users[person.user_name.casefold()] = person.number
        for group in company.groups.values():
            groups[group.external_id] = groups[group.name] = group.number
    own_users: set[int] = set()
    own_groups: set[int] = set()
    strangers: set[str] = set()
    listed_users = await _read_all(client, "/Users", tally)
    listed_groups = await _read_all(client, "/Groups", tally)
    for resource in listed_users:
        name = str(resource.get("userName", "")).casefold()
        number = users.get(str(resource.get("externalId")), users.get(name))
        own_users.add(number) if number is not None else strangers.add(str(resource.get("id")))
    for resource in listed_groups:
        name = str(resource.get("displayName"))
        number = groups.get(str(resource.get("externalId")), groups.get(name))
        own_groups.add(number) if number is not None else strangers.add(str(resource.get("id")))
    return Survey(
        frozenset(own_users),
        frozenset(own_groups),
        frozenset(strangers),
        empty=not (listed_users or listed_groups),
    )


async def verify(
    client: Client,
    ledger: Ledger,
    company: Company,
    strangers: frozenset[str],
    tally: Tally,
    *,
    at_once: int,
) -> Verification:
    """Compare all that the server holds with ``ledger``; nothing more and nothing less is right.

    An attribute outside ``attributes.KEPT`` may be kept for nobody; it is then only reported.
    """
    began = time.monotonic()
    findings = _Findings()
    users = await _read_all(client, "/Users", tally)
    user_names = {number: person.user_name for number, person in company.people.items()}
    others = _match(users, ledger.user_ids, strangers, "user", user_names, findings)
    for number, resource in others.matched.items():
        _compare_user(user_names.get(number, "?"), ledger.users[number], resource, findings)
    not_kept = _judge_missing(findings)

    group_names = {number: group.name for number, group in company.groups.items()}
    groups = await _read_all(client, "/Groups", tally)
    matched = _match(groups, ledger.group_ids, strangers, "group", group_names, findings)
    names_by_id = {id_: user_names.get(number, id_) for number, id_ in ledger.user_ids.items()}
    memberships = 0

    async def read_group(number: int) -> None:
        nonlocal memberships
        id_ = ledger.group_ids[number]
        answer = await client.send(Request("GET", locate("/Groups", id_)))
        name = group_names.get(number, id_)
        if answer.status != 200:
            findings.add("group", name, "GET by id", 200, f"{answer.status}, {detail(answer)}")
            return
        sent = ledger.groups[number]
        for path, value in sent.attributes.items():
            if answer.resource.get(path) != value:
                findings.add("group", name, path, value, answer.resource.get(path))
        listed = member_ids(answer.resource)
        memberships += len(listed)
        _compare_members(name, sent.members, listed, names_by_id, findings)

    await each(sorted(matched.matched), read_group, at_once)

    async def read_deleted(target: str) -> None:
        answer = await client.send(Request("GET", target))
        if answer.status != 404:
            findings.add("deleted", target, "GET by id", 404, answer.status)

    deleted = [locate("/Users", id_) for id_ in ledger.deleted_users[:_DELETED_SAMPLE]]
    deleted += [locate("/Groups", id_) for id_ in ledger.deleted_groups[:_DELETED_SAMPLE]]
    await each(deleted, read_deleted, at_once)
    return Verification(
        users=len(others.matched),
        groups=len(matched.matched),
        memberships=memberships,
        differences=tuple(findings.differences),
        not_kept=not_kept,
        strangers=others.strangers + matched.strangers,
        seconds=time.monotonic() - began,
    )


@dataclass(frozen=True, slots=True)
class _Matched:
    matched: dict[int, JsonObject]
    strangers: int


def _match(
    listed: list[JsonObject],
    ids: Mapping[int, str],
    strangers: frozenset[str],
    kind: str,
    names: Mapping[int, str],
    findings: _Findings,
) -> _Matched:
    """Tell our resources from others'; whatever is too many or too few is a difference."""
    numbers = {id_: number for number, id_ in ids.items()}
    matched: dict[int, JsonObject] = {}
    others = 0
    for resource in listed:
        id_ = str(resource.get("id"))
        name = str(resource.get("userName", resource.get("displayName")))
        number = numbers.get(id_)
        if number is None:
            if id_ in strangers:
                others += 1
            else:
                findings.add(kind, name, "id", "never sent", id_)
        elif number in matched:
            findings.add(kind, name, "id", "listed once", "listed twice")
        else:
            matched[number] = resource
    for number in ids.keys() - matched.keys():
        findings.add(kind, names.get(number, "?"), "id", ids[number], "missing from the list")
    return _Matched(matched, others)


def _compare_user(
    name: str, sent: paths.Attributes, resource: JsonObject, findings: _Findings
) -> None:
    found = paths.read(resource)
    findings.seen_paths.update(found)
    for path, value in paths.differences(found, sent).items():
        difference = Difference("user", name, path, repr(value), repr(found.get(path)))
        if path in found or path in paths.KEPT:
            findings.differences.append(difference)
        else:
            findings.missing.setdefault(path, []).append(difference)
    for path in found.keys() - sent.keys() - {paths.MANAGER}:
        # Only what the provider maps is its own; a default locale, say, is the server's affair.
        if path in paths.KEPT:
            findings.add("user", name, path, "nothing", repr(found[path]))


def _judge_missing(findings: _Findings) -> tuple[str, ...]:
    """Values of optional attributes that are missing: lost when others kept theirs."""
    not_kept: list[str] = []
    for path, missing in findings.missing.items():
        if path in findings.seen_paths:
            findings.differences.extend(missing)
        else:
            not_kept.append(path)
    return tuple(sorted(not_kept))


def _compare_members(
    name: str, sent: set[str], listed: list[str], names: Mapping[str, str], findings: _Findings
) -> None:
    found = set(listed)
    if len(found) != len(listed):
        findings.add("group", name, "members", "each once", "some more than once")
    if lost := sent - found:
        findings.add("group", name, "members", f"{len(sent):,}", f"without {_some(lost, names)}")
    if extra := found - sent:
        findings.add("group", name, "members", f"{len(sent):,}", f"also {_some(extra, names)}")


def _some(ids: set[str], names: Mapping[str, str]) -> str:
    shown = sorted(names.get(id_, id_) for id_ in ids)[:_NAMES_IN_A_LINE]
    more = f" and {len(ids) - len(shown):,} more" if len(ids) > len(shown) else ""
    return f"{', '.join(shown)}{more}"


async def _read_all(client: Client, endpoint: Endpoint, tally: Tally) -> list[JsonObject]:
    """Every resource of ``endpoint``, by pages (RFC 7644 §3.4.2.4); members are left out."""
    resources: list[JsonObject] = []
    without = "&excludedAttributes=members" if endpoint == "/Groups" else ""
    while True:
        target = f"{endpoint}?startIndex={len(resources) + 1}&count={_PAGE}{without}"
        answer = await client.send(Request("GET", target))
        if answer.status != 200:
            tally.refuse(answer, f"reading {endpoint} by pages")
            return resources
        page, total = answer.resource.get("Resources", []), answer.resource.get("totalResults")
        if not isinstance(page, list) or not isinstance(total, int) or isinstance(total, bool):
            tally.problem(f"a page of {endpoint} without Resources or a number of totalResults")
            return resources
        resources += [resource for resource in page if isinstance(resource, dict)]
        if len(resources) >= total:
            return resources
        if not page:
            tally.problem(
                f"{endpoint} says {total:,} resources, but lists no more than {len(resources):,}"
            )
            return resources
