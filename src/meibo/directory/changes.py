"""What one write changed: the difference of two states, for history, audit trail and feed.

The action is read from the difference and never from the way the request took, so a reactivation by
PUT and one by PATCH leave the same trace.
"""

from collections.abc import Iterable
from typing import Literal, TypeAlias

from meibo.directory.actor import Actor
from meibo.scim.representation import encode_text
from meibo.scim.schema import Json, JsonObject
from meibo.storage import changes
from meibo.storage.changes import Change
from meibo.storage.database import Statement
from meibo.storage.dialect import Dialect

Action: TypeAlias = Literal[
    "created",
    "updated",
    "renamed",
    "enabled",
    "disabled",
    "removed",
    "revived",
    "members changed",
]


def difference(before: JsonObject, after: JsonObject) -> JsonObject:
    """``{path: {"before": ..., "after": ...}}`` of every attribute that differs.

    A side that has no value lacks its key. Attributes of an extension are listed one by one under
    their full path, complex attributes as a whole.
    """
    found: JsonObject = {}
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old == new or name == "schemas":
            continue
        if name.startswith("urn:"):
            inner = difference(_object(old), _object(new))
            found.update((f"{name}:{sub}", entry) for sub, entry in inner.items())
            continue
        entry: JsonObject = {}
        if old is not None:
            entry["before"] = old
        if new is not None:
            entry["after"] = new
        found[name] = entry
    return found


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def user_action(before: JsonObject, after: JsonObject) -> Action:
    """What happened to a person, the gravest first when it was several things at once."""
    if before.get("active") != after.get("active"):
        return "enabled" if after.get("active") else "disabled"
    if before.get("userName") != after.get("userName"):
        return "renamed"
    return "updated"


def group_action(before: JsonObject, after: JsonObject) -> Action:
    """What happened to a group."""
    if before.get("displayName") != after.get("displayName"):
        return "renamed"
    return "members changed" if before == after else "updated"


def members_entry(added: Iterable[str], removed: Iterable[str]) -> JsonObject:
    """The difference of a group's members, each one named."""
    gained: list[Json] = [*sorted(added)]
    lost: list[Json] = [*sorted(removed)]
    return {"members": {"added": gained, "removed": lost}} if gained or lost else {}


def record(
    by: Actor,
    dialect: Dialect,
    *,
    at: int,
    resource_type: str,
    resource_id: str,
    action: Action,
    version: int,
    attributes: JsonObject,
) -> Statement:
    """The statement that stands in the same write as the change itself."""
    return changes.append(
        Change(
            tenant=by.tenant,
            at=at,
            resource_type=resource_type,
            resource_id=resource_id,
            action=action,
            version=version,
            actor=by.name,
            connection=by.connection,
            token=by.token,
            request=by.request,
            attributes=encode_text(attributes),
        ),
        dialect,
    )
