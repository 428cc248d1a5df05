"""The web application, and what starts it and its worker."""

from __future__ import annotations

from gatewatch.app.build import build_app
from gatewatch.app.serve import serve

__all__ = ["build_app", "serve"]
