"""The scope of the top bar as conditions: account, region, API, stage, and a tag of the inventory.

A tag names places, `API/stage`, by the newest inventory; the frame puts them into the view before a page is drawn
(`Reader.resolved`), so that everything a page asks goes by conditions that requests, minutes and findings know.
"""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote

from dashboard.inventoried import Inventory
from dashboard.view import View
from gatewatch.where import Term

NOWHERE = "/"
"""A place that no request has: what a tag means that nothing carries."""


def place(api: str | None, stage: str | None) -> str:
    return f"{api or ''}/{stage or ''}"


def beside(view: View) -> tuple[Term, ...]:
    """What the scope says beside its API and stage."""
    given = (("account", view.account), ("region", view.region))
    out = [Term(name, "=", (value,)) for name, value in given if value]
    if view.places is not None:
        out.append(Term("place", "in", view.places or (NOWHERE,)))
    return tuple(out)


def whole(view: View) -> tuple[Term, ...]:
    """The whole scope."""
    given = (("api", view.api), ("stage", view.stage))
    return (*(Term(name, "=", (value,)) for name, value in given if value), *beside(view))


def texts(view: View) -> list[str]:
    """The whole scope, as the API's `where` takes it."""
    return [str(term) for term in whole(view)]


def options(view: View, *terms: str) -> str:
    """The scope, and conditions besides, as options of `gatewatch export requests` and `gatewatch export minutes`."""
    given = (("account", view.account), ("region", view.region), ("api", view.api), ("stage", view.stage))
    said = [f" --{name} {quote(value)}" for name, value in given if value]
    places = [str(term) for term in beside(view) if term.field == "place"]
    return "".join([*said, *(f" --where {quote(term)}" for term in (*places, *terms))])


def inside(
    view: View, api: str, stage: str | None = None, *, account: str | None = None, region: str | None = None
) -> bool:
    """Whether something of an API lies in the scope. What is not known of it does not keep it out."""
    if view.api not in (None, api) or (stage is not None and view.stage not in (None, stage)):
        return False
    if view.account and account and account != view.account:
        return False
    if view.region and region and region != view.region:
        return False
    if view.places is None:
        return True
    if stage is None:
        return any(one.startswith(f"{api}/") for one in view.places)
    return place(api, stage) in view.places


def tagged(known: Inventory, tag: str) -> tuple[str, ...]:
    """The places that carry a tag `name=value`; a stage's own value wins over that of its API."""
    name, _, value = tag.partition("=")
    out: dict[str, None] = {}
    for api in known.apis.values():
        mine = [one.name for one in api.stages if {**api.tags, **one.tags}.get(name) == value]
        if mine or (not api.stages and api.tags.get(name) == value):
            out |= dict.fromkeys([place(api.id, None), *(place(api.id, stage) for stage in mine)])
    return tuple(out)


_FIRST = ("env", "environment", "stage", "team", "owner")
MOST_TAGS = 300


def tags(known: Inventory) -> list[str]:
    """All tags of the inventory as `name=value`: environments first."""
    found: dict[str, int] = {}
    for api in known.apis.values():
        carried: list[Mapping[str, str]] = [api.tags, *(one.tags for one in api.stages)]
        for one in carried:
            for name, value in one.items():
                found[f"{name}={value}"] = found.get(f"{name}={value}", 0) + 1

    def first(tag: str) -> tuple[int, str]:
        name = tag.partition("=")[0].lower()
        return (_FIRST.index(name) if name in _FIRST else len(_FIRST), tag)

    return sorted(found, key=first)[:MOST_TAGS]
