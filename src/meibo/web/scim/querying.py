"""What queries of every resource type share: filter to condition, page and total."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from meibo.scim.parser import MAX_FILTER_LENGTH
from meibo.scim.query import SearchRequest
from meibo.scim.schema import ResourceType
from meibo.storage.filter_sql import Condition, compile_filter
from meibo.web.scim.exchange import Exchange

Row = TypeVar("Row")

MAX_FILTER_IN_BODY = 16_384  # characters, in .search


def condition(
    exchange: Exchange, search: SearchRequest, resource_type: ResourceType
) -> Condition | None:
    """The filter of a query as a condition of SQL, None for all.

    Raises:
        InvalidFilter: it cannot be parsed, or asks for what cannot be answered.
    """
    if search.filter is None:
        return None
    longest = MAX_FILTER_IN_BODY if exchange.method == "POST" else MAX_FILTER_LENGTH
    parsed = exchange.profile.filter(
        search.filter, resource_type, exchange.quirks, max_length=longest
    )
    return compile_filter(parsed, resource_type, exchange.database.dialect)


async def page_of(
    search: SearchRequest,
    *,
    rows: Callable[[int, int], Awaitable[list[Row]]],
    total: Callable[[], Awaitable[int]],
) -> tuple[list[Row], int]:
    """The page asked for and the number of all results (RFC 7644 §3.4.2.4).

    A first page that is not full has told the total already: the look-ups of identity providers,
    which find one or none, are one statement.
    """
    skip = search.start_index - 1
    found = await rows(skip, search.count) if search.count > 0 else []
    if skip == 0 and len(found) < search.count:
        return found, len(found)
    return found, await total()
