"""What identity providers send and what is made of it: one table for bodies, one for PATCH."""

import json
from dataclasses import dataclass, field
from typing import Any

from meibo.scim import urns
from meibo.scim.core_schemas import CustomAttribute, group_type, user_type
from meibo.scim.schema import ResourceType

USERS = user_type(
    (
        CustomAttribute("costCenterCode"),
        CustomAttribute("level", "decimal"),
        CustomAttribute("vip", "boolean"),
        CustomAttribute("hired", "dateTime"),
    )
)
SMALL_USERS = user_type(preset="neurons")
GROUPS = group_type()

ENTERPRISE = urns.ENTERPRISE_USER
CUSTOM = urns.CUSTOM_USER
MANAGER = f"{ENTERPRISE}:manager"
DEPARTMENT = f"{ENTERPRISE}:department"
ID = "019aa000-0000-7000-8000-00000000000a"
ROLE = '{"id":"06b07648","value":"Admin","displayName":"Administrators"}'


@dataclass(frozen=True)
class Case:
    """``before`` is what is sent, ``after`` what the engine is to see, without the messages' frame.

    For a body that is the resource without schemas and required attributes, for a PATCH the list of
    operations.
    """

    id: str
    quirks: set[str]
    before: Any
    after: Any
    resource_type: ResourceType = USERS
    ignored: list[str] = field(default_factory=list)


