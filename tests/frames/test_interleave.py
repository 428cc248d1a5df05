from collections import Counter
from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewatch.frames import CLIENT_KEYS, CLIENTS, merge_client_parts, merge_clients
from gatewatch.frames.interleave import order_codes

START = datetime(2026, 6, 9, 12, tzinfo=UTC)

ROWS = st.lists(
    st.builds(
        lambda minute, api, route, ip, n: {
            **dict.fromkeys(CLIENTS.names),
            "minute": START + timedelta(minutes=minute),
            "api": api,
            "route": route,
            "reject_cause": "throttle",
            "client_ip": ip,
            "n": n,
        },
        st.integers(0, 3),
        st.sampled_from(["a", "b", "é", None]),
        st.sampled_from(["GET /a", None]),
        st.sampled_from(["192.0.2.1", "192.0.2.2", None]),
        st.integers(1, 5),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(ROWS, max_size=4))
def test_parts_merge_to_what_all_rows_merge_to(parts: list[list[dict[str, object]]]) -> None:
    tables = [merge_clients(pa.Table.from_pylist(part, schema=CLIENTS)) for part in parts]
    whole = pa.Table.from_pylist([row for part in parts for row in part], schema=CLIENTS)
    merged = merge_client_parts(tables)
    assert merged.to_pylist() == merge_clients(whole).to_pylist()
    counted: Counter[tuple[object, ...]] = Counter()
    for row in whole.to_pylist():
        counted[tuple(row[key] for key in CLIENT_KEYS)] += row["n"]
    assert {tuple(row[key] for key in CLIENT_KEYS): row["n"] for row in merged.to_pylist()} == counted


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_codes_order_like_the_keys_with_null_first(rows: list[dict[str, object]]) -> None:
    table = pa.Table.from_pylist(rows, schema=CLIENTS)
    keys = [(row["minute"], row["api"] or "", row["route"] or "") for row in table.to_pylist()]
    codes = order_codes(table).tolist()
    assert [key for _, key in sorted(zip(codes, keys, strict=True), key=lambda pair: pair[0])] == sorted(keys)
    assert len(set(codes)) == len(set(keys))
