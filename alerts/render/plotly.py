"""Text in charts. Plotly makes links and formatting of tags, and formulas of what stands between dollar signs."""

from __future__ import annotations

from alerts.render.text import plain

_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        "$": "&#36;",  # MathJax, whose \href makes live javascript: links
    }
)


def plotly_text(value: object, limit: int = 120) -> str:
    """`value` for a label, tick, annotation or hover text; plotly shows it as it was, and only shows it."""
    return plain(value, limit).translate(_ESCAPES).replace("%{", "%&#123;")  # %{x} of hover templates
