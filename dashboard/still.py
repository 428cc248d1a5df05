"""Still parts of a page: one component for the browser, however many elements they have.

Dash's renderer keeps a subscription for each component and asks all of them whenever one is mounted, so that a table of
1,700 cells takes many seconds. What only shows something (HTML and links without an id) needs nothing of that: it is
handed over as plain nested lists, which one component of our own (assets/still.js) turns into elements.

Each component that is left has an id, so that a page that is drawn anew can be laid over the one that stands there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

_STATE = frozenset({"children", "n_clicks", "n_clicks_timestamp", "disable_n_clicks", "key", "loading_state"})
_ALIVE = (html.Form, html.Iframe, html.Script, html.Link, html.Meta, html.Base, html.Embed, html.ObjectEl)
"""Forms of Dash's do not send themselves; nothing of the others stands on a page."""
_TAGS = {"ObjectEl": "object", "MapEl": "map"}

OWN = "table-"
"""A component with such an id names its parts by it: they are called the same without the page around them."""

Tree = str | int | float | list[Any] | None


class Still(Component):
    """What stands in its place for the renderer. tree: nodes, each a text or [tag, properties, node…]."""

    _namespace = "gatewatch_parts"
    _type = "Still"
    _children_props: list[str] = []  # noqa: RUF012 - Dash reads them from the class
    _base_nodes: list[str] = []  # noqa: RUF012
    _prop_names = ["id", "tree"]  # noqa: RUF012
    _valid_wildcard_attributes: list[str] = []  # noqa: RUF012
    available_properties = _prop_names
    available_wildcard_properties: list[str] = []  # noqa: RUF012

    def __init__(self, name: str, tree: Sequence[Tree]) -> None:
        super().__init__(id=name, tree=list(tree))  # type: ignore[no-untyped-call]


_WILD = ("data-", "aria-")


class _NotStillError(Exception):
    """Something in it has an id, or a life of its own."""


def stilled(part: Any, prefix: str = "part") -> Any:
    """The same page with its still parts joined; components are changed in place, and none is to be used again.

    prefix: of the ids that are given, unlike those of other pages.
    """
    return _joined([part], _numbered(prefix))[0]


def _numbered(prefix: str) -> Iterator[str]:
    return (f"{prefix}-{number}" for number in count())


def _joined(parts: Sequence[Any], names: Iterator[str]) -> list[Any]:
    """Neighbours that are still become one."""
    out: list[Any] = []
    run: list[Tree] = []

    def close() -> None:
        if any(isinstance(node, list) for node in run):
            out.append(Still(next(names), run))
        else:
            out.extend(run)  # bare texts need no component
        run.clear()

    for part in parts:
        try:
            run.append(_tree(part))
        except _NotStillError:
            close()
            if isinstance(part, list | tuple):
                out.append(_joined(part, names))
                continue
            if getattr(part, "id", None) is None:
                part.id = next(names)
            children = getattr(part, "children", None)
            inner = _numbered(part.id) if isinstance(part.id, str) and part.id.startswith(OWN) else names
            if isinstance(children, list | tuple):
                part.children = _joined(children, inner)
            elif isinstance(children, Component):
                (part.children,) = _joined([children], inner)
            out.append(part)
    close()
    return out


def _tree(part: Any) -> Tree:
    kind = type(part)
    if kind is str:
        return part  # type: ignore[no-any-return]
    if not isinstance(part, Component):
        return _bare(part)
    tag, names = _KINDS.get(kind) or _kind(part)
    given = vars(part)
    if tag is None or given.get("id") is not None:
        raise _NotStillError
    properties: dict[str, Any] = {}
    inside: Sequence[Any] = ()
    for name, value in given.items():
        if name == "children":
            inside = value if isinstance(value, list | tuple) else () if value is None else (value,)
        elif value is not None and name not in _NEVER and (name in names or name.startswith(_WILD)):
            properties[name] = value
    return [tag, properties, *[one if type(one) is str else _tree(one) for one in inside]]


def _bare(part: Any) -> Tree:
    """What is no component."""
    if part is None or isinstance(part, str | int | float):
        return None if isinstance(part, bool) else part
    if isinstance(part, list | tuple):
        return ["", {}, *(_tree(one) for one in part)]  # no element of its own
    raise _NotStillError


_NEVER = _STATE | vars(html.Div()).keys()
"""What each component has besides that is told of it, and what a still one has no use for."""

_KINDS: dict[type[Component], tuple[str | None, frozenset[str]]] = {}
"""Tag of a kind of component, None: it is not still; and the properties that it has."""


def _kind(part: Component) -> tuple[str | None, frozenset[str]]:
    kind = type(part)
    link = issubclass(kind, dcc.Link)
    plain = link or (getattr(part, "_namespace", "") == "dash_html_components" and not issubclass(kind, _ALIVE))
    tag = "Link" if link else _TAGS.get(kind.__name__, kind.__name__.lower())
    _KINDS[kind] = (tag if plain else None, frozenset(part._prop_names))
    return _KINDS[kind]
