"""The work of a provisioning service: match, create, correct, remove; users first, then groups."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from meibo.scim.schema import Json, JsonObject
from meibo.simulator import attributes as paths
from meibo.simulator.attributes import Attributes, Value
from meibo.simulator.client import Answer, Client, LostAnswer, Stopped, detail
from meibo.simulator.company import Group
from meibo.simulator.dialect import (
    Dialect,
    Endpoint,
    GroupChange,
    Member,
    Request,
    locate,
)
from meibo.simulator.people import Person
from meibo.simulator.report import Tally

_TRIES_OF_A_LOST_CREATE = 5


@dataclass(slots=True)
class SentGroup:
    """A group as the server has acknowledged it; ``members`` are ids."""

    attributes: dict[str, str]
    members: set[str] = field(default_factory=set[str])


@dataclass(slots=True)
class Ledger:
    """What the server has acknowledged, and under which ids. Keys are the company's numbers."""

    user_ids: dict[int, str] = field(default_factory=dict[int, str])
    group_ids: dict[int, str] = field(default_factory=dict[int, str])
    users: dict[int, dict[str, Value]] = field(default_factory=dict[int, dict[str, Value]])
    groups: dict[int, SentGroup] = field(default_factory=dict[int, SentGroup])
    deleted_users: list[str] = field(default_factory=list[str])
    deleted_groups: list[str] = field(default_factory=list[str])


