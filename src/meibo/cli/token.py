"""``meibo token``: what identity providers show to be let in."""

from typing import get_args

import click

from meibo import clock, config
from meibo.access import tokens
from meibo.access.connections import Vendor
from meibo.access.errors import TokenLimit
from meibo.access.tenants import DEFAULT_TENANT
from meibo.access.tokens import DAY, Issued, Token, status_of
from meibo.cli import options
from meibo.cli.command import Failure, Group
from meibo.cli.opening import actor, reading, writing
from meibo.cli.output import iso, iso_or_none, print_json, print_pairs, print_table
from meibo.scim.schema import Json, JsonObject
from meibo.storage.database import Transaction
from meibo.storage.tenants import Tenant


@click.group(cls=Group)
def token() -> None:
    """Tokens of connections: two for each at most, shown once when they are made."""


@token.command(example="meibo token generate --idp entra --json")
@click.option(
    "--idp",
    type=click.Choice(get_args(Vendor)),
    required=True,
    help="Which identity provider will use it.",
)
@click.option(
    "--connection",
    metavar="NAME",
    show_default="the name of the identity provider",
    help="Whose token it is; a connection that does not exist is made.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Make the connection follow the RFCs to the letter; only for one that is made now.",
)
@click.option("--description", metavar="TEXT", default="", help="What the token is for.")
@click.option(
    "--expires-in",
    type=options.EXPIRES_IN,
    default=tokens.LIFE // DAY,
    show_default=True,
    help="How many days it lives.",
)
@options.public_url
@options.tenant
@options.as_json
def generate(
    idp: Vendor,
    connection: str | None,
    strict: bool,
    description: str,
    expires_in: int | str,
    public_url: str | None,
    host: str,
    port: int,
    database: str,
    tenant: str,
    as_json: bool,
) -> None:
    """Make a token, and its connection if there is none. Both are shown once: save them."""
    url = _public_url(public_url, host, port)

    async def work(tx: Transaction, of: Tenant) -> Issued:
        return await tokens.generate(
            tx,
            of.id,
            vendor=idp,
            connection=connection,
            strict=strict,
            description=description,
            life=None if isinstance(expires_in, str) else expires_in * DAY,
            by=actor(),
            now=clock.now(),
        )

    try:
        issued = writing(database, tenant, work)
    except TokenLimit as limit:
        option = "" if tenant == DEFAULT_TENANT else f" --tenant {tenant}"
        ways = " or ".join(f"meibo token delete {each.id}{option}" for each in limit.tokens)
        raise Failure(f"{limit} ({ways})") from limit
    _print_issued(issued, _scim_url(url, tenant), as_json=as_json)


@token.command("list", example="meibo token list")
@click.option("--all", "all_", is_flag=True, help="Also those that are deleted.")
@options.tenant
@options.as_json
def list_(all_: bool, database: str, tenant: str, as_json: bool) -> None:
    """List the tokens. Their secrets are not stored, so none can be shown."""

    async def find(tx: Transaction, of: Tenant) -> list[Token]:
        return await tokens.list_tokens(tx, of.id)

    found = [
        each for each in reading(database, tenant, find) if all_ or each.row.status != "deleted"
    ]
    now = clock.now()
    if as_json:
        print_json(list[Json](_as_json(each, now) for each in found))
        return
    print_table(
        ["TOKEN", "CONNECTION", "STATUS", "EXPIRES", "LAST USED", "OLD SECRET", "DESCRIPTION"],
        [
            [
                each.id,
                each.connection.name,
                status_of(each.row, now),
                iso(each.row.expires, "never"),
                _last_used(each),
                _old_secret(each, now),
                each.row.description,
            ]
            for each in found
        ],
        empty="There are no tokens: meibo token generate makes one.",
    )


@token.command(example="meibo token activate 0aB1cD2eF3gH")
@click.argument("id_", metavar="ID")
@options.tenant
def activate(id_: str, database: str, tenant: str) -> None:
    """Let a token in again."""

    async def work(tx: Transaction, of: Tenant) -> tokens.Change:
        return await tokens.activate(tx, of.id, id_, by=actor(), now=clock.now())

    done = writing(database, tenant, work)
    click.echo(f"Token {id_} is active{'' if done.changed else ' already'}.")


