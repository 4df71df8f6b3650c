"""PATCH: the PatchOp message, and what its operations make of a resource (RFC 7644 §3.5.2).

A message becomes a list of operations, each with one attribute as its target and a value that is
checked already, so that nothing is changed by a message with an error in it; ``apply`` then makes a
new resource. Where the RFC leaves a choice:

- ``replace`` of elements that a filter selects changes the sub-attributes that the value names and
  keeps the others, as for every complex attribute (§3.5.2.3).
- ``add`` with a filter that matches nothing creates the element that the filter describes.
- ``remove`` with a value removes the elements listed in it. Taken to the letter (§3.5.2.2) it would
  remove all, and what Entra ID means as "remove these members" would empty the group.
- Names that no schema defines are refused in values too: in POST and PUT they are ignored (§3.3),
  but a change that was asked for must not be passed over (§3.5.2, "invalidPath").
- null unassigns (RFC 7643 §2.5), but ``add`` never takes away: null or [] added to a multi-valued
  attribute is no change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeAlias

from meibo.scim import urns
from meibo.scim.comparison import comparable
from meibo.scim.elements import (
    Leeway,
    add_elements,
    immutable,
    make_primary,
    merge_elements,
    with_changes,
    without_elements,
    without_emptied,
)
from meibo.scim.errors import (
    InvalidPath,
    InvalidSyntax,
    InvalidValue,
    Mutability,
    NoTarget,
    TooMany,
)
from meibo.scim.filter import And, Compare, Filter, Not, Or, Present, ValuePath, matches
from meibo.scim.parser import parse_patch_path, shown
from meibo.scim.path import AttributePath, PatchPath
from meibo.scim.resource import (
    check_message,
    check_urns,
    check_value,
    described,
    required_names,
    schemas_of,
)
from meibo.scim.schema import Attribute, Json, JsonObject, ResourceType, Schema

Op: TypeAlias = Literal["add", "remove", "replace"]

MAX_OPERATIONS = 1_000
# What the operations of one message may compare, in values and characters that are not ASCII: about
# a second at the worst. A thousand operations on a thousand long values would take minutes.
_MAX_WORK = 500_000

_OPS: dict[str, Op] = {"add": "add", "remove": "remove", "replace": "replace"}
_MESSAGE_MEMBERS = frozenset({"schemas", "Operations"})
_OPERATION_MEMBERS = frozenset({"op", "path", "value"})


@dataclass(frozen=True, slots=True)
class Operation:
    """One change of one attribute.

    ``value`` is canonical: for a multi-valued attribute without filter and sub-attribute a list;
    for a complex one an object in which null means "unassign this sub-attribute"; otherwise what
    the attribute holds. For ``remove`` it is None, or the elements to remove. ``leeway`` is
    the same for all operations of a message; without it, they are applied to the letter.
    """

    op: Op
    target: PatchPath
    value: Json = None
    leeway: Leeway | None = field(default=None, repr=False, compare=False)


def parse_patch(
    message: Json,
    resource_type: ResourceType,
    *,
    own_id: str | None = None,
    strict_schemas: bool = True,
    allow_empty: bool = False,
    bare_words: bool = False,
    leeway: Leeway | None = None,
) -> list[Operation]:
    """The operations of a PatchOp message, in order, each with a single attribute as target.

    Values without a path, and values of a whole extension, are taken apart; of the former
    ``schemas``, ``meta`` and the resource's ``own_id`` are left out, since clients send back what
    they read. A password is checked and left out.

    Raises:
        InvalidSyntax: the message is not a PatchOp, or an ``op`` is unknown.
        InvalidPath: a path is malformed or names no attribute.
        NoTarget: a ``remove`` without a path.
        InvalidValue: a value is missing or not what its attribute asks.
        Mutability: the target is readOnly, or would leave a required attribute unassigned.
    """
    if not isinstance(message, dict):
        raise InvalidSyntax(f"The body must be a PatchOp message, not {described(message)}.")
    if not message.keys() <= _MESSAGE_MEMBERS:
        lowered = {key.lower(): value for key, value in message.items()}
        message = {"schemas": lowered.get("schemas"), "Operations": lowered.get("operations")}
    if strict_schemas:
        check_message(message.get("schemas"), urns.PATCH_OP, "PATCH")
    raw = message.get("Operations")
    if not isinstance(raw, list):
        raise InvalidSyntax(f"Operations must be an array, not {described(raw)}.")
    if not raw and not allow_empty:
        raise InvalidSyntax("Operations must hold at least one operation.")
    if len(raw) > MAX_OPERATIONS:
        raise InvalidValue(
            f"A PATCH may hold {MAX_OPERATIONS:,} operations, and this one has {len(raw):,}."
        )
    reader = _Reader(resource_type, own_id, leeway, bare_words=bare_words)
    for each in raw:
        reader.read(each)
    return reader.operations


class _Reader:
    """Takes the operations of one message apart; ``operations`` grows by each one read."""

    def __init__(
        self,
        resource_type: ResourceType,
        own_id: str | None,
        leeway: Leeway | None,
        *,
        bare_words: bool,
    ) -> None:
        self.operations: list[Operation] = []
        self._leeway = leeway
        self._resource_type = resource_type
        self._own_id = own_id
        self._bare_words = bare_words

    def read(self, raw: Json) -> None:
        if not isinstance(raw, dict):
            raise InvalidSyntax(f"Each of the Operations must be an object, not {described(raw)}.")
        if not raw.keys() <= _OPERATION_MEMBERS:
            raw = {key.lower(): value for key, value in raw.items()}
        name, path = raw.get("op"), raw.get("path")
        op = _OPS.get(name.lower()) if isinstance(name, str) else None
        if op is None:
            raise InvalidSyntax(
                f"op must be one of add, remove and replace, not {described(name)}."
            )
        value = raw.get("value")
        if op != "remove" and "value" not in raw:
            raise InvalidValue(f"An operation with op {op} needs a value.")
        if path is None:
            if op == "remove":
                raise NoTarget("An operation with op remove needs a path.")
            self._without_path(op, value)
        elif isinstance(path, str):
            self._at(op, path, value)
        else:
            raise InvalidPath(f"path must be a string, not {described(path)}.")

    def _without_path(self, op: Op, value: Json) -> None:
        """Each member of the value is an operation of its own (RFC 7644 §3.5.2.1, §3.5.2.3)."""
        if not isinstance(value, dict):
            raise InvalidValue(
                f"An operation without a path needs an object of attributes as its value, "
                f"not {described(value)}."
            )
        core = self._resource_type.schema.id.lower()
        for key, inner in value.items():
            name = key.lower()
            if name == "schemas" or name == "meta":
                continue
            if name == "id" and inner == self._own_id and inner is not None:
                continue
            attribute = self._resource_type.attribute(name)
            if attribute is not None:
                self._change(op, PatchPath(AttributePath(None, attribute)), inner)
            elif (extension := self._resource_type.extension(name)) is not None:
                self._whole_extension(op, extension, inner)
            elif name == core:
                self._without_path(op, {} if inner is None else inner)
            else:
                raise InvalidPath(
                    f"{shown(key)} is not an attribute of {self._resource_type.name}. Give a path "
                    f"to change a part of an attribute, or put it into an object."
                )

    def _at(self, op: Op, text: str, value: Json) -> None:
        target = _target(text, self._resource_type, self._bare_words)
        if isinstance(target, Schema):
            self._whole_extension(op, target, value)
        else:
            self._change(op, target, value)

    def _change(self, op: Op, target: PatchPath, value: Json) -> None:
        operation = _operation(op, target, value, self._resource_type, self._leeway)
        if operation is not None:
            self.operations.append(operation)

    def _whole_extension(self, op: Op, extension: Schema, value: Json) -> None:
        if op == "remove" or value is None:
            value = {attribute.name: None for attribute in extension.attributes}
            op = "remove"
        if not isinstance(value, dict):
            raise InvalidValue(f"{extension.id} must be an object, not {described(value)}.")
        for key, inner in value.items():
            attribute = extension.attribute(key)
            if attribute is None and key.lower() == "schemas":
                continue  # some clients' models of an extension carry it, as they do at the top
            if attribute is None:
                raise InvalidPath(f"{extension.id} has no attribute {shown(key)}.")
            self._change(op, PatchPath(AttributePath(extension.id, attribute)), inner)


@lru_cache(maxsize=512)
def _target(text: str, resource_type: ResourceType, bare_words: bool) -> PatchPath | Schema:
    return parse_patch_path(text, resource_type, bare_words=bare_words)


def _operation(
    op: Op, target: PatchPath, value: Json, resource_type: ResourceType, leeway: Leeway | None
) -> Operation | None:
    """The operation with its value checked, None if it has no effect on any resource."""
    path = target.path
    attribute, sub = path.attribute, path.sub
    if attribute.mutability == "readOnly" or (sub is not None and sub.mutability == "readOnly"):
        raise Mutability(f"{path} is read-only. Take it out of the request or of the mapping.")
    if attribute.name == "schemas" and path.schema is None:
        return _schemas_operation(op, value, resource_type)
    if sub is not None and sub.name == "$ref":
        raise Mutability(f"{path} follows from the value. Set that instead.")
    whole = sub is None and target.condition is None
    unknown: list[str] = []
    if op == "remove":
        lists = _lists(target, value)
        checked = check_value(attribute, value, str(path), unknown) if lists else None
        if checked is None and lists:
            return None
    elif sub is not None:
        checked = check_value(sub, value, str(path), unknown)
    elif attribute.type == "complex" and not (whole and attribute.multi_valued):
        checked = None if value is None else _check_changes(attribute, value, str(path))
    else:
        checked = check_value(attribute, value, str(path), unknown)
    if unknown:
        raise InvalidPath(f"There is no attribute {unknown[0]}. Take it out of the value.")
    if checked is None:
        if op == "add" and attribute.multi_valued and whole:
            return None
        if (attribute.required and whole) or (sub is not None and sub.required):
            raise Mutability(f"{path} is required, so its value cannot be taken away.")
        op = "remove"
    if attribute.mutability == "writeOnly":
        return None
    return Operation(op, target, checked, leeway)


def _lists(target: PatchPath, value: Json) -> bool:
    """Whether the value of a ``remove`` lists elements; elsewhere such a value means nothing."""
    path = target.path
    return (
        value is not None
        and path.attribute.multi_valued
        and path.sub is None
        and target.condition is None
    )


def _schemas_operation(op: Op, value: Json, resource_type: ResourceType) -> None:
    """``schemas`` follows from the attributes: what is right has no effect, all else is refused."""
    if op == "remove" or value is None or value == []:
        raise Mutability("schemas is required; it follows from the attributes that are set.")
    for urn in check_urns(value):
        known = urn.lower() == resource_type.schema.id.lower()
        if not known and resource_type.extension(urn) is None:
            raise InvalidValue(
                f"schemas names {shown(urn)}, which a {resource_type.name} does not have."
            )


def _check_changes(attribute: Attribute, value: Json, path: str) -> JsonObject:
    """The sub-attributes to set; null for those to unassign. What is not named stays."""
    if not isinstance(value, dict):
        raise InvalidValue(f"{path} must be an object, not {described(value)}.")
    changes: JsonObject = {}
    for key, inner in value.items():
        sub = attribute.sub_attribute(key)
        if sub is None:
            raise InvalidPath(
                f"{path} has no sub-attribute {shown(key)}. Take it out of the value."
            )
        if sub.mutability != "readOnly":
            checked = check_value(sub, inner, f"{path}.{sub.name}")
            if checked is None and sub.required:
                raise Mutability(f"{path}.{sub.name} is required, so it cannot be taken away.")
            if sub.name != "$ref":
                changes[sub.name] = checked
    return changes


def apply(
    resource: JsonObject, operations: Sequence[Operation], resource_type: ResourceType
) -> JsonObject:
    """The resource after the operations, one after the other; equal to it if nothing changed.

    ``resource`` stays as it is; the result shares with it what did not change.

    Raises:
        NoTarget: a ``replace`` with a filter that matches nothing.
        Mutability: an immutable value would change, or a required attribute is not assigned.
        InvalidValue: an attribute would hold too many values, or two primary ones.
        TooMany: the operations are too much work for one message.
    """
    result = dict(resource)
    work = _Work()
    extensions: JsonObject = {}
    for operation in operations:
        path = operation.target.path
        holder = result
        if path.schema is not None:
            copied = extensions.get(path.schema)
            if not isinstance(copied, dict):
                held = result.get(path.schema)
                copied = dict(held) if isinstance(held, dict) else {}
                extensions[path.schema] = copied
            holder = copied
        name = path.attribute.name
        changed = _changed(holder.get(name), operation, work)
        if changed is None:
            holder.pop(name, None)
        else:
            holder[name] = changed
    _drop_emptied(resource, result, extensions, operations)
    if extensions:
        for urn, held in extensions.items():
            if held:
                result[urn] = held
            else:
                result.pop(urn, None)
        schemas = schemas_of(result, resource_type)
        if schemas != result.get("schemas"):
            result["schemas"] = schemas
    for name in required_names(resource_type):
        if result.get(name) is None:
            raise Mutability(f"{name} is required, so its value cannot be taken away.")
    return result


def _drop_emptied(
    resource: JsonObject,
    result: JsonObject,
    extensions: JsonObject,
    operations: Sequence[Operation],
) -> None:
    """Take elements of which the operations left nothing but labels out of ``result``.

    Only now: one operation may take the old value away and a later one set the new. ``extensions``
    holds those of the result that were changed.
    """
    done: set[tuple[str | None, str]] = set()
    for operation in operations:
        path, leeway = operation.target.path, operation.leeway
        schema, name = path.schema, path.attribute.name
        whole = path.sub is None and operation.target.condition is None
        if leeway is None or whole or not path.attribute.multi_valued:
            continue
        if (schema, name) in done:
            continue
        done.add((schema, name))
        holder = result if schema is None else extensions.get(schema)
        old = resource if schema is None else resource.get(schema)
        if not isinstance(holder, dict) or not isinstance(old, dict):
            continue
        elements = _elements(holder.get(name))
        left = without_emptied(_elements(old.get(name)), elements)
        if left is elements or not leeway.drop_emptied():
            continue
        kept: list[Json] = [*left]
        if kept:
            holder[name] = kept
        else:
            del holder[name]


def _elements(value: Json) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


class _Work:
    """Counts what the operations of one message cost."""

    def __init__(self) -> None:
        self._left = _MAX_WORK

    def spend(self, elements: Sequence[JsonObject], compared: Sequence[str]) -> None:
        """Pay for comparing these sub-attributes, each as often as it is named, of each element."""
        self._take(len(elements) * len(compared))
        if len(elements) > 1:
            # Long text costs more, most of all where it has to be normalised.
            self._take(
                sum(
                    len(value) // 1_000 if value.isascii() else len(value)
                    for name in compared
                    for element in elements
                    if isinstance(value := element.get(name), str)
                )
            )

    def _take(self, units: int) -> None:
        self._left -= units
        if self._left < 0:
            raise TooMany(
                f"The operations of one PATCH may compare {_MAX_WORK:,} values, and these compare "
                f"more. Send fewer at once."
            )


# What tells elements apart, see `element_key`.
_KEY = ("value", "type")


def _compared(condition: Filter | None) -> list[str]:
    match condition:
        case None:
            return []
        case And(left, right) | Or(left, right):
            return _compared(left) + _compared(right)
        case Not(inner) | ValuePath(condition=inner):
            return _compared(inner)
        case Compare(path) | Present(path):
            return [path.attribute.name]


def _changed(old: Json, operation: Operation, work: _Work) -> Json:
    """An attribute's value after the operation; None when it is no longer assigned."""
    value, path = operation.value, operation.target.path
    attribute, sub = path.attribute, path.sub
    if attribute.multi_valued:
        if attribute.type != "complex":
            return _changed_simple_values(old, operation)
        elements = _elements(old)
        if sub is None and operation.target.condition is None:
            elements = _changed_whole(elements, operation, work)
        else:
            elements = _changed_elements(elements, operation, work)
        return [*elements] or None
    if attribute.type == "complex":
        held = old if isinstance(old, dict) else {}
        if sub is not None:
            changes: JsonObject = {sub.name: value}
        elif isinstance(value, dict):
            changes = value
        else:
            changes = dict.fromkeys(held)
        return with_changes(held, changes, path) or None
    if attribute.mutability == "immutable" and old is not None and old != value:
        raise immutable(path)
    return value


