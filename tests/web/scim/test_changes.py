"""The history: exactly one change for each write, by whom, and no secret anywhere."""

import json
from pathlib import Path
from typing import Any

import pytest

from meibo.access import tokens
from meibo.storage.database import Database
from meibo.storage.engine import open_database
from tests.web.scim.service import (
    CUSTOM,
    ENTERPRISE,
    NOW,
    IdentityProvider,
    Service,
    add,
    group,
    remove,
    replace,
    serving,
    user,
)


async def last_change(service: Service) -> tuple[str, Any]:
    *_, change = await service.changes()
    return change.action, json.loads(change.attributes)


async def test_a_change_tells_before_and_after(service: Service, idp: IdentityProvider) -> None:
    await service.add_attribute("badge")
    idp = await service.connect(idp.name)
    created = await idp.create_user(title="Engineer", **{CUSTOM: {"badge": "7"}})
    path = f"/Users/{created['id']}"
    assert await last_change(service) == (
        "created",
        {
            "active": {"after": True},
            "userName": {"after": "alice@a.example"},
            "title": {"after": "Engineer"},
            f"{CUSTOM}:badge": {"after": "7"},
        },
    )
    await idp.patch(
        path,
        replace("title", "Manager"),
        add("name.givenName", "Alice"),
        remove(f"{CUSTOM}:badge"),
        add(f"{ENTERPRISE}:department", "Sales"),
    )
    assert await last_change(service) == (
        "updated",
        {
            "title": {"before": "Engineer", "after": "Manager"},
            "name": {"after": {"givenName": "Alice"}},
            f"{CUSTOM}:badge": {"before": "7"},
            f"{ENTERPRISE}:department": {"after": "Sales"},
        },
    )
    await idp.put(path, user("blum@a.example"))
    assert await last_change(service) == (
        "renamed",
        {
            "userName": {"before": "alice@a.example", "after": "blum@a.example"},
            "title": {"before": "Manager"},
            "name": {"before": {"givenName": "Alice"}},
            f"{ENTERPRISE}:department": {"before": "Sales"},
        },
    )
    await idp.delete(path)
    assert await last_change(service) == (
        "removed",
        {"active": {"before": True}, "userName": {"before": "blum@a.example"}},
    )
    await idp.create_user("blum@a.example", active=False)
    assert await last_change(service) == (
        "revived",
        {"active": {"after": False}, "userName": {"after": "blum@a.example"}},
    )


async def test_every_write_leaves_one_change_and_nothing_else_leaves_any(
    service: Service, idp: IdentityProvider
) -> None:
    requests: list[str] = []

    async def did(answer: Any, *, changes: bool = True) -> Any:
        if changes:
            requests.append(answer.headers["x-request-id"])
        return answer

    alice = (await did(await idp.post("/Users", user("alice")))).json()
    path = f"/Users/{alice['id']}"
    staff = (await did(await idp.post("/Groups", group("Staff", [alice])))).json()
    group_path = f"/Groups/{staff['id']}"
    await did(await idp.put(path, user("alice", title="x")))
    await did(await idp.put(path, user("alice", title="x")), changes=False)
    await did(await idp.patch(path, replace("active", False), replace("title", "y")))
    await did(await idp.patch(path, replace("id", "x")), changes=False)
    await did(await idp.post("/Users", user("ALICE")), changes=False)
    await did(await idp.patch(group_path, remove("members"), replace("displayName", "Crew")))
    await did(await idp.patch(group_path, remove("members")), changes=False)
    await did(await idp.put(group_path, group("Crew", [alice])))
    await did(await idp.get(path), changes=False)
    await did(await idp.delete(group_path))
    await did(await idp.delete(path))
    await did(await idp.delete(path), changes=False)
    await did(await idp.post("/Users", user("alice")))
    changes = await service.changes()
    assert [each.request for each in changes] == requests
    assert [each.action for each in changes] == [
        *("created", "created", "updated", "disabled", "renamed", "members changed"),
        *("removed", "removed", "revived"),
    ]


async def test_the_connection_is_the_author_and_never_who_made_its_token(
    service: Service,
) -> None:
    idp = await service.connect("Head office", vendor="okta")
    await idp.create_user()
    (change,) = await service.changes()
    assert (change.tenant, change.actor) == (service.tenant.id, "Head office")
    assert change.token == idp.token[11:23]
    assert change.connection == 1


async def test_the_order_of_changes_is_that_of_the_writes(
    service: Service, idp: IdentityProvider
) -> None:
    created = await idp.create_user()
    for number in range(5):
        await idp.patch(f"/Users/{created['id']}", replace("title", str(number)))
    rows = await service.rows(
        "SELECT version FROM changes WHERE tenant = :tenant ORDER BY sequence",
        tenant=service.tenant.id,
    )
    assert [version for (version,) in rows] == [1, 2, 3, 4, 5, 6]


# -- secrets ---------------------------------------------------------------------------------------

TABLES = (
    *("tenants", "connections", "tokens", "attributes", "users", "user_emails", "groups"),
    *("memberships", "totals", "changes", "audit"),
)
LOG_TABLES = ("requests", "refused_logins")


async def everything(database: Database) -> str:
    """All rows of all tables as text."""
    found: list[Any] = []
    for tables, part in ((TABLES, database), (LOG_TABLES, database.log)):
        for table in tables:
            sql: Any = f"SELECT * FROM {table}"
            rows = await part.read(lambda tx, sql=sql: tx.all(sql))
            found.extend([table, *(tuple(row) for row in rows)])
    return repr(found)


def files_under(directory: Path) -> str:
    files = [each for each in directory.rglob("*") if each.is_file()]
    return "".join(each.read_bytes().decode("latin-1") for each in files)


async def test_no_secret_is_anywhere(
    database_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in a row, not in a file, not in what the service prints."""
    database = await open_database(database_url, migrate=True)
    secrets = [f"pass-{number}-Zq9" for number in range(8)]
    async with serving(database) as service:
        entra = await service.connect("entra", vendor="entra")
        strict = await service.connect("strict", strict=True)
        for idp in (entra, strict):
            name = f"alice of {idp.name}"
            created = await idp.create_user(name, password=secrets[0])
            path = f"/Users/{created['id']}"
            await idp.put(path, user(name, title="x", password=secrets[1]))
            await idp.patch(path, replace("password", secrets[2]), replace("title", "y"))
            await idp.patch(path, replace(None, {"password": secrets[3], "title": "z"}))
            await idp.patch(path, replace("password", {"value": secrets[4]}))
            await idp.post("/Users", user(name, password=secrets[5]))
            await idp.get(f"/Users?filter=password+eq+%22{secrets[6]}%22")
            await idp.post("/Users", user(["a", "b"], password=[secrets[7]]))
        renewed = await database.write(
            lambda tx: tokens.renew(tx, service.tenant.id, entra.token[11:23], by="tests", now=NOW)
        )
        await strict.get("/Users", Authorization=f"Bearer {tokens.new_token().text}")
        await strict.get("/Users", Authorization=f"Bearer {entra.token[:-1]}x")
        secrets += [each.token[24:67] for each in (entra, strict)]
        secrets.append(renewed.secret.text[24:67])
        await service.log()
        rows = await everything(database)
    await database.close()
    written = files_under(tmp_path)
    printed = capfd.readouterr()
    assert "alice of entra" in rows
    for secret in secrets:
        assert secret not in rows
        assert secret not in written
        assert secret not in printed.out + printed.err
