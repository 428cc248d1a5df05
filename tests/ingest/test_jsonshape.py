import duckdb
import pytest

from ingest.jsonshape import transformed

PATHS = ['$."a"', '$."n"."b"', '$."n"."c"."d"']

LINES = [
    '{"a":"x","n":{"b":"y","c":{"d":"z"}}}',
    '{"a":1.50,"n":"text"}',
    '{"a":123456789012345678901234567890}',
    '{"a":{"k": [1, 2]},"n":{"b":{"k":1}}}',
    '{"A":"upper","a":"lower"}',
    '{"a":"first","a":"second","n":null,"n":{"b":"2"}}',
    '{"a":"\\u0041\\n\\u0000z"}',
    "[1]",
    "5",
    "{}",
]


@pytest.mark.parametrize("line", LINES)
def test_a_structure_gives_the_same_texts_as_the_paths(line: str) -> None:
    shape = transformed(PATHS, "$line")
    assert shape is not None
    expression, places = shape
    listed = ", ".join(places[path] for path in PATHS)
    with duckdb.connect() as connection:
        one = connection.execute(f"SELECT {listed} FROM (SELECT {expression} AS x)", {"line": line}).fetchall()
        paths = ", ".join(f"'{path}'" for path in PATHS)
        other = connection.execute(f"SELECT json_extract_string($line, [{paths}])", {"line": line}).fetchall()
    assert list(one[0]) == other[0][0]


@pytest.mark.parametrize(
    "paths", [['$."a"', '$."a"."b"'], ['$."a"."b"', '$."a"'], ['$."a"', '$."A"'], ['$."a"[0]'], []]
)
def test_paths_that_no_structure_holds_are_left_to_others(paths: list[str]) -> None:
    assert transformed(paths, "line") is None
