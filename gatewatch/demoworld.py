"""The demo's world: written as logs of a week, read into a store, and looked at; and taken out of a store again.

`gatewatch demo` makes it in a folder of its own, the first page of an empty installation in the data directory.
"""

from __future__ import annotations

import os
import shutil
import time
from datetime import datetime
from pathlib import Path

from gatewatch.errors import UsageError
from gatewatch.ingesting import IngestResult, ingest_paths
from gatewatch.jobs import held, tick
from gatewatch.settings import Settings
from gatewatch.simulate.model import MINUTE_MS
from gatewatch.simulate.model import Settings as World
from gatewatch.simulate.write import write_world
from gatewatch.store.connections import connections
from gatewatch.store.findings import FindingFilter, count_findings
from gatewatch.store.forgetting import forget_all
from gatewatch.store.sources import accounting
from gatewatch.store.state import State
from gatewatch.surroundings import keep
from ingest.changes import read_changes
from ingest.documents import read_inventory
from ingest.metrics import read_metrics
from ingest.scan import Progress
from ingest.traces import read_traces

APIS, DAYS, RATE, SEED = 9, 7.0, 1.0, 7
PATIENCE_S = 60.0
LABELS = "labels-of-the-demo-world.json"
"""In the data directory, as long as the world is in the store."""

SOURCE = "demo world"
"""The name of its lines in an installation that is not only a demo."""


def world(now: datetime, *, days: float = DAYS, rate: float = RATE, seed: int = SEED) -> World:
    """It ends now, and an incident of each kind still goes on."""
    end_ms = int(now.timestamp() * 1000) // MINUTE_MS * MINUTE_MS
    return World(seed=seed, days=days, apis=APIS, rate_rps=rate, end_ms=end_ms, ongoing=True)


def write(now: datetime, folder: Path, *, workers: int, progress: Progress | None = None, **wish: float) -> int:
    """Its logs and what stands beside them; how many lines."""
    asked = world(now, days=wish.get("days", DAYS), rate=wish.get("rate", RATE), seed=int(wish.get("seed", SEED)))
    return write_world(asked, folder, workers=workers, progress=progress).lines


def read(
    state: State,
    folder: Path,
    now: datetime,
    *,
    source: str = SOURCE,
    workers: int = 0,
    progress: Progress | None = None,
) -> IngestResult:
    """Put logs, inventory, changes, metrics and traces of a written world into the store."""
    inventory = read_inventory(str(folder / "inventory.json"))
    keep(
        state,
        now=now,
        source=source,
        inventory=inventory,
        events=read_changes([str(folder / "changes.jsonl")]),
        points=read_metrics([str(folder / "metrics.jsonl")]).points,
        spans=read_traces([str(folder / "traces.jsonl")]).table,
    )
    return ingest_paths(
        state,
        [str(folder / "logs")],
        source=source,
        inventory=inventory,
        workers=workers or os.cpu_count() or 1,
        progress=progress,
    )


def look(state: State, settings: Settings, now: datetime) -> int | None:
    """How many findings there are now. A worker that is looking is waited for; None: it took too long."""
    until = time.monotonic() + 3 * PATIENCE_S
    while time.monotonic() < until:
        with held(state, "tick", f"demo world {os.getpid()}", settings.lease_seconds) as epoch:
            if epoch is not None:
                tick(state, settings, now, lease=("tick", epoch))
                with state.read() as session:
                    return sum(count_findings(session, FindingFilter(state="all")).values())
        time.sleep(0.5)
    return None


def keep_labels(folder: Path, settings: Settings) -> None:
    """What is really going on in a written world, for the charts; the rest of its folder may go."""
    shutil.copyfile(folder / "labels.json", settings.data_dir / LABELS)


def why_not_load(state: State) -> str | None:
    """Only an empty installation takes it: nobody should have to tell made-up requests from real ones."""
    with state.read() as session:
        known = [one.source for one in accounting(session) if one.lines]
    if not known:
        return None
    if known == [SOURCE]:
        return "The demo world is loaded already."
    return "Requests of your own were read; the demo world is only for an empty installation."


def why_not_remove(state: State) -> str | None:
    with state.read() as session:
        known = {one.source for one in accounting(session) if one.lines}
        connected = bool(connections(session))
    if SOURCE not in known:
        return "The demo world is not loaded."
    if known != {SOURCE}:
        others = ", ".join(sorted(known - {SOURCE})[:3])
        return f"Requests of your own are there, too ({others}), and they would go with it."
    if connected:
        return "An AWS account is connected, and what it told would go with it."
    return None


def remove(state: State, settings: Settings) -> None:
    """Take it out, with all findings about it. UsageError: something of somebody's own would go with it.

    A worker that looks for findings right now is waited for.
    """
    until = time.monotonic() + PATIENCE_S
    while not _removed(state, settings):
        if time.monotonic() > until:
            raise UsageError("The worker is looking for findings at this moment; try again a little later.")
        time.sleep(0.5)


def _removed(state: State, settings: Settings) -> bool:
    """False when the worker has the lease."""
    with held(state, "tick", f"demo world {os.getpid()}", settings.lease_seconds) as epoch:
        if epoch is None:
            return False
        if (why := why_not_remove(state)) is not None:
            raise UsageError(why)
        state.run(forget_all)
        (settings.data_dir / LABELS).unlink(missing_ok=True)
        return True
