"""The body of a POST or PUT, its vendor's departures undone (RFC 7643 §3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from meibo.idp import quirks
from meibo.idp.json_text import read_json_text
from meibo.idp.quirks import Tolerance
from meibo.idp.values import Shape, key_of, parts_of, undo_parts, undo_value
from meibo.scim.schema import Json, JsonObject, ResourceType


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension's URN as its schema spells it, and the shapes of its attributes.

    ``names`` are all its attributes in lower case, also those that a client may not write.
    """

    urn: str
    parts: Mapping[str, Shape]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Layout:
    """What may stand where in a resource, by names and URNs in lower case.

    ``parts`` holds the core attributes under their own spelling too, ``others`` what is not for a
    client to write. ``owners`` tells the extension of an attribute whose name only it has. ``urn``
    is that of the core schema, in lower case.
    """

    urn: str

    parts: Mapping[str, Shape]
    extensions: Mapping[str, Extension]
    owners: Mapping[str, Extension]
    others: frozenset[str]


@lru_cache(maxsize=256)
def layout_of(resource_type: ResourceType) -> Layout:
    """The layout of a resource type; equal arguments give one instance."""
    core = tuple(each for each in resource_type.core_attributes() if each.name != "schemas")
    parts = parts_of(core)
    taken = {"schemas", *(each.name.lower() for each in core)}
    others = frozenset(taken - parts.keys()) | {resource_type.schema.id.lower()}
    extensions: dict[str, Extension] = {}
    owners: dict[str, Extension] = {}
    for each in resource_type.extensions:
        schema = each.schema
        names = frozenset(attribute.name.lower() for attribute in schema.attributes)
        extension = Extension(schema.id, parts_of(schema.attributes), names)
        extensions[schema.id.lower()] = extension
        for name in names & taken:
            owners.pop(name, None)
        owners.update(dict.fromkeys(names - taken, extension))
        taken |= names
    return Layout(resource_type.schema.id.lower(), parts, extensions, owners, others)


def undo_resource(body: Json, resource_type: ResourceType, tolerance: Tolerance) -> Json:
    """The body made right; the very same object when nothing has to be done to it."""
    if not isinstance(body, dict):
        return body
    layout = layout_of(resource_type)
    parts = layout.parts
    changed: JsonObject | None = None
    schemas: Json = None
    strays: list[str] = []
    for key, found in body.items():
        part = parts.get(key) or parts.get(key.lower())
        if part is not None:
            if found is None or (found.__class__ is part.plain and found != ""):
                continue
            undone = undo_value(part, found, tolerance)
        else:
            lower = key.lower()
            extension = layout.extensions.get(lower)
            if extension is None:
                if lower == "schemas":
                    schemas = found
                elif lower in layout.owners:
                    strays.append(key)
                continue
            undone = undo_extension(extension, found, tolerance)
        if undone is not found:
            if changed is None:
                changed = dict(body)
            changed[key] = undone
    result = body if changed is None else changed
    for key in strays:
        result = _bring_home(result, key, layout.owners[key.lower()], tolerance)
    if _schemas_are_right(schemas, resource_type) or not tolerance.undoes(quirks.WRONG_SCHEMAS):
        return result
    urns: list[Json] = [resource_type.schema.id]
    urns += [each.urn for lower, each in layout.extensions.items() if key_of(result, lower)]
    return {**result, key_of(result, "schemas") or "schemas": urns}


def undo_extension(extension: Extension, value: Json, tolerance: Tolerance) -> Json:
    """The attributes of an extension made right; None when that means that it has none."""
    match value:
        case dict():
            return undo_parts(value, extension.parts, tolerance)
        case "" if tolerance.undoes(quirks.EMPTY_STRING):
            return None
        case [] if tolerance.undoes(quirks.EMPTY_ARRAY):
            return None
        case str():
            inner = read_json_text(value)
            if inner is not None and tolerance.undoes(quirks.JSON_TEXT):
                return undo_extension(extension, inner, tolerance)
            return value
        case [inner] if tolerance.undoes(quirks.WRAPPED_VALUE):
            return undo_extension(extension, inner, tolerance)
        case _:
            return value


def _bring_home(
    body: JsonObject, key: str, extension: Extension, tolerance: Tolerance
) -> JsonObject:
    """The body with an attribute moved into its extension's object, unless that has one already."""
    found = body[key]
    part = extension.parts.get(key.lower())
    if found is None or part is None:
        return body
    urn = key_of(body, extension.urn) or extension.urn
    held = body.get(urn)
    if held is None:
        held = {}
    if not isinstance(held, dict):
        return body
    there = key_of(held, key)
    if there is not None and held[there] is not None:
        return body
    if not tolerance.undoes(quirks.EXTENSION_WITHOUT_URN):
        return body
    home = {name: value for name, value in held.items() if name != there}
    home[part.attribute.name] = undo_value(part, found, tolerance)
    result = {name: value for name, value in body.items() if name != key}
    result[urn] = home
    return result


def _schemas_are_right(schemas: Json, resource_type: ResourceType) -> bool:
    if not isinstance(schemas, list):
        return False
    core = resource_type.schema.id
    named = False
    for urn in schemas:
        if urn == core:
            named = True
        elif not isinstance(urn, str):
            return False
        elif urn.lower() == core.lower():
            named = True
        elif resource_type.extension(urn) is None:
            return False
    return named
