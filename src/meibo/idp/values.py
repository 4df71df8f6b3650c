"""Values as vendors send them, made into what their attributes ask for (RFC 7643 §2.3, §2.4).

Everything is driven by the attribute's definition, so it holds for custom attributes too. Nothing
is changed in place: a value in which no quirk is found is given back itself. What fits no quirk is
left as it is, and the engine refuses it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Final

from meibo.idp import quirks
from meibo.idp.json_text import read_json_text
from meibo.idp.quirks import Quirk, Tolerance
from meibo.scim.elements import LABELS
from meibo.scim.schema import Attribute, Json, JsonObject, Type


class _Inspected:
    """No value is of this class: it stands for types whose values are always looked into."""


_PLAIN: Final[dict[Type, type]] = {
    "string": str,
    "reference": str,
    "binary": str,
    "dateTime": _Inspected,  # a date alone has to be told from an instant
    "boolean": bool,
    "integer": int,
    "decimal": float,
    "complex": _Inspected,
}


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What a value of an attribute looks like.

    ``plain`` is the class of a value that needs no second look, unless it is an empty string.
    ``parts`` are the sub-attributes that a client may write, by name and by name in lower case;
    ``names`` are the names of all.
    """

    attribute: Attribute
    plain: type
    parts: "Mapping[str, Shape]"
    names: frozenset[str]
    may_be_emptied: bool  # leaving the elements without a value out may leave none
    may_be_role: bool  # an element, or the value of one, may be JSON text of a role
    may_be_reference: bool  # $ref may stand for the value


@lru_cache(maxsize=4096)
def shape_of(attribute: Attribute) -> Shape:
    """The shape of an attribute; equal arguments give one instance."""
    parts = parts_of(attribute.sub_attributes)
    value = parts.get("value")
    return Shape(
        attribute,
        _Inspected if attribute.multi_valued else _PLAIN[attribute.type],
        parts,
        names=frozenset(each.name for each in attribute.sub_attributes),
        # A list of members that became empty would empty the group; those are left to the engine.
        may_be_emptied=value is None or value.attribute.mutability != "immutable",
        may_be_role=(
            attribute.multi_valued
            and value is not None
            and value.attribute.type == "string"
            and "display" in parts
        ),
        may_be_reference=value is not None and attribute.sub_attribute("$ref") is not None,
    )


def parts_of(attributes: Sequence[Attribute]) -> dict[str, Shape]:
    """The shapes of the ``attributes`` that a client may write, by name, also in lower case."""
    parts: dict[str, Shape] = {}
    for attribute in attributes:
        if attribute.mutability != "readOnly":
            parts[attribute.name] = parts[attribute.name.lower()] = shape_of(attribute)
    return parts


def undo_parts(value: JsonObject, parts: Mapping[str, Shape], tolerance: Tolerance) -> JsonObject:
    """An object whose values are made right; keys that are not among ``parts`` are left alone."""
    changed: JsonObject | None = None
    for key, found in value.items():
        part = parts.get(key) or parts.get(key.lower())
        if part is None or found is None or (found.__class__ is part.plain and found != ""):
            continue
        undone = undo_value(part, found, tolerance)
        if undone is not found:
            if changed is None:
                changed = dict(value)
            changed[key] = undone
    return value if changed is None else changed


def undo_value(shape: Shape, value: Json, tolerance: Tolerance) -> Json:
    """A whole value of an attribute made right; None when that means to clear it."""
    if shape.attribute.multi_valued:
        return _undo_list(shape, value, tolerance)
    return undo_single(shape, value, tolerance)


def undo_single(shape: Shape, value: Json, tolerance: Tolerance) -> Json:
    """The value of a single-valued attribute, or one element of a multi-valued one, made right."""
    match value:
        case str():
            return _undo_text(shape, value, tolerance)
        case dict():
            return _undo_object(shape, value, tolerance)
        case [inner] if tolerance.undoes(quirks.WRAPPED_VALUE):
            return undo_single(shape, inner, tolerance)
        case []:
            return _cleared(shape.attribute, value, quirks.EMPTY_ARRAY, tolerance)
        case int() | float() if shape.attribute.type == "string":
            return _undo_number(value, tolerance)
        case _:
            return value


def key_of(value: Mapping[str, Json], name: str) -> str | None:
    """The key of ``value`` that spells ``name``, in any letter case."""
    if name in value:
        return name
    lower = name.lower()
    return next((key for key in value if key.lower() == lower), None)


# -- single values -------------------------------------------------------------------------------

_BOOLEANS: Final[dict[str, bool]] = {"true": True, "false": False}
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})(?:\.[0-9]{1,18})?", re.ASCII)
# What may stand beside `value` in an object that is sent for a simple value.
_BESIDE_VALUE: Final = frozenset({"value", "$ref", "type", "display", "primary"})


