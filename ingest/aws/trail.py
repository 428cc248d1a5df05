"""Configuration changes of one region, from CloudTrail's event history."""

from __future__ import annotations

from datetime import datetime, timedelta

from gatewatch.records import ChangeEvent
from ingest.aws.reading import Reader
from ingest.aws.session import Aws
from ingest.changes import change_events

LATE = timedelta(minutes=20)
"""An event may be visible so late (aws-facts.md 8.7: 5 to 15 minutes)."""

FIRST = timedelta(days=7)
"""How far back the first look goes; CloudTrail keeps 90 days."""

SOURCES = ("apigateway.amazonaws.com", "wafv2.amazonaws.com", "lambda.amazonaws.com")
"""Asked for one by one: LookupEvents takes one condition, and all writes of an account would be far more."""


def pull_changes(aws: Aws, region: str, until: datetime | None, now: datetime) -> list[ChangeEvent]:
    """Changes up to now, oldest first. until: of the last good look; what was late then is asked for again."""
    since = now - FIRST if until is None else until - LATE
    reader = Reader(aws, region)
    found: dict[str, ChangeEvent] = {}
    for source in SOURCES:
        condition = [{"AttributeKey": "EventSource", "AttributeValue": source}]
        asked = {"LookupAttributes": condition, "StartTime": since, "EndTime": now, "MaxResults": 50}
        for page in reader.pages("cloudtrail", "lookup_events", "NextToken", **asked):
            for event in page.get("Events") or []:
                if event.get("ReadOnly") == "true" or not event.get("CloudTrailEvent"):
                    continue
                for change in change_events({"CloudTrailEvent": event["CloudTrailEvent"]}):
                    found.setdefault(change.id, change)
    return sorted(found.values(), key=lambda one: (one.change.at, one.id))
