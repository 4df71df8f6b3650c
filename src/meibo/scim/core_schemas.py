"""User, Group and EnterpriseUser as data (RFC 7643 §3.1, §4, §8.7, with the verified errata).

Where this departs from the listing in §8.7.1, it tells what this server really does:

- ``userName`` has a rule of its own for what is refused (invisible and unassigned characters);
- attributes that hold a resource's ``id``, and references, compare with case (§3.1, §2.3.7);
- a member without ``value`` means nothing, so ``members.value`` is required;
- ``members.display`` and ``manager.$ref`` are computed here, so they are readOnly; the name of
  each member is looked up, so it is returned on request only;
- ``addresses`` has the ``primary`` that §2.4 gives every multi-valued attribute.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from meibo.scim import urns
from meibo.scim.comparison import fold
from meibo.scim.schema import Attribute, ResourceType, Schema, SchemaExtension

Preset: TypeAlias = Literal["standard", "neurons"]
CustomType: TypeAlias = Literal["string", "decimal", "boolean", "dateTime"]

USER_NAME_LENGTH = 256
DISPLAY_NAME_LENGTH = 1_024
EMAILS = 100
MEMBERS = 100_000
# What a client may send as a member's or manager's id; ours have 36 characters.
_ID_LENGTH = 256
# A unique key of more than 2,704 bytes does not fit into a PostgreSQL index, and normalisation
# turns some single characters into eighteen. 512 characters are 2,048 bytes at most.
_INDEXED_LENGTH = 512

# Control, format, surrogate, private-use and unassigned characters, line and paragraph separators.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Default_Ignorable_Code_Point of Unicode, as far as the categories above do not hold it already.
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


def user_name_rule(text: str) -> str | None:
    """Why ``text`` cannot be a userName, or None; nothing is normalised, a name is kept as sent.

    Two people must not be told apart only by what nobody can see. Spaces inside and emoji pass.
    """
    if text.isascii():
        if not text.isprintable():
            return "must not hold control characters"
        if text[:1] == " " or text[-1:] == " ":
            return "must not begin or end with white space"
        return None
    if text != text.strip():
        return "must not begin or end with white space"
    found = _IGNORABLE.search(text)
    refused = found[0] if found else None
    if refused is None:
        category = unicodedata.category
        refused = next((each for each in text if category(each) in _REFUSED_CATEGORIES), None)
    if refused is not None:
        return (
            f"must not hold invisible, private-use or unassigned characters, and has U+"
            f"{ord(refused):04X}"
        )
    if len(fold(text)) > _INDEXED_LENGTH:
        return "is too long in the normalised form in which names are compared"
    return None


def indexed_rule(text: str) -> str | None:
    """Why ``text`` cannot be found by an index, or None."""
    if len(fold(text)) > _INDEXED_LENGTH:
        return f"must not have more than {_INDEXED_LENGTH} characters once it is normalised"
    return None


@dataclass(frozen=True, slots=True)
class CustomAttribute:
    """An attribute of the custom extension, defined by an administrator at run time."""

    name: str
    type: CustomType = "string"


def _value(description: str, *, max_length: int = 8_192) -> Attribute:
    return Attribute("value", description=description, max_length=max_length)


def _plural(what: str, types: Sequence[str] = ()) -> tuple[Attribute, ...]:
    """``display``, ``type`` and ``primary`` (RFC 7643 §2.4)."""
    return (
        Attribute("display", description="A name to show, for people."),
        Attribute(
            "type",
            description=f"A label that tells what the {what} is for.",
            canonical_values=tuple(types),
        ),
        Attribute(
            "primary",
            type="boolean",
            description=f"Whether this is the preferred {what}; true for one of them at most.",
        ),
    )


# RFC 7643 §3.1. `schemas` holds URNs and compares without case, as URNs do everywhere here.
COMMON: tuple[Attribute, ...] = (
    Attribute(
        "schemas",
        multi_valued=True,
        description="The URNs of the schemas whose attributes the resource holds.",
        required=True,
        returned="always",
    ),
    Attribute(
        "id",
        description="The identifier that the service provider issued; stable and never reused.",
        case_exact=True,
        mutability="readOnly",
        returned="always",
        uniqueness="global",
    ),
    Attribute(
        "externalId",
        description="The identifier that the provisioning client uses for the resource.",
        case_exact=True,
        max_length=_INDEXED_LENGTH,
    ),
    Attribute(
        "meta",
        type="complex",
        description="What the service provider keeps about the resource.",
        mutability="readOnly",
        sub_attributes=(
            Attribute(
                "resourceType",
                description="The name of the resource's type.",
                case_exact=True,
                mutability="readOnly",
            ),
            Attribute(
                "created",
                type="dateTime",
                description="When the resource was added.",
                mutability="readOnly",
            ),
            Attribute(
                "lastModified",
                type="dateTime",
                description="When the resource was last changed.",
                mutability="readOnly",
            ),
            Attribute(
                "location",
                type="reference",
                description="The URI of the resource.",
                case_exact=True,
                mutability="readOnly",
                reference_types=("uri",),
            ),
            Attribute(
                "version",
                description="The version of the resource; the same value as its ETag.",
                case_exact=True,
                mutability="readOnly",
            ),
        ),
    ),
)

_USER_ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute(
        "userName",
        description="The name by which the user signs in; unique, whatever its letter case.",
        required=True,
        uniqueness="server",
        max_length=USER_NAME_LENGTH,
        rule=user_name_rule,
    ),
    Attribute(
        "name",
        type="complex",
        description="The parts of the user's name.",
        sub_attributes=(
            Attribute("formatted", description="The full name, formatted for display."),
            Attribute("familyName", description="The family name, or last name."),
            Attribute("givenName", description="The given name, or first name."),
            Attribute("middleName", description="The middle names."),
            Attribute("honorificPrefix", description="Titles before the name, such as Ms."),
            Attribute("honorificSuffix", description="What follows the name, such as III."),
        ),
    ),
    Attribute(
        "displayName",
        description="The name to show for the user.",
        max_length=DISPLAY_NAME_LENGTH,
    ),
    Attribute("nickName", description="The casual way to address the user."),
    Attribute(
        "profileUrl",
        type="reference",
        description="The URI of the user's online profile.",
        case_exact=True,
        reference_types=("external",),
    ),
    Attribute("title", description="The user's title, such as Vice President."),
    Attribute("userType", description="The user's relation to the organisation."),
    Attribute(
        "preferredLanguage",
        description="The languages the user prefers, as in Accept-Language; for example en-US.",
    ),
    Attribute("locale", description="The user's locale, for example en-US."),
    Attribute("timezone", description="The user's time zone, for example Asia/Tokyo."),
    Attribute("active", type="boolean", description="Whether the user may use the service."),
    # Taken so that clients that send one are not refused; never stored and never shown.
    Attribute(
        "password",
        description="Accepted and not stored.",
        case_exact=True,
        mutability="writeOnly",
        returned="never",
    ),
    Attribute(
        "emails",
        type="complex",
        multi_valued=True,
        description="The user's e-mail addresses.",
        max_values=EMAILS,
        sub_attributes=(
            Attribute(
                "value",
                description="The e-mail address.",
                max_length=_INDEXED_LENGTH,
                rule=indexed_rule,
            ),
            *_plural("address", ("work", "home", "other")),
        ),
    ),
    Attribute(
        "phoneNumbers",
        type="complex",
        multi_valued=True,
        description="The user's telephone numbers.",
        sub_attributes=(
            _value("The telephone number."),
            *_plural("number", ("work", "home", "mobile", "fax", "pager", "other")),
        ),
    ),
    Attribute(
        "ims",
        type="complex",
        multi_valued=True,
        description="The user's instant messaging addresses.",
        sub_attributes=(
            _value("The instant messaging address."),
            *_plural(
                "address", ("aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo", "other")
            ),
        ),
    ),
    Attribute(
        "photos",
        type="complex",
        multi_valued=True,
        description="URIs of pictures of the user.",
        sub_attributes=(
            Attribute(
                "value",
                type="reference",
                description="The URI of the picture.",
                case_exact=True,
                reference_types=("external",),
            ),
            *_plural("picture", ("photo", "thumbnail")),
        ),
    ),
    Attribute(
        "addresses",
        type="complex",
        multi_valued=True,
        description="The user's postal addresses.",
        sub_attributes=(
            Attribute("formatted", description="The full address, formatted for display."),
            Attribute("streetAddress", description="House number, street, post office box."),
            Attribute("locality", description="The city."),
            Attribute("region", description="The state, prefecture or region."),
            Attribute("postalCode", description="The postal code."),
            Attribute("country", description="The country, as two letters of ISO 3166-1."),
            *_plural("address", ("work", "home", "other"))[1:],
        ),
    ),
    Attribute(
        "groups",
        type="complex",
        multi_valued=True,
        description="The groups that the user belongs to; changed through the groups' members.",
        mutability="readOnly",
        sub_attributes=(
            Attribute(
                "value",
                description="The id of the group.",
                case_exact=True,
                mutability="readOnly",
            ),
            Attribute(
                "$ref",
                type="reference",
                description="The URI of the group.",
                case_exact=True,
                mutability="readOnly",
                reference_types=("Group",),
            ),
            Attribute("display", description="The group's name.", mutability="readOnly"),
            Attribute(
                "type",
                description="Whether the user is a member itself or through another group.",
                mutability="readOnly",
                canonical_values=("direct", "indirect"),
            ),
        ),
    ),
    Attribute(
        "entitlements",
        type="complex",
        multi_valued=True,
        description="What the user is entitled to.",
        sub_attributes=(_value("The entitlement."), *_plural("entitlement")),
    ),
    Attribute(
        "roles",
        type="complex",
        multi_valued=True,
        description="The user's roles.",
        sub_attributes=(_value("The role."), *_plural("role")),
    ),
    Attribute(
        "x509Certificates",
        type="complex",
        multi_valued=True,
        description="The user's certificates.",
        sub_attributes=(
            Attribute(
                "value",
                type="binary",
                description="One DER-encoded certificate, in base64.",
                case_exact=True,
            ),
            *_plural("certificate"),
        ),
    ),
)

_GROUP_ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute(
        "displayName",
        description="The group's name.",
        required=True,  # RFC 7643, erratum 5368
        max_length=DISPLAY_NAME_LENGTH,
        rule=indexed_rule,
    ),
    Attribute(
        "members",
        type="complex",
        multi_valued=True,
        description="The group's members.",
        max_values=MEMBERS,
        sub_attributes=(
            Attribute(
                "value",
                description="The id of the member.",
                required=True,
                case_exact=True,
                mutability="immutable",
                max_length=_ID_LENGTH,
            ),
            Attribute(
                "$ref",
                type="reference",
                description="The URI of the member.",
                case_exact=True,
                mutability="immutable",
                reference_types=("User", "Group"),
            ),
            Attribute(
                "type",
                description="The member's resource type.",
                mutability="immutable",
                canonical_values=("User", "Group"),
            ),
            Attribute(
                "display",
                description="The member's name as it is now; asked for as members.display.",
                mutability="readOnly",
                returned="request",
            ),
        ),
    ),
)

_ENTERPRISE_ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute("employeeNumber", description="The number that the organisation gave the user."),
    Attribute("costCenter", description="The user's cost centre."),
    Attribute("organization", description="The user's organisation."),
    Attribute("division", description="The user's division."),
    Attribute("department", description="The user's department."),
    Attribute(
        "manager",
        type="complex",
        description="The user's manager.",
        sub_attributes=(
            Attribute(
                "value",
                description="The id of the manager, who is a user too.",
                case_exact=True,
                max_length=_ID_LENGTH,
            ),
            Attribute(
                "$ref",
                type="reference",
                description="The URI of the manager.",
                case_exact=True,
                mutability="readOnly",
                reference_types=("User",),
            ),
            Attribute("displayName", description="The manager's name.", mutability="readOnly"),
        ),
    ),
)

USER = Schema(urns.USER, "User", "User Account", _USER_ATTRIBUTES)
GROUP = Schema(urns.GROUP, "Group", "Group", _GROUP_ATTRIBUTES)
ENTERPRISE_USER = Schema(
    urns.ENTERPRISE_USER, "EnterpriseUser", "Enterprise User", _ENTERPRISE_ATTRIBUTES
)

# The preset "neurons" keeps nothing else, so that what an existing product documents is all there
# is. `groups` is computed and `password` is not stored, under either preset.
_NEURONS_NAME = Attribute(
    "name",
    type="complex",
    description="The parts of the user's name.",
    sub_attributes=tuple(
        each
        for each in _USER_ATTRIBUTES[1].sub_attributes
        if each.name in {"formatted", "familyName", "givenName"}
    ),
)
_NEURONS_USER = Schema(
    urns.USER,
    USER.name,
    USER.description,
    tuple(
        _NEURONS_NAME if each.name == "name" else each
        for each in _USER_ATTRIBUTES
        if each.name
        in {"userName", "name", "displayName", "active", "password", "emails", "groups"}
    ),
)
_NEURONS_ENTERPRISE_USER = Schema(
    urns.ENTERPRISE_USER,
    ENTERPRISE_USER.name,
    ENTERPRISE_USER.description,
    tuple(each for each in _ENTERPRISE_ATTRIBUTES if each.name == "department"),
)


def user_type(custom: Sequence[CustomAttribute] = (), preset: Preset = "standard") -> ResourceType:
    """The User resource type with these custom attributes; equal arguments give one instance."""
    return _user_type(tuple(custom), preset)


def group_type(preset: Preset = "standard") -> ResourceType:
    """The Group resource type, which is the same under every preset."""
    del preset
    return _GROUP_TYPE


@lru_cache(maxsize=256)
def _user_type(custom: tuple[CustomAttribute, ...], preset: Preset) -> ResourceType:
    standard = preset == "standard"
    extensions = [SchemaExtension(ENTERPRISE_USER if standard else _NEURONS_ENTERPRISE_USER)]
    if custom:
        extensions.append(SchemaExtension(_custom_schema(custom)))
    return ResourceType(
        name="User",
        endpoint="/Users",
        description="User Account",
        schema=USER if standard else _NEURONS_USER,
        extensions=tuple(extensions),
        common=COMMON,
    )


def _custom_schema(custom: tuple[CustomAttribute, ...]) -> Schema:
    return Schema(
        urns.CUSTOM_USER,
        "CustomUser",
        "Attributes defined by an administrator",
        tuple(
            Attribute(each.name, type=each.type, description="Defined by an administrator.")
            for each in custom
        ),
    )


_GROUP_TYPE = ResourceType(
    name="Group",
    endpoint="/Groups",
    description="Group",
    schema=GROUP,
    common=COMMON,
)
