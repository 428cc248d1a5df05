"""Lines that are worked out in Python come out to the bit as DuckDB gives them: hashes, and all that is hashed."""

from collections.abc import Iterator
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewatch.frames import REQUESTS
from ingest import runner
from ingest.canonical_row import EXTRA
from ingest.formats.model import Format
from ingest.hints import Hint
from ingest.rollup import ROLLUP_COLUMNS
from ingest.runner import Runner
from tests.ingest.test_engine import BIG, LINES

ALL = [name for name in REQUESTS.names if name not in {"source", "batch"}]
FURTHER = [*EXTRA, "identity.apiKey", "responseLength", "x.forwarded", "x.event_id", "x.delivered", "domainName"]
MORE = Format("more", "json", {**BIG.fields, **{name: (f'$."{name}"',) for name in FURTHER}})
TEXT = st.one_of(
    st.none(), st.just("-"), st.text(max_size=12), st.sampled_from(['a"b\\c/d', "\x1f\x7f", "ä\U0001f600"])
)
ADDRESS = st.sampled_from(
    ["198.51.100.7:443", "203.0.113.9, 198.51.100.7", "[2001:db8::1]:80", "2001:db8::2", "x:y", "-"]
)
DELIVERED = st.sampled_from(["1781006400123", "2026-06-09T12:00:00Z", "x", "-"])
MORE_LINES = st.builds(
    lambda line, more: line | more,
    LINES,
    st.fixed_dictionaries(
        {
            **dict.fromkeys([*EXTRA, "identity.apiKey", "x.event_id"], TEXT),
            "identity.sourceIp": st.one_of(ADDRESS, st.just("192.0.2.1")),
            "x.forwarded": ADDRESS,
            "x.delivered": DELIVERED,
            "responseLength": st.sampled_from(["0", "120", "1e3", "9" * 18, "9" * 19, "-"]),
            "domainName": st.sampled_from(["a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com", "api.example", "-"]),
        }
    ),
)


@pytest.fixture(params=["all columns", "those of scan"])
def reader(request: pytest.FixtureRequest) -> Iterator[Runner]:
    lean = request.param != "all columns"
    opened = Runner(ROLLUP_COLUMNS if lean else ALL, "0a1b", lean=lean, memory_limit="400MB")
    yield opened
    opened.close()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(MORE_LINES, min_size=1, max_size=8))
def test_both_ways_give_the_same_rows(reader: Runner, lines: list[dict[str, str | None]]) -> None:
    rows = pa.table(
        {
            "rn": pa.array(range(3, 3 + len(lines)), pa.int32()),
            **{name: pa.array([line[name] for line in lines], pa.string()) for name in MORE.fields},
        }
    )
    told = []
    for few in (500, 0):
        with patch.object(runner, "_BY_ROW", few):
            told.append(reader.judge(MORE, Hint(), rows).sort_by("rn"))
    assert told[0].schema == told[1].schema
    read = [[row for row in table.to_pylist() if row["reason"] is None] for table in told]
    assert read[0] == read[1]
    assert told[0].column("reason").to_pylist() == told[1].column("reason").to_pylist()
