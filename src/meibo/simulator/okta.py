"""Okta's provisioning service, as it writes its requests.

Sources: okta/okta-developer-docs, reference/scim/scim-20 (the requests), concepts/scim and its FAQ,
and Okta's SPEC and CRUD test files for Runscope. An app made from a template (``template``) sends
profiles by PUT and (de)activation by PATCH; one of the App Integration Wizard (``wizard``) sends
everything by PUT. Okta never deletes a user.
"""

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar, Literal
from urllib.parse import quote

from meibo.scim import urns
from meibo.scim.schema import Json, JsonObject
from meibo.simulator import attributes as paths
from meibo.simulator.attributes import Attributes, Value
from meibo.simulator.company import Group
from meibo.simulator.dialect import (
    MEMBERS_AT_ONCE,
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


class OktaDialect:
    """Okta's requests. Keeps nothing; ``custom_attribute`` adds ``costCenterCode``."""

    headers: ClassVar[Mapping[str, str]] = {
        "Accept": "application/scim+json",
        "Accept-Charset": "utf-8",
        "Content-Type": "application/scim+json; charset=utf-8",
        "User-Agent": "Okta SCIM Client 1.0.0 (meibo-simulator)",
    }
    deletes_users: ClassVar[bool] = False
    # Somebody who is assigned again is looked up, and has to have the same id as before.
    looks_up_returners: ClassVar[bool] = True

    def __init__(self, *, custom_attribute: bool, app: Literal["template", "wizard"]) -> None:
        self._custom_attribute = custom_attribute
        self._wizard = app == "wizard"

    def first_requests(self, guid: str) -> list[Request]:
        """The connector's test and the first page of an import."""
        return [
            Request("GET", "/Users?startIndex=1&count=2"),
            Request("GET", "/Groups?startIndex=1&count=100"),
            self.find("/Users", paths.USER_NAME, guid),
        ]

    def attributes(self, person: Person, manager_id: str | None) -> dict[str, Value]:
        """The profile of an app made from Okta's SCIM template. It knows no manager's id."""
        mapped: dict[str, Value] = {
            paths.USER_NAME: person.user_name,
            paths.GIVEN_NAME: person.given_name,
            paths.FAMILY_NAME: person.family_name,
            paths.WORK_EMAIL: person.email,
            paths.DISPLAY_NAME: person.display_name,
            paths.LOCALE: person.office.language,
            paths.EXTERNAL_ID: person.external_id,
            paths.TITLE: person.title,
            paths.WORK_PHONE: person.telephone,
            paths.EMPLOYEE_NUMBER: person.employee_number,
            paths.DEPARTMENT: person.department.name,
            paths.ACTIVE: person.active,
        }
        if self._custom_attribute:
            mapped[paths.COST_CENTER_CODE] = person.cost_center_code
        return mapped

    def group_attributes(self, group: Group) -> dict[str, str]:
        return {"displayName": group.name}  # group push sends no externalId

    def find(self, endpoint: Endpoint, attribute: str, value: str) -> Request:
        literal = json.dumps(value, ensure_ascii=False)
        query = quote(f"{attribute} eq {literal}", safe="'")
        return Request("GET", f"{endpoint}?filter={query}&startIndex=1&count=100")

    def create_user(self, person: Person, wanted: Attributes) -> Request:
        body: JsonObject = {
            "schemas": [urns.USER],  # only the core schema, whatever else the body carries
            "groups": [],
            "password": _password(person),  # always sent; random unless the app syncs passwords
        }
        return Request("POST", "/Users", paths.write(body, wanted))

    def change_user(
        self, person: Person, id_: str, found: JsonObject, changed: Attributes
    ) -> Request:
        deactivation = changed.get(paths.ACTIVE) is False
        if not self._wizard and deactivation and len(changed) == 1:
            # "op" in lower case, no path: R20, "Update a specific User (PATCH)".
            return patch(locate("/Users", id_), [{"op": "replace", "value": {"active": False}}])
        # The object that the service answered, changed: its id, meta and groups come back too.
        body = paths.write(found, changed)
        body["schemas"] = [urns.USER]
        name = body.get("name")
        if isinstance(name, dict):
            name.setdefault("middleName", "")
        emails = body.get("emails")
        if isinstance(emails, list):
            body["emails"] = [
                {"display": None, **email} if isinstance(email, dict) else email for email in emails
            ]
        return Request("PUT", locate("/Users", id_), body)

    def create_group(self, group: Group) -> Request:
        body: JsonObject = {
            "schemas": [urns.GROUP],
            "displayName": group.name,
            "members": [],
        }
        return Request("POST", "/Groups", body)

    def probe_group(self, id_: str) -> Request | None:
        return None

    def change_group(self, change: GroupChange) -> list[GroupStep]:
        target = locate("/Groups", change.id)
        if self._wizard:
            body: JsonObject = {
                "schemas": [urns.GROUP],
                "id": change.id,
                "displayName": change.group.name,
                "members": _references(change.everyone),
            }
            put = Request("PUT", target, body)
            return [GroupStep(put, change.added, change.removed, change.attributes)]
        # The name is repeated before each membership update, with the id inside the value.
        rename: JsonObject = {
            "op": "replace",
            "value": {"id": change.id, "displayName": change.group.name},
        }
        steps = [GroupStep(patch(target, [rename]), attributes=change.attributes)]
        if change.found and (change.added or change.removed):
            # "Push now" of a linked group: the whole list, an empty one included.
            operation: JsonObject = {
                "op": "replace",
                "path": "members",
                "value": _references(change.everyone),
            }
            steps.append(GroupStep(patch(target, [operation]), change.added, change.removed))
            return steps
        # Leavers and joiners of the list go in one PATCH, the removals first.
        removals = batches(change.removed, MEMBERS_AT_ONCE // 2)
        additions = batches(change.added, MEMBERS_AT_ONCE // 2 if removals else MEMBERS_AT_ONCE)
        for index in range(max(len(removals), len(additions))):
            removed = removals[index] if index < len(removals) else []
            added = additions[index] if index < len(additions) else []
            operations: list[JsonObject] = [
                {"op": "remove", "path": f"members[value eq {json.dumps(member.id)}]"}
                for member in removed
            ]
            if added:
                operations.append({"op": "add", "path": "members", "value": _references(added)})
            steps.append(GroupStep(patch(target, operations), added, removed))
        return steps

    def bad_requests(self, person: Person, id_: str) -> list[Request]:
        half: JsonObject = {
            "schemas": [urns.USER],
            "id": id_,
            "userName": person.user_name,
            "displayName": "Half Done",
            "active": "maybe",
        }
        nameless: JsonObject = {
            "schemas": [urns.USER],
            "externalId": f"{person.external_id}-nameless",
            "displayName": person.display_name,
            "active": True,
        }
        return [Request("PUT", locate("/Users", id_), half), Request("POST", "/Users", nameless)]


def _references(members: Sequence[Member]) -> list[Json]:
    return [{"value": member.id, "display": member.user_name} for member in members]


def _password(person: Person) -> str:
    letters = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return "".join(Random(person.external_id).choices(letters, k=20))
