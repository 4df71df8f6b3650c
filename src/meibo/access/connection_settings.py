"""The settings of a connection: a closed list with types, defaults and help."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import msgspec

from meibo.access.errors import NotPossible
from meibo.scim.core_schemas import Preset

SLOWEST_RATE_LIMIT = 25
"""Requests per second; Entra ID takes a service that allows less for broken."""


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """What an administrator chooses for a connection; ``SETTINGS`` describes each."""

    user_name_changes: Literal["allow", "refuse"] = "allow"
    email_required: bool = False
    inactive_on_create: Literal["accept", "refuse"] = "accept"
    unknown_attributes: Literal["ignore", "refuse"] = "ignore"
    attribute_policy: Preset = "standard"
    rate_limit: int | Literal["off"] | None = None
    """Requests per second; None is the server's own limit."""

    def as_text(self) -> dict[str, str]:
        """Every setting in the form in which it is set."""
        return {each.name: each.kind.text(getattr(self, each.name)) for each in SETTINGS}


Value: TypeAlias = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def takes(self) -> str:
        return " | ".join(self.words)

    def parse(self, text: str) -> Value:
        if text not in self.words:
            raise ValueError(text)
        return text

    def text(self, value: Value) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class Switch:
    """On or off."""

    takes = "on | off"

    def parse(self, text: str) -> Value:
        if text not in ("on", "off"):
            raise ValueError(text)
        return text == "on"

    def text(self, value: Value) -> str:
        return "on" if value else "off"


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number, or one of the words that stand for a value of their own."""

    least: int
    most: int
    words: tuple[tuple[str, Value], ...] = ()

    @property
    def takes(self) -> str:
        return " | ".join([f"{self.least} to {self.most}", *(word for word, _ in self.words)])

    def parse(self, text: str) -> Value:
        for word, value in self.words:
            if text == word:
                return value
        # int() alone would take "1_0", " 10" and full-width digits.
        if not (text.isascii() and text.isdecimal() and len(text) <= 9):
            raise ValueError(text)
        if not self.least <= int(text) <= self.most:
            raise ValueError(text)
        return int(text)

    def text(self, value: Value) -> str:
        return next((word for word, meaning in self.words if meaning == value), str(value))


@dataclass(frozen=True, slots=True)
class SettingDefinition:
    """One setting: its name in ``connection set``, what it takes, and what it is for."""

    name: str
    kind: Choice | Switch | Number
    help: str


SETTINGS = (
    SettingDefinition(
        "user_name_changes",
        Choice(("allow", "refuse")),
        "Whether the identity provider may rename a user.",
    ),
    SettingDefinition(
        "email_required",
        Switch(),
        "Whether a user must have an e-mail address; a user name that is one will do.",
    ),
    SettingDefinition(
        "inactive_on_create",
        Choice(("accept", "refuse")),
        "Whether a user may arrive inactive.",
    ),
    SettingDefinition(
        "unknown_attributes",
        Choice(("ignore", "refuse")),
        "What happens to attributes that nobody has defined: left out and logged, or refused.",
    ),
    SettingDefinition(
        "attribute_policy",
        Choice(("standard", "neurons")),
        "Which attributes are stored: all of RFC 7643, or the short list of an existing product.",
    ),
    SettingDefinition(
        "rate_limit",
        Number(SLOWEST_RATE_LIMIT, 100_000, (("default", None), ("off", "off"))),
        "Requests per second that are answered; default is the server's own --rate-limit.",
    ),
)

_BY_NAME = {each.name: each for each in SETTINGS}


def changed(settings: ConnectionSettings, values: Mapping[str, str]) -> ConnectionSettings:
    """The settings with those that ``values`` names set.

    A change to the policy ``neurons`` also makes an e-mail address required, and a change back to
    ``standard`` optional, as far as ``values`` does not say otherwise: a preset is more than one
    setting.

    Raises:
        NotPossible: a setting is unknown, or cannot have that value.
    """
    parsed = {name: _parse(name, text) for name, text in values.items()}
    policy = parsed.get("attribute_policy", settings.attribute_policy)
    if policy != settings.attribute_policy:
        parsed.setdefault("email_required", policy == "neurons")
    return msgspec.convert({**asdict(settings), **parsed}, ConnectionSettings)


@lru_cache(maxsize=1_024)
def from_json(text: str) -> ConnectionSettings:
    """Settings as they are stored; one that this program does not know is passed over."""
    return msgspec.json.decode(text, type=ConnectionSettings)


def to_json(settings: ConnectionSettings) -> str:
    """What differs from the defaults, so that a better default reaches everybody else."""
    return msgspec.json.encode(
        {
            name: value
            for name, value in asdict(settings).items()
            if value != getattr(_DEFAULTS, name)
        }
    ).decode()


_DEFAULTS = ConnectionSettings()


def _parse(name: str, text: str) -> Value:
    definition = _BY_NAME.get(name)
    if definition is None:
        raise NotPossible(f"there is no setting {name!r}; there are {', '.join(_BY_NAME)}")
    try:
        return definition.kind.parse(text)
    except ValueError:
        raise NotPossible(f"{name} takes {definition.kind.takes}, not {text!r}") from None
