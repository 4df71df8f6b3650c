"""When two values are the same: letter case, Unicode forms and instants (RFC 7643 §2.2, §2.3)."""

import math
import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TypeAlias

from meibo.scim.schema import Attribute, Json

Scalar: TypeAlias = str | int | float | bool | None

UNICODE_VERSION = unicodedata.unidata_version

# Texts up to this length are normalized as they are. Each byte below is a character's canonical
# combining class; letters have 0 (Unicode Standard Annex #15: no language needs 30 marks).
_SHORT = 64
_MARKS = re.compile(rb"[^\0]+")
_MANY_MARKS = re.compile(rb"[^\0]{32}")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY_SECONDS = 86_400
# The instants of the years 1 to 9999, in microseconds since the epoch.
_FIRST = (date.min.toordinal() - _EPOCH_DAY) * _DAY_SECONDS * 1_000_000
_END = (date.max.toordinal() + 1 - _EPOCH_DAY) * _DAY_SECONDS * 1_000_000

# XML Schema part 2 §3.2.7.1, without the years before 1 and after 9999:
#   yyyy '-' mm '-' dd 'T' hh ':' mm ':' ss ('.' s+)? (zzzzzz)?
_DATE_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:Z|([+-])([0-9]{2}):([0-9]{2}))?"
)


def fold(text: str) -> str:
    """The form in which text that ignores case is compared, idempotent over all code points.

    NFKC(casefold(NFKC(x))), repeated until it is stable: ``Straße`` and ``STRASSE`` are one name,
    as are full-width and plain letters; Turkish dotless ı and i stay apart, as do Cyrillic and
    Latin а/a. This is the key under which a userName is unique, and it is never computed in SQL:
    SQLite, PostgreSQL and Python disagree about letters such as İ.
    """
    if text.isascii():
        return text.lower()
    while True:
        folded = _nfkc(_nfkc(text).casefold())
        if folded == text:
            return folded
        text = folded


def _nfkc(text: str) -> str:
    """``text`` in normalization form KC, in time that grows with its length only.

    CPython puts the combining marks that follow a letter in order by insertion: 8,000 of them in
    the wrong order take it 50 ms. Where so many stand together, they are sorted here first.
    """
    if len(text) <= _SHORT or unicodedata.is_normalized("NFKC", text):
        return unicodedata.normalize("NFKC", text)
    decomposed = "".join(map(partial(unicodedata.normalize, "NFKD"), text))
    classes = bytes(map(unicodedata.combining, decomposed))
    if _MANY_MARKS.search(classes) is None:
        return unicodedata.normalize("NFKC", text)
    pieces: list[str] = []
    end = 0
    for marks in _MARKS.finditer(classes):
        pieces.append(decomposed[end : marks.start()])
        end = marks.end()
        pieces.extend(sorted(decomposed[marks.start() : end], key=unicodedata.combining))
    pieces.append(decomposed[end:])
    return unicodedata.normalize("NFC", "".join(pieces))


def comparable(attribute: Attribute, value: Json) -> Scalar:
    """The form in which a value of ``attribute`` (one element, if multi-valued) is compared.

    Text is folded unless the attribute is case-exact, as references and binaries always are; a
    dateTime becomes microseconds since the epoch; booleans, numbers and null stay what they are.

    Raises:
        ValueError: the value is not of the attribute's type, or the attribute is complex.
    """
    kind = attribute.type
    if value is None:
        return None
    if isinstance(value, str):
        if kind == "string":
            return value if attribute.case_exact else fold(value)
        if kind == "dateTime":
            return parse_date_time(value)
        if kind in ("reference", "binary"):
            return value
    elif isinstance(value, bool):
        if kind == "boolean":
            return value
    elif isinstance(value, int | float) and kind in ("decimal", "integer") and math.isfinite(value):
        return value
    raise ValueError(f"not a value of the type {kind}")


def parse_date_time(text: str) -> int:
    """The instant of an xsd:dateTime in microseconds since the epoch (RFC 7643 §2.3.5).

    A time without an offset is UTC, 24:00:00 is the next day's midnight, and digits after the
    sixth of a fraction are cut off.

    Raises:
        ValueError: the text is not such a time, or lies outside the years 1 to 9999 in UTC.
    """
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        raise ValueError("not a date and time")
    year, month, day, hour, minute, second = map(int, found.group(1, 2, 3, 4, 5, 6))
    fraction = int((found[7] or "")[:6].ljust(6, "0"))
    if hour == 24:
        in_day = not (minute or second or fraction)
    else:
        in_day = hour < 24 and minute < 60 and second < 60
    offset_minutes = 0
    if found[8] is not None:
        offset_hours, minutes = int(found[9]), int(found[10])
        offset_minutes = offset_hours * 60 + minutes
        # XML Schema ends the offsets at 14:00.
        in_day = in_day and minutes < 60 and offset_minutes <= 14 * 60
        if found[8] == "-":
            offset_minutes = -offset_minutes
    if not in_day:
        raise ValueError("not a time of day")
    days = date(year, month, day).toordinal() - _EPOCH_DAY
    seconds = days * _DAY_SECONDS + hour * 3_600 + (minute - offset_minutes) * 60 + second
    instant = seconds * 1_000_000 + fraction
    if not _FIRST <= instant < _END:
        raise ValueError("not within the years 1 to 9999")
    return instant


def format_date_time(micros: int) -> str:
    """An instant as an xsd:dateTime in UTC with six digits: ``2026-11-22T10:00:00.123456Z``.

    Raises:
        ValueError: the instant is not within the years 1 to 9999.
    """
    if not _FIRST <= micros < _END:
        raise ValueError("not within the years 1 to 9999")
    instant = _EPOCH + timedelta(microseconds=micros)
    return instant.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
