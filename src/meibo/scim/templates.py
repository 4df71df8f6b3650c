"""Parsed texts by their shape, so that a question asked again costs no parse.

An identity provider asks the same question about one person after another. Texts that differ only
in their string literals share a template, which makes the tree from the literals alone. A template
holds no literal, so nothing of a person stays behind, and no reference to its resource type, so
that a type which is gone takes its templates with it.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Generic, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from meibo.scim.filter import And, Compare, Filter, Not, Or, Present, ValuePath
from meibo.scim.path import PatchPath
from meibo.scim.schema import ResourceType, Schema

# Together they bound what a hostile client can fill: under 1 MB for each resource type.
MAX_SHAPES = 128
MAX_SHAPE_LENGTH = 256

_T = TypeVar("_T")
Template: TypeAlias = Callable[[Sequence[str]], _T]


class Templates(Generic[_T]):
    """The templates of each resource type, the least recently used given up first."""

    def __init__(self) -> None:
        self._shapes: WeakKeyDictionary[ResourceType, dict[str, Template[_T]]] = WeakKeyDictionary()

    def make(self, resource_type: ResourceType, shape: str, literals: Sequence[str]) -> _T | None:
        """The tree of that shape with these literals.

        None when the shape is not kept, or when a literal does not suit its attribute's type: the
        text must be parsed, if only to say which.
        """
        shapes = self._shapes.get(resource_type)
        template = None if shapes is None else shapes.pop(shape, None)
        if shapes is None or template is None:
            return None
        shapes[shape] = template  # the last one used stands last
        try:
            return template(literals)
        except ValueError:
            return None

    def keep(self, resource_type: ResourceType, shape: str, template: Template[_T]) -> None:
        """Keeps the template for the shape."""
        shapes = self._shapes.setdefault(resource_type, {})
        while len(shapes) >= MAX_SHAPES:
            del shapes[next(iter(shapes))]
        shapes[shape] = template


def split(text: str) -> tuple[str | None, list[str]]:
    """The shape of a text and its string literals; no shape if it is not one to be kept."""
    if "\\" in text or not text.isprintable():
        return None, []
    # Without escapes every quote opens or closes a string, so the odd pieces are the literals.
    pieces = text.split('"')
    shape = '"'.join(pieces[::2])
    if len(pieces) % 2 == 0 or len(shape) > MAX_SHAPE_LENGTH:
        return None, []
    return shape, pieces[1::2]


def filter_template(filter: Filter) -> Template[Filter]:
    """Makes trees like ``filter`` from other literals.

    The literals are in the order of the text, which is the tree's from left to right. The template
    raises ValueError when one of them is not of its attribute's type.
    """
    return _template(filter, count())


def path_template(target: PatchPath | Schema) -> Template[PatchPath | Schema]:
    """Makes paths like ``target`` from other literals, as ``filter_template`` makes filters."""
    if isinstance(target, Schema) or target.condition is None:
        return lambda _: target
    path, condition = target.path, filter_template(target.condition)
    return lambda literals: PatchPath(path, condition(literals))


def _template(filter: Filter, places: Iterator[int]) -> Template[Filter]:
    match filter:
        case Compare(path, operator, str()):
            place = next(places)
            return lambda literals: Compare(path, operator, literals[place])
        case Compare() | Present():
            return lambda _: filter
        case And(left, right):
            first, second = _template(left, places), _template(right, places)
            return lambda literals: And(first(literals), second(literals))
        case Or(left, right):
            first, second = _template(left, places), _template(right, places)
            return lambda literals: Or(first(literals), second(literals))
        case Not(inner):
            negated = _template(inner, places)
            return lambda literals: Not(negated(literals))
        case ValuePath(path, condition):
            element = _template(condition, places)
            return lambda literals: ValuePath(path, element(literals))
