import gzip
import io
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import select

from gatewatch.ingesting import IngestResult, ingest_paths
from gatewatch.settings import Settings
from gatewatch.store.batches import accounting, dead_letters
from gatewatch.store.models import BatchRow
from gatewatch.store.reading import read_minutes, read_requests
from gatewatch.store.state import State, open_state
from ingest.block import Text
from ingest.files import Piece
from tests.ingest.lines import START, a_line


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = open_state(Settings(data_dir=tmp_path / "data"))
    yield opened
    opened.close()


def write(path: Path, numbers: range, *, extended: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [a_line(number) if extended is None else a_line(number, extendedRequestId=extended) for number in numbers]
    text = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def ingest(state: State, *paths: Path) -> IngestResult:
    result = ingest_paths(state, [str(path) for path in paths], workers=1)
    told = result.accounting
    assert told.lines == told.accepted + told.rejected + told.blank + told.duplicate
    return result


def stored(state: State) -> int:
    """Requests in the lake, which the minutes must agree with."""
    n: int = sum(read_minutes(state).column("n").to_pylist())
    ids = read_requests(state, limit=100_000).column("request_id").to_pylist()
    assert len(ids) == len(set(ids)) == n
    return n


def test_what_was_ingested_can_be_read_back(state: State, tmp_path: Path) -> None:
    result = ingest(
        state, write(tmp_path / "in" / "a.log", range(100)), write(tmp_path / "in" / "b.log.gz", range(100, 150))
    )
    assert result.accounting.accepted == 150
    assert stored(state) == 150
    newest = read_requests(state, limit=1).to_pylist()[0]
    assert newest["request_id"] == "00000000-0000-4000-8000-000000000149"
    assert newest["path"] is None
    assert newest["latency_ms"] == 59
    assert newest["client_ip"] == "192.0.2.3"
    assert newest["source"] == "files"
    assert newest["trace_id"] == f"1-{int((START + timedelta(seconds=149)).timestamp()):08x}-{149:024x}"


def test_a_second_run_passes_over_what_is_done(state: State, tmp_path: Path) -> None:
    path = write(tmp_path / "in" / "a.log", range(100))
    ingest(state, path)
    again = ingest(state, path)
    assert (again.passed_over, again.accounting.lines) == (1, 0)
    assert stored(state) == 100


def test_a_file_that_grew_goes_on_where_it_was_left(state: State, tmp_path: Path) -> None:
    path = write(tmp_path / "in" / "a.log", range(100))
    ingest(state, path)
    with path.open("ab") as handle:
        handle.write((a_line(100) + "\nbroken\n").encode())
    again = ingest(state, path)
    assert (again.accounting.accepted, again.accounting.duplicate, again.accounting.rejected) == (1, 0, 1)
    assert stored(state) == 101
    with state.read() as session:
        assert [kept.letter.line for kept in dead_letters(session, limit=10)] == [102]


def test_a_file_that_was_replaced_is_read_anew(state: State, tmp_path: Path) -> None:
    path = write(tmp_path / "in" / "a.log", range(100))
    ingest(state, path)
    write(path, range(500, 650))
    assert ingest(state, path).accounting.accepted == 150
    assert stored(state) == 250


def test_a_copy_under_another_name_counts_once(state: State, tmp_path: Path) -> None:
    ingest(state, write(tmp_path / "in" / "a.log", range(100)))
    copy = ingest(state, write(tmp_path / "other" / "copy.log.gz", range(50, 120)))
    assert (copy.accounting.accepted, copy.accounting.duplicate) == (20, 50)
    assert stored(state) == 120


def test_lines_without_an_extended_id_are_known_again_by_their_whole_record(state: State, tmp_path: Path) -> None:
    ingest(state, write(tmp_path / "in" / "a.log", range(50), extended="-"))
    copy = ingest(state, write(tmp_path / "in" / "b.log", range(40, 60), extended="-"))
    assert (copy.accounting.accepted, copy.accounting.duplicate) == (10, 10)


def test_rejects_are_kept_with_their_place_and_counted(state: State, tmp_path: Path) -> None:
    path = write(tmp_path / "in" / "a.log", range(10))
    path.write_bytes(b"broken\n" + path.read_bytes() + b"{}\n")
    ingest(state, path)
    with state.read() as session:
        letters = [kept.letter for kept in dead_letters(session, limit=10)]
        account = accounting(session)[0]
    assert (letters[0].line, letters[0].offset, letters[0].body) == (1, 0, b"broken")
    assert sorted(letter.line for letter in letters) == [1, 12]
    assert (account.lines, account.accepted, account.rejected) == (12, 10, 2)
    assert sum(account.reasons.values()) == 2


def test_a_file_that_fails_leaves_nothing_behind_and_is_tried_again(state: State, tmp_path: Path) -> None:
    good = write(tmp_path / "in" / "a.log", range(10))
    cut = write(tmp_path / "in" / "b.log.gz", range(10, 20))
    whole = cut.read_bytes()
    cut.write_bytes(whole[:-10])
    result = ingest(state, good, cut)
    assert len(result.errors) == 1
    assert "b.log.gz" in result.errors[0]
    assert stored(state) == 10
    cut.write_bytes(whole)
    assert ingest(state, good, cut).accounting.accepted == 10
    assert stored(state) == 20


def test_a_broken_file_beside_whole_ones_is_not_taken_for_read(state: State, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write(folder / "a.log.gz", range(50))
    broken = write(folder / "b.log.gz", range(50, 100))
    content = broken.read_bytes()
    broken.write_bytes(content[:-9])
    for _ in range(2):
        assert "cut off" in ingest(state, folder).errors[0]
        assert stored(state) == 50
    broken.write_bytes(content)
    assert ingest(state, folder).errors == []
    assert stored(state) == 100


def test_an_interrupt_gives_the_leases_back(state: State, tmp_path: Path) -> None:
    class Impatient:
        def total(self, size: int) -> None:
            pass

        def advance(self, size: int, lines: int, accepted: int) -> None:
            raise KeyboardInterrupt

        def note(self, text: str) -> None:
            pass

    path = write(tmp_path / "in" / "a.log", range(10))
    with pytest.raises(KeyboardInterrupt):
        ingest_paths(state, [str(path)], workers=1, progress=Impatient())
    with state.read() as session:
        assert session.scalars(select(BatchRow.state)).all() == ["abandoned"]
    assert not list((tmp_path / "data" / "lake").rglob("*.parquet"))
    assert ingest(state, path).accounting.accepted == 10
    assert stored(state) == 10


def test_dead_letters_hold_no_secrets(state: State, tmp_path: Path) -> None:
    path = tmp_path / "in" / "a.log"
    path.parent.mkdir()
    canary = "S3CRETcanary0123456789"
    broken = [
        f"junk ?access_token={canary}",
        f'{{"apiKey": "{canary}", "status": "x", "requestTime": "never"}}',
        f'{{"identity": {{"apiKey":"{canary}"}}, "authorization":"Bearer {canary}", "cut',
        f"GET /x Authorization: Bearer {canary}",
    ]
    path.write_text("\n".join([*broken, a_line(1)]) + "\n")
    assert ingest(state, path).accounting.rejected == 4
    with state.read() as session:
        bodies = [kept.letter.body for kept in dead_letters(session, limit=10)]
    assert len(bodies) == 4
    assert not [body for body in bodies if canary.encode() in body]
    assert canary.encode() not in (tmp_path / "data" / "state.db").read_bytes()


def test_a_half_written_last_line_waits_for_its_end(state: State, tmp_path: Path) -> None:
    path = write(tmp_path / "in" / "a.log", range(3))
    half = a_line(3)
    with path.open("a") as handle:
        handle.write(half[:60])
    assert ingest(state, path).accounting.accepted == 3
    with path.open("a") as handle:
        handle.write(half[60:] + "\n" + a_line(4) + "\n")
    again = ingest(state, path).accounting
    assert (again.accepted, again.rejected) == (2, 0)
    assert stored(state) == 5


def test_a_rotated_file_without_precise_ids_goes_on_under_its_new_name(state: State, tmp_path: Path) -> None:
    line = '192.0.2.1 - - [09/Jun/2026:12:00:0{} +0000] "GET /a HTTP/1.1" 200 5 "-" "curl/8.0"\n'
    path = tmp_path / "in" / "access.log"
    path.parent.mkdir()
    path.write_text("".join(line.format(number) for number in range(3)))
    assert ingest(state, path).accounting.accepted == 3
    with path.open("a") as handle:
        handle.write(line.format(3))
    rotated = path.rename(path.with_name("access.log.1"))
    path.write_text("".join(line.format(number) for number in range(4, 6)))
    assert ingest(state, rotated, path).accounting.accepted == 3
    copied = path.with_name("copy.log")
    copied.write_bytes(rotated.read_bytes())
    assert ingest(state, copied, rotated, path).accounting.lines == 0


def test_documents_beside_the_logs_are_passed_over_once(state: State, tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.log", range(10))
    (tmp_path / "in" / "README.md").write_text("# Logs\n\nOf June.\n")
    (tmp_path / "in" / "inventory.json").write_text('{"restApis": []}')
    result = ingest(state, tmp_path / "in")
    assert (result.accounting.files, result.accounting.lines, result.errors) == (1, 10, [])
    assert len(result.no_logs) == 2
    with state.read() as session:
        assert dead_letters(session, limit=10) == []
        assert [account.lines for account in accounting(session)] == [10]
        batches = len(session.scalars(select(BatchRow.id)).all())
    again = ingest(state, tmp_path / "in")
    assert (again.passed_over, again.batches) == (2, 0)
    with (tmp_path / "in" / "README.md").open("a") as handle:
        handle.write(a_line(11) + "\n")
    assert ingest(state, tmp_path / "in").accounting.accepted == 1
    with state.read() as session:
        assert len(session.scalars(select(BatchRow.id)).all()) == batches + 1


def test_the_same_standard_input_counts_once(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO()

    monkeypatch.setattr(sys, "stdin", Stdin)
    texts = [b"".join(a_line(number).encode() + b"\n" for number in numbers) for numbers in (range(5), range(5, 9))]
    for text in (*texts, texts[0]):
        Stdin.buffer = io.BytesIO(text)
        ingest_paths(state, ["-"], workers=1)
    assert stored(state) == 9
    with state.read() as session:
        assert [(account.files, account.lines) for account in accounting(session)] == [(1, 9)]


def clf(numbers: range) -> bytes:
    """Lines to the second and without an id: only what was read of a file protects against repetition."""
    times = [(n, f"09/Jun/2026:12:{n // 60 % 60:02d}:{n % 60:02d} +0000") for n in numbers]
    return "".join(f'192.0.2.1 - - [{time}] "GET /{n} HTTP/1.1" 200 5\n' for n, time in times).encode()


@pytest.mark.parametrize("pack", [gzip.compress, lambda text: pa.Codec("zstd").compress(text, asbytes=True)])
@pytest.mark.parametrize("count", [3, 500])
def test_a_file_that_was_packed_is_known_by_its_text(
    state: State, tmp_path: Path, count: int, pack: Callable[[bytes], bytes]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "access.log").write_bytes(clf(range(count)))
    assert ingest(state, folder).accounting.accepted == count
    (folder / "access.log").unlink()
    (folder / "access.log.1.gz").write_bytes(pack(clf(range(count))))
    (folder / "access.log").write_bytes(clf(range(3000, 3010)))
    again = ingest(state, folder)
    assert (again.accounting.accepted, again.passed_over) == (10, 1)
    # It had grown before it was packed.
    (folder / "access.log").unlink()
    (folder / "access.log.2.gz").write_bytes(pack(clf(range(3000, 3025)) + b"broken\n"))
    later = ingest(state, folder)
    assert (later.accounting.accepted, later.accounting.rejected, later.accounting.duplicate) == (15, 1, 0)
    with state.read() as session:
        assert [kept.letter.line for kept in dead_letters(session, limit=10)] == [26]
    assert ingest(state, folder).accounting.lines == 0
    # Another text that begins alike is read whole.
    (folder / "other.gz").write_bytes(pack(clf(range(count - 1)) + clf(range(5000, 5003))))
    assert ingest(state, folder).accounting.accepted == count + 2
    assert sum(read_minutes(state).column("n").to_pylist()) == count + 10 + 15 + count + 2


def test_a_file_that_was_renamed_stays_known_when_another_takes_its_name(state: State, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for turn in range(4):
        for back in range(turn, 0, -1):  # logrotate
            older = folder / (f"access.log.{back - 1}" if back > 1 else "access.log")
            older.rename(folder / f"access.log.{back}")
        (folder / "access.log").write_bytes(clf(range(turn * 100, turn * 100 + 50)))
        assert ingest(state, folder).accounting.accepted == 50
    assert sum(read_minutes(state).column("n").to_pylist()) == 200


def test_what_is_written_while_a_file_is_read_counts_once(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest import reading

    path = tmp_path / "a.log"
    path.write_bytes(clf(range(10)))
    texts = reading.texts

    def grown(piece: Piece) -> Iterator[Text]:
        with path.open("ab") as handle:
            handle.write(clf(range(10, 15)))
        yield from texts(piece)

    with monkeypatch.context() as patch:
        patch.setattr("ingest.work.texts", grown)
        assert ingest(state, path).accounting.accepted == 10
    assert ingest(state, path).accounting.accepted == 5
    assert sum(read_minutes(state).column("n").to_pylist()) == 15
