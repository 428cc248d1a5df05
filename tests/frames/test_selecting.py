"""Requests that a Selection asks for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from gatewatch.frames import REQUESTS
from gatewatch.frames.selecting import export_command, selected
from gatewatch.records import Selection

AT = datetime(2026, 6, 9, 12, tzinfo=UTC)


def test_what_was_refused_for_a_cause_is_left_out_and_what_was_not_refused_stays() -> None:
    causes = [None, "expired_credential", "not_found", "unknown"]
    rows = [{"at": AT, "api": "a1", "stage": "prod", "status": 200, "reject_cause": cause} for cause in causes]
    asked = Selection(AT, AT + timedelta(minutes=1), "a1", except_causes=("expired_credential", "unknown"))
    found = selected(pa.Table.from_pylist(rows, REQUESTS), asked)
    assert found.column("reject_cause").to_pylist() == [None, "not_found"]
    assert Selection.from_json(asked.to_json()) == asked
    assert "--except-cause expired_credential --except-cause unknown" in export_command(asked)
