"""What tells rows apart for a book (see book.py): one hash for all that a set of rules looks at."""

from __future__ import annotations

from collections.abc import Iterable

from ingest import api_types

_PRESENT = frozenset(
    {"identity.apiKeyId", "identity.apiKey", "identity.userArn", "identity.caller", "connectionId", "eventType"}
)
"""Variables of which the rules only ask whether they are there."""


_UNDECLARED = frozenset(
    "path x.request x.url status error.responseType error.message error.messageString authenticate.status "
    "authenticate.error authorizer.status authorizer.error integration.status integrationStatus".split()
)
"""Variables that tell the route only where none of _DECLARED does."""

_DECLARED = frozenset({"resourcePath", "routeKey"})


def place_sql(variables: Iterable[str]) -> str:
    """The combination that account, region, API, its type, stage and route follow from."""
    names = sorted(variables)
    declared = " OR ".join(f"{_quoted(name)} NOT IN ('-', '')" for name in sorted(_DECLARED) if name in names)
    apart = [_told(name) for name in names if declared and name in _UNDECLARED]
    parts = [_told(name) for name in names if not declared or name not in _UNDECLARED]
    if apart:  # one condition for all of them
        parts.append(f"CASE WHEN {declared} THEN NULL ELSE hash({', '.join(apart)}) END")
    return f"hash({', '.join(parts) or 'NULL'})"


def plain_place(variables: Iterable[str]) -> tuple[frozenset[str], frozenset[str], frozenset[str]] | None:
    """The variables that `place_sql` hashes always, only where nothing is declared, and those that declare.

    None where it does not take each as it stands.
    """
    names = frozenset(variables)
    declared = names & _DECLARED
    if any(_told(name) != _quoted(name) for name in names):
        return None
    undeclared = names & _UNDECLARED if declared else frozenset()
    return names - undeclared, undeclared, declared


def combination_sql(variables: Iterable[str], whole: frozenset[str] = frozenset()) -> str:
    """The combination that a reject cause follows from. whole: variables that are integers, negative where absent.

    Latencies count by seconds (all limits are whole ones), identities by being there at all, and a resource by being
    declared, the root, or greedy.
    """
    asked = [_counted(name) if name in whole else _asked(name) for name in sorted(variables)]
    return f"hash({', '.join(asked) or 'NULL'})"


def _counted(name: str) -> str:
    column = _quoted(name)
    return f"CASE WHEN {column} > 0 THEN {column} // 1000 ELSE -1 END" if name.endswith("atency") else column


def _asked(name: str) -> str:
    if name != "resourcePath":
        return _told(name)
    column = _quoted(name)
    return (
        f"CASE {column} WHEN '-' THEN 0 WHEN '' THEN 0 WHEN '/' THEN 1 ELSE 2 + contains({column}, '+}}')::INTEGER END"
    )


def _told(name: str) -> str:
    column = _quoted(name)
    if name.endswith(("atency", "_s")):
        # floor, not //, which divides doubles without cutting anything off
        seconds = f"floor(try_cast({column} AS DOUBLE){' / 1000' if name.endswith('atency') else ''})"
        return f"CASE WHEN try_cast({column} AS DOUBLE) > 0 THEN {seconds} ELSE -1 END"
    if name in _PRESENT:
        return f"coalesce({column}, '-') IN ('-', '')"
    if name == "requestId":
        return f"regexp_full_match({column}, '{api_types.UUID}')"
    return column


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
