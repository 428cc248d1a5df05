"""Which route a request took: the declared one, else a path with its changing parts made `{id}`; SQL and Python."""

from __future__ import annotations

import re

NO_ROUTE = "(no route)"
"""The route of requests that nothing answers to: what scanners try must not become thousands of routes."""

SEGMENTS = 4
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PROPFIND", "REPORT")

# Between two slashes: digits, 8 or more hexadecimal digits, more than 24 characters (UUIDs too), AWS access key ids, or
# an odd character.
_CHANGING = r"/(?:[0-9]+|[0-9A-Fa-f]{8,}|A[KS]IA[A-Z0-9]{16}|[^/]{25,}|[^/]*[^A-Za-z0-9_./-][^/]*)/"
_CHANGING_SEGMENT = re.compile(_CHANGING)


def target_path(target: str) -> str:
    """The path of a request target: no scheme, host, query or fragment."""
    if "://" in target:
        target = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", "", target)
    return re.split(r"[?#]", target, maxsplit=1)[0]


def target_path_sql(target: str) -> str:
    bare = rf"regexp_replace({target}, '^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*', '')"
    return (
        f"CASE WHEN contains({target}, '://') THEN regexp_extract({bare}, '^[^?#]*') "
        f"WHEN contains({target}, '?') OR contains({target}, '#') THEN regexp_extract({target}, '^[^?#]*') "
        f"ELSE {target} END"
    )


def normalised(path: str, stage: str | None) -> str:
    """A path (no query) as a route: without the stage, changing segments as {id}, at most SEGMENTS of them.

    >>> normalised("/prod/users/4711/orders/9f86d081884c7d65/items/7", "prod")
    '/users/{id}/orders/{id}/…'
    """
    parts = [part for part in path.split("/") if part]
    if stage is not None and parts[:1] == [stage]:
        parts = parts[1:]
    shown = ["{id}" if _CHANGING_SEGMENT.fullmatch(f"/{part}/") else part for part in parts[:SEGMENTS]]
    return "/" + "/".join(shown) + ("/…" if len(parts) > SEGMENTS else "")


def normalised_sql(path: str, stage: str | None) -> str:
    """`normalised` as an expression; path: an expression that is NULL for rows without one; stage: likewise, or None.

    RE2 cannot look ahead, so every slash is doubled first: then each segment has both of its slashes to itself.
    """
    # A slash at the end makes all segments alike.
    lead = f"'/' || ltrim({path}, '/') || '/'"
    if stage is not None:
        front = f"{stage} || '/'"
        lead = (
            f"CASE WHEN starts_with(ltrim({path}, '/'), {front}) THEN substr({lead}, length({stage}) + 2) "
            f"WHEN ltrim({path}, '/') = {stage} THEN '/' ELSE {lead} END"
        )
    doubled = f"regexp_replace({lead}, '/+', '//', 'g')"
    changed = f"replace(regexp_replace({doubled}, '{_CHANGING}', '/{{id}}/', 'g'), '//', '/')"
    shortened = rf"regexp_replace({changed}, '^((?:/[^/]+){{{SEGMENTS}}})/[^/]+/.*$', '\1/…/', 's')"
    many = f"{path} LIKE '{'%/' * SEGMENTS}%'"
    return f"coalesce(nullif(rtrim(CASE WHEN {many} THEN {shortened} ELSE {changed} END, '/'), ''), '/')"


def method_of(method: str | None) -> str | None:
    """The method as part of a route made of a path: a client may send any word."""
    return method if method is None or method in METHODS else "OTHER"


def method_of_sql(method: str) -> str:
    listed = ", ".join(f"'{name}'" for name in METHODS)
    return f"CASE WHEN {method} IN ({listed}) THEN {method} WHEN {method} IS NOT NULL THEN 'OTHER' END"
