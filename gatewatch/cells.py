"""A finding as the cells of a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from alerts.render.csv import csv_cell
from gatewatch.records import Finding

CSV_COLUMNS: tuple[str, ...] = (
    "id",
    "kind",
    "subtype",
    "severity",
    "score",
    "confidence",
    "title",
    "account",
    "region",
    "api_id",
    "stage",
    "route",
    "start",
    "end",
    "detected_at",
    "cause",
    "layer",
    "observed",
    "expected",
    "unit",
    "sentence",
    "ips",
    "apiKeyIds",
    "principals",
    "caveat",
    "remedy",
)


def csv_line(cells: Sequence[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow([csv_cell(cell) for cell in cells])
    return buffer.getvalue()


def csv_row(finding: Finding) -> list[object]:
    """Cells of a finding in the order of CSV_COLUMNS; entities are joined by spaces."""
    row = finding.to_json()
    evidence = finding.evidence
    flat: dict[str, object] = {
        **row,
        "layer": finding.layer,
        "observed": evidence.observed,
        "expected": evidence.expected,
        "unit": evidence.unit,
        "sentence": evidence.sentence,
        "ips": " ".join(finding.entities.ips),
        "apiKeyIds": " ".join(finding.entities.api_key_ids),
        "principals": " ".join(finding.entities.principals),
    }
    return [flat[column] for column in CSV_COLUMNS]
