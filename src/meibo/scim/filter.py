"""The filter tree and what it means (RFC 7644 §3.4.2.2); ``meibo.scim.parser`` makes it of text."""

import json
import operator as compare
from collections.abc import Callable
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, Literal, TypeAlias

from meibo.scim.comparison import Scalar
from meibo.scim.path import AttributePath
from meibo.scim.schema import Json, JsonObject

Operator: TypeAlias = Literal["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"]


@dataclass(frozen=True, slots=True)
class Compare:
    """``userName eq "x"``: a value at the path stands in that relation to ``value``.

    ``value`` is the literal as it was written and ``comparable`` its comparable form, computed
    once. Null goes with ``eq`` and ``ne`` only and asks whether the attribute is assigned; only
    then may the path end at a complex attribute.

    Raises:
        ValueError: the literal is not of the attribute's type.
    """

    path: AttributePath
    operator: Operator
    value: Scalar
    comparable: Scalar = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "comparable", self.path.comparable(self.value))


@dataclass(frozen=True, slots=True)
class Present:
    """``emails pr``: the attribute has a value that is not empty; false and 0 are values."""

    path: AttributePath


@dataclass(frozen=True, slots=True)
class ValuePath:
    """``emails[type eq "work" and value co "@a.example"]``: one element must satisfy it all."""

    path: AttributePath
    condition: "Filter"


@dataclass(frozen=True, slots=True)
class And:
    """Both must hold."""

    left: "Filter"
    right: "Filter"


@dataclass(frozen=True, slots=True)
class Or:
    """At least one must hold."""

    left: "Filter"
    right: "Filter"


@dataclass(frozen=True, slots=True)
class Not:
    """The inner filter must not hold."""

    inner: "Filter"


Filter: TypeAlias = Compare | Present | ValuePath | And | Or | Not


def matches(filter: Filter, value: JsonObject) -> bool:
    """Whether ``filter`` holds for ``value``: a resource, or one element of an attribute.

    A comparison holds when any value at its path satisfies it. ``ne`` holds also when there is no
    value at all, so that for a single-valued attribute it is the opposite of ``eq``. What is held
    under an attribute but is not of its type (left from an older definition) equals nothing.

    The parser has refused unknown attributes and operators that do not suit a type, and limits the
    depth.
    """
    match filter:
        case Compare(path, operator, None):
            return matches(Present(path), value) == (operator == "ne")
        case Compare():
            return _compares(filter, value)
        case And(left, right):
            return matches(left, value) and matches(right, value)
        case Or(left, right):
            return matches(left, value) or matches(right, value)
        case Not(inner):
            return not matches(inner, value)
        case Present(path):
            return not all(_is_empty(found) for found in path.values(value))
        case ValuePath(path, condition):
            return any(
                matches(condition, element)
                for element in path.values(value)
                if isinstance(element, dict)
            )


def to_text(filter: Filter) -> str:
    """The filter in canonical spelling, with the fewest parentheses; parsed it is the same tree."""
    match filter:
        case Compare(path, operator, value):
            return f"{path} {operator} {json.dumps(value, ensure_ascii=False)}"
        case Present(path):
            return f"{path} pr"
        case ValuePath(path, condition):
            return f"{path}[{to_text(condition)}]"
        case And(left, right):
            # Chains lean to the left as they are parsed; a right-hand chain had parentheses.
            return f"{_operand(left, Or)} and {_operand(right, And | Or)}"
        case Or(left, right):
            return f"{to_text(left)} or {_operand(right, Or)}"
        case Not(inner):
            return f"not ({to_text(inner)})"


def _operand(filter: Filter, weaker: type[And] | type[Or] | UnionType) -> str:
    text = to_text(filter)
    return f"({text})" if isinstance(filter, weaker) else text


# Both sides are comparable forms of one attribute, so they are of one type.
_HOLDS: dict[Operator, Callable[[Any, Any], bool]] = {
    "eq": compare.eq,
    "ne": compare.ne,
    "co": str.__contains__,
    "sw": str.startswith,
    "ew": str.endswith,
    "gt": compare.gt,
    "ge": compare.ge,
    "lt": compare.lt,
    "le": compare.le,
}


def _compares(filter: Compare, value: JsonObject) -> bool:
    path, wanted, operator = filter.path, filter.comparable, filter.operator
    holds = _HOLDS[operator]
    unassigned = True
    for found in path.values(value):
        unassigned = False
        try:
            held = path.comparable(found)
        except ValueError:  # of another type than the attribute has now: unequal, and in no order
            if operator == "ne":
                return True
            continue
        if holds(held, wanted):
            return True
    return unassigned and operator == "ne"


def _is_empty(value: Json) -> bool:
    match value:
        case dict():
            return all(_is_empty(inner) for inner in value.values())
        case list():
            return all(_is_empty(inner) for inner in value)
        case _:
            return value is None or value == ""
