"""The tables of the state. Rows stay in gatewatch.store; records and frames leave it.

Where a text of any length is part of a key, `key_of` its parts is the key: an index holds no long texts on PostgreSQL.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from gatewatch.records import JSON
from gatewatch.store import access_models, alert_models  # noqa: F401  the metadata holds every table
from gatewatch.store.base import Base as Base
from gatewatch.store.base import BigId
from gatewatch.store.columns import Json

SCHEMA = "0013"
"""The newest migration: what this program writes."""


class SourceRow(Base):
    """A place that logs come from, registered by a person. options: what its kind takes (JSON object)."""

    __tablename__ = "source"
    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    location: Mapped[str]
    follow: Mapped[bool]
    options: Mapped[JSON] = mapped_column(Json())
    created_at: Mapped[datetime]


class BatchRow(Base):
    """state: leased, committed, abandoned, or compacted (it joined others' segments and brought no lines).

    swept_at: when the files of an abandoned batch were removed.
    """

    __tablename__ = "ingest_batch"
    id: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str]
    state: Mapped[str]
    holder: Mapped[str]
    lease_until: Mapped[datetime]
    started_at: Mapped[datetime]
    committed_at: Mapped[datetime | None]
    swept_at: Mapped[datetime | None]
    lines: Mapped[int] = mapped_column(default=0)
    accepted: Mapped[int] = mapped_column(default=0)
    rejected: Mapped[int] = mapped_column(default=0)
    blank: Mapped[int] = mapped_column(default=0)
    duplicate: Mapped[int] = mapped_column(default=0)
    __table_args__ = (Index(None, "state", "lease_until"), Index(None, "source"))


class CheckpointRow(Base):
    """How far a stream (a file, an object, a shard) of a source was read, in the transaction that holds its data."""

    __tablename__ = "checkpoint"
    id: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(index=True)
    stream: Mapped[str]
    offset_bytes: Mapped[int]
    lines: Mapped[int]
    size_bytes: Mapped[int]
    mtime_ns: Mapped[int]
    done: Mapped[bool]
    fingerprint: Mapped[str]
    batch_id: Mapped[str]
    updated_at: Mapped[datetime]


class PushRow(Base):
    """A delivery that was pushed to us and is in the store: told again it is answered, and not taken again."""

    __tablename__ = "push"
    key: Mapped[str] = mapped_column(primary_key=True)
    batch_id: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)


class SegmentRow(Base):
    """The manifest: readers see a file of the lake only when it stands here. token: see lake.Segment."""

    __tablename__ = "segment"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str]
    path: Mapped[str] = mapped_column(unique=True)
    rows: Mapped[int]
    size_bytes: Mapped[int]
    min_at: Mapped[datetime]
    max_at: Mapped[datetime]
    sha256: Mapped[str]
    batch_id: Mapped[str] = mapped_column(ForeignKey("ingest_batch.id"))
    token: Mapped[str | None]
    __table_args__ = (Index(None, "kind", "min_at"), Index(None, "batch_id"))


class RemovedSegmentRow(Base):
    """A file that the manifest lists no longer; it stays for a while, for those who began to read before."""

    __tablename__ = "removed_segment"
    path: Mapped[str] = mapped_column(primary_key=True)
    removed_at: Mapped[datetime]


class CoverageRow(Base):
    """[start_at, end_at): the source delivered. Touching intervals are merged when written, and again when read."""

    __tablename__ = "coverage"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    source: Mapped[str]
    batch_id: Mapped[str]
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    __table_args__ = (Index(None, "source", "start_at"),)


class FileOutcomeRow(Base):
    """How the lines of one file ended, added up over its batches."""

    __tablename__ = "file_outcome"
    id: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(index=True)
    file: Mapped[str]
    lines: Mapped[int]
    accepted: Mapped[int]
    rejected: Mapped[int]
    blank: Mapped[int]
    duplicate: Mapped[int]
    size_bytes: Mapped[int]
    batch_id: Mapped[str]


class RejectCountRow(Base):
    """Rejected lines by file and reason: exact, also when their bodies were dropped."""

    __tablename__ = "reject_count"
    id: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(index=True)
    file: Mapped[str]
    reason: Mapped[str]
    n: Mapped[int]
    batch_id: Mapped[str]


class DeadLetterRow(Base):
    """A rejected line. cost_bytes: what it counts for in the ring's cap."""

    __tablename__ = "dead_letter"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    source: Mapped[str]
    file: Mapped[str]
    line: Mapped[int]
    offset_bytes: Mapped[int]
    length: Mapped[int]
    reason: Mapped[str]
    sha256: Mapped[str]
    body: Mapped[bytes]
    cost_bytes: Mapped[int]
    batch_id: Mapped[str]
    created_at: Mapped[datetime]
    __table_args__ = (Index(None, "source", "id"),)


class InventoryRow(Base):
    """A version of what an account and region (NULL: the document does not say) have. scope: key_of both.

    body: the document of design.md 4 as JSON, zlib. digest: of the JSON.
    seen_at: when it was last found to be so; a version that nothing followed is what is there now.
    """

    __tablename__ = "inventory_snapshot"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    scope: Mapped[str]
    account: Mapped[str | None]
    region: Mapped[str | None]
    source: Mapped[str]
    taken_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    digest: Mapped[str]
    body: Mapped[bytes]
    __table_args__ = (Index(None, "scope", "id"),)


class ChangeRow(Base):
    """A configuration change, once by its event's id (key: key_of it)."""

    __tablename__ = "change"
    key: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)
    what: Mapped[str]
    actor: Mapped[str]
    resource: Mapped[str]
    service: Mapped[str]
    name: Mapped[str]
    account: Mapped[str | None]
    region: Mapped[str | None]
    user_agent: Mapped[str | None]
    detail: Mapped[JSON] = mapped_column(Json())
    source: Mapped[str]
    stored_at: Mapped[datetime]


