"""Which function answers which path and method.

Paths are matched as they came over the wire: ASCII, letter for letter, no percent signs in fixed
segments. What is not in here does not exist.
"""

import re
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from meibo.scim import errors
from meibo.scim.query import SearchRequest
from meibo.web.scim import discovery, groups, users
from meibo.web.scim.exchange import Answer, Exchange

_ID = re.compile(r"[0-9a-f-]{36}")
# A filter has 16,384 characters at most; what is much longer is not worth reading.
SEARCH_BODY_LIMIT = 64 * 1024

Handler: TypeAlias = Callable[[Exchange], Awaitable[Answer]]
ItemHandler: TypeAlias = Callable[[Exchange, str], Awaitable[Answer]]


async def _query_users(exchange: Exchange) -> Answer:
    return await users.query(exchange, exchange.search_request())


async def _search_users(exchange: Exchange) -> Answer:
    return await users.query(exchange, await _search_message(exchange))


async def _query_groups(exchange: Exchange) -> Answer:
    return await groups.query(exchange, exchange.search_request())


async def _search_groups(exchange: Exchange) -> Answer:
    return await groups.query(exchange, await _search_message(exchange))


async def _search_message(exchange: Exchange) -> SearchRequest:
    return SearchRequest.from_message(
        await exchange.json(body_limit=SEARCH_BODY_LIMIT),
        strict_schemas=exchange.profile.strict_schemas,
    )


async def _not_implemented(exchange: Exchange) -> Answer:
    raise errors.NotImplementedByServer(f"{exchange.path} is not supported by this server")


COLLECTIONS: dict[str, dict[str, Handler]] = {
    "/Users": {"GET": _query_users, "POST": users.create},
    "/Users/.search": {"POST": _search_users},
    "/Groups": {"GET": _query_groups, "POST": groups.create},
    "/Groups/.search": {"POST": _search_groups},
    "/ServiceProviderConfig": {"GET": discovery.service_provider_config},
    "/ResourceTypes": {"GET": discovery.resource_types},
    "/Schemas": {"GET": discovery.schemas},
    "/.search": {"POST": _not_implemented},
    "/Bulk": {"POST": _not_implemented},
    "/Me": dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), _not_implemented),
}

ITEMS: dict[str, dict[str, ItemHandler]] = {
    "/Users": {
        "GET": users.read,
        "PUT": users.replace,
        "PATCH": users.patch,
        "DELETE": users.delete,
    },
    "/Groups": {
        "GET": groups.read,
        "PUT": groups.replace,
        "PATCH": groups.patch,
        "DELETE": groups.delete,
    },
    "/ResourceTypes": {"GET": discovery.resource_type},
    "/Schemas": {"GET": discovery.schema},
}

_RESOURCES = {"/Users": "User", "/Groups": "Group"}
_LOOK_UPS = {
    "GET": "look-up",
    "POST": "create",
    "PUT": "replace",
    "PATCH": "patch",
    "DELETE": "delete",
}


async def answer(exchange: Exchange) -> Answer:
    """Runs what the path and method stand for.

    Raises:
        NotFound, MethodNotAllowed, and whatever the handler refuses.
    """
    path = exchange.path
    if path in ("/Users/", "/Groups/"):  # Microsoft's test collections write /Users/?filter=...
        path = path[:-1]
    # HEAD is GET without the body (RFC 9110 §9.3.2); the body is left off where it is sent.
    method = "GET" if exchange.method == "HEAD" else exchange.method
    exchange.action = _LOOK_UPS.get(method, method.lower()[:20])
    collection = COLLECTIONS.get(path)
    if collection is not None:
        exchange.resource_type = _RESOURCES.get(path.removesuffix("/.search"))
        handler = collection.get(method)
        if handler is None:
            raise _not_allowed(method, path, collection)
        if path.endswith("/.search"):
            exchange.action = "look-up"
        return await handler(exchange)
    parent, _, name = path.rpartition("/")
    items = ITEMS.get(parent)
    if items is None:
        raise errors.NotFound("there is no such endpoint")
    item = items.get(method)
    if item is None:
        raise _not_allowed(method, f"{parent}/{{id}}", items)
    resource = _RESOURCES.get(parent)
    if resource is not None:
        exchange.resource_type = resource
        if _ID.fullmatch(name) is None:
            raise errors.NotFound(f"there is no {resource.lower()} with that id")
        exchange.resource_id = name
    return await item(exchange, name)


def _not_allowed(
    method: str, path: str, handlers: dict[str, Handler] | dict[str, ItemHandler]
) -> errors.MethodNotAllowed:
    allowed = tuple(handlers)
    return errors.MethodNotAllowed(
        f"{method[:20]} is not possible on {path}; it has {', '.join(allowed)}", allowed=allowed
    )
