import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ingest.block import block_of, counted_starts, line_starts


def test_lines_know_their_file_line_and_offset() -> None:
    block = block_of([("a.log", 1, 0, b"one\ntwo\n"), ("b.log", 7, 100, b"three\nfour")])
    assert [line.as_py() for line in block.lines] == ["one\n", "two\n", "three\n", "four\n"]
    assert block.origin(1) == ("a.log", 2, 4, 3)
    assert block.origin(3) == ("b.log", 8, 106, 4)
    assert block.rows_by_file(np.array([0, 2, 3])) == {"a.log": 1, "b.log": 2}


def test_stray_bytes_become_replacement_characters_and_cost_no_neighbour() -> None:
    block = block_of([("a.log", 1, 0, b"good\nb\xffad\n\xc3\xa9\n")])
    assert [line.as_py() for line in block.lines] == ["good\n", "b\ufffdad\n", "é\n"]
    assert block.raw(1) == b"b\xffad"


def test_an_empty_text_is_an_empty_block() -> None:
    assert len(block_of([("a.log", 1, 0, b"")])) == 0


@given(st.lists(st.binary(max_size=20).map(lambda text: text.replace(b"\n", b"")), max_size=30))
def test_rows_are_the_lines(lines: list[bytes]) -> None:
    block = block_of([("a", 1, 0, b"".join(line + b"\n" for line in lines))])
    assert len(block) == len(lines)
    assert [block.raw(row) for row in range(len(block))] == [line.rstrip(b"\r") for line in lines]


@given(st.lists(st.text(max_size=8), min_size=1, max_size=20), st.data())
def test_a_part_holds_the_rows_asked_for(texts: list[str], data: st.DataObject) -> None:
    lines = [text.replace("\n", " ") for text in texts]
    block = block_of([("a", 1, 0, "".join(line + "\n" for line in lines).encode())])
    rows = data.draw(st.lists(st.integers(0, len(lines) - 1), max_size=10, unique=True))
    part = block.part(np.array(sorted(rows), dtype=np.int64))
    assert [line.as_py() for line in part.lines] == [lines[row] + "\n" for row in sorted(rows)]


def test_lines_are_taken_from_several_chunks_in_the_order_asked_for() -> None:
    block = block_of([("a", 1, 0, b"one\ntwo\n")])
    block.lines = pa.chunked_array([block.lines.chunk(0).slice(0, 1), block.lines.chunk(0).slice(1)])
    assert block.lines_at(np.array([1, 0])).to_pylist() == ["two\n", "one\n"]
    assert block.lines_at(np.array([0])).to_pylist() == ["one\n"]
    assert block.lines_at(np.array([], dtype=np.int64)).to_pylist() == []


@given(st.lists(st.sampled_from([b"", b"a", b"\n", b"\xc3\xa4", b"x" * 70, b"\r\n", b"y" * 5000]), max_size=30))
def test_lines_begin_at_the_same_places_with_and_without_the_compiled_reader(parts: list[bytes]) -> None:
    text = b"".join(parts) + b"\n" * 1200  # more lines than are told at a time
    starts, ascii_only = line_starts(text)
    others, as_well = counted_starts(np.frombuffer(text, dtype=np.uint8))
    assert starts.tolist() == others.tolist() == [0, *(at + 1 for at, byte in enumerate(text) if byte == 10)]
    assert ascii_only == as_well == text.isascii()
