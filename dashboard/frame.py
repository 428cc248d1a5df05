"""The frame around every page: top bar, navigation, footer; and how a page gets into it.

The state of a page is the address. A page is a function from the address to content; one callback a page runs it in a
thread. When it fails, what was shown stays, with a banner above it. Only one clientside callback writes the address.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dash_mantine_components as dmc
from dash import (
    ALL,
    MATCH,
    ClientsideFunction,
    Dash,
    Input,
    Output,
    State,
    dcc,
    html,
    no_update,
    register_page,
    set_props,
)
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import words
from dashboard.annotations import drawing
from dashboard.bar import bar, drawn_parts
from dashboard.components import banner, command, icon, kbd, skeleton
from dashboard.data import Reader, Scopes
from dashboard.figures import template
from dashboard.guests import guests_of
from dashboard.palette import Entry, openers, overlay, palette
from dashboard.partial import partial_note
from dashboard.routing import LOCATION, add_router, asking, room
from dashboard.standing import footer
from dashboard.still import stilled
from dashboard.tables import Table, only_tables
from dashboard.view import KEPT_KEYS, View, view_of
from dashboard.when import canonical, instant, typed
from gatewatch.access.current import current
from gatewatch.errors import GatewatchError
from gatewatch.roles import Via, Who

log = logging.getLogger(__name__)

EVERY_MS = 60_000

_HIDDEN: Any = {"aria-hidden": "true"}

Render = Callable[[Reader, str, View], Component]


@dataclass(frozen=True, slots=True)
class Nav:
    """A page's place in the navigation. key: the letter that follows `g`. icon: one of assets/icons.css."""

    order: int
    key: str
    icon: str


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation."""

    name: str
    title: str
    href: str
    nav: Nav


def places(dash: Dash) -> list[Place]:
    """The navigation: what the pages that are registered brought along, in its order."""
    found: list[Place] = vars(dash).setdefault("gatewatch_places", [])
    return sorted(found, key=lambda one: one.nav.order)


def drawers(dash: Dash) -> dict[str, Callable[[str, View], Any]]:
    """What draws the pages of the navigation, in its order, by their names."""
    found: dict[str, Callable[[str, View], Any]] = vars(dash)["gatewatch_drawers"]
    return {place.name: found[place.name] for place in places(dash)}


def _enter(dash: Dash, place: Place) -> None:
    for other in places(dash):
        if other.nav.key == place.nav.key or other.nav.order == place.nav.order:
            raise ValueError(
                f"the pages {other.name!r} and {place.name!r} have the same key or order in the navigation"
            )
    vars(dash)["gatewatch_places"].append(place)


def shell(navigation: Sequence[Place]) -> Component:
    """Everything that stays while pages change."""
    header = html.Div(
        [
            dmc.Burger(id="burger", size="sm", hiddenFrom="sm", opened=False, **{"aria-label": "Navigation"}),
            dcc.Link([icon("logo"), "gatewatch"], href="/", className="brand"),
            bar(),
            *openers(),
            dmc.ColorSchemeToggle(
                id="theme",
                lightIcon=icon("sun"),
                darkIcon=icon("moon"),
                variant="default",
                size="lg",
                **{"aria-label": "Light or dark (key d)"},
            ),
        ],
        className="bar",
    )
    links = [
        dmc.NavLink(
            id={"type": "nav", "name": place.name},
            label=place.title,
            href=place.href,
            leftSection=stilled(icon(place.nav.icon), f"nav-icon-{place.name}"),
            rightSection=stilled(html.Span(kbd(f"g {place.nav.key}", "nav-key"), **_HIDDEN), f"nav-key-{place.name}"),
            active="exact" if place.href == "/" else "partial",
            className="nav",
            **{"data-go": place.nav.key},
        )
        for place in navigation
    ]
    entries = [Entry(one.title, one.href, "Page", one.nav.icon, one.nav.key) for one in navigation]
    menu, notice = who_menu(current())
    whole = dmc.MantineProvider(
        defaultColorScheme="auto",
        theme={"fontFamily": "system-ui, sans-serif", "primaryColor": "blue", "defaultRadius": "md"},
        children=dmc.AppShell(
            [
                dmc.AppShellHeader(header),
                dmc.AppShellNavbar([html.Nav(links), html.Div(menu, id="who", className="person")], p="sm"),
                dmc.AppShellMain(
                    [
                        html.Div(notice, id="notice"),
                        html.Div(id="banner"),
                        html.Main(room(), id="main"),
                        html.Footer(id="footer", className="footer"),
                    ]
                ),
                palette(entries),
                overlay(entries),
                dcc.Store(id="standing"),
                dcc.Store(id="bar-drawn", data=drawn_parts(View(), Scopes())),
                dcc.Store(id="scheme"),
                dcc.Store(id="time-asked"),
                dcc.Store(id="kept-keys", data=list(KEPT_KEYS)),
                dcc.Store(id="templates", data={"light": template(dark=False), "dark": template(dark=True)}),
                dcc.Interval(id="minute", interval=EVERY_MS),
            ],
            id="app-shell",
            header={"height": {"base": 100, "sm": 56}},
            navbar={"width": 200, "breakpoint": "sm", "collapsed": {"mobile": True}},
            padding="md",
        ),
    )
    return stilled(whole, "frame")  # type: ignore[no-any-return]


def add_frame(dash: Dash, reader: Reader) -> None:
    """The callbacks of the frame itself."""

    @dash.callback(Output("bar-drawn", "data"), Input(LOCATION, "search"), Input("minute", "n_intervals"))
    async def picks(search: str | None, _: int | None) -> dict[str, Any]:
        view = view_of(search)
        try:
            found = await asyncio.to_thread(reader.scopes, view)
        except GatewatchError:
            found = Scopes()  # the page says why
        with words.clock(view.tz):
            return drawn_parts(view, found)

    @dash.callback(
        Output("time-asked", "data"),
        Output("time-error", "children"),
        Input("time-apply", "n_clicks"),
        Input("time-typed", "n_submit"),
        State("time-typed", "value"),
        State(LOCATION, "search"),
        prevent_initial_call=True,
    )
    async def typed_time(_: int | None, __: int | None, text: str | None, search: str | None) -> tuple[Any, Any]:
        try:
            anchor = await asyncio.to_thread(reader.anchor)
            with words.clock(view_of(search).tz):
                since, until = typed(text or "", anchor)
        except GatewatchError as error:
            return no_update, str(error)
        keys = {"range": None, "from": since, "to": until if until != "now" else None}
        return {"keys": keys, "asked": text}, None

    @dash.callback(
        Output("time-asked", "data", allow_duplicate=True),
        Output("compare-error", "children"),
        Input("compare-apply", "n_clicks"),
        Input("compare-typed", "n_submit"),
        State("compare-typed", "value"),
        State(LOCATION, "search"),
        prevent_initial_call=True,
    )
    async def typed_comparison(_: int | None, __: int | None, text: str | None, search: str | None) -> tuple[Any, Any]:
        try:
            anchor = await asyncio.to_thread(reader.anchor)
            with words.clock(view_of(search).tz):
                since = canonical(instant(typed(text or "", anchor)[0], anchor))
        except GatewatchError as error:
            return no_update, str(error)
        return {"keys": {"cmp": since}, "asked": text}, None

    @dash.callback(
        Output("time-asked", "data", allow_duplicate=True),
        Output("time-days", "value"),
        Input("time-days", "value"),
        State(LOCATION, "search"),
        prevent_initial_call=True,
    )
    async def chosen_days(days: list[str | None] | None, search: str | None) -> tuple[Any, Any]:
        if not days or not all(days):
            return no_update, no_update  # the second is still to be chosen
        try:
            with words.clock(view_of(search).tz):
                since, until = typed(" to ".join(str(day)[:10] for day in days), datetime.now(UTC))
        except GatewatchError:
            return no_update, [None, None]  # no day of the calendar is none
        return {"keys": {"range": None, "from": since, "to": until}}, [None, None]

    def clientside(name: str, *arguments: Any, **options: Any) -> None:
        dash.clientside_callback(ClientsideFunction("gatewatch", name), *arguments, **options)

    clientside(
        "write_address",
        Output(LOCATION, "search"),
        Input({"type": "url", "key": ALL}, "value"),
        State({"type": "url", "key": ALL}, "id"),
        State({"type": "was", "group": ALL}, "data"),
        State(LOCATION, "search"),
        prevent_initial_call=True,
    )
    clientside(
        "nav_links",
        Output({"type": "nav", "name": ALL}, "href"),
        Input(LOCATION, "search"),
        State({"type": "nav", "name": ALL}, "href"),
        State("kept-keys", "data"),
    )
    clientside(
        "set_keys",
        Output("time-typed", "value"),
        Output("compare-typed", "value"),
        Input("time-asked", "data"),
        prevent_initial_call=True,
    )
    clientside(
        "pace",
        Output("minute", "interval"),
        Output("minute", "disabled"),
        Input(LOCATION, "search"),
        Input("minute", "id"),
    )
    clientside(
        "navbar",
        Output("app-shell", "navbar"),
        Output("burger", "opened"),
        Input("burger", "opened"),
        Input(LOCATION, "pathname"),
        State("app-shell", "navbar"),
        prevent_initial_call=True,
    )
    add_router(dash)
    clientside("barred", Input("bar-drawn", "data"))
    clientside("clicked", Input({"type": "chart", "name": ALL}, "clickData"), prevent_initial_call=True)
    clientside(
        "themed",
        Output({"type": "chart", "name": MATCH}, "figure"),
        Input({"type": "figure", "name": MATCH}, "data"),
        Input("scheme", "data"),
        State("templates", "data"),
    )


def who_menu(who: Who | None) -> tuple[Component | None, Component | None]:
    """Who is logged in, with the way out; without a login, the notice that says so."""
    if who is None:
        return None, None
    if who.via is Via.NOBODY:
        text = "No login: everybody on this machine sees this. To turn it on: "
        return None, html.Div([text, command("gatewatch users add NAME --role admin")], className="notice", role="note")
    role = who.role.value if who.role else ""
    name = plain(who.name, 60)
    shown = html.Div([html.Span(name, className="person-name", title=name), html.Span(role, className="chip")])
    # The click is heard by session.js: Dash's own forms do not send themselves.
    return html.Div([shown, html.Button("Log out", className="plain-button log-out")]), None


def add_page(
    dash: Dash,
    reader: Reader,
    name: str,
    *,
    title: str,
    render: Render,
    path: str | None = None,
    path_template: str | None = None,
    heights: tuple[int, ...] = (96, 240, 240),
    every_minute: bool = True,
    nav: Nav | None = None,
    partial: bool = False,
    tables: Sequence[Table[Any]] = (),
) -> None:
    """Register a page: its skeleton at once, its content by one callback.

    every_minute: drawn anew as often as the bar says, in place. nav: its entry in the navigation, which brings its key,
    too; a page without one is reached from others. partial: where sources did not deliver for all of its time, a line
    above it says so. tables: those of the page that are drawn without the rest of it.
    """
    if nav is not None:
        _enter(dash, Place(name, title, path or "/", nav))
    content, asks, answer, busy = f"{name}-content", f"{name}-asked", f"{name}-drawn", f"{name}-busy"

    layout = html.Div(
        [
            dcc.Store(id=asks),
            dcc.Store(id=answer),
            html.Div(id=busy, className="busy"),
            html.Div(skeleton(*heights), id=content, className="page"),
        ]
    )
    register_page(name, path=path, path_template=path_template, title=f"{title} · gatewatch", layout=layout)
    guests = guests_of(dash)
    inputs = [Input(LOCATION, "pathname"), Input(LOCATION, "search"), Input("refresh", "n_clicks")]
    if every_minute:
        inputs.append(Input("minute", "n_intervals"))
    mine = (path or path_template or "").split("<")[0]
    known_tables = {one.name: one for one in tables}

    def drawn(rest: str, view: View) -> Any:
        view = reader.resolved(view)
        with words.clock(view.tz), drawing(lambda: reader.beside(view)):
            made = render(reader, rest, view)
            known = reader.missing(view) if partial else None
            notes = [*reader.nowhere(view), partial_note(known) if known else None]
            return stilled(html.Div([*notes, made]) if any(notes) else made, name)

    def parts(names: Iterable[str], pathname: str, view: View) -> dict[str, Any]:
        view = reader.resolved(view)
        with words.clock(view.tz):
            return {one: stilled(known_tables[one].alone(reader, pathname, view), one) for one in sorted(names)}

    if nav is not None:
        vars(dash).setdefault("gatewatch_drawers", {})[name] = drawn

    asking(dash, asks, inputs)
    # The browser decides whether the answer replaces what stands there or is laid over it: assets/draw.js.
    dash.clientside_callback(
        ClientsideFunction("gatewatch", "draw"),
        Output(content, "children"),
        Input(answer, "data"),
        State(content, "id"),
        State("templates", "data"),
    )

    @dash.callback(Output(answer, "data"), Output(busy, "children"), Input(asks, "data"), State("standing", "data"))
    async def show(of: object, standing: object) -> Any:
        given = of if isinstance(of, Mapping) else {}  # whoever posts may send anything
        place, search = (str(given.get(part) or "") for part in ("pathname", "search"))
        if (place.rstrip("/") or "/") != mine if path is not None else not place.startswith(mine):
            return no_update, no_update  # no address of this page
        guests.came()
        address = place + search
        asked = only_tables(standing, address) if isinstance(standing, str) else frozenset()
        try:
            if asked and asked <= known_tables.keys():
                some = await asyncio.to_thread(parts, asked, place, view_of(search))
                return {"tables": some, "address": address}, no_update
            made = await asyncio.to_thread(drawn, place.removeprefix(mine), view_of(search))
            with words.clock(view_of(search).tz):
                foot = footer(await asyncio.to_thread(reader.standing))
        except GatewatchError as error:
            log.warning("a page could not be shown", extra={"page": name, "reason": str(error)})
            return failed(f"Cannot read the data, so what stands here may be old: {error}")
        except Exception:  # the edge of a page: a bug must not leave a skeleton that never ends
            log.exception("a page failed", extra={"page": name})
            return failed("This page failed, so what stands here may be old; the log of gatewatch has the reason")
        set_props("banner", {"children": None})
        set_props("footer", {"children": foot})
        return {"page": made, "address": address}, no_update


def failed(text: str) -> Any:
    """Keep what is shown, and say so above it."""
    set_props("banner", {"children": banner(text, kind="error", retry=True)})
    return no_update, no_update
