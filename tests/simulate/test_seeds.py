"""The three sets share nothing, and nothing that people tune or check with names a final seed."""

from __future__ import annotations

import io
import itertools
import tokenize
from pathlib import Path

import pytest

from gatewatch.simulate.seeds import CHECKING, FINAL, OPEN, TUNING, Plan, Worlds

ROOT = Path(__file__).parent.parent.parent
ALLOWED = {"gatewatch/simulate/seeds.py", "bench/detect_final.py", "tests/simulate/test_seeds.py"}
LOOKED_AT = ("bench", "detect", "tests", "gatewatch", "ingest", "tools", "alerts", "dashboard")


def plans(worlds: Worlds) -> list[Plan]:
    return [*worlds.eventful, *worlds.calm]


SECRET = {plan.seed for plan in plans(FINAL)}


@pytest.mark.parametrize(("one", "two"), list(itertools.combinations((TUNING, CHECKING, FINAL), 2)))
def test_two_sets_share_neither_seeds_nor_settings(one: Worlds, two: Worlds) -> None:
    assert not {plan.seed for plan in plans(one)} & {plan.seed for plan in plans(two)}
    for field in ("days", "rate", "end"):
        mine, theirs = ({getattr(plan, field) for plan in plans(worlds)} for worlds in (one, two))
        assert not mine & theirs, field


@pytest.mark.parametrize("worlds", [TUNING, CHECKING, FINAL])
def test_every_world_has_its_own_name_and_a_calm_twin(worlds: Worlds) -> None:
    names = [plan.name for plan in (*worlds.eventful, *worlds.quiet)]
    assert len(names) == len(set(names)) == 2 * len(worlds.eventful) + len(worlds.calm)
    assert all(plan.calm for plan in worlds.quiet)
    assert not any(plan.calm for plan in worlds.eventful)
    for plan in worlds.quiet:
        assert plan.arguments()[-2:] == ["--scenario", "none"]


def test_the_checking_set_holds_enough_weeks_without_incidents() -> None:
    assert sum(plan.api_weeks for plan in CHECKING.quiet) >= 500


def test_the_final_set_cannot_be_chosen_by_name() -> None:
    assert all(worlds is not FINAL for worlds in OPEN.values())
    assert "final" not in OPEN


def named(text: str) -> list[str]:
    """Words of a Python text that name the final set: its seeds, as numbers or in texts, or FINAL itself."""
    found = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.NUMBER, tokenize.STRING, tokenize.COMMENT):
            plain = token.string.replace("_", "")
            found += [str(seed) for seed in SECRET if str(seed) in plain]
        elif token.type == tokenize.NAME and token.string == "detect_final":
            found.append(token.string)
        elif token.type == tokenize.NAME and token.string == "FINAL" and "simulate.seeds" in text:
            found.append("FINAL")
    return found


@pytest.mark.parametrize(
    "text",
    [
        "a_world(730211)",
        "SEEDS = range(730_213, 730_214)",
        "run(['--seed', '730215'])",
        "from gatewatch.simulate.seeds import FINAL",
        "from bench.detect_final import main",
        "from gatewatch.simulate import seeds\nimport gatewatch.simulate.seeds\nseeds.FINAL",
    ],
)
def test_naming_a_final_seed_is_noticed(text: str) -> None:
    assert named(text)


@pytest.mark.parametrize("text", ["a_world(11)", "FINAL = 3", "from gatewatch.simulate.seeds import CHECKING"])
def test_anything_else_is_not(text: str) -> None:
    assert not named(text)


@pytest.mark.parametrize("folder", LOOKED_AT)
def test_no_code_names_a_final_seed(folder: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name not in ALLOWED and "/data/" not in name:
            assert named(path.read_text(encoding="utf-8")) == [], name


def test_neither_does_the_makefile_nor_a_settings_file() -> None:
    others = [
        path.relative_to(ROOT).as_posix()
        for folder in ("bench", "tools")
        for path in (ROOT / folder).glob("*.*")
        if path.suffix in (".sh", ".toml", ".json", ".yaml", ".ini")
    ]
    assert others
    for name in ("Makefile", "pyproject.toml", ".ci/run", *others):
        text = (ROOT / name).read_text(encoding="utf-8").replace("_", "")
        assert not [seed for seed in SECRET if str(seed) in text], name


def test_the_documentation_lists_every_world() -> None:
    text = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    for plan in (*plans(TUNING), *plans(CHECKING), *plans(FINAL)):
        assert f"| {plan.seed} | {plan.days:g} | {plan.apis} | {plan.rate:g} | {plan.end[:10]} |" in text
