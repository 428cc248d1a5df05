"""What pip-audit could not look up is never called clean."""

from __future__ import annotations

from typing import Any

from bench.audit import judged

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
