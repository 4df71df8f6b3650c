"""ServiceProviderConfig, Schema and ResourceType documents (RFC 7643 §5 to §7)."""

from collections.abc import Iterator

import pytest

from meibo.scim import urns
from meibo.scim.core_schemas import CustomAttribute, group_type, user_type
from meibo.scim.discovery import (
    resource_type_document,
    schema_document,
    schema_documents,
    service_provider_config,
)
from meibo.scim.schema import Json, JsonObject

BASE = "https://meibo.example/scim/v2"
USER = user_type((CustomAttribute("badge"), CustomAttribute("hired", "dateTime")))
GROUP = group_type()

CHARACTERISTICS = {
    *("name", "type", "multiValued", "description", "required", "caseExact"),
    *("mutability", "returned", "uniqueness"),
}


def elements(value: Json) -> list[JsonObject]:
    assert isinstance(value, list)
    return [each for each in value if isinstance(each, dict)]


def attributes(document: JsonObject) -> Iterator[JsonObject]:
    for attribute in elements(document["attributes"]):
        yield attribute
        yield from elements(attribute.get("subAttributes", []))


def named(document: JsonObject, name: str, within: str = "attributes") -> JsonObject:
    (found,) = [each for each in elements(document[within]) if each["name"] == name]
    return found


def test_the_service_provider_config_is_complete() -> None:
    document = service_provider_config(BASE)
    assert document["schemas"] == [urns.SERVICE_PROVIDER_CONFIG]
    assert document["patch"] == {"supported": True}
    assert document["bulk"] == {
        "supported": False,
        "maxOperations": 1_000,
        "maxPayloadSize": 1_048_576,
    }
    assert document["filter"] == {"supported": True, "maxResults": 1_000}
    assert document["etag"] == {"supported": True}
    for unsupported in ("changePassword", "sort"):
        assert document[unsupported] == {"supported": False}
    (scheme,) = elements(document["authenticationSchemes"])
    assert scheme["type"] == "oauthbearertoken"
    assert scheme["primary"] is True
    assert scheme["name"]
    assert scheme["description"]
    assert document["meta"] == {
        "resourceType": "ServiceProviderConfig",
        "location": f"{BASE}/ServiceProviderConfig",
    }
    assert "documentationUri" not in document
    documented = service_provider_config(BASE, documentation_uri="https://meibo.example/docs")
    assert documented["documentationUri"] == "https://meibo.example/docs"


def test_resource_types_have_relative_endpoints_and_name_their_extensions() -> None:
    assert resource_type_document(USER, BASE) == {
        "schemas": [urns.RESOURCE_TYPE],
        "id": "User",
        "name": "User",
        "description": "User Account",
        "endpoint": "/Users",
        "schema": urns.USER,
        "schemaExtensions": [
            {"schema": urns.ENTERPRISE_USER, "required": False},
            {"schema": urns.CUSTOM_USER, "required": False},
        ],
        "meta": {"resourceType": "ResourceType", "location": f"{BASE}/ResourceTypes/User"},
    }
    assert resource_type_document(GROUP, BASE)["schemaExtensions"] == []


def test_there_is_a_document_for_every_schema_that_is_stored() -> None:
    documents = schema_documents((USER, GROUP), BASE)
    assert [each["id"] for each in documents] == [
        urns.USER,
        urns.ENTERPRISE_USER,
        urns.CUSTOM_USER,
        urns.GROUP,
    ]
    for document in documents:
        assert document["schemas"] == [urns.SCHEMA]
        assert document["meta"] == {
            "resourceType": "Schema",
            "location": f"{BASE}/Schemas/{document['id']}",
        }
        assert document["name"]
        assert document["description"]


@pytest.mark.parametrize("document", schema_documents((USER, GROUP), BASE), ids=lambda d: d["name"])
def test_every_characteristic_is_spelled_out(document: JsonObject) -> None:
    for attribute in attributes(document):
        extra = set(attribute) - CHARACTERISTICS
        assert attribute.keys() >= CHARACTERISTICS
        assert extra <= {"canonicalValues", "referenceTypes", "subAttributes"}
        assert ("referenceTypes" in extra) == (attribute["type"] == "reference")
        assert ("subAttributes" in extra) == (attribute["type"] == "complex")
        assert attribute.get("canonicalValues") != []


def test_the_password_is_not_shown() -> None:
    names = {str(each["name"]) for each in attributes(schema_document(USER.schema, BASE))}
    assert "password" not in names
    assert "userName" in names


def test_the_documents_tell_the_truth_of_the_errata() -> None:
    group = schema_document(GROUP.schema, BASE)
    assert named(group, "displayName")["required"] is True  # 5368
    user = schema_document(USER.schema, BASE)
    assert named(user, "profileUrl")["caseExact"] is True  # 6001
    members = named(group, "members")
    for name in ("value", "$ref", "type"):
        assert named(members, name, "subAttributes")["mutability"] == "immutable"
    assert named(members, "$ref", "subAttributes")["referenceTypes"] == ["User", "Group"]
    assert named(user, "userName")["uniqueness"] == "server"


def test_custom_attributes_are_published_with_their_type() -> None:
    (_, _, custom, _) = schema_documents((USER, GROUP), BASE)
    assert named(custom, "hired")["type"] == "dateTime"
    assert custom["id"] == urns.CUSTOM_USER