BODIES = [
    Case("True", {"boolean-as-string"}, {"active": "True"}, {"active": True}),
    Case("false", {"boolean-as-string"}, {"active": "false"}, {"active": False}),
    Case(
        "primary in a list",
        {"boolean-as-string"},
        {"emails": [{"primary": "true", "value": "a@x.example"}]},
        {"emails": [{"primary": True, "value": "a@x.example"}]},
    ),
    Case(
        "a custom boolean, names in another case",
        {"boolean-as-string"},
        {CUSTOM.upper(): {"VIP": "FALSE"}},
        {CUSTOM.upper(): {"VIP": False}},
    ),
    Case(
        "a whole number", {"number-as-string"}, {CUSTOM: {"level": "-3"}}, {CUSTOM: {"level": -3}}
    ),
    Case("a number", {"number-as-string"}, {CUSTOM: {"level": "2.50"}}, {CUSTOM: {"level": 2.5}}),
    Case("an optional attribute", {"empty-string"}, {"title": ""}, {"title": None}),
    Case("a boolean", {"empty-string"}, {"active": ""}, {"active": None}),
    Case("a date", {"empty-string"}, {CUSTOM: {"hired": ""}}, {CUSTOM: {"hired": None}}),
    Case(
        "a sub-attribute (authentik)",
        {"empty-string"},
        {"name": {"familyName": "", "givenName": "A"}},
        {"name": {"familyName": None, "givenName": "A"}},
    ),
    Case("all of a list", {"empty-string"}, {"emails": ""}, {"emails": None}),
    Case("a complex attribute", {"empty-string"}, {"name": ""}, {"name": None}),
    Case("a whole extension", {"empty-string"}, {ENTERPRISE: ""}, {ENTERPRISE: None}),
    Case(
        "a manager",
        {"empty-string"},
        {ENTERPRISE: {"manager": {"value": "", "displayName": "B"}}},
        {ENTERPRISE: {"manager": None}},
    ),
    Case("no string", {"empty-array"}, {"title": []}, {"title": None}),
    Case("no boolean", {"empty-array"}, {"active": []}, {"active": None}),
    Case("no complex value", {"empty-array"}, {"name": []}, {"name": None}),
    Case(
        "no sub-attribute",
        {"empty-array"},
        {"name": {"givenName": [], "familyName": "A"}},
        {"name": {"givenName": None, "familyName": "A"}},
    ),
    Case("no extension", {"empty-array"}, {ENTERPRISE: []}, {ENTERPRISE: None}),
    Case(
        "no manager, no level",
        {"empty-array"},
        {ENTERPRISE: {"manager": []}, CUSTOM: {"level": []}},
        {ENTERPRISE: {"manager": None}, CUSTOM: {"level": None}},
    ),
    Case(
        "a manager without a value",
        {"empty-array"},
        {ENTERPRISE: {"manager": {"value": []}}},
        {ENTERPRISE: {"manager": None}},
    ),
    Case(
        "no value of an e-mail",
        {"empty-array", "empty-element"},
        {"emails": [{"type": "work", "value": []}, {"value": "a"}]},
        {"emails": [{"value": "a"}]},
    ),
    Case("JSON text of nothing", {"empty-array", "json-text"}, {"name": "[]"}, {"name": None}),
    Case(
        "a number for an employee number",
        {"number-for-text"},
        {ENTERPRISE: {"employeeNumber": 5}},
        {ENTERPRISE: {"employeeNumber": "5"}},
    ),
    Case(
        "numbers in elements and arrays",
        {"number-for-text", "wrapped-value"},
        {"phoneNumbers": [{"value": 1.5}], "title": [-3]},
        {"phoneNumbers": [{"value": "1.5"}], "title": "-3"},
    ),
    Case(
        "a small number",
        {"number-for-text"},
        {CUSTOM: {"costCenterCode": 1e-7}},
        {CUSTOM: {"costCenterCode": "0.0000001"}},
    ),
    Case(
        "a date",
        {"date-without-time"},
        {CUSTOM: {"hired": "2020-02-29"}},
        {CUSTOM: {"hired": "2020-02-29T00:00:00Z"}},
    ),
    Case("a string in an array", {"wrapped-value"}, {"displayName": ["A"]}, {"displayName": "A"}),
    Case(
        "a boolean string in an array",
        {"wrapped-value", "boolean-as-string"},
        {"active": ["False"]},
        {"active": False},
    ),
    Case(
        "an object in an array",
        {"wrapped-value"},
        {ENTERPRISE: {"manager": [{"$ref": "../Users/1", "value": "1"}]}},
        {ENTERPRISE: {"manager": {"$ref": "../Users/1", "value": "1"}}},
    ),
    Case(
        "an extension in an array",
        {"wrapped-value"},
        {ENTERPRISE: [{"department": "D"}]},
        {ENTERPRISE: {"department": "D"}},
    ),
    Case(
        "an object for a string",
        {"value-object"},
        {ENTERPRISE: {"department": {"$ref": None, "value": "D"}}},
        {ENTERPRISE: {"department": "D"}},
    ),
    Case(
        "an object for a boolean",
        {"value-object", "boolean-as-string"},
        {"active": {"Value": "True"}},
        {"active": True},
    ),
    Case(
        "a list as text",
        {"json-text"},
        {"roles": '[{"value":"Admin"}]'},
        {"roles": [{"value": "Admin"}]},
    ),
    Case(
        "an element as text",
        {"json-text"},
        {"roles": ['{"value":"Admin"}']},
        {"roles": [{"value": "Admin"}]},
    ),
    Case(
        "an object as text",
        {"json-text", "single-for-list"},
        {"emails": '{"value":"a@x.example"}'},
        {"emails": [{"value": "a@x.example"}]},
    ),
    Case(
        "a complex attribute as text",
        {"json-text"},
        {"name": '{"givenName":"A"}'},
        {"name": {"givenName": "A"}},
    ),
    Case(
        "an extension as text",
        {"json-text"},
        {ENTERPRISE: '{"department":"D"}'},
        {ENTERPRISE: {"department": "D"}},
    ),
    Case(
        "a role",
        {"role-as-json-text"},
        {"roles": [{"value": ROLE}]},
        {"roles": [{"value": "Admin", "display": "Administrators"}]},
    ),
    Case(
        "a role that has a name to show",
        {"role-as-json-text"},
        {"roles": [{"Value": ROLE, "display": "Admins"}]},
        {"roles": [{"Value": "Admin", "display": "Admins"}]},
    ),
    Case(
        "roles as text in text",
        {"json-text", "role-as-json-text"},
        {"roles": json.dumps([ROLE])},
        {"roles": [{"value": "Admin", "display": "Administrators"}]},
    ),
    Case(
        "one role as text of a text",
        {"json-text", "role-as-json-text", "single-for-list"},
        {"roles": json.dumps(ROLE)},
        {"roles": [{"value": "Admin", "display": "Administrators"}]},
    ),
    Case(
        "one role as text",
        {"json-text", "role-as-json-text", "single-for-list"},
        {"roles": ROLE},
        {"roles": [{"value": "Admin", "display": "Administrators"}]},
    ),
    Case(
        "roles as texts",
        {"json-text", "role-as-json-text"},
        {"roles": [ROLE, json.dumps({"value": ROLE}), {"value": json.dumps(ROLE)}]},
        {"roles": [{"value": "Admin", "display": "Administrators"}] * 3},
    ),
    Case(
        "a manager's id",
        {"string-for-object"},
        {ENTERPRISE: {"manager": "1"}},
        {ENTERPRISE: {"manager": {"value": "1"}}},
    ),
    Case(
        "a manager's URL",
        {"reference-for-value"},
        {ENTERPRISE: {"manager": {"$ref": f"https://x.example/scim/v2/Users/{ID}"}}},
        {ENTERPRISE: {"manager": {"$ref": f"https://x.example/scim/v2/Users/{ID}", "value": ID}}},
    ),
    Case(
        "members' URLs",
        {"reference-for-value"},
        {"members": [{"$Ref": f"../Users/{ID.upper()}/", "type": "User"}, {"value": "2"}]},
        {
            "members": [
                {"$Ref": f"../Users/{ID.upper()}/", "type": "User", "value": ID.upper()},
                {"value": "2"},
            ]
        },
        GROUPS,
    ),
    Case(
        "a manager's URL that ends in no id",
        set(),
        {ENTERPRISE: {"manager": {"$ref": "https://x.example/scim/v2/Users/amy"}}},
        {ENTERPRISE: {"manager": {"$ref": "https://x.example/scim/v2/Users/amy"}}},
        ignored=["manager.$ref"],
    ),
    Case(
        "empty members among others",
        {"empty-element"},
        {"members": [{"value": ""}, {"value": "1"}, None, {"value": None, "display": "A"}]},
        {"members": [{"value": "1"}]},
        GROUPS,
    ),
    Case(
        "a list of strings",
        {"string-for-object"},
        {"phoneNumbers": ["1", {"value": "2"}]},
        {"phoneNumbers": [{"value": "1"}, {"value": "2"}]},
    ),
    Case(
        "members as strings",
        {"string-for-object"},
        {"members": ["1", "2"]},
        {"members": [{"value": "1"}, {"value": "2"}]},
        GROUPS,
    ),
    Case(
        "one e-mail",
        {"single-for-list"},
        {"emails": {"value": "a@x.example", "type": "work"}},
        {"emails": [{"value": "a@x.example", "type": "work"}]},
    ),
    Case(
        "one e-mail as a string",
        {"single-for-list", "string-for-object"},
        {"emails": "a@x.example"},
        {"emails": [{"value": "a@x.example"}]},
    ),
    Case(
        "an address of nulls",
        {"empty-element"},
        {"addresses": [{"type": "work", "locality": None, "primary": None}, {"region": "R"}]},
        {"addresses": [{"region": "R"}]},
    ),
    Case(
        "a role without a value",
        {"empty-element"},
        {"roles": [{"primary": True, "type": "WindowsAzureActiveDirectoryRole"}]},
        {"roles": []},
    ),
    Case("null in a list", {"empty-element"}, {"photos": [None]}, {"photos": []}),
    Case(
        "two primary e-mails, the second empty (PingOne)",
        {"empty-element", "empty-string"},
        {
            "emails": [
                {"type": "work", "primary": True, "value": "a@x.example"},
                {"type": "home", "primary": True, "value": ""},
            ]
        },
        {"emails": [{"type": "work", "primary": True, "value": "a@x.example"}]},
    ),
    Case(
        "two primary e-mails",
        {"several-primaries", "boolean-as-string"},
        {
            "emails": [
                {"value": "a"},
                {"primary": True, "value": "b"},
                {"Primary": "True", "value": "c"},
            ]
        },
        {
            "emails": [
                {"value": "a"},
                {"primary": True, "value": "b"},
                {"Primary": False, "value": "c"},
            ]
        },
    ),
    Case(
        "an attribute at the top",
        {"extension-without-urn"},
        {"Department": "D"},
        {ENTERPRISE: {"department": "D"}},
    ),
    Case(
        "an attribute beside its extension",
        {"extension-without-urn", "string-for-object"},
        {"manager": "1", ENTERPRISE.lower(): {"department": "D", "manager": None}},
        {ENTERPRISE.lower(): {"department": "D", "manager": {"value": "1"}}},
    ),
]

