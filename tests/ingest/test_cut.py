"""Lines that are cut come out as the JSON reader reads them, and every other line is left to it."""

import json
from unittest.mock import patch

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewatch.frames import REQUESTS
from ingest import runner
from ingest.block import block_of
from ingest.compiled import loaded
from ingest.cut import ABSENT, PLACE, Cuts, cut, skeleton, tells_instants, tells_whole, usual
from ingest.engine import Engine
from ingest.jsonshape import transformed
from ingest.outcome import Chosen, Reading
from ingest.repeats import sound
from tests.ingest.lines import a_line

NAMES = [name for name in REQUESTS.names if name not in {"source", "batch"}]
built = pytest.mark.skipif(loaded() is None, reason="ingest/_cut.so is not built: no C compiler here")

# As API Gateway makes lines: values are pasted in, now and then with what JSON does not allow.
TEMPLATE = (
    '{"requestId":"3f1c0e0a-8f0b-4c58-9d1e-5a1f3f6f2b%s", "apiId":"a1b2c3d4e5","stage":"prod","status":%s,'
    '"requestTimeEpoch":"17810064%s","identity":{"sourceIp":"192.0.2.1","userAgent":"%s"},"httpMethod":"GET",'
    '"resourcePath":"/pets/{id}","responseLatency":"%s"}'
)
VALUES = st.tuples(
    st.sampled_from(["11", "12", "ab"]),
    st.sampled_from(["200", "404", "429", "0", "-1", "007", "2e2", "200.0", "null", '"200"', "-", "9" * 20]),
    st.sampled_from(["00123", "01", "xyz", "99999"]),
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(['x","status":"200', "a\\u0041", "a\\", 'a\\"b', "ä", "\x01", "a" * 13, "eyJ" + "a" * 30, ""]),
    ),
    st.sampled_from(["5", "-", "", "12345678901234567890"]),
)
LINES = st.one_of(
    VALUES.map(lambda values: TEMPLATE % values),
    st.sampled_from(["", "{}", "[]", "{", TEMPLATE % ("11", "200", "00123", "x", "5") + " "]),
)


def read(text: bytes, *, cutting: bool) -> tuple[Reading, dict[int, dict[str, object]]]:
    engine = Engine(NAMES, b"test")
    try:
        with patch.object(runner, "loaded", loaded if cutting else lambda: None):
            reading = engine.read(block_of([("a", 1, 0, text)]), Chosen())
        return reading, {row["rn"]: row for row in reading.accepted.to_pylist()}
    finally:
        engine.close()


