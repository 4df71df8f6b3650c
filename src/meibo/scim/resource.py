"""JSON checked against its schemas (RFC 7643 §2, §3).

What passes here is canonical: names are spelled as the schema spells them, what is unassigned is
absent (no null, no empty array or object), extension attributes sit under their schema's URN.
Values stay as they were sent. In these functions None stands for "unassigned", the meaning that
null has in SCIM (RFC 7643 §2.5).
"""

import binascii
import math
from dataclasses import dataclass
from functools import lru_cache

from meibo.scim.comparison import comparable, fold, parse_date_time
from meibo.scim.elements import merge_elements
from meibo.scim.errors import InvalidSyntax, InvalidValue
from meibo.scim.parser import shown
from meibo.scim.schema import Attribute, Json, JsonObject, ResourceType, Schema

# So many ignored paths are kept for the log.
_IGNORED_PATHS = 100
_INTEGERS = 2**63

_EXPECTED = {
    "string": "a string",
    "boolean": "a boolean, true or false without quotes",
    "decimal": "a number of at most 64 bits, without quotes",
    "integer": "a whole number of at most 64 bits, without quotes, fraction or exponent",
    "dateTime": "a date and time such as 2026-11-22T10:00:00Z, in quotes",
    "binary": "a base64-encoded string",
    "reference": "a string that holds a URI",
    "complex": "an object",
}


@dataclass(slots=True)
class Checked:
    """A canonical resource, and the paths that the body had but no schema defines."""

    resource: JsonObject
    ignored: list[str]


def check(body: Json, resource_type: ResourceType, *, strict_schemas: bool = True) -> Checked:
    """The resource that the body of a POST or PUT describes, without what is not the client's.

    readOnly attributes are dropped (RFC 7644 §3.3), and so is the password, once its type is
    checked; neither is in ``ignored``. ``schemas`` is recomputed from what is there. Only with
    ``strict_schemas`` must the body's own ``schemas`` be right.

    Raises:
        InvalidSyntax: the body is no object, or its ``schemas`` is not a list of URNs.
        InvalidValue: a value is missing or not what its schema asks, or ``schemas`` names a schema
            that does not belong here.
    """
    if not isinstance(body, dict):
        raise InvalidSyntax(f"The body must be a JSON object, not {described(body)}.")
    if strict_schemas:
        check_schemas(body, resource_type)
    ignored: list[str] = []
    result: JsonObject = {"schemas": []}
    for key, value in body.items():
        attribute = resource_type.attribute(key)
        if attribute is None:
            extension = resource_type.extension(key)
            if extension is None:
                _note(ignored, key)
            elif value is not None and (held := _check_extension(extension, value, ignored)):
                result[extension.id] = held
        elif attribute.mutability != "readOnly" and attribute.name != "schemas":
            checked = check_value(attribute, value, attribute.name, ignored)
            if checked is not None and attribute.mutability != "writeOnly":
                result[attribute.name] = checked
    for name in required_names(resource_type):
        if name not in result:
            raise InvalidValue(f"{name} is required. Send a value for it.")
    _check_required_extensions(result, resource_type)
    result["schemas"] = schemas_of(result, resource_type)
    return Checked(result, ignored)


def check_value(
    attribute: Attribute, value: Json, path: str, ignored: list[str] | None = None
) -> Json:
    """One attribute's value, all elements of it if multi-valued; None when that means unassigned.

    ``path`` names the attribute in errors. Whether the attribute may be unassigned is the caller's
    to decide. Sub-attributes that nobody defined are noted in ``ignored``; those that are
    readOnly, and ``$ref``, which is computed from ``value``, are dropped.

    Raises:
        InvalidValue: the value is not what the attribute's characteristics ask.
    """
    if value is None:
        return None
    if attribute.multi_valued:
        return _check_values(attribute, value, path, ignored)
    return _check_one(attribute, value, path, ignored)


def _check_one(attribute: Attribute, value: Json, path: str, ignored: list[str] | None) -> Json:
    type_ = attribute.type
    if type_ == "complex":
        # An object without anything in it is not assigned (RFC 7643 §2.5).
        return _check_complex(attribute, value, path, ignored) or None
    if isinstance(value, bool):
        if type_ == "boolean":
            return value
    elif isinstance(value, str):
        if type_ not in ("boolean", "decimal", "integer"):
            return _check_text(attribute, value, path)
    elif isinstance(value, int):
        # Neither database nor JSON writer takes a whole number of more than 64 bits.
        if type_ in ("decimal", "integer") and -_INTEGERS <= value < _INTEGERS:
            return value
    elif isinstance(value, float) and type_ == "decimal" and math.isfinite(value):
        return value
    raise InvalidValue(f"{path} must be {_EXPECTED[type_]}, not {described(value)}.")


