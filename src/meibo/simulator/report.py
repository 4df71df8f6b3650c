"""What a simulation did and found, for a program to judge and for a person to read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

from meibo.scim.schema import Json, JsonObject
from meibo.simulator.client import Answer, Traffic, detail, scim_type
from meibo.simulator.plan import Plan

# Long enough to see a pattern, short enough for a screen. The report object holds all of them.
_LINES_OF_A_KIND = 15
# Details that name a value are all different; beyond so many kinds they are counted together.
_KINDS_OF_REFUSALS = 50

# Status, scimType, whether provoked, detail.
_Kind: TypeAlias = tuple[int, str | None, bool, str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Requests that were refused alike. ``example`` is what the first one wanted to do.

    ``provoked`` refusals are right: the plan asked for a fault, and the server noticed it.
    """

    status: int
    scim_type: str | None
    detail: str
    example: str
    provoked: bool
    count: int = 1


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the server holds otherwise than it was sent."""

    resource: str
    name: str
    path: str
    sent: str
    found: str

    def __str__(self) -> str:
        return f"{self.resource} {self.name}: {self.path} was {self.sent}, is {self.found}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What reading everything back showed.

    ``not_kept`` are paths that the server keeps for nobody, which it may; ``strangers`` counts
    resources that were there before and belong to somebody else, which are left alone.
    """

    users: int
    groups: int
    memberships: int
    differences: tuple[Difference, ...]
    not_kept: tuple[str, ...]
    strangers: int
    seconds: float


