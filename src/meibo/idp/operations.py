"""A PATCH message, its vendor's departures undone (RFC 7644 §3.5.2)."""

import operator
from functools import cached_property
from typing import Final

from meibo.idp import quirks
from meibo.idp.json_text import read_json_text
from meibo.idp.paths import Target, locate
from meibo.idp.quirks import Tolerance
from meibo.idp.resources import Extension, layout_of, undo_extension
from meibo.idp.values import Shape, is_empty, key_of, role_of, undo_single, undo_value
from meibo.scim import urns
from meibo.scim.patch import MAX_OPERATIONS
from meibo.scim.schema import Json, JsonObject, ResourceType

# So many paths of one message are looked up. Real ones have a few dozen; a made-up one could hold
# a hundred thousand unknown names, each of which costs more than to refuse it.
_LOOKUPS: Final = 2 * MAX_OPERATIONS
_MEMBERS: Final = frozenset({"op", "path", "value"})
_OPS: Final = frozenset({"add", "remove", "replace"})
# What is left of a value of which nothing is known here; compared by identity.
_NOTHING: Final[JsonObject] = {}


def undo_patch(
    message: Json,
    resource_type: ResourceType,
    own_id: str,
    tolerance: Tolerance,
) -> Json:
    """The message made right; the very same object when nothing has to be done to it.

    ``own_id`` is the id of the resource to change. Paths and keys of attributes that are not kept
    here are taken out and noted as ignored.
    """
    if not isinstance(message, dict):
        return message
    key = key_of(message, "Operations")
    operations = None if key is None else message[key]
    undone = operations
    if isinstance(operations, list):
        if not operations:
            tolerance.undoes(quirks.EMPTY_OPERATIONS)
        elif len(operations) <= MAX_OPERATIONS:  # more are refused anyway
            undone = _Undoing(operations, resource_type, own_id, tolerance).operations()
    schemas_key = key_of(message, "schemas")
    schemas = None if schemas_key is None else message[schemas_key]
    respell = not _names_patch_op(schemas) and tolerance.undoes(quirks.WRONG_SCHEMAS)
    if undone is operations and not respell:
        return message
    result = dict(message)
    if key is not None:
        result[key] = undone
    if respell:
        result[schemas_key or "schemas"] = [urns.PATCH_OP]
    return result


def _names_patch_op(schemas: Json) -> bool:
    if schemas == [urns.PATCH_OP]:
        return True
    if not isinstance(schemas, list) or len(schemas) != 1:
        return False
    urn = schemas[0]
    return isinstance(urn, str) and urn.lower() == urns.PATCH_OP.lower()


def _is_remove(op: Json) -> bool:
    return isinstance(op, str) and op.lower() == "remove"


