"""What a fresh process of the benchmark does; prints one JSON line with `seconds` of the work itself."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

C10 = (
    "requestTimeEpoch",
    "apiId",
    "stage",
    "httpMethod",
    "resourcePath",
    "status",
    "responseLength",
    "responseLatency",
    "integrationLatency",
    "ip",
)
"""The ten columns that a rollup needs: counting them is the least that any reader must do."""


def c10(files: list[str]) -> dict[str, Any]:
    import duckdb

    columns = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in C10) + "}"
    counts = ", ".join(f"count({name})" for name in C10)
    with duckdb.connect(config={"threads": "2"}) as connection:
        began = time.perf_counter()
        rows = connection.execute(
            f"SELECT {counts} FROM read_ndjson(?, columns={columns}, auto_detect=false, ignore_errors=true)", [files]
        ).fetchall()
    return {"seconds": time.perf_counter() - began, "lines": rows[0][0]}


def scan(files: list[str]) -> dict[str, Any]:
    from ingest.scan import scan_paths

    began = time.perf_counter()
    result = scan_paths(files)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, **result.accounting.to_json(), "rows": result.minutes.num_rows, "errors": result.errors}


def ingest(files: list[str], data_dir: str) -> dict[str, Any]:
    from gatewatch.ingesting import ingest_paths
    from gatewatch.settings import Settings
    from gatewatch.store.state import open_state

    settings = Settings(data_dir=Path(data_dir))
    began = time.perf_counter()
    state = open_state(settings)
    try:
        result = ingest_paths(state, files)
    finally:
        state.close()
    seconds = time.perf_counter() - began
    sizes: dict[str, int] = {}
    for path in (Path(data_dir)).rglob("*.parquet"):
        kind = path.parent.parent.parent.name
        sizes[kind] = sizes.get(kind, 0) + path.stat().st_size
    return {"seconds": seconds, **result.accounting.to_json(), "sizes": sizes, "errors": result.errors}


def main() -> None:
    task, listing, *options = sys.argv[1:]
    files = Path(listing).read_text().splitlines()
    answer = {"c10": c10, "scan": scan, "ingest": ingest}[task](files, *options)
    print(json.dumps({**answer, "pid": os.getpid()}))


if __name__ == "__main__":
    main()