def _check_text(attribute: Attribute, text: str, path: str) -> str:
    if len(text) > attribute.max_length:
        raise InvalidValue(
            f"{path} is too long: it may have {attribute.max_length:,} characters, "
            f"and has {len(text):,}."
        )
    if attribute.required and not text:
        raise InvalidValue(f"{path} is required, so it must not be empty.")
    if attribute.rule is not None:
        reason = attribute.rule(text)
        if reason is not None:
            raise InvalidValue(f"{path} {reason}. Correct the value {shown(text)}.")
    type_ = attribute.type
    if type_ == "dateTime":
        try:
            parse_date_time(text)
        except ValueError as error:
            raise InvalidValue(
                f"{path} must be {_EXPECTED[type_]}, not {described(text)}."
            ) from error
    elif type_ == "binary":
        try:
            # Errors for what is not ASCII and for what is not base64 are both ValueErrors.
            binascii.a2b_base64(text, strict_mode=True)
        except ValueError as error:
            raise InvalidValue(
                f"{path} must be {_EXPECTED[type_]}, not {described(text)}."
            ) from error
    return text


def _check_complex(
    attribute: Attribute, value: Json, path: str, ignored: list[str] | None
) -> JsonObject:
    if not isinstance(value, dict):
        raise InvalidValue(f"{path} must be an object, not {described(value)}.")
    result: JsonObject = {}
    for key, inner in value.items():
        sub = attribute.sub_attribute(key)
        if sub is None:
            if ignored is not None:
                _note(ignored, f"{path}.{key}")
        elif inner is not None and sub.mutability != "readOnly":
            checked = check_value(sub, inner, f"{path}.{sub.name}", ignored)
            if checked is not None and sub.name != "$ref":
                result[sub.name] = checked
    for sub in attribute.sub_attributes:
        if sub.required and sub.name not in result:
            raise InvalidValue(f"{path}.{sub.name} is required in every element of {path}.")
    return result


def _check_values(attribute: Attribute, value: Json, path: str, ignored: list[str] | None) -> Json:
    if not isinstance(value, list):
        raise InvalidValue(f"{path} must be an array, not {described(value)}.")
    if len(value) > attribute.max_values:
        raise InvalidValue(
            f"{path} has too many values: {attribute.max_values:,} are possible, "
            f"and {len(value):,} were sent."
        )
    if attribute.type != "complex":
        simple: list[Json] = []
        seen: set[object] = set()
        for each in value:
            checked = _check_one(attribute, each, path, ignored)
            key = comparable(attribute, checked)
            if key not in seen:
                seen.add(key)
                simple.append(checked)
        return simple or None
    elements: list[JsonObject] = []
    primaries = 0
    for each in value:
        element = _check_complex(attribute, each, path, ignored)
        if element:
            elements.append(element)
            primaries += element.get("primary") is True
    if primaries > 1:
        raise InvalidValue(f"{path} has {primaries} primary values; at most one may be primary.")
    if len(elements) > 1:
        elements = merge_elements(attribute, (), elements)
    return [*elements] or None


def _check_extension(extension: Schema, value: Json, ignored: list[str]) -> JsonObject:
    if not isinstance(value, dict):
        raise InvalidValue(f"{extension.id} must be an object, not {described(value)}.")
    result: JsonObject = {}
    for key, inner in value.items():
        attribute = extension.attribute(key)
        if attribute is None:
            _note(ignored, f"{extension.id}:{key}")
        elif attribute.mutability != "readOnly":
            checked = check_value(attribute, inner, f"{extension.id}:{attribute.name}", ignored)
            if checked is not None and attribute.mutability != "writeOnly":
                result[attribute.name] = checked
    return result


def check_schemas(body: JsonObject, resource_type: ResourceType) -> None:
    """Check that ``schemas`` names the core schema, and besides it only extensions.

    Raises:
        InvalidSyntax: it is missing, empty or not an array of strings.
        InvalidValue: it lacks the core schema or names another that does not belong here.
    """
    named = check_urns(member(body, "schemas"))
    core = resource_type.schema.id
    missing = True
    for urn in named:
        if urn == core or urn.lower() == core.lower():
            missing = False
        elif resource_type.extension(urn) is None:
            raise InvalidValue(
                f"schemas names {shown(urn)}, which a {resource_type.name} does not have."
            )
    if missing:
        raise InvalidValue(f"schemas must name {core}.")


def check_urns(value: Json) -> list[str]:
    """The URNs of a ``schemas``; InvalidSyntax unless it is an array of strings, not empty."""
    if isinstance(value, list) and value:
        urns = [each for each in value if isinstance(each, str)]
        if len(urns) == len(value):
            return urns
    raise InvalidSyntax("schemas is required and must be an array with at least one URN.")


