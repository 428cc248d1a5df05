"""Text for a terminal: nothing that came from a log may move the cursor, change colours or reorder letters."""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN = re.compile(r"[ -~]*\Z")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
PIPE_WIDTH = 120


def safe(text: object) -> str:
    """The text with every control, format (bidirectional, zero width) and unassigned character spelled out.

    >>> safe("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    value = str(text)
    if _PLAIN.match(value):
        return value
    return "".join(_spelled(char) if unicodedata.category(char) in _HIDDEN else char for char in value)


def _spelled(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


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
