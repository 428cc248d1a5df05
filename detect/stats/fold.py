"""What every statistic is: a fold over minutes, of many series at once, with arrays as its state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

import numpy as np

from detect import codec
from detect.grid import Floats
from gatewatch.records import JSON
from gatewatch.registry import Registry


class Fold:
    """State: the arrays of `fields` (name -> columns), a row a series. Rows are only added.

    unit: of what `step` returns; "nats": -ln of how likely a calm series gets as high. inputs: the arrays that `step`
    takes by name. warmup: minutes of a series before it returns anything but NaN.
    """

    fields: ClassVar[Mapping[str, int]] = {}
    unit: ClassVar[str] = "nats"
    inputs: ClassVar[tuple[str, ...]] = ("counts", "mean")
    warmup: ClassVar[int] = 0

    def __init__(self) -> None:
        for name, columns in self.fields.items():
            setattr(self, name, np.zeros((0, columns)))

    def grow(self, rows: int) -> None:
        """Have at least so many rows; new ones know nothing."""
        for name in self.fields:
            old = getattr(self, name)
            if rows > len(old):
                setattr(self, name, np.concatenate([old, np.zeros((rows - len(old), old.shape[1]))]))

    def dump(self) -> JSON:
        return {name: codec.pack(getattr(self, name)) for name in self.fields}

    def load(self, state: JSON) -> None:
        for name in self.fields:
            setattr(self, name, codec.unpack(cast(dict[str, JSON], state)[name]))

    def step(self, start: int, **inputs: Floats) -> Floats:
        """Take the minutes from `start` on (minutes since the epoch), arrays (series, minutes), NaN: not known.

        Returns the same shape in `unit`: high is strange, NaN is "cannot tell (yet)". Nothing looks ahead, and any cut
        into calls gives the same.
        """
        raise NotImplementedError


STATISTICS: Registry[type[Fold]] = Registry("detect.stats")
statistic = STATISTICS.register
