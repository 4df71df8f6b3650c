"""``meibo demo``: two identity providers fill a new directory while one watches."""

import asyncio
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click
import httpx
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from meibo import clock, config
from meibo.access import tenants, tokens
from meibo.access.tenants import DEFAULT_TENANT
from meibo.cli import options
from meibo.cli.command import Command, Failure, NoDatabase
from meibo.cli.opening import actor, in_database, make_private, reading
from meibo.cli.output import visible
from meibo.cli.resources import Wanted, find_groups, find_users, text_of
from meibo.cli.simulate import console
from meibo.directory import attributes
from meibo.scim import urns
from meibo.simulator import (
    ALL_FAULTS,
    LABELS,
    Plan,
    Report,
    open_progress,
    print_report,
    simulate,
)
from meibo.simulator import Vendor as Played
from meibo.storage.database import Database, Transaction
from meibo.storage.errors import DatabaseUnavailable
from meibo.storage.sqlite import serving_lock
from meibo.storage.tenants import Tenant

CUSTOM_ATTRIBUTE = "costCenterCode"
_CUSTOM_FILTER = f"{urns.CUSTOM_USER}:{CUSTOM_ATTRIBUTE} pr"
CYCLES = 3
ENTRA_SHARE = 0.6
START_SECONDS = 30.0
STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo takes place."""

    directory: Path
    port: int
    users: int
    groups: int

    @property
    def file(self) -> Path:
        """The database, under a name that no other database of Meibo's has."""
        return self.directory / "demo.sqlite3"

    @property
    def database(self) -> str:
        return f"sqlite:///{self.file}"

    @property
    def url(self) -> str:
        return config.local_url(config.DEFAULT_HOST, self.port)

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.directory / "demo.log"

    def shares(self) -> dict[Played, tuple[int, int]]:
        """People and groups of each identity provider."""
        users = max(1, min(self.users - 1, round(self.users * ENTRA_SHARE)))
        groups = round(self.groups * ENTRA_SHARE)
        return {
            "entra": (users, groups),
            "okta": (self.users - users, self.groups - groups),
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the two identity providers report, and how the server stood it."""

    reports: tuple[Report, ...]
    seconds: float
    server_kib: int | None

    @property
    def ok(self) -> bool:
        return all(report.ok for report in self.reports)


@click.command(cls=Command, example="meibo demo --users 500 --exit")
@click.option(
    "--port", type=options.PORT, show_default="8080, or a free one", help="The server's port."
)
@click.option(
    "--users",
    type=click.IntRange(2, 100_000),
    default=500,
    show_default=True,
    help="People of both identity providers.",
)
@click.option(
    "--groups",
    type=click.IntRange(0, 10_000),
    default=25,
    show_default=True,
    help="Groups of both identity providers.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    show_default="demo in the user's data directory",
    help="Where demo.sqlite3 is, the demo's database; one of an earlier demo is deleted.",
)
@click.option("--exit", "exit_", is_flag=True, help="Stop when the synchronisation is done.")
def demo(port: int | None, users: int, groups: int, directory: Path | None, exit_: bool) -> None:
    """Watch Entra ID and Okta fill a new directory on an embedded database.

    Two companies arrive, people join, move, marry and leave, and everything is read back at the
    end. The server stays up until Ctrl-C, to look around.
    """
    out = console()
    where = directory or config.data_directory(os.environ) / "demo"
    stage = Stage(where.absolute(), port or _free_port(), users, groups)
    with _alone(stage):
        _clear(stage)
        issued = _set_up(stage)
    _introduce(out, stage)
    with _serving(stage) as server:
        outcome = _play(out, stage, issued, server.pid)
        _summarise(out, stage, outcome)
        if not exit_:
            _wait(out, stage, server)
    if not outcome.ok:
        raise Failure("not all is well: see above")


@contextmanager
def _alone(stage: Stage) -> Generator[None]:
    """Makes the folder, and sees to it that no server uses the database there.

    The file of the lock stays: a process that waits for one that was deleted waits for nobody.

    Raises:
        NoDatabase: another demo is running there.
    """
    with ExitStack() as held:
        try:
            make_private(stage.directory)
            held.enter_context(serving_lock(stage.file))
        except DatabaseUnavailable as error:
            raise NoDatabase(
                f"another demo is running in {stage.directory}: stop it, or name another"
                " --directory"
            ) from error
        except OSError as error:
            raise Failure(f"{stage.directory} cannot be used: {error.strerror}") from error
        yield


def _clear(stage: Stage) -> None:
    """Deletes an earlier demo's files, nothing else that may be there."""
    log = stage.file.with_name("demo-log.sqlite3")
    for file in (*_parts(stage.file), *_parts(log), stage.log):
        file.unlink(missing_ok=True)


def _parts(database: Path) -> list[Path]:
    """An SQLite database's file, and those that SQLite keeps beside it."""
    return [database.with_name(database.name + suffix) for suffix in ("", "-wal", "-shm")]


def _set_up(stage: Stage) -> dict[Played, str]:
    """Makes the database, the custom attribute, and a connection with a token for each."""

    async def work(database: Database) -> dict[Played, str]:
        async def add(tx: Transaction) -> None:
            of = await tenants.find(tx, DEFAULT_TENANT)
            await attributes.add(tx, of.id, CUSTOM_ATTRIBUTE, "text", by=actor(), now=clock.now())

        async def generate(tx: Transaction, vendor: Played) -> str:
            of = await tenants.find(tx, DEFAULT_TENANT)
            issued = await tokens.generate(
                tx, of.id, vendor=vendor, description="meibo demo", by=actor(), now=clock.now()
            )
            return issued.secret.text

        await database.write(add)
        return {
            vendor: await database.write(lambda tx, vendor=vendor: generate(tx, vendor))
            for vendor in stage.shares()
        }

    return in_database(stage.database, work)


@contextmanager
def _serving(stage: Stage) -> Generator[subprocess.Popen[bytes]]:
    """``meibo serve`` in a process of its own, for as long as the context lasts."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + signal.SIGTERM)  # so that the server is stopped below

    before = signal.signal(signal.SIGTERM, stop)
    with stage.log.open("wb") as log:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "meibo", "serve"),
                *("--database", stage.database),
                *("--host", config.DEFAULT_HOST),
                *("--port", str(stage.port)),
                *("--public-url", stage.url),
                *("--workers", "1"),
                *("--rate-limit", "off"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_ready(stage, server)
        yield server
    finally:
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        signal.signal(signal.SIGTERM, before)


def _wait_until_ready(stage: Stage, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(trust_env=False, timeout=2) as client:
        while time.monotonic() < deadline and server.poll() is None:
            try:
                if client.get(f"{stage.url}/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
    said = stage.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    raise Failure(f"the server did not start: {visible(said[-1]) if said else stage.log}")


def _play(out: Console, stage: Stage, issued: dict[Played, str], server_pid: int) -> Outcome:
    plans = [
        Plan(
            vendor=vendor,
            base_url=f"{stage.url}/scim/v2",
            token=issued[vendor],
            users=users,
            groups=groups,
            cycles=CYCLES,
            faults=ALL_FAULTS,
            patience_seconds=20,
        )
        for vendor, (users, groups) in stage.shares().items()
    ]

    async def both() -> list[Report]:
        with open_progress(out) as progress:
            return await asyncio.gather(*(simulate(plan, progress) for plan in plans))

    began = time.monotonic()
    reports = asyncio.run(both())
    return Outcome(tuple(reports), time.monotonic() - began, _resident_kib(server_pid))


def _introduce(out: Console, stage: Stage) -> None:
    shares = stage.shares()
    out.print(
        Panel(
            Text.assemble(
                ("Meibo 名簿\n", "bold"),
                f"A new directory in {stage.directory}\nServed at {stage.url}\n\n",
                "Two companies are about to arrive:\n",
                *(
                    f"  {LABELS[vendor]}: {people:,} people, {groups:,} groups\n"
                    for vendor, (people, groups) in shares.items()
                ),
                "Then people join, move, marry and leave. A few requests go wrong\n",
                "on purpose. At the end everything is read back and compared.",
            ),
            expand=False,
        )
    )


def _summarise(out: Console, stage: Stage, outcome: Outcome) -> None:
    for report in outcome.reports:
        out.print()
        print_report(report, out)
    out.print()
    out.print(_holdings(stage, outcome))
    out.print()
    if outcome.ok:
        out.print(Text("All is well: the directory holds exactly what was sent.", "bold green"))
    else:
        out.print(Text("Not all is well: see what is red above.", "bold red"))
    out.print()
    _how_to_look_further(out, stage)


def _holdings(stage: Stage, outcome: Outcome) -> Table:
    """What the directory itself says that it holds, and how fast it was."""

    async def count(tx: Transaction, of: Tenant) -> tuple[int, int, int, int]:
        people = await find_users(tx, of.id, Wanted())
        groups = await find_groups(tx, of.id, Wanted(), with_members=False)
        inactive = sum(each.resource.get("active") is not True for each in people)
        return len(people), inactive, len(groups), sum(each.members for each in groups)

    people, inactive, groups, memberships = reading(stage.database, DEFAULT_TENANT, count)
    requests = sum(report.traffic.requests for report in outcome.reports)
    busy = max((report.seconds for report in outcome.reports), default=0.0)
    synchronised = sum(report.sync_requests for report in outcome.reports)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    table.add_row(
        "the directory",
        f"{people:,} people ({inactive:,} inactive) · {groups:,} groups ·"
        f" {memberships:,} memberships",
    )
    speed = f"{synchronised / busy:,.0f}/s while both synchronised" if busy else ""
    table.add_row("requests", f"{requests:,} in {outcome.seconds:.1f} s · {speed}")
    if outcome.server_kib is not None:
        table.add_row("the server", f"{outcome.server_kib / 1024:,.0f} MiB of memory")
    size = sum(file.stat().st_size for file in stage.directory.glob("demo*.sqlite3*"))
    table.add_row("on disk", f"{size / 1024**2:,.1f} MiB in {stage.directory}")
    return table


def _how_to_look_further(out: Console, stage: Stage) -> None:
    async def somebody(tx: Transaction, of: Tenant) -> str:
        people = await find_users(tx, of.id, Wanted("active eq false"))
        people = people or await find_users(tx, of.id, Wanted())
        return text_of(people[0].resource, "userName") if people else "..."

    name = reading(stage.database, DEFAULT_TENANT, somebody)
    meibo = _program()
    commands = {
        "": f"export MEIBO_DATABASE={shlex.quote(stage.database)}",
        "people": f"{meibo} user list --filter {shlex.quote('active eq false')}",
        "one of them": f"{meibo} user show {shlex.quote(name)}",
        "groups": f"{meibo} group list",
        "custom attribute": f"{meibo} user list --filter {shlex.quote(_CUSTOM_FILTER)} --json",
        "connections": f"{meibo} connection show entra",
        "who did what": f"{meibo} audit list",
        "the server": f"tail {shlex.quote(str(stage.log))}",
    }
    out.print(Text("To look further:", "bold"))
    for label, line in commands.items():
        # A command is one line, however narrow the terminal: it is there to be copied.
        out.print(Text(f"  {line}"), Text(f"  # {label}" if label else "", "dim"), soft_wrap=True)


def _wait(out: Console, stage: Stage, server: "subprocess.Popen[bytes]") -> None:
    out.print()
    out.print(f"The server stays up at {stage.url} until Ctrl-C.")
    try:
        server.wait()
    except KeyboardInterrupt:
        out.print("Stopped. The data stays where it is.")
    else:
        raise Failure(f"the server has ended: see {stage.log}")


def _free_port() -> int:
    """The usual port if nobody has it, else any."""
    for port in (config.DEFAULT_PORT, 0):
        try:
            with socket.create_server((config.DEFAULT_HOST, port)) as listening:
                return int(listening.getsockname()[1])
        except OSError:
            continue
    raise Failure("there is no free port on this machine")


def _resident_kib(pid: int) -> int | None:
    """The memory that a process occupies, where the system tells it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    found = re.search(r"^VmRSS:\s+([0-9]+) kB$", status, re.MULTILINE)
    return None if found is None else int(found[1])


def _program() -> str:
    """How the user calls this program."""
    called = Path(sys.argv[0])
    found = shutil.which("meibo")
    if called.name != "meibo" or (found is not None and Path(found).resolve() == called.resolve()):
        return "meibo"
    return shlex.quote(os.path.relpath(called))
