"""How far a simulation is: a bar on a terminal, plain lines anywhere else."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as RichProgress

# A line this often is enough for a log, and tells a person that it still moves.
_SECONDS_BETWEEN_LINES = 5.0


class Step(Protocol):
    """One part of the work, with a known number of things to do."""

    def advance(self) -> None:
        """One more is done."""
        ...

    def end(self) -> None:
        """All are done, or no more will be."""
        ...


class Progress(Protocol):
    """Where a simulation tells how far it is. Several simulations may share one."""

    def begin(self, title: str, total: int) -> Step:
        """Announce a part of the work with ``total`` things to do."""
        ...

    def say(self, line: str) -> None:
        """Tell one event, such as a server that does not answer."""
        ...


class NoProgress:
    """Tells nothing."""

    def begin(self, title: str, total: int) -> Step:
        return self

    def say(self, line: str) -> None:
        return None

    def advance(self) -> None:
        return None

    def end(self) -> None:
        return None


@contextmanager
def open_progress(console: Console) -> Generator[Progress]:
    """A progress that suits ``console``, for as long as the context lasts."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    with RichProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as bars:
        yield _Bars(bars)


class _Bars:
    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars

    def begin(self, title: str, total: int) -> Step:
        return _Bar(self._bars, title, self._bars.add_task(escape(title), total=total), total)

    def say(self, line: str) -> None:
        _plain(self._bars.console, line)


class _Bar:
    def __init__(self, bars: RichProgress, title: str, task: TaskID, total: int) -> None:
        self._bars, self._title, self._task, self._total = bars, title, task, total
        self._done = 0

    def advance(self) -> None:
        self._done += 1
        self._bars.advance(self._task)

    def end(self) -> None:
        # What is done leaves the bars and stays as a line above them.
        self._bars.remove_task(self._task)
        _plain(self._bars.console, _ended(self._title, self._done, self._total))


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console

    def begin(self, title: str, total: int) -> Step:
        return _Line(self._console, title, total)

    def say(self, line: str) -> None:
        _plain(self._console, line)


class _Line:
    def __init__(self, console: Console, title: str, total: int) -> None:
        self._console, self._title, self._total = console, title, total
        self._done = 0
        self._last_line = time.monotonic()

    def advance(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            _plain(self._console, f"{self._title}: {self._done:,} of {self._total:,}")

    def end(self) -> None:
        _plain(self._console, _ended(self._title, self._done, self._total))


def _ended(title: str, done: int, total: int) -> str:
    return f"{title}: {total:,}" if done == total else f"{title}: only {done:,} of {total:,}"


def _plain(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
