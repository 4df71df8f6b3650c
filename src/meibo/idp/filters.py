"""Filters as identity providers send them, after they were parsed."""

import re
from urllib.parse import unquote

from meibo.idp.quirks import TWICE_ENCODED, Tolerance
from meibo.scim.filter import And, Compare, Filter, Not, Or, ValuePath

_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")


def undo_filter(filter: Filter, tolerance: Tolerance) -> Filter:
    """The filter that was meant. A value that was encoded once too often is looked for in both
    forms, since a name may really hold a percent sign.
    """
    if not tolerance.undoes(TWICE_ENCODED):
        return filter
    return _decoded(filter, tolerance)


def _decoded(filter: Filter, tolerance: Tolerance) -> Filter:
    match filter:
        case Compare(path, "eq", str() as value) if path.leaf.type == "string":
            decoded = unquote(value, errors="replace") if _ENCODED.search(value) else value
            if decoded == value or "\ufffd" in decoded or "\0" in decoded:
                return filter
            tolerance.note(TWICE_ENCODED)
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
