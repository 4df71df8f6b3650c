"""Attribute paths: where in a resource a filter, PATCH or projection points (RFC 7644 §3.10)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meibo.scim.comparison import Scalar, comparable
from meibo.scim.schema import Attribute, Json, JsonObject, ResourceType, Schema

if TYPE_CHECKING:  # the filter tree is made of paths, so at run time it imports this module
    from meibo.scim.filter import Filter


@dataclass(frozen=True, slots=True)
class AttributePath:
    """An attribute, or a sub-attribute, of a resource or of one element of a complex attribute.

    ``schema`` is the URN of the extension that defines the attribute, in its canonical spelling;
    None for core and common attributes and inside the brackets of a value path, where paths are
    relative to the element.
    """

    schema: str | None
    attribute: Attribute
    sub: Attribute | None = None

    @property
    def leaf(self) -> Attribute:
        """The definition of what the path ends at."""
        return self.attribute if self.sub is None else self.sub

    def values(self, value: JsonObject) -> Iterator[Json]:
        """Every value at the path, those of a multi-valued attribute one by one.

        ``value`` is a resource, or an element where the path is relative to one. A ``primary`` that
        an element leaves out is false (RFC 7643 §2.4), so it is yielded as such.
        """
        holder: Json = value
        if self.schema is not None:
            holder = value.get(self.schema)
            if not isinstance(holder, dict):
                return
        attribute, sub = self.attribute, self.sub
        found = holder.get(attribute.name)
        if sub is None:
            if found is not None:
                yield from found if isinstance(found, list) else (found,)
            elif self.schema is None and _defaults_to_false(attribute):
                yield False
            return
        for element in found if isinstance(found, list) else (found,):
            if isinstance(element, dict):
                inner = element.get(sub.name)
                if inner is not None:
                    yield from inner if isinstance(inner, list) else (inner,)
                elif attribute.multi_valued and _defaults_to_false(sub):
                    yield False

    def comparable(self, value: Json) -> Scalar:
        """The form in which a value at the path is compared; ValueError if not of its type."""
        return comparable(self.leaf, value)

    def __str__(self) -> str:
        text = self.attribute.name
        if self.schema is not None:
            text = f"{self.schema}:{text}"
        return text if self.sub is None else f"{text}.{self.sub.name}"


@dataclass(frozen=True, slots=True)
class PatchPath:
    """The target of a PATCH operation: ``path [ "[" condition "]" ]`` (RFC 7644 §3.5.2).

    ``emails[type eq "work"].value`` is the path ``emails.value`` with a condition that an element
    of ``emails`` must satisfy; the paths in the condition are relative to the element.
    """

    path: AttributePath
    condition: "Filter | None" = None


def _defaults_to_false(attribute: Attribute) -> bool:
    return attribute.type == "boolean" and attribute.name == "primary"


# ATTRNAME = ALPHA *(nameChar); nameChar = "$" / "-" / "_" / DIGIT / ALPHA (RFC 7643 §2.1). Only the
# sub-attribute $ref has a dollar sign. Flags keep IGNORECASE from taking the Kelvin sign for a K.
_NAME = r"[A-Z][A-Z0-9_-]*|\$ref"
NAMES = re.compile(rf"({_NAME})(?:\.({_NAME}))?", re.IGNORECASE | re.ASCII)
_URN = re.compile(r"urn:[A-Z0-9-]+:[!-~]+", re.IGNORECASE | re.ASCII)


def resolve(text: str, resource_type: ResourceType) -> AttributePath | Schema | None:
    """What a path without brackets names; None if there is no such attribute.

    Raises:
        ValueError: the text is not an attribute path.
    """
    names = NAMES.fullmatch(text)
    if names is not None:
        return _path_to(None, resource_type.attribute(names[1]), names[2])
    if _URN.fullmatch(text) is None:
        raise ValueError("not an attribute path")
    lower = text.lower()
    schema: Schema | None = None
    for known in (resource_type.schema, *(e.schema for e in resource_type.extensions)):
        urn = known.id.lower()
        if lower == urn:
            return known
        if lower.startswith(f"{urn}:") and (schema is None or len(urn) > len(schema.id)):
            schema = known
    if schema is None:
        return None
    rest = text[len(schema.id) + 1 :]
    names = NAMES.fullmatch(rest)
    if names is None:
        if ":" in rest:  # a URN that only begins like one of ours
            return None
        raise ValueError("not an attribute path")
    if schema is resource_type.schema:
        return _path_to(None, resource_type.attribute(names[1]), names[2])
    return _path_to(schema.id, schema.attribute(names[1]), names[2])


def _path_to(
    schema: str | None, attribute: Attribute | None, sub_name: str | None
) -> AttributePath | None:
    if attribute is None or sub_name is None:
        return None if attribute is None else AttributePath(schema, attribute)
    sub = attribute.sub_attribute(sub_name)
    return None if sub is None else AttributePath(schema, attribute, sub)