class Provisioning:
    """Carries one company to the server, one person or group at a time.

    Nothing here raises for a refusal: it is counted, and the rest goes on, as it does in the real
    services. ``Stopped`` from the client passes through.

    Args:
        thorough: something was on the server before: look for a person by externalId and for a
            group by its former names too, before one is created.
        former_names: of each group, by number.
    """

    def __init__(
        self,
        client: Client,
        dialect: Dialect,
        ledger: Ledger,
        tally: Tally,
        *,
        thorough: bool,
        former_names: Mapping[int, Sequence[str]],
    ) -> None:
        self._client = client
        self._dialect = dialect
        self._ledger = ledger
        self._tally = tally
        self._thorough = thorough
        self._former_names = former_names

    def wanted(self, person: Person) -> dict[str, Value]:
        """What is sent of ``person``, with the manager's id as far as it is known."""
        ids = self._ledger.user_ids
        manager_id = None if person.manager is None else ids.get(person.manager)
        return self._dialect.attributes(person, manager_id)

    async def test_connection(self, guid: str) -> None:
        """What the administrator's "Test connection" sends.

        Raises:
            Stopped: a look-up of what cannot be there is not answered by an empty list. Entra ID
                takes no connection into use whose test fails.
        """
        for request in self._dialect.first_requests(guid):
            answer = await self._client.send(request)
            if "filter=" not in request.target:
                if answer.status != 200:
                    self._tally.refuse(answer, f"the connection test, {request.target}")
            elif answer.status != 200 or answer.resource.get("totalResults") != 0:
                total = answer.resource.get("totalResults")
                what = f"{total} results" if answer.ok else detail(answer)
                raise Stopped(
                    f"the connection test failed: {request.target} was answered with "
                    f"{answer.status}, {what}; an empty list is right"
                )

    async def push_user(self, person: Person) -> None:
        """Bring the server's user for ``person`` to what the company has now."""
        with suppress(_LookUpRefused):
            await self._push_user(person)

    async def delete_user(self, person: Person) -> None:
        """Delete the user for good; one that is not there any more counts as deleted."""
        with suppress(_LookUpRefused):
            await self._delete_user(person)

    async def push_group(self, group: Group, company: Mapping[int, Person]) -> None:
        """Bring the server's group to the name and members that the company has now."""
        with suppress(_LookUpRefused):
            await self._push_group(group, company)

    async def delete_group(self, group: Group) -> None:
        """Delete the group; one that is not there any more counts as deleted."""
        with suppress(_LookUpRefused):
            await self._delete_group(group)

    async def _push_user(self, person: Person) -> None:
        wanted = self.wanted(person)
        sent = self._ledger.users.get(person.number)
        found = await self._known_user(person, sent)
        if found is None:
            found = await self._match_user(person, thorough=self._thorough)
            if found is not None and person.number not in self._ledger.user_ids:
                self._tally.matched += 1
        if found is None:
            found = await self._create_user(person, wanted)
            if found is None:
                return
        id_ = _id(found)
        expected = self._ledger.user_ids.setdefault(person.number, id_)
        if id_ != expected:
            self._tally.problem(f"{person.user_name} has another id than before: {id_}")
            self._ledger.user_ids[person.number] = id_
        changed = paths.differences(paths.read(found), wanted)
        if person.number not in self._ledger.users:
            # What was there counts as acknowledged until the correction is.
            found_values = paths.read(found)
            self._ledger.users[person.number] = {
                path: found_values[path] for path in wanted if path in found_values
            }
        if changed:
            await self._change_user(person, id_, found, wanted, changed)
        else:
            self._ledger.users[person.number] = wanted

    async def _delete_user(self, person: Person) -> None:
        id_ = self._ledger.user_ids.get(person.number)
        if id_ is None:
            found = await self._match_user(person, thorough=True)
            if found is None:
                return
            id_ = _id(found)
        answer = await self._client.send(Request("DELETE", locate("/Users", id_)))
        if not answer.ok and answer.status != 404:
            self._tally.refuse(answer, f"the deletion of {person.user_name}")
            return
        self._tally.deleted += 1
        self._ledger.user_ids.pop(person.number, None)
        self._ledger.users.pop(person.number, None)
        self._ledger.deleted_users.append(id_)
        for group in self._ledger.groups.values():
            group.members.discard(id_)

    async def _push_group(self, group: Group, company: Mapping[int, Person]) -> None:
        members = {
            self._ledger.user_ids[number]: company[number].user_name
            for number in group.members
            if number in self._ledger.user_ids
        }
        wanted = self._dialect.group_attributes(group)
        id_ = self._ledger.group_ids.get(group.number)
        found = False
        if id_ is None:
            id_, found = await self._match_or_create_group(group)
            if id_ is None:
                return
        sent = self._ledger.groups[group.number]
        added = [Member(id_, members[id_]) for id_ in sorted(members.keys() - sent.members)]
        removed = [Member(id_, id_) for id_ in sorted(sent.members - members.keys())]
        changed = {
            name: value for name, value in wanted.items() if sent.attributes.get(name) != value
        }
        if not (added or removed or changed):
            return
        if not found and not await self._probe_group(group, id_):
            return
        everyone = [Member(id_, members[id_]) for id_ in sorted(members)]
        change = GroupChange(id_, group, changed, added, removed, everyone, found)
        for step in self._dialect.change_group(change):
            answer = await self._client.send(step.request)
            if not answer.ok:
                self._tally.refuse(answer, f"a change of the group {group.name}")
                if answer.status == 404:
                    self._forget_group(group)
                    return
                continue
            sent.members.difference_update(member.id for member in step.removed)
            sent.members.update(member.id for member in step.added)
            self._tally.members_added += len(step.added)
            self._tally.members_removed += len(step.removed)
            sent.attributes.update(step.attributes)
            self._tally.groups_renamed += "displayName" in step.attributes

    async def _delete_group(self, group: Group) -> None:
        id_ = self._ledger.group_ids.get(group.number)
        if id_ is None:
            found = await self._match_group(group)
            if found is None:
                return
            id_ = _id(found)
        answer = await self._client.send(Request("DELETE", locate("/Groups", id_)))
        if not answer.ok and answer.status != 404:
            self._tally.refuse(answer, f"the deletion of the group {group.name}")
            return
        self._tally.groups_deleted += 1
        self._forget_group(group)
        self._ledger.deleted_groups.append(id_)

    async def _known_user(self, person: Person, sent: Attributes | None) -> "JsonObject | None":
        """The user under the id that we keep; None when it has to be looked up."""
        id_ = self._ledger.user_ids.get(person.number)
        if id_ is None:
            return None
        returns = person.active and sent is not None and sent.get(paths.ACTIVE) is False
        if returns and self._dialect.looks_up_returners:
            return None
        answer = await self._client.send(Request("GET", locate("/Users", id_)))
        if answer.status == 200 and answer.resource.get("id") == id_:
            return answer.resource
        self._tally.problem(
            f"{person.user_name} was acknowledged as {id_}, but reading it gives {answer.status}"
        )
        self._ledger.user_ids.pop(person.number)
        self._ledger.users.pop(person.number, None)
        return None

    async def _match_user(self, person: Person, *, thorough: bool) -> "JsonObject | None":
        found = await self._find("/Users", paths.USER_NAME, person.user_name)
        if not found and thorough:
            found = await self._find("/Users", paths.EXTERNAL_ID, person.external_id)
        if len(found) > 1:
            self._tally.problem(f"{len(found)} users match {person.user_name}")
        return found[0] if found else None

    async def _create_user(self, person: Person, wanted: Attributes) -> "JsonObject | None":
        answer = await self._client.send(self._dialect.create_user(person, wanted))
        if answer.status == 409:
            # An earlier POST of ours whose answer was lost, or a name that was never free.
            found = await self._match_user(person, thorough=True)
            if found is not None:
                self._tally.conflicts_solved += 1
                self._tally.created += 1
                return found
        if answer.status == 201 and isinstance(answer.resource.get("id"), str):
            self._tally.created += 1
            self._ledger.user_ids[person.number] = _id(answer.resource)
            self._ledger.users[person.number] = dict(wanted)
            # What the answer leaves out is not corrected: a service may keep less than it is sent.
            return {**paths.write({}, wanted), "id": answer.resource["id"]}
        if answer.ok:
            self._tally.problem(f"a POST was answered with {answer.status} and no id")
        else:
            self._tally.refuse(answer, f"the creation of {person.user_name}")
        return None

    async def _change_user(
        self,
        person: Person,
        id_: str,
        found: JsonObject,
        wanted: dict[str, Value],
        changed: dict[str, Value],
    ) -> None:
        answer = await self._client.send(self._dialect.change_user(person, id_, found, changed))
        if not answer.ok:
            what = ", ".join(path.rpartition(":")[2] for path in changed)
            self._tally.refuse(answer, f"a change of {person.user_name}: {what}")
            return
        self._ledger.users[person.number] = wanted
        if paths.USER_NAME in changed:
            self._tally.renamed += 1
        elif paths.ACTIVE in changed:
            if person.active:
                self._tally.reactivated += 1
            else:
                self._tally.deactivated += 1
        else:
            self._tally.updated += 1

    async def _match_or_create_group(self, group: Group) -> tuple[str | None, bool]:
        """The group's id, None when it was refused; and whether it was there before."""
        found = await self._match_group(group)
        if found is not None:
            return await self._link_group(group, _id(found)), True
        for _ in range(_TRIES_OF_A_LOST_CREATE):
            try:
                answer = await self._client.send(
                    self._dialect.create_group(group), repeatable=False
                )
            except LostAnswer:
                # Names of groups are not unique: a POST that is simply repeated may make a twin.
                found = await self._match_group(group)
                if found is None:
                    continue
                self._tally.conflicts_solved += 1
                answer = Answer(201, found)
            if answer.status == 201 and isinstance(answer.resource.get("id"), str):
                self._tally.groups_created += 1
                id_ = _id(answer.resource)
                self._ledger.group_ids[group.number] = id_
                self._ledger.groups[group.number] = SentGroup(self._dialect.group_attributes(group))
                return id_, False
            self._tally.refuse(answer, f"the creation of the group {group.name}")
            return None, False
        self._tally.problem(f"no answer to the creation of the group {group.name}")
        return None, False

    async def _match_group(self, group: Group) -> "JsonObject | None":
        names = [group.name, *(self._former_names.get(group.number, ()) if self._thorough else ())]
        for name in names:
            found = await self._find("/Groups", "displayName", name)
            if found:
                return found[0]
        if self._thorough and "externalId" in self._dialect.group_attributes(group):
            found = await self._find("/Groups", "externalId", group.external_id)
            return found[0] if found else None
        return None

    async def _link_group(self, group: Group, id_: str) -> str | None:
        # Entra ID never reads members back, so it cannot repair a group that it finds half done.
        # A simulation that resumes has to: it reads the members once and corrects them.
        answer = await self._client.send(Request("GET", locate("/Groups", id_)))
        if answer.status != 200:
            self._tally.refuse(answer, f"reading the group {group.name}")
            return None
        self._tally.groups_matched += 1
        self._ledger.group_ids[group.number] = id_
        self._ledger.groups[group.number] = SentGroup(
            _strings(answer.resource, self._dialect.group_attributes(group)),
            set(member_ids(answer.resource)),
        )
        return id_

    async def _probe_group(self, group: Group, id_: str) -> bool:
        """Read the group as the provider does before a change; False when it is gone."""
        request = self._dialect.probe_group(id_)
        if request is None:
            return True
        answer = await self._client.send(request)
        if answer.status == 404:
            self._tally.problem(f"the group {group.name} was acknowledged as {id_} and is gone")
            self._forget_group(group)
            return False
        if answer.status != 200:
            self._tally.refuse(answer, f"reading the group {group.name}")
        elif "members" in answer.resource:
            self._tally.problem(
                "members came back although excludedAttributes=members was asked: Entra ID would "
                "now replace whole groups by the changed member"
            )
        return True

    async def _find(self, endpoint: Endpoint, attribute: str, value: str) -> list[JsonObject]:
        answer = await self._client.send(self._dialect.find(endpoint, attribute, value))
        listed = answer.resource.get("Resources", [])
        if answer.status != 200 or not isinstance(listed, list):
            # Neither is "none": whoever creates now makes a duplicate.
            self._tally.refuse(answer, f"the look-up {attribute} eq {value}")
            raise _LookUpRefused
        found: list[JsonObject] = []
        for resource in listed:
            if not isinstance(resource, dict) or not isinstance(resource.get("id"), str):
                self._tally.problem(f"a look-up of {endpoint} lists something without an id")
            elif not _equal(attribute, resource.get(attribute), value):
                self._tally.problem(
                    f"{attribute} eq {value} finds one with {resource.get(attribute)}"
                )
            else:
                found.append(resource)
        return found

    def _forget_group(self, group: Group) -> None:
        self._ledger.group_ids.pop(group.number, None)
        self._ledger.groups.pop(group.number, None)


class _LookUpRefused(Exception):
    """Already counted; the person or group is left for the next cycle."""


def member_ids(group: JsonObject) -> list[str]:
    """The ids of the members that a group resource lists."""
    members = group.get("members", [])
    if not isinstance(members, list):
        return []
    values = (member.get("value") for member in members if isinstance(member, dict))
    return [value for value in values if isinstance(value, str)]


def _equal(attribute: str, found: Json, wanted: str) -> bool:
    """Whether a look-up may answer this: only externalId is compared with its letter case."""
    if not isinstance(found, str):
        return False
    return found == wanted or (
        attribute != paths.EXTERNAL_ID and found.casefold() == wanted.casefold()
    )


def _id(resource: JsonObject) -> str:
    return str(resource["id"])


def _strings(resource: JsonObject, names: Iterable[str]) -> dict[str, str]:
    values = ((name, resource.get(name)) for name in names)
    return {name: value for name, value in values if isinstance(value, str)}
