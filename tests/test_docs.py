"""The documents keep up with the program: every command and every setting is in the guide, every path exists."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from gatewatch.cli.root import root
from gatewatch.settings import Settings

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")


def leaves(group: click.Group, path: str = "gatewatch") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found |= leaves(command, f"{path} {name}")
        else:
            found[f"{path} {name}"] = command
    return found


@pytest.mark.parametrize("command", sorted(leaves(root)))
def test_every_command_is_in_the_guide(command: str) -> None:
    assert f"`{command}`" in GUIDE


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_in_the_guide_with_its_meaning(name: str) -> None:
    row = re.search(rf"^\| `{name}` \| .* \| (.+) \|$", GUIDE, re.MULTILINE)
    assert row is not None
    assert Settings.model_fields[name].description


def test_the_guide_names_no_setting_that_does_not_exist() -> None:
    table = GUIDE.split("## Settings")[1].split("## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(Settings.model_fields)


@pytest.mark.parametrize("command", sorted(leaves(root)))
def test_examples_use_options_that_exist(command: str) -> None:
    known = {opt for param in leaves(root)[command].params for opt in (*param.opts, *param.secondary_opts)}
    for example in getattr(leaves(root)[command], "examples", ()):
        for option in re.findall(r"(?<=\s)(--[a-z-]+)", example.split("  #")[0]):
            if command.split()[1] in example:
                assert option in known, example


@pytest.mark.parametrize(
    "page", ["README.md", "docs/guide.md", "docs/architecture.md", "docs/evaluation.md", "docs/walkthrough.md"]
)
def test_every_link_leads_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize(
    "folder", ["gatewatch/jobs.py", "gatewatch/ingesting.py", "gatewatch/frames", "detect", "alerts"]
)
def test_the_architecture_names_what_exists(folder: str) -> None:
    assert (ROOT / folder).exists()
    assert folder in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
