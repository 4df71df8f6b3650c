"""Groups and who is in them. Nobody else changes a group or a membership.

Members are rows and never part of the group's document, so a change of n members costs n, whatever
the group's size. Deleting a group never touches its people.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from meibo import clock
from meibo.directory import changes
from meibo.directory.actor import Actor, Rules
from meibo.directory.changes import Action
from meibo.directory.preconditions import check_version
from meibo.ids import new_id
from meibo.scim import errors, patch
from meibo.scim.comparison import fold
from meibo.scim.patch import Operation
from meibo.scim.representation import encode_text, loaded, stored
from meibo.scim.resource import comparable_resource
from meibo.scim.schema import Json, JsonObject, ResourceType
from meibo.storage import groups as storage
from meibo.storage import memberships, resources, totals
from meibo.storage.database import Statement, Transaction
from meibo.storage.errors import UniqueViolation
from meibo.storage.groups import GroupColumns, GroupRow
from meibo.storage.memberships import MemberType


@dataclass(frozen=True, slots=True)
class Written:
    """A group after an operation.

    ``action`` is None when nothing had to change; ``skipped`` are the members that were left out
    because they do not exist.
    """

    row: GroupRow
    action: Action | None
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _MemberChange:
    """Ids that become members, by type, and ids that stop being one."""

    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    skipped: tuple[str, ...] = ()

    @property
    def added(self) -> frozenset[str]:
        return self.users | self.groups

    def statements(self, tx: Transaction, by: Actor, group_id: str, now: int) -> list[Statement]:
        tenant, connection, dialect = by.tenant, by.connection, tx.dialect
        found: list[Statement] = []
        adding: dict[MemberType, frozenset[str]] = {"User": self.users, "Group": self.groups}
        for member_type, ids in adding.items():
            if ids:
                found.append(
                    memberships.add(tenant, connection, group_id, member_type, ids, now, dialect)
                )
        if self.removed:
            found.append(memberships.remove(tenant, group_id, self.removed, dialect))
        return found


async def create(
    tx: Transaction, resource: JsonObject, group_type: ResourceType, *, by: Actor, rules: Rules
) -> Written:
    """Adds a group with its members. A name may be in use by another group.

    Raises:
        Uniqueness: the externalId is in use.
        InvalidValue: a member does not exist, under strict rules.
    """
    resource, wanted = _apart(resource)
    now, group_id = clock.now(), new_id()
    members = await _members_to_add(tx, group_id, wanted, by, rules)
    group = _columns(resource, group_type, by, group_id, created=now, modified=now, version=1)
    await _write(
        tx,
        group,
        by,
        storage.insert(group),
        *members.statements(tx, by, group_id, now),
        totals.add(by.tenant, by.connection, "Group", group_id, 1),
        _record(
            tx,
            by,
            group,
            "created",
            changes.difference({}, resource) | changes.members_entry(members.added, ()),
        ),
    )
    return Written(_row(group), "created", members.skipped)


async def replace(
    tx: Transaction,
    group_id: str,
    resource: JsonObject,
    group_type: ResourceType,
    *,
    by: Actor,
    rules: Rules,
    if_match: str | None,
) -> Written:
    """Puts ``resource`` in the place of what there is; members that are left out are cleared.

    Raises:
        NotFound, VersionMismatch, Uniqueness, InvalidValue.
    """
    row, before = await _load(tx, group_id, by, if_match)
    resource, wanted = _apart(resource)
    members = await _members_to_replace(tx, group_id, wanted, by, rules)
    return await _save(tx, row, before, resource, members, group_type, by=by)


async def patch_group(
    tx: Transaction,
    group_id: str,
    operations: Sequence[Operation],
    group_type: ResourceType,
    *,
    by: Actor,
    rules: Rules,
    if_match: str | None,
) -> Written:
    """Applies all operations, or none; members are not read unless an operation is about them all.

    Raises:
        NotFound, VersionMismatch, Uniqueness, Mutability, InvalidValue, NoTarget.
    """
    row, before = await _load(tx, group_id, by, if_match)
    about_members = [each for each in operations if _is_about_members(each)]
    others = [each for each in operations if not _is_about_members(each)]
    after = patch.apply(before, others, group_type) if others else before
    members = await _members_to_patch(tx, group_id, about_members, group_type, by, rules)
    return await _save(tx, row, before, after, members, group_type, by=by)


async def remove(tx: Transaction, group_id: str, *, by: Actor, if_match: str | None) -> None:
    """Hides the group from SCIM. Its people stay as they are. To be run ``locking``, as for users.

    Raises:
        NotFound, VersionMismatch.
    """
    row, before = await _load(tx, group_id, by, if_match)
    now = max(clock.now(), row.last_modified)
    await tx.write(
        resources.remove(by.tenant, "groups", group_id, row.version, now),
        totals.add(by.tenant, by.connection, "Group", group_id, -1),
        *await leave_all(tx, group_id, by=by, now=now),
        changes.record(
            by,
            tx.dialect,
            at=now,
            resource_type="Group",
            resource_id=group_id,
            action="removed",
            version=row.version + 1,
            attributes=changes.difference(before, {}),
        ),
    )


async def leave_all(tx: Transaction, member_id: str, *, by: Actor, now: int) -> list[Statement]:
    """The statements that end every membership of somebody who is being removed.

    Each group left gets a new version and a change of its own, for its history and its ETag.
    """
    statements: list[Statement] = []
    for row in await storage.holding(tx, by.tenant, member_id):
        modified, version = max(now, row.last_modified), row.version + 1
        body = _body(loaded(row.body), row.id, row.created, modified, version)
        statements.append(
            storage.touch(by.tenant, row.id, version=version, last_modified=modified, body=body)
        )
        statements.append(
            changes.record(
                by,
                tx.dialect,
                at=modified,
                resource_type="Group",
                resource_id=row.id,
                action="members changed",
                version=version,
                attributes=changes.members_entry((), (member_id,)),
            )
        )
    statements.append(memberships.end(by.tenant, member_id))
    return statements


async def _load(
    tx: Transaction, group_id: str, by: Actor, if_match: str | None
) -> tuple[GroupRow, JsonObject]:
    row = await storage.load(tx, by.tenant, by.connection, group_id)
    if row is None:
        raise errors.NotFound(f"there is no group with the id {group_id}")
    check_version(if_match, row.version)
    return row, loaded(row.body)


async def _save(
    tx: Transaction,
    row: GroupRow,
    before: JsonObject,
    after: JsonObject,
    members: _MemberChange,
    group_type: ResourceType,
    *,
    by: Actor,
) -> Written:
    if after == before and not members.added and not members.removed:
        return Written(row, None, members.skipped)
    now = max(clock.now(), row.last_modified)
    group = _columns(
        after, group_type, by, row.id, created=row.created, modified=now, version=row.version + 1
    )
    action = changes.group_action(before, after)
    attributes = changes.difference(before, after)
    attributes |= changes.members_entry(members.added, members.removed)
    await _write(
        tx,
        group,
        by,
        storage.update(group),
        *members.statements(tx, by, row.id, now),
        _record(tx, by, group, action, attributes),
    )
    return Written(_row(group), action, members.skipped)


async def _members_to_patch(
    tx: Transaction,
    group_id: str,
    operations: Sequence[Operation],
    group_type: ResourceType,
    by: Actor,
    rules: Rules,
) -> _MemberChange:
    if not operations:
        return _MemberChange()
    plan = patch.plan_members(operations)
    if plan is None:
        # A filter on something else than the members' ids: the only case that reads them all.
        now_members = await _as_document(tx, by.tenant, group_id)
        after = patch.apply(now_members, operations, group_type)
        return await _members_to_replace(tx, group_id, _member_ids(after.get("members")), by, rules)
    if plan.clear:
        return await _members_to_replace(tx, group_id, list(plan.add), by, rules)
    listed = _ids_json({*plan.add, *plan.remove})
    present = await memberships.members_among(tx, by.tenant, group_id, listed)
    new = [member_id for member_id in plan.add if member_id not in present]
    adding = await _members_to_add(tx, group_id, new, by, rules)
    return _MemberChange(adding.users, adding.groups, plan.remove & present, adding.skipped)


async def _members_to_replace(
    tx: Transaction, group_id: str, wanted: Sequence[str], by: Actor, rules: Rules
) -> _MemberChange:
    present = await memberships.member_ids(tx, by.tenant, group_id)
    new = [each for each in wanted if each not in present]
    adding = await _members_to_add(tx, group_id, new, by, rules)
    return _MemberChange(
        adding.users, adding.groups, frozenset(present.difference(wanted)), adding.skipped
    )


async def _members_to_add(
    tx: Transaction, group_id: str, wanted: Sequence[str], by: Actor, rules: Rules
) -> _MemberChange:
    if not wanted:
        return _MemberChange()
    people = await resources.known(tx, by.tenant, by.connection, "users", _ids_json(wanted))
    rest = [member_id for member_id in wanted if member_id not in people]
    nested: set[str] = set()
    if rest:
        # A group is no member of itself: to whoever says so, that id is unknown.
        found = await resources.known(tx, by.tenant, by.connection, "groups", _ids_json(rest))
        nested = found - {group_id}
        rest = [member_id for member_id in rest if member_id not in nested]
    if rest and not rules.skip_unknown_members:
        raise errors.InvalidValue(
            f"members: there is no other user or group with the id {_shortened(rest[0])}"
        )
    return _MemberChange(frozenset(people), frozenset(nested), frozenset(), tuple(rest))


async def _as_document(tx: Transaction, tenant: int, group_id: str) -> JsonObject:
    members: list[Json] = []
    after = ""
    while chunk := await memberships.members(
        tx, tenant, group_id, after=after, count=10_000, display=True
    ):
        after = chunk[-1].id
        for member_id, member_type, display in chunk:
            member: JsonObject = {"value": member_id, "type": member_type}
            if display is not None:
                member["display"] = display
            members.append(member)
    # patch.apply wants a whole resource; the name stands for the required attribute.
    return {"schemas": [], "displayName": "-", "members": members}


async def _write(tx: Transaction, group: GroupColumns, by: Actor, *statements: Statement) -> None:
    try:
        await tx.write(*statements)
    except UniqueViolation as violation:
        if violation.constraint != "groups_external_id":
            raise
        holder = await resources.holder_of_external_id(
            tx, by.tenant, by.connection, "groups", group.external_id or ""
        )
        raise errors.Uniqueness(
            f"externalId is already in use by the group {holder or 'created just now'};"
            " find it with a filter on externalId and update it instead"
        ) from violation


def _record(
    tx: Transaction, by: Actor, group: GroupColumns, action: Action, attributes: JsonObject
) -> Statement:
    return changes.record(
        by,
        tx.dialect,
        at=group.last_modified,
        resource_type="Group",
        resource_id=group.id,
        action=action,
        version=group.version,
        attributes=attributes,
    )


def _columns(
    resource: JsonObject,
    group_type: ResourceType,
    by: Actor,
    group_id: str,
    *,
    created: int,
    modified: int,
    version: int,
) -> GroupColumns:
    external_id = resource.get("externalId")
    display_name = str(resource["displayName"])
    return GroupColumns(
        tenant=by.tenant,
        id=group_id,
        connection=by.connection,
        display_name=display_name,
        display_name_key=fold(display_name),
        external_id=external_id if isinstance(external_id, str) else None,
        version=version,
        created=created,
        last_modified=modified,
        body=_body(resource, group_id, created, modified, version),
        search=encode_text(comparable_resource(resource, group_type)),
    )


def _body(resource: JsonObject, group_id: str, created: int, modified: int, version: int) -> str:
    return stored(
        resource,
        resource_id=group_id,
        resource_type="Group",
        created=created,
        last_modified=modified,
        version=version,
    )


def _row(group: GroupColumns) -> GroupRow:
    return GroupRow(group.id, group.version, group.body, group.created, group.last_modified)


def _is_about_members(operation: Operation) -> bool:
    return operation.target.path.attribute.name == "members"


def _apart(resource: JsonObject) -> tuple[JsonObject, list[str]]:
    """The group's own document and the ids of its members."""
    document = {name: value for name, value in resource.items() if name != "members"}
    return document, _member_ids(resource.get("members"))


def _member_ids(members: Json) -> list[str]:
    if not isinstance(members, list):
        return []
    ids = [member.get("value") for member in members if isinstance(member, dict)]
    return list(dict.fromkeys(each for each in ids if isinstance(each, str)))


def _ids_json(ids: Iterable[str]) -> str:
    listed: list[Json] = list(ids)
    return encode_text(listed)


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}..."
