"""Tables that are drawn anew without the rest of their page: another order, filter or group asks for their rows only.

A page holds such a table in a place of its own. When the address differs from what stands there by what it asks of
tables (`t=`), the server draws these and nothing else (dashboard.frame), and the browser lays them into their places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

from dash import html
from dash.development.base_component import Component

from dashboard.data import Reader
from dashboard.sheets import Sheet, Shown, arranged, shown, wish_of
from dashboard.still import OWN
from dashboard.view import View, of_page

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Table(Generic[Item]):
    """draw: from the rows that are to be seen."""

    sheet: Sheet[Item]
    draw: Callable[[Reader, View, Shown[Item]], Component]

    @property
    def name(self) -> str:
        return self.sheet.name

    def placed(
        self,
        reader: Reader,
        view: View,
        first: Sequence[Item],
        total: int,
        every: Callable[[], Sequence[Item] | None],
        draw: Callable[[Shown[Item]], Component] | None = None,
    ) -> Component:
        """With its page: first, total, every as `dashboard.sheets.shown` has them.

        draw: the same as the table's own, by a page that has read already what that would read.
        """
        listed = shown(self.sheet, view, first, total, every)
        return self._in_place(draw(listed) if draw else self.draw(reader, view, listed))

    def alone(self, reader: Reader, pathname: str, view: View) -> Component:
        """The same without its page."""
        items = self.sheet.read(reader, pathname, view) or ()
        found = arranged(self.sheet, items, wish_of(view, self.name))
        return self._in_place(self.draw(reader, of_page(pathname, view), found))

    def _in_place(self, made: Component) -> Component:
        return html.Div([made], id=f"{OWN}{self.name}")


def only_tables(before: str, after: str) -> frozenset[str]:
    """The tables of which two addresses ask for something else; none where they differ in anything besides.

    >>> sorted(only_tables("/limits?api=a&t=keys.sort:-served", "/limits?api=a&t=keys.page:1&t=stages.by:api"))
    ['keys', 'stages']
    >>> only_tables("/limits?api=a", "/limits?api=b&t=keys.page:1")
    frozenset()
    """
    (place, was, had), (other, now, has) = _parts(before), _parts(after)
    if place != other or was != now:
        return frozenset()
    return frozenset(text.partition(".")[0] for text in set(had) ^ set(has))


def _parts(address: str) -> tuple[str, list[Any], list[str]]:
    """(path, the rest of the query, what it asks of tables)."""
    path, _, query = address.partition("?")
    pairs = parse_qsl(query)
    return path, sorted(pair for pair in pairs if pair[0] != "t"), [value for key, value in pairs if key == "t"]
