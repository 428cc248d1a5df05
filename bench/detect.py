"""`make bench-detect`: how good detection is, beside what people have today, on labelled worlds.

    python -m bench.detect                    # the checking set: what is reported
    python -m bench.detect --set tuning       # the tuning set: what detectors are worked on with
    python -m bench.detect --set tuning --only world-11 --list

Worlds are made once and kept under bench/data/worlds; a world is scanned again when the code that reads it changed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from bench.detect_counts import measured
from bench.detect_peer import PEERS, alarms
from bench.detect_power import allowed, by_age, calm_labels, power, quiet, race
from bench.detect_silent import silences
from bench.detect_tables import (
    Detector,
    Goal,
    ages,
    bounds,
    by_group,
    columns,
    curves,
    exact,
    goal_table,
    goals,
    side_by_side,
)
from bench.detect_worlds import Scanned, all_of, tell
from bench.measure import run
from gatewatch.cli.evaluated import lines, print_list, share
from gatewatch.cli.terminal import console
from gatewatch.evaluation.figures import figures
from gatewatch.evaluation.luck import at_shuffled_times
from gatewatch.evaluation.match import Judgement, judge
from gatewatch.simulate.seeds import OPEN, Plan, Worlds

OURS = "gatewatch"
PEER = "CloudWatch both"
BURN = "burn rate"


def chosen(worlds: Worlds, only: Sequence[str], *, quick: bool, calm: bool) -> tuple[list[Plan], list[Plan]]:
    """The worlds with incidents and those without. quick: the one with the fewest calls, and its twin."""
    eventful, quiet_ones = list(worlds.eventful), list(worlds.quiet) if calm else []
    if quick:
        eventful = [min(eventful, key=lambda plan: plan.days * plan.rate)]
        quiet_ones = [eventful[0].twin()] if calm else []
    if only:
        names = {plan.name for plan in (*eventful, *quiet_ones)}
        unknown = [name for name in only if name not in names]
        if unknown:
            raise SystemExit(f"no world is called {unknown[0]}; there are {', '.join(sorted(names))}")
        eventful = [plan for plan in eventful if plan.name in only]
        quiet_ones = [plan for plan in quiet_ones if plan.name in only]
    return eventful, quiet_ones


def judged(eventful: Sequence[Scanned], calm: Sequence[Scanned]) -> dict[str, tuple[list[Judgement], list[Judgement]]]:
    """Every detector by name: its worlds with incidents, and its calm ones."""
    out: dict[str, tuple[list[Judgement], list[Judgement]]] = {
        OURS: ([judge(one.labels, one.claims) for one in eventful], [quiet(one.labels, one.claims) for one in calm])
    }
    for name in PEERS:
        out[name] = ([], [])
    for place, ones in enumerate((eventful, calm)):
        for one in ones:
            stages = one.stages()
            truth = calm_labels(one.labels) if place else one.labels
            for name, peer in PEERS.items():
                out[name][place].append(judge(truth, alarms(stages, peer, truth)))
    return out


def report(eventful: Sequence[Scanned], calm: Sequence[Scanned], *, listed: bool) -> list[Goal]:
    """Print all that the worlds tell; their goals."""
    results = judged(eventful, calm)
    detectors = {name: Detector(name, figures(loud), figures(still)) for name, (loud, still) in results.items()}
    ours, peer = detectors[OURS], detectors[PEER]
    luck = at_shuffled_times(results[OURS][0])
    head("beside each other", side_by_side(list(detectors.values()), luck))
    head("exactly", "\n".join([exact(ours), *lines(ours.eventful, luck)]))
    for name in ("kind", "level", "traffic", "subtype", "scenario and level"):
        head(f"by {name} (peer: {PEER})", by_group(name, ours.eventful.by[name], peer.eventful.by[name]))
    head("median delay beside Lorden's bound", bounds(allowed(results[OURS][0])))
    curve = {name: power(*results[name]) for name in (OURS, "CloudWatch band", "CloudWatch static", BURN)}
    head("power: recall at the same false-alarm rate in calm worlds", curves(curve))
    pairs = [(a, b, one.stages()) for a, b, one in zip(results[OURS][0], results[BURN][0], eventful, strict=True)]
    raced = race(pairs)
    head(
        "against burn-rate alerts, incidents that fail requests",
        f"{raced.incidents} incidents, {raced.both} found by both, {raced.ours_only} by us alone, "
        f"{raced.theirs_only} by them alone; {raced.band} with 0.2 to 5 % bad\n"
        f"never later {share(raced.never_later)}, delay ratio {share(raced.ratio)}, "
        f"reset within 5 min {share(raced.reset_in_time)}",
    )
    aged = by_age(*results[OURS])
    head("by age of the history", ages(aged))
    found = goals(ours, peer, raced, aged, speed(eventful or calm))
    head("goals by worlds", goal_table(found))
    if listed:
        for one, judgement in zip((*eventful, *calm), (*results[OURS][0], *results[OURS][1]), strict=True):
            print(f"\n== {one.plan.name}")
            print_list(judgement, console(sys.stdout, colour="never"))
    return found


def speed(worlds: Sequence[Scanned]) -> float:
    """Series-minutes a second of CPU time in the largest world."""
    largest = max(worlds, key=lambda one: one.plan.days * one.plan.rate)
    done = run([sys.executable, "-m", "bench.detect_speed", str(largest.folder)])
    return float(done.answer["speed"])


def head(title: str, text: str) -> None:
    print(f"\n# {title}\n\n{text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--set", choices=sorted(OPEN), default="checking", dest="name")
    parser.add_argument("--quick", action="store_true", help="the smallest world and its twin only")
    parser.add_argument("--only", action="append", default=[], help="only the world of this name (repeatable)")
    parser.add_argument("--no-calm", action="store_true", help="leave out worlds without incidents")
    parser.add_argument("--list", action="store_true", help="each missed incident and each false alarm, too")
    options = parser.parse_args()
    plans = chosen(OPEN[options.name], options.only, quick=options.quick, calm=not options.no_calm)
    parts: tuple[tuple[str, Callable[[], list[Goal]]], ...] = (
        ("worlds", lambda: measure(*plans, listed=options.list)),
        ("live tick", lambda: ticks(quick=options.quick)),
        ("silences", lambda: silences(quick=options.quick)),
        ("counts", lambda: measured(quick=options.quick)),
    )
    found, took = list[Goal](), []
    for name, part in parts:
        began = time.monotonic()
        found += part()
        took.append([name, f"{time.monotonic() - began:,.0f} s"])
    head("what each part took", columns(took))
    head("all goals", goal_table(sorted(found, key=lambda goal: int(goal.number))))


def measure(eventful: Sequence[Plan], calm: Sequence[Plan], *, listed: bool) -> list[Goal]:
    loud, still = all_of(eventful), all_of(calm)
    cpu = sum(one.cpu_s for one in (*loud, *still))
    tell(f"{len(loud)} worlds with incidents, {len(still)} without; scanned in {cpu:.0f} CPU s")
    return report(loud, still, listed=listed)


def ticks(*, quick: bool) -> list[Goal]:
    """A live tick over a large fleet (quick: a tenth of it)."""
    apis = 50 if quick else 500
    done = run([sys.executable, "-m", "bench.detect_tick", "--apis", str(apis), "--rate", str(24 * apis)])
    answer = done.answer
    cells = [[name, f"{value:,.2f}"] for name, value in answer.items()]
    head(f"ticks over {apis} APIs of 40 routes", columns(cells))
    return [Goal("9", f"live tick, {apis} APIs of 40 routes", float(answer["tick_s"]), 5.0, True, "-", " s")]


if __name__ == "__main__":
    main()
