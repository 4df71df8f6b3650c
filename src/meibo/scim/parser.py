"""Text to filters and attribute paths, within limits (RFC 7644 §3.4.2.2, §3.5.2, §3.10).

Three things differ from the RFC's grammar: ``not`` may stand with or without a space before its
parenthesis (erratum 7319), a value path holds no other value path (errata 4690, 7322), and a value
path may go on as ``emails[type eq "work"].value eq "x"``, which Entra ID sends and which means the
same as ``emails[type eq "work" and value eq "x"]``.

Names, operators and keywords are recognised in any letter case. A syntax error anywhere in the text
is told before an attribute that does not exist. Every step consumes input and nesting is counted
before it is entered, so hostile text costs time in proportion to its length.
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable
from typing import NoReturn, TypeAlias, get_args

from meibo.scim.comparison import Scalar
from meibo.scim.errors import InvalidFilter, InvalidPath, ScimError
from meibo.scim.filter import And, Compare, Filter, Not, Operator, Or, Present, ValuePath
from meibo.scim.path import NAMES, AttributePath, PatchPath, resolve
from meibo.scim.schema import Attribute, ResourceType, Schema, Type
from meibo.scim.templates import Templates, filter_template, path_template, split

MAX_FILTER_LENGTH = 8_192
MAX_PATH_LENGTH = 1_024
MAX_DEPTH = 32
MAX_COMPARISONS = 100
MAX_DIGITS = 19

# Finds what a name or URN stands for, as `meibo.scim.path.resolve` does.
Resolve: TypeAlias = Callable[[str, ResourceType], AttributePath | Schema | None]

_filters: Templates[Filter] = Templates()
_paths: Templates[PatchPath | Schema] = Templates()


class UnknownPath(InvalidPath):
    """The path is well-formed, but names an attribute that the resource type does not have."""


def parse_filter(
    text: str,
    resource_type: ResourceType,
    *,
    bare_words: bool = False,
    departures: set[Type] | None = None,
    resolve: Resolve = resolve,
    max_length: int = MAX_FILTER_LENGTH,
) -> Filter:
    """The filter that ``text`` spells.

    With ``bare_words`` the literals need not be JSON: a word where text is compared is that text
    (``userName eq bob``), true and false may be quoted or in capitals, numbers may be quoted. The
    types for which that was made use of are put into ``departures``. ``resolve`` may know more
    names than the resource type has. ``max_length`` is in characters.

    Raises:
        InvalidFilter: the text is malformed or over a limit, names an attribute that does not exist
            or is never returned, or compares it in a way that does not suit its type.
    """
    if len(text) > max_length:
        raise InvalidFilter(f"The filter is longer than {max_length:,} characters.")
    shape, literals = split(text)
    if shape is not None:
        known = _filters.make(resource_type, shape, literals)
        if known is not None:
            return known
    parser = _Parser(text, resource_type, InvalidFilter, resolve, bare_words=bare_words)
    filter = parser.whole_filter()
    if departures is not None:
        departures |= parser.departures
    if shape is not None and not parser.departures and not parser.respelt:
        _filters.keep(resource_type, shape, filter_template(filter))
    return filter


def parse_patch_path(
    text: str, resource_type: ResourceType, *, bare_words: bool = False
) -> PatchPath | Schema:
    """The target of a PATCH operation; the bare URN of an extension is the whole of it, a Schema.

    ``bare_words`` is for the literals of a condition, as in ``parse_filter``.

    Raises:
        UnknownPath: the text is well-formed, but there is no such attribute.
        InvalidPath: the text is malformed or over a limit, or its condition compares an attribute
            in a way that does not suit its type. (An UnknownPath is also one of these.)
    """
    if len(text) > MAX_PATH_LENGTH:
        raise InvalidPath(f"The path is longer than {MAX_PATH_LENGTH:,} characters.")
    shape, literals = split(text)
    if shape is not None:
        known = _paths.make(resource_type, shape, literals)
        if known is not None:
            return known
    parser = _Parser(text, resource_type, InvalidPath, resolve, bare_words=bare_words)
    path = parser.whole_patch_path()
    if shape is not None and not parser.departures:
        _paths.keep(resource_type, shape, path_template(path))
    return path


def parse_attribute_path(text: str, resource_type: ResourceType) -> AttributePath | Schema | None:
    """The attribute that an entry of ``attributes``, ``excludedAttributes`` or ``sortBy`` names.

    The bare URN of an extension or of the core schema gives that Schema; what is malformed or
    unknown gives None.
    """
    if len(text) > MAX_PATH_LENGTH:
        return None
    try:
        return resolve(text, resource_type)
    except ValueError:
        return None


def shown(text: str) -> str:
    """Input as an error may quote it: about 60 characters, with those that do not print escaped."""
    cut = text[:61]
    if not cut.isprintable():
        cut = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in cut)
    return f'"{cut}"' if len(cut) <= 60 else f'"{cut[:59]}…"'


# Spaces, then a JSON string (its body and closing quote), a word or a bracket. The quantifiers are
# possessive: nothing is read twice, and a string that is not closed runs to the end of the text.
_TOKEN = re.compile(
    r"""([ ]*+) (?: " ((?: [^"\\]++ | \\. )*+) ("?) | ([^ ()\[\]"]++) | ([()\[\]]) )?""",
    re.VERBOSE | re.DOTALL,
)
# No control characters anywhere (JSON wants them escaped, the grammar has none), no half
# characters. NUL and halves are refused as escapes too: neither database can hold them.
_NOT_TEXT = re.compile("[\x00-\x1f\ud800-\udfff]")
_NOT_A_VALUE = re.compile("[\x00\ud800-\udfff]")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# What people write for a quotation mark and Unicode does not class as one: straight, accents,
# primes, full-width.
_QUOTES = frozenset("'`\u00b4\u2032\u2033\u2034\u2035\u2036\u2037\uff02\uff07")
_OPERATORS: dict[str, Operator] = {operator: operator for operator in get_args(Operator)}

_EQUALITY = frozenset[Operator]({"eq", "ne"})
_ORDER = frozenset[Operator]({"gt", "ge", "lt", "le"})
_PARTS = frozenset[Operator]({"co", "sw", "ew"})
_SUITS: dict[Type, frozenset[Operator]] = {
    "string": _EQUALITY | _ORDER | _PARTS,
    "reference": _EQUALITY | _ORDER | _PARTS,
    "dateTime": _EQUALITY | _ORDER,
    "decimal": _EQUALITY | _ORDER,
    "integer": _EQUALITY | _ORDER,
    "boolean": _EQUALITY,
    "binary": _EQUALITY,
    "complex": frozenset(),
}
_TEXT = "a string in double quotes"
_LITERALS: dict[Type, str] = {
    "string": _TEXT,
    "reference": _TEXT,
    "binary": _TEXT,
    "dateTime": 'a date and time in double quotes, such as "2026-11-22T10:00:00Z"',
    "decimal": "a number",
    "integer": "a number",
    "boolean": "true or false",
}

# Stands for an attribute that does not exist, until the rest of the syntax has been read.
_UNKNOWN = Attribute("unknown", "complex")
_NOWHERE = AttributePath(None, _UNKNOWN)


class _Parser:
    """Recursive descent over one text.

    ``departures`` are the types of which a literal was not JSON; ``respelt`` tells whether
    ``resolve`` has found what the resource type itself has not.
    """

    def __init__(
        self,
        text: str,
        resource_type: ResourceType,
        refusal: type[InvalidFilter] | type[InvalidPath],
        find: Resolve,
        *,
        bare_words: bool,
    ) -> None:
        self.departures: set[Type] = set()
        self.respelt = find is not resolve
        self._text = text
        self._find = find
        self._resource_type = resource_type
        self._refusal = refusal
        self._bare_words = bare_words
        self._comparisons = 0
        self._unknown: ScimError | None = None
        # The current token: what it is, its text (a string's body), where it lies, what is before.
        self._kind = "end"  # or "word", "string", "(", ")", "[", "]"
        self._word = ""
        self._start = self._end = 0
        self._spaced = True
        bad = _NOT_TEXT.search(text)
        if bad is not None:
            self._refuse(bad.start(), f"{shown(bad[0])} is not allowed")
        self._next()

    def whole_filter(self) -> Filter:
        if self._at("end"):
            raise InvalidFilter('The filter is empty; expected one such as userName eq "x".')
        filter = self._or(0, None)
        if not self._at("end"):
            self._expected('"and", "or" or the end')
        if self._unknown is not None:
            raise self._unknown
        return filter

    def whole_patch_path(self) -> PatchPath | Schema:
        if not self._text or self._text != self._text.strip(" "):
            raise InvalidPath("The path is empty or has spaces around it.")
        if not self._at("word"):
            self._expected("an attribute")
        path, condition = self._named(None), None
        self._next()
        if isinstance(path, Schema):
            if path is self._resource_type.schema:
                self._refuse(0, "this is the core schema: name an attribute, or send no path")
            self._expect_end()
            return path
        if self._at("[") and not self._spaced:
            if path.sub is not None or (path is not _NOWHERE and not path.attribute.multi_valued):
                self._refuse(self._start, f"{path} is not multi-valued, so no filter can follow it")
            condition = self._condition(path, 0)
            if self._continues():
                path = self._continued(path)
        self._expect_end()
        if self._unknown is not None:
            raise self._unknown
        return PatchPath(path, condition)

    # FILTER = attrExp / logExp / valuePath / *1"not" "(" FILTER ")", "and" before "or".
    # ``scope`` is the attribute in whose brackets we are.

    def _or(self, depth: int, scope: Attribute | None) -> Filter:
        left = self._and(depth, scope)
        while self._keyword("or"):
            left = Or(left, self._and(depth, scope))
        return left

    def _and(self, depth: int, scope: Attribute | None) -> Filter:
        left = self._term(depth, scope)
        while self._keyword("and"):
            left = And(left, self._term(depth, scope))
        return left

    def _term(self, depth: int, scope: Attribute | None) -> Filter:
        if self._at("("):
            return self._group(depth, scope)
        if not self._at("word"):
            self._expected('an attribute, "not" or "("')
        if self._keyword("not"):
            if not self._at("("):
                self._expected('"(" after "not"')
            return Not(self._group(depth, scope))
        start, path = self._start, self._path(scope)
        self._next()
        if self._at("[") and not self._spaced:
            if scope is not None:
                self._refuse(self._start, "a value path cannot stand inside another")
            return self._value_path(path, depth)
        return self._comparison(path, start)

    def _group(self, depth: int, scope: Attribute | None) -> Filter:
        self._enter(depth)
        inner = self._or(depth + 1, scope)
        if not self._at(")"):
            self._expected('"and", "or" or ")"')
        self._next()
        return inner

    # valuePath = attrPath "[" valFilter "]"

    def _value_path(self, path: AttributePath, depth: int) -> Filter:
        condition = self._condition(path, depth)
        if self._continues():
            start, inner = self._start, self._continued(path)
            relative = inner if inner.sub is None else AttributePath(None, inner.sub)
            self._searchable(relative, start)
            condition = And(condition, self._comparison(relative, start))
        return ValuePath(path, condition)

    def _condition(self, path: AttributePath, depth: int) -> Filter:
        if path.leaf.type != "complex":
            self._refuse(self._start, f"{path} has no sub-attributes, so no filter can follow it")
        self._enter(depth)
        condition = self._or(depth + 1, path.attribute)
        if not self._at("]"):
            self._expected('"and", "or" or "]"')
        self._next()
        return condition

    def _continues(self) -> bool:
        return self._at("word") and self._word.startswith(".") and not self._spaced

    def _continued(self, path: AttributePath) -> AttributePath:
        """The path to the sub-attribute that follows the brackets, as in ``].value``."""
        self._start += 1
        self._word = self._word[1:]
        found = self._named(path.attribute)
        self._next()
        if isinstance(found, Schema) or found is _NOWHERE:
            return _NOWHERE
        return AttributePath(path.schema, path.attribute, found.attribute)

    # attrExp = (attrPath SP "pr") / (attrPath SP compareOp SP compValue)

    def _comparison(self, path: AttributePath, start: int) -> Filter:
        name = self._word.lower() if self._at("word") else ""
        operator = _OPERATORS.get(name)
        if operator is None and name != "pr":
            self._expected("an operator (eq, ne, co, sw, ew, gt, ge, lt, le or pr)")
        self._comparisons += 1
        if self._comparisons > MAX_COMPARISONS:
            self._refuse(self._start, f"there are more than {MAX_COMPARISONS} comparisons")
        operator_start = self._start
        self._next()
        if operator is None:
            return Present(path)
        compared = path
        if path.sub is None and path.attribute.type == "complex":
            # ``emails co "x"`` means the value of each (RFC 7644 §3.4.2.2, figure 2).
            value = path.attribute.sub_attribute("value")
            if value is not None:
                compared = AttributePath(path.schema, path.attribute, value)
        literal_start = self._start
        literal = self._literal(compared.leaf)
        self._next()
        if path is _NOWHERE:
            return Present(path)
        if literal is None:
            if operator not in _EQUALITY:
                self._refuse(operator_start, f'null goes with "eq" and "ne", not "{operator}"')
            return Compare(path, operator, None)
        kind = compared.leaf.type
        if kind == "complex":
            self._refuse(start, f"{path} cannot be compared, only its sub-attributes can")
        if operator not in _SUITS[kind]:
            self._refuse(operator_start, f'"{operator}" cannot be used on {compared}: it is {kind}')
        try:
            return Compare(compared, operator, literal)
        except ValueError:
            self._refuse(literal_start, f"{compared} is compared with {_LITERALS[kind]}")

    def _literal(self, attribute: Attribute) -> Scalar:
        if self._at("string"):
            text = self._string()
            return self._quoted(text, attribute) if self._bare_words else text
        word = self._word
        if not self._at("word"):
            self._expected("a value")
        match word:
            case "null":
                return None
            case _ if self._bare_words and attribute.type not in ("decimal", "integer"):
                return self._bare(word, attribute)
            case "true":
                return True
            case "false":
                return False
            case _:
                return self._number(word)

    def _string(self) -> str:
        if "\\" not in self._word:
            return self._word
        try:
            text = json.loads(f'"{self._word}"')
        except ValueError:
            self._refuse(self._start, "the string holds an escape that JSON does not have")
        if not isinstance(text, str) or _NOT_A_VALUE.search(text):
            self._refuse(self._start, "the string holds NUL or half a surrogate pair")
        return text

    def _quoted(self, text: str, attribute: Attribute) -> Scalar:
        """What a string stands for where a boolean or a number is compared."""
        match attribute.type:
            case "boolean":
                self.departures.add("boolean")
                return {"true": True, "false": False}.get(text.lower(), text)
            case "decimal" | "integer" if _NUMBER.fullmatch(text) is not None:
                self.departures.add(attribute.type)
                return self._number(text)
            case _:
                return text

    def _bare(self, word: str, attribute: Attribute) -> str | bool:
        if _is_quoted(word):
            self._expected(_TEXT)
        lower = word.lower()
        if lower in ("and", "or", "not"):
            self._expected("a value")
        if attribute.type != "boolean" or word not in ("true", "false"):
            self.departures.add(attribute.type)
        if attribute.type == "boolean" or attribute is _UNKNOWN:
            return {"true": True, "false": False}.get(lower, word)
        return word

    def _number(self, word: str) -> int | float:
        form = _NUMBER.fullmatch(word)
        if form is None:
            self._expected("a value: a string in double quotes, a number, true, false or null")
        mantissa = word if form[2] is None else word[: form.start(2)]
        if sum(map(str.isdigit, mantissa)) > MAX_DIGITS:
            self._refuse(self._start, f"the number has more than {MAX_DIGITS} digits")
        number = float(word) if form[1] or form[2] else int(word)
        # Databases hold whole numbers of 64 bits.
        if not math.isfinite(number) or (isinstance(number, int) and abs(number) >= 2**63):
            self._refuse(self._start, "the number is too large")
        return number

    # attrPath = [URI ":"] ATTRNAME *1subAttr

    def _path(self, scope: Attribute | None) -> AttributePath:
        path = self._named(scope)
        if isinstance(path, Schema):
            self._refuse(self._start, f"{shown(self._word)} is a schema, not an attribute")
        self._searchable(path, self._start)
        return path

    def _searchable(self, path: AttributePath, start: int) -> None:
        """Refuses secrets: a filter would tell them letter by letter."""
        if "never" in (path.attribute.returned, path.leaf.returned):
            self._refuse(start, f"{path} cannot be filtered by")

    def _named(self, scope: Attribute | None) -> AttributePath | Schema:
        """What the word names; ``_NOWHERE``, and noted, if there is no such attribute."""
        word = self._word
        if scope is None:
            try:
                found = self._find(word, self._resource_type)
            except ValueError:
                self._refuse(self._start, f"{shown(word)} is not an attribute path")
        else:
            names = NAMES.fullmatch(word)
            if names is None or names[2] is not None:
                self._refuse(self._start, f"{shown(word)} is not a sub-attribute's name")
            if scope is _UNKNOWN:
                return _NOWHERE
            sub = scope.sub_attribute(word)
            found = None if sub is None else AttributePath(None, sub)
        if found is not None:
            return found
        if self._unknown is None:
            what = (
                f"an attribute of {self._resource_type.name}"
                if scope is None
                else f"a sub-attribute of {scope.name}"
            )
            refusal = UnknownPath if self._refusal is InvalidPath else InvalidFilter
            self._unknown = refusal(self._detail(self._start, f"{shown(word)} is not {what}"))
        return _NOWHERE

    # Tokens

    def _next(self) -> None:
        before, word_before = self._kind, self._word
        token = _TOKEN.match(self._text, self._end)
        if token is None:  # it matches anything, if only nothing
            self._refuse(self._end, "this cannot be read")
        spaces, string, closing, word, bracket = token.groups()
        self._start, self._end = token.end(1), token.end()
        self._spaced = spaces != ""
        if word is not None:
            self._kind, self._word = "word", word
        elif string is not None:
            self._kind, self._word = "string", string
            if not closing:
                self._refuse(self._start, "the string is not closed")
        elif bracket is not None:
            self._kind = self._word = bracket
        else:
            self._kind, self._word = "end", ""
        # Words and strings want spaces between them, as the grammar has it; "not(" does without.
        if (
            not self._spaced
            and before in ("word", "string", ")", "]")
            and self._kind in ("word", "string", "(")
            and not (before == "]" and self._word.startswith("."))
            and not (self._at("(") and word_before.lower() == "not")
        ):
            self._expected("a space")

    def _at(self, kind: str) -> bool:
        return self._kind == kind

    def _keyword(self, word: str) -> bool:
        """Whether the current token is that word; if so, it is passed."""
        if self._at("word") and self._word.lower() == word:
            self._next()
            return True
        return False

    def _enter(self, depth: int) -> None:
        """Passes an opening bracket, unless that is one too many inside each other."""
        if depth >= MAX_DEPTH:
            self._refuse(self._start, f"brackets are nested more than {MAX_DEPTH} deep")
        self._next()

    def _expect_end(self) -> None:
        if not self._at("end"):
            self._expected("the end")

    def _expected(self, what: str) -> NoReturn:
        found = "the end" if self._at("end") else shown(self._word)
        self._refuse(self._start, f"expected {what}, found {found}")

    def _refuse(self, position: int, why: str) -> NoReturn:
        """Raises the refusal, from None: its cause says no more than it does."""
        raise self._refusal(self._detail(position, why)) from None

    def _detail(self, position: int, why: str) -> str:
        subject = "Filter" if self._refusal is InvalidFilter else "Path"
        return f"{subject}, character {position + 1}: {why}."


def _is_quoted(word: str) -> bool:
    """Whether a word stands in quotation marks of another kind, or in one of a pair.

    Brackets are that where they enclose the word, as Japanese corner brackets do; as part of a
    name, such as a company's with its form in parentheses, they are balanced.
    """
    ends = (word[0], word[-1])
    if not _QUOTES.isdisjoint(ends):
        return True
    first, last = map(unicodedata.category, ends)
    if first in ("Pi", "Pf", "Pe") or last in ("Pi", "Pf", "Ps"):
        return True
    if first != "Ps" and last != "Pe":
        return False
    if first == "Ps" and last == "Pe":
        return True
    categories = list(map(unicodedata.category, word))
    return categories.count("Ps") != categories.count("Pe")
