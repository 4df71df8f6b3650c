"""``meibo user``: the people that the directory holds."""

import click

from meibo.cli import options
from meibo.cli.command import Failure, Group
from meibo.cli.opening import reading
from meibo.cli.output import print_json, print_pairs, print_table
from meibo.cli.resources import Found, Wanted, described, find_users, text_of
from meibo.scim.schema import Json
from meibo.storage.database import Transaction
from meibo.storage.tenants import Tenant


@click.group(cls=Group)
def user() -> None:
    """The people of all connections, as identity providers sent them."""


@user.command("list", example="""meibo user list --filter 'active eq false'""")
@options.filter_
@options.tenant
@options.as_json
def list_(filter_: str | None, database: str, tenant: str, as_json: bool) -> None:
    """List people."""
    found = _find(database, tenant, Wanted(filter_))
    if as_json:
        print_json(list[Json](each.as_json() for each in found))
        return
    print_table(
        ["USER NAME", "NAME", "STATUS", "EXTERNAL ID", "CONNECTION", "ID"],
        [
            [
                text_of(each.resource, "userName"),
                text_of(each.resource, "displayName"),
                "active" if each.resource.get("active") is True else "inactive",
                text_of(each.resource, "externalId"),
                each.connection.name,
                text_of(each.resource, "id"),
            ]
            for each in found
        ],
        empty="Nobody is found." if filter_ else "Nobody is here: identity providers send people.",
    )


@user.command(example="meibo user show hanako@example.com")
@click.argument("who", required=False)
@options.filter_
@options.tenant
@options.as_json
def show(who: str | None, filter_: str | None, database: str, tenant: str, as_json: bool) -> None:
    """Show people in full. WHO is a user name, an external id or an id."""
    wanted = Wanted(filter_, who)
    wanted.check()
    found = _find(database, tenant, wanted)
    if as_json:
        print_json(list[Json](each.as_json() for each in found))
    for index, each in enumerate([] if as_json else found):
        if index:
            click.echo()
        print_pairs({"connection": each.connection.name, **described(each.resource)})
    if not found:
        raise Failure("nobody is found")


def _find(database: str, tenant: str, wanted: Wanted) -> list[Found]:
    async def find(tx: Transaction, of: Tenant) -> list[Found]:
        return await find_users(tx, of.id, wanted)

    return reading(database, tenant, find)
