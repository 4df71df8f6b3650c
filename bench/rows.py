"""The rows of the table: what was measured, what it is compared with, and whether that is enough.

A bar is met when it is met by requests/s or by the server's processor time for each request: the
first depends on what else the machine does, the second hardly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.load import Run
from bench.plan import ENGINE_LABELS, MOST_GROWTH_MB, MOST_MEMORY_MB, MOST_RATIO, Engine, Shared

Criterion = Literal["requests/s", "CPU", "rate", "size"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        comparison: "share" of the bare server's speed, "ratio" to the fastest size, or none;
            ``by_rate`` and ``by_cpu`` are its two values, ``by_own_cpu`` a third where a database
            has a server of its own, whose processor time it leaves out.
        bar: what is asked for, "" where the row only informs.
        met_by: by what the bar is met; () when it is missed or there is none.
        megabytes: what a row about memory has instead of a run.
    """

    name: str
    subject: str
    server: str
    run: Run | None = None
    megabytes: float | None = None
    comparison: Literal["share", "ratio", ""] = ""
    by_rate: float | None = None
    by_cpu: float | None = None
    by_own_cpu: float | None = None
    bar: str = ""
    met_by: tuple[Criterion, ...] = ()

    @property
    def is_missed(self) -> bool:
        return bool(self.bar) and not self.met_by

    @property
    def verdict(self) -> str:
        if not self.bar:
            return ""
        return f"met by {', '.join(self.met_by)}" if self.met_by else "MISSED"

    @property
    def remark(self) -> str:
        """What makes the row less than it seems, or ""."""
        if self.run is None:
            return ""
        remarks: list[str] = []
        if self.run.failures:
            remarks.append(f"{self.run.failures} WRONG ANSWERS: {self.run.sample}")
        if self.run.is_driver_bound:
            remarks.append("the driver is the bottleneck")
        return "; ".join(remarks)


def compare_with_bare(shared: Shared, bare: Run, runs: dict[Engine, Run]) -> list[Row]:
    """A row for the bare server and one for each engine."""
    rows = [Row(shared.name, shared.subject, "bare", bare)]
    for engine, run in runs.items():
        by_rate = run.rate / bare.rate
        by_cpu = _ratio(bare.cpu_ms, run.cpu_ms)
        share, rate = shared.shares.get(engine), shared.rates.get(engine)
        met: list[Criterion] = []
        if share is not None:
            if by_rate >= share:
                met.append("requests/s")
            if by_cpu is not None and by_cpu >= share:
                met.append("CPU")
        if rate is not None and run.rate >= rate:
            met.append("rate")
        bar = [
            *([f"≥ {share:.0%} of bare"] if share is not None else []),
            *([f"≥ {rate:,.0f}/s"] if rate is not None else []),
        ]
        rows.append(
            Row(
                shared.name,
                shared.subject,
                ENGINE_LABELS[engine],
                run,
                comparison="share",
                by_rate=by_rate,
                by_cpu=by_cpu,
                by_own_cpu=_ratio(bare.cpu_ms, run.own_cpu_ms) if run.database_ms else None,
                bar=" or ".join(bar),
                met_by=tuple(met),
            )
        )
    return rows


def compare_sizes(
    name: str, subjects: Sequence[str], engine: Engine, runs: Sequence[Run], *, informs: bool
) -> list[Row]:
    """A row for each size, compared with the fastest of them."""
    best_rate = max(run.rate for run in runs)
    least_cpu = min((run.cpu_ms for run in runs if run.cpu_ms), default=None)
    rows: list[Row] = []
    for subject, run in zip(subjects, runs, strict=True):
        by_rate = best_rate / run.rate
        by_cpu = _ratio(run.cpu_ms, least_cpu)
        met: list[Criterion] = ["requests/s"] if by_rate <= MOST_RATIO else []
        if by_cpu is not None and by_cpu <= MOST_RATIO:
            met.append("CPU")
        rows.append(
            Row(
                name,
                subject,
                ENGINE_LABELS[engine],
                run,
                comparison="ratio",
                by_rate=by_rate,
                by_cpu=by_cpu,
                bar="" if informs else f"≤ {MOST_RATIO} × fastest",
                met_by=() if informs else tuple(met),
            )
        )
    return rows


def judge_memory(
    engine: Engine, users: int, *, filled: float, peak: float, growth: float, requests: int
) -> list[Row]:
    """Rows about resident memory, given in MB."""

    def row(subject: str, megabytes: float, most: float) -> Row:
        return Row(
            "memory",
            subject,
            ENGINE_LABELS[engine],
            megabytes=megabytes,
            bar=f"< {most:.0f} MB",
            met_by=("size",) if megabytes < most else (),
        )

    return [
        row(f"memory, {users:,} users filled", filled, MOST_MEMORY_MB),
        row("memory, peak under load", peak, MOST_MEMORY_MB),
        row(f"growth over {requests:,} requests", growth, MOST_GROWTH_MB),
    ]


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above and below else None
