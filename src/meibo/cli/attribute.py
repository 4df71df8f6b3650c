"""``meibo attribute``: custom attributes of people."""

from typing import get_args

import click

from meibo import clock
from meibo.cli import options
from meibo.cli.command import Group
from meibo.cli.opening import actor, reading, writing
from meibo.cli.output import iso, iso_or_none, print_json, print_table
from meibo.directory import attributes
from meibo.directory.attributes import CustomAttribute, DataType
from meibo.scim.schema import Json
from meibo.storage.database import Transaction
from meibo.storage.tenants import Tenant


@click.group(cls=Group)
def attribute() -> None:
    """Custom attributes of people, beside those of the SCIM standard."""


@attribute.command(example="meibo attribute add costCenterCode --type text")
@click.argument("name")
@click.option(
    "--type",
    "type_",
    type=click.Choice(get_args(DataType)),
    default="text",
    show_default=True,
    help="What its values are.",
)
@options.tenant
def add(name: str, type_: DataType, database: str, tenant: str) -> None:
    """Add an attribute that identity providers can send from now on."""

    async def work(tx: Transaction, of: Tenant) -> CustomAttribute:
        return await attributes.add(tx, of.id, name, type_, by=actor(), now=clock.now())

    added = writing(database, tenant, work)
    click.echo(f"Attribute {added.name} is added. In the identity provider map to {added.path}")


@attribute.command("list", example="meibo attribute list")
@options.tenant
@options.as_json
def list_(database: str, tenant: str, as_json: bool) -> None:
    """List the custom attributes with the paths to map to."""

    async def find(tx: Transaction, of: Tenant) -> list[CustomAttribute]:
        return await attributes.list_attributes(tx, of.id)

    found = reading(database, tenant, find)
    if as_json:
        print_json(
            list[Json](
                {
                    "name": each.name,
                    "type": each.type,
                    "scim_type": each.scim_type,
                    "path": each.path,
                    "created": iso_or_none(each.created),
                }
                for each in found
            )
        )
        return
    print_table(
        ["ATTRIBUTE", "TYPE", "CREATED", "PATH"],
        [[each.name, each.type, iso(each.created), each.path] for each in found],
        empty="There are no custom attributes.",
    )


@attribute.command(example="meibo attribute delete costCenterCode")
@click.argument("name")
@options.tenant
def delete(name: str, database: str, tenant: str) -> None:
    """Delete an attribute of which nobody has a value."""

    async def work(tx: Transaction, of: Tenant) -> CustomAttribute:
        return await attributes.delete(tx, of.id, name, by=actor(), now=clock.now())

    click.echo(f"Attribute {writing(database, tenant, work).name} is deleted.")