@dataclass(slots=True)
class Tally:
    """What has happened so far, counted in what the provider meant to do.

    A user counts once per change: a change of the user name is a rename, whatever else changed
    with it. ``matched`` were there before this run first sent them.
    """

    created: int = 0
    matched: int = 0
    updated: int = 0
    renamed: int = 0
    deactivated: int = 0
    reactivated: int = 0
    deleted: int = 0
    groups_created: int = 0
    groups_matched: int = 0
    groups_renamed: int = 0
    groups_deleted: int = 0
    members_added: int = 0
    members_removed: int = 0
    conflicts_solved: int = 0
    problems: list[str] = field(default_factory=list[str])
    _refusals: dict[_Kind, Refusal] = field(default_factory=dict[_Kind, Refusal], repr=False)

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """All kinds of refusals, the unprovoked first, then the most frequent."""
        return tuple(sorted(self._refusals.values(), key=lambda r: (r.provoked, -r.count)))

    def refuse(self, answer: Answer, example: str, *, provoked: bool = False) -> None:
        """Count a refused request."""
        kind: _Kind = (answer.status, scim_type(answer), provoked, detail(answer))
        if kind not in self._refusals and len(self._refusals) >= _KINDS_OF_REFUSALS:
            kind = (*kind[:3], "various reasons")
        known = self._refusals.get(kind)
        self._refusals[kind] = (
            Refusal(kind[0], kind[1], kind[3], example, provoked)
            if known is None
            else replace(known, count=known.count + 1)
        )

    def problem(self, text: str) -> None:
        """Note something that a right server does not do; the same text is noted once."""
        if text not in self.problems:
            self.problems.append(text)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of ``simulate``.

    ``seconds`` is the time of the synchronisation, without the verification. ``verification`` is
    None when the simulation was ``stopped`` before it, for the reason given there.
    """

    plan: Plan
    company: str
    domain: str
    started_in_cycle: int
    tally: Tally
    traffic: Traffic
    sync_requests: int
    seconds: float
    verification: Verification | None
    stopped: str | None

    @property
    def ok(self) -> bool:
        """Whether all that should have succeeded did, and everything was read back as sent."""
        return (
            self.stopped is None
            and not self.tally.problems
            and all(refusal.provoked for refusal in self.tally.refusals)
            and self.verification is not None
            and not self.verification.differences
        )

    @property
    def requests_per_second(self) -> float:
        """Of the synchronisation."""
        return self.sync_requests / self.seconds if self.seconds else 0.0

    def as_json(self) -> JsonObject:
        """The report for a script; latencies in milliseconds. The token is not in it."""
        tally, traffic, verification = self.tally, self.traffic, self.verification
        return {
            "ok": self.ok,
            "vendor": self.plan.vendor,
            "base_url": self.plan.base_url,
            "seed": self.plan.seed,
            "company": self.company,
            "started_in_cycle": self.started_in_cycle,
            "cycles": self.plan.cycles,
            "users": {
                "created": tally.created,
                "matched": tally.matched,
                "updated": tally.updated,
                "renamed": tally.renamed,
                "deactivated": tally.deactivated,
                "reactivated": tally.reactivated,
                "deleted": tally.deleted,
            },
            "groups": {
                "created": tally.groups_created,
                "matched": tally.groups_matched,
                "renamed": tally.groups_renamed,
                "deleted": tally.groups_deleted,
            },
            "memberships": {"added": tally.members_added, "removed": tally.members_removed},
            "refused": [_refusal_json(refusal) for refusal in tally.refusals],
            "problems": list[Json](tally.problems),
            "requests": traffic.requests,
            "repeated": traffic.repeated,
            "throttled": traffic.throttled,
            "answers_lost_on_purpose": traffic.lost,
            "conflicts_solved": tally.conflicts_solved,
            "seconds": round(self.seconds, 3),
            "requests_per_second": round(self.requests_per_second, 1),
            "latency_ms": {
                "p50": round(traffic.latency(0.5) * 1000, 2),
                "p95": round(traffic.latency(0.95) * 1000, 2),
            },
            "verification": None if verification is None else _verification_json(verification),
            "stopped": self.stopped,
        }


def print_report(report: Report, console: Console) -> None:
    """Write ``report`` for a person."""
    tally, traffic = report.tally, report.traffic
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    cycles = report.plan.cycles
    if report.started_in_cycle > 1:
        table.add_row("resumed", f"in cycle {report.started_in_cycle} of {cycles}")
    else:
        table.add_row("cycles", f"{cycles:,}")
    table.add_row(
        "people",
        _counts(
            (tally.created, "created"),
            (tally.matched, "already there"),
            (tally.updated, "updated"),
            (tally.renamed, "renamed"),
            (tally.deactivated, "deactivated"),
            (tally.reactivated, "came back"),
            (tally.deleted, "deleted"),
        ),
    )
    table.add_row(
        "groups",
        _counts(
            (tally.groups_created, "created"),
            (tally.groups_matched, "already there"),
            (tally.groups_renamed, "renamed"),
            (tally.groups_deleted, "deleted"),
            (tally.members_added, "members added"),
            (tally.members_removed, "members removed"),
        ),
    )
    table.add_row(
        "requests",
        f"{report.sync_requests:,} in {report.seconds:.1f} s = {report.requests_per_second:,.0f}/s"
        f" · median {traffic.latency(0.5) * 1000:.1f} ms"
        f" · 95 of 100 within {traffic.latency(0.95) * 1000:.1f} ms",
    )
    if traffic.repeated or traffic.lost:
        table.add_row(
            "repeated",
            _counts(
                (traffic.repeated, "requests sent again"),
                (traffic.throttled, "asked to slow down (429)"),
                (traffic.lost, "answers lost on purpose"),
                (tally.conflicts_solved, "conflicts solved by a look-up"),
            ),
        )
    refusals = tally.refusals
    for index, refusal in enumerate(refusals[:_LINES_OF_A_KIND]):
        table.add_row("refused" if index == 0 else "", _refusal_text(refusal))
    if len(refusals) > _LINES_OF_A_KIND:
        table.add_row("", f"... and {len(refusals) - _LINES_OF_A_KIND:,} more kinds")
    _add_lines(table, "problems", tally.problems)
    _add_verification(table, report)
    console.print(
        Text(f"{report.plan.label} · {report.company} · {report.domain}", style="bold"),
        Text(report.plan.base_url, style="dim"),
        sep="\n",
        highlight=False,
    )
    console.print(table, highlight=False)


def _add_verification(table: Table, report: Report) -> None:
    if report.stopped is not None:
        table.add_row("stopped", Text(report.stopped, style="red"))
        table.add_row("", "Run the same command again to resume.")
    verification = report.verification
    if verification is None:
        return
    held = (
        f"{verification.users:,} people, {verification.groups:,} groups, "
        f"{verification.memberships:,} memberships"
    )
    if verification.differences:
        count = len(verification.differences)
        table.add_row("verified", Text(f"{count:,} differences in {held}", style="red"))
        _add_lines(table, "", [str(difference) for difference in verification.differences])
    else:
        table.add_row(
            "verified", Text(f"the directory holds exactly what was sent: {held}", style="green")
        )
    if verification.not_kept:
        names = ", ".join(path.rpartition(":")[2] for path in verification.not_kept)
        table.add_row("not kept", Text(f"{names} (the server may leave them out)"))
    if verification.strangers:
        table.add_row("others", f"{verification.strangers:,} were there before, not ours")


def _add_lines(table: Table, label: str, lines: Sequence[str]) -> None:
    for index, line in enumerate(lines[:_LINES_OF_A_KIND]):
        table.add_row(label if index == 0 else "", Text(line, style="red"))
    if len(lines) > _LINES_OF_A_KIND:
        table.add_row("", f"... and {len(lines) - _LINES_OF_A_KIND:,} more")


def _counts(*counts: tuple[int, str]) -> str:
    return " · ".join(f"{count:,} {what}" for count, what in counts if count) or "nothing"


def _refusal_text(refusal: Refusal) -> Text:
    kind = f" {refusal.scim_type}" if refusal.scim_type else ""
    why = "provoked" if refusal.provoked else "unexpected"
    return Text(
        f"{refusal.count:,} × {refusal.status}{kind}, {why}: {refusal.detail} ({refusal.example})",
        style="" if refusal.provoked else "red",
    )


def _refusal_json(refusal: Refusal) -> JsonObject:
    return {
        "status": refusal.status,
        "scimType": refusal.scim_type,
        "detail": refusal.detail,
        "example": refusal.example,
        "provoked": refusal.provoked,
        "count": refusal.count,
    }


def _verification_json(verification: Verification) -> JsonObject:
    return {
        "users": verification.users,
        "groups": verification.groups,
        "memberships": verification.memberships,
        "differences": _texts(verification.differences),
        "not_kept": _texts(verification.not_kept),
        "strangers": verification.strangers,
        "seconds": round(verification.seconds, 3),
    }


def _texts(values: Iterable[object]) -> list[Json]:
    return [str(value) for value in values]
