"""People: create, replace, patch, remove. Nobody else changes a user.

Each operation takes the open transaction, reads what it needs, decides, and writes once: the row,
its search index and the change, together or not at all (see ``storage.database``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from meibo import clock
from meibo.directory import changes
from meibo.directory.actor import Actor, Rules
from meibo.directory.changes import Action
from meibo.directory.groups import leave_all
from meibo.directory.preconditions import check_version
from meibo.ids import new_id
from meibo.scim import errors, patch
from meibo.scim.comparison import fold
from meibo.scim.patch import Operation
from meibo.scim.representation import encode_text, loaded, stored
from meibo.scim.resource import comparable_resource
from meibo.scim.schema import Json, JsonObject, ResourceType
from meibo.scim.urns import ENTERPRISE_USER
from meibo.storage import memberships, resources, totals
from meibo.storage import users as storage
from meibo.storage.database import Statement, Transaction
from meibo.storage.errors import UniqueViolation
from meibo.storage.users import RemovedUser, UserColumns, UserRow


@dataclass(frozen=True, slots=True)
class Written:
    """A user after an operation; ``action`` is None when nothing had to change."""

    row: UserRow
    action: Action | None


async def create(
    tx: Transaction, resource: JsonObject, user_type: ResourceType, *, by: Actor, rules: Rules
) -> Written:
    """Adds a person, or brings a removed one back (the exact rule: ``_who_returns``).

    Args:
        resource: checked against ``user_type``, without id and meta.

    Raises:
        Uniqueness: the userName or externalId is in use.
        InvalidValue: the connection's settings refuse the person.
    """
    if rules.email_required and not _is_reachable(resource):
        raise _unreachable()
    if resource.get("active") is False and not rules.create_inactive:
        raise errors.InvalidValue("active is false: this connection does not create inactive users")
    now = clock.now()
    returning = await _who_returns(tx, resource, by) if rules.revive else None
    if returning is not None:
        return await _revive(tx, returning, resource, user_type, by=by, now=now)
    resource = {"active": True, **resource}
    user_id = new_id()
    user, row = _columns(resource, user_type, by, user_id, created=now, modified=now, version=1)
    await _write(
        tx,
        user,
        by,
        storage.insert(user),
        *storage.emails(by.tenant, user_id, (), _addresses(resource)),
        totals.add(by.tenant, by.connection, "User", user_id, 1),
        changes.record(
            by,
            tx.dialect,
            at=now,
            resource_type="User",
            resource_id=user_id,
            action="created",
            version=1,
            attributes=changes.difference({}, resource),
        ),
    )
    return Written(await _as_read(tx, row, user, by), "created")


async def replace(
    tx: Transaction,
    user_id: str,
    resource: JsonObject,
    user_type: ResourceType,
    *,
    by: Actor,
    rules: Rules,
    if_match: str | None,
) -> Written:
    """Puts ``resource`` in the place of what there is; ``active`` left out keeps its value.

    Raises:
        NotFound, VersionMismatch, Uniqueness, Mutability, InvalidValue.
    """
    row, before = await _load(tx, user_id, by, if_match)
    resource = _with_active_of(before, resource)
    return await _save(tx, row, before, resource, user_type, by=by, rules=rules)


async def patch_user(
    tx: Transaction,
    user_id: str,
    operations: Sequence[Operation],
    user_type: ResourceType,
    *,
    by: Actor,
    rules: Rules,
    if_match: str | None,
) -> Written:
    """Applies all operations, or none.

    Raises:
        NotFound, VersionMismatch, Uniqueness, Mutability, InvalidValue, NoTarget.
    """
    row, before = await _load(tx, user_id, by, if_match)
    after = patch.apply(before, operations, user_type)
    return await _save(tx, row, before, after, user_type, by=by, rules=rules)


async def remove(tx: Transaction, user_id: str, *, by: Actor, if_match: str | None) -> None:
    """Hides the person from SCIM and ends every membership; the record can be restored.

    To be run ``locking``: a membership that is being added must be waited for, to be ended too.

    Raises:
        NotFound, VersionMismatch.
    """
    row, before = await _load(tx, user_id, by, if_match)
    now = max(clock.now(), row.last_modified)
    await tx.write(
        resources.remove(by.tenant, "users", user_id, row.version, now),
        totals.add(by.tenant, by.connection, "User", user_id, -1),
        *await leave_all(tx, user_id, by=by, now=now),
        changes.record(
            by,
            tx.dialect,
            at=now,
            resource_type="User",
            resource_id=user_id,
            action="removed",
            version=row.version + 1,
            attributes=changes.difference(before, {}),
        ),
    )


async def _load(
    tx: Transaction, user_id: str, by: Actor, if_match: str | None
) -> tuple[UserRow, JsonObject]:
    row = await storage.load(tx, by.tenant, by.connection, user_id)
    if row is None:
        raise errors.NotFound(f"there is no user with the id {user_id}")
    check_version(if_match, row.version)
    return row, loaded(row.body)


async def _save(
    tx: Transaction,
    row: UserRow,
    before: JsonObject,
    after: JsonObject,
    user_type: ResourceType,
    *,
    by: Actor,
    rules: Rules,
) -> Written:
    if after == before:
        return Written(row, None)
    if rules.email_required and _is_reachable(before) and not _is_reachable(after):
        # Only what takes the last address away: who never had one can still be deactivated.
        raise _unreachable()
    if after["userName"] != before["userName"] and not rules.renames:
        raise errors.Mutability(
            "userName cannot be changed: this connection refuses changes of the user name"
        )
    now = max(clock.now(), row.last_modified)
    version = row.version + 1
    user, written = _columns(
        after, user_type, by, row.id, created=row.created, modified=now, version=version
    )
    action = changes.user_action(before, after)
    await _write(
        tx,
        user,
        by,
        storage.update(user),
        *storage.emails(by.tenant, row.id, _addresses(before), _addresses(after)),
        changes.record(
            by,
            tx.dialect,
            at=now,
            resource_type="User",
            resource_id=row.id,
            action=action,
            version=version,
            attributes=changes.difference(before, after),
        ),
    )
    return Written(await _as_read(tx, written, user, by, groups=row.groups), action)


async def _who_returns(tx: Transaction, resource: JsonObject, by: Actor) -> RemovedUser | None:
    """The removed person of this connection whom a POST means, None for somebody new.

    By externalId; by userName only if one side has no externalId or both are equal. A name alone
    may have been given to somebody else since.
    """
    external_id = resource.get("externalId")
    wanted = external_id if isinstance(external_id, str) else None
    found = await storage.removed_matches(tx, by.tenant, by.connection, _name_key(resource), wanted)
    for person in found:
        if wanted is not None and person.external_id == wanted:
            return person
    for person in found:
        if wanted is None or person.external_id is None:
            return person
    return None


async def _revive(
    tx: Transaction,
    person: RemovedUser,
    resource: JsonObject,
    user_type: ResourceType,
    *,
    by: Actor,
    now: int,
) -> Written:
    before = loaded(person.body)
    resource = _with_active_of(before, resource)
    now = max(now, person.last_modified)
    version = person.version + 1
    user, row = _columns(
        resource, user_type, by, person.id, created=person.created, modified=now, version=version
    )
    await _write(
        tx,
        user,
        by,
        storage.update(user),
        # A membership that was being added while the person was removed must not come back.
        memberships.end(by.tenant, person.id),
        *storage.emails(by.tenant, person.id, _addresses(before), _addresses(resource)),
        totals.add(by.tenant, by.connection, "User", person.id, 1),
        changes.record(
            by,
            tx.dialect,
            at=now,
            resource_type="User",
            resource_id=person.id,
            action="revived",
            version=version,
            # Everything, since the removal has recorded that everything went.
            attributes=changes.difference({}, resource),
        ),
    )
    return Written(await _as_read(tx, row, user, by), "revived")


async def _write(tx: Transaction, user: UserColumns, by: Actor, *statements: Statement) -> None:
    """Writes, and says whose a clashing name or external id is.

    Raises:
        Uniqueness: with the holder's id when this connection may see it.
    """
    try:
        await tx.write(*statements)
    except UniqueViolation as violation:
        if violation.constraint == "users_user_name":
            raise await _name_taken(tx, user, by) from violation
        if violation.constraint == "users_external_id":
            holder = await resources.holder_of_external_id(
                tx, by.tenant, by.connection, "users", user.external_id or ""
            )
            raise errors.Uniqueness(
                f"externalId is already in use by the user {holder or 'created just now'};"
                " find it with a filter on externalId and update it instead"
            ) from violation
        raise


async def _name_taken(tx: Transaction, user: UserColumns, by: Actor) -> errors.Uniqueness:
    holder = await storage.holder(tx, by.tenant, user.user_name_key)
    if holder is None:
        return errors.Uniqueness("userName is already in use")
    holder_id, connection = holder
    if connection != by.connection:
        return errors.Uniqueness(
            "userName is already in use by a user that another connection manages;"
            " an administrator has to decide whom it belongs to"
        )
    return errors.Uniqueness(
        f"userName is already in use by the user {holder_id} (names are compared without regard to"
        " letter case); find it with a filter on userName and update it instead"
    )


async def _as_read(
    tx: Transaction, row: UserRow, user: UserColumns, by: Actor, *, groups: str | None = None
) -> UserRow:
    """The row with what other resources say of it, as a GET would answer it now."""
    if user.manager is None:
        return UserRow(row.id, row.version, row.body, groups, None, row.created, row.last_modified)
    manager = await storage.load(tx, by.tenant, by.connection, user.manager, groups=False)
    named: tuple[str, str] | None = None
    if manager is not None:
        person = loaded(manager.body)
        named = (manager.id, str(person.get("displayName", person["userName"])))
    return UserRow(row.id, row.version, row.body, groups, named, row.created, row.last_modified)


def _with_active_of(before: JsonObject, resource: JsonObject) -> JsonObject:
    """``active`` left out keeps its value: to wake a leaver by omission is the worse error."""
    return {"active": before["active"], **resource} if "active" in before else resource


def _is_reachable(resource: JsonObject) -> bool:
    return bool(_addresses(resource)) or "@" in str(resource["userName"])


def _unreachable() -> errors.InvalidValue:
    return errors.InvalidValue(
        "emails is missing: this connection requires an e-mail address, or a userName that is one"
    )


def _columns(
    resource: JsonObject,
    user_type: ResourceType,
    by: Actor,
    user_id: str,
    *,
    created: int,
    modified: int,
    version: int,
) -> tuple[UserColumns, UserRow]:
    body = stored(
        resource,
        resource_id=user_id,
        resource_type="User",
        created=created,
        last_modified=modified,
        version=version,
    )
    user = UserColumns(
        tenant=by.tenant,
        id=user_id,
        connection=by.connection,
        user_name=str(resource["userName"]),
        user_name_key=_name_key(resource),
        external_id=_text(resource.get("externalId")),
        display_name=_text(resource.get("displayName")),
        manager=_manager_id(resource),
        active=_truth(resource.get("active")),
        version=version,
        created=created,
        last_modified=modified,
        body=body,
        search=encode_text(comparable_resource(resource, user_type)),
    )
    return user, UserRow(user_id, version, body, None, None, created, modified)


def _name_key(resource: JsonObject) -> str:
    return fold(str(resource["userName"]))


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _truth(value: Json) -> bool | None:
    """None where a PATCH has taken ``active`` away; access needs somebody to say it is true."""
    return value if isinstance(value, bool) else None


def _manager_id(resource: JsonObject) -> str | None:
    enterprise = resource.get(ENTERPRISE_USER)
    manager = enterprise.get("manager") if isinstance(enterprise, dict) else None
    return _text(manager.get("value")) if isinstance(manager, dict) else None


def _addresses(resource: JsonObject) -> set[str]:
    """The folded e-mail addresses."""
    emails = resource.get("emails")
    if not isinstance(emails, list):
        return set()
    values = [email.get("value") for email in emails if isinstance(email, dict)]
    return {fold(value) for value in values if isinstance(value, str)}
