"""Bring a database to this program's schema, or say why not.

A part (``directory``, ``log``) is a folder of numbered files: ``0002_search.sql`` for both engines,
``0002_search.sqlite.sql`` and ``0002_search.postgresql.sql`` for what only one needs, run first.
All that are missing are one transaction that also records their numbers, so what was cut short is
run again as if it had never begun.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

Part = Literal["directory", "log"]
Engine = Literal["sqlite", "postgresql"]

_VERSIONS_TABLE = """\
CREATE TABLE IF NOT EXISTS schema_versions (
    part     TEXT    NOT NULL PRIMARY KEY,
    version  BIGINT  NOT NULL
);
"""

_NAME = re.compile(r"([0-9]{4})_[a-z_]+(?:\.(sqlite|postgresql))?\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: everything in ``sql`` and the new version number, in one transaction."""

    part: Part
    version: int
    sql: str


@cache
def migrations(part: Part, engine: Engine) -> tuple[Migration, ...]:
    """The steps of a part for an engine, in order."""
    texts: dict[int, list[str]] = {}
    folder = resources.files("meibo.storage") / "migrations" / part
    # The engine's own file before the shared one: "0001_x.postgresql.sql" < "0001_x.sql".
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        match = _NAME.fullmatch(file.name)
        if match is None or match[2] not in (None, engine):
            continue
        texts.setdefault(int(match[1]), []).append(file.read_text(encoding="utf-8"))
    return tuple(
        Migration(part, version, "".join((_VERSIONS_TABLE, *sql, _recorded(part, version))))
        for version, sql in sorted(texts.items())
    )


def _recorded(part: Part, version: int) -> str:
    return (
        f"\nINSERT INTO schema_versions (part, version) VALUES ('{part}', {version})"
        f"\nON CONFLICT (part) DO UPDATE SET version = excluded.version;\n"
    )
