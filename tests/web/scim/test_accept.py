"""Which media type an answer is in."""

import pytest

from meibo.web.scim.accept import prefers_json

JSON = {
    "only json": b"application/json",
    "in capitals": b"APPLICATION/JSON",
    "by quality": b"application/scim+json;q=0.5, application/json",
    "json and anything but less": b"application/json, */*;q=0.1",
    "scim refused": b"application/json;q=0.3, application/scim+json;q=0",
}
SCIM = {
    "nothing said": b"",
    "anything": b"*/*",
    "scim": b"application/scim+json",
    "both alike": b"application/scim+json, application/json",
    "both alike, the other way round": b"application/json, application/scim+json",
    "something else": b"text/html",
    "a quality that is none": b"application/json;q=high",
    "too long": b"application/json, " + b"text/x, " * 100,
}


@pytest.mark.parametrize("accept", JSON.values(), ids=JSON.keys())
def test_json_is_answered_to_who_prefers_it(accept: bytes) -> None:
    assert prefers_json(accept)


@pytest.mark.parametrize("accept", SCIM.values(), ids=SCIM.keys())
def test_everybody_else_gets_scim(accept: bytes) -> None:
    assert not prefers_json(accept)