def check_message(value: Json, urn: str, what: str) -> None:
    """Check that the ``schemas`` of a message names its URN, in any letter case, and no other.

    Raises:
        InvalidSyntax: it does not; ``what`` names the message in the refusal.
    """
    for named in check_urns(value):
        if named != urn and named.lower() != urn.lower():
            raise InvalidSyntax(f"schemas of a {what} must name {urn}, not {shown(named)}.")


def schemas_of(resource: JsonObject, resource_type: ResourceType) -> list[Json]:
    """The URNs for ``schemas``: the core schema, then each extension with values (7643 §3)."""
    urns: list[Json] = [resource_type.schema.id]
    for extension in resource_type.extensions:
        if resource.get(extension.schema.id):
            urns.append(extension.schema.id)
    return urns


@lru_cache(maxsize=256)
def required_names(resource_type: ResourceType) -> tuple[str, ...]:
    """The attributes that a client must send; ``schemas`` is looked at apart."""
    return tuple(
        each.name
        for each in resource_type.core_attributes()
        if each.required and each.mutability != "readOnly" and each.name != "schemas"
    )


def _check_required_extensions(resource: JsonObject, resource_type: ResourceType) -> None:
    for extension in resource_type.extensions:
        schema = extension.schema
        held = resource.get(schema.id)
        if held is None:
            if extension.required:
                raise InvalidValue(f"{schema.id} is required. Send its attributes.")
        elif isinstance(held, dict):
            for attribute in schema.attributes:
                if attribute.required and attribute.name not in held:
                    raise InvalidValue(f"{schema.id}:{attribute.name} is required.")


def comparable_resource(resource: JsonObject, resource_type: ResourceType) -> JsonObject:
    """The search document: the same structure with every value in its comparable form.

    Text is folded unless case-exact, a dateTime is microseconds since the epoch, a ``primary`` that
    is not given is false (RFC 7643 §2.4). What cannot be searched here is left out: password,
    ``members`` and ``groups`` (rows of their own), and values that are no longer of their
    attribute's type.
    """
    result: JsonObject = {}
    for key, value in resource.items():
        attribute = resource_type.attribute(key)
        if attribute is not None:
            if key != "members" and key != "groups" and attribute.returned != "never":
                found = _comparable_value(attribute, value)
                if found is not None:
                    result[key] = found
        elif isinstance(value, dict) and (extension := resource_type.extension(key)):
            held: JsonObject = {}
            for name, inner in value.items():
                attribute = extension.attribute(name)
                if attribute is not None:
                    found = _comparable_value(attribute, inner)
                    if found is not None:
                        held[name] = found
            if held:
                result[key] = held
    return result


def _comparable_value(attribute: Attribute, value: Json) -> Json:
    """The comparable form, with arrays and objects kept; None when there is nothing to compare."""
    if isinstance(value, str):
        # Nearly every value is text, and asking `comparable` costs three times as much.
        if attribute.type == "string":
            return value if attribute.case_exact else fold(value)
    elif isinstance(value, list):
        elements = [_comparable_value(attribute, each) for each in value]
        if attribute.type == "complex" and attribute.sub_attribute("primary") is not None:
            for each in elements:
                if isinstance(each, dict):
                    each.setdefault("primary", False)
        return [each for each in elements if each is not None]
    elif isinstance(value, dict):
        result: JsonObject = {}
        for name, inner in value.items():
            sub = attribute.sub_attribute(name)
            if sub is not None:
                found = _comparable_value(sub, inner)
                if found is not None:
                    result[name] = found
        return result
    try:
        return comparable(attribute, value)
    except ValueError:
        # Held from an older definition of a custom attribute: it equals nothing.
        return None


def member(message: JsonObject, name: str) -> Json:
    """A member of a message by its name in any letter case (RFC 7643 §2.1); None when absent."""
    found = message.get(name)
    if found is None:
        lowered = name.lower()
        for key, value in message.items():
            if key.lower() == lowered:
                return value
    return found


def described(value: Json) -> str:
    """What a client sent, in words for an error: at most a short, escaped piece of it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"the string {shown(value)}"
        case int() if not -_INTEGERS <= value < _INTEGERS:
            return "a number that large"
        case int() | float():
            return f"the number {value!r}"
        case list():
            return "an array"
        case _:
            return "an object"


def _note(ignored: list[str], path: str) -> None:
    text = path if len(path) <= 128 and path.isprintable() else shown(path)
    if len(ignored) < _IGNORED_PATHS and text not in ignored:
        ignored.append(text)
