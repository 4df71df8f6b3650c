"""Rows as a database of some version has them, kept in samples/ for the tests of migrations.

    .venv/bin/python -m tests.storage.sampling

writes the samples of the newest version: run it when a migration has been written and before the
next one is. Those of older versions stay as they are: no program can make them any more.
"""

import asyncio
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from meibo.storage.database import Database, Statement
from meibo.storage.engine import open_database
from meibo.storage.migrate import Part, migrations
from tests.web.scim.service import (
    CUSTOM,
    ENTERPRISE,
    IdentityProvider,
    Service,
    add,
    remove,
    replace,
    serving,
)

FOLDER = Path(__file__).parent / "samples"
TABLES: dict[Part, tuple[str, ...]] = {
    # In the order in which rows can be written: what is referred to comes first.
    "directory": (
        *("tenants", "connections", "tokens", "attributes", "users", "user_emails", "groups"),
        *("memberships", "totals", "changes", "audit"),
    ),
    "log": ("requests", "refused_logins"),
}

Rows = dict[str, list[dict[str, Any]]]


def sample_file(part: Part, version: int) -> Path:
    return FOLDER / f"{part}-{version:04}.json"


def sample(part: Part, version: int) -> Rows:
    """The rows of a part's tables at a version."""
    return json.loads(sample_file(part, version).read_text())


async def load(database: Database, rows: Rows) -> None:
    """Puts a sample's rows in the place of whatever there is."""
    await database.write(lambda tx: tx.write(*_deletions(reversed(rows))))
    for table, each in rows.items():
        statements = [_insertion(table, row) for row in each]
        await database.write(lambda tx, statements=statements: tx.write(*statements))
    if database.dialect.engine == "postgresql" and "changes" in rows:
        sql = "SELECT setval('change_sequence', max(sequence)) FROM changes"
        await database.read(lambda tx: tx.one(sql))


async def dump(database: Database, part: Part) -> Rows:
    """The rows of a part's tables as they are now."""
    found: Rows = {}
    for table in TABLES[part]:
        names: Any = f"SELECT name FROM pragma_table_info('{table}')"
        columns = [row[0] for row in await database.read(lambda tx, sql=names: tx.all(sql))]
        every: Any = f"SELECT {', '.join(columns)} FROM {table}"
        rows = await database.read(lambda tx, sql=every: tx.all(sql))
        found[table] = [dict(zip(columns, row, strict=True)) for row in rows]
    return found


def _deletions(tables: Iterable[str]) -> list[Statement]:
    sql: list[Any] = [f"DELETE FROM {table}" for table in tables]
    return [Statement(each, {}) for each in sql]


def _insertion(table: str, row: dict[str, Any]) -> Statement:
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    sql: Any = f"INSERT INTO {table} ({names}) VALUES ({values})"
    return Statement(sql, row)


async def live_through(service: Service) -> None:
    """A little of everything that can happen in a tenant."""
    await service.add_attribute("badge")
    await service.add_attribute("level", "number")
    entra = await service.connect("entra", vendor="entra")
    okta = await service.connect("okta", vendor="okta", user_name_changes="refuse")
    for idp in (entra, okta):
        await _push(idp)
    await entra.get("/Users", Authorization="Bearer meibo_scim_nothing")


async def _push(idp: IdentityProvider) -> None:
    boss = await idp.create_user(
        f"Böss@{idp.name}.example", displayName="山田 太郎", externalId="1"
    )
    people = [
        await idp.create_user(
            f"user-{number}@{idp.name}.example",
            externalId=f"e{number}",
            name={"givenName": "Ünal", "familyName": "O'Neil"},
            emails=[{"value": f"user-{number}@{idp.name}.example", "primary": True}],
            **{
                ENTERPRISE: {"department": "R&D", "manager": {"value": boss["id"]}},
                CUSTOM: {"badge": f"{number}", "level": number + 0.5},
            },
        )
        for number in range(4)
    ]
    inner = await idp.create_group("Inner", people[:2], externalId="g1")
    outer = await idp.create_group("Outer", [*people, inner])
    gone = await idp.create_group("Gone", people)
    await idp.patch(f"/Users/{people[0]['id']}", replace("active", "False"), add("title", "x"))
    await idp.delete(f"/Users/{people[1]['id']}")
    await idp.delete(f"/Groups/{gone['id']}")
    await idp.patch(f"/Groups/{outer['id']}", remove(f'members[value eq "{people[2]["id"]}"]'))
    await idp.post("/Users", {"userName": f"USER-2@{idp.name}.example", "shoeSize": 43})


def _as_text(rows: Rows) -> str:
    """JSON with one row a line."""
    tables = [
        f'"{table}": [\n' + ",\n".join(json.dumps(row, ensure_ascii=False) for row in each) + "\n]"
        for table, each in rows.items()
    ]
    return "{\n" + ",\n".join(tables) + "\n}\n"


async def _write_samples() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = await open_database(f"sqlite:///{folder}/meibo.sqlite3")
        for slug in ("default", None):
            async with serving(database, slug) as service:
                await live_through(service)
        parts: dict[Part, Database] = {"directory": database, "log": database.log}
        for part, each in parts.items():
            version = migrations(part, "sqlite")[-1].version
            sample_file(part, version).write_text(_as_text(await dump(each, part)))
        await database.close()


if __name__ == "__main__":
    asyncio.run(_write_samples())
