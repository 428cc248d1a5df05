import gzip
import zlib
from pathlib import Path

import pyarrow as pa
import pytest

from gatewatch.errors import SourceError
from ingest import reading
from ingest.files import Piece, inspect
from ingest.reading import texts

TEXT = b"".join(b"line %d\n" % number for number in range(5000))


def read(path: Path) -> bytes:
    return b"".join(text[:] for text in texts(Piece(inspect(str(path))[0])))


@pytest.mark.parametrize(
    "packed",
    [
        TEXT,
        gzip.compress(TEXT),
        gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:]),
        gzip.compress(gzip.compress(TEXT)),
        gzip.compress(TEXT) + b"\0" * 100,
        pa.Codec("zstd").compress(TEXT, asbytes=True),
    ],
    ids=["plain", "gzip", "two members", "gzip in gzip", "zero padding", "zstd"],
)
def test_the_text_comes_out_whatever_wraps_it(tmp_path: Path, packed: bytes) -> None:
    (tmp_path / "x.log").write_bytes(packed)
    assert read(tmp_path / "x.log") == TEXT


@pytest.mark.parametrize("cut", [20, 500, -1, -8])
def test_a_file_that_is_cut_off_is_named(tmp_path: Path, cut: int) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(TEXT)[:cut])
    with pytest.raises(SourceError, match=r"x\.gz.*(cut off|broken)"):
        read(tmp_path / "x.gz")


def test_a_flipped_byte_is_noticed(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(TEXT))
    packed[-6] ^= 0xFF
    (tmp_path / "x.gz").write_bytes(packed)
    with pytest.raises(SourceError, match=r"broken gzip"):
        read(tmp_path / "x.gz")


def test_a_bomb_is_stopped(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, wbits=31)
    zeros = b"0" * (1 << 20)
    (tmp_path / "bomb.gz").write_bytes(b"".join(packer.compress(zeros) for _ in range(200)) + packer.flush())
    with pytest.raises(SourceError, match="bomb"):
        read(tmp_path / "bomb.gz")


def test_blocks_end_behind_a_newline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 1000)
    (tmp_path / "x.gz").write_bytes(gzip.compress(TEXT))
    blocks = [text[:] for text in texts(Piece(inspect(str(tmp_path / "x.gz"))[0]))]
    assert len(blocks) > 10
    assert b"".join(blocks) == TEXT
    assert all(block.endswith(b"\n") for block in blocks)


def test_records_without_newlines_are_cut_between_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 100)
    glued = b'{"a":"1"}' * 100
    (tmp_path / "x.gz").write_bytes(gzip.compress(glued))
    blocks = [text[:] for text in texts(Piece(inspect(str(tmp_path / "x.gz"))[0]))]
    assert b"".join(blocks) == glued
    assert all(block.endswith(b"}") for block in blocks)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("x\n")
    file, _ = inspect(str(tmp_path / "x.log"))
    (tmp_path / "x.log").unlink()
    with pytest.raises(SourceError, match=r"x\.log"):
        list(texts(Piece(file)))
