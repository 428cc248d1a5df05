"""Arrays that grow to the right and forget on the left: room is made once for many minutes, not for each of them."""

from __future__ import annotations

import numpy as np

from detect.grid import Floats

ROOM = 64
"""Columns that are made room for at a time: an hour."""


class Tape:
    """The last `keep` columns, and whatever was added since somebody looked; rows are along the axis before."""

    def __init__(self, values: Floats) -> None:
        self.keep = values.shape[-1]
        self._all = values
        self._end = self.keep

    def append(self, new: Floats) -> None:
        """Add columns on the right."""
        self._room(new.shape[-1])[...] = new

    def last(self, columns: int) -> Floats:
        """The newest columns, at most `keep` of them older than what was added last; good until the next is added."""
        found: Floats = self._all[..., self._end - columns : self._end]
        return found

    def grow(self, rows: int) -> None:
        """Have so many rows; new ones are 0."""
        more = rows - self._all.shape[-2]
        if more > 0:
            kept = self.last(self.keep)
            self._all = np.concatenate([kept, np.zeros((*kept.shape[:-2], more, self.keep))], axis=-2)
            self._end = self.keep

    def _room(self, many: int) -> Floats:
        """Place for so many columns on the right."""
        if self._end + many > self._all.shape[-1]:
            self._move(many)
        self._end += many
        return self.last(many)

    def _move(self, many: int) -> None:
        kept = self.last(self.keep)
        wide = np.zeros((*kept.shape[:-1], self.keep + max(many, ROOM)))
        wide[..., : self.keep] = kept
        self._all, self._end = wide, self.keep


class Running(Tape):
    """Running sums of what is added. Of whole multiples of a power of two they are exact, wherever they began."""

    def __init__(self, values: Floats) -> None:
        """values: the columns that the first sums are of."""
        super().__init__(np.cumsum(values, axis=-1))

    def add(self, new: Floats) -> None:
        """Add the sums up to each of these columns."""
        place = self._room(new.shape[-1])
        np.cumsum(new, axis=-1, out=place)
        place += self.last(new.shape[-1] + 1)[..., :1]

    def _move(self, many: int) -> None:
        super()._move(many)
        # Only differences are asked for: the numbers stay small for ever.
        kept = self._all[..., : self.keep]
        kept -= kept[..., :1].copy()
