"""What pip-audit could not look up is never called clean."""

from __future__ import annotations

from typing import Any

from bench.audit import filled, judged, pins

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
