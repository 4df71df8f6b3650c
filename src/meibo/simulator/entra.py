"""Microsoft Entra ID's provisioning service, as it writes its requests.

Sources: MicrosoftDocs/entra-docs, docs/identity/app-provisioning: use-scim-to-provision-users-and-
groups.md for the requests, application-provisioning-config-problem-scim-compatibility.md for the
two PATCH dialects. The older dialect is the default: capital operations, booleans as strings, one
operation per attribute, members removed by a value list. An administrator gets the newer one by
the flag ``aadOptscim062020`` in the tenant URL; on-demand provisioning ignores the flag, so one
tenant really sends both, and so do we: a third of the people and groups are sent the newer way.
"""

import json
from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import quote_plus

from meibo.scim import urns
from meibo.scim.schema import Json, JsonObject
from meibo.simulator import attributes as paths
from meibo.simulator.attributes import Attributes, Value
from meibo.simulator.company import Group
from meibo.simulator.dialect import (
    Endpoint,
    GroupChange,
    GroupStep,
    Member,
    Request,
    batches,
    locate,
    patch,
)
from meibo.simulator.people import Person

_ADSCIM_GROUP = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
_FLAG = "?aadOptscim062020"


class EntraDialect:
    """Entra ID's requests. Keeps nothing; ``custom_attribute`` adds ``costCenterCode``."""

    headers: ClassVar[Mapping[str, str]] = {
        "Accept": "application/scim+json",
        "Content-Type": "application/scim+json",
        "User-Agent": "meibo-simulator (as Microsoft Entra ID)",
    }
    deletes_users: ClassVar[bool] = True
    looks_up_returners: ClassVar[bool] = False

    def __init__(self, *, custom_attribute: bool) -> None:
        self._custom_attribute = custom_attribute

    def first_requests(self, guid: str) -> list[Request]:
        """Test Connection: a user and a group that cannot be there, and the schemas."""
        return [
            self.find("/Users", paths.USER_NAME, guid),
            self.find("/Groups", "displayName", guid),
            Request("GET", "/Schemas"),
        ]

    def attributes(self, person: Person, manager_id: str | None) -> dict[str, Value]:
        """The default mappings of a non-gallery application, with ``objectId`` as externalId."""
        mapped: dict[str, Value] = {
            paths.USER_NAME: person.user_name,
            paths.ACTIVE: person.active,
            paths.DISPLAY_NAME: person.display_name,
            paths.TITLE: person.title,
            paths.WORK_EMAIL: person.email,
            paths.LANGUAGE: person.office.language,
            paths.GIVEN_NAME: person.given_name,
            paths.FAMILY_NAME: person.family_name,
            paths.FORMATTED_NAME: person.display_name,
            paths.LOCALITY: person.office.locality,
            paths.COUNTRY: person.office.country,
            paths.WORK_PHONE: person.telephone,
            paths.EXTERNAL_ID: person.external_id,
            paths.EMPLOYEE_NUMBER: person.employee_number,
            paths.DEPARTMENT: person.department.name,
        }
        if manager_id is not None:
            mapped[paths.MANAGER] = manager_id
        if self._custom_attribute:
            mapped[paths.COST_CENTER_CODE] = person.cost_center_code
        return mapped

    def group_attributes(self, group: Group) -> dict[str, str]:
        return {"displayName": group.name, "externalId": group.external_id}

    def find(self, endpoint: Endpoint, attribute: str, value: str) -> Request:
        literal = json.dumps(value, ensure_ascii=False)
        query = f"filter={quote_plus(f'{attribute} eq {literal}')}"
        if endpoint == "/Groups":
            query = f"excludedAttributes=members&{query}"
        return Request("GET", f"{endpoint}?{query}")

    def create_user(self, person: Person, wanted: Attributes) -> Request:
        body: JsonObject = {
            # The extension of the custom attribute is never listed, though the body carries it.
            "schemas": [urns.USER, urns.ENTERPRISE_USER],
            "meta": {"resourceType": "User"},
            "roles": [],
        }
        body = paths.write(body, wanted)
        manager = wanted.get(paths.MANAGER)
        enterprise = body.get(urns.ENTERPRISE_USER)
        if manager is not None and isinstance(enterprise, dict) and not _flagged(person):
            enterprise["manager"] = manager  # the bare id, which the RFC does not know
        if person.number % 10 == 1:
            body["active"] = str(person.active)
        return Request("POST", "/Users", body)

    def change_user(
        self, person: Person, id_: str, found: JsonObject, changed: Attributes
    ) -> Request:
        present = paths.read(found)
        if not _flagged(person):
            return patch(
                locate("/Users", id_),
                [
                    {
                        "op": "Replace" if path in present else "Add",
                        "path": path,
                        "value": str(value) if isinstance(value, bool) else value,
                    }
                    for path, value in changed.items()
                ],
            )
        operations: list[JsonObject] = []
        flattened: dict[str, JsonObject] = {"add": {}, "replace": {}}
        for path, value in changed.items():
            op = "replace" if path in present else "add"
            if "[" in path or path == paths.MANAGER:
                operations.append({"op": op, "path": path, "value": value})
            else:
                flattened[op][path] = value
        operations.extend({"op": op, "value": value} for op, value in flattened.items() if value)
        return patch(f"{locate('/Users', id_)}{_FLAG}", operations)

    def create_group(self, group: Group) -> Request:
        body: JsonObject = {
            "schemas": [urns.GROUP, _ADSCIM_GROUP],
            "meta": {"resourceType": "Group"},
            **self.group_attributes(group),
        }
        return Request("POST", "/Groups", body)

    def probe_group(self, id_: str) -> Request | None:
        return Request("GET", f"{locate('/Groups', id_)}?excludedAttributes=members")

    def change_group(self, change: GroupChange) -> list[GroupStep]:
        flagged = _flagged(change.group)
        target = f"{locate('/Groups', change.id)}{_FLAG if flagged else ''}"
        steps: list[GroupStep] = []
        if change.attributes:
            operations: list[JsonObject] = (
                [{"op": "replace", "value": dict[str, Json](change.attributes)}]
                if flagged
                else [
                    {"op": "Replace", "path": name, "value": value}
                    for name, value in change.attributes.items()
                ]
            )
            steps.append(GroupStep(patch(target, operations), attributes=change.attributes))
        for batch in batches(change.added):
            add: JsonObject = {
                "op": "add" if flagged else "Add",
                "path": "members",
                "value": [_reference(member, flagged=flagged) for member in batch],
            }
            steps.append(GroupStep(patch(target, [add]), added=batch))
        for batch in batches(change.removed):
            removals: list[JsonObject] = (
                [
                    {"op": "remove", "path": f"members[value eq {json.dumps(member.id)}]"}
                    for member in batch
                ]
                if flagged
                else [
                    {
                        "op": "Remove",
                        "path": "members",
                        "value": [_reference(member, flagged=False) for member in batch],
                    }
                ]
            )
            steps.append(GroupStep(patch(target, removals), removed=batch))
        return steps

    def bad_requests(self, person: Person, id_: str) -> list[Request]:
        nameless: JsonObject = {
            "schemas": [urns.USER, urns.ENTERPRISE_USER],
            "externalId": f"{person.external_id}-nameless",
            "displayName": person.display_name,
            "active": True,
        }
        return [
            patch(
                locate("/Users", id_),
                [
                    {"op": "Replace", "path": paths.DISPLAY_NAME, "value": "Half Done"},
                    {"op": "Replace", "path": paths.ACTIVE, "value": "maybe"},
                ],
            ),
            Request("POST", "/Users", nameless),
        ]


def _flagged(of: Person | Group) -> bool:
    return of.number % 3 == 0


def _reference(member: Member, *, flagged: bool) -> JsonObject:
    return {"value": member.id} if flagged else {"$ref": None, "value": member.id}
