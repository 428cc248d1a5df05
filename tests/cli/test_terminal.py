"""What an attacker wrote stays text: in a terminal, in a spreadsheet, in JSON."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.render.csv import csv_cell
from gatewatch.cli.documents import csv_line, json_text, print_table
from gatewatch.cli.terminal import PIPE_WIDTH, colour_wanted, console, safe, width_of

HOSTILE = "\x1b[31mred\x1b]0;title\x07 \u202eevil\u2066 \x9b2J\x7f\u200b\r\n"


def test_hostile_text_is_spelled_out() -> None:
    assert safe(HOSTILE) == ("\\x1b[31mred\\x1b]0;title\\x07 \\u202eevil\\u2066 \\x9b2J\\x7f\\u200b\\x0d\\x0a")
    assert safe("größe 日本 🙂") == "größe 日本 🙂"


@given(st.text())
def test_nothing_safe_can_steer_a_terminal(text: str) -> None:
    shown = safe(text)
    assert all(char.isprintable() or char.isspace() for char in shown)
    assert "\n" not in shown
    assert "\x1b" not in shown


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists, max_leaves=5))
def test_json_is_printable_ascii_and_reads_back(value: object) -> None:
    text = json_text(value)  # type: ignore[arg-type]  # the strategy makes JSON values
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text) == value


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1"])
def test_a_cell_is_no_formula(text: str) -> None:
    assert str(csv_cell(text))[0] in "'\\"
    assert csv_line([text, 1.5, None, True]).endswith(",1.5,,true\n")


def test_a_table_shows_markup_and_escapes_as_text_within_its_width() -> None:
    out = io.StringIO()
    print_table(("a", "b"), [("[red]x[/red] :smile:", HOSTILE), ("long " * 60, "y")], console(out))
    text = out.getvalue()
    assert "[red]x[/red] :smile:" in text
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) <= PIPE_WIDTH


def test_colours_follow_the_flag_then_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert colour_wanted("auto", Terminal())
    assert not colour_wanted("never", Terminal())
    assert not colour_wanted("auto", io.StringIO())
    assert colour_wanted("always", io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour_wanted("auto", Terminal())
    assert colour_wanted("always", Terminal())
    monkeypatch.setenv("COLUMNS", "70")
    assert width_of(io.StringIO()) == 70
