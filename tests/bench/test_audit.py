"""What pip-audit could not look up is never called clean."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bench.audit import LOCKS, READ, filled, judged, pins, read

CLEAN = {"name": "good", "version": "1.0", "vulns": []}
SKIPPED = {"name": "gone", "skip_reason": "Dependency not found on PyPI and could not be audited: gone (1.0)"}
BAD = {"name": "bad", "version": "1.0", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["1.1"]}]}


def test_only_what_was_looked_up_is_clean() -> None:
    assert judged("x.lock", {"dependencies": [CLEAN]}) == (
        0,
        ["x.lock: 1 packages looked up, 0 known to be vulnerable"],
    )
    answers: list[dict[str, Any] | None] = [{"dependencies": [CLEAN, SKIPPED]}, {"dependencies": []}, None]
    for answer in answers:
        code, lines = judged("x.lock", answer)
        assert code == 3
        assert "could not tell" in lines[0]


def test_a_vulnerable_package_is_named_with_its_fix_whatever_else_is_unknown() -> None:
    code, lines = judged("x.lock", {"dependencies": [SKIPPED, BAD, CLEAN]})
    assert code == 1
    assert "x.lock: bad 1.0: PYSEC-2026-1; fixed in 1.1" in lines


def test_the_page_of_a_package_tells_of_the_pin_only_when_that_is_the_newest() -> None:
    known = [{"id": "PYSEC-2026-2", "fixed_in": ["9"]}, {"id": "PYSEC-2026-3", "withdrawn": "2026-01-01"}]
    pages: dict[str, dict[str, Any]] = {
        "gone": {"info": {"version": "1.0"}, "vulnerabilities": []},
        "old": {"info": {"version": "2.0"}, "vulnerabilities": []},
        "hit": {"info": {"version": "1.0"}, "vulnerabilities": known},
    }
    answer = {"dependencies": [CLEAN, *({"name": name, "skip_reason": "404"} for name in (*pages, "silent"))]}
    pinned = pins("gone==1.0 \\\n    --hash=sha256:0\nold==1.0\nhit[more]==1.0 ; python_version < '4'\nsilent==1.0\n")
    assert pinned == dict.fromkeys((*pages, "silent"), "1.0")
    code, lines = judged("x.lock", filled(answer, pinned, lambda name: pages.get(name)))
    assert code == 1
    assert lines[0] == "x.lock: hit 1.0: PYSEC-2026-2; fixed in 9"
    assert "could not tell for 2 of 5 packages (old, silent)" in lines[1]


@pytest.mark.parametrize(
    ("version", "today", "code"),
    [
        ("1.0", date(2026, 3, 1), 0),
        ("1.1", date(2026, 3, 1), 3),  # another release is pinned than the one that was read about
        ("1.0", date(2026, 6, 1), 3),  # too long ago
        ("1.0", date(2026, 1, 31), 3),  # from the future
    ],
)
def test_what_people_read_about_counts_for_that_version_and_a_while(version: str, today: date, code: int) -> None:
    entries = {"gone": {"version": "1.0", "read": date(2026, 2, 1), "where": "the advisory database"}}
    answer = {"dependencies": [CLEAN, SKIPPED]}
    told, lines = judged("x.lock", read(answer, {"gone": version}, entries, today))
    assert told == code
    if code == 0:
        assert lines[0] == "x.lock: gone 1.0: read on 2026-02-01, the advisory database"
        assert lines[1] == "x.lock: 1 packages looked up, 1 read about by people, 0 known to be vulnerable"
    else:
        assert "could not tell for 1 of 2 packages (gone)" in lines[0]


def test_every_release_that_was_read_about_is_the_pinned_one() -> None:
    pinned: dict[str, str] = {}
    for lock in LOCKS:
        pinned |= pins(Path(lock).read_text(encoding="utf-8"))
    entries = tomllib.loads(READ.read_text(encoding="utf-8"))
    assert entries
    for name, entry in entries.items():
        assert pinned[name] == entry["version"], f"{name}: read about {entry['version']}, pinned {pinned[name]}"
        assert entry["where"]
        assert entry["held_by"]
