"""What people say of findings (right or false), and what it makes of the threshold of that scope. Pure.

A scope is a problem: a fingerprint. Its findings must score more than those that were false, and never more than those
that were right. Scores are decades: -log10 of the tail probability.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from gatewatch.records import Finding

MARGIN = 0.3
"""Decades above a false finding from which the next one is believed: half as probable."""

MOST = 30.0
"""A false finding that scored more is no matter of a threshold: raised so far, it would hide everything."""


class Verdict(StrEnum):
    TRUE_POSITIVE = "true_positive"
    FALSE_POSITIVE = "false_positive"


@dataclass(frozen=True, slots=True)
class Said:
    """One verdict on a finding that scored so much."""

    verdict: Verdict
    score: float


def required_score(said: Iterable[Said]) -> float:
    """The score that findings of a scope need beside the detector's own threshold; 0.0: nothing more.

    >>> required_score([Said(Verdict.FALSE_POSITIVE, 6.0), Said(Verdict.TRUE_POSITIVE, 9.0)])
    6.3
    >>> required_score([Said(Verdict.FALSE_POSITIVE, 6.0), Said(Verdict.TRUE_POSITIVE, 5.0)])
    5.0
    """
    listed = list(said)
    false = [one.score for one in listed if one.verdict is Verdict.FALSE_POSITIVE and one.score <= MOST]
    right = [one.score for one in listed if one.verdict is Verdict.TRUE_POSITIVE]
    if not false:
        return 0.0
    return round(min([max(false) + MARGIN, *right]), 2)


def believed(findings: Iterable[Finding], required: Mapping[str, float]) -> list[Finding]:
    """Findings that score what their scope requires; required: fingerprint -> score."""
    return [one for one in findings if one.score >= required.get(one.fingerprint, 0.0)]