@built
@settings(max_examples=12, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_cutting_changes_no_outcome(lines: list[str], end: str) -> None:
    usual_ones = [TEMPLATE % ("11", "200", "00123", f"curl/{n}", "5") for n in range(14)]
    text = end.join([*usual_ones, *(line.replace("\n", " ") for line in lines), ""]).encode("utf-8", "replace")
    (mine, rows), (other, others) = read(text, cutting=True), read(text, cutting=False)
    assert rows == others
    assert (mine.rejected, sorted(mine.blank)) == (other.rejected, sorted(other.blank))


@built
@given(st.lists(LINES, max_size=12))
def test_a_line_that_fits_has_the_values_that_json_has(lines: list[str]) -> None:
    form = skeleton(TEMPLATE % ("11", "200", "00123", "x", "5"))
    assert form is not None
    text = [f"{line}\n" for line in lines]
    rows, values = cut(pa.chunked_array([text], pa.string()), form, Cuts(frozenset(form.paths)))
    fitting = pa.table({"line": pa.array([text[row] for row in rows.tolist()], pa.string())})
    shape = transformed(form.paths, "line")
    assert shape is not None
    listed = ", ".join(f"x.{shape[1][path].removeprefix('x.')}" for path in form.paths)
    with duckdb.connect() as connection:
        connection.register("fitting", fitting)
        expected = connection.execute(f"SELECT {listed} FROM (SELECT {shape[0]} AS x FROM fitting)").fetchall()
    assert list(zip(*(values.column(path).to_pylist() for path in form.paths), strict=True)) == expected


@built
def test_most_lines_are_cut_and_secrets_in_them_replaced() -> None:
    lines = [a_line(number, userAgent="token=abc&sig=0123456789") for number in range(300)]
    with patch.object(runner, "cut", wraps=cut) as cutting:
        reading, rows = read("".join(f"{line}\n" for line in lines).encode(), cutting=True)
    assert cutting.call_count == 1
    assert len(rows) == 300
    assert "0123456789" not in str(rows[0]["user_agent"])
    assert not reading.rejected


@built
def test_rows_of_several_chunks_and_slices_keep_their_places() -> None:
    lines = [a_line(number) for number in range(9)]
    form = usual(lines)
    assert form is not None
    whole = pa.array([*lines[:4], "no", *lines[4:]], pa.string())
    chunked = pa.chunked_array([whole.slice(2, 3), pa.array([], pa.string()), whole.slice(5)])
    rows, values = cut(chunked, form, Cuts(frozenset({'$."requestId"'})))
    assert rows.tolist() == [0, 1, 3, 4, 5, 6, 7]
    assert values.column(0).to_pylist()[:3] == [json.loads(lines[number])["requestId"] for number in (2, 3, 4)]
    assert np.all(np.diff(rows) > 0)


@pytest.mark.parametrize(
    "line",
    [
        '{"a":"1","A":"2"}',
        '{"a":"1","a":"2"}',
        '{"a":null}',
        '{"a":["1"]}',
        '{"a":"\\u0041"}',
        '{"a":1.5}',
        '{"a":01}',
        '{"a":"1"} x',
        '{"a":"1",}',
        '{"a*":"1"}',
        '{"a":{}}',
        "{}",
        "",
        "[1]",
        '{"a":' * 40 + "1" + "}" * 40,
    ],
)
def test_no_skeleton_is_made_of_anything_but_plain_values(line: str) -> None:
    assert skeleton(line) is None


def test_a_skeleton_serves_only_paths_to_its_values_or_to_nothing() -> None:
    form = skeleton('{ "a" : "1", "b": {"c":-5}}\n')
    assert form is not None
    assert form.paths == ('$."a"', '$."b"."c"')
    assert form.literals == (b'{ "a" : "', b'", "b": {"c":', b"}}")
    assert form.gives(['$."a"', '$."b"."c"', '$."other"', '$."b"."d"'])
    for path in ('$."b"', '$."a"."x"', '$."list"[0]'):
        assert not form.gives([path])


def test_a_key_in_a_wrong_object_makes_a_skeleton_unsound() -> None:
    form = skeleton('{"identity":{"ip":"1"},"other":{"agent":"x"}}')
    assert form is not None
    assert sound(form, frozenset({'$."identity"."ip"'}))
    assert not sound(form, frozenset({'$."identity"."ip"', '$."identity"."agent"'}))


def test_lines_without_one_shape_have_no_usual_one() -> None:
    assert usual([]) is None
    assert usual(['{"a":"1"}', '{"b":"1"}']) is None
    assert usual(['{"a":"1"}', "no", "no"]) is None


NUMBERS = st.one_of(
    st.integers(-3, 10**16).map(str),
    st.text("0123456789-.eE ", max_size=16),
    st.sampled_from(
        ["", "-", "0", "00", "-0", "007", "1781006400123", "-178100640012", "1e3", "12.5", "9" * 15, "9" * 16]
    ),
)


@built
@given(st.lists(NUMBERS, max_size=20), st.booleans())
def test_numbers_come_as_what_their_text_says_and_other_lines_do_not_fit(values: list[str], instants: bool) -> None:
    form = skeleton('{"a":"x","n":"1"}')
    assert form is not None
    wanted = frozenset({'$."n"'})
    cuts = Cuts(frozenset({'$."a"'}), frozenset() if instants else wanted, wanted if instants else frozenset())
    lines = [f'{{"a":"{at}","n":"{value}"}}' for at, value in enumerate(values)]
    rows, table = cut(pa.chunked_array([lines], pa.string()), form, cuts)
    tells = tells_instants if instants else tells_whole
    assert rows.tolist() == [at for at, value in enumerate(values) if tells([value])]
    assert table.column('$."a"').to_pylist() == list(map(str, rows.tolist()))
    fitting = [values[row] for row in rows.tolist()]
    assert table.column('$."n"').to_pylist() == [
        ABSENT if value in ("", "-") or value.startswith("-") else int(value) for value in fitting
    ]


@built
def test_places_are_told_apart_by_what_declares_them_or_by_the_rest() -> None:
    def lines(*several: tuple[str, str, str]) -> pa.ChunkedArray:
        return pa.chunked_array(
            [[f'{{"api":"{api}","resource":"{resource}","path":"{path}"}}' for api, resource, path in several]],
            pa.string(),
        )

    form = skeleton('{"api":"a","resource":"b","path":"c"}')
    assert form is not None
    always, path = frozenset({'$."api"', '$."resource"'}), frozenset({'$."path"'})
    cuts = Cuts(frozenset(), always=always, undeclared=path, declared=frozenset({'$."resource"'}))
    told = [
        ("a", "/pets", "/pets"),
        ("a", "/pets", "/pets/"),
        ("b", "/pets", "/pets"),
        ("a", "-", "/x"),
        ("a", "-", "/y"),
        ("a", "", "/x"),
        ("a/", "pets", "/pets"),
        ("a" * 8, "a" * 9, ""),
        ("a" * 9, "a" * 8, ""),
    ]
    rows, table = cut(lines(*told), form, cuts)
    places = table.column(PLACE).to_pylist()
    assert table.column_names == [PLACE]
    assert len(rows) == len(told)
    assert places[0] == places[1]
    assert len(set(places)) == len(told) - 1
    assert cut(lines(*reversed(told)), form, cuts)[1].column(PLACE).to_pylist() == places[::-1]


@built
def test_keys_in_another_order_are_another_place() -> None:
    paths = frozenset({'$."a"', '$."b"'})
    places = []
    for line in ('{"a":"x","b":"y"}', '{"b":"x","a":"y"}'):
        form = skeleton(line)
        assert form is not None
        places += cut(pa.chunked_array([[line]], pa.string()), form, Cuts(frozenset(), always=paths))[1][
            PLACE
        ].to_pylist()
    assert places[0] != places[1]


@built
def test_texts_that_grow_and_one_that_is_longer_than_all_others_find_room() -> None:
    values = [*("x" * (at % 5) for at in range(300)), *("y" * 90 for _ in range(2000)), "z" * 100_000, "", "ä" * 40]
    form = skeleton('{"a":"x","b":"1"}')
    assert form is not None
    lines = pa.chunked_array([[f'{{"a":"{value}","b":"{at}"}}' for at, value in enumerate(values)]], pa.string())
    rows, table = cut(lines, form, Cuts(frozenset({'$."a"', '$."b"'})))
    assert rows.tolist() == list(range(len(values)))
    assert table.column('$."a"').to_pylist() == values
    assert table.column('$."b"').to_pylist() == list(map(str, range(len(values))))


@built
def test_numbers_that_are_now_and_then_none_are_read_as_text_from_then_on() -> None:
    """Else every such line of a log with fractions of a millisecond would be walked."""
    some = range(810, 1050)  # none of which is in the sample
    lines = [a_line(number, responseLatency=f"{number % 90}{'.5' if number in some else ''}") for number in range(4000)]
    with patch.object(runner, "cut", wraps=cut) as cutting:
        _, rows = read("".join(f"{line}\n" for line in lines).encode(), cutting=True)
    assert [rows[at]["latency_ms"] for at in (809, 810)] == [89.0, 0.5]
    assert len(rows) == len(lines)
    assert [bool(call.args[2].whole) for call in cutting.call_args_list if len(call.args[0]) > 100] == [True, False]
