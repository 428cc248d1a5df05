from __future__ import annotations

import csv
import io
import re
import unicodedata
from datetime import UTC, datetime
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.render.csv import csv_cell
from alerts.render.html import html_text
from alerts.render.link import safe_link
from alerts.render.log import log_text
from alerts.render.mail import mail_header
from alerts.render.plotly import plotly_text
from alerts.render.redact import redacted
from alerts.render.slack import mrkdwn, plain_text
from alerts.render.text import plain
from alerts.render.unlinked import unlinked
from tests.alerts.hostile import HOSTILE

ANY_TEXT = st.one_of(
    st.sampled_from(HOSTILE), st.text(), st.text(st.sampled_from("<>&$%{\\=+-@ \r\n\t\x00\x1b\u202e😀a"))
)
LIMITS = st.integers(min_value=1, max_value=200)


@given(value=ANY_TEXT, limit=LIMITS)
def test_plain_text_is_one_bounded_line_with_nothing_hidden(value: str, limit: int) -> None:
    text = plain(value, limit)

    assert len(text) <= limit
    assert not [char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}]
    assert text.splitlines() in ([], [text])
    text.encode()


def test_plain_text_says_when_it_was_cut() -> None:
    assert plain("abcdef", 4) == "abc…"
    assert plain("abcd", 4) == "abcd"
    assert plain(" " * 1000 + "x", 10) == "…"
    assert plain(None) == ""
    assert plain(12.5) == "12.5"


def test_plain_text_keeps_what_people_write() -> None:
    assert plain("GET /müsli/{id} · 日本語 😀 é") == "GET /müsli/{id} · 日本語 😀 é"
    assert plain("two\nlines\t\tand  more") == "two lines and more"
    assert plain("a\u0000b\u202ec") == "a\ufffdb\ufffdc"


def test_marks_do_not_pile_up() -> None:
    assert len(plain("z" + "\u0300" * 100 + "algo")) == 9


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[str]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [name for name, _ in attrs]))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@given(value=ANY_TEXT)
def test_html_text_stays_text_between_tags_and_in_attributes(value: str) -> None:
    parser = _Tags()
    parser.feed(f'<p title="{html_text(value)}">{html_text(value)}</p>')
    parser.close()

    assert parser.tags == [("p", ["title"])]
    assert "".join(parser.text) == plain(value)


@given(value=ANY_TEXT, limit=LIMITS)
def test_slack_sees_no_control_character_and_no_half_of_an_escape(value: str, limit: int) -> None:
    for text in (mrkdwn(value, limit), str(plain_text(value, limit)["text"])):
        assert "<" not in text
        assert ">" not in text
        assert not re.search(r"&(?!amp;|lt;|gt;)", text)
        assert len(text.encode("utf-16-le")) // 2 <= max(limit, 1)


def test_slack_text_is_never_empty() -> None:
    assert plain_text("") == {"type": "plain_text", "text": "–", "emoji": False}


def test_slack_text_is_cut_between_escapes() -> None:
    assert mrkdwn("a<<<", 8) == "a&lt;…"
    assert mrkdwn("😀😀😀", 5) == "😀😀…"


@given(value=ANY_TEXT)
def test_a_mail_header_takes_it_and_stays_one_header(value: str) -> None:
    message = EmailMessage()
    message["Subject"] = mail_header(value)
    message.set_content("body")

    raw = message.as_bytes()
    names = [line.split(b":")[0] for line in raw.split(b"\n\n")[0].split(b"\n") if not line.startswith(b" ")]
    assert names[0] == b"Subject"
    assert b"Bcc" not in names
    assert len(names) == 4


@given(value=ANY_TEXT, limit=LIMITS)
def test_a_log_line_stays_one_visible_line(value: str, limit: int) -> None:
    text = log_text(value, limit)

    assert len(text) <= limit
    assert not [char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}]