_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_INTEGERS: Final = 2**63


def _cleared(attribute: Attribute, value: Json, quirk: Quirk, tolerance: Tolerance) -> Json:
    """None for an empty ``value`` that means so; the value where it may not be cleared."""
    may_clear = not attribute.required and attribute.mutability != "immutable"
    return None if may_clear and tolerance.undoes(quirk) else value


def _undo_number(value: float, tolerance: Tolerance) -> Json:
    """The decimal text of a number that is not too large for one."""
    if isinstance(value, bool) or not -_INTEGERS < value < _INTEGERS:
        return value
    if not tolerance.undoes(quirks.NUMBER_FOR_TEXT):
        return value
    return str(value) if isinstance(value, int) else format(Decimal(repr(value)), "f")


def _undo_text(shape: Shape, text: str, tolerance: Tolerance) -> Json:
    attribute = shape.attribute
    if not text:
        return _cleared(attribute, text, quirks.EMPTY_STRING, tolerance)
    match attribute.type:
        case "boolean":
            truth = _BOOLEANS.get(text.lower()) if len(text) <= 5 else None
            if truth is not None and tolerance.undoes(quirks.BOOLEAN_AS_STRING):
                return truth
        case "integer" | "decimal":
            number = _number(text)
            if number is not None and (attribute.type == "decimal" or isinstance(number, int)):
                return number if tolerance.undoes(quirks.NUMBER_AS_STRING) else text
        case "dateTime":
            if _is_date(text) and tolerance.undoes(quirks.DATE_WITHOUT_TIME):
                return f"{text}T00:00:00Z"
        case "complex":
            inner = read_json_text(text)
            if inner is not None and tolerance.undoes(quirks.JSON_TEXT):
                if shape.may_be_role:
                    inner = _roles(inner, tolerance)
                return undo_single(shape, inner, tolerance)
            value = shape.parts.get("value")
            if value is not None and value.plain is str:
                return {"value": text} if tolerance.undoes(quirks.STRING_FOR_OBJECT) else text
        case _:
            pass
    return text


def _is_date(text: str) -> bool:
    if _DATE.fullmatch(text) is None:
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _number(text: str) -> int | float | None:
    """The number that ``text`` spells, unless a float would lose some of its digits."""
    if _NUMBER.fullmatch(text) is None:
        return None
    if "." not in text:
        return int(text)
    number = float(text)
    return number if Decimal(repr(number)) == Decimal(text) else None


def _undo_object(shape: Shape, value: JsonObject, tolerance: Tolerance) -> Json:
    attribute = shape.attribute
    if attribute.type == "complex":
        value = undo_element(shape, value, tolerance)
        undone = undo_parts(value, shape.parts, tolerance)
        if (
            undone is not value
            and not attribute.multi_valued
            and "value" in shape.parts
            and says_nothing(shape, undone)
        ):
            return None  # a manager whose value is an empty string
        return undone
    key = key_of(value, "value")
    if key is None or not _BESIDE_VALUE.issuperset(each.lower() for each in value):
        return value
    if not tolerance.undoes(quirks.VALUE_OBJECT):
        return value
    return undo_single(shape, value[key], tolerance)


# -- lists ---------------------------------------------------------------------------------------


def _undo_list(shape: Shape, value: Json, tolerance: Tolerance) -> Json:
    elements: list[Json] = []
    match value:
        case list():
            if not value:
                return value
            elements = value
        case "" if _cleared(shape.attribute, value, quirks.EMPTY_STRING, tolerance) is None:
            return None
        case str() | dict():
            inner = read_json_text(value) if isinstance(value, str) else None
            if inner is not None and tolerance.undoes(quirks.JSON_TEXT):
                if shape.may_be_role:
                    inner = _roles(inner, tolerance)
                return _undo_list(shape, inner, tolerance)
            if not tolerance.undoes(quirks.SINGLE_FOR_LIST):
                return value
            elements.append(value)
        case _:
            return value
    undone = _undo_elements(shape, elements, tolerance)
    if len(undone) > 1 and "primary" in shape.parts:
        undone = _undo_primaries(shape, undone, tolerance)
    return undone


def _undo_elements(shape: Shape, elements: list[Json], tolerance: Tolerance) -> list[Json]:
    """The elements made right, without the empty ones; the same list when nothing is changed."""
    changed: list[Json] | None = None
    empty: list[int] = []
    for place, element in enumerate(elements):
        undone = element
        said = False
        if isinstance(element, dict):
            held = element.get("value")
            # Most have a plain value, and need no look at whether they are empty or JSON.
            said = isinstance(held, str) and held != "" and held[0] not in '{"'
            if not said:
                undone = undo_element(shape, element, tolerance)
        if isinstance(undone, dict) and shape.parts:
            undone = undo_parts(undone, shape.parts, tolerance)
        else:
            undone = undo_single(shape, undone, tolerance)
        if not said and is_empty(shape, undone):
            empty.append(place)
        if undone is not element:
            if changed is None:
                changed = list(elements)
            changed[place] = undone
    undone = elements if changed is None else changed
    may_drop = shape.may_be_emptied or len(empty) < len(elements)
    if empty and may_drop and tolerance.undoes(quirks.EMPTY_ELEMENT):
        left_out = set(empty)
        return [each for place, each in enumerate(undone) if place not in left_out]
    return undone


