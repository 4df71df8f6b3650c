"""Which attributes an answer holds: ``attributes`` and ``excludedAttributes`` (RFC 7644 §3.9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from meibo.scim.errors import InvalidValue
from meibo.scim.parser import parse_attribute_path
from meibo.scim.path import AttributePath
from meibo.scim.schema import Json, JsonObject, ResourceType, Schema

# Names below a resource, or below one of its values; None stands for all of it.
_Names: TypeAlias = "dict[str, _Names | None]"

_REMEMBERED_CHARACTERS = 1_024


@dataclass(frozen=True, slots=True)
class Projection:
    """The attributes to answer, or with ``excludes`` those to leave out."""

    excludes: bool
    _names: _Names

    @staticmethod
    def parse(
        attributes: Sequence[str] | None,
        excluded: Sequence[str] | None,
        resource_type: ResourceType,
    ) -> "Projection | None":
        """The projection that the two lists ask for; None when the answer is the whole resource.

        Names may be dotted or qualified by a URN, and a bare URN is a whole schema, in any letter
        case; unknown ones are ignored. What is returned always (``id``, ``schemas``) stays.

        Raises:
            InvalidValue: both lists have names.
        """
        if attributes and excluded:
            raise InvalidValue("attributes and excludedAttributes cannot be used together.")
        names = attributes or excluded
        if not names:
            return None
        # Clients ask for the same few names again and again; what is long is not worth the memory.
        short = sum(map(len, names)) <= _REMEMBERED_CHARACTERS
        make = _remembered if short else _remembered.__wrapped__
        return make(tuple(names), excludes=not attributes, resource_type=resource_type)

    def apply(self, resource: JsonObject) -> JsonObject:
        """A new object with what is asked for; the resource stays as it is."""
        return (_without if self.excludes else _only)(resource, self._names)

    def wants(self, name: str) -> bool:
        """Whether the attribute of this canonical name may be in the answer, wholly or in part."""
        if self.excludes:
            return name not in self._names or self._names[name] is not None
        return name in self._names

    def requests(self, name: str, sub_name: str) -> bool:
        """Whether a sub-attribute is asked for by its own name, as ``returned: request`` wants."""
        below = None if self.excludes else self._names.get(name)
        return below is not None and sub_name in below


@lru_cache(maxsize=256)
def _remembered(
    texts: tuple[str, ...], *, excludes: bool, resource_type: ResourceType
) -> Projection | None:
    return (_excluding if excludes else _including)(texts, resource_type)


def _including(texts: Sequence[str], resource_type: ResourceType) -> Projection:
    names: _Names = {
        each.name: None for each in resource_type.core_attributes() if each.returned == "always"
    }
    for text in texts:
        for path in _paths(text, resource_type):
            if path.leaf.returned != "never":
                _name(names, path)
    return Projection(excludes=False, _names=names)


def _excluding(texts: Sequence[str], resource_type: ResourceType) -> Projection | None:
    names: _Names = {}
    for text in texts:
        for path in _paths(text, resource_type):
            if "always" not in (path.attribute.returned, path.leaf.returned):
                _name(names, path)
    return Projection(excludes=True, _names=names) if names else None


def _paths(text: str, resource_type: ResourceType) -> list[AttributePath]:
    found = parse_attribute_path(text, resource_type)
    if found is None:
        return []
    if isinstance(found, Schema):
        schema = None if found is resource_type.schema else found.id
        return [AttributePath(schema, attribute) for attribute in found.attributes]
    return [found]


def _name(names: _Names, path: AttributePath) -> None:
    if path.schema is not None:
        below = names.setdefault(path.schema, {})
        if below is None:
            return
        names = below
    name = path.attribute.name
    if path.sub is None:
        names[name] = None
        return
    below = names.setdefault(name, {})
    if below is not None:
        below[path.sub.name] = None


def _only(value: JsonObject, names: _Names) -> JsonObject:
    result: JsonObject = {}
    for name, inner in value.items():
        if name in names:
            below = names[name]
            kept = inner if below is None else _each(inner, below, excludes=False)
            if kept is not None:
                result[name] = kept
    return result


def _without(value: JsonObject, names: _Names) -> JsonObject:
    result: JsonObject = {}
    for name, inner in value.items():
        if name not in names:
            result[name] = inner
        else:
            below = names[name]
            kept = None if below is None else _each(inner, below, excludes=True)
            if kept is not None:
                result[name] = kept
    return result


def _each(value: Json, names: _Names, *, excludes: bool) -> Json:
    """A complex value, or each of several, with its sub-attributes chosen; None if none is left."""
    choose = _without if excludes else _only
    if isinstance(value, dict):
        return choose(value, names) or None
    if isinstance(value, list):
        elements = [choose(each, names) for each in value if isinstance(each, dict)]
        return [each for each in elements if each] or None
    return value
