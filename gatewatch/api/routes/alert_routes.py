"""Where alerts go: a dry run of the routing tree at a chosen time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from alerts.channels import configured
from alerts.config import load_alert_config
from alerts.dryrun import dry_run
from alerts.holds import Silence, Subject
from alerts.matching import Described, labels_of
from gatewatch.alerting import open_subjects, silence_of, subject_of
from gatewatch.api.access import VIEWER
from gatewatch.api.changing import now
from gatewatch.api.reading import NOT_FOUND, PROBLEMS, Instant, answer, ask, missing
from gatewatch.records import Severity, iso
from gatewatch.settings import Settings
from gatewatch.store.notices import findings_with
from gatewatch.store.silences import silences
from gatewatch.store.state import State

router = APIRouter(prefix="/api/v1/alert-routes", tags=["alerts"], dependencies=[VIEWER])

Label = Annotated[str | None, Query(max_length=200)]


@router.get(
    "/test",
    operation_id="test_alert_routes",
    summary="Which channels would hear of an alert at a time, and what would hold it back",
    responses={**NOT_FOUND, **PROBLEMS},
)
async def dry(
    request: Request,
    finding: Annotated[str | None, Query(max_length=64, description="A stored finding; else the labels")] = None,
    severity: Severity = Severity.HIGH,
    kind: Label = None,
    subtype: Label = None,
    cause: Label = None,
    api: Label = None,
    stage: Label = None,
    route: Label = None,
    account: Label = None,
    region: Label = None,
    at: Annotated[Instant | None, Query(description="The time to take for now")] = None,
) -> Response:
    settings: Settings = request.app.state.settings
    moment = at or now()
    config = load_alert_config(settings)
    channels = await run_in_threadpool(configured, settings)
    labels = {
        "severity": severity.value,
        "kind": kind,
        "subtype": subtype,
        "cause": cause,
        "api": api,
        "stage": stage,
        "route": route,
        "account": account,
        "region": region,
    }

    def known(store: State) -> tuple[Subject | None, list[Silence], list[Subject]]:
        with store.read() as session:
            kept = [silence_of(one) for one in silences(session, moment)]
            others = open_subjects(session, config)
            if finding is None:
                return Subject("", labels_of(Described(labels), config.owners), "new", True), kept, others
            found = findings_with(session, [finding])
            return (subject_of(*found[finding], config) if found else None), kept, others

    subject, kept, others = await ask(request, known)
    if subject is None:
        raise missing("finding with this id")
    verdicts = dry_run(
        config,
        channels,
        subject,
        moment,
        least=Severity(settings.alert_min_severity),
        silences=kept,
        others=others,
    )
    return answer({"at": iso(moment), "ways": [one.to_json() for one in verdicts]})
