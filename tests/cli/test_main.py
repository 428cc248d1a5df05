"""The edge of the command line: exit codes, one-line errors, and never a traceback for what a person can mend."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from gatewatch.cli import main
from gatewatch.cli.root import Root, root
from gatewatch.errors import SchemaError, SourceError, StoreError, TemplateError, UsageError


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    found: list[tuple[tuple[str, ...], click.Command]] = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found.append(((*path, name), command))
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
    return found


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def get_command(self: Root, ctx: click.Context, cmd_name: str) -> click.Command:
        def callback() -> None:
            raise error

        return click.Command(cmd_name, callback=callback)

    monkeypatch.setattr(Root, "get_command", get_command)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("wrong"), 2),
        (SchemaError("newer"), 3),
        (TemplateError("no status"), 3),
        (SourceError("cut"), 3),
        (StoreError("full"), 3),
        (OSError(28, "No space left on device", "lake/x"), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_an_error_is_one_line_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    failing(monkeypatch, error)
    assert main(["anything"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("gatewatch: ")
    assert err.count("\n") == 1


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["anything"])


def test_an_error_cannot_drive_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, SourceError("file \x1b[2J\nname"))
    main(["anything"])
    assert capsys.readouterr().err == "gatewatch: file \\x1b[2J name\n"


def test_wrong_usage_names_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "--no-such-option"]) == 2
    assert "gatewatch scan --help" in capsys.readouterr().err
    assert main(["no-such-command"]) == 2


def test_every_command_has_help_that_begins_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    found = commands(root)
    assert len(found) > 20
    for path, command in found:
        assert main([*path, "--help"]) == 0
        text = capsys.readouterr().out
        assert text.index("Examples:") < text.index("Options:"), path
        assert command.get_short_help_str(), path


def test_version_answers_at_once() -> None:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "gatewatch", "version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("gatewatch 0.")
    assert time.monotonic() - began < 10  # 0.1 s on an idle machine; heavy rooms would take more on a busy one
    heavy = (
        "import sys, gatewatch.cli; sys.exit(bool({'duckdb', 'pandas', 'pyarrow', 'sqlalchemy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", heavy], check=False).returncode == 0


def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "gatewatch", "version"], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert done.returncode == 141
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")
def test_a_full_disk_under_the_output_is_an_error() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gatewatch", "version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 3
    assert done.stderr == "gatewatch: No space left on device\n"
