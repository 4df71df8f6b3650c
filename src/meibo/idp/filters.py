"""Filters as identity providers send them (RFC 7644 §3.4.2.2)."""

import re
from typing import Final
from urllib.parse import unquote

from meibo.idp import quirks
from meibo.idp.paths import with_urn
from meibo.idp.quirks import Quirk, Tolerance
from meibo.scim.errors import InvalidFilter
from meibo.scim.filter import And, Compare, Filter, Not, Or, ValuePath
from meibo.scim.parser import parse_filter
from meibo.scim.path import AttributePath, resolve
from meibo.scim.schema import ResourceType, Schema, Type

_ENCODED: Final = re.compile(r"%[0-9A-Fa-f]{2}")
# Why a literal for an attribute of that type is not JSON; for all others it is a bare word.
_OF_LITERALS: Final[dict[Type, Quirk]] = {
    "boolean": quirks.BOOLEAN_AS_STRING,
    "decimal": quirks.NUMBER_AS_STRING,
    "integer": quirks.NUMBER_AS_STRING,
}


def undo_filter(
    text: str, resource_type: ResourceType, tolerance: Tolerance, *, max_length: int
) -> Filter:
    """The filter that was meant. A value that was encoded once too often is looked for in both
    forms, since a name may really hold a percent sign.

    Raises:
        InvalidFilter: the text is no filter, in whatever way it is read.
    """
    try:
        filter = parse_filter(text, resource_type, max_length=max_length)
    except InvalidFilter as refusal:
        filter = _parsed_leniently(text, resource_type, tolerance, refusal, max_length)
    if "%" in text and tolerance.tolerates(quirks.TWICE_ENCODED):
        filter = _decoded(filter, tolerance)
    return filter


def _parsed_leniently(
    text: str,
    resource_type: ResourceType,
    tolerance: Tolerance,
    refusal: InvalidFilter,
    max_length: int,
) -> Filter:
    found: set[Quirk] = set()

    def respelt(name: str, resource_type: ResourceType) -> AttributePath | Schema | None:
        path = resolve(name, resource_type)
        if path is None:
            for spelling, why in with_urn(name, resource_type):
                path = resolve(spelling, resource_type)
                if path is not None:
                    found.update(why)
                    break
        return path

    types: set[Type] = set()
    filter = parse_filter(
        text,
        resource_type,
        bare_words=True,
        departures=types,
        resolve=respelt,
        max_length=max_length,
    )
    found.update(_OF_LITERALS.get(each, quirks.BARE_WORD) for each in types)
    if not all(map(tolerance.tolerates, found)):
        raise refusal
    for quirk in found:
        tolerance.undoes(quirk)
    return filter


def _decoded(filter: Filter, tolerance: Tolerance) -> Filter:
    match filter:
        case Compare(path, "eq", str() as value) if path.leaf.type == "string":
            decoded = unquote(value, errors="replace") if _ENCODED.search(value) else value
            if decoded == value or "\ufffd" in decoded or "\0" in decoded:
                return filter
            tolerance.undoes(quirks.TWICE_ENCODED)
            return Or(filter, Compare(path, "eq", decoded))
        case And(left, right):
            return And(_decoded(left, tolerance), _decoded(right, tolerance))
        case Or(left, right):
            return Or(_decoded(left, tolerance), _decoded(right, tolerance))
        case Not(inner):
            return Not(_decoded(inner, tolerance))
        case ValuePath(path, condition):
            return ValuePath(path, _decoded(condition, tolerance))
        case _:
            return filter