def _changed_simple_values(old: Json, operation: Operation) -> Json:
    attribute = operation.target.path.attribute
    held = old if isinstance(old, list) else []
    listed = operation.value if isinstance(operation.value, list) else None
    match operation.op:
        case "replace":
            return listed
        case "add":
            return check_value(attribute, [*held, *(listed or ())], attribute.name)
        case "remove":
            if listed is None:
                return None
            gone = {comparable(attribute, each) for each in listed}
            return [each for each in held if comparable(attribute, each) not in gone] or None


def _changed_whole(
    elements: list[JsonObject], operation: Operation, work: _Work
) -> list[JsonObject]:
    """The target is all values of a multi-valued complex attribute."""
    path = operation.target.path
    attribute = path.attribute
    value = operation.value
    listed = _elements(value)
    match operation.op:
        case "replace":
            return listed
        case "add":
            work.spend(elements, _KEY)
            return add_elements(elements, listed, path)
        case "remove":
            if value is None:
                return []
            work.spend(elements, _KEY)
            return without_elements(attribute, elements, listed)


def _changed_elements(
    elements: list[JsonObject], operation: Operation, work: _Work
) -> list[JsonObject]:
    """The target is the elements that the condition selects, all without one, or a part of each."""
    path, condition, value = operation.target.path, operation.target.condition, operation.value
    sub = path.sub
    work.spend(elements, _compared(condition))
    if operation.op == "remove" and sub is None:
        return [each for each in elements if condition is not None and not matches(condition, each)]
    if condition is None:
        hits = list(range(len(elements)))
    else:
        hits = [place for place, each in enumerate(elements) if matches(condition, each)]
    if sub is not None:
        changes: JsonObject = {sub.name: value}
    else:
        changes = value if isinstance(value, dict) else {}
    work.spend(elements, _KEY)
    if not hits:
        if operation.op == "remove":
            return elements
        if operation.op == "replace" and condition is not None:
            raise NoTarget(f"No value of {path.attribute.name} matches the filter of the path.")
        return add_elements(elements, [_new_element(changes, condition, path)], path)
    after = list(elements)
    for place in hits:
        after[place] = with_changes(after[place], changes, path)
    if changes.get("primary") is True:
        make_primary(after, hits, operation.leeway)
    after = [each for each in after if each]
    return elements if after == elements else merge_elements(path.attribute, (), after)


