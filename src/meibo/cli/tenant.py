"""``meibo tenant``: the organisations that share an installation."""

import click

from meibo import clock
from meibo.access import tenants
from meibo.cli import options
from meibo.cli.command import Group
from meibo.cli.opening import actor, in_database
from meibo.cli.output import iso, iso_or_none, print_json, print_table
from meibo.scim.schema import Json
from meibo.storage import tenants as rows
from meibo.storage.database import Database


@click.group(cls=Group)
def tenant() -> None:
    """Organisations that share this installation and see nothing of each other."""


@tenant.command(example="meibo tenant create acme")
@click.argument("slug")
@options.database
def create(slug: str, database: str) -> None:
    """Create a tenant. Its SCIM base URL is PUBLIC_URL/t/SLUG/scim/v2."""

    async def work(opened: Database) -> None:
        await opened.write(lambda tx: tenants.create(tx, slug, by=actor(), now=clock.now()))

    in_database(database, work)
    click.echo(f"Tenant {slug} is created. Next: meibo token generate --tenant {slug} --idp ...")


@tenant.command("list", example="meibo tenant list")
@options.database
@options.as_json
def list_(database: str, as_json: bool) -> None:
    """List the tenants."""

    async def work(opened: Database) -> list[rows.Tenant]:
        return await opened.read(rows.list_tenants)

    found = in_database(database, work)
    if as_json:
        print_json(
            list[Json](
                {"slug": each.slug, "created": iso_or_none(each.created or None)} for each in found
            )
        )
        return
    print_table(
        ["TENANT", "CREATED"],
        [[each.slug, iso(each.created or None)] for each in found],
        empty="There are no tenants.",
    )
