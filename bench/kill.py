"""`make kill-test`: SIGKILL during `gatewatch ingest` at random moments, then a judge with a ledger.

The ledger is read by DuckDB straight from the corpus; no code of ours is asked. At the end every request of the ledger
must be exported once, and the minutes must add up to it.

    python -m bench.kill --kills 100 --lines 1000000
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from bench import corpus

ROOT = Path(__file__).parent.parent


def ingest(files: list[Path], data_dir: Path) -> subprocess.Popen[bytes]:
    """`gatewatch ingest` in a process group of its own, as a person would run it."""
    return subprocess.Popen(
        [sys.executable, "-m", "gatewatch", "ingest", "--quiet", "--no-progress", *map(str, files)],
        env=environment(data_dir),
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def environment(data_dir: Path) -> dict[str, str]:
    # Leases of killed runs must be free soon, or a hundred of them would wait for their minute.
    return {**os.environ, "GATEWATCH_DATA_DIR": str(data_dir), "GATEWATCH_LEASE_SECONDS": "5"}


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to every process of its group: the machine loses power, as far as they can tell."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stderr is not None:
        process.stderr.close()


def finish(files: list[Path], data_dir: Path) -> float:
    """Run to the end; SystemExit when it does not succeed. Returns seconds."""
    began = time.monotonic()
    process = ingest(files, data_dir)
    _, errors = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"ingest ended with {process.returncode}: {errors.decode()[-2000:]}")
    return time.monotonic() - began


def kill_until_done(files: list[Path], data_dir: Path, most: int, longest_s: float, chance: random.Random) -> int:
    """Run and kill at random moments until the input is in or `most` kills are done; how many there were."""
    kills = 0
    while kills < most:
        process = ingest(files, data_dir)
        try:
            process.wait(chance.uniform(0.05, longest_s))
        except subprocess.TimeoutExpired:
            kill(process)
            kills += 1
            continue
        errors = process.stderr.read().decode() if process.stderr is not None else ""
        if process.returncode != 0:
            raise SystemExit(f"ingest after a kill ended with {process.returncode}: {errors[-2000:]}")
        if process.stderr is not None:
            process.stderr.close()
        break
    return kills


def judge(plain: list[Path], zipped: list[Path], data_dir: Path, folder: Path) -> bool:
    """Print what was lost, what came twice and where minutes differ; True when nothing did."""
    for kind in ("requests", "minutes"):
        subprocess.run(
            [sys.executable, "-m", "gatewatch", "export", kind, "-q", "-o", str(folder / f"{kind}.parquet")],
            env=environment(data_dir),
            cwd=ROOT,
            check=True,
        )
    connection = duckdb.connect(config={"threads": "2"})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(
        """CREATE TABLE ledger AS SELECT requestId AS id, apiId AS api, stage,
           httpMethod || ' ' || resourcePath AS route, status[1] AS class,
           to_timestamp(requestTimeEpoch::BIGINT / 1000) AS moment
           FROM read_ndjson(?, columns={'requestId': 'VARCHAR', 'apiId': 'VARCHAR', 'stage': 'VARCHAR',
           'httpMethod': 'VARCHAR', 'resourcePath': 'VARCHAR', 'status': 'VARCHAR', 'requestTimeEpoch': 'VARCHAR'})""",
        [[str(path) for path in (*plain, *zipped)]],
    )
    connection.execute(f"CREATE VIEW kept AS SELECT * FROM '{folder}/requests.parquet'")
    connection.execute(f"CREATE VIEW minutes AS SELECT * FROM '{folder}/minutes.parquet'")

    def one(query: str) -> int:
        return int(connection.execute(query).fetchall()[0][0])

    expected = """SELECT date_trunc('minute', moment) AS minute, api, stage, route, count(*) AS n,
        count(*) FILTER (WHERE class = '2') AS s2, count(*) FILTER (WHERE class = '4') AS s4,
        count(*) FILTER (WHERE class = '5') AS s5
        FROM ledger GROUP BY ALL"""
    found = """SELECT minute, api, stage, route, sum(n)::BIGINT AS n, sum(s2xx)::BIGINT AS s2, sum(s4xx)::BIGINT AS s4,
        sum(s5xx)::BIGINT AS s5 FROM minutes GROUP BY ALL"""
    figures = {
        "requests in the ledger": one("SELECT count(*) FROM ledger"),
        "requests exported": one("SELECT count(*) FROM kept"),
        "lost": one("SELECT count(*) FROM (SELECT id FROM ledger EXCEPT SELECT request_id FROM kept)"),
        "twice": one("SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM kept GROUP BY request_id)"),
        "invented": one("SELECT count(*) FROM (SELECT request_id FROM kept EXCEPT SELECT id FROM ledger)"),
        "minutes in the ledger": one(f"SELECT count(*) FROM ({expected})"),
        "minutes that differ": one(
            f"SELECT count(*) FROM ((({expected}) EXCEPT ({found})) UNION ALL (({found}) EXCEPT ({expected})))"
        ),
    }
    for name, value in figures.items():
        print(f"  {name:<24} {value:>12,}")
    left = sum(1 for _ in data_dir.glob("**/.tmp/*"))
    print(f"  {'temporary files left':<24} {left:>12,}")
    wrong = figures["lost"] + figures["twice"] + figures["invented"] + figures["minutes that differ"]
    return not wrong and figures["requests exported"] == figures["requests in the ledger"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    count = max(-(-options.lines // corpus.LINES_A_FILE), 4)
    whole_plain = corpus.files("json", count * corpus.LINES_A_FILE)
    whole_zipped = corpus.files("json.gz", count * corpus.LINES_A_FILE)
    plain, zipped = whole_plain[0::2], whole_zipped[1::2]  # the same day, each file once
    files = sorted([*plain, *zipped], key=lambda path: path.name)
    folder = Path(tempfile.mkdtemp(prefix="kill-", dir=corpus.DATA))
    kills, good = 0, True
    chance = random.Random(options.seed)
    try:
        lines = len(files) * corpus.LINES_A_FILE
        alone, idle = finish(files, folder / "calm"), finish(files, folder / "calm")
        print(
            f"{lines:,} lines in {len(files)} files; a calm run takes {alone:.1f} s, an idle one {idle:.1f} s",
            flush=True,
        )
        # Long enough for a few batches, so that most kills hit one that is being read, written or committed.
        longest_s = idle + 3 * (alone - idle) / len(files)
        while kills < options.kills:
            data_dir = folder / "data"
            done = kill_until_done(files, data_dir, options.kills - kills, longest_s, chance)
            kills += done
            seconds = finish(files, data_dir)
            print(f"{done} kills ({kills} in all), then a run of {seconds:.1f} s to the end", flush=True)
            good = judge(plain, zipped, data_dir, folder) and good
            shutil.rmtree(data_dir)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("ok: nothing lost, nothing twice" if good else "VIOLATION")
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
