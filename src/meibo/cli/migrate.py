"""``meibo migrate``: bring a database to this program's schema."""

import click

from meibo.cli import options
from meibo.cli.command import Command
from meibo.cli.opening import in_database
from meibo.storage.database import Database
from meibo.storage.migrate import migrations


@click.command(cls=Command, example="meibo migrate --database postgresql://meibo@db/meibo")
@options.database
def migrate(database: str) -> None:
    """Create or update the database's tables.

    SQLite does this by itself whenever it is opened. For PostgreSQL run this before the new version
    of the program serves.
    """

    async def engine(opened: Database) -> None:
        for part in ("directory", "log"):
            version = migrations(part, opened.dialect.engine)[-1].version
            click.echo(f"{part}: schema version {version}")

    in_database(database, engine, migrate=True)
