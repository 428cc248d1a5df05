"""Why was nothing raised? One answer for each detector and series of a stage at one moment.

The minutes up to the moment go through the detectors as ever, with a Watch that is told what each condition was. What
came of it in the two hours after is looked at, too: a detector may only have waited.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from detect.catalog import code_of
from detect.conclude import conclude, measured
from detect.consumers import is_key, key_id
from detect.grid import Key
from detect.model import Block, Context, minute_at
from detect.report import number, span_words
from detect.run import between, fold
from detect.sight import DEGRADED, HIDDEN, WARMING, stages
from detect.watching import Look, Watch
from gatewatch.records import JSON, Blind, Finding, Kind, Severity, iso

AFTER_MINUTES = 120
YOUNG_MINUTES = 24 * 60.0
"""Before a day of its own a series is judged with wide limits."""

STATES: tuple[str, ...] = (
    "raised", "folded", "held_back", "below", "quiet", "warming_up", "blind", "no_data", "not_seen",
)  # fmt: skip
"""raised: a finding was open. folded: as a part of another. held_back: due, but waited. below: out of line, not enough.
quiet: nothing unusual. warming_up: too young to tell. blind: a field is missing. no_data: no source delivered the
minute. not_seen: no such stage or route till then."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one detector thought of one series. finding: the one that is, or became, of it."""

    kind: Kind
    stage: str | None
    series: str
    state: str
    sentence: str
    look: Look | None = None
    finding: Finding | None = None
    missing: tuple[str, ...] = ()

    def to_json(self) -> dict[str, JSON]:
        out: dict[str, JSON] = {
            "kind": self.kind.value,
            "stage": self.stage,
            "series": self.series,
            "state": self.state,
            "sentence": self.sentence,
            "missing": list(self.missing),
            "checks": [] if self.look is None else [check.to_json() for check in self.look.checks],
        }
        if self.look is not None and self.look.observed is not None:
            out |= {"observed": self.look.observed, "expected": self.look.expected, "window_minutes": self.look.window}
        if self.finding is not None:
            one = self.finding
            out["finding"] = {"id": one.id, "code": code_of(one.kind, one.subtype), "detected_at": iso(one.detected_at)}
        return out


@dataclass(frozen=True, slots=True)
class Explanation:
    """answers: the most telling of each kind first. coverage: percent of the stage's requests that are in the logs."""

    at: datetime
    api: str
    stage: str | None
    route: str | None
    answers: list[Answer]
    coverage: float | None = None

    def to_json(self) -> dict[str, JSON]:
        return {
            "at": iso(self.at),
            "api_id": self.api,
            "stage": self.stage,
            "route": self.route,
            "coverage_percent": None if self.coverage is None else round(self.coverage, 2),
            "answers": [answer.to_json() for answer in self.answers],
        }


