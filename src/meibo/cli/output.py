"""What commands print: aligned tables for people, JSON for scripts, no surprise for a terminal."""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import click
from rich.cells import cell_len

from meibo.audit import moment
from meibo.scim.comparison import format_date_time
from meibo.scim.schema import Json

# What people and clients send can hold characters that a terminal obeys. Printable text of any
# script passes; these are shown as their numbers.
_HIDDEN_IN_JSON = re.compile("[\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """Prints rows under their headings, or the line ``empty`` if there are none."""
    cells = [[visible(cell) for cell in row] for row in rows]
    if not cells:
        click.echo(empty)
        return
    widths = [
        max(cell_len(row[column]) for row in [list(headings), *cells])
        for column in range(len(headings))
    ]
    click.echo(click.style(_line(headings, widths), bold=True))
    for row in cells:
        click.echo(_line(row, widths))


def print_pairs(pairs: Mapping[str, str]) -> None:
    """Prints labels and their values, one below the other."""
    width = max(map(cell_len, pairs), default=0)
    for label, value in pairs.items():
        click.echo(f"{label}{' ' * (width - cell_len(label))}  {visible(value)}".rstrip())


def print_json(value: Json) -> None:
    """Prints JSON that a terminal shows as it is."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    click.echo(_HIDDEN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def visible(text: str) -> str:
    """The text with the characters that nobody sees shown as their numbers."""
    if text.isprintable():
        return text
    return "".join(each if _is_visible(each) else f"\\u{ord(each):04x}" for each in text)


def iso(micros: int | None, otherwise: str = "") -> str:
    """A time in UTC, to the second."""
    return moment(micros, otherwise)


def iso_or_none(micros: int | None) -> str | None:
    """A time in UTC, to the microsecond, for JSON."""
    return None if micros is None else format_date_time(micros)


def _is_visible(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] != "C" and category not in ("Zl", "Zp")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True)
    )
    return "  ".join(padded).rstrip()
