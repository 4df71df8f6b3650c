"""``meibo connection``: the links of identity providers, and their settings."""

import click

from meibo import clock
from meibo.access import connections, tokens
from meibo.access.connection_settings import SETTINGS
from meibo.access.connections import Connection
from meibo.access.tokens import Token, status_of
from meibo.cli import options
from meibo.cli.command import Group
from meibo.cli.opening import actor, reading, writing
from meibo.cli.output import iso, iso_or_none, print_json, print_pairs, print_table
from meibo.scim.schema import Json, JsonObject
from meibo.storage.database import Transaction
from meibo.storage.tenants import Tenant


@click.group(cls=Group)
def connection() -> None:
    """Links of identity providers. One is made with its first token (meibo token generate)."""


@connection.command("list", example="meibo connection list")
@options.tenant
@options.as_json
def list_(database: str, tenant: str, as_json: bool) -> None:
    """List the connections."""

    async def find(tx: Transaction, of: Tenant) -> tuple[list[Connection], list[Token]]:
        return await connections.list_connections(tx, of.id), await tokens.list_tokens(tx, of.id)

    found, known = reading(database, tenant, find)
    if as_json:
        print_json(list[Json](_as_json(each) for each in found))
        return
    now = clock.now()
    active = {
        each.id: sum(
            token.connection.id == each.id and status_of(token.row, now) == "active"
            for token in known
        )
        for each in found
    }
    print_table(
        ["CONNECTION", "IDP", "STRICT", "ACTIVE TOKENS", "CREATED"],
        [
            [
                each.name,
                each.label,
                "yes" if each.strict else "no",
                str(active[each.id]),
                iso(each.created),
            ]
            for each in found
        ],
        empty="There are no connections: meibo token generate makes one.",
    )


@connection.command(example="meibo connection show entra")
@click.argument("name")
@options.tenant
@options.as_json
def show(name: str, database: str, tenant: str, as_json: bool) -> None:
    """Show a connection and its settings."""

    async def find(tx: Transaction, of: Tenant) -> Connection:
        return await connections.find(tx, of.id, name)

    found = reading(database, tenant, find)
    if as_json:
        print_json(_as_json(found))
        return
    print_pairs(
        {
            "Connection": found.name,
            "IdP": found.label,
            "Strict": "yes" if found.strict else "no",
            "Created": iso(found.created),
        }
    )
    click.echo()
    values = found.settings.as_text()
    print_table(
        ["SETTING", "VALUE", "TAKES", "WHAT IT IS"],
        [[each.name, values[each.name], each.kind.takes, each.help] for each in SETTINGS],
        empty="",
    )


@connection.command("set", example="meibo connection set entra user_name_changes=refuse")
@click.argument("name")
@click.argument("settings", metavar="KEY=VALUE...", nargs=-1, required=True)
@options.tenant
@options.as_json
def set_(name: str, settings: tuple[str, ...], database: str, tenant: str, as_json: bool) -> None:
    """Change settings of a connection: all that are named, or none."""
    values: dict[str, str] = {}
    for each in settings:
        key, equals, value = each.partition("=")
        if not equals:
            raise click.UsageError(f"{each!r} is not KEY=VALUE")
        if key in values:
            raise click.UsageError(f"{key} is given twice")
        values[key] = value

    async def change(tx: Transaction, of: Tenant) -> connections.SettingsChange:
        return await connections.change_settings(
            tx, of.id, name, values, by=actor(), now=clock.now()
        )

    done = writing(database, tenant, change)
    if as_json:
        print_json(_as_json(done.connection))
        return
    for key, (before, after) in done.changed.items():
        click.echo(f"{key}: {before} -> {after}")
    if not done.changed:
        click.echo("Nothing to change: it is set like that already.")


def _as_json(each: Connection) -> JsonObject:
    return {
        "name": each.name,
        "idp": each.vendor,
        "label": each.label,
        "strict": each.strict,
        "created": iso_or_none(each.created),
        "settings": dict[str, Json](each.settings.as_text()),
    }
