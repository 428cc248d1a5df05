from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alerts.channels import Attempt
from alerts.channels.file import File, FileOptions, file
from gatewatch.errors import ChannelError, UsageError
from gatewatch.settings import Settings


def test_each_message_is_a_line_with_its_key_that_only_the_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    channel = File(path)
    attempt = Attempt()
    payload = {"title": "line\nbreak \u202e", "severity": "high"}
    channel.send(payload, idempotency_key="one", attempt=attempt)
    channel.send(payload, idempotency_key="two")
    lines = path.read_bytes().splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["one", "two"]
    assert json.loads(lines[0])["title"] == payload["title"]
    assert lines[0].isascii()
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert attempt.wire[0]["what"] == "append a line"  # type: ignore[index,call-overload]


def test_what_cannot_be_written_is_tried_again_and_says_why(tmp_path: Path) -> None:
    attempt = Attempt()
    with pytest.raises(ChannelError, match="No such file") as caught:
        File(tmp_path / "gone" / "alerts.jsonl").send({}, idempotency_key="k", attempt=attempt)
    assert caught.value.retry
    assert attempt.wire
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ChannelError):
        File(tmp_path / "link").send({}, idempotency_key="k")
    assert not (tmp_path / "elsewhere").exists()


def test_a_path_that_depends_on_the_folder_is_refused() -> None:
    with pytest.raises(UsageError, match="path: must be absolute"):
        file(FileOptions(type="file", path=Path("alerts.jsonl")), Settings())


def test_a_line_that_found_no_room_is_not_sent_and_spoils_none_after_it(tmp_path: Path) -> None:
    """A limit on the size of files cuts a write off as a full disk does; in a process of its own."""
    path = tmp_path / "alerts.jsonl"
    script = """
import resource, sys
from pathlib import Path
from alerts.channels.file import File
from gatewatch.errors import ChannelError
channel = File(Path(sys.argv[1]))
channel.send({}, idempotency_key="one")
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (Path(sys.argv[1]).stat().st_size + 20, hard))
try:
    channel.send({"title": "x" * 100}, idempotency_key="two")
except ChannelError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
channel.send({"title": "x" * 100}, idempotency_key="two")
"""
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "file: No space left on device"
    first, cut_off, whole = path.read_bytes().splitlines()
    assert len(cut_off) == 20
    assert [json.loads(line)["key"] for line in (first, whole)] == ["one", "two"]
