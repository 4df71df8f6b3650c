"""``meibo serve``: the service."""

import click

from meibo import config
from meibo.cli import options
from meibo.cli.command import Command, Failure
from meibo.cli.opening import naming_database, prepare
from meibo.config import Settings
from meibo.web.serving import serve as serve_forever


@click.command(cls=Command, example="meibo serve --port 8080 --public-url https://scim.example.com")
@options.database
@click.option(
    "--host", default=config.DEFAULT_HOST, show_default=True, help="The address to listen on."
)
@click.option(
    "--port", type=options.PORT, default=config.DEFAULT_PORT, show_default=True, help="The port."
)
@click.option(
    "--public-url",
    metavar="URL",
    show_default="http://HOST:PORT",
    help="How clients reach the service; it stands in the resources' addresses.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Processes that serve; more than one needs PostgreSQL.",
)
@click.option(
    "--rate-limit",
    type=options.RATE_LIMIT,
    default=config.DEFAULT_RATE_LIMIT,
    show_default=True,
    help="Requests per second for each connection without a limit of its own; off lifts all.",
)
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    metavar="ADDRESS",
    multiple=True,
    help="An address or network whose X-Forwarded-For is believed; may be repeated.",
)
@click.option(
    "--migrate/--no-migrate",
    default=None,
    show_default="SQLite yes, PostgreSQL no",
    help="Whether an older database is brought up to date at the start.",
)
def serve(
    database: str,
    host: str,
    port: int,
    public_url: str | None,
    workers: int,
    rate_limit: int | str,
    trusted_proxies: tuple[str, ...],
    migrate: bool | None,
) -> None:
    """Serve SCIM until SIGTERM or Ctrl-C; requests under way are answered first."""
    settings = Settings(
        database=database,
        host=host,
        port=port,
        public_url=public_url or config.local_url(host, port),
        workers=workers,
        rate_limit=None if isinstance(rate_limit, str) else rate_limit,
        migrate=migrate,
        trusted_proxies=trusted_proxies,
    )
    prepare(database)
    try:
        with naming_database(database):
            serve_forever(settings)
    except OSError as error:
        where = error.filename or f"{host}:{port} cannot be listened on"
        raise Failure(f"{where}: {error.strerror}") from error
