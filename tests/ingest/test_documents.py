"""Files beside the logs: what is right is read, what is wrong is named by file and line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from gatewatch.errors import UsageError
from ingest.documents import read_inventory, read_networks


def a_file(folder: Path, text: str, name: str = "file") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="absent: No such file"):
        read_inventory(str(tmp_path / "absent"))
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(b"x" * 9999)[:20])
    with pytest.raises(UsageError, match=r"cut\.gz: .*ended"):
        read_inventory(str(cut))
    (tmp_path / "latin").write_bytes(b"a\nb\xff")
    with pytest.raises(UsageError, match="latin: line 2: not UTF-8"):
        read_networks(str(tmp_path / "latin"))


def test_an_inventory_is_one_object_with_apis(tmp_path: Path) -> None:
    assert read_inventory(a_file(tmp_path, '{"restApis": [{"id": "a1"}]}'))["restApis"] == [{"id": "a1"}]
    for text, complaint in [("[]", "one JSON object"), ("{}", "has none of"), ('{"httpApis": [1]}', "no list of obj")]:
        with pytest.raises(UsageError, match=complaint):
            read_inventory(a_file(tmp_path, text))


def test_networks_are_rows_with_or_without_head_and_name(tmp_path: Path) -> None:
    rows = read_networks(a_file(tmp_path, "network,asn,name\n198.51.100.0/24,64500,Example\n2001:db8::/32,AS64501\n"))
    assert [(str(row.network), row.asn, row.name) for row in rows] == [
        ("198.51.100.0/24", "AS64500", "Example"),
        ("2001:db8::/32", "AS64501", None),
    ]
    for text, complaint in [("10.0.0.0/8", "a row is"), ("a,1", "'a' is no network"), ("10.0.0.0/8,x", "no AS number")]:
        with pytest.raises(UsageError, match=f"line 1: .*{complaint}"):
            read_networks(a_file(tmp_path, text))