def _new_element(changes: JsonObject, condition: Filter | None, path: AttributePath) -> JsonObject:
    """The element that the condition describes, with the changes made to it."""
    element: JsonObject = {}
    if condition is not None and not _describe(condition, element, path):
        raise NoTarget(
            f"No value of {path.attribute.name} matches the filter of the path, and only a filter "
            f'of "eq" comparisons joined by "and" describes a new one.'
        )
    element = with_changes({}, {**element, **changes}, path)
    for sub in path.attribute.sub_attributes:
        if sub.required and sub.name not in element:
            raise InvalidValue(f"{path.attribute.name}.{sub.name} is required in a new element.")
    return element


def _describe(condition: Filter, element: JsonObject, path: AttributePath) -> bool:
    """Put what the condition asks of an element into it; False if that is not plain equality."""
    match condition:
        case And(left, right):
            return _describe(left, element, path) and _describe(right, element, path)
        case Compare(AttributePath(None, attribute, None), "eq", wanted):
            text = f"{path.attribute.name}.{attribute.name}"
            checked = None
            if attribute.mutability != "readOnly":
                checked = check_value(attribute, wanted, text)
            if checked is not None:
                element[attribute.name] = checked
            return checked is not None
        case _:
            return False


@dataclass(frozen=True, slots=True)
class MembersPlan:
    """What operations on a group's ``members`` come to, without knowing who is in it.

    ``clear``: all who are there leave, except those in ``add``, which holds the elements to add by
    member id, in order. ``remove`` holds the ids of those who leave. No id is in both.
    """

    clear: bool
    add: dict[str, JsonObject]
    remove: frozenset[str]


