"""A small SCIM server in memory: the outside world of the simulator, well-behaved or broken.

It understands what the two dialects send and nothing else, and shares no code with the service.
"""

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs

import httpx

Flaw = Literal[
    "shows members",
    "remove empties the group",
    "rename empties the group",
    "accepts a second user of a name",
    "answers active as a string",
    "answers the manager as a string",
    "keeps no titles",
    "has no custom attribute",
    "loses one title",
    "keeps deleted users",
    "ignores bad values",
    "404 for an empty look-up",
    "forgets a user",
    "loses a member",
    "lists a user twice",
    "refuses long names",
]

_FILTER = re.compile(r'(userName|externalId|displayName) eq "((?:[^"\\]|\\.)*)"')
_VALUE_PATH = re.compile(r'(\w+)\[(?:type|value) eq "([^"]+)"\](?:\.(\w+))?')
_LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


class Refused(Exception):
    def __init__(self, status: int, detail: str, scim_type: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.scim_type = status, detail, scim_type


@dataclass
class PretendedServer(httpx.AsyncBaseTransport):
    """Answers SCIM requests. ``down`` refuses connections; ``budget`` requests are answered before
    a 429 with ``retry_after`` comes (None: no limit), and each 429 refills it. Requests are counted
    from 0: ``happenings`` are called before the one with that number is answered."""

    def go_down(self) -> None:
        self.down = True

    def come_back(self) -> None:
        self.down = False

    flaw: Flaw | None = None
    down: bool = False
    budget: int | None = None
    retry_after: str | None = "0"
    answer_lost_at: set[int] = field(default_factory=set)
    failing_at: dict[int, int] = field(default_factory=dict)
    happenings: dict[int, Callable[[], object]] = field(default_factory=dict)
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[tuple[str, str, Any]] = field(default_factory=list)
    headers: list[httpx.Headers] = field(default_factory=list)
    _left: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        number = len(self.log)
        if number in self.happenings:
            self.happenings.pop(number)()
        if self.down:
            raise httpx.ConnectError("connection refused")
        body = json.loads(request.content) if request.content else None
        target = request.url.raw_path.decode().removeprefix("/scim/v2")
        self.log.append((request.method, target, body))
        self.headers.append(request.headers)
        if request.headers["Authorization"] != "Bearer right":
            return _error(Refused(401, "no such token"))
        if number in self.failing_at:
            return _error(Refused(self.failing_at[number], "an accident"))
        if self.budget is not None:
            self._left -= 1
            if self._left < 0:
                self._left = self.budget
                headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
                return _error(Refused(429, "slow down"), headers)
        try:
            response = self._answer(request.method, target, body)
        except Refused as refusal:
            response = _error(refusal)
        if number in self.answer_lost_at:
            raise httpx.ReadError("connection reset")
        return response

    def targets(self, method: str) -> list[str]:
        """What was asked for with ``method``."""
        return [target for sent, target, _ in self.log if sent == method]

    def _answer(self, method: str, target: str, body: Any) -> httpx.Response:
        path, _, query = target.partition("?")
        _, kind, *rest = path.split("/")
        parameters = {name: values[0] for name, values in parse_qs(query).items()}
        hide = parameters.get("excludedAttributes") == "members" and self.flaw != "shows members"
        if kind == "Schemas":
            return _list([], 1, 0)
        store = {"Users": self.users, "Groups": self.groups}[kind]
        if not rest:
            if method == "POST":
                return _json(201, self._create(kind, store, body))
            return self._query(store, parameters, hide)
        id_ = rest[0]
        if id_ not in store:
            raise Refused(404, f"no {id_}")
        if method == "DELETE":
            return self._delete(kind, id_)
        if method != "GET":
            old = store[id_]
            new = self._put(old, body) if method == "PUT" else self._patch(old, body)
            if kind == "Users":
                self._check_user(new, id_)
            store[id_] = new
            if kind == "Groups":
                return httpx.Response(204)
        return _json(200, self._shown(store[id_], hide))

    def _create(self, kind: str, store: dict[str, Any], body: Any) -> dict[str, Any]:
        resource = {key: value for key, value in body.items() if value not in (None, [], "")}
        resource.pop("password", None)
        resource["id"] = str(uuid.uuid4())
        if kind == "Users":
            _tidy(resource)
            self._check_user(resource, resource["id"])
        store[resource["id"]] = resource
        return self._shown(resource, hide=False)

    def _check_user(self, user: dict[str, Any], id_: str) -> None:
        name = user.get("userName", "")
        if not name:
            raise Refused(400, "userName is required", "invalidValue")
        if self.flaw == "refuses long names" and len(user.get("displayName", "")) > 5:
            raise Refused(400, "displayName is too long", "invalidValue")
        if not isinstance(user.get("active", True), bool):
            if self.flaw != "ignores bad values":
                raise Refused(400, "active must be true or false", "invalidValue")
            user["active"] = True
        for other_id, other in self.users.items():
            taken = other["userName"].lower() == name.lower()
            same = "externalId" in user and other.get("externalId") == user["externalId"]
            if other_id != id_ and (taken or same) and not self._duplicates:
                raise Refused(409, "userName is taken", "uniqueness")

    @property
    def _duplicates(self) -> bool:
        return self.flaw == "accepts a second user of a name"

    def _query(
        self, store: dict[str, Any], parameters: dict[str, str], hide: bool
    ) -> httpx.Response:
        found = list(store.values())
        if "filter" in parameters:
            match = _FILTER.fullmatch(parameters["filter"])
            if match is None:
                raise Refused(400, "cannot parse the filter", "invalidFilter")
            name, value = match[1], json.loads(f'"{match[2]}"')
            fold = (lambda text: text) if name == "externalId" else str.lower
            found = [one for one in found if fold(one.get(name, "")) == fold(value)]
            if not found and self.flaw == "404 for an empty look-up":
                raise Refused(404, "nothing found")
        elif found and store is self.users and self.flaw == "lists a user twice":
            found.append(found[0])
        start, count = int(parameters.get("startIndex", 1)), int(parameters.get("count", 100))
        page = found[start - 1 : start - 1 + count]
        return _list([self._shown(one, hide) for one in page], start, len(found))

    def _delete(self, kind: str, id_: str) -> httpx.Response:
        if kind == "Groups":
            del self.groups[id_]
        elif self.flaw != "keeps deleted users":
            del self.users[id_]
            for group in self.groups.values():
                group["members"] = [m for m in group.get("members", []) if m["value"] != id_]
        return httpx.Response(204)

    def _put(self, old: dict[str, Any], body: Any) -> dict[str, Any]:
        new = {key: value for key, value in body.items() if value not in (None, [], "")}
        _tidy(new)
        return {**new, "id": old["id"]}

    def _patch(self, old: dict[str, Any], body: Any) -> dict[str, Any]:
        new = json.loads(json.dumps(old))
        for operation in body["Operations"]:
            op, path, value = operation["op"].lower(), operation.get("path"), operation.get("value")
            pairs = [(path, value)] if path is not None else list(value.items())
            for name, part in pairs:
                if name == "members" or name.startswith("members["):
                    self._patch_members(new, op, name, part)
                elif name != "id":
                    _assign(new, name, part)
                    if name == "displayName" and self.flaw == "rename empties the group":
                        new.pop("members", None)
        _tidy(new)
        return new

    def _patch_members(self, group: dict[str, Any], op: str, path: str, value: Any) -> None:
        members = {member["value"]: member for member in group.get("members", [])}
        match = _VALUE_PATH.fullmatch(path)
        listed = [{"value": match[2]}] if match else value or []
        if op == "remove":
            if self.flaw == "remove empties the group":
                members = {}
            for member in listed:
                members.pop(member["value"], None)
        else:
            members = {} if op == "replace" else members
            if self.flaw == "loses a member" and len(listed) > 3:
                listed = listed[1:]
            members |= {member["value"]: {"value": member["value"]} for member in listed}
        group["members"] = list(members.values())

    def _shown(self, resource: dict[str, Any], hide: bool) -> dict[str, Any]:
        shown = dict(resource)
        if hide:
            shown.pop("members", None)
        if self.flaw == "shows members" and "userName" not in shown:
            shown.setdefault("members", [])
        if "userName" in shown and self.flaw == "answers active as a string":
            shown["active"] = str(shown["active"])
        if self.flaw == "has no custom attribute":
            shown.pop("urn:ietf:params:scim:schemas:extension:ivanti:2.0:User", None)
        if self.flaw == "keeps no titles":
            shown.pop("title", None)
        if self.flaw == "loses one title" and shown.get("userName") == self._first_name:
            shown.pop("title", None)
        enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
        if self.flaw == "answers the manager as a string" and enterprise in shown:
            extension = dict(shown[enterprise])
            if "manager" in extension:
                extension["manager"] = extension["manager"]["value"]
            shown[enterprise] = extension
        return shown

    @property
    def _first_name(self) -> str:
        return next(iter(self.users.values()))["userName"]


def _assign(resource: dict[str, Any], path: str, value: Any) -> None:
    match = _VALUE_PATH.fullmatch(path)
    if match:
        elements = resource.setdefault(match[1], [])
        element = next((one for one in elements if one.get("type") == match[2]), None)
        if element is None:
            elements.append(element := {"type": match[2]})
        element[match[3]] = value
        return
    if path.startswith("urn:"):
        urn, _, name = path.rpartition(":")
        resource.setdefault(urn, {})[name] = value
        return
    name, _, sub = path.partition(".")
    if sub:
        resource.setdefault(name, {})[sub] = value
    else:
        resource[name] = value


def _tidy(user: dict[str, Any]) -> None:
    """What every service has to do for these providers: real booleans, a manager as an object."""
    if isinstance(user.get("active"), str) and user["active"] in ("True", "False"):
        user["active"] = user["active"] == "True"
    extension = user.get("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", {})
    if isinstance(extension.get("manager"), str):
        extension["manager"] = {"value": extension["manager"]}


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    content = json.dumps(body).encode()
    return httpx.Response(status, headers=headers or {}, content=content)


def _list(page: list[Any], start: int, total: int) -> httpx.Response:
    return _json(
        200,
        {
            "schemas": [_LIST],
            "totalResults": total,
            "startIndex": start,
            "itemsPerPage": len(page),
            "Resources": page,
        },
    )


def _error(refusal: Refused, headers: dict[str, str] | None = None) -> httpx.Response:
    body = {"schemas": [_ERROR], "status": str(refusal.status), "detail": refusal.detail}
    if refusal.scim_type:
        body["scimType"] = refusal.scim_type
    return _json(refusal.status, body, headers)
