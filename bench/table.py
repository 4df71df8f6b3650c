"""The table as text, in Markdown so that it can be pasted, and as JSON."""

from collections.abc import Sequence

from bench.rows import Row

HEAD = (
    *("what", "server", "measured", "p50 ms", "p99 ms", "CPU µs", "of it database"),
    *("by requests/s", "by CPU", "bar", "verdict"),
)
# Of the columns that hold no text.
RIGHT = frozenset(range(2, 9))


def render(rows: Sequence[Row]) -> str:
    """The whole table, its columns aligned, and the remarks beneath it."""
    lines = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(HEAD))]
    rule = tuple(
        "-" * (width - 1) + (":" if at in RIGHT else "-") for at, width in enumerate(widths)
    )
    text = [_line(line, widths) for line in (HEAD, rule, *lines[1:])]
    remarks = [f"- {row.subject}, {row.server}: {row.remark}" for row in rows if row.remark]
    return "\n".join([*text, *(["", *remarks] if remarks else []), "", _summary(rows)])


def _cells(row: Row) -> tuple[str, ...]:
    run = row.run
    if run is None:
        measured = ("" if row.megabytes is None else f"{row.megabytes:.1f} MB", "", "", "", "")
    else:
        measured = (
            f"{run.rate:,.0f}/s",
            f"{run.p50_ms:.2f}",
            f"{run.p99_ms:.2f}",
            _microseconds(run.cpu_ms),
            _microseconds(run.database_ms),
        )
    by_cpu = _compared(row, row.by_cpu)
    if row.by_own_cpu is not None:
        by_cpu += f" ({_compared(row, row.by_own_cpu)})"
    compared = (_compared(row, row.by_rate), by_cpu)
    return (row.subject, row.server, *measured, *compared, row.bar, row.verdict)


def _microseconds(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds * 1e3:,.0f}"


def _compared(row: Row, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0%}" if row.comparison == "share" else f"{value:.2f} ×"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if at in RIGHT else cell.ljust(width)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"


def _summary(rows: Sequence[Row]) -> str:
    barred = [row for row in rows if row.bar]
    missed = [f"{row.subject} ({row.server})" for row in barred if row.is_missed]
    told = f"{len(barred) - len(missed)} of {len(barred)} bars met."
    return f"{told} Missed: {'; '.join(missed)}." if missed else told
