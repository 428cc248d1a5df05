from __future__ import annotations

import random
import subprocess
import sys
import time
from datetime import timedelta

from sqlalchemy import update

from gatewatch.settings import Settings
from gatewatch.store.batches import accounting, checkpoint, sweep_expired
from gatewatch.store.models import BatchRow
from gatewatch.store.reading import read_minutes, read_requests
from gatewatch.store.state import db_now, open_state

INGEST = """
import sys
from gatewatch.settings import Settings
from gatewatch.store.batches import Outcomes, checkpoint, commit_batch, lease_batch
from gatewatch.store.state import open_state
from tests.store.builders import AT, a_position, minutes, minutes_after, requests, segment
state = open_state(Settings.model_validate_json(sys.argv[1]).model_copy(update={"database_url": Settings(
    database_url=sys.argv[2]).database_url if sys.argv[2] else None}))
while True:
    position = checkpoint(state, "files", "app.log")
    at = position.offset if position else 0
    batch = lease_batch(state, "files", "me")
    rows = [{"path": f"/{n}"} for n in range(at, at + 3)]
    commit_batch(
        state,
        batch.id,
        segments=[
            segment(state, batch.id, "requests", requests(rows)),
            segment(state, batch.id, "minutes", minutes([{"n": 3}])),
        ],
        checkpoints={"app.log": a_position(at + 3)},
        outcomes={"app.log": Outcomes(3, 3, 0, 0, 0)},
        reject_counts={},
        dead_letters=[],
        coverage=[(minutes_after(at), minutes_after(at + 3))],
        now=AT,
    )
    print(at + 3, flush=True)
"""


def test_kills_at_any_moment_lose_and_repeat_nothing(settings: Settings) -> None:
    open_state(settings).close()
    moments = random.Random(7)
    url = settings.database_url.get_secret_value() if settings.database_url else ""
    promised = 0
    for _ in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", INGEST, settings.model_dump_json(exclude={"database_url"}), url],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        assert child.stdout.readline()
        time.sleep(moments.uniform(0, 0.2))
        child.kill()
        promised = max([promised, *(int(line) for line in child.stdout if line.endswith("\n"))])
        child.stdout.close()
        child.wait()
    state = open_state(settings)
    with state.begin() as session:
        past = db_now(session) - timedelta(seconds=1)
        session.execute(update(BatchRow).where(BatchRow.state == "leased").values(lease_until=past))
    sweep_expired(state)
    position = checkpoint(state, "files", "app.log")
    assert position is not None
    assert position.offset >= promised >= 12
    paths = read_requests(state, limit=10_000).column("path").to_pylist()
    assert sorted(paths) == sorted(f"/{n}" for n in range(position.offset))
    assert sum(read_minutes(state).column("n").to_pylist()) == position.offset
    with state.read() as session:
        assert [account.lines for account in accounting(session)] == [position.offset]
    files = sum(1 for _ in state.lake.root.rglob("*.parquet"))
    assert files == 2 * position.offset // 3
    state.close()
