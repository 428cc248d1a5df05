"""The disk under the data directory: when to warn, when to take nothing in, and a reserve for what must be written.

A share alone says little on a big disk, so both limits count only where less than SMALL is free. From then on a reserve
file stands by: a transaction that finds the disk full gives it up and is done again. What brings new data in does not
get it: giving batches up, sending alerts and writing findings do.
"""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from gatewatch.errors import StoreError

log = logging.getLogger(__name__)

SMALL = 4 << 30
"""Bytes free above which a disk is never nearly full, whatever the share."""

RESERVE = 64 << 20
"""Bytes of the reserve file; an eighth of what is free where that is less."""


@dataclass(frozen=True, slots=True)
class Disk:
    """root: the data directory. warn, stop: used shares, 0 to 1, at which to say so and to refuse."""

    root: Path
    warn: float
    stop: float

    @property
    def _reserve(self) -> Path:
        return self.root / "reserve"

    def used(self) -> tuple[float, int]:
        """How full the disk is, 0 to 1, and the bytes free to us."""
        usage = shutil.disk_usage(self.root)
        return usage.used / max(usage.used + usage.free, 1), usage.free

    def require_room(self) -> None:
        """StoreError when there is no room for new data; a warning when it gets scarce. Keeps the reserve."""
        share, free = self.used()
        if free >= SMALL:
            return
        if share >= self.stop:
            raise StoreError(
                f"{self.root}: the disk is {100 * share:.0f} % full; nothing new is taken in from "
                f"{100 * self.stop:.0f} % on; make room, then run the same again"
            )
        self._keep_reserve(free)
        if share >= self.warn:
            log.warning(
                f"{self.root}: the disk is {100 * share:.0f} % full; at {100 * self.stop:.0f} % nothing new is taken in"
            )

    def _keep_reserve(self, free: int) -> None:
        size = min(RESERVE, free // 8)
        try:
            descriptor = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            return  # it is there already; or it cannot be made, and then there is none
        try:
            os.posix_fallocate(descriptor, 0, max(size, 1))
        except OSError:
            self._reserve.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def release(self) -> bool:
        """Give the reserve up; False when there is none."""
        try:
            self._reserve.unlink()
        except OSError:
            return False
        log.warning(f"{self.root}: the disk is full; the reserve was given up for what must be written")
        return True
