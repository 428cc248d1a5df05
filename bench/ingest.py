"""`make bench-ingest`: how fast lines become rollups and a durable store, as ratios inside one run.

C10 is DuckDB counting the ten columns a rollup needs, in the same files with two threads. Rounds are interleaved, so
that whatever else the machine does hits all alike; a ratio is the median over the rounds. GoAccess is Debian's.

    python -m bench.ingest --lines 5000000 --rounds 3
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import corpus
from bench.measure import Measured, child, run
from ingest.compiled import loaded

GIB = 1 << 30
GOACCESS_LINES = 500_000
GOACCESS_JSON = (
    '{"ip":"%h","requestTime":"%d:%t %^","httpMethod":"%m","resourcePath":"%U","protocol":"%H","status":"%s",'
    '"responseLength":"%b","userAgent":"%u"}'
)
GOACCESS_CLF = '%h %^ %^ [%d:%t %^]"%m %U %H" %s %b %^ %^'


@dataclass(slots=True)
class Row:
    """One line of the report. most: the target is an upper bound (else a lower one)."""

    name: str
    value: float | None
    target: float
    most: bool = True
    unit: str = ""

    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        good = self.value <= self.target if self.most else self.value >= self.target
        return "ok" if good else "MISS"


@contextmanager
def fresh_folder() -> Iterator[str]:
    corpus.DATA.mkdir(exist_ok=True)
    folder = tempfile.mkdtemp(prefix="store-", dir=corpus.DATA)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stored(files: list[Path]) -> Measured:
    with fresh_folder() as folder:
        return child("ingest", files, folder)


def exact(done: Measured, lines: int, what: str) -> None:
    """A speed counts only when every line was accounted for."""
    answer = done.answer
    outcomes = sum(answer[name] for name in ("accepted", "rejected", "blank", "duplicate"))
    if answer["lines"] != lines or outcomes != lines or answer["errors"]:
        raise SystemExit(f"{what}: wrong accounting: {answer}")


def tell(name: str, done: Measured, lines: int) -> None:
    rate = lines / done.seconds / 1e6
    memory = f"{done.rss / 2**20:6.0f} MiB ({done.anonymous / 2**20:.0f} without mapped files)"
    speed = f"{done.seconds:7.2f} s  {rate:5.2f} M lines/s  {done.cpu_s:6.1f} CPU s"
    print(f"  {name:<24} {speed}  {memory}", flush=True)


def rounds(kind: str, lines: int, count: int) -> tuple[float, float, float, Measured]:
    """Median ratios scan / C10 and ingest / C10, the median seconds of scan, and one ingest."""
    files = corpus.files(kind, lines)
    lines = len(files) * corpus.LINES_A_FILE
    print(f"{kind}: {lines:,} lines, {sum(f.stat().st_size for f in files) / 2**20:,.0f} MiB", flush=True)
    child("c10", files)  # fills the page cache
    scans, ingests, seconds = [], [], []
    for number in range(count):
        base = child("c10", files)
        tell(f"round {number + 1}: C10", base, lines)
        scan = child("scan", files)
        exact(scan, lines, "scan")
        tell("scan", scan, lines)
        durable = stored(files)
        exact(durable, lines, "ingest")
        tell("durable ingest", durable, lines)
        scans.append(scan.seconds / base.seconds)
        ingests.append(durable.seconds / base.seconds)
        seconds.append((scan.seconds, durable.seconds))
    median = sorted(seconds)[len(seconds) // 2][0]
    return statistics.median(scans), statistics.median(ingests), median / lines, durable


def against_goaccess(lines: int, per_line: dict[str, float]) -> list[Row]:
    """Lines a second of scan and ingest over GoAccess, on a subset; the median of three runs."""
    if shutil.which("goaccess") is None:
        print("goaccess is not installed (apt-get install goaccess): not compared")
        return []
    rows = []
    for kind, form, target in (("json", GOACCESS_JSON, 12.0), ("clf", GOACCESS_CLF, 10.0)):
        files = corpus.files(kind, lines)[: -(-min(GOACCESS_LINES, lines) // corpus.LINES_A_FILE)]
        count = len(files) * corpus.LINES_A_FILE
        done = sorted((goaccess(files, form) for _ in range(3)), key=lambda run: run.seconds)[1]
        tell(f"GoAccess {kind}", done, count)
        rows.append(Row(f"GoAccess {kind} / scan", done.seconds / count / per_line[kind], target, most=False, unit="x"))
        if kind == "json":
            ratio = done.seconds / count / per_line["json durable"]
            rows.append(Row("GoAccess json / durable ingest", ratio, 5.0, most=False, unit="x"))
    return rows


def goaccess(files: list[Path], form: str) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "report.json")
        command = ["goaccess", *map(str, files), "--log-format", form, "--date-format", "%d/%b/%Y"]
        done = run([*command, "--time-format", "%T", "--no-global-config", "--no-progress", "-o", out])
        if Path(out).stat().st_size < 1000:
            raise SystemExit("GoAccess read nothing: its numbers would mean nothing")
        return done


def memory(kind: str, lines: int) -> list[Row]:
    """Peak of all processes at a quarter, a half and all of the input, the whole day each time."""
    files = corpus.files(kind, lines)
    rows = []
    for step, size in ((4, "1x"), (2, "2x"), (1, "4x")):
        part = files[::step]
        scan, durable = child("scan", part), stored(part)
        count = len(part) * corpus.LINES_A_FILE
        rows += [
            Row(f"peak RSS, scan {kind} {size} ({count:,} lines)", scan.rss / GIB, 1.0, unit=" GiB"),
            Row(f"peak RSS, durable ingest {kind} {size}", durable.rss / GIB, 1.0, unit=" GiB"),
        ]
    return rows


def broken(lines: int, count: int) -> Row:
    """Scan of files with 0.1 % damaged lines over scan of clean ones."""
    clean, damaged = corpus.files("json", lines), corpus.files("json", lines, broken=0.001)
    ratios = []
    for _ in range(count):
        base, done = child("scan", clean), child("scan", damaged)
        exact(done, base.answer["lines"], "broken lines")
        ratios.append(done.seconds / base.seconds)
    print(f"  broken lines: {done.answer['rejected']:,} rejected, {done.answer['reasons']}")
    return Row("0.1 % broken / clean, scan json", statistics.median(ratios), 1.1)


def report(rows: list[Row]) -> None:
    width = max(len(row.name) for row in rows)
    print(f"\n{'what':<{width}}  {'measured':>10}  {'target':>10}")
    for row in rows:
        value = "-" if row.value is None else f"{row.value:.2f}{row.unit}"
        bound = f"{'<=' if row.most else '>='} {row.target:g}{row.unit}"
        print(f"{row.name:<{width}}  {value:>10}  {bound:>10}  {row.verdict()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=5_000_000, help="JSON lines (CLF: at most 2,000,000)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"compiled reader (ingest/cut.c): {'used' if loaded() else 'not built, no C compiler: JSON is walked'}")
    clf_lines = min(options.lines, 2_000_000)
    rows, per_line = [], {}
    scan, ingest, per_line["json"], durable = rounds("json", options.lines, options.rounds)
    per_line["json durable"] = durable.seconds / durable.answer["lines"]
    rows += [Row("scan / C10, plain", scan, 3.0), Row("durable ingest / C10, plain", ingest, 6.0)]
    scan, ingest, per_line["gz"], durable = rounds("json.gz", options.lines, options.rounds)
    rows += [Row("scan / C10, gzip", scan, 1.6), Row("durable ingest / C10, gzip", ingest, 2.8)]
    stored_bytes = durable.answer["sizes"].get("requests", 0) / durable.answer["accepted"]
    rows.append(Row("bytes an event (requests)", stored_bytes, 60.0, unit=" B"))
    files = corpus.files("clf", clf_lines)
    done = sorted((child("scan", files) for _ in range(options.rounds)), key=lambda found: found.seconds)[
        options.rounds // 2
    ]
    exact(done, len(files) * corpus.LINES_A_FILE, "clf")
    tell("scan clf", done, done.answer["lines"])
    per_line["clf"] = done.seconds / done.answer["lines"]
    rows += against_goaccess(clf_lines, per_line)
    rows += memory("json", options.lines)
    rows.append(broken(options.lines, options.rounds))
    report(rows)


if __name__ == "__main__":
    main()
