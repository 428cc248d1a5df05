"""Rows of grids have a height that is known before they are there."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.grids import HEAD_PX, ROW_PX, Column, grid


@pytest.mark.parametrize("kind", ["text", "number", "linked", "link", "way", "line", "chip"])
def test_no_column_is_measured_to_find_out_how_high_its_rows_are(kind: str) -> None:
    said = Column("name", "Name", kind).definition()
    assert "autoHeight" not in said
    assert "wrapText" not in said


def test_the_room_that_is_kept_is_what_the_rows_take() -> None:
    held: Any = grid("a-grid", (Column("name", "Name", "way"),), [{"id": str(place)} for place in range(3)])
    options = held.children.dashGridOptions
    assert (options["headerHeight"], options["rowHeight"]) == (HEAD_PX, ROW_PX)
    assert held.height == f"{HEAD_PX + 3 * ROW_PX}px"
