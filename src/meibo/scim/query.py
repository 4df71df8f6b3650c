"""What a query asks, and the list that answers it (RFC 7644 §3.4.2, §3.4.3)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from meibo.scim import urns
from meibo.scim.errors import InvalidFilter, InvalidSyntax, InvalidValue
from meibo.scim.parser import shown
from meibo.scim.resource import check_message, described
from meibo.scim.schema import Json

DEFAULT_COUNT = 100
MAX_COUNT = 1_000
_MAX_START_INDEX = 2**31 - 1

# `int()` would take 1_0, digits of every script and spaces.
_INTEGER = re.compile(r"-?[0-9]{1,10}")
_MAX_INTEGER = 10**10 - 1

_LIST_RESPONSE_HEAD = (
    f'{{"schemas":["{urns.LIST_RESPONSE}"],"totalResults":%d,"itemsPerPage":%d,'
    '"startIndex":%d,"Resources":['
).encode()


_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """The parameters of a query, from the URL or from the body of ``/.search``.

    ``filter`` is still text. ``start_index`` is 1 or more; ``count`` lies between 0 and MAX_COUNT.
    Names that no parameter has are ignored (RFC 7644 §3.4.2).
    """

    filter: str | None = None
    attributes: tuple[str, ...] | None = None
    excluded_attributes: tuple[str, ...] | None = None
    start_index: int = 1
    count: int = DEFAULT_COUNT

    @staticmethod
    def from_parameters(parameters: Mapping[str, str]) -> "SearchRequest":
        """The query in a URL's parameters, their names in any letter case.

        Raises:
            InvalidValue: a number is none, or a parameter is there twice, in two letter cases.
        """
        if not parameters:
            return _FIRST_PAGE
        named = _by_lower_name(parameters)
        return SearchRequest(
            filter=named.get("filter"),
            attributes=_names(named.get("attributes")),
            excluded_attributes=_names(named.get("excludedattributes")),
            start_index=_start_index(_integer("startIndex", named.get("startindex"))),
            count=_count(_integer("count", named.get("count"))),
        )

    @staticmethod
    def from_message(message: Json, *, strict_schemas: bool = True) -> "SearchRequest":
        """The query in a SearchRequest message.

        Raises:
            InvalidSyntax: the message is not a SearchRequest.
            InvalidFilter: the filter is no string.
            InvalidValue: another member is not of its type.
        """
        if not isinstance(message, dict):
            raise InvalidSyntax(f"The body must be a SearchRequest, not {described(message)}.")
        named = _by_lower_name(message)
        if strict_schemas:
            check_message(named.get("schemas"), urns.SEARCH_REQUEST, "search")
        filter = named.get("filter")
        if filter is not None and not isinstance(filter, str):
            raise InvalidFilter(f"filter must be a string, not {described(filter)}.")
        for name in ("sortby", "sortorder"):
            # Sorting is not supported and so ignored (RFC 7644 §3.4.2.3), but not nonsense.
            if not isinstance(named.get(name), str | None):
                raise InvalidValue(f"{name} must be a string, not {described(named[name])}.")
        return SearchRequest(
            filter=filter,
            attributes=_listed_names("attributes", named.get("attributes")),
            excluded_attributes=_listed_names(
                "excludedAttributes", named.get("excludedattributes")
            ),
            start_index=_start_index(_whole_number("startIndex", named.get("startindex"))),
            count=_count(_whole_number("count", named.get("count"))),
        )


_FIRST_PAGE = SearchRequest()


def _by_lower_name(members: Mapping[str, _Value]) -> dict[str, _Value]:
    named = {name.lower(): value for name, value in members.items()}
    if len(named) != len(members):
        raise InvalidValue("A parameter is given twice, in different letter case.")
    return named


def _names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(name for each in text.split(",") if (name := each.strip())) or None


def _listed_names(name: str, value: Json) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, list):
        names = tuple(each.strip() for each in value if isinstance(each, str))
        if len(names) == len(value):
            return names or None
    raise InvalidValue(f"{name} must be an array of strings.")


def _integer(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if _INTEGER.fullmatch(text) is None:
        raise InvalidValue(f"{name} must be a whole number, not {shown(text)}.")
    return int(text)


def _whole_number(name: str, value: Json) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _MAX_INTEGER:
        raise InvalidValue(f"{name} must be a whole number, not {described(value)}.")
    return value


def _start_index(value: int | None) -> int:
    """Less than 1 is 1 (RFC 7644 §3.4.2.4); nothing lies behind the 2^31st resource."""
    return 1 if value is None else min(max(value, 1), _MAX_START_INDEX)


def _count(value: int | None) -> int:
    """Negative is 0 (RFC 7644 §3.4.2.4), and more than the maximum is the maximum."""
    return DEFAULT_COUNT if value is None else min(max(value, 0), MAX_COUNT)


def list_response(total: int, start_index: int, resources: Sequence[bytes]) -> bytes:
    """The JSON of a ListResponse with these resources, each of them JSON already.

    ``total`` counts all matches, not only those on this page. ``Resources`` is there even when it
    is empty: clients are known to fail without it.
    """
    head = list_response_head(total, start_index, len(resources))
    return b"%b%b]}" % (head, b",".join(resources))


def list_response_head(total: int, start_index: int, items: int) -> bytes:
    """A ListResponse up to its resources, for one that is streamed; it ends with ``]}``."""
    return _LIST_RESPONSE_HEAD % (total, items, start_index)
