from __future__ import annotations

import errno
import hashlib
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from gatewatch.errors import StoreError
from gatewatch.store.lake import Lake, publish_segment
from tests.store.builders import AT, requests

BATCH = "0123456789abcdef"


def test_a_segment_lies_under_its_first_hour(tmp_path: Path) -> None:
    table = requests([{"path": "/a"}, {"path": "/b"}])
    segment = publish_segment(tmp_path, "requests", BATCH, 3, table, AT, AT)
    assert segment.path == f"requests/date=2026-06-09/hour=12/{BATCH}-3.parquet"
    path = tmp_path / segment.path
    assert pq.read_table(path, partitioning=None).equals(table)
    assert (segment.rows, segment.bytes) == (2, path.stat().st_size)
    assert segment.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list((tmp_path / ".tmp").iterdir()) == []


def test_nothing_is_under_a_final_name_before_it_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    fsync, rename = os.fsync, os.rename

    def noted_fsync(descriptor: int) -> None:
        events.append(f"fsync {os.readlink(f'/proc/self/fd/{descriptor}')}")
        fsync(descriptor)

    def noted_rename(source: Path, target: Path) -> None:
        events.append(f"rename {target}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "rename", noted_rename)
    lake = Lake(tmp_path)
    temporary, relative = lake.new_segment("minutes", BATCH, 0, AT)
    temporary.write_bytes(b"data")
    lake.publish(temporary, relative)
    final = lake.path(relative)
    assert events[0] == f"fsync {temporary}"
    assert events[-2:] == [f"rename {final}", f"fsync {final.parent}"]
    # Each new folder's name is synced into its parent before a file is in it.
    assert {f"fsync {folder}" for folder in (final.parent.parent, tmp_path / "minutes", tmp_path)} <= set(events)


def test_a_segment_is_never_written_over(tmp_path: Path) -> None:
    publish_segment(tmp_path, "requests", BATCH, 0, requests([{}]), AT, AT)
    with pytest.raises(StoreError, match="is there already"):
        publish_segment(tmp_path, "requests", BATCH, 0, requests([{}, {}]), AT, AT)
    assert pq.ParquetFile(next((tmp_path / "requests").rglob("*.parquet"))).metadata.num_rows == 1


def test_only_our_kinds_ids_and_times_make_a_name(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with pytest.raises(ValueError, match="no kind"):
        lake.new_segment("../x", BATCH, 0, AT)
    with pytest.raises(ValueError, match="batch id"):
        lake.new_segment("requests", "../../x", 0, AT)
    with pytest.raises(ValueError, match="naive"):
        lake.new_segment("requests", BATCH, 0, datetime(2026, 1, 1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["/etc/passwd", "requests/../../x", "x/y", "requests", "requests//x", ".tmp/x"])
def test_a_manifest_cannot_lead_out_of_the_lake(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="not in the lake"):
        Lake(tmp_path).path(name)


def test_removing_a_batch_touches_no_other(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for batch in (BATCH, BATCH + "0"):
        publish_segment(tmp_path, "requests", batch, 0, requests([{}]), AT, AT)
        lake.new_segment("minutes", batch, 0, AT)[0].write_bytes(b"half")
    assert lake.remove_batches([BATCH]) == 2
    assert lake.remove_batches([BATCH]) == 0
    assert {path.name.partition("-")[0] for path in tmp_path.rglob("*.parquet")} == {BATCH + "0"}
    lake.remove(f"requests/date=2026-06-09/hour=12/{BATCH}0-0.parquet")
    lake.remove(f"requests/date=2026-06-09/hour=12/{BATCH}0-0.parquet")
    assert list((tmp_path / "requests").rglob("*.parquet")) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_named(tmp_path: Path, number: int) -> None:
    with pytest.raises(StoreError, match=f"{tmp_path}: the disk is full"), Lake(tmp_path).writing():
        raise OSError(number, os.strerror(number))


def test_other_faults_of_the_disk_are_named_too(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"{tmp_path}: cannot write: Input/output error"), Lake(tmp_path).writing():
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        Lake(tmp_path / "file").new_segment("requests", BATCH, 0, AT)


FILL = """
import resource, signal, sys
from pathlib import Path
import duckdb, numpy as np, pyarrow as pa
from gatewatch.errors import StoreError
from gatewatch.store.lake import Lake, publish_segment
from tests.store.builders import AT
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
root, how = Path(sys.argv[1]), sys.argv[2]
noise = pa.table({"x": np.random.default_rng(1).random(200_000)})
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    if how == "pyarrow":
        publish_segment(root, "requests", "0123456789abcdef", 0, noise, AT, AT)
    else:
        lake = Lake(root)
        temporary, relative = lake.new_segment("requests", "0123456789abcdef", 0, AT)
        with lake.writing(), duckdb.connect() as connection:
            connection.execute(f"COPY (SELECT * FROM noise) TO '{temporary}' (FORMAT parquet)")
except StoreError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("writer", ["pyarrow", "duckdb"])
def test_a_writer_that_meets_the_limit_fails_in_one_line_and_publishes_nothing(tmp_path: Path, writer: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL, tmp_path, writer], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith(f"{tmp_path}: the disk is full (")
    assert done.stdout.count("\n") == 1
    assert not (tmp_path / "requests").exists()
    assert Lake(tmp_path).remove_batches(["0123456789abcdef"]) <= 1


def test_a_duckdb_that_cannot_write_names_the_lake(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with pytest.raises(StoreError, match=f"{tmp_path}: cannot write"), lake.writing(), duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT 1 AS a) TO '{tmp_path}/none/x.parquet' (FORMAT parquet)")


def test_hours_are_utc(tmp_path: Path) -> None:
    at = datetime.fromisoformat("2026-06-09T23:30:00-02:00")
    _, relative = Lake(tmp_path).new_segment("requests", BATCH, 0, at)
    assert relative.startswith("requests/date=2026-06-10/hour=01/")
    assert at.astimezone(UTC).hour == 1
