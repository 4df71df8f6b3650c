"""The command line: a stable contract, described in docs/cli.md. One module for each noun."""

import click

from meibo.cli.attribute import attribute
from meibo.cli.audit import audit
from meibo.cli.command import EXIT_CODES, Root
from meibo.cli.connection import connection
from meibo.cli.demo import demo
from meibo.cli.group import group
from meibo.cli.migrate import migrate
from meibo.cli.serve import serve
from meibo.cli.simulate import simulate
from meibo.cli.tenant import tenant
from meibo.cli.token import token
from meibo.cli.user import user

main = Root(
    "meibo",
    help="""Meibo: SCIM 2.0 provisioning. Identity providers push people and groups into it.

    Every option is also a MEIBO_* environment variable and a setting of the settings file; the
    command line comes before the environment, the environment before the file.""",
    epilog=EXIT_CODES,
    commands={
        each.name: each
        for each in (
            attribute,
            audit,
            connection,
            demo,
            group,
            migrate,
            serve,
            simulate,
            tenant,
            token,
            user,
        )
    },
)
click.version_option(package_name="meibo", message="%(package)s %(version)s")(main)