def undo_element(shape: Shape, value: JsonObject, tolerance: Tolerance) -> JsonObject:
    """A complex value whose ``value`` is where it should be: not in JSON text, nor in ``$ref``."""
    if shape.may_be_role:
        return _undo_role(value, tolerance)
    if shape.may_be_reference and key_of(value, "value") is None:
        return _undo_reference(shape, value, tolerance)
    return value


# The last segment of a URL, if it is an id such as ours.
_ID_AT_THE_END: Final = re.compile(r"(?:.*/)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/?", re.I)


def _undo_reference(shape: Shape, value: JsonObject, tolerance: Tolerance) -> JsonObject:
    key = key_of(value, "$ref")
    reference = None if key is None else value[key]
    if not isinstance(reference, str) or not reference:
        return value
    found = _ID_AT_THE_END.fullmatch(reference) if len(reference) <= _MAX_REFERENCE else None
    if found is None:
        if tolerance.tolerates(quirks.REFERENCE_FOR_VALUE):
            tolerance.ignore(f"{shape.attribute.name}.$ref")
        return value
    if not tolerance.undoes(quirks.REFERENCE_FOR_VALUE):
        return value
    return {**value, "value": found[1]}


_MAX_REFERENCE: Final = 2_048
_ROLE: Final = frozenset({"id", "value", "displayName"})


def _role(inner: JsonObject, tolerance: Tolerance) -> JsonObject | None:
    """The role that Entra's JSON text describes.

    Whatever has other than its three keys may be a value that happens to be JSON: None.
    """
    value, name = inner.get("value"), inner.get("displayName")
    if not isinstance(value, str) or not inner.keys() <= _ROLE:
        return None
    if not tolerance.undoes(quirks.ROLE_AS_JSON_TEXT):
        return None
    return {"value": value, "display": name} if isinstance(name, str) else {"value": value}


def _roles(inner: list[Json] | JsonObject, tolerance: Tolerance) -> list[Json] | JsonObject:
    """What was read from JSON text, with the roles in it."""
    if isinstance(inner, dict):
        return inner if inner.keys() == {"value"} else _role(inner, tolerance) or inner
    return [_roles(each, tolerance) if isinstance(each, dict) else each for each in inner]


def role_of(text: str, tolerance: Tolerance) -> JsonObject | None:
    """The role whose JSON text is sent as a role's value; None if it is another value."""
    inner = read_json_text(text) if text[:1] in ("{", '"') else None
    return _role(inner, tolerance) if isinstance(inner, dict) else None


def _undo_role(element: JsonObject, tolerance: Tolerance) -> JsonObject:
    key = key_of(element, "value")
    text = None if key is None else element[key]
    role = role_of(text, tolerance) if isinstance(text, str) else None
    if key is None or role is None:
        return element
    made: JsonObject = {**element, key: role["value"]}
    if "display" in role and key_of(element, "display") is None:
        made["display"] = role["display"]
    return made


def _undo_primaries(shape: Shape, elements: list[Json], tolerance: Tolerance) -> list[Json]:
    primary: list[tuple[int, str, JsonObject]] = []
    for place, element in enumerate(elements):
        if isinstance(element, dict):
            key = key_of(element, "primary")
            if key is not None and element[key] is True:
                primary.append((place, key, element))
    if len(primary) < 2 or not tolerance.undoes(quirks.SEVERAL_PRIMARIES):
        return elements
    kept = next((each for each in primary if not says_nothing(shape, each[2])), primary[0])
    changed = list(elements)
    for each in primary:
        if each is not kept:
            place, key, element = each
            changed[place] = {**element, key: False}
    return changed


def is_empty(shape: Shape, element: Json) -> bool:
    """Whether an element may be left out of a list: a member only if its value is given as empty.

    A member without any was meant otherwise, and is refused.
    """
    if not shape.may_be_emptied and isinstance(element, dict) and key_of(element, "value") is None:
        return False
    return says_nothing(shape, element)


def says_nothing(shape: Shape, value: Json) -> bool:
    """Whether an element has no value, whatever it says about what kind of value it would be."""
    if not isinstance(value, dict):
        return value is None
    for key, found in value.items():
        part = shape.parts.get(key) or shape.parts.get(key.lower())
        if part is None or part.attribute.name in LABELS:
            continue
        if found is not None and found != "" and found != [] and found != {}:
            return False
    return True
