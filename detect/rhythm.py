"""How a caller goes on after it was refused, by the seconds of the minute in which it was: CLIENTS.seconds.

Refusals on every second of a burst, several in each, are a caller that knocks again at once. A caller that waits longer
each time leaves few of them, on seconds apart, and then nothing for minutes. A batch that is too large leaves all of
them within a second or two.
"""

from __future__ import annotations

from dataclasses import dataclass

ALL = (1 << 60) - 1


@dataclass(slots=True)
class Rhythm:
    """minutes: with refusals. seconds: with refusals; joint: those that follow right after another one. n: refusals."""

    minutes: int = 0
    seconds: int = 0
    joint: int = 0
    n: int = 0

    def add(self, mask: int, n: int) -> None:
        """A minute's refusals of the caller; mask: its seconds, 0 when they are not known."""
        self.minutes += 1
        self.seconds += mask.bit_count()
        self.joint += (mask & (mask << 1) & ALL).bit_count()
        self.n += n

    @property
    def knocks(self) -> bool:
        """Comes again at once, and again: runs of seconds with several refusals in each."""
        runs = self.seconds >= 2.5 * self.minutes > 0 and self.joint >= 0.6 * self.seconds
        return runs and self.n >= 4 * self.seconds

    def waits(self, minutes: int) -> bool:
        """Comes again after a second or more, a few times, and stays away for most of the `minutes`."""
        few = self.n <= 6 * self.seconds and 1.8 * self.minutes <= self.seconds <= 8 * self.minutes
        return few and self.seconds > 0 and self.minutes <= max(0.4 * minutes, 1)

    def to_json(self) -> list[int]:
        return [self.minutes, self.seconds, self.joint, self.n]
