from __future__ import annotations

import json
import os
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
