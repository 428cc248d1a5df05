"""JSON records: lines, lists, documents and pages; what is none is named with its line and the rest is read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.errors import UsageError
from ingest.jsonstream import NAMED, Rejects, records


def a_file(folder: Path, data: str | bytes, name: str = "file") -> str:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(path)


def read(path: str) -> tuple[list[tuple[int, object]], Rejects]:
    rejects = Rejects()
    return [(line, record["n"]) for line, record in records(path, "Items", rejects)], rejects


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"n":1}\n\n{"n":2}\n', [(1, 1), (3, 2)]),
        ('\ufeff{"n":1}', [(1, 1)]),
        ('[{"n":1},{"n":2}]', [(1, 1), (1, 2)]),
        ('[\n{"n":1},\n{"n":2}]\n', [(1, 1), (1, 2)]),
        ('{"Items":[{"n":1}],"NextToken":"x"}\n{"Items":[{"n":2}]}\n', [(1, 1), (2, 2)]),
        (json.dumps({"Items": [{"n": 1}]}, indent=2), [(1, 1)]),
        ('{"Items": [\n  {"n": 1}\n]}', [(1, 1)]),
    ],
)
def test_records_come_as_lines_lists_documents_and_pages(
    tmp_path: Path, text: str, expected: list[tuple[int, int]]
) -> None:
    found, rejects = read(a_file(tmp_path, text))
    assert found == expected
    assert rejects.count == 0


def test_packed_files_are_known_by_their_first_bytes(tmp_path: Path) -> None:
    text = b'{"n":1}\n{"n":2}\n'
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(text)
    for data in (gzip.compress(text), sink.getvalue().to_pybytes()):
        assert read(a_file(tmp_path, data))[0] == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("text", "complaint", "line", "rest"),
    [
        ('{"n":1}\n{cut\n{"n":3}', "not JSON", 2, [(1, 1), (3, 3)]),
        ('{cut\n{"n":2}\n', "not JSON", 1, [(2, 2)]),
        ('{"n":1}\n3\n', "no JSON object", 2, [(1, 1)]),
        ('{"n":1}\n{"Items":3}\n', "Items is no list", 2, [(1, 1)]),
        ('[1,{"n":2}]', "no JSON object", 1, [(1, 2)]),
        ("[" * 100_000, "not JSON", 1, []),
        ('{"n":1}\n{"n":"\xff"}\n', "", 0, [(1, 1), (2, "\xff")]),
    ],
)
def test_what_is_no_record_is_named_and_the_others_are_read(
    tmp_path: Path, text: str, complaint: str, line: int, rest: list[tuple[int, object]]
) -> None:
    path = a_file(tmp_path, text)
    found, rejects = read(path)
    assert found == rest
    assert rejects.count == (1 if complaint else 0)
    if complaint:
        assert rejects.named[0].startswith(f"{path}: line {line}: {complaint}")


def test_bytes_that_are_no_text_cost_their_line(tmp_path: Path) -> None:
    found, rejects = read(a_file(tmp_path, b'{"n":1}\n{"n":"\xff"}\n{"n":3}\n'))
    assert found == [(1, 1), (3, 3)]
    assert rejects.count == 1


def test_only_the_first_few_are_named(tmp_path: Path) -> None:
    _, rejects = read(a_file(tmp_path, '{"n":1}\n' + "x\n" * 50))
    assert rejects.count == 50
    assert len(rejects.named) == NAMED


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    cut = a_file(tmp_path, gzip.compress(b'{"n":1}\n' * 9999)[:60], "cut.gz")
    for path, complaint in (
        (str(tmp_path / "absent"), "absent: No such file"),
        (a_file(tmp_path, "\n \n", "blank"), "blank: the file is empty"),
        (cut, r"cut\.gz: .*ended"),
    ):
        with pytest.raises(UsageError, match=complaint):
            read(path)


@given(st.lists(st.one_of(st.integers().map(lambda n: {"n": n % 1000}), st.text(max_size=20), st.none())))
def test_each_line_is_a_record_or_a_reject(tmp_path_factory: pytest.TempPathFactory, values: list[object]) -> None:
    lines = [json.dumps(value) if isinstance(value, dict) else str(value) for value in values]
    text = "\n".join(['{"n":1}', *lines])
    path = a_file(tmp_path_factory.mktemp("lines"), text)
    found, rejects = read(path)
    filled = [line for line in text.encode().split(b"\n") if line.strip()]
    assert len(found) + rejects.count == len(filled)
