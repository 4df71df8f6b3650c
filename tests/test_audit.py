"""The audit trail: a closed list that is described, and written with what it tells of."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meibo import audit
from meibo.audit import Event
from meibo.storage import audit as rows
from meibo.storage.database import Database, Statement, Transaction
from meibo.storage.engine import open_database
from meibo.storage.errors import VersionConflict

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "audit.md"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await open_database(database_url, migrate=True)
    yield database
    await database.close()


def test_the_events_of_a_tokens_life_have_their_exact_names() -> None:
    assert [event.value for event in Event if event.name.startswith("TOKEN_")] == [
        "SCIM Token Created",
        "SCIM Token Enabled",
        "SCIM Token Disabled",
        "SCIM Token Renewed",
        "SCIM Token Deleted",
    ]


@pytest.mark.parametrize("event", Event, ids=lambda event: event.name.lower())
def test_every_event_is_described_and_named_alike(event: Event) -> None:
    assert f"\n| {event.value} | " in DOCUMENT.read_text(encoding="utf-8")
    assert event.value.split()[-1].endswith("ed")
    assert event.value.istitle() or event.value.startswith("SCIM ")


def record(tx: Transaction, tenant: int = 1, at: int = 5) -> Statement:
    return audit.record(
        tx,
        tenant,
        Event.TENANT_CREATED,
        subject="x",
        by="CLI (root)",
        at=at,
        details={"IdP": "Entra ID (Azure)", "Note": '"quoted"\nand 名簿'},
    )


async def test_a_row_reads_as_it_was_recorded(database: Database) -> None:
    async def write(tx: Transaction) -> None:
        await tx.write(record(tx))

    await database.write(write)
    (row,) = await database.read(lambda tx: rows.list_events(tx, 1, count=10))
    assert (row.event, row.subject, row.actor, row.at) == ("Tenant Created", "x", "CLI (root)", 5)
    details = audit.details_of(row)
    assert details == {"IdP": "Entra ID (Azure)", "Note": '"quoted"\nand 名簿'}
    assert audit.as_text(details).startswith("IdP: Entra ID (Azure); Note: ")
    assert await database.read(lambda tx: rows.list_events(tx, 2, count=10)) == []


async def test_the_trail_is_read_in_pages_from_its_end(database: Database) -> None:
    for at in range(7):

        async def write(tx: Transaction, at: int = at) -> None:
            await tx.write(record(tx, at=at))

        await database.write(write)
    newest = await database.read(lambda tx: rows.list_events(tx, 1, count=3))
    assert [row.at for row in newest] == [6, 5, 4]
    before = newest[-1].sequence
    older = await database.read(lambda tx: rows.list_events(tx, 1, count=9, before=before))
    assert [row.at for row in older] == [3, 2, 1, 0]


async def test_what_is_not_done_is_not_recorded(database: Database) -> None:
    async def write(tx: Transaction) -> None:
        nothing = Statement(
            "DELETE FROM tenants WHERE slug = :slug", {"slug": "nobody"}, guard=True
        )
        await tx.write(record(tx), nothing)

    with pytest.raises(VersionConflict):
        await database.write(write)
    assert await database.read(lambda tx: rows.list_events(tx, 1, count=10)) == []
