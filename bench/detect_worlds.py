"""The worlds that detection is measured on: made once, kept under bench/data/worlds, scanned when code changes."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.corpus import DATA
from bench.detect_minutes import Stage, stages
from bench.measure import run
from gatewatch.evaluation.claims import Claim, findings_in, read_claims
from gatewatch.evaluation.labels import Labels, read_labels
from gatewatch.simulate.seeds import Plan

ROOT = Path(__file__).parent.parent
WORLDS = DATA / "worlds"
BESIDE = (
    ("inventory", "inventory.json"),
    ("changes", "changes.jsonl"),
    ("metrics", "metrics.jsonl"),
    ("traces", "traces.jsonl"),
    ("asn", "asn.csv"),
)
MAKERS = ("gatewatch/simulate",)
SEEDS = ROOT / "gatewatch/simulate/seeds.py"
READERS = (
    "detect",
    "ingest",
    "gatewatch/frames",
    "gatewatch/records.py",
    "gatewatch/settings.py",
    "gatewatch/cli/inputs.py",
    "gatewatch/cli/commands/scan.py",
)


@dataclass(frozen=True, slots=True)
class Scanned:
    """One world with what gatewatch found in it. cpu_s, rss: of the scan that found it. lines: in its logs."""

    plan: Plan
    folder: Path
    labels: Labels
    claims: list[Claim]
    document: dict[str, Any]
    cpu_s: float
    rss: int

    def stages(self) -> list[Stage]:
        return list(stages(self.folder, self.labels.start, self.labels.end))


def made(plan: Plan) -> Path:
    """The folder of a world, made now unless the same makers made it before."""
    folder = WORLDS / plan.name
    key = _digest(MAKERS, plan.arguments())
    if _kept(folder, "made") != key:
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        tell(f"{plan.name}: simulate {' '.join(plan.arguments())}")
        done = run([sys.executable, "-m", "gatewatch", "simulate", str(folder), "-q", *plan.arguments()])
        run([sys.executable, "-m", "bench.detect_minutes", str(folder)])
        _keep(folder, "made", key)
        tell(f"{plan.name}: made in {done.cpu_s:.0f} CPU s")
    return folder


def scanned(plan: Plan) -> Scanned:
    """What `gatewatch scan` says about a world, with everything that lies beside its logs."""
    folder = made(plan)
    key = _digest(READERS, [str(_kept(folder, "made"))])
    if _kept(folder, "scanned") != key:
        beside = [
            part for name, file in BESIDE if (folder / file).exists() for part in (f"--{name}", str(folder / file))
        ]
        found = folder / "found.json"
        command = [sys.executable, "-m", "gatewatch", "scan", str(folder / "logs"), *beside]
        # 3: a file of which no line can be read; worlds have lines that were cut.
        done = run([*command, "-q", "--exit-zero", "-o", str(found)], fine=(0, 3))
        (folder / "measured.json").write_text(json.dumps({"cpu_s": done.cpu_s, "rss": done.rss}))
        _keep(folder, "scanned", key)
        tell(f"{plan.name}: scanned in {done.cpu_s:.0f} CPU s, {done.rss / 2**20:.0f} MiB")
    document = json.loads((folder / "found.json").read_text())
    measured = json.loads((folder / "measured.json").read_text())
    truth = read_labels(json.loads((folder / "labels.json").read_text()), f"{plan.name}/labels.json")
    claims = read_claims(findings_in(document, "found.json"), f"{plan.name}/found.json")
    return Scanned(plan, folder, truth, claims, document, measured["cpu_s"], measured["rss"])


def all_of(plans: Iterable[Plan]) -> list[Scanned]:
    return [scanned(plan) for plan in plans]


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _digest(folders: Sequence[str], more: Sequence[str]) -> str:
    """Of all code in the folders: what it makes can only have changed with it."""
    digest = hashlib.blake2b(digest_size=12)
    for folder in folders:
        named = ROOT / folder
        for path in [named] if named.is_file() else sorted(named.rglob("*.py")):
            if path == SEEDS:  # says which worlds there are, not how they are made
                continue
            digest.update(f"{path.relative_to(ROOT)}\0".encode())
            digest.update(path.read_bytes())
    digest.update("\0".join(more).encode())
    return digest.hexdigest()


def _kept(folder: Path, name: str) -> str | None:
    path = folder / f".{name}"
    return path.read_text() if path.exists() else None


def _keep(folder: Path, name: str, key: str) -> None:
    (folder / f".{name}").write_text(key)
