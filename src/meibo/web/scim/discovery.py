"""``/ServiceProviderConfig``, ``/ResourceTypes``, ``/Schemas`` (RFC 7644 §4)."""

from meibo.scim import discovery, errors
from meibo.scim.query import list_response
from meibo.scim.representation import encode
from meibo.scim.schema import JsonObject
from meibo.web.scim.exchange import Answer, Exchange


async def service_provider_config(exchange: Exchange) -> Answer:
    """GET /ServiceProviderConfig."""
    _refuse_filter(exchange)
    return Answer(200, encode(discovery.service_provider_config(exchange.base_url)))


async def resource_types(exchange: Exchange) -> Answer:
    """GET /ResourceTypes."""
    return _listed(exchange, list(_resource_types(exchange).values()))


async def resource_type(exchange: Exchange, name: str) -> Answer:
    """GET /ResourceTypes/{name}."""
    return _one(_resource_types(exchange), name, "resource type")


async def schemas(exchange: Exchange) -> Answer:
    """GET /Schemas: what is really stored for this connection."""
    return _listed(exchange, list(_schemas(exchange).values()))


async def schema(exchange: Exchange, urn: str) -> Answer:
    """GET /Schemas/{urn}."""
    return _one(_schemas(exchange), urn, "schema")


def _listed(exchange: Exchange, documents: list[JsonObject]) -> Answer:
    _refuse_filter(exchange)
    return Answer(200, list_response(len(documents), 1, [encode(each) for each in documents]))


def _refuse_filter(exchange: Exchange) -> None:
    """RFC 7644 §4: a filter here would only hide a part of what is supported."""
    if "filter" in map(str.lower, exchange.parameters()):
        raise errors.Forbidden("filter is not supported here; read the whole document")


def _one(documents: dict[str, JsonObject], name: str, what: str) -> Answer:
    found = documents.get(name.lower())
    if found is None:
        raise errors.NotFound(f"there is no {what} of that name")
    return Answer(200, encode(found))


def _resource_types(exchange: Exchange) -> dict[str, JsonObject]:
    principal = exchange.principal
    return {
        each.name.lower(): discovery.resource_type_document(each, exchange.base_url)
        for each in (principal.user_type, principal.group_type)
    }


def _schemas(exchange: Exchange) -> dict[str, JsonObject]:
    principal = exchange.principal
    found = [
        schema
        for each in (principal.user_type, principal.group_type)
        for schema in (each.schema, *(extension.schema for extension in each.extensions))
    ]
    return {each.id.lower(): discovery.schema_document(each, exchange.base_url) for each in found}
