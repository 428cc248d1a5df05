"""Every subtype that can be said has a code and an explanation, and the document says the same."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from detect.catalog import CODES, FAMILIES, code_of, found, markdown
from detect.sight import VARIABLES
from gatewatch.cli import main
from gatewatch.records import Kind
from gatewatch.settings import Settings

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = ROOT / "docs" / "detection.md"
BEGIN, END = "<!-- made from detect/catalog.py -->\n", "<!-- end -->"


def said_by_the_code() -> set[str]:
    """Texts that stand where a subtype does: a Verdict's first argument, `subtype=`, what `_shape` returns."""
    found: set[str] = set()
    for path in sorted((ROOT / "detect").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else ""
                if name in {"Verdict", "_quiet"} and node.args:
                    found |= texts(node.args[0])
                for keyword in node.keywords:
                    if keyword.arg == "subtype":
                        found |= texts(keyword.value)
            if isinstance(node, ast.Assign) and any(
                isinstance(one, ast.Name) and one.id == "subtype" for one in node.targets
            ):
                found |= texts(node.value)
            if isinstance(node, ast.FunctionDef) and node.name == "_shape":
                for inner in ast.walk(node):
                    found |= texts(inner.value) if isinstance(inner, ast.Return) and inner.value is not None else set()
    return found


def texts(node: ast.AST) -> set[str]:
    if isinstance(node, ast.IfExp):
        return texts(node.body) | texts(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def test_every_subtype_has_a_code() -> None:
    said = said_by_the_code()
    assert {"brute_force", "over_plan", "live_outage", "step", "coverage_low", "unused"} <= said
    assert said <= {one.subtype for one in CODES}


def test_codes_are_unique_and_of_every_kind() -> None:
    assert len({one.code for one in CODES}) == len({(one.kind, one.subtype) for one in CODES}) == len(CODES)
    assert {one.kind for one in CODES} == {one.kind for one in FAMILIES} == set(Kind)
    assert all(re.fullmatch(r"[A-Z]{3,4}-\d{3}", one.code) for one in CODES)
    assert code_of(Kind.AUTH_FAILURE_SPIKE, "credential_stuffing") == "AUTH-004"
    assert code_of(Kind.DEAD_API, "nothing") is None


def test_what_they_name_exists() -> None:
    for family in FAMILIES:
        assert set(family.needs) <= set(VARIABLES)
        assert set(family.settings) <= set(Settings.model_fields)
    for one in CODES:
        for name in re.findall(r"`([a-z_]+)`", one.apart + one.tune):
            assert name in Settings.model_fields or name == "deprecated"


def test_the_document_holds_what_the_catalog_makes() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.split(BEGIN)[1].split(END)[0].strip() == markdown().strip()


@pytest.mark.parametrize("name", ["AUTH-004", "auth-004", "credential-stuffing", "credential_stuffing"])
def test_a_code_is_found_by_its_names(name: str) -> None:
    assert [one.code for one in found(name)] == ["AUTH-004"]


def test_a_kind_is_all_of_its_codes() -> None:
    assert {one.code for one in found("dead_api")} == {one.code for one in CODES if one.kind is Kind.DEAD_API}
    assert found("x") == []


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main(["detectors", *arguments]) == code
    out, err = capsys.readouterr()
    return out, err


@pytest.mark.parametrize("code", [one.code for one in CODES])
def test_each_is_explained_offline(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, "explain", code)
    for word in (code, "apart", "maths", "needs", "tuning", "errs", "silent"):
        assert word in out
    document = json.loads(run(capsys, "explain", code, "--format", "json")[0])
    assert document["detectors"][0]["code"] == code


def test_the_list_has_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, "list")
    assert all(one.code in out for one in CODES)
    assert len(json.loads(run(capsys, "list", "--format", "json")[0])["detectors"]) == len(CODES)


def test_an_unknown_code_is_said_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean AUTH-004" in run(capsys, "explain", "AUTH-04", code=2)[1]
    assert "gatewatch detectors list" in run(capsys, "explain", "zzzz", code=2)[1]
