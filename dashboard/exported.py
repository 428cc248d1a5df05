"""What the files of the pages about APIs, refusals and limits hold: all rows of a table, those left out, too."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote

from dashboard.data import Reader
from dashboard.data_api import head, routes
from dashboard.data_apis import apis, known_inventory, shown_client
from dashboard.data_limits import throttled_of
from dashboard.exported_ops import OPS_EXPORTS
from dashboard.exports import MOST_ROWS, Export, Rows
from dashboard.grids import number
from dashboard.refusals import AUTH
from dashboard.summing import scope_of
from dashboard.view import View
from gatewatch.store.groups import caller_sums, refused_sums

_WHO = ("known_by", "caller")


def every_api(reader: Reader, pathname: str, view: View) -> Rows | None:  # noqa: ARG001
    found = apis(reader, view, most=MOST_ROWS)
    if found is None:
        return None
    heads = "api stage name type status owner authorization requests refused_4xx failed_5xx p95_ms callers "
    heads += "routes_called routes_declared open_findings worst last_call"
    return Rows(
        heads.split(),
        (
            (
                one.api,
                one.stage,
                one.name,
                one.api_type,
                one.life.value,
                one.owner,
                ", ".join(one.auth or ()),
                one.n,
                one.refused,
                one.failed,
                number(one.p95_ms),
                number(one.callers),
                one.routes_called,
                one.routes_declared,
                one.open_findings,
                one.worst.value if one.worst else None,
                one.last_at,
            )
            for one in found.rows
        ),
    )


def of_page(pathname: str, view: View) -> View:
    """The view of an API's page: which one is in its path."""
    return replace(view, api=unquote(pathname.removeprefix("/apis/"))[:200])


def every_route(reader: Reader, pathname: str, view: View) -> Rows | None:
    mine = of_page(pathname, view)
    of = head(reader, mine.api or "", replace(view, api=None))
    if of is None:
        return None
    found = routes(reader, of, mine, most=MOST_ROWS)
    heads = "route requests refused_4xx failed_5xx auth_rejections throttled p95_ms declared api_key_needed last"
    return Rows(
        heads.split(),
        (
            (
                one.route,
                one.n,
                one.refused,
                one.failed,
                one.auth,
                one.throttled,
                number(one.p95_ms),
                one.declared.auth if one.declared else None,
                one.declared.key if one.declared else None,
                one.last_at,
            )
            for one in found.lines
        ),
    )


def every_caller(reader: Reader, pathname: str, view: View) -> Rows | None:
    mine = of_page(pathname, view)
    window = reader.window(mine)
    if window is None:
        return None
    known = known_inventory(reader.store())
    columns = ("n", "refused", "throttled", "failed", "routes", "addresses", "agents", "first", "last")
    found = caller_sums(reader.store(), scope_of(window, mine), limit=MOST_ROWS).to_pylist()
    heads = (*_WHO, "requests", "refused_4xx", "throttled_429", "failed_5xx", *columns[4:])
    return Rows(
        heads,
        ((*shown_client(reader, known, row["client_id"]), *(row[name] for name in columns)) for row in found),
    )


def every_refused(reader: Reader, pathname: str, view: View) -> Rows | None:
    mine = of_page(pathname, view) if pathname.startswith("/apis/") else view
    window = reader.window(mine)
    if window is None:
        return None
    known = known_inventory(reader.store())
    columns = ("n", "routes", "addresses", "agents", "first", "last")
    names = ("client_id", "reject_cause")
    found = refused_sums(reader.store(), scope_of(window, mine), names, causes=AUTH, limit=MOST_ROWS).to_pylist()
    return Rows(
        (*_WHO, "reject_cause", "refused", *columns[1:]),
        (
            (*shown_client(reader, known, row["client_id"]), row["reject_cause"], *(row[name] for name in columns))
            for row in found
        ),
    )


def every_throttled(reader: Reader, pathname: str, view: View) -> Rows | None:
    mine = of_page(pathname, view) if pathname.startswith("/apis/") else view
    window = reader.window(mine)
    if window is None:
        return None
    known = known_inventory(reader.store())
    found = throttled_of(reader.store(), scope_of(window, mine), known, most=MOST_ROWS)
    heads = "api stage known_by caller role refused of_quota asked share peak_a_second plan first last"
    return Rows(
        heads.split(),
        (
            (
                one.api,
                one.stage,
                *shown_client(reader, known, one.client_id),
                one.role.value,
                one.refused,
                one.quota,
                one.asked,
                one.share,
                one.peak,
                one.plan.name if one.plan else None,
                one.first_at,
                one.last_at,
            )
            for one in found
        ),
    )


EXPORTS: dict[str, Export] = {
    "apis": every_api,
    "routes": every_route,
    "consumers": every_caller,
    "refused": every_refused,
    "throttled": every_throttled,
    **OPS_EXPORTS,
}
