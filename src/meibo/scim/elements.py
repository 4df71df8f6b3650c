"""The elements of a multi-valued complex attribute: which are the same, which one is primary.

RFC 7643 §2.4; the functions return new lists and elements and leave what they are given as it is.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from meibo.scim.comparison import fold
from meibo.scim.errors import InvalidValue, Mutability
from meibo.scim.path import AttributePath
from meibo.scim.schema import Attribute, Json, JsonObject

ElementKey: TypeAlias = str | tuple[str, str | None]


def element_key(attribute: Attribute, element: JsonObject) -> ElementKey:
    """What makes an element the same as another: its ``value`` and ``type``, else all it holds.

    Where ``value`` is required (a group's members) it is the element's identity alone.
    """
    value = attribute.sub_attribute("value")
    held = element.get("value")
    if value is None or not isinstance(held, str):
        return repr(sorted(element.items(), key=_name))
    if not value.case_exact:
        held = fold(held)
    if value.required:
        return held
    type_ = element.get("type")
    return (held, fold(type_) if isinstance(type_, str) else None)


def _type(element: JsonObject) -> Json:
    return element.get("type")


def _name(item: tuple[str, Json]) -> str:
    return item[0]


def merge_elements(
    attribute: Attribute, old: Iterable[JsonObject], new: Iterable[JsonObject]
) -> list[JsonObject]:
    """The elements of ``old``, then those of ``new``, no two of them the same.

    An element of ``new`` that is in ``old`` adds to it, or corrects, what it names. Among the
    elements of ``new`` the first one has the say, and is primary if any of its likes is.
    """
    elements = list(old)
    places = {element_key(attribute, each): place for place, each in enumerate(elements)}
    named: set[int] = set()
    for each in new:
        key = element_key(attribute, each)
        place = places.setdefault(key, len(elements))
        if place == len(elements):
            elements.append(each)
        elif place in named:
            elements[place] = {**each, **elements[place]}
            if each.get("primary") is True:
                elements[place]["primary"] = True
        else:
            elements[place] = {**elements[place], **each}
        named.add(place)
    return elements


def add_elements(
    elements: Sequence[JsonObject], new: Sequence[JsonObject], path: AttributePath
) -> list[JsonObject]:
    """``elements`` with those of ``new`` added to them, as PATCH adds them (RFC 7644 §3.5.2.1).

    At most one of ``new`` may be primary; the others then are no longer.

    Raises:
        InvalidValue: there would be too many.
        Mutability: an immutable sub-attribute of an element would change.
    """
    attribute = path.attribute
    after = merge_elements(attribute, elements, new)
    if len(after) > attribute.max_values:
        raise InvalidValue(f"{path} can hold {attribute.max_values:,} values, not more.")
    for before, merged in zip(elements, after, strict=False):
        if merged is not before:
            _keep_immutable(before, merged, path)
    for each in new:
        if each.get("primary") is True:
            key = element_key(attribute, each)
            make_primary(
                after, [at for at, held in enumerate(after) if element_key(attribute, held) == key]
            )
    return after


def without_elements(
    attribute: Attribute, elements: Iterable[JsonObject], listed: Iterable[JsonObject]
) -> list[JsonObject]:
    """``elements`` without those that are listed; one listed without ``type`` is of any type."""
    keys = {element_key(attribute, each) for each in listed}

    def stays(element: JsonObject) -> bool:
        key = element_key(attribute, element)
        return key not in keys and not (isinstance(key, tuple) and (key[0], None) in keys)

    return [each for each in elements if stays(each)]


@dataclass(frozen=True, slots=True)
class Leeway:
    """What may be done otherwise than by the RFC's letter while operations are applied.

    Each is asked only where it makes a difference, and says whether to do it.
    """

    # Of several elements that are made primary, the first with a value becomes the only one.
    first_primary: Callable[[], bool]
    # An element that lost its value, and has only labels left, goes.
    drop_emptied: Callable[[], bool]


# Sub-attributes that say of what kind a value is and are none themselves (RFC 7643 §2.4).
LABELS = frozenset({"type", "display", "primary"})


def without_emptied(
    before: Iterable[JsonObject], elements: Sequence[JsonObject]
) -> Sequence[JsonObject]:
    """``elements`` without those that have nothing but labels left of what they were ``before``.

    They are known by their type. One that had nothing else before is not emptied, nor is a new one,
    which may get its value later. The very same elements when none is.
    """
    bare = [each for each in elements if each.keys() <= LABELS]
    if not bare:
        return elements
    valued: set[Json] = set()
    labelled: set[Json] = set()
    for each in before:
        (labelled if each.keys() <= LABELS else valued).add(_type(each))
    emptied = valued - labelled
    if not any(_type(each) in emptied for each in bare):
        return elements
    return [each for each in elements if not (each.keys() <= LABELS and _type(each) in emptied)]


def make_primary(
    elements: list[JsonObject], places: Sequence[int], leeway: Leeway | None = None
) -> None:
    """Make the element at the one place of ``places`` the only primary one, in the list itself.

    Raises:
        InvalidValue: there are several places, and at most one element may be primary.
    """
    if len(places) > 1:
        if leeway is None or not leeway.first_primary():
            raise InvalidValue(f"At most one value may be primary, not {len(places)} of them.")
        with_value = (place for place in places if not elements[place].keys() <= LABELS)
        places = [next(with_value, places[0])]
    for place, each in enumerate(elements):
        if place not in places and each.get("primary") is True:
            elements[place] = {**each, "primary": False}


def with_changes(held: JsonObject, changes: JsonObject, path: AttributePath) -> JsonObject:
    """A complex value with sub-attributes set, or unassigned where ``changes`` has null.

    Raises:
        Mutability: an immutable sub-attribute that is set would change.
    """
    merged = dict(held)
    for name, value in changes.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = value
    _keep_immutable(held, merged, path)
    return merged


def _keep_immutable(before: JsonObject, after: JsonObject, path: AttributePath) -> None:
    for sub in path.attribute.sub_attributes:
        if sub.mutability == "immutable":
            held = before.get(sub.name)
            if held is not None and after.get(sub.name) != held:
                raise immutable(AttributePath(path.schema, path.attribute, sub))


def immutable(path: AttributePath) -> Mutability:
    """The refusal to change what may only be set once."""
    return Mutability(f"{path} cannot be changed once it is set. Remove the value and add another.")
