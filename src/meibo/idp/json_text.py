"""JSON that is sent as text inside JSON."""

import json
import math

from meibo.scim.schema import Json, JsonObject

# No value of an attribute is deeper: an object of extensions, their attributes, elements, values.
_MAX_DEPTH = 8
# Enough for every integer of 64 bits.
_MAX_DIGITS = 19


def read_json_text(text: str) -> list[Json] | JsonObject | None:
    """The array or object that ``text`` spells, be it twice over; None if it is something else.

    It must pass what the body itself had to pass: no two keys that differ at most in letter case,
    no NaN, no number out of range, no NUL and no half of a surrogate pair.
    """
    if text[:1] not in ("{", "[", '"') or "\\u0000" in text:
        return None
    try:
        value: Json = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse,
            parse_float=_float,
            parse_int=_int,
        )
        if "\\u" in text:  # an escape may have brought in what UTF-8 cannot hold
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None  # a string like any other
    if isinstance(value, str):  # text of a text, which is shorter
        return read_json_text(value) if value[:1] in ("{", "[") else None
    return value if isinstance(value, list | dict) and _is_flat(value) else None


def _object(pairs: list[tuple[str, Json]]) -> JsonObject:
    if len({key.lower() for key, _ in pairs}) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def _refuse(constant: str) -> Json:
    raise ValueError(f"{constant} is no JSON")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("out of range")
    return number


def _int(text: str) -> int:
    if len(text.lstrip("-")) > _MAX_DIGITS:
        raise ValueError("out of range")
    return int(text)


def _is_flat(value: Json) -> bool:
    level: list[Json] = [value]
    for _ in range(_MAX_DEPTH):
        below: list[Json] = []
        for each in level:
            if isinstance(each, dict):
                below.extend(each.values())
            elif isinstance(each, list):
                below.extend(each)
        if not below:
            return True
        level = below
    return False
