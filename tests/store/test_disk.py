"""A disk that fills up: warned of, refused, survived with the reserve, gone on from. On a real, small file system."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from gatewatch.errors import StoreError
from gatewatch.store import disk
from gatewatch.store.disk import Disk

ON_A_SMALL_DISK = """
import os, sys
from pathlib import Path
from sqlalchemy import select
from gatewatch.errors import StoreError
from gatewatch.ingesting import ingest_paths
from gatewatch.settings import Settings
from gatewatch.store.models import BatchRow, MetaRow
from gatewatch.store.reading import read_minutes
from gatewatch.store.state import open_state
from tests.ingest.lines import a_line

root = Path(sys.argv[1])
logs = root.parent / "logs"

def a_file(name, numbers):
    logs.mkdir(exist_ok=True)
    (logs / name).write_text("".join(a_line(number) + "\\n" for number in numbers))

def fill():
    with open(root / "ballast", "wb", buffering=0) as out:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    out.write(bytes(size))
            except OSError:
                pass

def refused(state, what):
    try:
        ingest_paths(state, [str(logs)], workers=1)
    except StoreError as error:
        assert what in str(error), error
    else:
        raise AssertionError("nothing refused it")

def states(state):
    with state.read() as session:
        return sorted((row.state, row.swept_at is not None) for row in session.scalars(select(BatchRow)))

settings = Settings(data_dir=root / "data")
state = open_state(settings)
a_file("a.log", range(100))
ingest_paths(state, [str(logs)], workers=1)
reserve = settings.data_dir / "reserve"
assert 1 << 20 < reserve.stat().st_size <= 64 << 20

fill()
a_file("b.log", range(100, 3000))
refused(state, "nothing new is taken in from 95 % on")
assert states(state) == [("committed", False)]
assert reserve.exists()
state.close()

# Nobody looked before it was full: the batch alone is lost, and what must be written is.
state = open_state(settings.model_copy(update={"disk_stop_percent": 101.0}))
refused(state, "is full")
assert states(state) == [("committed", False)] or states(state)[0] == ("abandoned", True), states(state)
size = os.statvfs(root).f_bavail
state.run(lambda session: session.add(MetaRow(key="said", value="x" * 200_000)))
assert not reserve.exists()
with state.read() as session:
    assert session.get(MetaRow, "said") is not None
assert not list((settings.data_dir / "lake" / ".tmp").glob("*"))

(root / "ballast").unlink()
ingest_paths(state, [str(logs)], workers=1)
assert sum(read_minutes(state).column("n").to_pylist()) == 3000
assert reserve.exists()
state.close()
print("went on")
"""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare, to mount a small disk of its own")
def test_a_disk_that_fills_up_costs_a_batch_and_nothing_else(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    run = f'mount -t tmpfs -o size=48m none {small} && exec {sys.executable} -c "$SCRIPT" {small}'
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", run],
        env={"SCRIPT": ON_A_SMALL_DISK, "PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin:/sbin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if "unshare" in done.stderr and "not permitted" in done.stderr:
        pytest.skip(f"no mounts here: {done.stderr.strip()}")
    assert (done.returncode, done.stdout.strip()) == (0, "went on"), done.stderr


@pytest.mark.parametrize(("free_gib", "said"), [(3, "warned"), (1, "refused"), (500, None)])
def test_a_share_counts_only_on_a_small_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, free_gib: int, said: str | None
) -> None:
    total = 10_000 if free_gib == 500 else 24
    usage = SimpleNamespace(total=total << 30, used=(total - free_gib) << 30, free=free_gib << 30)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(disk, "RESERVE", 4096)
    here = Disk(tmp_path, 0.85, 0.95)
    with caplog.at_level(logging.WARNING):
        if said == "refused":
            with pytest.raises(StoreError, match="96 % full; nothing new is taken in from 95 % on"):
                here.require_room()
        else:
            here.require_room()
    assert ("% full" in caplog.text) == (said == "warned")
    assert (tmp_path / "reserve").exists() == (said == "warned")


def test_the_reserve_is_given_up_once(tmp_path: Path) -> None:
    here = Disk(tmp_path, 0.85, 0.95)
    (tmp_path / "reserve").write_bytes(bytes(100))
    assert here.release()
    assert not here.release()