@token.command(example="meibo token deactivate 0aB1cD2eF3gH")
@click.argument("id_", metavar="ID")
@options.tenant
def deactivate(id_: str, database: str, tenant: str) -> None:
    """Refuse a token from now on, and keep it."""

    async def work(tx: Transaction, of: Tenant) -> tokens.Change:
        return await tokens.deactivate(tx, of.id, id_, by=actor(), now=clock.now())

    done = writing(database, tenant, work)
    click.echo(f"Token {id_} is inactive{'' if done.changed else ' already'}.")


@token.command(example="meibo token renew 0aB1cD2eF3gH --old-valid-for 7d")
@click.argument("id_", metavar="ID")
@click.option(
    "--old-valid-for",
    type=options.DURATION,
    show_default="24h if the token is active, else 0",
    help="How long the old secret is still let in: 30m, 24h, 7d or 0.",
)
@options.public_url
@options.tenant
@options.as_json
def renew(
    id_: str,
    old_valid_for: int | None,
    public_url: str | None,
    host: str,
    port: int,
    database: str,
    tenant: str,
    as_json: bool,
) -> None:
    """Give a token a new secret and a new expiry; its id stays. The secret is shown once."""
    url = _public_url(public_url, host, port)

    async def work(tx: Transaction, of: Tenant) -> Issued:
        return await tokens.renew(
            tx, of.id, id_, old_valid_for=old_valid_for, by=actor(), now=clock.now()
        )

    _print_issued(writing(database, tenant, work), _scim_url(url, tenant), as_json=as_json)


@token.command(example="meibo token delete 0aB1cD2eF3gH")
@click.argument("id_", metavar="ID")
@options.tenant
def delete(id_: str, database: str, tenant: str) -> None:
    """Refuse a token for good. Another one can take its place."""

    async def work(tx: Transaction, of: Tenant) -> Token:
        return await tokens.delete(tx, of.id, id_, by=actor(), now=clock.now())

    writing(database, tenant, work)
    click.echo(f"Token {id_} is deleted.")


def _public_url(public_url: str | None, host: str, port: int) -> str:
    url = public_url or config.local_url(host, port)
    config.check_public_url(url)
    return url


def _scim_url(public_url: str, tenant: str) -> str:
    prefix = "" if tenant == DEFAULT_TENANT else f"/t/{tenant}"
    return f"{public_url}{prefix}/scim/v2"


def _print_issued(issued: Issued, scim_url: str, *, as_json: bool) -> None:
    row, connection = issued.token.row, issued.token.connection
    if as_json:
        print_json(
            {
                "id": row.id,
                "token": issued.secret.text,
                "scim_url": scim_url,
                "expires_at": iso_or_none(row.expires),
                "connection": connection.name,
            }
        )
        return
    pairs = {
        "SCIM URL": scim_url,
        "Token": issued.secret.text,
        "Id": row.id,
        "IdP": connection.label,
        "Connection": connection.name + (" (new)" if issued.connection_created else ""),
        "Status": row.status,
        "Expires": iso(row.expires, "never"),
    }
    if row.previous_hash is not None:
        pairs["Old secret"] = f"valid until {iso(row.previous_until)}"
    print_pairs(pairs)
    click.echo()
    click.echo("Save the URL and the token now. The token cannot be shown again.")


def _last_used(token: Token) -> str:
    if token.row.last_used is None:
        return "never"
    return f"{iso(token.row.last_used)} from {token.row.last_address}"


def _old_secret(token: Token, now: int) -> str:
    until = token.row.previous_until
    if until is None or token.row.status == "deleted":
        return ""
    used = token.row.previous_last_used
    state = f"valid until {iso(until)}" if until > now else "ended"
    return f"{state}, last used {iso(used)}" if used else state


def _as_json(token: Token, now: int) -> JsonObject:
    row = token.row
    return {
        "id": row.id,
        "connection": token.connection.name,
        "idp": token.connection.vendor,
        "status": status_of(row, now),
        "description": row.description,
        "created_at": iso_or_none(row.created),
        "created_by": row.created_by,
        "expires_at": iso_or_none(row.expires),
        "last_used_at": iso_or_none(row.last_used),
        "last_address": row.last_address,
        "last_user_agent": row.last_user_agent,
        "old_valid_until": iso_or_none(row.previous_until),
        "old_last_used_at": iso_or_none(row.previous_last_used),
    }