PATCHES = [
    Case(
        "active",
        {"boolean-as-string"},
        [{"op": "Replace", "path": "active", "value": "False"}],
        [{"op": "Replace", "path": "active", "value": False}],
    ),
    Case(
        "active without a path",
        {"boolean-as-string"},
        [{"op": "Replace", "value": {"Active": "True"}}],
        [{"op": "Replace", "value": {"Active": True}}],
    ),
    Case(
        "primary in the filter of a path",
        {"boolean-as-string"},
        [{"op": "add", "path": 'roles[primary eq "True"].value', "value": "Admin"}],
        [{"op": "add", "path": "roles[primary eq true].value", "value": "Admin"}],
    ),
    Case(
        "an element that is created from its primary",
        {"boolean-as-string"},
        [
            {"op": "Add", "path": 'emails[type eq "untyped"].primary', "value": "True"},
            {"op": "Add", "path": 'emails[type eq "untyped"].value', "value": "a@x.example"},
        ],
        [
            {"op": "Add", "path": 'emails[type eq "untyped"].primary', "value": True},
            {"op": "Add", "path": 'emails[type eq "untyped"].value', "value": "a@x.example"},
        ],
    ),
    Case(
        "a number",
        {"number-as-string"},
        [{"op": "replace", "path": f"{CUSTOM}:level", "value": "7"}],
        [{"op": "replace", "path": f"{CUSTOM}:level", "value": 7}],
    ),
    Case(
        "an attribute, a sub-attribute and a part of an element",
        {"empty-string"},
        [
            {"op": "replace", "path": "title", "value": ""},
            {"op": "replace", "path": "name.givenName", "value": ""},
            {"op": "replace", "path": 'emails[type eq "work"].value', "value": ""},
        ],
        [
            {"op": "replace", "path": "title", "value": None},
            {"op": "replace", "path": "name.givenName", "value": None},
            {"op": "replace", "path": 'emails[type eq "work"].value', "value": None},
        ],
    ),
    Case(
        "the manager is taken away",
        {"empty-string"},
        [{"op": "Replace", "path": MANAGER, "value": ""}],
        [{"op": "Replace", "path": MANAGER, "value": None}],
    ),
    Case(
        "nothing is added",
        {"empty-string"},
        [{"op": "add", "path": "members", "value": ""}],
        [{"op": "add", "path": "members", "value": None}],
        GROUPS,
    ),
    Case(
        "values in arrays (Keycloak)",
        {"wrapped-value"},
        [
            {"op": "replace", "path": "displayName", "value": ["A"]},
            {"op": "replace", "path": "active", "value": [False]},
        ],
        [
            {"op": "replace", "path": "displayName", "value": "A"},
            {"op": "replace", "path": "active", "value": False},
        ],
    ),
    Case(
        "an object in an array without a path",
        {"wrapped-value"},
        [{"op": "replace", "value": [{"active": False}]}],
        [{"op": "replace", "value": {"active": False}}],
    ),
    Case(
        "an element in an array",
        {"wrapped-value"},
        [{"op": "add", "path": 'emails[type eq "work"]', "value": [{"value": "a@x.example"}]}],
        [{"op": "add", "path": 'emails[type eq "work"]', "value": {"value": "a@x.example"}}],
    ),
    Case(
        "an object with a value",
        {"value-object"},
        [{"op": "add", "path": "displayName", "value": {"value": "A"}}],
        [{"op": "add", "path": "displayName", "value": "A"}],
    ),
    Case(
        "a value as text (Keycloak)",
        {"json-text", "repeated-id"},
        [{"op": "replace", "value": '{"schemas":["urn:x:y"],"displayName":"A","active":false}'}],
        [{"op": "replace", "value": {"displayName": "A", "active": False}}],
    ),
    Case(
        "text in an array in text",
        {"json-text", "wrapped-value"},
        [{"op": "replace", "value": json.dumps(['{"title":"x"}'])}],
        [{"op": "replace", "value": {"title": "x"}}],
    ),
    Case(
        "text of a text in an array",
        {"json-text", "wrapped-value"},
        [{"op": "replace", "value": [json.dumps('{"title":"x"}')]}],
        [{"op": "replace", "value": {"title": "x"}}],
    ),
    Case(
        "the value of a role (AppRoleAssignmentsComplex by a filter)",
        {"role-as-json-text", "boolean-as-string"},
        [{"op": "Add", "path": 'roles[primary eq "True"].value', "value": ROLE}],
        [
            {"op": "Add", "path": "roles[primary eq true].display", "value": "Administrators"},
            {"op": "Add", "path": "roles[primary eq true].value", "value": "Admin"},
        ],
    ),
    Case(
        "the value of a role, replaced",
        {"role-as-json-text", "replace-creates"},
        [{"op": "Replace", "path": "roles[primary eq true].value", "value": ROLE}],
        [
            {"op": "add", "path": "roles[primary eq true].display", "value": "Administrators"},
            {"op": "add", "path": "roles[primary eq true].value", "value": "Admin"},
        ],
    ),
    Case(
        "nothing for what has one value",
        {"empty-array"},
        [
            {"op": "replace", "path": "title", "value": []},
            {"op": "replace", "path": "name", "value": []},
            {"op": "replace", "path": DEPARTMENT, "value": []},
            {"op": "replace", "path": f"{MANAGER}.value", "value": []},
            {"op": "replace", "path": CUSTOM, "value": []},
            {"op": "replace", "path": 'emails[type eq "work"].value', "value": []},
            {"op": "replace", "value": {"active": [], "displayName": []}},
        ],
        [
            {"op": "replace", "path": "title", "value": None},
            {"op": "replace", "path": "name", "value": None},
            {"op": "replace", "path": DEPARTMENT, "value": None},
            {"op": "replace", "path": f"{MANAGER}.value", "value": None},
            {"op": "replace", "path": CUSTOM, "value": None},
            {"op": "replace", "path": 'emails[type eq "work"].value', "value": None},
            {"op": "replace", "value": {"active": None, "displayName": None}},
        ],
    ),
    Case(
        "a number and a date",
        {"number-for-text", "date-without-time"},
        [
            {"op": "add", "path": "externalId", "value": 4711},
            {"op": "add", "path": f"{CUSTOM}:hired", "value": "2020-01-01"},
        ],
        [
            {"op": "add", "path": "externalId", "value": "4711"},
            {"op": "add", "path": f"{CUSTOM}:hired", "value": "2020-01-01T00:00:00Z"},
        ],
    ),
    Case(
        "a manager's URL",
        {"reference-for-value", "extension-without-urn"},
        [{"op": "add", "path": "manager", "value": {"$ref": f"../Users/{ID}"}}],
        [{"op": "add", "path": MANAGER, "value": {"$ref": f"../Users/{ID}", "value": ID}}],
    ),
    Case(
        "a manager's URL that ends in no id",
        set(),
        [{"op": "add", "path": MANAGER, "value": {"$ref": "../Users/amy"}}],
        [{"op": "add", "path": MANAGER, "value": {"$ref": "../Users/amy"}}],
        ignored=["manager.$ref"],
    ),
    Case(
        "only empty members are added",
        {"empty-element"},
        [
            {
                "op": "add",
                "path": "members",
                "value": [{"value": ""}, {"value": None, "$ref": None}],
            },
            {"op": "add", "value": {"members": [{"value": None}], "externalId": "e"}},
        ],
        [{"op": "add", "value": {"externalId": "e"}}],
        GROUPS,
    ),
    Case(
        "members as text",
        {"json-text"},
        [{"op": "replace", "path": "members", "value": '[{"value":"333"}]'}],
        [{"op": "replace", "path": "members", "value": [{"value": "333"}]}],
        GROUPS,
    ),
    Case(
        "roles (AppRoleAssignmentsComplex)",
        {"role-as-json-text"},
        [{"op": "Add", "path": "roles", "value": [{"value": ROLE}]}],
        [
            {
                "op": "Add",
                "path": "roles",
                "value": [{"value": "Admin", "display": "Administrators"}],
            }
        ],
    ),
    Case(
        "a manager's id",
        {"string-for-object"},
        [{"op": "Add", "path": MANAGER, "value": "1"}],
        [{"op": "Add", "path": MANAGER, "value": {"value": "1"}}],
    ),
    Case(
        "one member as a string",
        {"single-for-list", "string-for-object"},
        [{"name": "addMember", "op": "add", "path": "members", "value": "1"}],
        [{"op": "add", "path": "members", "value": [{"value": "1"}]}],
        GROUPS,
    ),
    Case(
        "one e-mail (RFC 7644 leaves it open)",
        {"single-for-list"},
        [{"op": "replace", "path": "emails", "value": {"type": "work", "value": "a@x.example"}}],
        [{"op": "replace", "path": "emails", "value": [{"type": "work", "value": "a@x.example"}]}],
    ),
    Case(
        "members to remove",
        {"single-for-list", "string-for-object"},
        [{"op": "Remove", "path": "members", "value": "1"}],
        [{"op": "Remove", "path": "members", "value": [{"value": "1"}]}],
        GROUPS,
    ),
    Case(
        "an empty element",
        {"empty-element", "empty-string"},
        [{"op": "replace", "path": "emails", "value": [{"type": "work", "value": ""}]}],
        [{"op": "replace", "path": "emails", "value": []}],
    ),
    Case(
        "two primary numbers",
        {"several-primaries"},
        [
            {
                "op": "add",
                "path": "phoneNumbers",
                "value": [{"value": "1", "primary": True}, {"value": "2", "primary": True}],
            }
        ],
        [
            {
                "op": "add",
                "path": "phoneNumbers",
                "value": [{"value": "1", "primary": True}, {"value": "2", "primary": False}],
            }
        ],
    ),
    Case(
        "bare paths",
        {"extension-without-urn", "wrapped-value", "value-object"},
        [
            {"op": "Replace", "path": "department", "value": [{"$ref": None, "value": "D"}]},
            {"op": "Add", "path": "manager", "value": [{"$ref": "../Users/1", "value": "1"}]},
            {"op": "Remove", "path": "manager.value"},
        ],
        [
            {"op": "Replace", "path": DEPARTMENT, "value": "D"},
            {"op": "Add", "path": MANAGER, "value": {"$ref": "../Users/1", "value": "1"}},
            {"op": "Remove", "path": f"{MANAGER}.value"},
        ],
    ),
    Case(
        "a bare key",
        {"extension-without-urn"},
        [{"op": "replace", "value": {"CostCenterCode": "00123"}}],
        [{"op": "replace", "path": f"{CUSTOM}:CostCenterCode", "value": "00123"}],
    ),
    Case(
        "flattened keys, in order with the others",
        {"flattened-keys", "string-for-object"},
        [
            {
                "op": "replace",
                "value": {
                    "displayName": "A",
                    "title": "T",
                    "name.givenName": "B",
                    MANAGER: "1",
                    ENTERPRISE: {"department": "D"},
                },
            }
        ],
        [
            {"op": "replace", "value": {"displayName": "A", "title": "T"}},
            {"op": "replace", "path": "name.givenName", "value": "B"},
            {"op": "replace", "path": MANAGER, "value": {"value": "1"}},
            {"op": "replace", "value": {ENTERPRISE: {"department": "D"}}},
        ],
    ),
    Case(
        "a flattened key with a filter",
        {"flattened-keys", "replace-creates"},
        [{"op": "Replace", "value": {'emails[type eq "work"].value': "a@x.example"}}],
        [{"op": "add", "path": 'emails[type eq "work"].value', "value": "a@x.example"}],
    ),
    Case(
        "paths and keys of attributes that are not kept (Entra's default mappings)",
        {"unknown-attribute"},
        [
            {"op": "Add", "path": 'addresses[type eq "work"].locality', "value": "Oslo"},
            {"op": "Replace", "path": "title", "value": "Lead"},
            {"op": "Remove", "path": f"{ENTERPRISE}:employeeNumber"},
            {"op": "Add", "path": "urn:example:2.0:User:shoeSize", "value": "43"},
            {"op": "Add", "path": "name.middleName", "value": "M"},
            {
                "op": "Replace",
                "value": {
                    "nickName": "Al",
                    "name.honorificPrefix": "Dr",
                    "first name": "A",
                    "displayName": "A",
                    ENTERPRISE: {"costCenter": "1", "department": "D"},
                },
            },
        ],
        [{"op": "Replace", "value": {"displayName": "A", ENTERPRISE: {"department": "D"}}}],
        SMALL_USERS,
        ignored=[
            'addresses[type eq "work"].locality',
            "title",
            f"{ENTERPRISE}:employeeNumber",
            "urn:example:2.0:User:shoeSize",
            "name.middleName",
            "nickName",
            "name.honorificPrefix",
            "first name",
            f"{ENTERPRISE}:costCenter",
        ],
    ),
    Case(
        "unknown parts of values",
        {"unknown-attribute"},
        [
            {"op": "add", "path": "name", "value": {"zz": 1, "givenName": "A"}},
            {"op": "add", "path": "emails", "value": [{"value": "a", "zz": 1}, {"yy": 1}]},
            {"op": "add", "path": 'emails[type eq "work"]', "value": {"value": "a", "zz": 1}},
            {"op": "add", "path": MANAGER, "value": {"value": "1", "zz": 1, "displayName": "B"}},
            {"op": "remove", "path": "roles", "value": [{"value": "a", "zz": 1}]},
            {
                "op": "replace",
                "value": {
                    "name": {"ZZ": 1, "FamilyName": "B"},
                    "phoneNumbers": [{"value": "1", "zz": None}],
                    ENTERPRISE: {"manager": {"value": "1", "yy": 1}, "department": "D"},
                },
            },
        ],
        [
            {"op": "add", "path": "name", "value": {"givenName": "A"}},
            {"op": "add", "path": "emails", "value": [{"value": "a"}]},
            {"op": "add", "path": 'emails[type eq "work"]', "value": {"value": "a"}},
            {"op": "add", "path": MANAGER, "value": {"value": "1", "displayName": "B"}},
            {"op": "remove", "path": "roles", "value": [{"value": "a"}]},
            {
                "op": "replace",
                "value": {
                    "name": {"FamilyName": "B"},
                    "phoneNumbers": [{"value": "1"}],
                    ENTERPRISE: {"manager": {"value": "1"}, "department": "D"},
                },
            },
        ],
        ignored=[
            "name.zz",
            "emails.zz",
            "emails.yy",
            'emails[type eq "work"].zz',
            f"{MANAGER}.zz",
            "roles.zz",
            "name.ZZ",
            "phoneNumbers.zz",
            f"{MANAGER}.yy",
        ],
    ),
    Case(
        "values of nothing but unknown parts, which clear nothing",
        {"unknown-attribute"},
        [
            {"op": "replace", "path": "name", "value": {"zz": 1}},
            {"op": "replace", "path": "emails", "value": [{"zz": 1}]},
            {"op": "replace", "path": 'emails[type eq "work"]', "value": {"zz": 1}},
            {"op": "replace", "path": MANAGER, "value": {"zz": 1}},
            {"op": "replace", "value": {"name": {"zz": 1}, "emails": [{"zz": 1}], "title": "T"}},
        ],
        [{"op": "replace", "value": {"title": "T"}}],
        ignored=["name.zz", "emails.zz", 'emails[type eq "work"].zz', f"{MANAGER}.zz"],
    ),
    Case(
        "an unknown part in JSON text",
        {"unknown-attribute", "json-text"},
        [{"op": "replace", "path": "emails", "value": '[{"value":"a","zz":1}]'}],
        [{"op": "replace", "path": "emails", "value": [{"value": "a"}]}],
        ignored=["emails.zz"],
    ),
    Case(
        "a member's displayName (Postman collection)",
        {"unknown-attribute"},
        [{"op": "add", "path": "members", "value": [{"value": "1", "displayName": "A"}]}],
        [{"op": "add", "path": "members", "value": [{"value": "1"}]}],
        GROUPS,
        ignored=["members.displayName"],
    ),
    Case(
        "an object under the core URN",
        {"unknown-attribute", "boolean-as-string"},
        [{"op": "replace", "value": {"title": "T", urns.USER: {"active": "True", "zz": 1}}}],
        [
            {"op": "replace", "value": {"title": "T"}},
            {"op": "replace", "value": {"active": True}},
        ],
        ignored=["zz"],
    ),
    Case(
        "nothing is left",
        {"unknown-attribute"},
        [{"op": "Replace", "path": "title", "value": "Lead"}],
        [],
        SMALL_USERS,
        ignored=["title"],
    ),
    Case(
        "a dot behind the URN",
        {"dotted-urn", "string-for-object"},
        [
            {"op": "Replace", "path": f"{ENTERPRISE}.manager", "value": "1"},
            {"op": "Remove", "path": f"{ENTERPRISE.upper()}.department"},
            {"op": "Replace", "path": f"{urns.USER}.title", "value": "T"},
            {"op": "Replace", "path": f"{urns.USER}.name.givenName", "value": "A"},
        ],
        [
            {"op": "Replace", "path": MANAGER, "value": {"value": "1"}},
            {"op": "Remove", "path": DEPARTMENT},
            {"op": "Replace", "path": f"{urns.USER}:title", "value": "T"},
            {"op": "Replace", "path": f"{urns.USER}:name.givenName", "value": "A"},
        ],
    ),
    Case(
        "a part of an element, and an element",
        {"replace-creates"},
        [
            {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "a@x.example"},
            {
                "op": "replace",
                "path": 'emails[type eq "home" and primary eq false]',
                "value": {"value": "b@x.example"},
            },
        ],
        [
            {"op": "add", "path": 'emails[type eq "work"].value', "value": "a@x.example"},
            {
                "op": "add",
                "path": 'emails[type eq "home" and primary eq false]',
                "value": {"value": "b@x.example"},
            },
        ],
    ),
    Case(
        "a manager selected by its id",
        {"single-selected", "extension-without-urn"},
        [{"op": "remove", "path": 'manager[value eq "1"]'}],
        [{"op": "remove", "path": MANAGER}],
    ),
    Case(
        "the old manager beside the new one",
        {"single-selected"},
        [
            {"op": "add", "path": MANAGER, "value": {"value": "2"}},
            {"op": "remove", "path": f'{MANAGER}[value eq "1"]'},
        ],
        [{"op": "add", "path": MANAGER, "value": {"value": "2"}}],
    ),
    Case(
        "members (Salesforce)",
        {"value-named-again"},
        [{"op": "remove", "path": "members", "value": {"members": [{"value": "1"}]}}],
        [{"op": "remove", "path": "members", "value": [{"value": "1"}]}],
        GROUPS,
    ),
    Case(
        "a name",
        {"value-named-again"},
        [{"op": "replace", "path": "displayName", "value": {"displayName": "A"}}],
        [{"op": "replace", "path": "displayName", "value": "A"}],
    ),
    Case(
        "a rename of a group (Okta)",
        {"repeated-id"},
        [{"op": "replace", "value": {"id": "own", "displayName": "A"}}],
        [{"op": "replace", "value": {"displayName": "A"}}],
        GROUPS,
    ),
    Case(
        "all of a group (authentik)",
        {"repeated-id"},
        [
            {
                "op": "replace",
                "value": {"schemas": [urns.GROUP], "id": "own", "meta": {}, "externalId": "e"},
            }
        ],
        [{"op": "replace", "value": {"externalId": "e"}}],
        GROUPS,
    ),
    Case(
        "a path without quotes",
        {"bare-word"},
        [{"op": "remove", "path": "members[value eq 75b62139-e819]"}],
        [{"op": "remove", "path": 'members[value eq "75b62139-e819"]'}],
        GROUPS,
    ),
    Case(
        "a path without quotes and with a part",
        {"bare-word", "replace-creates"},
        [{"op": "replace", "path": "emails[type eq work].value", "value": "a@x.example"}],
        [{"op": "add", "path": 'emails[type eq "work"].value', "value": "a@x.example"}],
    ),
    Case("an empty array", {"empty-operations"}, [], []),
]
