"""Where a click leads: to a page, if there is one; a page that is not there has no link."""

from __future__ import annotations

from urllib.parse import quote

from dash import page_registry

from dashboard.view import View


def page_href(name: str, view: View, **changes: str | None) -> str | None:
    """The address of a page with this time and scope; None when no page has the name."""
    page = page_registry.get(name)
    if page is None or page.get("path_template"):
        return None
    return f"{page['path']}{view.kept().search(**changes)}"


def api_href(api: str, stage: str | None, view: View) -> str | None:
    """The page of an API; None when there is none, or the id has no place in a path."""
    if "api" not in page_registry or not api or "/" in api or api != api.strip() or not api.isprintable():
        return None
    return f"/apis/{quote(api, safe='')}{view.kept().search(api=None, stage=stage)}"
