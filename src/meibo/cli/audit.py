"""``meibo audit``: what administrators did."""

import click

from meibo import audit as trail
from meibo.cli import options
from meibo.cli.command import Group
from meibo.cli.opening import reading
from meibo.cli.output import iso, iso_or_none, print_json, print_table
from meibo.scim.schema import Json, JsonObject
from meibo.storage import audit as rows
from meibo.storage.audit import AuditRow
from meibo.storage.database import Transaction
from meibo.storage.tenants import Tenant


@click.group(cls=Group)
def audit() -> None:
    """The audit trail: what administrators did to tokens, connections and attributes."""


@audit.command("list", example="meibo audit list --json")
@click.option(
    "--count",
    type=click.IntRange(1, 1_000_000),
    default=100,
    show_default=True,
    help="How many of the latest events.",
)
@options.tenant
@options.as_json
def list_(count: int, database: str, tenant: str, as_json: bool) -> None:
    """List the latest events, the newest last."""

    async def find(tx: Transaction, of: Tenant) -> list[AuditRow]:
        return await rows.list_events(tx, of.id, count=count)

    found = reading(database, tenant, find)[::-1]
    if as_json:
        print_json(list[Json](_as_json(row) for row in found))
        return
    print_table(
        ["TIME", "EVENT", "BY", "DETAILS"],
        [
            [iso(row.at), row.event, row.actor, trail.as_text(trail.details_of(row))]
            for row in found
        ],
        empty="Nothing has happened yet.",
    )


def _as_json(row: AuditRow) -> JsonObject:
    details = trail.details_of(row)
    return {
        "sequence": row.sequence,
        "at": iso_or_none(row.at),
        "event": row.event,
        "subject": row.subject,
        "actor": row.actor,
        "details": trail.as_text(details),
        "fields": dict[str, Json](details),
    }