class FindingRow(Base):
    """One episode of a problem. peak_rank: the highest severity so far. digest: of all that detectors said.

    revision: grows with every step of its life. settled_at: when a person resolved it while it still went on.
    """

    __tablename__ = "finding"
    id: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    kind: Mapped[str]
    subtype: Mapped[str]
    severity: Mapped[str]
    severity_rank: Mapped[int]
    peak_rank: Mapped[int]
    score: Mapped[float]
    confidence: Mapped[float]
    title: Mapped[str]
    account: Mapped[str | None]
    region: Mapped[str | None]
    api: Mapped[str]
    stage: Mapped[str | None]
    route: Mapped[str | None]
    start_at: Mapped[datetime]
    end_at: Mapped[datetime | None]
    detected_at: Mapped[datetime]
    entities: Mapped[JSON] = mapped_column(Json())
    cause: Mapped[str]
    layer: Mapped[str | None]
    caveat: Mapped[str | None]
    evidence: Mapped[JSON] = mapped_column(Json())
    changes: Mapped[JSON] = mapped_column(Json())
    remedy: Mapped[str]
    state: Mapped[str]
    digest: Mapped[str]
    first_seen_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    occurrences: Mapped[int]
    revision: Mapped[int] = mapped_column(default=0)
    assignee: Mapped[str | None]
    snooze_until: Mapped[datetime | None]
    snooze_count: Mapped[int | None]
    suppression_id: Mapped[str | None]
    settled_at: Mapped[datetime | None]
    __table_args__ = (
        Index(None, "start_at", "id"),
        Index(None, "fingerprint", "start_at"),
        Index(None, "state", "start_at"),
    )


class FindingMarkRow(Base):
    """One row, which triggers write: mark grows with each commit that changes a finding. tx: the last such one's."""

    __tablename__ = "finding_mark"
    id: Mapped[int] = mapped_column(primary_key=True)
    mark: Mapped[int]
    tx: Mapped[int]


class FindingEventRow(Base):
    """What happened to a finding, for its timeline. Never changed."""

    __tablename__ = "finding_event"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    finding_id: Mapped[str] = mapped_column(ForeignKey("finding.id"))
    at: Mapped[datetime]
    transition: Mapped[str]
    actor: Mapped[str]
    note: Mapped[str]
    __table_args__ = (Index(None, "finding_id", "id"),)


class SuppressionRow(Base):
    """Findings that fit `where` (texts of gatewatch.where) are hidden while it stands. why: lifecycle.Suppression.

    expires_at None: until a person ends it. last_hit_at: when it last hid something.
    """

    __tablename__ = "suppression"
    id: Mapped[str] = mapped_column(primary_key=True)
    where: Mapped[JSON] = mapped_column(Json())
    why: Mapped[str]
    note: Mapped[str]
    author: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None] = mapped_column(index=True)
    hits: Mapped[int] = mapped_column(default=0)
    last_hit_at: Mapped[datetime | None]


