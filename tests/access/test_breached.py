"""Passwords are looked up in a sorted file of hashes, whatever its size and wherever they stand in it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gatewatch.access import passwords
from gatewatch.access.breached import breached, check_breached_file
from gatewatch.errors import UsageError


def listed(path: Path, words: list[str], end: str = "\r\n", count: str = ":3") -> Path:
    path.write_text(end.join(sorted(digest(one) + count for one in words)) + end, newline="")
    return path


def digest(word: str) -> str:
    return hashlib.sha1(word.encode(), usedforsecurity=False).hexdigest().upper()


@pytest.mark.parametrize(("end", "count"), [("\r\n", ":3"), ("\n", ""), ("\n", ":123456789")])
@pytest.mark.parametrize("number", [1, 2, 3, 500])
def test_each_is_found_and_no_other(tmp_path: Path, number: int, end: str, count: str) -> None:
    words = [f"word {n}" for n in range(number)]
    file = listed(tmp_path / "list.txt", words, end, count)
    assert all(breached(file, one) for one in words)
    assert not any(breached(file, f"other {n}") for n in range(300))


def test_a_file_without_a_last_line_end_and_an_empty_one(tmp_path: Path) -> None:
    words = [f"word {n}" for n in range(20)]
    file = listed(tmp_path / "list.txt", words)
    file.write_bytes(file.read_bytes().rstrip())
    assert all(breached(file, one) for one in words)
    (tmp_path / "empty").write_bytes(b"")
    assert not breached(tmp_path / "empty", "word")


def test_a_lost_password_is_refused_and_so_is_every_one_when_the_list_is_gone(tmp_path: Path) -> None:
    lost = "tangerine kettle moon"
    file = listed(tmp_path / "list.txt", [lost])
    with pytest.raises(UsageError, match="stolen") as told:
        passwords.check(lost, "alice", file)
    assert lost not in str(told.value)
    passwords.check("tangerine kettle sun", "alice", file)
    file.unlink()
    with pytest.raises(UsageError, match="cannot be looked up"):
        passwords.check("tangerine kettle sun", "alice", file)


@pytest.mark.parametrize("text", ["", "password123\n", "zz" * 20 + "\n", "00" * 16 + ":3\n"])
def test_a_file_that_is_none_is_said_at_the_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "list.txt"
    file.write_text(text)
    with pytest.raises(UsageError, match="breached_passwords"):
        check_breached_file(file)
    check_breached_file(listed(file, ["word"]))
    with pytest.raises(UsageError, match="cannot be read"):
        check_breached_file(tmp_path / "absent")
