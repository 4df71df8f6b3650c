"""The discovery endpoints: what the service says of itself."""

from typing import Any

import pytest

from meibo.scim import urns
from tests.web.scim.service import ENTERPRISE, IdentityProvider, Service, refusal


async def test_the_service_provider_config_tells_where_it_is(idp: IdentityProvider) -> None:
    answer = await idp.get("/ServiceProviderConfig")
    config = answer.json()
    assert answer.status_code == 200
    assert config["meta"]["location"] == f"{idp.base_url}/ServiceProviderConfig"
    supported = {name: value["supported"] for name, value in config.items() if "supported" in value}
    assert supported == {
        "patch": True,
        "bulk": False,
        "filter": True,
        "changePassword": False,
        "sort": False,
        "etag": True,
    }


@pytest.mark.parametrize("path", ["/ResourceTypes", "/Schemas"])
async def test_every_document_of_a_list_can_be_read_by_its_location(
    idp: IdentityProvider, path: str
) -> None:
    listed = (await idp.get(path)).json()
    assert listed["schemas"] == [urns.LIST_RESPONSE]
    assert listed["totalResults"] == listed["itemsPerPage"] == len(listed["Resources"])
    for document in listed["Resources"]:
        location = document["meta"]["location"]
        assert location == f"{idp.base_url}{path}/{document['id']}"
        assert (await idp.get(location.removeprefix(idp.base_url))).json() == document


async def test_resource_types_and_schemas_name_each_other(
    service: Service, idp: IdentityProvider
) -> None:
    await service.add_attribute("badge")
    idp = await service.connect(idp.name)
    types = (await idp.get("/ResourceTypes")).json()["Resources"]
    schemas = {each["id"] for each in (await idp.get("/Schemas")).json()["Resources"]}
    named = {each["schema"] for each in types} | {
        extension["schema"] for each in types for extension in each["schemaExtensions"]
    }
    assert named == schemas == {urns.USER, urns.GROUP, ENTERPRISE, urns.CUSTOM_USER}
    for each in types:
        assert (await idp.get(each["endpoint"])).status_code == 200


async def test_names_ignore_letter_case_and_unknown_ones_are_not_found(
    idp: IdentityProvider,
) -> None:
    assert (await idp.get("/ResourceTypes/user")).json()["id"] == "User"
    assert (await idp.get(f"/Schemas/{urns.GROUP.upper()}")).json()["id"] == urns.GROUP
    refusal(await idp.get("/ResourceTypes/Device"), 404)
    refusal(await idp.get("/Schemas/urn:nothing"), 404)


@pytest.mark.parametrize("path", ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"])
async def test_discovery_takes_no_filter(idp: IdentityProvider, path: str) -> None:
    refusal(await idp.get(f"{path}?filter=id+eq+%22User%22"), 403)
    assert (await idp.get(f"{path}?startIndex=1&count=1")).status_code == 200


@pytest.mark.parametrize("path", ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas/x"])
async def test_discovery_cannot_be_written(idp: IdentityProvider, path: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await idp.send(method, path, {})
        refusal(answer, 405)
        assert answer.headers["allow"] == "GET"


async def test_published_attributes_are_really_kept(idp: IdentityProvider) -> None:
    """Whatever /Schemas names can be stored, and comes back as it was sent."""
    values: dict[str, Any] = {
        "string": "x",
        "boolean": True,
        "reference": "https://a.example/x",
        "binary": "TUlJ",
    }
    schemas = {each["id"]: each for each in (await idp.get("/Schemas")).json()["Resources"]}

    def sample(attribute: Any) -> Any:
        if attribute["type"] != "complex":
            return values[attribute["type"]]
        inner = {
            each["name"]: sample(each)
            for each in attribute["subAttributes"]
            if each["mutability"] != "readOnly"
        }
        return [inner] if attribute["multiValued"] else inner

    body = {
        each["name"]: sample(each)
        for each in schemas[urns.USER]["attributes"]
        if each["mutability"] != "readOnly"
    }
    extension = {each["name"]: sample(each) for each in schemas[ENTERPRISE]["attributes"]}
    del body["userName"]
    created = await idp.create_user(**body, **{ENTERPRISE: extension})
    assert {name: created[name] for name in body} == body
    assert created[ENTERPRISE] == extension
