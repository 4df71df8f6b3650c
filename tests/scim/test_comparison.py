"""When two values are the same: folding, instants and the comparable form of every type."""

import sys
import time
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meibo.scim.comparison import comparable, fold, format_date_time, parse_date_time
from meibo.scim.schema import Attribute, Json, Type

MICROS_OF_YEAR_1 = -62_135_596_800_000_000
MICROS_OF_YEAR_9999_END = 253_402_300_799_999_999


@pytest.mark.parametrize(
    "one, other",
    [
        pytest.param("Bob@Example.COM", "bob@example.com", id="ascii"),
        pytest.param("Straße", "STRASSE", id="sharp-s"),
        pytest.param("ΣΊΣΥΦΟΣ", "σίσυφος", id="final-sigma"),
        pytest.param("Ａｌｉｃｅ１", "alice1", id="full-width"),
        pytest.param("ﾔﾏﾀﾞ", "ヤマダ", id="half-width-katakana"),
        pytest.param("Zoe\u0301", "zoé", id="combining-accent"),
        pytest.param("ﬁnn", "FINN", id="ligature"),
        pytest.param("\u212aelvin", "kelvin", id="kelvin-sign"),
    ],
)
def test_names_that_look_the_same_fold_to_one_key(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    "one, other",
    [
        pytest.param("ısmail", "ismail", id="turkish-dotless-i"),
        pytest.param("аnna", "anna", id="cyrillic-a"),
        pytest.param("Zoé", "Zoe", id="accent"),
        pytest.param("a b", "ab", id="space"),
        pytest.param("はは", "ハハ", id="hiragana-katakana"),
    ],
)
def test_letters_of_different_alphabets_stay_apart(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_folding_twice_changes_nothing_for_any_code_point() -> None:
    unstable = [
        f"U+{code:04X}"
        for code in range(sys.maxunicode + 1)
        if not 0xD800 <= code <= 0xDFFF and fold(folded := fold(chr(code))) != folded
    ]
    assert unstable == []


@given(st.text())
def test_folding_twice_changes_nothing_for_any_text(text: str) -> None:
    assert fold(fold(text)) == fold(text)


MARKS = "\u0300\u0316\u0334\u0345\u3099\u0f73\u0344\uff9e\u0f71"


@given(st.text(st.sampled_from("aAé가ｶﾞς" + MARKS), min_size=60, max_size=200))
def test_long_text_is_normalized_as_short_text_is(text: str) -> None:
    wanted = text
    for _ in range(4):
        wanted = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", wanted).casefold())
    assert fold(text) == wanted
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a" + "\u0300" * 50_000 + "\u0316" * 50_000, id="marks-in-the-wrong-order"),
        pytest.param("\u0300\u0316" * 50_000, id="marks-in-turn"),
        pytest.param("\u0f73" * 50_000, id="marks-that-decompose"),
        pytest.param("\uff9e\u0300" * 50_000, id="compatibility-marks"),
        pytest.param("\u0345\u0334" * 50_000, id="marks-that-fold-to-letters"),
        pytest.param("\ufdfa" * 20_000, id="one-character-that-becomes-18"),
        pytest.param("a\u0300" * 50_000, id="letters-with-marks"),
        pytest.param("\u1100\u1161" * 50_000, id="hangul"),
    ],
)
def test_hostile_text_is_folded_in_linear_time(text: str) -> None:
    before = time.process_time()
    fold(text)
    assert time.process_time() - before < 1.5


@given(st.text(), st.sampled_from([str.upper, str.lower, str.casefold]))
def test_folded_ascii_forgets_letter_case(text: str, recase: Callable[[str], str]) -> None:
    plain = text.encode("ascii", "ignore").decode()
    assert fold(recase(plain)) == fold(plain)


