"""The few places where SQLite and PostgreSQL want different text.

Statements are written once, with ``:name`` parameters. What cannot be the same is a named piece of
SQL here; a statement is never rewritten.
"""

from dataclasses import dataclass
from typing import Literal, LiteralString


@dataclass(frozen=True, slots=True)
class Dialect:
    """Pieces of SQL that stand in statements as ``{tx.dialect.name}``."""

    engine: Literal["sqlite", "postgresql"]
    next_change: LiteralString
    """The next number of ``changes``."""
    next_audit: LiteralString
    """The next number of ``audit``."""
    now: LiteralString
    """The clock of the database, in microseconds since 1970."""
    has_versions: LiteralString
    """Whether there is a table schema_versions."""
    for_share: LiteralString
    """Ends a SELECT of rows that must stay as they are until the write is done."""
    among_ids: LiteralString
    """Follows a column: whether it is one of the strings of the JSON array ``:ids``."""
    custom_value: LiteralString
    """The value of the custom attribute ``:name`` of user ``u``, NULL when there is none.

    ``:schema`` is the custom extension's URN.
    """
    groups_of_user: LiteralString
    """JSON text: ``[{"value": id, "display": name}, ...]`` of the groups of user ``u``, or NULL."""


SQLITE = Dialect(
    engine="sqlite",
    next_change="(SELECT coalesce(max(sequence), 0) + 1 FROM changes WHERE tenant = :tenant)",
    next_audit="(SELECT coalesce(max(sequence), 0) + 1 FROM audit WHERE tenant = :tenant)",
    for_share="",  # there is one writer
    now="CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    has_versions="EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'schema_versions')",
    among_ids="IN (SELECT value FROM json_each(:ids))",
    custom_value="(u.search -> CAST(:schema AS TEXT) -> CAST(:name AS TEXT))",
    groups_of_user="""(
        SELECT json_group_array(
                   json_object('value', g.id, 'display', g.display_name) ORDER BY g.id)
          FROM memberships m
          JOIN groups g ON g.tenant = m.tenant AND g.id = m.group_id AND g.removed IS NULL
         WHERE m.tenant = u.tenant AND m.member_id = u.id
        HAVING count(*) > 0)""",
)

POSTGRESQL = Dialect(
    engine="postgresql",
    next_change="nextval('change_sequence')",
    next_audit="nextval('change_sequence')",
    for_share="FOR SHARE",
    now="CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)",
    # A read of the table, which is as new as the statement; to_regclass may remember what another
    # process has changed since.
    has_versions="""EXISTS (
        SELECT 1 FROM pg_tables
         WHERE schemaname = current_schema() AND tablename = 'schema_versions')""",
    # An array, since of a relation the planner expects a hundred rows and then prefers to read the
    # whole table.
    among_ids="= ANY (ARRAY(SELECT json_array_elements_text(CAST(:ids AS json))))",
    # SQLite has no JSON type to cast to, and this arrow wants one.
    custom_value="(CAST(u.search AS json) -> CAST(:schema AS text) -> CAST(:name AS text))",
    groups_of_user="""(
        SELECT CAST(
                   json_agg(json_build_object('value', g.id, 'display', g.display_name)
                            ORDER BY g.id) AS text)
          FROM memberships m
          JOIN groups g ON g.tenant = m.tenant AND g.id = m.group_id AND g.removed IS NULL
         WHERE m.tenant = u.tenant AND m.member_id = u.id)""",
)
