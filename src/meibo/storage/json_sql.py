"""How SQLite and PostgreSQL look into a column of JSON text, side by side.

They disagree about paths, about booleans and numbers out of ``->>``, and about text functions. What
is not in a document is NULL on both, and nothing in a document raises an error. The columns stay
text: PostgreSQL casts them to jsonb, whose values are found fastest, while a statement runs.
"""

from collections.abc import Callable, Sequence
from typing import LiteralString

from meibo.storage.database import Parameter
from meibo.storage.dialect import Dialect


class JsonSql:
    """Pieces of SQL for one statement.

    A document is what ``document``, ``shared`` or ``element`` names, ``keys`` lead to a place in
    it. Keys and paths are bound, since a URN in a literal would be taken for a parameter; attribute
    names and URNs have no quotes in them, so that nothing is to be escaped.

    Args:
        bind: binds a value, and returns its parameter as ``:name``.
        bind_key: the same; equal keys may share a parameter.
    """

    element: LiteralString = "e.value"
    """The document of a row of ``elements``."""
    scalar: LiteralString = "e.value"
    """The text of a row of ``scalars``."""
    field: LiteralString = "f.value"
    """The value of a row of ``fields``."""

    def __init__(
        self,
        dialect: Dialect,
        bind: Callable[[Parameter], LiteralString],
        bind_key: Callable[[str], LiteralString],
    ) -> None:
        self._sqlite = dialect.engine == "sqlite"
        self._bind = bind
        self._bind_key = bind_key

    def document(self, column: LiteralString) -> LiteralString:
        """The document in a column."""
        return column if self._sqlite else f"CAST({column} AS jsonb)"

    def shared(self, alias: LiteralString, column: LiteralString) -> LiteralString:
        """The same document, in a condition that stands inside ``sharing``."""
        return f"{alias}.{column}" if self._sqlite else f"j.{column}"

    def sharing(
        self, alias: LiteralString, columns: Sequence[LiteralString], condition: LiteralString
    ) -> LiteralString:
        """A condition whose documents are read once for a row, however often they are looked into.

        SQLite sees to that itself. PostgreSQL would parse the text each time, 4 µs for a person.
        OFFSET 0 keeps it from putting the cast back where the columns are used.
        """
        if self._sqlite:
            return condition
        casts: list[LiteralString] = [
            f"CAST({alias}.{column} AS jsonb) AS {column}" for column in columns
        ]
        read: LiteralString = ", ".join(casts)
        return f"EXISTS (SELECT 1 FROM (SELECT {read} OFFSET 0) AS j WHERE {condition})"

    def json(self, document: LiteralString, keys: Sequence[str]) -> LiteralString:
        """The JSON text of what is there: ``true``, ``"x"``, ``{...}``."""
        if self._sqlite:
            return f"({document} -> {self._path(keys)})"
        return f"CAST({self._at(document, keys)} AS text)"

    def text(
        self, document: LiteralString, keys: Sequence[str], *, checked: bool = False
    ) -> LiteralString:
        """A string; ``checked`` where something else may be there, which is NULL then."""
        if self._sqlite:
            place: LiteralString = f"{document}, {self._path(keys)}"
            text: LiteralString = f"json_extract({place})"
            return f"CASE json_type({place}) WHEN 'text' THEN {text} END" if checked else text
        *outer, last = keys
        text = f"({self._at(document, outer)} ->> {self._key(last)})"
        if not checked:
            return text
        return f"(CASE jsonb_typeof({self._at(document, keys)}) WHEN 'string' THEN {text} END)"

    def number(self, document: LiteralString, keys: Sequence[str]) -> LiteralString:
        """A number, to be compared with a ``bound_number``; NULL where something else is there."""
        if self._sqlite:
            place: LiteralString = f"{document}, {self._path(keys)}"
            real = "'integer', 'real'"
            return f"CASE WHEN json_type({place}) IN ({real}) THEN json_extract({place}) END"
        # numeric takes whatever is a number in JSON; double precision would raise on 1e400.
        found = self._at(document, keys)
        number: LiteralString = f"CAST({self.text(document, keys)} AS numeric)"
        return f"(CASE jsonb_typeof({found}) WHEN 'number' THEN {number} END)"

    def bound_number(self, value: float) -> LiteralString:
        """A parameter that is a number."""
        if self._sqlite:
            return self._bind(value)
        # As text, the shortest that is this number: what the document holds was written so too.
        return f"CAST(CAST({self._bind(repr(value))} AS text) AS numeric)"

    # Rows, to stand in FROM

    def elements(self, document: LiteralString, keys: Sequence[str]) -> LiteralString:
        """A row for each object in an array; none if there is no array."""
        if self._sqlite:
            return f"json_each({document}, {self._path(keys)}) AS e"
        return f"jsonb_array_elements({self._at(document, keys)}) AS e(value)"

    def scalars(self, document: LiteralString, keys: Sequence[str]) -> LiteralString:
        """A row for each string in an array."""
        if self._sqlite:
            return self.elements(document, keys)
        return f"jsonb_array_elements_text({self._at(document, keys)}) AS e(value)"

    def fields(
        self, document: LiteralString, keys: Sequence[str], *, of_elements: bool
    ) -> LiteralString:
        """A row for each field of an object, or of all objects in an array."""
        if self._sqlite:
            if of_elements:
                return f"{self.elements(document, keys)}, json_each(e.value) AS f"
            return f"json_each({document}, {self._path(keys)}) AS f"
        if of_elements:
            return f"{self.elements(document, keys)}, jsonb_each_text(e.value) AS f(key, value)"
        return f"jsonb_each_text({self._at(document, keys)}) AS f(key, value)"

    # Text, character by character: LIKE would take % and _ in a literal for wildcards

    def ordered(self, text: LiteralString) -> LiteralString:
        """Text that < and > are to compare by code points."""
        return text if self._sqlite else f'{text} COLLATE "C"'

    def contains(self, text: LiteralString, part: LiteralString) -> LiteralString:
        return f"instr({text}, {part}) > 0" if self._sqlite else f"strpos({text}, {part}) > 0"

    def starts_with(self, text: LiteralString, part: LiteralString) -> LiteralString:
        if self._sqlite:
            return f"substr({text}, 1, length({part})) = {part}"
        return f"starts_with({text}, {part})"

    def ends_with(self, text: LiteralString, part: LiteralString) -> LiteralString:
        """``part`` must not be empty."""
        if self._sqlite:
            return f"substr({text}, -length({part})) = {part}"
        return f"right({text}, char_length({part})) = {part}"

    # SQLite takes a path, PostgreSQL key by key

    def _path(self, keys: Sequence[str]) -> LiteralString:
        return self._bind_key("$" + "".join(f'."{key}"' for key in keys))

    def _at(self, document: LiteralString, keys: Sequence[str]) -> LiteralString:
        for key in keys:
            document = f"{document} -> {self._key(key)}"
        return document

    def _key(self, key: str) -> LiteralString:
        return f"CAST({self._bind_key(key)} AS text)"
