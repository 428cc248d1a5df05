from pathlib import Path

import pytest

from gatewatch.errors import SourceError
from ingest import files
from ingest.files import expand, group, inspect, split


def test_a_tree_is_walked_in_order_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b/2.log", "a/1.log", ".git/x", "a/.hidden"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x\n")
    found, errors = expand([str(tmp_path)])
    assert [Path(name).name for name in found] == ["1.log", "2.log"]
    assert errors == []


def test_a_file_named_twice_is_read_once_and_an_excluded_one_never(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("x\n")
    (tmp_path / "inventory.json").write_text("{}")
    found, _ = expand([str(tmp_path), str(tmp_path / "*.log")], exclude=[str(tmp_path / "inventory.json")])
    assert [Path(name).name for name in found] == ["a.log"]


@pytest.mark.parametrize("path", ["nowhere", "no*where", "s3://bucket/prefix"])
def test_what_is_not_there_is_said(path: str) -> None:
    found, errors = expand([path])
    assert found == []
    assert path in str(errors[0])


@pytest.mark.parametrize(
    ("head", "word"),
    [(b"\x89PNG\r\n", "PNG"), (b"\xff\xd8\xff\xe0", "JPEG"), (b"PAR1", "Parquet"), (b"a\0b", "binary")],
)
def test_what_is_no_text_is_named(tmp_path: Path, head: bytes, word: str) -> None:
    (tmp_path / "x").write_bytes(head)
    with pytest.raises(SourceError, match=word):
        inspect(str(tmp_path / "x"))


def test_a_big_plain_file_is_cut_behind_newlines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BLOCK_BYTES", 100)
    path = tmp_path / "big.log"
    path.write_text("".join(f"line number {number}\n" for number in range(60)))
    pieces = list(split(inspect(str(path))[0]))
    text = path.read_bytes()
    parts = [text[piece.offset : piece.end] for piece in pieces]
    assert len(parts) > 3
    assert b"".join(parts) == text
    assert all(part.endswith(b"\n") for part in parts)
    assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]


def test_small_files_of_a_folder_go_together(tmp_path: Path) -> None:
    for name in ("a/1", "a/2", "b/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x\n")
    found, _ = expand([str(tmp_path)])
    groups = list(group(piece for name in found for piece in split(inspect(name)[0])))
    assert [len(pieces) for pieces in groups] == [2, 1]


def test_folders_that_only_tell_the_date_do_not_part_small_files(tmp_path: Path) -> None:
    for name in ("a/2026/06/09/11/1", "a/2026/06/09/12/1", "a/dt=2026-06-10/1", "b/2026/06/09/12/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("x\n")
    found, _ = expand([str(tmp_path)])
    groups = list(group(piece for name in found for piece in split(inspect(name)[0])))
    assert [len(pieces) for pieces in groups] == [3, 1]
