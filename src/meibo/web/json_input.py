"""JSON as we accept it: what RFC 8259 leaves open is refused here, with a detail that says why.

Two readers of one lax document can see two different things, and whoever checks it then trusts
what the other one does not see. So there is one reading only:

- UTF-8 without a byte order mark (RFC 8259 §8.1), no NUL, no half of a surrogate pair;
- no name twice in one object, also not in two letter cases: attribute names are compared without
  regard to case (RFC 7643 §2.1);
- no NaN and Infinity, no number that a double cannot hold or that has more than 19 digits;
- bounded depth, keys, arrays and strings.

The standard library's decoder does the work, in C. Most limits need a look at the finished value,
which costs as much again; a small body cannot break them, or shows in a quick search that it may.
"""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import isfinite

from meibo.scim.core_schemas import COMMON, ENTERPRISE_USER, GROUP, USER
from meibo.scim.errors import InvalidSyntax
from meibo.scim.schema import Attribute, Json

MAX_DEPTH = 32
MAX_KEYS = 500
MAX_ARRAY = 1_000
MAX_STRING_BYTES = 65_536
MAX_NAME_LENGTH = 1_024
MAX_DIGITS = 19
# Reading takes about 20 ms per MiB, during which the event loop would serve nobody else.
OFF_LOOP_BYTES = 262_144

# An escape that may stand for NUL or for half of a surrogate pair.
_SUSPICIOUS_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_TO_SQUARE_BRACKETS = bytes.maketrans(b"{}", b"[]")
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def decode(data: bytes, *, max_array: int = MAX_ARRAY) -> Json:
    """The value of the JSON document ``data``, in time linear in its length.

    Raises:
        InvalidSyntax: it is not JSON, or is more than the limits at the top of this module allow;
            ``max_array`` is how many elements each array may have.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InvalidSyntax(f"The body is not UTF-8 (at byte {error.start}).") from None
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _is_too_deep(data):
        raise InvalidSyntax(f"The JSON is nested deeper than the limit of {MAX_DEPTH} levels.")
    try:
        value: Json = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _not_json(text, error) from None
    size = len(data)
    if (
        size > MAX_STRING_BYTES
        or (size > 2 * max_array and data.count(b",") >= max_array)
        or _SUSPICIOUS_ESCAPE.search(data) is not None
    ):
        _check(value, max_array)
    return value


async def decode_off_loop(data: bytes, *, max_array: int = MAX_ARRAY) -> Json:
    """As ``decode``; what is larger than ``OFF_LOOP_BYTES`` is read in a thread."""
    if len(data) <= OFF_LOOP_BYTES:
        return decode(data, max_array=max_array)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_LARGE, lambda: decode(data, max_array=max_array))


# One thread: many would take turns with the event loop, which would wait for all of them.
_LARGE = ThreadPoolExecutor(max_workers=1, thread_name_prefix="meibo-json")


def _is_too_deep(data: bytes) -> bool:
    """Whether the brackets of ``data``, outside strings, are nested deeper than ``MAX_DEPTH``.

    Also True when they do not match. Asked before the decoder runs: it recurses.
    """
    brackets = _STRING.sub(b"", data).translate(_TO_SQUARE_BRACKETS, _ALL_BUT_BRACKETS)
    for _ in range(MAX_DEPTH):
        left = brackets.replace(b"[]", b"")  # the innermost level goes
        if len(left) == len(brackets):
            break
        brackets = left
    return bool(brackets)


def _not_json(text: str, error: json.JSONDecodeError) -> InvalidSyntax:
    if not text.strip():
        return InvalidSyntax("The body is empty; a JSON object is expected.")
    if text.startswith("\ufeff"):
        return InvalidSyntax("The body begins with a byte order mark, which JSON does not have.")
    return InvalidSyntax(
        f"The body is not valid JSON (at line {error.lineno}, column {error.colno})."
    )


def _names(attributes: tuple[Attribute, ...]) -> Iterator[str]:
    for attribute in attributes:
        yield attribute.name
        yield from _names(attribute.sub_attributes)


# An object whose names are all of these has none twice in two letter cases, because this set has
# not. Looking them up is a fifth of the cost of folding them.
_FAMILIAR = frozenset(
    {
        name.lower(): name
        for name in (
            *_names((*COMMON, *USER.attributes, *GROUP.attributes, *ENTERPRISE_USER.attributes)),
            *(USER.id, GROUP.id, ENTERPRISE_USER.id),
            *("Operations", "op", "path"),
        )
    }.values()
)
_are_familiar = _FAMILIAR.issuperset


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs) or not _are_familiar(found):
        _check_names(pairs)
    return found


def _check_names(pairs: list[tuple[str, Json]]) -> None:
    if len(pairs) > MAX_KEYS:
        raise InvalidSyntax(f"A JSON object has more than the limit of {MAX_KEYS} names.")
    seen: set[str] = set()
    for name, _ in pairs:
        if len(name) > MAX_NAME_LENGTH:
            raise InvalidSyntax(
                f"A name in a JSON object is longer than the limit of {MAX_NAME_LENGTH:,}"
                " characters."
            )
        lowered = name.lower()
        if lowered in seen:
            raise InvalidSyntax(
                f"The name {name[:100]!a} stands twice in one JSON object "
                "(letter case makes no difference)."
            )
        seen.add(lowered)


def _integer(text: str) -> int:
    # Longer ones are no use to anybody, and Python refuses to read those of over 4,300 digits.
    if len(text) > MAX_DIGITS + (text[0] == "-"):
        raise _too_many_digits()
    return int(text)


def _decimal(text: str) -> float:
    mantissa, _, _ = text.lower().partition("e")
    if len(mantissa.lstrip("-0.").replace(".", "")) > MAX_DIGITS:
        raise _too_many_digits()
    number = float(text)
    if not isfinite(number):
        raise InvalidSyntax("A number is larger than a double can hold.")
    return number


def _too_many_digits() -> InvalidSyntax:
    return InvalidSyntax(f"A number has more than the limit of {MAX_DIGITS} digits.")


def _constant(name: str) -> Json:
    raise InvalidSyntax(f"{name} is not a JSON value.")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_decimal,
    parse_constant=_constant,
)


def _check(value: Json, max_array: int) -> None:
    """Look at every string and array of ``value``, whose depth has been checked."""
    elements: Iterable[Json]
    if isinstance(value, dict):
        for name in value:
            _check_string(name)
        elements = value.values()
    elif isinstance(value, list):
        if len(value) > max_array:
            raise InvalidSyntax(f"An array has more than the limit of {max_array:,} elements.")
        elements = value
    else:
        elements = (value,)
    for element in elements:
        if isinstance(element, str):
            _check_string(element)
        elif isinstance(element, (dict, list)):
            _check(element, max_array)


def _check_string(text: str) -> None:
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise InvalidSyntax("A string holds half of a surrogate pair.") from None
    if size > MAX_STRING_BYTES:
        raise InvalidSyntax(
            f"A string is longer than the limit of {MAX_STRING_BYTES:,} bytes (64 KiB)."
        )
    if "\0" in text:
        raise InvalidSyntax("A string holds the NUL character.")
