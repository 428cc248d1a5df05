"""How fast the detectors replay a world's minutes: series-minutes a second of CPU time.

python -m bench.detect_speed WORLD      # a folder whose minutes are kept (bench.detect_minutes)
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq


def replay(folder: Path) -> dict[str, float]:
    from detect.model import Context
    from detect.run import detect
    from gatewatch.settings import Settings
    from ingest.changes import read_changes
    from ingest.documents import read_inventory

    changes = folder / "changes.jsonl"
    minutes, clients, coverage = (
        pq.read_table(folder / f"{name}.parquet") for name in ("minutes", "clients", "coverage")
    )
    context = Context(
        inventory=read_inventory(str(folder / "inventory.json")),
        changes=[event.change for event in read_changes([str(changes)])] if changes.exists() else (),
        settings=Settings(),
    )
    began = time.process_time()
    detect(minutes, clients, coverage, context)
    seconds = time.process_time() - began
    series = minutes.group_by(["account", "region", "api", "stage", "route"]).aggregate([]).num_rows
    ends = pc.min_max(minutes.column("minute")).as_py()
    length = (ends["max"] - ends["min"]).total_seconds() / 60 + 1
    return {"cpu_s": seconds, "series_minutes": series * length, "speed": series * length / seconds}


if __name__ == "__main__":
    print(json.dumps(replay(Path(sys.argv[1]))))