def plan_members(operations: Sequence[Operation]) -> MembersPlan | None:
    """The plan for operations that all have ``members`` as their target, in order.

    None when a filter asks for more than a member's id: then the members have to be loaded, and
    ``apply`` decides.

    Raises:
        Mutability: an operation would change a member; they are only added and removed.
    """
    clear = False
    add: dict[str, JsonObject] = {}
    remove: set[str] = set()
    for operation in operations:
        target, value = operation.target, operation.value
        if target.path.sub is not None:
            raise immutable(target.path)
        if target.condition is not None:
            ids = _member_ids(target.condition)
            if operation.op != "remove" or ids is None:
                return None
        elif isinstance(value, list):
            listed = {
                id: each
                for each in value
                if isinstance(each, dict) and isinstance(id := each.get("value"), str)
            }
            if operation.op != "remove":
                if operation.op == "replace":
                    clear, add = True, {}
                    remove.clear()
                remove.difference_update(listed)
                for id, each in listed.items():
                    add.setdefault(id, each)
                continue
            ids = list(listed)
        else:
            clear, add = True, {}
            remove.clear()
            continue
        for id in ids:
            add.pop(id, None)
        remove.update(ids)
    return MembersPlan(clear, add, frozenset(remove))


def _member_ids(condition: Filter) -> list[str] | None:
    """The ids in ``value eq "a" or value eq "b"``; None for every other condition."""
    match condition:
        case Or(left, right):
            lefts, rights = _member_ids(left), _member_ids(right)
            return None if lefts is None or rights is None else lefts + rights
        case Compare(AttributePath(None, attribute, None), "eq", str() as id):
            return [id] if attribute.name == "value" else None
        case _:
            return None
