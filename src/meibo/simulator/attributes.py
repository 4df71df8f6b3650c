"""A user's attributes as a flat map of paths, and the way between that map and SCIM's JSON.

A path is written as Entra ID writes it in a PATCH (``emails[type eq "work"].value``), which names
one value exactly. Both dialects build their requests from such a map, and the verification
compares two of them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from meibo.scim import urns
from meibo.scim.schema import Json, JsonObject

Value: TypeAlias = str | bool
Attributes: TypeAlias = Mapping[str, Value]

ACTIVE = "active"
USER_NAME = "userName"
EXTERNAL_ID = "externalId"
DISPLAY_NAME = "displayName"
GIVEN_NAME = "name.givenName"
FAMILY_NAME = "name.familyName"
FORMATTED_NAME = "name.formatted"
WORK_EMAIL = 'emails[type eq "work"].value'
TITLE = "title"
LANGUAGE = "preferredLanguage"
LOCALE = "locale"
WORK_PHONE = 'phoneNumbers[type eq "work"].value'
LOCALITY = 'addresses[type eq "work"].locality'
COUNTRY = 'addresses[type eq "work"].country'
DEPARTMENT = f"{urns.ENTERPRISE_USER}:department"
EMPLOYEE_NUMBER = f"{urns.ENTERPRISE_USER}:employeeNumber"
MANAGER = f"{urns.ENTERPRISE_USER}:manager"
COST_CENTER_CODE = f"{urns.CUSTOM_USER}:costCenterCode"

# What a service for these providers has to keep. The other attributes may be kept or dropped, but
# then for everybody, and what is kept has to be right. The custom one is among the others, since
# its administrator may not have defined it.
KEPT = frozenset(
    (
        ACTIVE,
        USER_NAME,
        EXTERNAL_ID,
        DISPLAY_NAME,
        GIVEN_NAME,
        FAMILY_NAME,
        WORK_EMAIL,
        DEPARTMENT,
    )
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a path points: ``urn`` an extension, ``type`` picks the element of an array."""

    urn: str | None
    name: str
    type: str | None
    sub: str | None


_VALUE_PATH = re.compile(r'(\w+)\[type eq "(\w+)"\]\.(\w+)')


def _place(path: str) -> _Place:
    if path.startswith("urn:"):
        urn, _, name = path.rpartition(":")
        return _Place(urn, name, None, None)
    if found := _VALUE_PATH.fullmatch(path):
        return _Place(None, found[1], found[2], found[3])
    name, _, sub = path.partition(".")
    return _Place(None, name, None, sub or None)


_PLACES: dict[str, _Place] = {
    path: _place(path)
    for path in (
        USER_NAME,
        EXTERNAL_ID,
        DISPLAY_NAME,
        ACTIVE,
        GIVEN_NAME,
        FAMILY_NAME,
        FORMATTED_NAME,
        WORK_EMAIL,
        TITLE,
        LANGUAGE,
        LOCALE,
        WORK_PHONE,
        LOCALITY,
        COUNTRY,
        DEPARTMENT,
        EMPLOYEE_NUMBER,
        MANAGER,
        COST_CENTER_CODE,
    )
}


def read(resource: JsonObject) -> dict[str, Value]:
    """The values in ``resource`` at every path that a simulator ever sends; unset ones are absent.

    A value of a wrong type is shown as text that equals nothing sent: a boolean that came back as
    a string, a manager that is no object.
    """
    found: dict[str, Value] = {}
    for path, place in _PLACES.items():
        holder: Json = resource if place.urn is None else resource.get(place.urn)
        if not isinstance(holder, dict):
            continue
        value = holder.get(place.name)
        if place.type is not None:
            value = _element(value, place.type)
        if place.sub is not None:
            value = value.get(place.sub) if isinstance(value, dict) else None
        elif path == MANAGER and value is not None:
            value = value.get("value") if isinstance(value, dict) else f"no object: {value!r}"
        if value is None:
            continue
        expected = bool if path == ACTIVE else str
        found[path] = value if isinstance(value, expected) else f"no {expected.__name__}: {value!r}"
    return found


def write(resource: JsonObject, attributes: Attributes) -> JsonObject:
    """``resource`` with ``attributes`` in it; what it holds besides stays, and it is not changed.

    A new e-mail address becomes the primary one. The manager is written as an object.
    """
    result: JsonObject = dict(resource)
    for path, value in attributes.items():
        place = _PLACES[path]
        holder = result
        if place.urn is not None:
            holder = _own_object(result, place.urn)
        if place.type is not None and place.sub is not None:
            _own_element(holder, place.name, place.type)[place.sub] = value
        elif place.sub is not None:
            _own_object(holder, place.name)[place.sub] = value
        else:
            holder[place.name] = {"value": value} if path == MANAGER else value
    return result


def differences(found: Attributes, wanted: Attributes) -> dict[str, Value]:
    """The wanted values that ``found`` does not have, in the order of ``wanted``."""
    return {
        path: value
        for path, value in wanted.items()
        # False == 0 in Python; a boolean here equals nothing but a boolean.
        if path not in found or type(found[path]) is not type(value) or found[path] != value
    }


def _element(values: Json, type_: str) -> Json:
    if isinstance(values, list):
        for value in values:
            if isinstance(value, dict) and value.get("type") == type_:
                return value
    return None


def _own_object(holder: JsonObject, name: str) -> JsonObject:
    """A copy of the object at ``name``, put in its place, to be changed by the caller."""
    old = holder.get(name)
    new: JsonObject = dict(old) if isinstance(old, dict) else {}
    holder[name] = new
    return new


def _own_element(holder: JsonObject, name: str, type_: str) -> JsonObject:
    old = holder.get(name)
    elements: list[Json] = list(old) if isinstance(old, list) else []
    holder[name] = elements
    for index, element in enumerate(elements):
        if isinstance(element, dict) and element.get("type") == type_:
            new: JsonObject = dict(element)
            elements[index] = new
            return new
    new = {"type": type_}
    if name == "emails":
        new["primary"] = True
    elements.append(new)
    return new
