"""``meibo simulate``: a pretended Entra ID or Okta, for any SCIM server that one runs."""

import asyncio
from pathlib import Path
from typing import Any, get_args

import click
from rich.console import Console

from meibo.cli import options
from meibo.cli.command import Command, Failure, WrongSetting
from meibo.cli.output import print_json
from meibo.simulator import (
    ALL_FAULTS,
    Fault,
    Plan,
    Vendor,
    is_loopback,
    open_progress,
    print_report,
)
from meibo.simulator import (
    simulate as run,
)

PLAIN_WIDTH = 120  # of lines that no terminal shows


class Faults(click.ParamType[frozenset[Fault]]):
    """A list of faults with commas, or ``all``."""

    name = "faults"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> frozenset[Fault]:
        if not isinstance(value, str):
            return value
        if value == "all":
            return ALL_FAULTS
        named = frozenset(value.split(",")) - {""}
        unknown = sorted(named - ALL_FAULTS)
        if unknown:
            known = ", ".join(sorted(ALL_FAULTS))
            self.fail(f"there is no fault {unknown[0]!r}; there are {known}", param, ctx)
        return frozenset(fault for fault in ALL_FAULTS if fault in named)


@click.command(
    cls=Command,
    example="meibo simulate entra --base-url http://127.0.0.1:8080/scim/v2 --token meibo_scim_...",
)
@click.argument("idp", type=click.Choice(get_args(Vendor)))
@click.option("--base-url", metavar="URL", required=True, help="The SCIM base URL of the server.")
@click.option("--token", metavar="TOKEN", required=True, help="The bearer token to send.")
@click.option(
    "--users",
    type=click.IntRange(1, 100_000),
    default=500,
    show_default=True,
    help="People in the first cycle.",
)
@click.option(
    "--groups",
    type=click.IntRange(0, 10_000),
    default=25,
    show_default=True,
    help="Groups in the first cycle.",
)
@click.option(
    "--cycles",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="The first synchronisation, and how many rounds of changes after it less one.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Another seed is another company."
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    help="Requests under way at once.",
)
@click.option(
    "--faults",
    metavar="LIST",
    type=Faults(),
    default="",
    show_default="none",
    help=f"What goes wrong on purpose: {', '.join(sorted(ALL_FAULTS))}, or all.",
)
@click.option(
    "--state-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Remembers how far it came, so that the same command resumes after a crash.",
)
@click.option(
    "--yes-really",
    is_flag=True,
    help="Send made-up people to a server that is not on this machine.",
)
@options.as_json
def simulate(
    idp: Vendor,
    base_url: str,
    token: str,
    users: int,
    groups: int,
    cycles: int,
    seed: int,
    concurrency: int,
    faults: frozenset[Fault],
    state_file: Path | None,
    yes_really: bool,
    as_json: bool,
) -> None:
    """Behave as the provisioning service of an identity provider, and check what comes of it.

    A made-up company is pushed to the server, changes for some cycles, and is read back at the end:
    the command succeeds only if the server holds exactly what was sent.
    """
    if not is_loopback(base_url) and not yes_really:
        raise Failure(
            f"{base_url} is not on this machine: say --yes-really if you run that server and want"
            " made-up people in it"
        )
    try:
        plan = Plan(
            vendor=idp,
            base_url=base_url,
            token=token,
            users=users,
            groups=groups,
            cycles=cycles,
            seed=seed,
            concurrency=concurrency,
            faults=faults,
            state_file=state_file,
        )
    except ValueError as error:
        raise WrongSetting(str(error)) from error
    with open_progress(console(stderr=True)) as progress:
        try:
            report = asyncio.run(run(plan, progress))
        except ValueError as error:  # the state file is another simulation's
            raise Failure(str(error)) from error
    if as_json:
        print_json(report.as_json())
    else:
        print_report(report, console())
    if not report.ok:
        raise Failure("not all is well: see above")


def console(*, stderr: bool = False) -> Console:
    """Where rich writes: as wide as the terminal, and wide enough without one."""
    found = Console(stderr=stderr, highlight=False)
    return (
        found if found.is_terminal else Console(stderr=stderr, highlight=False, width=PLAIN_WIDTH)
    )
