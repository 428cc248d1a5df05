"""What tools write in front of a log line: CloudWatch Logs exports and `aws logs tail`, container and syslog prefixes.

An export to S3 puts the event's time before each line; `aws logs tail` the stream's name, too; CloudWatch Logs Insights
gives CSV with the message as a quoted cell. What stands in front is taken off, and its time kept as the event's time.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.block import Block, Rows

_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
_WORD = r"[^\s{<]+[ \t]+"
_SYSLOG = rf"(?:<[0-9]{{1,3}}>)?[A-Z][a-z]{{2}} [ 0-9][0-9] [0-9:]{{8}}[ \t]+{_WORD}(?:{_WORD})?"
# Few words: no text of a client can stand among them, so that none is taken for what begins behind them.
PREFIX = (
    rf"(?:(?:<[0-9]{{1,3}}>1[ \t]+{_ISO}[ \t]+(?:{_WORD}){{5}})|(?P<time>{_ISO})[ \t]+(?:{_WORD}){{0,3}}|{_SYSLOG})"
)
_ADDRESS = r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,40})"
_CLF = rf"{_ADDRESS}[ ,][^\[/]{{0,256}}\[?[0-9]{{1,2}}/[A-Za-z]{{3}}/[0-9]{{4}}:"
_PREFIXED = rf"(?s)^(?P<lead>{PREFIX})(?:\{{|<[A-Za-z]|{_CLF})"
_EVENT = r"(?s)^EVENTS\t(?P<id>[0-9]{1,80})\t[0-9]{1,20}\t[^\t]{0,512}\t(?P<rest>.*)\t(?P<time>[0-9]{1,20})\s*$"
_CELL = rf'(?s)^"?(?P<time>{_ISO})"?,"(?P<rest>\{{(?:[^"]|"")*\}})"(?:,.*)?$'
_HEAD = re.compile(r'"?@timestamp"?,"?@message"?(?:,|\s*$)')

_SHAPES = {pattern: re.compile(pattern, re.ASCII) for pattern in (_PREFIXED, _EVENT, _CELL)}
_EXPORTED = "0000-00-00T00:00:00.000Z {"
_FIRST = frozenset('0123456789<"ADEFJMNOS')
_SAMPLE = 64


def taken_off(line: str) -> tuple[str, str | None] | None:
    """What stands behind the prefix, and the time in it; None when there is none."""
    for pattern, compiled in _SHAPES.items() if line[:1] in _FIRST else ():
        if (found := compiled.match(line)) is not None:
            if pattern == _PREFIXED:
                return line[found.end("lead") :], found["time"]
            return found["rest"].replace('""', '"') if pattern == _CELL else found["rest"], found["time"]
    return None


def is_head(line: str) -> bool:
    """The head of a CSV export of CloudWatch Logs Insights."""
    return _HEAD.match(line) is not None


def unprefixed(block: Block) -> Block:
    """The block with what stands before its lines taken off, the times in it beside them; most blocks as they are."""
    if block.number is not None or block.side or not len(block):
        return block
    rows = np.unique(np.linspace(0, len(block) - 1, _SAMPLE).astype(np.int64)).tolist()
    sample = [text for row in rows if (text := block.raw(row)[:4096].decode("utf-8", "replace"))[:1] in _FIRST]
    pattern = next((one for one, compiled in _SHAPES.items() if any(map(compiled.match, sample))), None)
    return block if pattern is None else _without(block, pattern)


def _without(block: Block, pattern: str) -> Block:
    lines = block.lines.combine_chunks()
    if pattern == _PREFIXED and (exported := _exported(lines)) is not None:
        return _made(block, _behind(lines, exported), {"x.event_time": pc.utf8_slice_codeunits(lines, 0, 24)})
    found = pc.extract_regex(lines, pattern)
    matched = found.is_valid()
    side = {"x.event_time": _known(found.field("time"), matched)}
    if pattern == _PREFIXED:
        bare = _behind(lines, pc.if_else(matched, pc.binary_length(found.field("lead")), 0))
    else:
        rest = found.field("rest")
        rest = pc.replace_substring(rest, '""', '"') if pattern == _CELL else rest
        bare = pc.if_else(matched, pc.binary_join_element_wise(rest, pa.scalar("\n"), ""), lines)
    if pattern == _EVENT:
        side["x.event_id"] = _known(found.field("id"), matched)
    return _made(block, bare, side)


def _made(block: Block, bare: pa.StringArray, side: dict[str, pa.Array]) -> Block:
    begin, ends = _offsets(bare)
    text = bare.buffers()[2].slice(begin, int(ends[-1])).to_pybytes()
    return Block([text], ends, block.origins, pa.chunked_array([bare]), side, stood=block.starts)


def _exported(lines: pa.StringArray) -> pa.Array | None:
    """How long the prefixes of an export to S3 are, a tenth of a regex's work; None when not all lines have one."""
    begin, ends = _offsets(lines)
    if (np.diff(ends) <= len(_EXPORTED)).any():
        return None
    data = np.frombuffer(lines.buffers()[2], dtype=np.uint8)
    places = np.array([place for place, sign in enumerate(_EXPORTED) if sign != "0"])
    signs = np.array([ord(sign) for sign in _EXPORTED if sign != "0"], dtype=np.uint8)
    # All places of a line at once: what is far apart is the lines.
    if (data[(ends[:-1] + begin)[:, None] + places] != signs).any():
        return None
    return pa.array(np.full(len(lines), len(_EXPORTED) - 1))


def _behind(lines: pa.StringArray, lengths: pa.Array) -> pa.StringArray:
    """The lines without so many of their first bytes."""
    cut = np.asarray(lengths.to_numpy(zero_copy_only=False), dtype=np.int64)
    if len(cut) and (cut == cut[0]).all():
        raw = pa.Array.from_buffers(pa.binary(), len(lines), lines.buffers(), 0, lines.offset)
        kept = pc.binary_slice(raw, int(cut[0]), 1 << 30)  # without an end it fails
        return pa.StringArray.from_buffers(len(kept), kept.buffers()[1], kept.buffers()[2], offset=kept.offset)
    begin, ends = _offsets(lines)
    data = np.frombuffer(lines.buffers()[2], dtype=np.uint8)[begin : begin + ends[-1]]
    edge = np.zeros(len(data) + 1, dtype=np.int8)
    some = np.flatnonzero(cut)
    edge[ends[some]] += 1
    edge[ends[some] + cut[some]] -= 1
    kept_bytes = data[np.cumsum(edge[:-1], dtype=np.int8) == 0]
    offsets = (ends - np.concatenate([[0], np.cumsum(cut)])).astype(np.int32)
    return pa.StringArray.from_buffers(len(lines), pa.py_buffer(offsets), pa.py_buffer(kept_bytes))


def _offsets(lines: pa.StringArray) -> tuple[int, Rows]:
    """Where the first line begins in the buffer, and from there on where each begins, and the end of the last."""
    found = np.frombuffer(lines.buffers()[1], dtype=np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return int(found[0]), (found - found[0]).astype(np.int64)


def _known(column: pa.StringArray, matched: pa.BooleanArray) -> pa.Array:
    return pc.if_else(pc.and_(matched, pc.not_equal(column, "")), column, None)
