"""Options that several commands share, and the types of their values."""

import os
import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from meibo import config
from meibo.access.tenants import DEFAULT_TENANT
from meibo.access.tokens import DAY, LONGEST_LIFE_DAYS

F = TypeVar("F", bound=Callable[..., Any])

_UNITS = {"": 0, "m": DAY // (24 * 60), "h": DAY // 24, "d": DAY}
_DURATION = re.compile(r"([0-9]{1,6})([mhd])")


class Duration(click.ParamType[int]):
    """``30m``, ``24h``, ``7d`` or ``0``, in microseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if value == "0":
            return 0
        found = _DURATION.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is not a duration such as 30m, 24h, 7d or 0", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


class NumberOr(click.ParamType[Any]):
    """A whole number, or the one word that stands for None."""

    def __init__(self, name: str, word: str, least: int, most: int) -> None:
        self.name = name
        self._word = word
        self._numbers = click.IntRange(least, most)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"{self.name.upper()}|{self._word}"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """The number, or the word itself: click takes None for a value that was not given."""
        if value == self._word:
            return self._word
        return self._numbers.convert(value, param, ctx)


NEVER = "never"
OFF = "off"

EXPIRES_IN = NumberOr("days", NEVER, 1, LONGEST_LIFE_DAYS)
RATE_LIMIT = NumberOr("n", OFF, 25, 1_000_000)
DURATION = Duration()
PORT = click.IntRange(0, 65_535)


def database(function: F) -> F:
    """``--database``."""
    return click.option(
        "--database",
        metavar="URL",
        default=lambda: config.default_database(os.environ),
        show_default="a file in the user's data directory",
        help="sqlite:///PATH or postgresql://...",
    )(function)


def tenant(function: F) -> F:
    """``--database`` and ``--tenant``."""
    option = click.option(
        "--tenant",
        metavar="SLUG",
        default=DEFAULT_TENANT,
        show_default=True,
        help="Whose directory it is about.",
    )
    return database(option(function))


def as_json(function: F) -> F:
    """``--json``, as the argument ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for scripts.")(
        function
    )


def public_url(function: F) -> F:
    """``--public-url``, and hidden ``--host`` and ``--port`` that it rests on otherwise."""
    for name, kind, default in (
        ("--port", PORT, config.DEFAULT_PORT),
        ("--host", click.STRING, config.DEFAULT_HOST),
    ):
        function = click.option(name, type=kind, default=default, hidden=True)(function)
    return click.option(
        "--public-url",
        metavar="URL",
        show_default=f"http://{config.DEFAULT_HOST}:{config.DEFAULT_PORT}",
        help="How clients reach the service.",
    )(function)


def filter_(function: F) -> F:
    """``--filter``, as the argument ``filter_``."""
    return click.option(
        "--filter",
        "filter_",
        metavar="SCIM-FILTER",
        help="Which ones, in SCIM's filter language (RFC 7644).",
    )(function)
