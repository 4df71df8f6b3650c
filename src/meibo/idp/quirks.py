"""The known departures of identity providers from the RFCs, as named data.

A quirk is undone before the engine in ``meibo.scim`` sees the request, and its name goes into the
log row. The names are stable: administrators see them, and docs/quirks.md lists them. How each is
undone stands in ``values`` (single values and lists), ``resources`` (the body of a POST or PUT) and
``operations`` (PATCH). Two are for others to act upon: filters in a URL, and members that do not
exist; see the properties of ``Profile``.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from meibo.scim.parser import shown


@dataclass(frozen=True, slots=True)
class Quirk:
    """One departure: what is sent and what we make of it.

    ``source`` is where it is known from: a vendor's page, or an issue as owner/repository#number.
    ``sent_by`` names the clients that were seen to send it.
    """

    name: str
    summary: str
    sent_by: tuple[str, ...]
    source: str


# -- values --------------------------------------------------------------------------------------

BOOLEAN_AS_STRING = Quirk(
    "boolean-as-string",
    'A boolean is sent as the string "True" or "False", in any letter case, as a value or in a '
    "filter; it becomes the boolean. Any other string is refused.",
    ("Entra ID", "Keycloak"),
    "Microsoft Learn: SCIM 2.0 protocol compliance; AzureAD/SCIMReferenceCode#21; "
    "Captain-P-Goldfish/scim-for-keycloak#119",
)
NUMBER_AS_STRING = Quirk(
    "number-as-string",
    "The value of a number attribute is sent as a string, or compared with one in a filter; it "
    "becomes the number if the string is a JSON number that can be kept exactly.",
    ("nobody seen yet",),
    "none recorded; by analogy with boolean-as-string, for custom attributes",
)
EMPTY_STRING = Quirk(
    "empty-string",
    "An empty string is sent for an optional attribute that has no value; it clears the attribute.",
    ("Entra ID", "Okta", "JumpCloud", "authentik"),
    "AzureAD/SCIMReferenceCode: SCIM_Null_Update_Test; Okta: SCIM 2.0 protocol reference",
)
EMPTY_ARRAY = Quirk(
    "empty-array",
    "An empty array is sent for an attribute that has one value; it clears the attribute, as the "
    "RFC has it for those with several.",
    ("nobody seen yet",),
    "none recorded; by analogy with RFC 7643 §2.5 and wrapped-value",
)
NUMBER_FOR_TEXT = Quirk(
    "number-for-text",
    "A number is sent for an attribute that holds text, such as an employee number; it becomes its "
    "decimal text.",
    ("nobody seen yet",),
    "none recorded; by analogy with number-as-string",
)
DATE_WITHOUT_TIME = Quirk(
    "date-without-time",
    "A date is sent for an attribute that holds an instant; it becomes the beginning of that day "
    "in UTC.",
    ("nobody seen yet",),
    "none recorded; for custom attributes that are filled from a date",
)
WRAPPED_VALUE = Quirk(
    "wrapped-value",
    "The value of a single-valued attribute, or of a PATCH operation without a path, lies in an "
    "array of one element; the element is taken.",
    ("Keycloak", "Entra ID"),
    "Captain-P-Goldfish/SCIM-SDK#968; Microsoft Learn: Develop a SCIM endpoint (manager sample)",
)
VALUE_OBJECT = Quirk(
    "value-object",
    "The value of an attribute that is not complex is sent as an object, "
    '{"$ref": null, "value": x}; x is taken.',
    ("Entra ID (older provisioning jobs)",),
    "wso2/product-is#21738",
)
JSON_TEXT = Quirk(
    "json-text",
    "An object or an array is sent as a string that holds it as JSON text, also inside an array or "
    "another such text; the text is read.",
    ("Keycloak", "Entra ID"),
    "Captain-P-Goldfish/scim-for-keycloak#133; Captain-P-Goldfish/SCIM-SDK#404; "
    "apache/directory-scimple#693",
)
ROLE_AS_JSON_TEXT = Quirk(
    "role-as-json-text",
    "A role, or the value of one, is JSON text with id, value and displayName, though the same "
    "role is sent plainly when the user is created; value and display are taken from the text.",
    ("Entra ID (AppRoleAssignmentsComplex)",),
    "Captain-P-Goldfish/SCIM-SDK#516; MicrosoftDocs/azure-docs#50772; MicrosoftDocs/entra-docs#215",
)
STRING_FOR_OBJECT = Quirk(
    "string-for-object",
    "A complex attribute (manager) or an element of one (a member, an e-mail address) is sent as a "
    "string; it becomes an object that has the string as its value.",
    ("Entra ID",),
    "apache/directory-scimple#1242; Captain-P-Goldfish/SCIM-SDK#686; wso2/product-is#3078; "
    "AzureAD/SCIMReferenceCode: PostmanCollection.json",
)
REFERENCE_FOR_VALUE = Quirk(
    "reference-for-value",
    "A manager or a member has a `$ref` and no `value`; the id at the end of the `$ref` is its "
    "value. A `$ref` that does not end in an id is ignored and listed in the log.",
    ("nobody seen yet",),
    "none recorded; by analogy with the manager sample of Microsoft Learn: Develop a SCIM endpoint",
)
SINGLE_FOR_LIST = Quirk(
    "single-for-list",
    "One value is sent where an attribute has a list of them; it becomes the list's only element.",
    ("Entra ID",),
    "AzureAD/SCIMReferenceCode: PostmanCollection.json; grokability/snipe-it#19183",
)
EMPTY_ELEMENT = Quirk(
    "empty-element",
    "An element of a multi-valued attribute has, or is left by a PATCH with, nothing but a type, a "
    "display name or primary; it is left out. A list of members is never emptied by that.",
    ("PingOne", "Entra ID"),
    "PingOne documentation: SCIM outbound provisioning; AzureAD/SCIMReferenceCode: "
    "PostmanCollection.json; MicrosoftDocs/entra-docs#391",
)
SEVERAL_PRIMARIES = Quirk(
    "several-primaries",
    "Several elements of a multi-valued attribute are primary, or made so by one PATCH operation; "
    "the first with a value stays so.",
    ("PingOne",),
    "PingOne documentation: SCIM outbound provisioning",
)

# -- resources -----------------------------------------------------------------------------------

WRONG_SCHEMAS = Quirk(
    "wrong-schemas",
    "`schemas` is missing, or names URNs that are unknown or of SCIM 1.x; it is replaced by what "
    "the body holds.",
    ("authentik", "OneLogin", "Entra ID", "Keycloak"),
    "Infisical/infisical#6552; OneLogin: Implement a SCIM API; Microsoft Learn: Develop a SCIM "
    "endpoint (group sample); keycloak/keycloak#51412",
)
EXTENSION_WITHOUT_URN = Quirk(
    "extension-without-urn",
    "An attribute of an extension is named without the extension's URN, such as `department`, in a "
    "body, a PATCH or a filter; it is understood where no core attribute and only one extension "
    "has that name.",
    ("Entra ID (older provisioning jobs and test collections)",),
    "wso2/product-is#21738; AzureAD/SCIMReferenceCode#22",
)

# -- PATCH ---------------------------------------------------------------------------------------

FLATTENED_KEYS = Quirk(
    "flattened-keys",
    "The keys of a value without a path are paths themselves, such as `name.givenName` or an URN "
    "with the attribute behind a colon; each becomes an operation with that path.",
    ("Entra ID (aadOptscim062020)",),
    "Microsoft Learn: SCIM 2.0 protocol compliance; simpleidserver/SimpleIdServer#494",
)
UNKNOWN_ATTRIBUTE = Quirk(
    "unknown-attribute",
    "A PATCH operation or a key in its value names an attribute or sub-attribute that is not kept "
    "here; it is ignored and listed in the log, and the rest applies.",
    ("Entra ID",),
    "kortix-ai/suna#7302; Microsoft Learn: Customize attribute mappings (default mappings); "
    "AzureAD/SCIMReferenceCode#20",
)
DOTTED_URN = Quirk(
    "dotted-urn",
    "A dot stands between a schema's URN and an attribute of it; it becomes a colon.",
    ("Entra ID (older provisioning jobs)",),
    "Microsoft Learn: SCIM 2.0 protocol compliance; apache/directory-scimple#704",
)
REPLACE_CREATES = Quirk(
    "replace-creates",
    "`replace` names elements of a multi-valued attribute by a filter of `eq`s and expects the "
    "element to be created when there is none; it becomes `add`, which does both.",
    ("Entra ID",),
    "sourcegraph/sourcegraph#49200; Captain-P-Goldfish/SCIM-SDK#416; ssoready/ssoready#249",
)
SINGLE_SELECTED = Quirk(
    "single-selected",
    'A filter selects the value of a single-valued attribute, `manager[value eq "id"]`; the '
    "filter is dropped. Where the same message also sets the attribute, its removal is left out, "
    "since the old value was meant.",
    ("Entra ID",),
    "thomaspoignant/scim-patch#453",
)
VALUE_NAMED_AGAIN = Quirk(
    "value-named-again",
    'The value of an operation with a path names the attribute again, {"members": [...]}; what '
    "stands under the name is taken.",
    ("Salesforce (documentation sample)",),
    "Salesforce Help: Manage groups with SCIM; pond/scimitar#45",
)
REPEATED_ID = Quirk(
    "repeated-id",
    "A PATCH value without a path repeats the resource's own `id`, `schemas` or `meta`; they are "
    "left out. Another id is refused.",
    ("Okta", "authentik", "Keycloak"),
    "Okta: SCIM 2.0 protocol reference; goauthentik/authentik: providers/scim/clients/groups.py; "
    "Captain-P-Goldfish/scim-for-keycloak#133",
)
BARE_WORD = Quirk(
    "bare-word",
    "A value in a filter, or in the filter of a PATCH path, is not quoted; it is read as a string.",
    ("authentik", "Entra ID (older samples)", "WSO2 (documentation sample)"),
    "goauthentik/authentik: providers/scim/clients/users.py; wso2/product-is#19409; "
    "AzureAD/SCIMReferenceCode: PostmanCollection.json",
)
TWICE_ENCODED = Quirk(
    "twice-encoded",
    "A value in a filter was percent-encoded once too often (`a%40x.example`); it is looked for as "
    "it came and decoded once more.",
    ("Microsoft SCIM Validator",),
    "fleetdm/fleet: ee/server/scim/users.go",
)
EMPTY_OPERATIONS = Quirk(
    "empty-operations",
    "The `Operations` of a PATCH are an empty array; the request succeeds and changes nothing.",
    ("Microsoft SCIM Validator",),
    "scimmyjs/scimmy#59; AzureAD/SCIMReferenceCode#112",
)
UNKNOWN_MEMBER = Quirk(
    "unknown-member",
    "A group is given a member that is not here; the member is skipped and the rest applies.",
    ("Entra ID", "SailPoint", "Keycloak"),
    "lightdash/lightdash#24458; BerriAI/litellm#17420; mitodl/keycloak-scim",
)

ALL: tuple[Quirk, ...] = (
    BOOLEAN_AS_STRING,
    NUMBER_AS_STRING,
    EMPTY_STRING,
    EMPTY_ARRAY,
    NUMBER_FOR_TEXT,
    DATE_WITHOUT_TIME,
    WRAPPED_VALUE,
    VALUE_OBJECT,
    JSON_TEXT,
    ROLE_AS_JSON_TEXT,
    STRING_FOR_OBJECT,
    REFERENCE_FOR_VALUE,
    SINGLE_FOR_LIST,
    EMPTY_ELEMENT,
    SEVERAL_PRIMARIES,
    WRONG_SCHEMAS,
    EXTENSION_WITHOUT_URN,
    FLATTENED_KEYS,
    UNKNOWN_ATTRIBUTE,
    DOTTED_URN,
    REPLACE_CREATES,
    SINGLE_SELECTED,
    VALUE_NAMED_AGAIN,
    REPEATED_ID,
    BARE_WORD,
    TWICE_ENCODED,
    EMPTY_OPERATIONS,
    UNKNOWN_MEMBER,
)
QUIRKS: dict[str, Quirk] = {quirk.name: quirk for quirk in ALL}


@dataclass(frozen=True, slots=True)
class Vendor:
    """What is particular to connections of one vendor.

    ``label`` is shown where a connection is made, ``source_label`` where it is told where a person
    or a group comes from.
    """

    key: str
    label: str
    source_label: str
    tolerated: tuple[Quirk, ...]


# So many ignored paths are kept for the log.
_IGNORED_PATHS: Final = 100


class Tolerance:
    """Which quirks one request may have; collects those that it has, and what is ignored."""

    __slots__ = ("_ignored", "_noted", "_tolerated")

    def __init__(
        self, tolerated: Collection[str], noted: set[str], ignored: list[str] | None = None
    ) -> None:
        self._tolerated = tolerated
        self._noted = noted
        self._ignored: list[str] = [] if ignored is None else ignored

    def tolerates(self, quirk: Quirk) -> bool:
        """Whether ``quirk`` may be there."""
        return quirk.name in self._tolerated

    def undoes(self, quirk: Quirk) -> bool:
        """Whether ``quirk`` is to be undone; if so, it has fired and is noted."""
        if quirk.name not in self._tolerated:
            return False
        self._noted.add(quirk.name)
        return True

    def without(self, *quirks: Quirk) -> "Tolerance":
        """The same but for these ``quirks``; what fires is noted in the same place."""
        names = {quirk.name for quirk in quirks}
        return Tolerance(frozenset(self._tolerated) - names, self._noted, self._ignored)

    def ignore(self, path: str) -> None:
        """Notes that what was sent at the path is not kept."""
        text = path if len(path) <= 128 and path.isprintable() else shown(path)
        if len(self._ignored) < _IGNORED_PATHS and text not in self._ignored:
            self._ignored.append(text)
