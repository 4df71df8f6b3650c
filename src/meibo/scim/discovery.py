"""ServiceProviderConfig, Schema and ResourceType documents (RFC 7643 §5 to §7, RFC 7644 §4).

``base_url`` is the URL of the SCIM service without a slash at its end.
"""

from meibo.scim import urns
from meibo.scim.query import MAX_COUNT
from meibo.scim.schema import Attribute, Json, JsonObject, ResourceType, Schema

MAX_BULK_OPERATIONS = 1_000
MAX_BULK_PAYLOAD_BYTES = 1_048_576


def service_provider_config(
    base_url: str,
    *,
    max_results: int = MAX_COUNT,
    max_operations: int = MAX_BULK_OPERATIONS,
    max_payload_bytes: int = MAX_BULK_PAYLOAD_BYTES,
    documentation_uri: str | None = None,
) -> JsonObject:
    """What this service provider supports (RFC 7643 §5).

    The limits of bulk are there although bulk is not supported yet: clients are known that take a
    document without them for none, and then use neither PATCH nor filters.
    """
    document: JsonObject = {"schemas": [urns.SERVICE_PROVIDER_CONFIG]}
    if documentation_uri is not None:
        document["documentationUri"] = documentation_uri
    scheme: JsonObject = {
        "type": "oauthbearertoken",
        "name": "OAuth Bearer Token",
        "description": "Send the token of the connection in the Authorization header.",
        "specUri": "https://www.rfc-editor.org/info/rfc6750",
        "primary": True,
    }
    document |= {
        "patch": {"supported": True},
        "bulk": {
            "supported": False,
            "maxOperations": max_operations,
            "maxPayloadSize": max_payload_bytes,
        },
        "filter": {"supported": True, "maxResults": max_results},
        "changePassword": {"supported": False},
        "sort": {"supported": False},
        "etag": {"supported": True},
        "authenticationSchemes": [scheme],
        "meta": _meta("ServiceProviderConfig", f"{base_url}/ServiceProviderConfig"),
    }
    return document


def resource_type_document(resource_type: ResourceType, base_url: str) -> JsonObject:
    """A resource type (RFC 7643 §6); its endpoint is relative to the base URL."""
    return {
        "schemas": [urns.RESOURCE_TYPE],
        "id": resource_type.name,
        "name": resource_type.name,
        "description": resource_type.description,
        "endpoint": resource_type.endpoint,
        "schema": resource_type.schema.id,
        "schemaExtensions": [
            {"schema": each.schema.id, "required": each.required}
            for each in resource_type.extensions
        ],
        "meta": _meta("ResourceType", f"{base_url}/ResourceTypes/{resource_type.name}"),
    }


def schema_documents(resource_types: tuple[ResourceType, ...], base_url: str) -> list[JsonObject]:
    """The documents of all schemas that these resource types have, in their order."""
    schemas: dict[str, Schema] = {}
    for resource_type in resource_types:
        schemas.setdefault(resource_type.schema.id, resource_type.schema)
        for extension in resource_type.extensions:
            schemas.setdefault(extension.schema.id, extension.schema)
    return [schema_document(each, base_url) for each in schemas.values()]


def schema_document(schema: Schema, base_url: str) -> JsonObject:
    """A schema with every characteristic spelled out (RFC 7643 §7).

    An attribute that is taken and not kept (the password) is not in it: the document tells what is
    really stored.
    """
    return {
        "schemas": [urns.SCHEMA],
        "id": schema.id,
        "name": schema.name,
        "description": schema.description,
        "attributes": _attributes(schema.attributes),
        "meta": _meta("Schema", f"{base_url}/Schemas/{schema.id}"),
    }


def _attributes(attributes: tuple[Attribute, ...]) -> list[Json]:
    return [_attribute(each) for each in attributes if each.mutability != "writeOnly"]


def _attribute(attribute: Attribute) -> JsonObject:
    document: JsonObject = {
        "name": attribute.name,
        "type": attribute.type,
        "multiValued": attribute.multi_valued,
        "description": attribute.description,
        "required": attribute.required,
        "caseExact": attribute.case_exact,
        "mutability": attribute.mutability,
        "returned": attribute.returned,
        "uniqueness": attribute.uniqueness,
    }
    if attribute.canonical_values:
        document["canonicalValues"] = list(attribute.canonical_values)
    if attribute.type == "reference":
        document["referenceTypes"] = list(attribute.reference_types)
    if attribute.type == "complex":
        document["subAttributes"] = _attributes(attribute.sub_attributes)
    return document


def _meta(resource_type: str, location: str) -> JsonObject:
    return {"resourceType": resource_type, "location": location}
