"""`parse`: every line with its outcome and its canonical fields, in order: how people come to trust the reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow as pa

from gatewatch.errors import SourceError
from gatewatch.frames import REQUESTS
from gatewatch.records import JSON, Outcome, iso
from ingest.block import Block
from ingest.engine import Engine
from ingest.files import group, split
from ingest.formats.infer import describe
from ingest.identity import SeenSet
from ingest.inputs import inputs
from ingest.outcome import Chosen, Reading
from ingest.rollup import question, without
from ingest.scan import chosen_formats
from ingest.work import blocks, csv_head, heads_of

FIELDS: tuple[str, ...] = tuple(name for name in REQUESTS.names if name not in {"source", "batch"})

_ROWS = 2048


def parse_paths(
    paths: Sequence[str],
    *,
    log_format: str | None = None,
    inventory: Mapping[str, object] | None = None,
    hash_key: bytes = b"scan",
    exclude: Sequence[str] = (),
    guessed: Callable[[str], None],
    failed: Callable[[str], None],
    passed: Callable[[str], None] = lambda _: None,
) -> Iterator[dict[str, JSON]]:
    """One record a line: file, line (from 1), outcome, reason, and for accepted lines the fields of frames.REQUESTS
    that are known, with client_id. guessed(text): a format was chosen; failed(text): a file could not be read.
    passed(text): a file is no log.
    """
    chosen = chosen_formats(log_format, inventory, guessed)
    engine = Engine(FIELDS, hash_key)
    seen = SeenSet()
    told: set[str] = set()
    try:
        with inputs(paths, inventory, exclude, all_logs=log_format is not None) as found:
            for error in found.errors:
                failed(error)
            for text in found.no_logs:
                passed(text)
            lines: dict[str, int] = {}
            # Small files are read together, as scan and ingest do: what a block costs would else be paid for each.
            for pieces in group(piece for file in found.files for piece in split(file)):
                heads = heads_of(pieces)
                try:
                    for number, block in enumerate(blocks(pieces, lines, lambda _, reason: failed(reason))):
                        if number == 0 and not heads and len(block) and (head := csv_head(block.raw(0))):
                            heads = (head,)
                        here = replace(chosen, hint=pieces[0].file.hint, heads=heads)
                        yield from _block(engine, block, here, seen, told, guessed)
                        if len(pieces) == 1:
                            name = pieces[0].file.name
                            lines[name] = lines.get(name, 1) + len(block)
                except SourceError as error:
                    failed(str(error))
    finally:
        engine.close()


def _block(
    engine: Engine, block: Block, chosen: Chosen, seen: SeenSet, told: set[str], guessed: Callable[[str], None]
) -> Iterator[dict[str, JSON]]:
    reading = engine.read(block, chosen)
    for found in reading.formats:
        text = describe(found)
        if text not in told:
            told.add(text)
            guessed(text)
    accepted = reading.accepted
    asked = question(accepted)
    _, repeated = without(accepted, seen.take(asked.identities, asked.span))
    duplicate = set(repeated.tolist())
    others = [
        (reading.split_from.get(row, row), row, Outcome.REJECTED, reason) for row, reason in reading.rejected.items()
    ]
    others += [(row, row, Outcome.BLANK, reading.heads.get(row, "")) for row in reading.blank]
    others.sort()
    waiting = iter(others)
    held = next(waiting, None)
    for home, row, values in _accepted(engine, reading, accepted):
        while held is not None and (held[0], held[1]) < (home, row):
            yield _line(block, held[0], held[2], held[3] or None, {})
            held = next(waiting, None)
        outcome = Outcome.DUPLICATE if row in duplicate else Outcome.ACCEPTED
        yield _line(block, home, outcome, None, values)
    while held is not None:
        yield _line(block, held[0], held[2], held[3] or None, {})
        held = next(waiting, None)


def _accepted(engine: Engine, reading: Reading, accepted: pa.Table) -> Iterator[tuple[int, int, dict[str, JSON]]]:
    """Accepted rows in the order of the lines they stood in."""
    rows = accepted.column("rn").to_numpy()
    homes = np.array([reading.split_from.get(row, row) for row in rows.tolist()]) if reading.split_from else rows
    ordered = accepted.select(["rn", "event_id", *engine.columns]).take(pa.array(np.lexsort((rows, homes))))
    for batch in ordered.to_batches(_ROWS):
        for values in batch.to_pylist():
            row = values.pop("rn")
            fields = {name: _json(value) for name, value in values.items() if value is not None}
            client = client_id(fields)
            if client is not None:
                fields["client_id"] = client
            yield reading.split_from.get(row, row), row, fields


def client_id(fields: Mapping[str, JSON]) -> str | None:
    """The best identity of the caller, and which kind it is."""
    for kind, name in (("key", "api_key_id"), ("principal", "principal"), ("ip", "client_ip")):
        if fields.get(name) is not None:
            return f"{kind}:{fields[name]}"
    return None


def _json(value: object) -> JSON:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() else round(value, 3)
    assert isinstance(value, str | int | bool)
    return value


def _line(block: Block, row: int, outcome: Outcome, reason: str | None, fields: dict[str, JSON]) -> dict[str, JSON]:
    file, line, _, _ = block.origin(row)
    return {"file": file, "line": line, "outcome": outcome.value, "reason": reason, **fields}