def test_a_log_line_shows_what_was_hidden() -> None:
    assert log_text("a\x1b[2J\r\n\u202e\U000e0041\\") == r"a\x1b[2J\x0d\x0a\u202e\U000e0041" + "\\\\"


@given(value=ANY_TEXT)
def test_a_spreadsheet_finds_no_formula(value: str) -> None:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([csv_cell(value), "next"])
    rows = list(csv.reader(io.StringIO(buffer.getvalue())))

    assert len(rows) == 1
    assert len(rows[0]) == 2
    assert rows[0][0].strip()[:1] not in {*"=+-@＝＋－＠\t\r"} - {""}
    assert len(rows[0][0]) <= 32_001


def test_numbers_stay_numbers_in_a_spreadsheet() -> None:
    assert csv_cell(-5) == -5
    assert csv_cell(-0.25) == -0.25
    assert csv_cell("-5") == "'-5"
    assert csv_cell(True) == "true"
    assert csv_cell(None) == ""
    assert csv_cell(datetime(2026, 6, 9, 12, tzinfo=UTC)) == "2026-06-09T12:00:00Z"


@given(value=ANY_TEXT)
def test_a_chart_finds_no_tag_formula_or_template(value: str) -> None:
    text = plotly_text(value)

    assert not set("<>$") & set(text)
    assert "%{" not in text
    assert not re.search(r"&(?!amp;|lt;|gt;|#36;|#123;)", text)
    assert len(text) <= 120 * 6


@pytest.mark.parametrize("value", HOSTILE)
def test_only_http_addresses_become_links(value: str) -> None:
    assert safe_link(value) == ""


def test_links_are_taken_whole_or_not_at_all() -> None:
    assert safe_link("https://gw.example/findings/ab12?x=1#y") == "https://gw.example/findings/ab12?x=1#y"
    assert safe_link("http://[::1]:8080/findings/ab12") == "http://[::1]:8080/findings/ab12"
    for bad in (
        "https://gw.example/|x",
        "https://gw.example/>x",
        'https://gw.example/"x',
        "https://gw.example/\nx",
        "https://user:secret@gw.example/",
        "https:///x",
        "https://[::1/x",
        "https://gw.example:port/",
        "ftp://gw.example/",
        None,
        7,
        "https://gw.example/" + "a" * 3000,
    ):
        assert safe_link(bad) == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("see https://evil.example/login", "see https[:]//evil[.]example/login"),
        ("javascript:alert(1)", "javascript[:]alert(1)"),
        ("mail mailto:a@evil.example", "mail mailto[:]a@evil[.]example"),
        ("www.evil.example", "www.evil[.]example"),
        ("from 203.0.113.9 and 2001:db8::1", "from 203.0.113.9 and 2001:db8::1"),
        ("log $context.error.responseType", "log $context.error.responseType"),
        ("python-requests/2.31.0 took 1.5 s. Then it went on.", "python-requests/2.31.0 took 1.5 s. Then it went on."),
        ("GET /pets/{proxy+} at 12:30", "GET /pets/{proxy+} at 12:30"),
        ("пример.испытание", "пример[.]испытание"),
    ],
)
def test_nothing_is_left_that_a_mail_program_would_link(before: str, after: str) -> None:
    assert unlinked(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("GET /a?api_key=s3cr3t&page=2", "GET /a?api_key=[redacted]&page=2"),
        ("Authorization: Bearer abc.def-123456", "Authorization: Bearer [redacted]"),
        ("id eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln end", "id [redacted] end"),
        ("key AKIAIOSFODNN7EXAMPLE used", "key [redacted] used"),
        ("https://user:pw@host/x", "https://[redacted]@host/x"),
        ("basic authentication and bearer credentials", "basic authentication and bearer credentials"),
        ("GET /monkey?monkey=1", "GET /monkey?monkey=1"),
    ],
)
def test_credentials_are_taken_out(before: str, after: str) -> None:
    assert redacted(before) == after
