from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewatch.errors import UsageError
from gatewatch.where import LONGEST, Term, parse, parse_all, words


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("severity >= HIGH", Term("severity", ">=", ("high",))),
        ("api=orders", Term("api", "=", ("orders",))),
        (" api  not  in a, b ", Term("api", "not in", ("a", "b"))),
        ("route ~ GET /x = 1", Term("route", "~", ("GET /x = 1",))),
        ("score<=2.5", Term("score", "<=", (2.5,))),
        ("stage is empty", Term("stage", "is", ("empty",))),
        ("start >= 2026-06-09T14:00+02:00", Term("start", ">=", (datetime(2026, 6, 9, 12, tzinfo=UTC),))),
    ],
)
def test_a_term_is_read_and_reads_back(text: str, term: Term) -> None:
    assert parse(text) == term
    assert parse_all(words([term])) == (term,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "field op value"),
        ("severity high", "field op value"),
        ("password = x", "no field is called"),
        ("kind ~ dead", "kind takes"),
        ("kind = dead", "choose from"),
        ("score > nan", "not a number"),
        ("score > 1e999", "not a number"),
        ("start > yesterday", "not a time"),
        ("stage is null", "is empty"),
        ("api in a,,b", "a value is missing"),
        ("api = ", "a value is missing"),
        ("api = " + "x" * LONGEST, "field op value"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse(text)


@given(st.one_of(st.text(max_size=40), st.from_regex(r"[a-z]{2,8} ?(=|in|~|>=|is) ?.{0,20}", fullmatch=True)))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        term = parse(text)
    except UsageError:
        return
    assert parse(str(term)) == term
