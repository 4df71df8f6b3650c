"""``meibo group``: the groups that the directory holds."""

import click

from meibo.cli import options
from meibo.cli.command import Failure, Group
from meibo.cli.opening import reading
from meibo.cli.output import print_json, print_pairs, print_table
from meibo.cli.resources import Found, Wanted, described, find_groups, text_of
from meibo.scim.schema import Json
from meibo.storage.database import Transaction
from meibo.storage.tenants import Tenant


@click.group(cls=Group)
def group() -> None:
    """The groups of all connections, as identity providers sent them."""


@group.command("list", example="""meibo group list --filter 'displayName sw "Sales"'""")
@options.filter_
@options.tenant
@options.as_json
def list_(filter_: str | None, database: str, tenant: str, as_json: bool) -> None:
    """List groups with the number of their members."""
    found = _find(database, tenant, Wanted(filter_), with_members=False)
    if as_json:
        print_json(list[Json]({**each.as_json(), "memberCount": each.members} for each in found))
        return
    print_table(
        ["GROUP", "MEMBERS", "EXTERNAL ID", "CONNECTION", "ID"],
        [
            [
                text_of(each.resource, "displayName"),
                str(each.members),
                text_of(each.resource, "externalId"),
                each.connection.name,
                text_of(each.resource, "id"),
            ]
            for each in found
        ],
        empty="No group is found." if filter_ else "There are no groups.",
    )


@group.command(example="meibo group show 'Sales Tokyo'")
@click.argument("who", required=False)
@options.filter_
@options.tenant
@options.as_json
def show(who: str | None, filter_: str | None, database: str, tenant: str, as_json: bool) -> None:
    """Show groups in full, with their members. WHO is a name, an external id or an id."""
    wanted = Wanted(filter_, who)
    wanted.check()
    found = _find(database, tenant, wanted, with_members=True)
    if as_json:
        print_json(list[Json](each.as_json() for each in found))
    for index, each in enumerate([] if as_json else found):
        if index:
            click.echo()
        print_pairs({"connection": each.connection.name, **described(each.resource)})
    if not found:
        raise Failure("no group is found")


def _find(database: str, tenant: str, wanted: Wanted, *, with_members: bool) -> list[Found]:
    async def find(tx: Transaction, of: Tenant) -> list[Found]:
        return await find_groups(tx, of.id, wanted, with_members=with_members)

    return reading(database, tenant, find)