def explain(
    blocks: Iterable[Block],
    context: Context,
    at: datetime,
    api: str,
    *,
    stage: str | None = None,
    route: str | None = None,
    states: Mapping[str, JSON] | None = None,
    said: Mapping[str, Finding] | None = None,
) -> Explanation:
    """Look at the minute of `at`. blocks: all minutes up to AFTER_MINUTES behind it, in their order.

    states, said: of a checkpoint before the first block, and what had been found by then.
    """
    watch = Watch(int(at.timestamp() // 60), api, stage)
    after: dict[str, JSON] = dict(states or {})
    told, blind, until = dict(said or {}), list[Blind](), at
    covered: bool | None = None
    # Who is silent has no call in the blocks at hand: states know whom there was before.
    keys = {key for key in _seen(after) if watch.wants(key)}
    for block, watched in _around(blocks, watch.minute):
        mine = replace(context, watch=watch) if watched else context
        found, now_blind, after = fold([block], mine, after)
        told |= {finding.id: finding for finding in found}
        until = block.end
        if block.start <= at:
            keys |= {key for key in (*block.stage_grid.keys, *block.route_grid.keys) if watch.wants(key)}
            blind = now_blind
        if watched:
            covered = bool(block.covered[-1])
    whole = conclude(list(told.values()), after, until, context)
    answers = _Answers(watch, at, route, told, whole, blind, keys, covered)
    answers.alerted = Severity(context.settings.alert_min_severity)
    return answers.explanation(after)


def _seen(states: Mapping[str, JSON]) -> list[Key]:
    """The stages that had a call before."""
    state = states.get(Kind.DEAD_API.value)
    inner = state.get("state") if isinstance(state, dict) else None
    return [key for key, _ in stages(inner.get("sight"))] if isinstance(inner, dict) else []


def _around(blocks: Iterable[Block], minute: int) -> Iterator[tuple[Block, bool]]:
    """The blocks cut around a minute, with True for the one that ends with it."""
    for block in blocks:
        last = block.first + block.minutes
        if not block.first <= minute < last:
            yield block, False
            continue
        if minute > block.first:
            yield between(block, block.first, minute), False
        yield between(block, minute, minute + 1), True
        if minute + 1 < last:
            yield between(block, minute + 1, last), False


class _Answers:
    def __init__(
        self,
        watch: Watch,
        at: datetime,
        route: str | None,
        told: Mapping[str, Finding],
        whole: list[Finding],
        blind: list[Blind],
        keys: set[Key],
        covered: bool | None,
    ) -> None:
        self.watch, self.at, self.route, self.told, self.whole = watch, at, route, told, whole
        self.keys, self.covered = keys, covered
        self.alerted = Severity.INFO
        self.blind = [one for one in blind if one.api == watch.api and watch.stage in (None, one.stage)]

    def explanation(self, states: Mapping[str, JSON]) -> Explanation:
        stages = sorted({key[3] for key in self.keys if len(key) == 4}, key=lambda name: name or "")
        here = (self.watch.api, self.watch.stage)
        mine = [one for one in measured(states) if one.api == here[0] and here[1] in (None, one.stage)]
        lines, requests = sum(one.lines for one in mine), sum(one.requests for one in mine)
        return Explanation(
            self.at,
            self.watch.api,
            self.watch.stage,
            self.route,
            [answer for stage in stages or [self.watch.stage] for answer in self._stage(stage)],
            100.0 * lines / requests if requests else None,
        )

    def _stage(self, stage: str | None) -> Iterator[Answer]:
        for kind in Kind:
            if not any(key[3] == stage for key in self.keys):
                yield Answer(kind, stage, "", "not_seen", "No request of it was in the logs by then.")
                continue
            if self.covered is None:
                yield Answer(kind, stage, "", "no_data", "The minute is not in the logs.")
                continue
            blind = [one for one in self.blind if one.kind is kind and one.stage == stage]
            looks = [look for look in self.watch.looks if look.detector == kind.value and look.key[3] == stage]
            looks = [look for look in looks if self._is_of_route(kind, look)]
            answers = [self._of(kind, stage, look) for look in _best_of(looks)]
            answers += self._by_findings(kind, stage, answers)
            answers.sort(key=lambda answer: (STATES.index(answer.state), -_nearness(answer), answer.series))
            shut = next((one for one in blind if not one.reason.startswith((DEGRADED, WARMING, HIDDEN))), None)
            if shut is not None:
                yield Answer(kind, stage, "", "blind", f"Blind: {shut.reason}.", missing=shut.missing)
                continue
            raised = [answer for answer in answers if answer.state in ("raised", "folded")]
            yield from raised
            for one in blind:
                if one.reason.startswith(WARMING):
                    said = one.reason.removeprefix(WARMING)
                    yield Answer(kind, stage, "", "warming_up", f"{said[:1].upper()}{said[1:]}.")
                    continue
                said = one.reason.removeprefix(HIDDEN)
                yield Answer(kind, stage, "", "blind", f"Sees less: {said}.", missing=one.missing)
            if not answers:
                yield Answer(kind, stage, "", "quiet", "Nothing of its kind at that moment.")
            yield from answers[len(raised) :]

    def _is_of_route(self, kind: Kind, look: Look) -> bool:
        """Latency is judged by route and by stage; everything else by stage."""
        if kind is not Kind.LATENCY_OUTLIER or self.route is None or len(look.key) < 5:
            return True
        return look.key[4] in (None, "timeout", "authorizer", self.route)

    def _of(self, kind: Kind, stage: str | None, look: Look) -> Answer:
        series = (look.key[4] or "all routes") if len(look.key) == 5 else "good answers"
        series = f"API key {key_id(look.key)}" if is_key(look.key) else series
        finding = self._finding_of(kind, stage, look)
        state, sentence = self._state(look, finding)
        return Answer(kind, stage, series, state, sentence, look, finding)

    def _finding_of(self, kind: Kind, stage: str | None, look: Look) -> Finding | None:
        """The finding of this series that was open at the moment, or came of it."""
        group = look.key[4] if len(look.key) == 5 and kind is not Kind.LATENCY_OUTLIER else None
        for one in sorted(self.told.values(), key=lambda one: (one.detected_at, one.id)):
            if one.kind is not kind or (one.api, one.stage) != (self.watch.api, stage):
                continue
            if group is not None and one.evidence.facts.get("group") not in (None, group):
                continue
            if one.start <= self.at and (one.end is None or one.end > self.at):
                return one
        return None

    def _state(self, look: Look, finding: Finding | None) -> tuple[str, str]:
        if finding is not None and finding.detected_at <= self.at + timedelta(minutes=3):
            return self._raised(finding)
        if look.waits is not None:
            return "held_back", f"Out of line, but held back: {look.waits}.{self._later(finding)}"
        if not self.covered:
            return "no_data", "No source delivered this minute: it cannot be told."
        unmet = [check for check in look.checks if not check.met]
        young = next((check for check in unmet if check.what == "minutes known"), None)
        if young is not None:
            left = span_words(max(young.need - young.value, 1))
            return "warming_up", f"Known for {span_words(young.value)}; can tell in {left}.{self._later(finding)}"
        if not unmet:
            return "held_back", f"Out of line in this minute; it must last.{self._later(finding)}"
        short = sorted(unmet, key=lambda check: check.share)
        said = "; ".join(f"{check.what}: {_figures(check.value, check.need)}" for check in short)
        young_too = look.age_minutes is not None and look.age_minutes < YOUNG_MINUTES
        more = f" It was known for {span_words(look.age_minutes or 0)} only." if young_too else ""
        state = "below" if look.nearness >= 0.25 else "quiet"
        return state, f"Not enough: {said}.{more}{self._later(finding)}"

    def _raised(self, finding: Finding) -> tuple[str, str]:
        root = next((one for one in self.whole if finding.id in one.parts), None)
        if root is not None:
            return "folded", f"Was raised, as a part of {root.id}: {root.title}."
        said = f"Was raised: {finding.title} ({finding.severity.value}), noticed {iso(finding.detected_at)}."
        if finding.severity.rank < self.alerted.rank:
            said += f" No alert: alert_min_severity is {self.alerted.value}."
        return "raised", said

    def _later(self, finding: Finding | None) -> str:
        if finding is None or finding.detected_at <= self.at:
            return ""
        minutes = (finding.detected_at - self.at).total_seconds() / 60
        return f" It was raised {span_words(max(minutes, 1))} later: {finding.title}."

    def _by_findings(self, kind: Kind, stage: str | None, answers: list[Answer]) -> list[Answer]:
        """Findings of the moment that no watched series carries: what is dead, unused, or wrong with the logs."""
        known = {answer.finding.id for answer in answers if answer.finding is not None}
        out = []
        for one in self.told.values():
            if one.kind is not kind or one.id in known or one.api not in (self.watch.api, "(all)"):
                continue
            if one.stage not in (None, stage) or not (one.start <= self.at and (one.end is None or one.end > self.at)):
                continue
            if self.route is not None and one.route not in (None, self.route):
                continue
            state, sentence = self._raised(one)
            out.append(Answer(kind, stage, one.subtype, state, sentence, finding=one))
        return out


def _best_of(looks: list[Look]) -> list[Look]:
    """The nearest window of each series."""
    best: dict[Key, Look] = {}
    for look in looks:
        old = best.get(look.key)
        if old is None or (look.due, look.nearness) > (old.due, old.nearness):
            best[look.key] = look
    return list(best.values())


def _nearness(answer: Answer) -> float:
    return 0.0 if answer.look is None else answer.look.nearness


def _figures(value: float, need: float) -> str:
    """`12 of 25 needed`; conditions of yes and no are words."""
    if need == 1.0 and value in (0.0, 1.0):
        return "no"
    return f"{number(max(value, 0.0)) if value > 0 else '0'} of {number(need)} needed"


def closing(at: datetime) -> datetime:
    """The end of the minutes that an explanation of `at` looks at."""
    return minute_at(int(at.timestamp() // 60) + 1 + AFTER_MINUTES)
