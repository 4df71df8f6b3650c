"""Values as vendors send them, made into what their attributes ask for (RFC 7643 §2.3, §2.4).

Everything is driven by the attribute's definition, so it holds for custom attributes too. Nothing
is changed in place: a value in which no quirk is found is given back itself. What fits no quirk is
left as it is, and the engine refuses it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

from meibo.idp import quirks
from meibo.idp.json_text import read_json_text
from meibo.idp.quirks import Tolerance
from meibo.scim.schema import Attribute, Json, JsonObject, Type


class _Inspected:
    """No value is of this class: it stands for types whose values are always looked into."""


_PLAIN: Final[dict[Type, type]] = {
    "string": str,
    "reference": str,
    "binary": str,
    "dateTime": str,
    "boolean": bool,
    "integer": int,
    "decimal": float,
    "complex": _Inspected,
}


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What a value of an attribute looks like.

    ``plain`` is the class of a value that needs no second look, unless it is an empty string.
    ``parts`` are the sub-attributes that a client may write, by name and by name in lower case.
    """

    attribute: Attribute
    plain: type
    parts: "Mapping[str, Shape]"
    drops_empty: bool  # an element without a value is left out of the list
    value_may_be_json: bool  # the value of an element may be JSON text of a role


@lru_cache(maxsize=4096)
def shape_of(attribute: Attribute) -> Shape:
    """The shape of an attribute; equal arguments give one instance."""
    parts = parts_of(attribute.sub_attributes)
    value = parts.get("value")
    return Shape(
        attribute,
        _Inspected if attribute.multi_valued else _PLAIN[attribute.type],
        parts,
        # A list of members that became empty would empty the group; those are left to the engine.
        drops_empty=value is None or value.attribute.mutability != "immutable",
        value_may_be_json=(
            attribute.multi_valued
            and value is not None
            and value.attribute.type == "string"
            and "display" in parts
        ),
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


def _may_clear(attribute: Attribute) -> bool:
    return not attribute.required and attribute.mutability != "immutable"


def _undo_text(shape: Shape, text: str, tolerance: Tolerance) -> Json:
    attribute = shape.attribute
    if not text:
        return None if _may_clear(attribute) and tolerance.undoes(quirks.EMPTY_STRING) else text
    match attribute.type:
        case "boolean":
            truth = _BOOLEANS.get(text.lower()) if len(text) <= 5 else None
            if truth is not None and tolerance.undoes(quirks.BOOLEAN_AS_STRING):
                return truth
        case "integer" | "decimal":
            number = _number(text)
            if number is not None and (attribute.type == "decimal" or isinstance(number, int)):
                return number if tolerance.undoes(quirks.NUMBER_AS_STRING) else text
        case "complex":
            inner = read_json_text(text)
            if inner is not None and tolerance.undoes(quirks.JSON_TEXT):
                return undo_single(shape, inner, tolerance)
            value = shape.parts.get("value")
            if value is not None and value.plain is str:
                return {"value": text} if tolerance.undoes(quirks.STRING_FOR_OBJECT) else text
        case _:
            pass
    return text


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
        undone = undo_parts(value, shape.parts, tolerance)
        if (
            undone is not value
            and not attribute.multi_valued
            and "value" in shape.parts
            and _says_nothing(shape, undone)
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

# Sub-attributes that describe a value and are none themselves (RFC 7643 §2.4).
_DESCRIPTIONS: Final = frozenset({"type", "display", "primary"})


def _undo_list(shape: Shape, value: Json, tolerance: Tolerance) -> Json:
    elements: list[Json] = []
    match value:
        case list():
            if not value:
                return value
            elements = value
        case "" if _may_clear(shape.attribute) and tolerance.undoes(quirks.EMPTY_STRING):
            return None
        case str() | dict():
            inner = read_json_text(value) if isinstance(value, str) else None
            if inner is not None and tolerance.undoes(quirks.JSON_TEXT):
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
    for place, element in enumerate(elements):
        undone = element
        said = False
        if isinstance(element, dict):
            held = element.get("value")
            # Most have a plain value, and need no look at whether they are empty or JSON.
            said = isinstance(held, str) and held != "" and held[0] != "{"
            if not said and shape.value_may_be_json:
                undone = _undo_role(element, tolerance)
        if isinstance(undone, dict) and shape.parts:
            undone = undo_parts(undone, shape.parts, tolerance)
        else:
            undone = undo_single(shape, undone, tolerance)
        if (
            not said
            and shape.drops_empty
            and _says_nothing(shape, undone)
            and tolerance.undoes(quirks.EMPTY_ELEMENT)
        ):
            if changed is None:
                changed = elements[:place]
        elif changed is not None:
            changed.append(undone)
        elif undone is not element:
            changed = [*elements[:place], undone]
    return elements if changed is None else changed


def _undo_role(element: JsonObject, tolerance: Tolerance) -> JsonObject:
    key = key_of(element, "value")
    text = None if key is None else element[key]
    if key is None or not isinstance(text, str) or text[:1] != "{":
        return element
    inner = read_json_text(text)
    # Whatever is not exactly Entra's three keys may be a value that happens to be JSON.
    if not isinstance(inner, dict) or not inner.keys() <= {"id", "value", "displayName"}:
        return element
    value, name = inner.get("value"), inner.get("displayName")
    if not isinstance(value, str) or not tolerance.undoes(quirks.ROLE_AS_JSON_TEXT):
        return element
    role: JsonObject = {**element, key: value}
    if isinstance(name, str) and key_of(element, "display") is None:
        role["display"] = name
    return role


def _undo_primaries(shape: Shape, elements: list[Json], tolerance: Tolerance) -> list[Json]:
    primary: list[tuple[int, str, JsonObject]] = []
    for place, element in enumerate(elements):
        if isinstance(element, dict):
            key = key_of(element, "primary")
            if key is not None and element[key] is True:
                primary.append((place, key, element))
    if len(primary) < 2 or not tolerance.undoes(quirks.SEVERAL_PRIMARIES):
        return elements
    kept = next((each for each in primary if not _says_nothing(shape, each[2])), primary[0])
    changed = list(elements)
    for each in primary:
        if each is not kept:
            place, key, element = each
            changed[place] = {**element, key: False}
    return changed


def _says_nothing(shape: Shape, value: Json) -> bool:
    """Whether an element has no value, whatever it says about what kind of value it would be."""
    if not isinstance(value, dict):
        return value is None
    for key, found in value.items():
        part = shape.parts.get(key) or shape.parts.get(key.lower())
        if part is None or part.attribute.name in _DESCRIPTIONS:
            continue
        if found is not None and found != "" and found != [] and found != {}:
            return False
    return True