class FeedbackRow(Base):
    """What somebody said of a finding. verdict: verdicts.Verdict. score: the finding's, when it was first said."""

    __tablename__ = "feedback"
    finding_id: Mapped[str] = mapped_column(ForeignKey("finding.id"), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(index=True)
    verdict: Mapped[str]
    score: Mapped[float]
    note: Mapped[str]
    author: Mapped[str]
    at: Mapped[datetime]


class AnsweredRow(Base):
    """An answer to a change that came with an idempotency key (key: key_of the asker and it). asked: digest."""

    __tablename__ = "answered"
    key: Mapped[str] = mapped_column(primary_key=True)
    asked: Mapped[str]
    status: Mapped[int]
    body: Mapped[JSON] = mapped_column(Json())
    at: Mapped[datetime] = mapped_column(index=True)


class BlindRow(Base):
    """What detectors could not judge at the last tick."""

    __tablename__ = "blind"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str]
    account: Mapped[str | None]
    region: Mapped[str | None]
    api: Mapped[str]
    stage: Mapped[str | None]
    reason: Mapped[str]
    missing: Mapped[JSON] = mapped_column(Json())


class DetectorStateRow(Base):
    """A detector's state after all minutes before `at`."""

    __tablename__ = "detector_state"
    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    version: Mapped[int]
    body: Mapped[bytes]


class LeaseRow(Base):
    """Who may do a thing until when; `epoch` grows with every new holder."""

    __tablename__ = "lease"
    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    epoch: Mapped[int]
    expires_at: Mapped[datetime]


class JobRunRow(Base):
    """A run of a job: the one who inserts the row runs it."""

    __tablename__ = "job_run"
    job: Mapped[str] = mapped_column(primary_key=True)
    scheduled_for: Mapped[datetime] = mapped_column(primary_key=True)
    holder: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None]


class AwsConnectionRow(Base):
    """An account that we may read. sources: what is asked for there; external_id: see ingest.aws.session."""

    __tablename__ = "aws_connection"
    name: Mapped[str] = mapped_column(primary_key=True)
    profile: Mapped[str | None]
    role_arn: Mapped[str | None]
    external_id: Mapped[str | None]
    regions: Mapped[JSON] = mapped_column(Json())
    sources: Mapped[JSON] = mapped_column(Json())
    created_at: Mapped[datetime]


class AwsPollRow(Base):
    """How far a source of a connection was read in a region, and how the last try ended."""

    __tablename__ = "aws_poll"
    connection: Mapped[str] = mapped_column(primary_key=True)
    region: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    cursor: Mapped[JSON] = mapped_column(Json())
    tried_at: Mapped[datetime]
    ok_at: Mapped[datetime | None]
    error: Mapped[str | None]


class AwsSpendRow(Base):
    """Calls of a day (ISO text, UTC) and their list price in billionths of a dollar."""

    __tablename__ = "aws_spend"
    day: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    service: Mapped[str] = mapped_column(primary_key=True)
    operation: Mapped[str] = mapped_column(primary_key=True)
    calls: Mapped[int]
    nanos: Mapped[int]


class BacktestRow(Base):
    """A backtest that somebody asked for. state: backtests.Phase. tries: how often a worker began it."""

    __tablename__ = "backtest"
    id: Mapped[str] = mapped_column(primary_key=True)
    asked: Mapped[JSON] = mapped_column(Json())
    author: Mapped[str]
    state: Mapped[str]
    cancelled: Mapped[bool]
    tries: Mapped[int]
    minutes: Mapped[int]
    of_minutes: Mapped[int]
    requests: Mapped[int]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    error: Mapped[str | None]
    result: Mapped[JSON] = mapped_column(Json(), nullable=True)
    __table_args__ = (Index(None, "state", "created_at"),)


class MetaRow(Base):
    """Single values: counters and marks."""

    __tablename__ = "meta"
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[JSON] = mapped_column(Json())


def key_of(*parts: str) -> str:
    """32 hex digits that stand for these texts."""
    joined = "\x1f".join(f"{len(part)}:{part}" for part in parts)
    return blake2b(joined.encode(errors="surrogatepass"), digest_size=16).hexdigest()
