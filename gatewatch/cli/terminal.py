"""Text for a terminal: nothing that came from a log may move the cursor, change colours or reorder letters."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, TextIO

from alerts.render.log import visible

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 120

safe = visible


def colour_wanted(choice: str, stream: TextIO) -> bool:
    """--color > NO_COLOR > is it a terminal that knows colours."""
    if choice != "auto":
        return choice == "always"
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def width_of(stream: TextIO) -> int:
    """Columns to use: the terminal's, or a fixed width in a pipe so that its output does not depend on a window."""
    if stream.isatty():
        return max(shutil.get_terminal_size((80, 24)).columns, 40)
    columns = os.environ.get("COLUMNS", "")
    return max(int(columns), 40) if columns.isdigit() else PIPE_WIDTH


def console(stream: TextIO, *, colour: str = "auto") -> Console:
    """A rich console that interprets nothing in the text it is given: no markup, no emoji codes, no highlighting."""
    from rich.console import Console

    wanted = colour_wanted(colour, stream)
    return Console(
        file=stream,
        width=width_of(stream),
        force_terminal=wanted,
        color_system="standard" if wanted else None,
        no_color=not wanted,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=False,
        safe_box=True,
    )


def unicode_wanted(stream: TextIO) -> bool:
    return (stream.encoding or "ascii").lower().replace("-", "").startswith("utf")


def stderr_line(text: str) -> None:
    """One line on stderr; a closed stderr is nobody's problem."""
    try:
        print(safe(text), file=sys.stderr, flush=True)
    except OSError:
        return
