"""Filter -> Condition: what ``scim.filter.matches`` decides in memory, as SQL (RFC 7644 §3.4.2.2).

    where = compile_filter(filter, resource_type, tx.dialect)
    f"... FROM users u WHERE u.tenant = :tenant AND ... AND ({where.sql})"

Columns answer where there are any, and memberships; everything else is looked up in ``search``, the
JSON of ``scim.resource.comparable_resource``, whose values are folded and in microseconds already:
SQL compares, and never converts.

A condition is true where the filter matches and false or NULL where it does not: a value that is
not there makes its comparison NULL, and only what turns an answer round (``not``, ``ne``) ends it
with IS NOT TRUE. So an index can serve ``u.external_id = :p0`` as it stands.

Every piece of SQL is a LiteralString. Values, and the names of attributes in JSON, are bound.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, LiteralString, TypeAlias, cast

from meibo.scim import urns
from meibo.scim.comparison import Scalar
from meibo.scim.errors import InvalidFilter
from meibo.scim.filter import And, Compare, Filter, Not, Operator, Or, Present, ValuePath
from meibo.scim.path import AttributePath
from meibo.scim.schema import ResourceType
from meibo.storage.database import Parameter
from meibo.storage.dialect import Dialect
from meibo.storage.json_sql import JsonSql


@dataclass(frozen=True, slots=True)
class Condition:
    """Stands in parentheses in the WHERE of a statement over ``users u`` or ``groups g``.

    The statement binds ``:tenant`` too; the condition's own parameters are called p0, p1, ...

    A ``lookup`` is answered by an index; everything else may go through all resources.
    """

    sql: LiteralString
    parameters: dict[str, Parameter]
    lookup: bool = False


def further(condition: Condition | None) -> tuple[LiteralString, dict[str, Parameter]]:
    """What a WHERE goes on with, and its parameters; nothing without a condition."""
    return ("", {}) if condition is None else (f"AND ({condition.sql})", condition.parameters)


def compile_filter(filter: Filter, resource_type: ResourceType, dialect: Dialect) -> Condition:
    """The condition under which a row is a resource that ``filter`` matches.

    Filters that differ in their literals alone give the same SQL (but for empty ones), so the
    driver finds its prepared statement again.

    Raises:
        InvalidFilter: an attribute that cannot be searched by, since it depends on the request
            (the URLs in ``meta.location`` and ``$ref``) or is not kept (``password``).
    """
    # How identity providers look for one resource, by far the most frequent filters.
    if type(filter) is Compare and filter.operator == "eq" and filter.path.schema is None:
        value, path = filter.comparable, filter.path
        sql = _LOOKUPS.get((resource_type.name, path.attribute.name))
        if sql is not None and path.sub is None and type(value) is str:
            return Condition(sql, {"p0": value}, lookup=True)
    compiler = _Compiler(resource_type, dialect)
    return Condition(compiler.whole(filter), compiler.parameters)


# -- what can be compared --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Operand:
    """An expression, NULL where the attribute has no value.

    kind:
        key       a column of text in code point order: an index may serve it
        text      any other text, in the order that its collation happens to have
        column    a column of integers (0 and 1 for a boolean)
        number    a number out of JSON
        boolean   the JSON text of a boolean
    """

    sql: LiteralString
    kind: Literal["key", "text", "column", "number", "boolean"] = "text"


@dataclass(frozen=True, slots=True)
class _Elements:
    """The elements of a multi-valued attribute as rows that a subquery goes through.

    ``join`` holds for the rows of this resource, ``operand`` gives a sub-attribute (or the element
    itself) of one row. With ``owner``, the resource's id in such a row, an equality of one of the
    ``indexed`` sub-attributes leads to the resources, not the resources to their rows.
    """

    rows: LiteralString
    join: LiteralString
    operand: Callable[[AttributePath], _Operand]
    owner: LiteralString = ""
    indexed: frozenset[str] = frozenset()


_Scope: TypeAlias = "Callable[[AttributePath], _Operand | _Elements]"

_COLUMNS: dict[tuple[str, str, str | None], _Operand] = {
    ("User", "id", None): _Operand("u.id", "key"),
    ("User", "userName", None): _Operand("u.user_name_key", "key"),
    ("User", "externalId", None): _Operand("u.external_id", "key"),
    ("User", "active", None): _Operand("u.active", "column"),
    ("User", "meta", "resourceType"): _Operand("'User'"),
    ("User", "meta", "created"): _Operand("u.created", "column"),
    ("User", "meta", "lastModified"): _Operand("u.last_modified", "column"),
    ("User", "meta", "version"): _Operand("""('W/"' || CAST(u.version AS text) || '"')"""),
    ("Group", "id", None): _Operand("g.id", "key"),
    ("Group", "displayName", None): _Operand("g.display_name_key", "key"),
    ("Group", "externalId", None): _Operand("g.external_id", "key"),
    ("Group", "meta", "resourceType"): _Operand("'Group'"),
    ("Group", "meta", "created"): _Operand("g.created", "column"),
    ("Group", "meta", "lastModified"): _Operand("g.last_modified", "column"),
    ("Group", "meta", "version"): _Operand("""('W/"' || CAST(g.version AS text) || '"')"""),
}
_LOOKUPS: dict[tuple[str, str], LiteralString] = {
    (resource, name): f"{column.sql} = :p0"
    for (resource, name, sub), column in _COLUMNS.items()
    if column.kind == "key" and sub is None
}
_ALIASES: dict[str, LiteralString] = {"User": "u", "Group": "g"}
_MEMBERS: LiteralString = "memberships m"
_GROUPS: LiteralString = """
    memberships m
    JOIN groups mg ON mg.tenant = m.tenant AND mg.id = m.group_id AND mg.removed IS NULL"""
_SYMBOLS: dict[Operator, LiteralString] = {
    "eq": "=",
    "ne": "<>",
    "gt": ">",
    "ge": ">=",
    "lt": "<",
    "le": "<=",
}
_BOOLEANS: tuple[LiteralString, LiteralString] = ("'false'", "'true'")


# -- the compiler ----------------------------------------------------------------------------------


class _Compiler:
    """One filter's way to SQL: gathers the parameters."""

    def __init__(self, resource_type: ResourceType, dialect: Dialect) -> None:
        self.parameters: dict[str, Parameter] = {}
        self._resource = resource_type.name
        self._alias: LiteralString = _ALIASES[resource_type.name]
        self._keys: dict[str, LiteralString] = {}
        self._json = JsonSql(dialect, self._bind, self._bind_key)
        # The columns of JSON that the condition looks into.
        self._documents: list[LiteralString] = []

    def whole(self, filter: Filter) -> LiteralString:
        """SQL of the filter of a request.

        What only looks into JSON is gathered behind what an index may serve.
        """
        conditions: list[LiteralString] = []
        in_json: list[LiteralString] = []
        for each in _chain(filter, And):
            if isinstance(each, ValuePath) and (known := self._known_e_mail(each)):
                conditions.append(known)
            before = len(self._documents)
            condition = self.condition(each, self.of_resource)
            looks = len(self._documents) > before
            (in_json if looks else conditions).append(f"({condition})")
        if in_json:
            columns = list(dict.fromkeys(self._documents))
            conditions.append(self._json.sharing(self._alias, columns, " AND ".join(in_json)))
        return " AND ".join(conditions)

    def condition(self, filter: Filter, scope: _Scope) -> LiteralString:
        """SQL of ``filter``, where ``scope`` tells what stands at a path."""
        match filter:
            case And():
                return " AND ".join(self._parts(_chain(filter, And), scope))
            case Or():
                return " OR ".join(self._parts(_chain(filter, Or), scope))
            case Not(inner):
                return f"({self.condition(inner, scope)}) IS NOT TRUE"
            case Present(path):
                return self._present(path, scope)
            case Compare(path, "eq", None):
                return f"({self._present(path, scope)}) IS NOT TRUE"
            case Compare(path, _, None):
                return self._present(path, scope)
            case Compare(path, operator, _):
                return self._compared(path, operator, filter.comparable, scope)
            case ValuePath(path, condition):
                return self._value_path(path, condition)

    def _parts(self, filters: Sequence[Filter], scope: _Scope) -> list[LiteralString]:
        return [f"({self.condition(each, scope)})" for each in filters]

    def of_resource(self, path: AttributePath) -> _Operand | _Elements:
        """What stands at a path from the resource itself.

        Raises:
            InvalidFilter: nothing that we keep.
        """
        attribute, sub = path.attribute, path.sub
        if path.schema is None:
            column = _COLUMNS.get((self._resource, attribute.name, sub and sub.name))
            if column is not None:
                return column
            if attribute.name == "members":
                return _Elements(
                    _MEMBERS,
                    "m.tenant = g.tenant AND m.group_id = g.id",
                    self._of_member,
                    "m.group_id",
                    frozenset({"value"}),
                )
            if attribute.name == "groups":
                return _Elements(
                    _GROUPS,
                    "m.tenant = u.tenant AND m.member_id = u.id",
                    self._of_group,
                    "m.member_id",
                    frozenset({"value", "display"}),
                )
        elif sub is not None and (attribute.name, sub.name) == ("manager", "displayName"):
            return self._manager_name()
        if attribute.mutability in ("readOnly", "writeOnly") or path.leaf.mutability == "readOnly":
            raise _unsearchable(path)
        keys = _keys(path)
        if not attribute.multi_valued:
            # The type of such an attribute may be another than when the value was written.
            custom = path.schema == urns.CUSTOM_USER
            inner = keys if sub is None else (*keys, sub.name)
            return self._json_operand(self._document("search"), inner, path, checked=custom)
        if attribute.type == "complex":
            return _Elements(
                self._json.elements(self._document("search"), keys), "TRUE", self._of_element
            )
        scalar = _Operand(self._json.scalar)
        return _Elements(
            self._json.scalars(self._document("search"), keys), "TRUE", lambda _: scalar
        )

    def _of_element(self, path: AttributePath) -> _Operand:
        return self._json_operand(self._json.element, (path.leaf.name,), path)

    def _of_member(self, path: AttributePath) -> _Operand:
        match path.leaf.name:
            case "value":
                return _Operand("m.member_id", "key")
            case "type":
                # Only 'User' and 'Group' are there, about which all agree how they are folded.
                return _Operand("lower(m.member_type)")
            case "display":
                name = self._folded_name("mu")
                return _Operand(f"""
                    CASE m.member_type
                    WHEN 'User' THEN (
                        SELECT {name} FROM users mu
                         WHERE mu.tenant = m.tenant AND mu.id = m.member_id)
                    ELSE (
                        SELECT mg.display_name_key FROM groups mg
                         WHERE mg.tenant = m.tenant AND mg.id = m.member_id)
                    END""")
            case _:
                raise _unsearchable(path)

    def _of_group(self, path: AttributePath) -> _Operand:
        match path.leaf.name:
            case "value":
                return _Operand("m.group_id", "key")
            case "display":
                return _Operand("mg.display_name_key", "key")
            case "type":
                return _Operand("'direct'")
            case _:
                raise _unsearchable(path)

    def _manager_name(self) -> _Operand:
        return _Operand(f"""(
            SELECT {self._folded_name("um")} FROM users um
             WHERE um.tenant = u.tenant AND um.id = u.manager AND um.connection = u.connection
               AND um.removed IS NULL)""")

    def _folded_name(self, alias: LiteralString) -> LiteralString:
        """The folded form of the name that a user is shown with in other resources."""
        display_name = self._json.text(self._json.document(f"{alias}.search"), ("displayName",))
        return f"coalesce({display_name}, {alias}.user_name_key)"

    def _json_operand(
        self,
        document: LiteralString,
        keys: Sequence[str],
        path: AttributePath,
        *,
        checked: bool = False,
    ) -> _Operand:
        match path.leaf.type:
            case "boolean":
                return _Operand(self._json.json(document, keys), "boolean")
            case "decimal" | "integer" | "dateTime":
                return _Operand(self._json.number(document, keys), "number")
            case "complex":
                raise _unsearchable(path)
            case _:
                return _Operand(self._json.text(document, keys, checked=checked))

    # Comparisons

    def _compared(
        self, path: AttributePath, operator: Operator, value: Scalar, scope: _Scope
    ) -> LiteralString:
        place = scope(path)
        if isinstance(place, _Operand):
            if operator == "ne":
                return f"({self._holds(place, 'eq', value)}) IS NOT TRUE"
            return self._holds(place, operator, value)
        if operator == "eq" and str(path) == "emails.value":
            return self._e_mail(value)
        operand = place.operand(path)
        found = self._found(
            place,
            self._holds(operand, operator, value),
            indexed=operator == "eq" and path.leaf.name in place.indexed,
        )
        if operator == "ne":
            return f"{found} OR NOT {self._found(place, f'{operand.sql} IS NOT NULL')}"
        return found

    def _value_path(self, path: AttributePath, condition: Filter) -> LiteralString:
        if not path.attribute.multi_valued:
            inner = self.condition(
                condition,
                lambda each: self.of_resource(
                    AttributePath(path.schema, path.attribute, each.leaf)
                ),
            )
            if path.attribute.name == "meta":
                return inner
            # Of an attribute that is not there nothing is true, not even that it is not so.
            there = self._json.json(self._document("search"), _keys(path))
            return f"{there} IS NOT NULL AND ({inner})"
        place = self.of_resource(path)
        if isinstance(place, _Operand):
            raise _unsearchable(path)
        return self._found(
            place,
            self.condition(condition, place.operand),
            indexed=not place.indexed.isdisjoint(_equalities(condition)),
        )

    def _known_e_mail(self, filter: ValuePath) -> LiteralString | None:
        """The few people of whom the rest of a value path on their e-mails is to be asked.

        It adds nothing to the meaning of the filter; the index leads to them.
        """
        value = _equalities(filter.condition).get("value")
        if filter.path.attribute.name != "emails" or value is None:
            return None
        return self._e_mail(value)

    def _e_mail(self, value: Scalar) -> LiteralString:
        """Who has that e-mail address."""
        return (
            f"u.id IN (SELECT x.user_id FROM user_emails x"
            f" WHERE x.tenant = :tenant AND x.value_key = {self._bind(value)})"
        )

    def _found(
        self, place: _Elements, condition: LiteralString, *, indexed: bool = False
    ) -> LiteralString:
        """Whether an element satisfies the condition."""
        if indexed:
            return (
                f"{self._alias}.id IN (SELECT {place.owner} FROM {place.rows}"
                f" WHERE m.tenant = :tenant AND ({condition}))"
            )
        return f"EXISTS (SELECT 1 FROM {place.rows} WHERE {place.join} AND ({condition}))"

    def _holds(self, operand: _Operand, operator: Operator, value: Scalar) -> LiteralString:
        """The relation between an operand and a comparable value; NULL where there is no value."""
        sql, kind = operand.sql, operand.kind
        if kind == "boolean":
            return f"{sql} {_SYMBOLS[operator]} {_BOOLEANS[value is True]}"
        if not isinstance(value, str):
            number = value or 0
            bound = self._bind(int(number)) if kind == "column" else self._json.bound_number(number)
            return f"{sql} {_SYMBOLS[operator]} {bound}"
        text = value
        if operator in ("co", "sw", "ew") and not text:
            return f"{sql} IS NOT NULL"
        if operator == "sw" and kind == "key" and (end := _successor(text)) is not None:
            return f"{sql} >= {self._bind(text)} AND {sql} < {self._bind(end)}"
        bound = self._bind(text)
        match operator:
            case "co":
                return self._json.contains(sql, bound)
            case "sw":
                return self._json.starts_with(sql, bound)
            case "ew":
                return self._json.ends_with(sql, bound)
            case "eq" | "ne":
                return f"{sql} {_SYMBOLS[operator]} {bound}"
            case _:
                ordered = sql if kind == "key" else self._json.ordered(sql)
                return f"{ordered} {_SYMBOLS[operator]} {bound}"

    def _present(self, path: AttributePath, scope: _Scope) -> LiteralString:
        """Whether there is a value at the path, or in what stands there, that is not empty."""
        if path.leaf.type == "complex" and path.attribute.name not in ("members", "groups"):
            return self._assigned(path)
        place = scope(path)
        if isinstance(place, _Operand):
            return self._not_empty(place)
        if path.leaf.type == "complex":  # a membership always has an id
            return self._found(place, "TRUE")
        return self._found(place, self._not_empty(place.operand(path)))

    def _assigned(self, path: AttributePath) -> LiteralString:
        """Whether a complex attribute has anything in it."""
        if path.schema is None and path.attribute.name == "meta":
            return "TRUE"
        # Not in "search", where an element has a "primary" also if it was given none.
        rows = self._json.fields(
            self._document("body"),
            _keys(path),
            of_elements=path.attribute.multi_valued,
        )
        return f"EXISTS (SELECT 1 FROM {rows} WHERE {self._json.field} <> '')"

    def _not_empty(self, operand: _Operand) -> LiteralString:
        if operand.kind in ("key", "text"):
            return f"{operand.sql} <> ''"
        return f"{operand.sql} IS NOT NULL"

    def _document(self, column: LiteralString) -> LiteralString:
        self._documents.append(column)
        return self._json.shared(self._alias, column)

    # Parameters

    def _bind(self, value: Parameter) -> LiteralString:
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        # The one place where SQL is made of something else than literals: of a number of ours.
        return cast("LiteralString", f":{name}")

    def _bind_key(self, key: str) -> LiteralString:
        """As ``_bind``, one parameter for equal keys."""
        bound = self._keys.get(key)
        if bound is None:
            bound = self._keys[key] = self._bind(key)
        return bound


