"""Strict JSON: one reading only, and every refusal names what is wrong."""

import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from meibo.scim.errors import InvalidSyntax
from meibo.web import json_input
from meibo.web.json_input import decode, decode_off_loop

DEPTH, KEYS, ARRAY = 32, 500, 1_000

REFUSED = {
    # what is no JSON
    "nothing": (b"", "empty"),
    "white space only": (b" \r\n\t", "empty"),
    "cut off in an array": (b'{"schemas":["urn:x"', "not valid JSON"),
    "cut off in an escape": (b'{"userName":"ab\\u00', "not valid JSON"),
    "trailing comma": (b'{"a":1,}', "not valid JSON"),
    "trailing comma in an array": (b"[1,]", "not valid JSON"),
    "single quotes": (b"{'a':'b'}", "not valid JSON"),
    "comment": (b'/* c */{"a":1}', "not valid JSON"),
    "name without quotes": (b"{a:1}", "not valid JSON"),
    "something after the document": (b'{"a":1}x', "not valid JSON"),
    "two documents": (b'{"a":1}{"b":1}', "not valid JSON"),
    "hexadecimal number": (b'{"a":0x1}', "not valid JSON"),
    "leading zero": (b'{"a":01}', "not valid JSON"),
    "plus sign": (b'{"a":+1}', "not valid JSON"),
    "raw newline in a string": (b'{"a":"b\nc"}', "not valid JSON"),
    "raw NUL in a string": (b'{"a":"b\0c"}', "not valid JSON"),
    "non-ASCII digit": ('{"a":１}'.encode(), "not valid JSON"),
    "no-break space": ('\u00a0{"a":1}'.encode(), "not valid JSON"),
    # encodings
    "byte 0xff": (b'{"a":"\xff"}', "not UTF-8 (at byte 6)"),
    "overlong slash": (b'{"a":"\xc0\xaf"}', "not UTF-8"),
    "surrogate in UTF-8": (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
    "UTF-8 byte order mark": (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
    "UTF-16 with byte order mark": ('{"a":1}'.encode("utf-16"), "not UTF-8"),
    "UTF-16 without": ('{"a":1}'.encode("utf-16-le"), "not valid JSON"),
    "UTF-32 without": ('{"a":1}'.encode("utf-32-be"), "not valid JSON"),
    # numbers
    "NaN": (b'{"a":NaN}', "NaN"),
    "Infinity": (b'{"a":Infinity}', "Infinity"),
    "minus Infinity": (b'{"a":-Infinity}', "-Infinity"),
    "over the range of doubles": (b'{"a":1e400}', "double"),
    "under the range of doubles": (b'{"a":-1E+400}', "double"),
    "20 digits": (b'{"a":%d}' % 10**19, "19 digits"),
    "20 negative digits": (b'{"a":-%d}' % 10**19, "19 digits"),
    "5,000 digits": (b'{"a":' + b"9" * 5_000 + b"}", "19 digits"),
    "20 digits with a fraction": (b'{"a":1234567890.1234567890}', "19 digits"),
    "5,000 digits with an exponent": (b"[1" + b"0" * 5_000 + b"e1]", "19 digits"),
    # strings
    "NUL": (b'{"a":"b\\u0000c"}', "NUL"),
    "NUL in a name": (b'{"b\\u0000c":1}', "NUL"),
    "NUL in an array in an array": (b'[["\\u0000"]]', "NUL"),
    "high surrogate": (b'{"a":"b\\ud800c"}', "surrogate"),
    "low surrogate": (b'{"a":"b\\uDC00c"}', "surrogate"),
    "surrogates the wrong way round": (b'{"a":"\\udc00\\ud800"}', "surrogate"),
    "surrogate in a name": (b'{"\\ud800":"x"}', "surrogate"),
    "surrogate as the document": (b'"\\ud800"', "surrogate"),
    "string over 64 KiB": (b'{"a":"' + b"A" * 65_537 + b'"}', "64 KiB"),
    "string over 64 KiB in UTF-8": (b'"' + "山".encode() * 21_846 + b'"', "64 KiB"),
    "name over 1,024 characters": (b'{"' + b"k" * 1_025 + b'":1}', "1,024"),
    # objects and arrays
    "name twice": (b'{"active":true,"active":false}', "'active' stands twice"),
    "unknown name twice": (b'{"x":1,"x":1}', "'x' stands twice"),
    "name twice in an inner object": (b'{"name":{"a":1,"a":2}}', "twice"),
    "name twice in an array": (b'[{"a":1,"a":2}]', "twice"),
    "name in two letter cases": (b'{"userName":"a","USERNAME":"b"}', "twice"),
    "non-ASCII name in two letter cases": ('{"é":1,"É":1}'.encode(), "twice"),
    "name twice, once escaped": (b'{"userName":"a","user\\u004eame":"b"}', "twice"),
    "501 names": (b"{%s}" % b",".join(b'"k%d":1' % i for i in range(501)), "500"),
    "1,001 elements": (b"[%s]" % b",".join([b"1"] * 1_001), "1,000 elements"),
    "1,001 empty arrays": (b"[%s]" % b",".join([b"[]"] * 1_001), "1,000 elements"),
    "33 arrays": (b"[" * 33 + b"]" * 33, "32 levels"),
    "33 objects": (b'{"a":' * 33 + b"1" + b"}" * 33, "32 levels"),
    "900 arrays": (b"[" * 900 + b"]" * 900, "32 levels"),
    "100,000 arrays": (b"[" * 100_000 + b"]" * 100_000, "32 levels"),
    "100,000 arrays left open": (b"[" * 100_000, "32 levels"),
    "50,000 objects": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "32 levels"),
    "arrays deep behind a string with quotes": (
        b'["\\"[[\\\\",' + b"[" * 40 + b"]" * 40 + b"]",
        "32 levels",
    ),
}

ACCEPTED: dict[str, tuple[bytes, Any]] = {
    "white space around": (b' \r\n\t{"a": 1}\n ', {"a": 1}),
    "no object": (b"null", None),
    "number as the document": (b"-0.5", -0.5),
    "19 digits": (
        b"[1234567890123456789,-1234567890123456789]",
        [1234567890123456789, -1234567890123456789],
    ),
    "small fraction": (b"0.00000000000000000000000000000000001", 1e-35),
    "a double in full": (b"2.2250738585072014e-308", 2.2250738585072014e-308),
    "zero to any power": (b"[0e400,-0]", [0.0, 0]),
    "escapes": (rb'"\"\\\/\b\f\n\r\t\u0041"', '"\\/\b\f\n\r\tA'),
    "a joined pair": (rb'"\ud83d\ude00"', "😀"),
    "an escaped backslash before u0000": (rb'"\\u0000"', r"\u0000"),
    "an escaped backslash before ud800": (rb'"\\ud800"', r"\ud800"),
    "UTF-8": ('"山田 太郎"'.encode(), "山田 太郎"),
    "names that differ": (b'{"value":1,"values":2}', {"value": 1, "values": 2}),
    "empty name": (b'{"":1}', {"": 1}),
    "a name that is a value too": (b'{"type":"type"}', {"type": "type"}),
    "500 names": (
        b"{%s}" % b",".join(b'"k%d":1' % i for i in range(500)),
        {f"k{i}": 1 for i in range(500)},
    ),
    "1,000 elements": (b"[%s]" % b",".join([b"1"] * 1_000), [1] * 1_000),
    "1,000 elements twice": (
        b"[%s,%s]" % ((b"[%s]" % b",".join([b"1"] * 1_000),) * 2),
        [[1] * 1_000] * 2,
    ),
    "a string of 64 KiB": (b'"' + b"A" * 65_536 + b'"', "A" * 65_536),
    "32 levels": (b"[" * 32 + b"]" * 32, json.loads("[" * 32 + "]" * 32)),
    "many shallow objects": (b"[%s]" % b",".join([b"{}"] * 500), [{}] * 500),
    "brackets in strings": (b'["' + b"[{" * 500 + b'","\\"[[["]', ["[{" * 500, '"[[[']),
}


@pytest.mark.parametrize("data, told", REFUSED.values(), ids=REFUSED.keys())
def test_ambiguous_or_excessive_json_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(InvalidSyntax) as refusal:
        decode(data)
    assert told in refusal.value.detail
    refusal.value.detail.encode()
    assert len(refusal.value.detail) < 300


@pytest.mark.parametrize("data, value", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_json_within_the_limits_is_decoded(data: bytes, value: object) -> None:
    decoded = decode(data)
    assert decoded == value
    assert type(decoded) is type(value)


def test_an_array_may_be_longer_where_the_caller_says_so() -> None:
    data = b"[%s]" % b",".join([b"1"] * 100_000)
    assert decode(data, max_array=100_000) == [1] * 100_000
    with pytest.raises(InvalidSyntax, match="100,000 elements"):
        decode(data[:-1] + b",1]", max_array=100_000)


async def test_a_large_document_is_decoded_off_the_loop() -> None:
    small = b'{"members":[]}'
    large = b'{"members":[%s]}' % b",".join([b'{"value":"%0100d"}' % 0] * 5_000)
    assert len(small) < json_input.OFF_LOOP_BYTES < len(large)
    assert await decode_off_loop(small) == {"members": []}
    assert await decode_off_loop(large, max_array=5_000) == json.loads(large)
    with pytest.raises(InvalidSyntax, match="4,999 elements"):
        await decode_off_loop(large, max_array=4_999)


def test_the_names_that_are_taken_on_trust_differ_in_more_than_letter_case() -> None:
    names = json_input._FAMILIAR
    assert "userName" in names
    assert "givenName" in names
    assert len({name.lower() for name in names}) == len(names)


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | NAMES
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=5)
    | st.dictionaries(NAMES, inner, max_size=5).filter(
        lambda found: len({name.lower() for name in found}) == len(found)
    ),
    max_leaves=20,
)  # fmt: skip


@hypothesis.given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_whatever_is_within_the_limits_comes_back(
    value: Any, ensure_ascii: bool, indent: int | None
) -> None:
    assert decode(json.dumps(value, ensure_ascii=ensure_ascii, indent=indent).encode()) == value


@hypothesis.given(
    st.binary(max_size=60) | st.text(alphabet='{}[]",:\\u0d8e-1. \0a').map(str.encode)
)
def test_nothing_but_invalid_syntax_is_raised(data: bytes) -> None:
    try:
        decode(data)
    except InvalidSyntax:
        return
    json.loads(data)


@pytest.mark.parametrize(
    "piece",
    [b"[", b"]", b"{", b'"', b"\\", b'"\\', b"[]", b'{"a":', b"[[],", b'"",', b"\\u0000", b"1"],
    ids=repr,
)
def test_a_mebibyte_of_one_thing_takes_no_time(piece: bytes) -> None:
    with pytest.raises(InvalidSyntax):
        decode(piece * (1_048_576 // len(piece)))