@pytest.mark.parametrize(
    "text, instant",
    [
        pytest.param("1970-01-01T00:00:00Z", 0, id="epoch"),
        pytest.param("1970-01-01T00:00:00", 0, id="no-offset-is-utc"),
        pytest.param("1970-01-01T00:00:01.5Z", 1_500_000, id="fraction"),
        pytest.param("1970-01-01T00:00:00.1234567Z", 123_456, id="fraction-cut-not-rounded"),
        pytest.param("1970-01-01T00:00:00." + "9" * 400 + "Z", 999_999, id="fraction-very-long"),
        pytest.param("1969-12-31T23:59:59.999999Z", -1, id="before-the-epoch"),
        pytest.param("1970-01-01T09:00:00+09:00", 0, id="tokyo"),
        pytest.param("1969-12-31T19:00:00-05:00", 0, id="new-york"),
        pytest.param("1970-01-01T05:45:00+05:45", 0, id="kathmandu"),
        pytest.param("1970-01-01T00:00:00-00:00", 0, id="minus-zero"),
        pytest.param("1969-12-31T24:00:00Z", 0, id="24-o-clock"),
        pytest.param("2024-02-29T00:00:00Z", 1_709_164_800_000_000, id="leap-day"),
        pytest.param("0001-01-01T00:00:00Z", MICROS_OF_YEAR_1, id="first"),
        pytest.param("9999-12-31T23:59:59.999999Z", MICROS_OF_YEAR_9999_END, id="last"),
    ],
)
def test_a_date_time_is_an_instant(text: str, instant: int) -> None:
    assert parse_date_time(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not-a-date",
        "2026-11-22",
        "10:00:00Z",
        "2026-11-22 10:00:00Z",
        "2026-11-22t10:00:00z",
        "2026-11-22T10:00Z",
        "2026-11-22T10:00:00.Z",
        "2026-11-22T10:00:00,5Z",
        "2026-11-22T10:00:00Z\n",
        "2026-11-22T10:00:00 Z",
        "2026-11-22T10:00:00+0900",
        "2026-11-22T10:00:00+14:01",
        "2026-11-22T10:00:00+09:60",
        "2026-11-22T10:00:00UTC",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-11-22T24:00:01Z",
        "2026-11-22T25:00:00Z",
        "2026-11-22T10:60:00Z",
        "2026-11-22T10:00:60Z",
        "9999-99-99T99:99:99Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "-0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T24:00:00Z",
        "２０２６-11-22T10:00:00Z",
    ],
)
def test_what_is_no_date_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not|year|month|day"):
        parse_date_time(text)


@given(st.integers(MICROS_OF_YEAR_1, MICROS_OF_YEAR_9999_END))
def test_an_instant_survives_being_written(instant: int) -> None:
    text = format_date_time(instant)
    assert parse_date_time(text) == instant
    assert datetime.fromisoformat(text).astimezone(UTC).isoformat(
        timespec="microseconds"
    ) == text.replace("Z", "+00:00")


def test_an_instant_is_written_in_utc_with_six_digits() -> None:
    assert format_date_time(1_795_341_600_123_456) == "2026-11-22T10:00:00.123456Z"
    assert format_date_time(0) == "1970-01-01T00:00:00.000000Z"


@pytest.mark.parametrize("instant", [MICROS_OF_YEAR_1 - 1, MICROS_OF_YEAR_9999_END + 1, 10**30])
def test_an_instant_outside_the_calendar_is_refused(instant: int) -> None:
    with pytest.raises(ValueError, match="1 to 9999"):
        format_date_time(instant)


@pytest.mark.parametrize(
    "kind, case_exact, value, form",
    [
        pytest.param("string", False, "Bob", "bob", id="string"),
        pytest.param("string", True, "Bob", "Bob", id="case-exact"),
        pytest.param("reference", False, "https://A.example", "https://A.example", id="reference"),
        pytest.param("binary", False, "QUJD", "QUJD", id="binary"),
        pytest.param("dateTime", False, "1970-01-01T00:00:00.000001Z", 1, id="dateTime"),
        pytest.param("boolean", False, True, True, id="boolean"),
        pytest.param("integer", False, 7, 7, id="integer"),
        pytest.param("decimal", False, 7.5, 7.5, id="decimal"),
        pytest.param("decimal", False, 7, 7, id="whole-decimal"),
        pytest.param("string", False, None, None, id="null"),
        pytest.param("complex", False, None, None, id="null-complex"),
    ],
)
def test_a_value_is_compared_by_its_type(
    kind: Type, case_exact: bool, value: Json, form: Json
) -> None:
    found = comparable(Attribute("x", kind, case_exact=case_exact), value)
    assert (type(found), found) == (type(form), form)


@pytest.mark.parametrize(
    "kind, value",
    [
        pytest.param("string", 1, id="number-for-string"),
        pytest.param("string", True, id="boolean-for-string"),
        pytest.param("string", ["x"], id="array-for-string"),
        pytest.param("boolean", "true", id="string-for-boolean"),
        pytest.param("boolean", 1, id="number-for-boolean"),
        pytest.param("decimal", True, id="boolean-for-decimal"),
        pytest.param("decimal", "1", id="string-for-decimal"),
        pytest.param("decimal", float("nan"), id="nan"),
        pytest.param("decimal", float("inf"), id="infinity"),
        pytest.param("dateTime", "today", id="word-for-date-time"),
        pytest.param("dateTime", 5, id="number-for-date-time"),
        pytest.param("reference", {}, id="object-for-reference"),
        pytest.param("complex", "x", id="string-for-complex"),
        pytest.param("complex", {"value": "x"}, id="complex"),
    ],
)
def test_a_value_of_another_type_is_refused(kind: Type, value: Json) -> None:
    with pytest.raises(ValueError, match="not "):
        comparable(Attribute("x", kind), value)
