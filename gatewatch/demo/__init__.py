"""A small world of gateways: 26 hours of access logs of four APIs, with one incident of each kind.

Everything follows from the seed and the end time: the same two give the same bytes. Counts are over-dispersed (a gamma
factor on each minute), days have a shape, clients and keys follow a power law, latencies are log-normal. Nobody is
real: addresses are from the documentation ranges.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gatewatch.demo.render import write_logs
from gatewatch.demo.traffic import calls_of
from gatewatch.demo.world import APIS, Incident, changes, incidents_of, inventory


@dataclass(frozen=True, slots=True)
class World:
    """The files that were written. lines: how many log lines in all."""

    logs: Path
    inventory: Path
    changes: Path
    incidents: tuple[Incident, ...]
    lines: int


def write_world(folder: Path, *, end: datetime, seed: int = 7, scale: float = 1.0) -> World:
    """Write `logs/API/STAGE/HOUR.log[.gz]`, `inventory.json` and `changes.jsonl` under `folder`.

    end: the last moment of the world (aware; cut to the minute). scale: times the rate of every API.
    """
    end = end.astimezone(UTC).replace(second=0, microsecond=0)
    logs = folder / "logs"
    lines = 0
    for api in APIS:
        calls, random = calls_of(api, end, seed, scale)
        lines += write_logs(api, calls, logs, random)
    apis, trail = folder / "inventory.json", folder / "changes.jsonl"
    apis.write_text(json.dumps(inventory(), indent=2) + "\n")
    trail.write_text("".join(json.dumps(change) + "\n" for change in changes(end)))
    return World(logs, apis, trail, incidents_of(end), lines)
