"""Where the path of a PATCH operation leads, however it is spelled (RFC 7644 §3.5.2)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from meibo.idp import quirks
from meibo.idp.quirks import Quirk
from meibo.idp.resources import Extension, layout_of
from meibo.idp.values import Shape, shape_of
from meibo.scim.errors import InvalidPath
from meibo.scim.filter import And, Compare, Filter, to_text
from meibo.scim.parser import MAX_PATH_LENGTH, UnknownPath, parse_patch_path
from meibo.scim.path import AttributePath, PatchPath
from meibo.scim.schema import ResourceType, Schema

Kind: TypeAlias = Literal["attribute", "elements", "extension", "unknown", "malformed", "left"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a path leads to.

    ``attribute`` is all of an attribute or sub-attribute, ``elements`` those that a filter selects,
    ``extension`` all of an extension; ``left`` is for the engine as it stands, most likely to be
    refused. ``path`` is the path as the RFC spells it, ``respelt`` why it was not spelled so.
    ``creates``: an ``add`` can create the element that the filter describes. ``is_role``: the
    value there may be JSON text of a role, of which it is a part.
    """

    kind: Kind
    path: str
    shape: Shape | None = None
    extension: Extension | None = None
    creates: bool = False
    is_role: bool = False
    respelt: tuple[Quirk, ...] = ()


def locate(path: str, resource_type: ResourceType) -> Target:
    """Where ``path`` leads, tried as it stands first and then with each known departure undone."""
    if len(path) > MAX_PATH_LENGTH:  # refused anyway, and too long to be remembered
        return Target("malformed", path)
    return _locate(path, resource_type)


@lru_cache(maxsize=2048)
def _locate(path: str, resource_type: ResourceType) -> Target:
    unknown = False
    for text, respelt in _spellings(path, resource_type):
        for bare_words in (False, True):
            try:
                found = parse_patch_path(text, resource_type, bare_words=bare_words)
            except UnknownPath:
                unknown = True
            except InvalidPath:
                continue
            else:
                why = (*respelt, _quirk_of_literal(text)) if bare_words else respelt
                return _target(found, text, resource_type, why)
    return Target("unknown" if unknown else "malformed", path)


_FIRST_NAME: Final = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)
_SELECTED_BY_VALUE: Final = re.compile(
    r"""([^\[\]]+)\[ *value +eq +"(?:[^"\\]|\\.)*" *\]""", re.IGNORECASE
)
_BOOLEAN: Final = re.compile(r'\s"?(?:true|false)\b', re.IGNORECASE)


def _spellings(path: str, resource_type: ResourceType) -> Iterator[tuple[str, tuple[Quirk, ...]]]:
    yield path, ()
    yield from with_urn(path, resource_type)
    selected = _SELECTED_BY_VALUE.fullmatch(path)
    if selected is not None:
        why = (quirks.SINGLE_SELECTED,)
        yield selected[1], why
        yield from with_urn(selected[1], resource_type, why)


def with_urn(
    path: str, resource_type: ResourceType, why: tuple[Quirk, ...] = ()
) -> Iterator[tuple[str, tuple[Quirk, ...]]]:
    """``path`` with a schema's URN as the RFC spells it, where one is misspelled or left out.

    Each with the reasons for it, after those in ``why``; at most a few.
    """
    layout = layout_of(resource_type)
    lower = path.lower()
    for schema in (resource_type.schema, *(each.schema for each in resource_type.extensions)):
        if lower.startswith(f"{schema.id.lower()}."):
            yield f"{schema.id}:{path[len(schema.id) + 1 :]}", (*why, quirks.DOTTED_URN)
    name = _FIRST_NAME.match(lower)
    owner = None if name is None else layout.owners.get(name[0])
    if owner is not None:
        yield f"{owner.urn}:{path}", (*why, quirks.EXTENSION_WITHOUT_URN)


def _quirk_of_literal(path: str) -> Quirk:
    """Why the filter in a path can only be read with bare words."""
    return quirks.BARE_WORD if _BOOLEAN.search(path) is None else quirks.BOOLEAN_AS_STRING


def _target(
    found: PatchPath | Schema, text: str, resource_type: ResourceType, respelt: tuple[Quirk, ...]
) -> Target:
    if isinstance(found, Schema):
        extension = layout_of(resource_type).extensions.get(found.id.lower())
        if extension is None:
            return Target("left", text)
        return Target("extension", text, extension=extension, respelt=respelt)
    path, condition = found.path, found.condition
    attribute, sub = path.attribute, path.sub
    if (
        "readOnly" in (attribute.mutability, path.leaf.mutability)
        or path.leaf.name == "$ref"
        or (attribute.name == "schemas" and path.schema is None)
    ):
        return Target("left", text)
    if quirks.SINGLE_SELECTED in respelt and (
        path.leaf.multi_valued or path.leaf.sub_attribute("value") is None
    ):
        return Target("malformed", text)
    if respelt and condition is not None:
        text = f"{AttributePath(path.schema, attribute)}[{to_text(condition)}]"
        text = text if sub is None else f"{text}.{sub.name}"
    return Target(
        "attribute" if condition is None or sub is not None else "elements",
        text,
        shape_of(path.leaf),
        creates=condition is not None and _describes(condition),
        is_role=sub is not None and sub.name == "value" and shape_of(attribute).may_be_role,
        respelt=respelt,
    )


def _describes(condition: Filter) -> bool:
    """Whether a filter is nothing but comparisons with ``eq``, joined by ``and``."""
    match condition:
        case And(left, right):
            return _describes(left) and _describes(right)
        case Compare(operator="eq", value=value):
            return value is not None
        case _:
            return False
