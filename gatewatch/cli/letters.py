"""Rejected lines, page by page, and reading them again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewatch.store.letters import StoredLetter
    from gatewatch.store.state import State

PAGE = 500
ROUND = 5000
"""Rejected lines (at most 4 KiB each) that one round of a retry holds in memory."""


@dataclass(slots=True)
class Retried:
    """read: ingested now. kept: still unreadable. cut: longer than what was kept of them."""

    read: int = 0
    kept: int = 0
    cut: int = 0
    errors: list[str] = field(default_factory=list)


def letters(state: State, source: str | None = None, limit: int | None = None) -> Iterator[StoredLetter]:
    """Rejected lines in the order of their ids."""
    from gatewatch.store.letters import dead_letters

    after: int | None = None
    given = 0
    while limit is None or given < limit:
        size = PAGE if limit is None else min(PAGE, limit - given)
        with state.read() as session:
            page = dead_letters(session, source=source, limit=size, after_id=after)
        yield from page
        given += len(page)
        if len(page) < size:
            return
        after = page[-1].id


def retry_letters(state: State, source: str | None, log_format: str | None) -> Retried:
    """Ingest what can be read now, then take it off the list.

    The file that is ingested is named by its content and lies in the data directory: killed between ingest and
    removal, a second retry finds its checkpoint, counts nothing twice, and removes.
    """
    result = Retried()
    waiting: dict[str, list[StoredLetter]] = {}
    held = 0
    for stored in letters(state, source):
        if _cut(stored):
            result.cut += 1
            continue
        waiting.setdefault(stored.source, []).append(stored)
        held += 1
        if held >= ROUND:
            _flush(state, waiting, log_format, result)
            waiting, held = {}, 0
    _flush(state, waiting, log_format, result)
    return result


def _cut(stored: StoredLetter) -> bool:
    """Whether only a part of the line was kept. It may be shorter or longer than the line: its secrets are replaced."""
    from ingest.work import LETTER_BYTES

    letter = stored.letter
    return letter.length > LETTER_BYTES or (len(letter.body) == LETTER_BYTES != letter.length)


def _flush(state: State, waiting: dict[str, list[StoredLetter]], log_format: str | None, result: Retried) -> None:
    for source, held in waiting.items():
        _retry(state, source, held, log_format, result)


def _retry(state: State, source: str, held: list[StoredLetter], log_format: str | None, result: Retried) -> None:
    from gatewatch.hashkey import hash_key
    from gatewatch.ingesting import ingest_paths
    from gatewatch.store.letters import remove_dead_letters
    from ingest.inputs import STDIN
    from ingest.parse import parse_paths

    folder = state.settings.data_dir / "retry"
    folder.mkdir(mode=0o700, exist_ok=True)
    trial = folder / "trial.log"
    trial.write_bytes(_text(held))
    outcomes: dict[int, set[str]] = {}
    try:
        for record in parse_paths(
            [str(trial)],
            log_format=log_format,
            hash_key=hash_key(state.settings),
            guessed=lambda _: None,
            failed=result.errors.append,
        ):
            line = record["line"]
            assert isinstance(line, int)
            outcomes.setdefault(line, set()).add(str(record["outcome"]))
    finally:
        trial.unlink(missing_ok=True)
    good = [
        letter for line, letter in enumerate(held, 1) if outcomes.get(line, {"rejected"}) <= {"accepted", "duplicate"}
    ]
    result.kept += len(held) - len(good)
    if not good:
        return
    content = _text(good)
    # Under the folders that the lines came from: they may tell the API.
    file = good[0].letter.file
    home = folder / STDIN if file == STDIN else folder.joinpath(*Path(file).absolute().parent.parts[1:])
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / f"{hashlib.sha256(content).hexdigest()[:24]}.log"
    path.write_bytes(content)
    done = ingest_paths(state, [str(path)], source=source, log_format=log_format, workers=1)
    result.errors += done.errors
    if not done.errors:
        state.run(lambda session: remove_dead_letters(session, [letter.id for letter in good]))
        result.read += len(good)
        path.unlink(missing_ok=True)


def _text(held: Sequence[StoredLetter]) -> bytes:
    return b"".join(stored.letter.body.rstrip(b"\r\n") + b"\n" for stored in held)
