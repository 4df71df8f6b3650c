"""JSON that is sent as text is held to what the body itself is held to."""

from typing import Any

import pytest

from meibo.idp.json_text import read_json_text


@pytest.mark.parametrize(
    "text, value",
    [
        ("{}", {}),
        ("[]", []),
        ('{"a":[1,-2.5,true,null,"é\\u00e9\\ud83d\\ude00"]}', {"a": [1, -2.5, True, None, "éé😀"]}),
        ("[[[[[[[1]]]]]]]", [[[[[[[1]]]]]]]),
        ("[9223372036854775807]", [9223372036854775807]),
    ],
    ids=str,
)
def test_arrays_and_objects_are_read(text: str, value: Any) -> None:
    assert read_json_text(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "1", "null", '"x"', " {}", "{", "[1,]", "{'a':1}", "{} x"),
        *('{"a":1,"a":2}', '{"a":1,"A":2}'),
        *("[NaN]", "[Infinity]", "[1e999]", "[10000000000000000000000]", f"[{'1' * 5000}]"),
        *('["\\u0000"]', '["\\ud800"]', '["\\udc00x"]', '{"\\ud800":1}', '["\0"]'),
        *("[[[[[[[[[1]]]]]]]]]", "[" * 50_000, "[" * 50_000 + "]" * 50_000),
    ],
    ids=lambda text: text[:30],
)
def test_everything_else_is_a_string_like_any_other(text: str) -> None:
    assert read_json_text(text) is None
