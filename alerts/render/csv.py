"""Cells of a CSV file that somebody opens in a spreadsheet."""

from __future__ import annotations

from datetime import datetime

from alerts.render.text import plain
from gatewatch.records import iso

_MOST = 32_000
"""A spreadsheet's cell holds 32,767 characters."""

_FORMULA = "=+-@＝＋－＠"


def csv_cell(value: object) -> str | int | float:
    """`value` for `csv.writer`. A text that a spreadsheet would run gets an apostrophe; numbers stay numbers.

    >>> csv_cell("=1+1"), csv_cell(-5), csv_cell(None)
    ("'=1+1", -5, '')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return iso(value)
    text = plain(value, _MOST)
    return "'" + text if text[:1] and text[0] in _FORMULA else text
