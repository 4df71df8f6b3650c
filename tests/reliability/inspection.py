"""What is there: read through the door as clients do, and from the tables as nobody else does."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from meibo.access import tokens
from meibo.scim.comparison import fold
from meibo.scim.schema import JsonObject
from meibo.storage import changes
from meibo.storage.changes import Change
from meibo.storage.database import Database, Row, Transaction
from meibo.storage.engine import open_database
from tests.reliability.checkers import State
from tests.reliability.wire import Answer

TENANT = 1
PAGE = 1_000

Ask = Callable[[str, str], Awaitable[Answer]]


async def prepare(url: str, *, vendor: tokens.Vendor = "other", strict: bool = True) -> str:
    """Makes the schema, and a connection with the token that is given back."""
    database = await open_database(url, migrate=True)
    try:
        issued = await database.write(
            lambda tx: tokens.generate(
                tx, TENANT, vendor=vendor, strict=strict, by="test", now=1_800_000_000_000_000
            )
        )
    finally:
        await database.close()
    return issued.secret.text


async def read_state(ask: Ask, database: Database) -> State:
    """Everything, once nobody writes any more; ``ask`` sends a method and a path."""
    users = {str(user["id"]): user for user in await _listed(ask, "/Users")}
    listed = await _listed(ask, "/Groups", "&excludedAttributes=members")
    groups: dict[str, JsonObject] = {}
    for group in listed:
        answer = await ask("GET", f"/Groups/{group['id']}")
        assert answer.status == 200
        groups[str(group["id"])] = answer.json
    return State(users, groups, await all_changes(database))


async def all_changes(database: Database) -> list[Change]:
    """The whole history of the tenant, oldest first."""
    found = await database.read(lambda tx: changes.of_tenant(tx, TENANT, count=10**9))
    return [change for _, change in reversed(found)]


async def _listed(ask: Ask, path: str, more: str = "") -> list[JsonObject]:
    found: list[JsonObject] = []
    while True:
        answer = await ask("GET", f"{path}?startIndex={len(found) + 1}&count={PAGE}{more}")
        assert answer.status == 200, answer.body
        listed = answer.json["Resources"]
        assert isinstance(listed, list)
        found.extend(each for each in listed if isinstance(each, dict))
        if len(listed) < PAGE:
            assert answer.json["totalResults"] == len(found)
            return found


async def damage(database: Database) -> list[str]:
    """Where the tables contradict themselves or each other; empty for a sound database."""
    return await database.read(_damage, snapshot=True)


async def _damage(tx: Transaction) -> list[str]:
    problems: list[str] = []
    if tx.dialect.engine == "sqlite":
        problems += [row[0] for row in await tx.all("PRAGMA integrity_check") if row[0] != "ok"]
    users = await tx.all(
        """
        SELECT id, connection, user_name, user_name_key, external_id, active, version, removed, body
          FROM users"""
    )
    groups = await tx.all(
        """
        SELECT id, connection, display_name, display_name_key, external_id, NULL, version, removed,
               body
          FROM groups"""
    )
    latest = {
        row[0]: tuple(row[1:])
        for row in await tx.all(
            """
            SELECT resource_id, max(version), count(version), count(DISTINCT version)
              FROM changes
             GROUP BY resource_id"""
        )
    }
    addresses: set[tuple[str, str]] = set()
    for row in (*users, *groups):
        key, _, name, name_key, external_id, active, version, removed, text = row
        body = msgspec.json.decode(text)
        shown = body.get("userName", body.get("displayName"))
        columns = (key, name, external_id, name_key)
        if (body["id"], shown, body.get("externalId"), fold(shown)) != columns:
            problems.append(f"{key}: the columns and the body differ")
        if active is not None and body["active"] != bool(active):
            problems.append(f"{key}: active in the column and in the body differ")
        # A removal changes no body: it is not answered any more.
        if body["meta"]["version"] != f'W/"{version - (removed is not None)}"':
            problems.append(f"{key}: the versions in the column and in the body differ")
        if latest.get(key) != (version, version, version):
            problems.append(f"{key}: version {version}, but the changes are {latest.get(key)}")
        addresses |= {(key, fold(each["value"])) for each in body.get("emails", [])}
    if addresses != {
        tuple(row) for row in await tx.all("SELECT user_id, value_key FROM user_emails")
    }:
        problems.append("the index of e-mail addresses and the bodies differ")
    problems += await _wrong_totals(tx, "User", users)
    problems += await _wrong_totals(tx, "Group", groups)
    live = {row[0] for row in (*users, *groups) if row[7] is None}
    known = {row[0] for row in groups}
    for group, member in await tx.all("SELECT group_id, member_id FROM memberships"):
        if group not in known or member not in live:
            problems.append(f"the membership of {member} in {group} hangs in the air")
    return problems


async def _wrong_totals(tx: Transaction, resource_type: str, rows: Iterable[Row]) -> list[str]:
    counted = Counter(row[1] for row in rows if row[7] is None)
    kept = await tx.all(
        """
        SELECT connection, CAST(sum(live) AS BIGINT)
          FROM totals
         WHERE resource_type = :resource_type
         GROUP BY connection""",
        resource_type=resource_type,
    )
    if {row[0]: row[1] for row in kept if row[1]} == dict(counted):
        return []
    return [f"the kept number of {resource_type} resources is wrong"]
