"""Buttons that write keys of the address (gatewatch.js)."""

from __future__ import annotations

import json
from typing import Any

from dash import html


def sets(**keys: Any) -> Any:
    """What a click writes into the address."""
    return {"data-set": json.dumps(keys)}


def button(text: Any, *, chosen: bool | None = None, name: str = "plain-button", label: str = "", **keys: Any) -> Any:
    asked: Any = sets(**keys)
    if chosen is not None:
        asked["aria-pressed"] = "true" if chosen else "false"
    if label:
        asked |= {"aria-label": label, "title": label}
    return html.Button(text, type="button", className=name, **asked)
