"""The top bar: which APIs, what time, compared with what, how often drawn anew. All of it is written in the address.

The server draws its parts anew for each address, so every button knows where it leads: `data-set` holds the keys that a
click writes. Menus are <details>: they need no script to open, and a keyboard reaches them.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from alerts.render.text import plain
from dashboard import palette, words
from dashboard.components import icon, was
from dashboard.data import Scopes
from dashboard.still import stilled
from dashboard.view import COMPARISONS, DEFAULT_RANGE, RANGES, REFRESHES, View, Window, against
from dashboard.when import canonical, relative

Keys = dict[str, str | None]
_MINUTE, _LONG = timedelta(minutes=1), timedelta(hours=2)


def parts(view: View, scopes: Scopes) -> dict[str, list[Component]]:
    """What stands in the places of the bar, by their ids."""
    return {
        "scope": scope(view, scopes),
        "time-before": [_button("back", f"Earlier by {_length(scopes.window)} (key [)", _shifted(scopes, -1), key="[")],
        "time-face": [
            icon("clock"),
            html.Span(time_label(view, scopes.window), className="time-label"),
        ],
        "time-zone": [html.Span(words.zone_name().rpartition("/")[2].replace("_", " "), className="zone")],
        "time-quick": _quick(view, scopes.window),
        "time-after": [
            _button("forward", f"Later by {_length(scopes.window)} (key ])", _shifted(scopes, 1), key="]"),
            _button("zoom-out", "Twice as long (key -)", _wider(view, scopes), key="-"),
            _freeze(view, scopes.window),
        ],
        "compare-face": comparison_face(view),
        "compare-choices": comparison(view),
        "sharing": [_share(scopes.window)],
        "following": [following(view, scopes.window)],
        "every": [every(view)],
        "palette-apis": palette.apis(list(dict.fromkeys(api for api, _ in scopes.stages)), scopes.names),
    }


def drawn_parts(view: View, scopes: Scopes) -> dict[str, Any]:
    """`parts` with names, so that they can be laid over what stands there: a menu that is open stays open."""
    return {name: stilled(made, f"bar-{name}") for name, made in parts(view, scopes).items()}


def bar() -> Component:
    """The bar before anything is known; `drawn_parts` fills its places."""
    places = drawn_parts(View(), Scopes())

    def place(name: str, kind: Any = html.Div) -> Component:
        made: Component = kind(places[name], id=name, className=name)
        return made

    moments = [
        place("time-before"),
        html.Details(
            [
                html.Summary(
                    [place("time-face", html.Span), place("time-zone", html.Span), icon("down")],
                    className="bar-button",
                    **_said("Time range"),
                ),
                html.Div([_typed(), place("time-quick"), _days()], className="drop-panel"),
            ],
            id="time-menu",
            className="drop time-menu",
        ),
        place("time-after"),
        html.Div(_compare_menu(place), className="comparing"),
        place("sharing"),
    ]
    again = html.Button(
        icon("refresh"),
        id="refresh",
        n_clicks=0,
        type="button",
        title="Draw it anew now",
        className="bar-button",
        **_said("Refresh"),
    )
    return html.Div(
        [
            place("scope"),
            html.Div(moments, className="time"),
            html.Div([place("following"), again, place("every")], className="refreshing"),
        ],
        className="picks",
    )


def scope(view: View, scopes: Scopes) -> list[Component]:
    """Which API and stage; both write the address."""
    apis = list(dict.fromkeys(api for api, _ in scopes.stages))
    stages = list(dict.fromkeys(stage for api, stage in scopes.stages if stage and view.api in (None, api)))
    if view.api and view.api not in apis:
        apis = [view.api, *apis]
    if view.stage and view.stage not in stages:
        stages = [view.stage, *stages]
    return [
        was("scope", api=view.api, stage=view.stage),
        dmc.Select(
            id={"type": "url", "key": "api"},
            data=[{"value": api, "label": scopes.names.api(api)} for api in apis],
            value=view.api,
            placeholder="All APIs",
            clearable=True,
            searchable=True,
            leftSection=icon("api"),
            className="scope-api",
            **{"aria-label": "API"},
        ),
        dmc.Select(
            id={"type": "url", "key": "stage"},
            data=[{"value": stage, "label": plain(stage, 60)} for stage in sorted(stages)],
            value=view.stage,
            placeholder="All stages",
            clearable=True,
            searchable=True,
            className="scope-stage",
            **{"aria-label": "Stage"},
        ),
        wider_scope(view, scopes),
    ]


_WIDER = {"account": "Account", "region": "Region", "tag": "Tag"}


def wider_scope(view: View, scopes: Scopes) -> Component:
    """Account, region and tag: what is chosen, or why there is nothing to choose from."""
    known = {"account": scopes.accounts, "region": scopes.regions, "tag": scopes.tags}
    why = {
        "account": "No log line names its account.",
        "region": "No log line names its region.",
        "tag": "No API or stage of the inventory has a tag."
        if scopes.inventory
        else "Tags come with an inventory, and none is known.",
    }
    chosen = {name: value for name in _WIDER if (value := getattr(view, name))}
    parts: list[Component] = []
    for name, title in _WIDER.items():
        now = chosen.get(name)
        offered = list(dict.fromkeys([*known[name], *([now] if now else [])]))
        if offered:
            choices = [_choice("All", {name: None}, chosen=now is None)]
            choices += [_choice(plain(one, 80), {name: one}, chosen=one == now) for one in offered]
            inside: Component = html.Div(choices, className="scope-choices", role="group", **_said(title))
        else:
            inside = html.P(why[name], className="small")
        parts.append(html.Div([html.H3(title), inside], className="scope-part"))
    face = ", ".join(plain(one, 24) for one in chosen.values()) or "Everywhere"
    said = "Account, region and tag"
    summary = html.Summary(
        [icon("filter"), html.Span(face, className="scope-face" + (" on" if chosen else "")), icon("down")],
        className="bar-button",
        title=said,
        **_said(f"{said}: {face}"),
    )
    return html.Details([summary, html.Div(parts, className="drop-panel scope-panel")], className="drop scope-more")


def time_label(view: View, window: Window | None) -> str:
    """`Last 24 h`, or from when to when."""
    if window is None or not view.chosen:
        return f"Last {RANGES[view.range][0]}"
    if view.until is None and view.since is not None and relative(view.since):
        return f"Last {words.duration(window.span) if window.span >= _LONG else f'{window.span // _MINUTE} min'}"
    since, until = words.local(window.since), words.local(window.until)
    if since == _midnight(since) and until == _midnight(until):
        last = until - timedelta(days=1)
        begin = since.strftime("%d %b" if since.year == until.year else "%d %b %Y")
        return begin if last == since else f"{begin} – {last.strftime('%d %b')}"
    first = since.strftime("%d %b %H:%M" if since.year == until.year else "%d %b %Y %H:%M")
    return f"{first} – {until.strftime('%H:%M' if since.date() == until.date() else '%d %b %H:%M')}"


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def _quick(view: View, window: Window | None) -> list[Component]:
    """The quick ranges, and what is shown exactly."""
    choices = [
        _choice(f"Last {label}", _range(name), chosen=not view.chosen and view.range == name)
        for name, (label, _) in RANGES.items()
    ]
    shown = f"{words.at(window.since)} to {words.at(window.until)}" if window else "no data yet"
    return [
        html.Div(choices, className="quick", role="group", **_said("Quick ranges")),
        html.P(["Shown: ", html.Span(shown)], className="small"),
        html.Div(
            [
                _choice("Times in UTC", {"tz": None}, chosen=view.tz is None),
                _choice("Times by the clock of this browser", {"tz": "@local"}, chosen=view.tz is not None),
            ],
            className="zones",
            role="group",
            **_said("By which clock"),
        ),
        html.P(words.zoned("Whole days: the first, then the last (UTC)"), className="small days-of"),
    ]


def _typed() -> Component:
    """Any time, typed; the script sends it to the callback that reads it."""
    field = dmc.TextInput(
        id="time-typed",
        placeholder="now-6h, yesterday, 2026-06-09 12:00",
        autoComplete="off",
        spellCheck="false",
        className="time-typed",
        **{"aria-label": "Any time"},
    )
    apply = html.Button("Show", id="time-apply", type="button", n_clicks=0, className="plain-button")
    return html.Div(
        [
            html.Div([field, apply], className="time-row"),
            html.Div(id="time-error", className="field-error", role="alert"),
        ]
    )


def _days() -> Component:
    """A calendar: the days from one click to the next, by the clock of the page."""
    calendar: Component = dmc.DatePicker(
        id="time-days",
        type="range",
        allowSingleDateInRange=True,
        firstDayOfWeek=1,
        weekendDays=[],
        hideOutsideDates=True,
        size="xs",
        className="calendar",
    )
    return calendar


def _shifted(scopes: Scopes, direction: int) -> Keys | None:
    """The range before or after; None where nothing can be yet."""
    window, anchor = scopes.window, scopes.anchor
    if window is None or anchor is None:
        return None
    moved = window.moved(direction * window.span)
    if moved.since >= anchor:
        return None
    if moved.until >= anchor:
        return _counting(window.span)
    return {"range": None, "from": canonical(moved.since), "to": canonical(moved.until)}


def _wider(view: View, scopes: Scopes) -> Keys | None:
    """Twice the time around the same middle, but not beyond now."""
    window, anchor = scopes.window, scopes.anchor
    if window is None or anchor is None:
        return None
    until = window.until + window.span / 2
    if until >= anchor:
        if not view.frozen:
            return _counting(window.span * 2)
        until = max(anchor, window.until)
    return {"range": None, "from": canonical(until - window.span * 2), "to": canonical(until)}


def _counting(span: timedelta) -> Keys:
    """So long, back from now."""
    for name, (_, length) in RANGES.items():
        if length == span:
            return _range(name)
    minutes = span // timedelta(minutes=1)
    written = f"{minutes}m" if minutes < 10_000 else f"{minutes // 60}h" if minutes < 600_000 else f"{minutes // 1440}d"
    return {"range": None, "from": f"now-{written}", "to": None}


def _range(name: str) -> Keys:
    return {"range": name if name != DEFAULT_RANGE else None, "from": None, "to": None}


def _freeze(view: View, window: Window | None) -> Component:
    if window is None:
        return _button("freeze", "Freeze the time", None)
    if view.frozen:
        return _button("freeze", "The time is frozen; let it run again", _counting(window.span), on=True, key="t a")
    frozen: Keys = {"range": None, "from": canonical(window.since), "to": canonical(window.until)}
    return _button("freeze", "Freeze: always show these very minutes (keys t a)", frozen, key="t a")


def _share(window: Window | None) -> Component:
    """Copies a link to what is shown, of this very time; assets/finding.js writes it."""
    frozen = {"range": None, "from": canonical(window.since), "to": canonical(window.until)} if window else {}
    said = "Copy a link to this page and these very minutes"
    asked: dict[str, Any] = {"aria-label": said, "data-copy": "{link}", "data-frozen": json.dumps(frozen)}
    return html.Button(icon("share"), type="button", title=said, className="bar-button to-share", **asked)


def comparison_face(view: View) -> list[Component]:
    """What the shown time is laid beside, in a word."""
    short = {"prev": "Previous", "week": "Last week", None: "Compare"}.get(view.cmp, "Other time")
    return [icon("compare"), html.Span(short, className="menu-word" + (" on" if view.cmp else ""))]


def comparison(view: View) -> list[Component]:
    """The times that it can be laid beside."""
    options: list[tuple[str | None, str]] = [(None, "nothing"), *COMPARISONS.items()]
    if view.cmp and view.cmp not in COMPARISONS:
        options.append((view.cmp, against(view)))
    return [
        _choice(f"With {said}" if value else "No comparison", {"cmp": value}, chosen=view.cmp == value)
        for value, said in options
    ]


def _compare_menu(place: Any) -> Component:
    """Any other time of the same length is typed; the callback that reads it is that of the time."""
    label = "Compare (key c)"
    asked: Any = {"aria-label": label, "data-key": "c"}
    field = dmc.TextInput(
        id="compare-typed",
        placeholder="2026-06-09 12:00, yesterday",
        autoComplete="off",
        spellCheck="false",
        className="time-typed",
        **{"aria-label": "Compare with the time from"},
    )
    apply = html.Button("Show", id="compare-apply", type="button", n_clicks=0, className="plain-button")
    panel = [
        place("compare-choices"),
        html.P("With as long a time from:", className="small"),
        html.Div([field, apply], className="time-row"),
        html.Div(id="compare-error", className="field-error", role="alert"),
    ]
    summary = html.Summary(
        [place("compare-face", html.Span), icon("down")], className="bar-button", title=label, **asked
    )
    return html.Details(
        [summary, html.Div(panel, className="drop-panel")], id="compare-menu", className="drop compare-menu"
    )


def following(view: View, window: Window | None) -> Component:
    """Is what stands here live? A click follows closely, or less so."""
    pace = view.refresh or "1m"
    running = pace != "off" and not view.frozen
    stale = window is not None and window.stale
    live = running and pace == "10s"
    key: Any = {"data-key": "l", "aria-pressed": "true" if live else "false"}
    follow: Keys = {"refresh": None if live else "10s"}
    if view.frozen and window is not None:
        follow |= _counting(window.span)
    if view.frozen:
        said = "The time is frozen: nothing changes"
    elif not running:
        said = "Not drawn anew by itself"
    else:
        said = f"Drawn anew every {REFRESHES[pace][0]}" + (", but no new data come" if stale else "")
    state = "off" if not running else "late" if stale else "on"
    return html.Button(
        [html.Span(className=f"dot dot-{state}"), html.Span("Live", className="menu-word")],
        type="button",
        title=f"{said}. Follow {'less closely' if live else 'closely'} (key l)",
        className="bar-button live",
        **_sets(follow),
        **key,
    )


def every(view: View) -> Component:
    """How often the page is drawn anew."""
    pace = view.refresh or "1m"
    choices = [
        _choice(
            f"Every {label}" if seconds else "Off", {"refresh": name if name != "1m" else None}, chosen=name == pace
        )
        for name, (label, seconds) in REFRESHES.items()
    ]
    face = [html.Span(REFRESHES[pace][0], className="menu-word")]
    return _menu("refresh-menu", face, [html.Div(choices, className="choices")], label="Refresh every")


def _choice(said: str, keys: Keys, *, chosen: bool) -> Component:
    pressed: Any = {"aria-pressed": "true" if chosen else "false"}
    return html.Button(said, type="button", className="choice", **_sets(keys), **pressed)


def _button(name: str, said: str, keys: Keys | None, *, key: str = "", on: bool = False) -> Component:
    asked: dict[str, Any] = {"aria-label": said.split(" (key")[0], "data-key": key}
    if keys is not None:
        asked |= _sets(keys)
    if on:
        asked["aria-pressed"] = "true"
    return html.Button(
        icon(name), type="button", title=said, disabled=keys is None, className=f"bar-button to-{name}", **asked
    )


def _menu(
    name: str, face: list[Any], inside: list[Component], *, label: str, key: str = "", on: bool = False
) -> Component:
    asked: Any = {"aria-label": label, "data-key": key} if key else {"aria-label": label}
    summary = html.Summary(
        [*face, icon("down")], className="bar-button" + (" chosen" if on else ""), title=label, **asked
    )
    return html.Details([summary, html.Div(inside, className="drop-panel")], id=name, className=f"drop {name}")


def _said(label: str) -> Any:
    return {"aria-label": label}


def _sets(keys: Keys) -> Any:
    return {"data-set": json.dumps(keys)}


def _length(window: Window | None) -> str:
    return "one range" if window is None else words.duration(window.span)
