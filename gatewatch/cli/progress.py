"""How far it is: a bar on a terminal, plain lines otherwise. Both go to stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol, Self

from gatewatch.cli.terminal import console, stderr_line, unicode_wanted

LINE_SECONDS = 10.0
"""Seconds between two plain progress lines: enough to see life in a log, not enough to fill it."""


class Reporter(Protocol):
    """The ingest room's Progress, closed by leaving the `with` block."""

    def total(self, size: int) -> None: ...
    def advance(self, size: int, lines: int, accepted: int) -> None: ...
    def note(self, text: str) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Counter:
    """What both kinds count. Clock: monotonic seconds."""

    def __init__(self, verb: str) -> None:
        self.verb = verb
        self.size = 0
        self.done = 0
        self.lines = 0
        self.accepted = 0
        self.began = time.monotonic()

    def total(self, size: int) -> None:
        self.size += size

    def advance(self, size: int, lines: int, accepted: int) -> None:
        self.done += size
        self.lines += lines
        self.accepted += accepted

    def note(self, text: str) -> None:
        stderr_line(text)

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def seconds(self) -> float:
        return max(time.monotonic() - self.began, 1e-6)

    def words(self) -> str:
        """`1,250,000 lines, 610,000/s, 99.98 % accepted, 0:00:12 left`."""
        share = 100 * self.accepted / self.lines if self.lines else 100.0
        # 99.996 must not read as "100 %": a person would think that nothing was refused
        share = min(share, 99.99) if self.accepted < self.lines else share
        text = f"{self.lines:,} lines, {self.lines / self.seconds:,.0f}/s, {share:.4g} % accepted"
        if 0 < self.done < self.size:
            left = self.seconds * (self.size - self.done) / self.done
            text += f", {_clock(left)} left"
        return text


class Silent(Counter):
    """Counts and says nothing."""

    def note(self, text: str) -> None:
        del text


class Lines(Counter):
    """One line every few seconds, for logs and CI."""

    def __init__(self, verb: str) -> None:
        super().__init__(verb)
        self._spoken = self.began

    def advance(self, size: int, lines: int, accepted: int) -> None:
        super().advance(size, lines, accepted)
        now = time.monotonic()
        if now - self._spoken >= LINE_SECONDS:
            self._spoken = now
            share = f"{min(100 * self.done / self.size, 100):.0f} %, " if self.size else ""
            stderr_line(f"{self.verb}: {share}{self.words()}")


class Bar(Counter):
    """A bar with lines, rate, accepted share and time left."""

    def __init__(self, verb: str, colour: str) -> None:
        super().__init__(verb)
        from rich.progress import BarColumn, Progress, TextColumn

        ascii_only = not unicode_wanted(sys.stderr)
        columns = [TextColumn("{task.description}", markup=False)]
        bar = [] if ascii_only else [BarColumn(bar_width=24)]
        self._progress = Progress(
            *columns,
            *bar,
            TextColumn("{task.percentage:>3.0f} %", markup=False),
            TextColumn("{task.fields[words]}", markup=False),
            console=console(sys.stderr, colour=colour),
            transient=True,
        )
        self._task = self._progress.add_task(verb, total=None, words="")
        self._progress.start()

    def total(self, size: int) -> None:
        super().total(size)
        self._progress.update(self._task, total=self.size)

    def advance(self, size: int, lines: int, accepted: int) -> None:
        super().advance(size, lines, accepted)
        self._progress.update(self._task, completed=self.done, words=self.words())

    def note(self, text: str) -> None:
        from gatewatch.cli.terminal import safe

        self._progress.console.print(safe(text))

    def close(self) -> None:
        self._progress.stop()


def reporter(verb: str, *, quiet: bool, bar: bool, colour: str) -> Reporter:
    if quiet:
        return Silent(verb)
    if bar and sys.stderr.isatty():
        return Bar(verb, colour)
    return Lines(verb)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
