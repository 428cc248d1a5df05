"""The made-up world's truth as labels, so that findings in it are judged as everywhere else."""

from __future__ import annotations

from collections.abc import Sequence

from gatewatch.evaluation.claims import Claim, read_claims
from gatewatch.evaluation.labels import Benign, Incident, Labels, Place
from gatewatch.evaluation.match import Judgement, judge
from gatewatch.evaluation.people import People
from gatewatch.records import Finding
from tests.detect.world import World


def labels_of(world: World) -> Labels:
    def second(minute: int) -> float:
        return (world.start + minute) * 60.0

    incidents = []
    for number, truth in enumerate(world.truths):
        place = Place(truth.api, "prod")
        named = {"ips": tuple(sorted(truth.ips)), "apiKeyIds": tuple(sorted(truth.keys))}
        incidents.append(
            Incident(
                id=f"{truth.api}-{number}",
                scenario=min(truth.subtypes),
                kind=truth.kind.value,
                subtypes=tuple(sorted(truth.subtypes)),
                level=truth.size,
                traffic="",
                place=place,
                scope=(place,),
                start=second(truth.start),
                end=second(truth.end),
                causes=tuple(sorted(cause.value for cause in truth.cause)),
                people=People({kind: names for kind, names in named.items() if names}),
            )
        )
    benign = [
        Benign(f"{api.name}-{name}", name, Place(api.name, "prod"), second(start), second(end))
        for api in world.apis
        for name, start, end in api.benign
    ]
    minutes = max(api.minutes for api in world.apis)
    names = tuple(api.name for api in world.apis)
    return Labels(second(0), second(minutes), names, tuple(incidents), tuple(benign))


def claims_of(findings: Sequence[Finding]) -> list[Claim]:
    return read_claims([finding.to_json() for finding in findings], "findings")


def judged(world: World, findings: Sequence[Finding]) -> Judgement:
    return judge(labels_of(world), claims_of(findings))
