"""Attributes with their characteristics, schemas and resource types (RFC 7643 §2, §6, §7)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = dict[str, "Json"]

Type: TypeAlias = Literal[
    "string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex"
]
Mutability: TypeAlias = Literal["readOnly", "readWrite", "immutable", "writeOnly"]
Returned: TypeAlias = Literal["always", "never", "default", "request"]
Uniqueness: TypeAlias = Literal["none", "server", "global"]


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """One attribute definition (RFC 7643 §7). Compared by identity: definitions are shared data.

    ``max_length`` counts characters of a string, ``max_values`` the elements of a multi-valued
    attribute. ``rule`` returns why a string is refused, or None; it is for what no type can say.
    """

    name: str
    type: Type = "string"
    multi_valued: bool = False
    description: str = ""
    required: bool = False
    case_exact: bool = False
    mutability: Mutability = "readWrite"
    returned: Returned = "default"
    uniqueness: Uniqueness = "none"
    canonical_values: tuple[str, ...] = ()
    reference_types: tuple[str, ...] = ()
    sub_attributes: tuple["Attribute", ...] = ()
    max_length: int = 8_192
    max_values: int = 1_000
    rule: Callable[[str], str | None] | None = None
    _by_name: dict[str, "Attribute"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {a.name.lower(): a for a in self.sub_attributes})

    def sub_attribute(self, name: str) -> "Attribute | None":
        """The sub-attribute of that name, in any letter case."""
        return self._by_name.get(name.lower())

    def __repr__(self) -> str:
        return f"<Attribute {self.name}>"


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """A set of attributes under one URN (RFC 7643 §7)."""

    id: str
    name: str
    description: str
    attributes: tuple[Attribute, ...]
    _by_name: dict[str, Attribute] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {a.name.lower(): a for a in self.attributes})

    def attribute(self, name: str) -> Attribute | None:
        """The attribute of that name, in any letter case."""
        return self._by_name.get(name.lower())


@dataclass(frozen=True, slots=True)
class SchemaExtension:
    """A schema that a resource type adds to its own (RFC 7643 §3.3)."""

    schema: Schema
    required: bool = False


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class ResourceType:
    """What an endpoint serves: a core schema, extensions, the common attributes (RFC 7643 §6).

    ``endpoint`` is relative to the base URL and begins with a slash. Compared by identity: a
    connection keeps one instance for as long as its attributes stay the same.
    """

    name: str
    endpoint: str
    description: str
    schema: Schema
    extensions: tuple[SchemaExtension, ...] = ()
    common: tuple[Attribute, ...] = ()
    _core: dict[str, Attribute] = field(init=False, repr=False)
    _extensions: dict[str, Schema] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        core = {a.name.lower(): a for a in (*self.common, *self.schema.attributes)}
        object.__setattr__(self, "_core", core)
        object.__setattr__(
            self, "_extensions", {e.schema.id.lower(): e.schema for e in self.extensions}
        )

    def attribute(self, name: str) -> Attribute | None:
        """The core or common attribute of that name, in any letter case."""
        return self._core.get(name.lower())

    def extension(self, urn: str) -> Schema | None:
        """The extension schema of that URN, in any letter case."""
        return self._extensions.get(urn.lower())

    def core_attributes(self) -> Iterator[Attribute]:
        """The common attributes, then those of the core schema."""
        return iter(self._core.values())
