"""Speed and memory of `gatewatch simulate`, and of `gatewatch scan` over what it wrote with all that stands beside it.

`make bench-simulate` writes 14 days of 12 APIs with 5 million calls. Times of busy machines mean little: CPU seconds
are printed too, and what they would come to on two idle cores at best.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from bench.measure import Measured, run

LINES_A_SECOND = 100_000
SCAN_SECONDS = 60
SCAN_BYTES = 3 << 29
"""The goals: lines written a second on two cores; scan of the big world in so much time and memory (1.5 GiB)."""

MIB = 1 << 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=14)
    parser.add_argument("--apis", type=int, default=12)
    parser.add_argument("--rate", type=float, default=4.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "data" / "simulate")
    asked = parser.parse_args()
    world = asked.folder.absolute()
    shutil.rmtree(world, ignore_errors=True)
    sizes = ["--days", str(asked.days), "--apis", str(asked.apis), "--rate", str(asked.rate), "--seed", str(asked.seed)]
    gatewatch = [sys.executable, "-m", "gatewatch"]
    wrote = run([*gatewatch, "simulate", str(world), *sizes, "--end", "2026-06-09T12:00Z", "--quiet"])
    lines = json.loads((world / "labels.json").read_text())["lines"]["written"]
    files = sum(1 for path in (world / "logs").rglob("*") if path.is_file())
    told("simulate", wrote, lines)
    print(f"  {lines:,} lines in {files:,} files; goal {LINES_A_SECOND:,} lines/s on two cores")
    beside = {"inventory": "json", "changes": "jsonl", "metrics": "jsonl", "traces": "jsonl", "asn": "csv"}
    options = [word for name, end in beside.items() for word in (f"--{name}", str(world / f"{name}.{end}"))]
    out = world.parent / "simulate.findings.json"
    scanned = run([*gatewatch, "scan", str(world / "logs"), *options, "--exit-zero", "-o", str(out), "--quiet"])
    told("scan", scanned, lines)
    good = scanned.seconds <= SCAN_SECONDS and scanned.rss <= SCAN_BYTES
    print(f"  goal {SCAN_SECONDS} s and {SCAN_BYTES // MIB:,} MiB: {'met' if good else 'missed'} (by the clock)")
    return 0


def told(name: str, measured: Measured, lines: int) -> None:
    cores = min(os.cpu_count() or 1, 2)
    ideal = measured.cpu_s / cores
    print(
        f"{name}: {measured.seconds:.1f} s by the clock ({lines / measured.seconds:,.0f} lines/s), "
        f"{measured.cpu_s:.1f} s of CPU (at best {ideal:.1f} s, {lines / ideal:,.0f} lines/s on {cores} cores), "
        f"{measured.rss // MIB:,} MiB resident, {measured.anonymous // MIB:,} MiB of it anonymous"
    )


if __name__ == "__main__":
    sys.exit(main())