def _chain(filter: Filter, kind: type[And] | type[Or]) -> list[Filter]:
    """The operands of a chain of ``and`` or of ``or``, however it is nested, from left to right."""
    operands: list[Filter] = []
    waiting = [filter]
    while waiting:
        each = waiting.pop()
        if isinstance(each, And | Or) and isinstance(each, kind):
            waiting += (each.right, each.left)
        else:
            operands.append(each)
    return operands


def _equalities(condition: Filter) -> dict[str, Scalar]:
    """By name, what sub-attributes must at least be equal to for the condition to hold."""
    return {
        each.path.leaf.name: each.comparable
        for each in _chain(condition, And)
        if isinstance(each, Compare) and each.operator == "eq" and each.value is not None
    }


def _successor(prefix: str) -> str | None:
    """The first text after all that begin with ``prefix``, by code points; None if all later do."""
    for place in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[place])
        if code < 0x10FFFF:
            # Surrogates are no characters: no database takes them.
            return prefix[:place] + chr(0xE000 if code == 0xD7FF else code + 1)
    return None


def _keys(path: AttributePath) -> tuple[str, ...]:
    """Where the attribute, not its sub-attribute, stands in a resource."""
    return (path.attribute.name,) if path.schema is None else (path.schema, path.attribute.name)


def _unsearchable(path: AttributePath) -> InvalidFilter:
    return InvalidFilter(f"{path} cannot be searched by.")
