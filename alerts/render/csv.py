"""Cells of a CSV file that somebody opens in a spreadsheet."""

from __future__ import annotations

from datetime import datetime

from alerts.render.log import visible
from gatewatch.records import iso

_MOST = 32_000
"""A spreadsheet's cell holds 32,767 characters."""

FORMULA = "=+-@＝＋－＠"


def csv_cell(value: object) -> str | int | float:
    r"""`value` for `csv.writer`. A text that a spreadsheet would run gets an apostrophe; numbers stay numbers.

    >>> csv_cell("=1+1"), csv_cell(-5), csv_cell(None), csv_cell("a\x1b")
    ("'=1+1", -5, '', 'a\\x1b')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return iso(value)
    text = visible(value)
    text = text if len(text) <= _MOST else text[: _MOST - 1] + "…"
    return "'" + text if text.lstrip()[:1] in {*FORMULA} else text
