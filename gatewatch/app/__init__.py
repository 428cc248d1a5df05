"""The web application, and what starts it and its worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatewatch.app.serve import serve

if TYPE_CHECKING:
    from gatewatch.app.build import build_app

__all__ = ["build_app", "serve"]


def __getattr__(name: str) -> object:
    """`build_app` on demand: it brings all pages, which the process that only supervises does not wait for."""
    if name != "build_app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gatewatch.app.build import build_app

    return build_app