class _Undoing:
    """Goes through the operations of one message.

    What takes an operation gives the operations to put in its place, none at all to leave it out,
    or None to keep it as it is.
    """

    def __init__(
        self,
        operations: list[Json],
        resource_type: ResourceType,
        own_id: str,
        tolerance: Tolerance,
    ) -> None:
        self._operations = operations
        self._lookups = 0
        self._resource_type = resource_type
        self._own_id = own_id
        self._tolerance = tolerance

    def operations(self) -> list[Json]:
        """All operations made right; the same list when nothing is changed."""
        operations = self._operations
        changed: list[Json] | None = None
        for place, each in enumerate(operations):
            undone = self._operation(each) if isinstance(each, dict) else None
            if undone is not None:
                if changed is None:
                    changed = operations[:place]
                changed.extend(undone)
            elif changed is not None:
                changed.append(each)
        return operations if changed is None else changed

    def _operation(self, operation: JsonObject) -> list[JsonObject] | None:
        if not operation.keys() <= _MEMBERS:
            operation = {key.lower(): value for key, value in operation.items()}
        op, path, value = operation.get("op"), operation.get("path"), operation.get("value")
        if not isinstance(op, str) or op.lower() not in _OPS:
            return None
        remove = _is_remove(op)
        if not remove and "value" not in operation:
            return None
        if isinstance(path, str):
            return self._at_path(op, path, value)
        return None if path is not None or remove else self._without_path(op, value)

    # -- with a path -----------------------------------------------------------------------------

    def _at_path(self, op: str, path: str, value: Json) -> list[JsonObject] | None:
        target = self._locate(path)
        if target.kind == "unknown":
            return self._left_out(path)
        if not self._leads_somewhere(target):
            return None
        if not _is_remove(op):
            return self._set(op, target, value)
        if quirks.SINGLE_SELECTED in target.respelt and target.shape in self._set_shapes:
            return []
        undone = value if value is None else self._listed(target, value)
        if undone is value and not target.respelt:
            return None
        result: JsonObject = {"op": op, "path": target.path}
        if undone is not None:
            result["value"] = undone
        return [result]

    def _set(self, op: str, target: Target, value: Json) -> list[JsonObject] | None:
        """An ``add`` or ``replace``."""
        tolerance, shape = self._tolerance, target.shape
        undone = value
        if target.extension is not None:
            undone = self._extension(target.extension, value)
        elif shape is not None and value is not None:
            if value.__class__ is not shape.plain or value == "":
                undone = self._made_right(op, target, shape, self._named_again(shape, value))
                if undone is _NOTHING:
                    return []
            if (
                target.creates
                and undone is not None
                and op.lower() == "replace"
                and tolerance.undoes(quirks.REPLACE_CREATES)
            ):
                made = self._role_parts("add", target, undone)
                return made or [{"op": "add", "path": target.path, "value": undone}]
            made = self._role_parts(op, target, undone)
            if made is not None:
                return made
        if undone is value and not target.respelt:
            return None
        return [{"op": op, "path": target.path, "value": undone}]

    def _role_parts(self, op: str, target: Target, value: Json) -> list[JsonObject] | None:
        """The operations that set value and display of a role that is sent as JSON text."""
        if not target.is_role or not isinstance(value, str):
            return None
        role = role_of(value, self._tolerance)
        if role is None:
            return None
        parts: list[JsonObject] = []
        stem = target.path[: -len("value")]
        if "display" in role:  # first: its filter may ask for the old value
            parts.append({"op": op, "path": f"{stem}display", "value": role["display"]})
        parts.append({"op": op, "path": target.path, "value": role["value"]})
        return parts

    def _made_right(self, op: str, target: Target, shape: Shape, value: Json) -> Json:
        """A value to set made right; ``_NOTHING`` where nothing is left that could be set."""
        known = self._known(shape, value, target.path)
        undone = known
        if known is not _NOTHING:
            undo = undo_single if target.kind == "elements" else undo_value
            undone = undo(shape, known, self._tolerance)
            if undone is not known:  # what was hidden in text
                undone = self._known(shape, undone, target.path)
        if op.lower() != "add" or shape.may_be_emptied or not isinstance(undone, list):
            return undone
        # Nobody is added. Elsewhere empty members are not all left out, which would empty a group.
        empty = bool(undone) and all(is_empty(shape, each) for each in undone)
        return _NOTHING if empty and self._tolerance.undoes(quirks.EMPTY_ELEMENT) else undone

    def _known(self, shape: Shape, value: Json, path: str) -> Json:
        """A complex value without the sub-attributes that do not exist, which are ignored.

        ``_NOTHING`` if there was nothing else: what nobody knows must not clear what is there.
        """
        if not shape.names:
            return value
        if isinstance(value, dict):
            known = self._known_parts(shape, value, path)
            return known if known or not value else _NOTHING
        if not isinstance(value, list):
            return value
        listed = [
            self._known(shape, each, path)
            if shape.may_be_emptied or not isinstance(each, dict)
            else self._known_parts(shape, each, path)  # a member of nothing else is refused
            for each in value
        ]
        if all(map(operator.is_, listed, value)):
            return value
        return [each for each in listed if each is not _NOTHING] or _NOTHING

    def _known_parts(self, shape: Shape, value: JsonObject, path: str) -> JsonObject:
        if value.keys() <= shape.names:
            return value
        unknown = {key for key in value if shape.attribute.sub_attribute(key) is None}
        if not unknown or not self._tolerance.undoes(quirks.UNKNOWN_ATTRIBUTE):
            return value
        for key in value:
            if key in unknown:
                self._tolerance.ignore(f"{path}.{key}")
        return {key: inner for key, inner in value.items() if key not in unknown}

    def _leads_somewhere(self, target: Target) -> bool:
        """Whether there is something at the path to be made right, however the path is spelled."""
        if target.shape is None and target.extension is None:
            return False
        return all(map(self._tolerance.undoes, target.respelt))

    def _left_out(self, path: str) -> list[JsonObject] | None:
        """No operation for an attribute that is not kept here."""
        if not self._tolerance.undoes(quirks.UNKNOWN_ATTRIBUTE):
            return None
        self._tolerance.ignore(path)
        return []

    @cached_property
    def _set_shapes(self) -> set[Shape | None]:
        """The shapes of what the message's ``add`` and ``replace`` operations set by a path."""
        shapes: set[Shape | None] = set()
        for each in self._operations:
            if isinstance(each, dict) and not _is_remove(each.get("op")):
                path, value = each.get("path"), each.get("value")
                keys = [path] if isinstance(path, str) else value if isinstance(value, dict) else ()
                shapes.update(self._locate(key).shape for key in keys)
        return shapes

    def _locate(self, path: str) -> Target:
        self._lookups += 1
        if self._lookups > _LOOKUPS:
            return Target("left", path)
        return locate(path, self._resource_type)

    def _listed(self, target: Target, value: Json) -> Json:
        """The list of elements that a ``remove`` names, made right.

        None of them is cleared or left out: "remove these" must not become "remove fewer", let
        alone "remove all".
        """
        shape = target.shape
        if target.kind != "attribute" or shape is None or not shape.attribute.multi_valued:
            return value
        careful = self._tolerance.without(
            quirks.EMPTY_STRING,
            quirks.EMPTY_ARRAY,
            quirks.EMPTY_ELEMENT,
            quirks.SEVERAL_PRIMARIES,
        )
        undone = undo_value(shape, self._named_again(shape, value), careful)
        if not isinstance(undone, list):
            return undone
        known = [
            self._known_parts(shape, each, target.path) if isinstance(each, dict) else each
            for each in undone
        ]
        return undone if all(map(operator.is_, known, undone)) else known

    def _named_again(self, shape: Shape, value: Json) -> Json:
        if isinstance(value, dict) and len(value) == 1:
            ((key, inner),) = value.items()
            name = shape.attribute.name.lower()
            again = key.lower() == name and name not in shape.parts
            if again and self._tolerance.undoes(quirks.VALUE_NAMED_AGAIN):
                return inner
        return value

    def _extension(self, extension: Extension, value: Json) -> Json:
        """All of an extension made right, without the attributes that it does not have."""
        if value is None:
            return None
        undone = undo_extension(extension, value, self._tolerance)
        if not isinstance(undone, dict):
            return undone
        known: JsonObject = {}
        changed = False
        for key, inner in undone.items():
            name = key.lower()
            part = extension.parts.get(name)
            path = f"{extension.urn}:{key}"
            if part is not None:
                made = self._known(part, inner, path)
                if made is not _NOTHING:
                    known[key] = made
                changed = changed or made is not inner
            elif name in extension.names or not self._tolerance.undoes(quirks.UNKNOWN_ATTRIBUTE):
                known[key] = inner
            else:
                self._tolerance.ignore(path)
                changed = True
        return known if changed else undone

    # -- without a path --------------------------------------------------------------------------

    def _without_path(self, op: str, value: Json) -> list[JsonObject] | None:
        """The value's attributes, in the order in which they were named.

        Those with their plain names stay together in one operation; the others become operations
        with a path.
        """
        members = self._object(value)
        if members is None:
            return None
        layout = layout_of(self._resource_type)
        changed = members is not value
        result: list[JsonObject] = []
        together: JsonObject = {}
        for key, found in members.items():
            if self._lookups > _LOOKUPS:
                return None
            name = key.lower()
            part = layout.parts.get(name)
            undone = found
            if part is not None:
                if found is not None and (found.__class__ is not part.plain or found == ""):
                    target = Target("attribute", part.attribute.name, part)
                    undone = self._made_right(op, target, part, found)
                    if undone is _NOTHING:
                        changed = True
                        continue
            elif (extension := layout.extensions.get(name)) is not None:
                undone = self._extension(extension, found)
            elif name in layout.others:
                if self._repeats(name, found):
                    changed = True
                    continue
                within = self._without_path(op, found) if name == layout.urn else None
                if within is not None:
                    if together and within:
                        result.append({"op": op, "value": together})
                        together = {}
                    result.extend(within)
                    changed = True
                    continue
            elif (apart := self._at_key(op, key, found)) is not None:
                if together and apart:
                    result.append({"op": op, "value": together})
                    together = {}
                result.extend(apart)
                changed = True
                continue
            changed = changed or undone is not found
            together[key] = undone
        if not changed:
            return None
        if together:
            result.append({"op": op, "value": together})
        return result

    def _object(self, value: Json) -> JsonObject | None:
        tolerance = self._tolerance
        match value:
            case dict():
                return value
            case str():
                inner = self._object(read_json_text(value))
                return inner if inner is None or tolerance.undoes(quirks.JSON_TEXT) else None
            case [each]:
                inner = self._object(each)
                return inner if inner is None or tolerance.undoes(quirks.WRAPPED_VALUE) else None
            case _:
                return None

    def _repeats(self, name: str, value: Json) -> bool:
        """Whether what is the server's only says again what the resource has."""
        own = name in ("schemas", "meta") or (name == "id" and value == self._own_id)
        return own and self._tolerance.undoes(quirks.REPEATED_ID)

    def _at_key(self, op: str, key: str, value: Json) -> list[JsonObject] | None:
        """The operations for a key that is no attribute's plain name; None to leave it there."""
        target = self._locate(key)
        # A key with a filter in it was meant as a path, and is refused if it is none.
        if target.kind == "unknown" or (target.kind == "malformed" and "[" not in key):
            return self._left_out(key)
        is_path = any(each in key for each in ".:[")
        if target.kind == "left" and is_path and self._tolerance.tolerates(quirks.FLATTENED_KEYS):
            # The engine knows no paths as keys, but why this one cannot be changed.
            return [{"op": op, "path": key, "value": value}]
        if not self._leads_somewhere(target):
            return None
        if is_path and not self._tolerance.undoes(quirks.FLATTENED_KEYS):
            return None
        undone = self._set(op, target, value)
        return [{"op": op, "path": key, "value": value}] if undone is None else undone
