"""No change without its record: where that cannot be written, nothing is changed (R14)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import LiteralString

import pytest

from meibo.access import tenants, tokens
from meibo.directory import attributes
from meibo.scim.schema import Json, JsonObject
from meibo.storage import audit
from meibo.storage.database import Database, Operation, Transaction
from meibo.storage.errors import DatabaseUnavailable
from tests.reliability.clients import GROUP, adding, marking, patch_op, person
from tests.reliability.door import Door, open_door
from tests.reliability.inspection import TENANT, damage, prepare, read_state

NOW = 1_800_000_000_000_000


@asynccontextmanager
async def unwritable(database: Database, table: LiteralString) -> AsyncIterator[None]:
    """Every row that is to be added to the table is refused meanwhile."""
    if database.dialect.engine == "sqlite":
        await execute(
            database,
            f"""
            CREATE TRIGGER refusal BEFORE INSERT ON {table}
            BEGIN
                SELECT raise(ABORT, 'it cannot be written to');
            END""",
        )
    else:
        await execute(
            database,
            """
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'it cannot be written to'; END $$""",
        )
        await execute(
            database,
            f"""
            CREATE TRIGGER refusal BEFORE INSERT ON {table}
            FOR EACH ROW EXECUTE FUNCTION refuse()""",
        )
    yield
    if database.dialect.engine == "sqlite":
        await execute(database, "DROP TRIGGER refusal")
    else:
        await execute(database, "DROP FUNCTION refuse CASCADE")


async def execute(database: Database, sql: LiteralString) -> None:
    """Runs a statement that is none of the service's."""

    async def run(tx: Transaction) -> None:
        await tx.all(sql)

    await database.write(run)


async def contents(database: Database, *names: LiteralString) -> list[object]:
    """Every row of the tables."""

    async def read(tx: Transaction) -> list[object]:
        return [
            sorted(map(tuple, await tx.all(f"SELECT * FROM {name}")), key=repr) for name in names
        ]

    return await database.read(read)


@pytest.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    token = await prepare(database_url)
    async with open_door(database_url, token) as door:
        yield door


async def test_while_the_history_cannot_be_written_every_change_is_refused(door: Door) -> None:
    database = door.database
    people = [(await door.ask("POST", "/Users", person(name, "-"))).json["id"] for name in "abc"]
    group: JsonObject = {"schemas": [GROUP], "displayName": "g", "members": [{"value": people[0]}]}
    group_id = (await door.ask("POST", "/Groups", group)).json["id"]
    user_path, group_path = f"/Users/{people[0]}", f"/Groups/{group_id}"
    attempts: list[tuple[str, str, Json]] = [
        ("POST", "/Users", person("d", "-")),
        ("PUT", user_path, person("a", "new")),
        ("PATCH", user_path, patch_op(*marking("new"))),
        ("PATCH", user_path, patch_op({"op": "replace", "path": "active", "value": False})),
        ("POST", "/Groups", group),
        ("PUT", group_path, {**group, "displayName": "new"}),
        ("PATCH", group_path, adding(str(people[1]))),
        ("DELETE", user_path, None),
        ("DELETE", group_path, None),
    ]
    tables: tuple[LiteralString, ...] = ("users", "user_emails", "groups", "memberships", "totals")
    before = await read_state(door.ask, database), await contents(database, *tables, "changes")
    async with unwritable(database, "changes"):
        for method, path, body in attempts:
            answer = await door.ask(method, path, body)
            assert answer.is_honest_refusal, f"{method} {path}: {answer.status}"
        answer = await door.ask("PATCH", user_path, patch_op(*marking("-")))
        assert answer.status == 200, "what changes nothing needs no record"
        assert await contents(database, *tables, "changes") == before[1]
        assert await read_state(door.ask, database) == before[0]

    for method, path, body in attempts:
        answer = await door.ask(method, path, body)
        assert answer.status in (200, 201, 204), f"{method} {path}: {answer.status}"
    assert await damage(database) == []


async def test_while_the_audit_trail_cannot_be_written_no_administrator_changes_anything(
    door: Door,
) -> None:
    database = door.database
    existing = (await database.read(lambda tx: tokens.list_tokens(tx, TENANT)))[0].id
    acts: list[Operation[object]] = [
        lambda tx: tenants.create(tx, "second", by="test", now=NOW),
        lambda tx: tokens.generate(tx, TENANT, vendor="okta", by="test", now=NOW),
        lambda tx: tokens.renew(tx, TENANT, existing, by="test", now=NOW),
        lambda tx: tokens.deactivate(tx, TENANT, existing, by="test", now=NOW),
        lambda tx: tokens.delete(tx, TENANT, existing, by="test", now=NOW),
        lambda tx: attributes.add(tx, TENANT, "costCenterCode", "text", by="test", now=NOW),
    ]
    tables: tuple[LiteralString, ...] = ("tenants", "connections", "tokens", "attributes", "audit")
    before = await contents(database, *tables)
    async with unwritable(database, "audit"):
        for act in acts:
            with pytest.raises(DatabaseUnavailable):
                await database.write(act)
        assert await contents(database, *tables) == before
    rows = len(await database.read(lambda tx: audit.list_events(tx, TENANT, count=100)))
    for act in (acts[2], acts[3], acts[5]):
        await database.write(act)
    after = await database.read(lambda tx: audit.list_events(tx, TENANT, count=100))
    assert len(after) == rows + 3
