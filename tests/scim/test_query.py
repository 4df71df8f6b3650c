"""Query parameters, search messages and list responses (RFC 7644 §3.4.2, §3.4.3)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meibo.scim import urns
from meibo.scim.errors import InvalidFilter, InvalidSyntax, InvalidValue, ScimError
from meibo.scim.query import SearchRequest, list_response
from meibo.scim.schema import Json, JsonObject


def search(**members: Json) -> JsonObject:
    return {"schemas": [urns.SEARCH_REQUEST], **members}


def test_a_query_without_parameters_is_for_the_first_page() -> None:
    first = SearchRequest.from_parameters({})
    assert first == SearchRequest.from_message(search())
    assert (first.filter, first.start_index, first.count) == (None, 1, 100)
    assert first.attributes is first.excluded_attributes is None


def test_parameters_are_recognised_in_any_letter_case_and_unknown_ones_ignored() -> None:
    request = SearchRequest.from_parameters(
        {
            "FILTER": 'userName eq "x"',
            "startindex": "11",
            "COUNT": "5",
            "excludedattributes": " members ,, name.givenName",
            "aadOptscim062020": "",
            "sortBy": "userName",
        }
    )
    assert request == SearchRequest(
        filter='userName eq "x"',
        excluded_attributes=("members", "name.givenName"),
        start_index=11,
        count=5,
    )


def test_an_empty_filter_is_a_filter_and_an_empty_list_of_names_none() -> None:
    request = SearchRequest.from_parameters({"filter": "", "attributes": " , "})
    assert request.filter == ""
    assert request.attributes is None


NUMBERS = [
    ("0", 1, 0),
    ("-7", 1, 0),
    ("1", 1, 1),
    ("1000", 1_000, 1_000),
    ("1001", 1_001, 1_000),
    ("9999999999", 2**31 - 1, 1_000),
    ("-9999999999", 1, 0),
    ("007", 7, 7),
]


@pytest.mark.parametrize("text, start_index, count", NUMBERS)
def test_numbers_are_brought_into_range(text: str, start_index: int, count: int) -> None:
    request = SearchRequest.from_parameters({"startIndex": text, "count": text})
    assert (request.start_index, request.count) == (start_index, count)
    number = int(text)
    assert SearchRequest.from_message(search(startIndex=number, count=number)) == request


@pytest.mark.parametrize("name", ["startIndex", "count"])
@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "+1", "1_0", "１", "٣", "1.0", "1e2", "0x1", "ten", "1\n", "1" * 11]
)
def test_what_is_no_number_is_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidValue, match=name):
        SearchRequest.from_parameters({name: text})


def test_a_parameter_in_two_letter_cases_is_refused() -> None:
    with pytest.raises(InvalidValue):
        SearchRequest.from_parameters({"count": "1", "COUNT": "2"})


def test_a_search_message_says_the_same_as_a_url() -> None:
    message = search(
        Filter="active eq true",
        attributes=["userName", " emails.value "],
        excludedAttributes=[],
        startIndex=2,
        COUNT=3,
        sortBy="userName",
    )
    assert SearchRequest.from_message(message) == SearchRequest(
        filter="active eq true",
        attributes=("userName", "emails.value"),
        start_index=2,
        count=3,
    )


@pytest.mark.parametrize(
    "message, error",
    [
        (None, InvalidSyntax),
        ([], InvalidSyntax),
        ({}, InvalidSyntax),
        ({"schemas": []}, InvalidSyntax),
        ({"schemas": [urns.PATCH_OP]}, InvalidSyntax),
        ({"schemas": [urns.SEARCH_REQUEST, urns.USER]}, InvalidSyntax),
        ({"schemas": ["urn:foo", urns.SEARCH_REQUEST]}, InvalidSyntax),
        (search(filter=5), InvalidFilter),
        (search(filter=["a"]), InvalidFilter),
        (search(attributes="userName"), InvalidValue),
        (search(attributes=["userName", 5]), InvalidValue),
        (search(excludedAttributes={"a": 1}), InvalidValue),
        (search(count="5"), InvalidValue),
        (search(count=True), InvalidValue),
        (search(count=1.0), InvalidValue),
        (search(startIndex=10**18), InvalidValue),
        (search(startIndex=10**400), InvalidValue),
        (search(startIndex=[1]), InvalidValue),
    ],
    ids=str,
)
def test_what_is_no_search_message_is_refused(message: Json, error: type[ScimError]) -> None:
    with pytest.raises(error):
        SearchRequest.from_message(message)


def test_the_urn_of_a_search_may_be_in_any_letter_case() -> None:
    urn = urns.SEARCH_REQUEST.upper()
    assert SearchRequest.from_message({"schemas": [urn, urn], "count": 4}).count == 4


def test_a_tolerant_connection_may_leave_schemas_out() -> None:
    assert SearchRequest.from_message({"count": 4}, strict_schemas=False).count == 4


def test_a_list_response_counts_what_it_holds() -> None:
    page = json.loads(list_response(12, 11, [b'{"id":"a"}', b'{"id":"b"}']))
    assert page == {
        "schemas": [urns.LIST_RESPONSE],
        "totalResults": 12,
        "itemsPerPage": 2,
        "startIndex": 11,
        "Resources": [{"id": "a"}, {"id": "b"}],
    }


def test_no_match_is_a_list_of_none() -> None:
    page = json.loads(list_response(0, 1, []))
    assert (page["totalResults"], page["itemsPerPage"], page["Resources"]) == (0, 0, [])


@given(st.dictionaries(st.sampled_from(["count", "startIndex", "attributes"]), st.text()))
def test_no_parameter_gives_anything_but_a_scim_error(parameters: dict[str, str]) -> None:
    try:
        request = SearchRequest.from_parameters(parameters)
    except ScimError:
        return
    assert 0 <= request.count <= 1_000
    assert 1 <= request.start_index < 2**31
