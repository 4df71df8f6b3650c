"""The command line: a stable contract, described in docs/cli.md. One module for each noun."""

import click

from meibo.cli import (
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
from meibo.cli.command import EXIT_CODES, Root

main = Root(
    "meibo",
    help="""Meibo: SCIM 2.0 provisioning. Identity providers push people and groups into it.

    Every option is also a MEIBO_* environment variable and a setting of the settings file; the
    command line comes before the environment, the environment before the file.""",
    epilog=EXIT_CODES,
)
for command in (
    serve.serve,
    migrate.migrate,
    tenant.tenant,
    connection.connection,
    token.token,
    attribute.attribute,
    user.user,
    group.group,
    audit.audit,
    simulate.simulate,
    demo.demo,
):
    main.add_command(command)
click.version_option(package_name="meibo", message="%(package)s %(version)s")(main)
