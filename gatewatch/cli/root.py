"""The root command: it finds the commands by walking, and holds what they share."""

from __future__ import annotations

import importlib
import logging
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from gatewatch import __version__
from gatewatch.cli.terminal import colour_wanted, safe, stderr_line
from gatewatch.logs import set_up_logging

if TYPE_CHECKING:
    from gatewatch.cli.progress import Reporter
    from gatewatch.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True)
class Ui:
    """What every command knows: where the configuration is and how to speak to the person in front."""

    config: Path | None = None
    quiet: bool = False
    progress: bool = True
    colour: str = "auto"
    verbose: int = 0

    def settings(self, **overrides: Any) -> Settings:
        from gatewatch.settings import load_settings

        return load_settings(self.config, **overrides)

    def say(self, text: str) -> None:
        """Something worth knowing, unless --quiet."""
        if not self.quiet:
            stderr_line(text)

    def warn(self, text: str) -> None:
        """Something that went wrong: --quiet does not hide it."""
        stderr_line(f"gatewatch: {text}")

    def hint(self, text: str) -> None:
        """What to do next."""
        if not self.quiet:
            mark = "next:"
            if colour_wanted(self.colour, sys.stderr):
                click.echo(f"\x1b[36m{mark}\x1b[0m {safe(text)}", err=True, color=True)
            else:
                stderr_line(f"{mark} {text}")

    def reporter(self, verb: str) -> Reporter:
        from gatewatch.cli.progress import reporter

        return reporter(verb, quiet=self.quiet, bar=self.progress, colour=self.colour)


class Command(click.Command):
    """A command whose help begins with examples: that is what people came for."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_usage(ctx, formatter)
        write_examples(self.examples, formatter)
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)


class Group(click.Group):
    """A group of commands with examples first."""

    command_class = Command

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_usage(ctx, formatter)
        write_examples(self.examples, formatter)
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)


class Root(Group):
    """The commands are the modules of `gatewatch.cli.commands`; each has its command in `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx  # the answer is the same for all
        package = importlib.import_module("gatewatch.cli.commands")
        return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(package.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"gatewatch.cli.commands.{cmd_name.replace('-', '_')}")
        return cast(click.Command, module.command)


def write_examples(examples: tuple[str, ...], formatter: click.HelpFormatter) -> None:
    if examples:
        formatter.write_paragraph()
        formatter.write_text("Examples:")
        for example in examples:
            formatter.write(f"  {example}\n")


def _setter(name: str, value_of: Callable[[Any], Any]) -> Callable[[click.Context, click.Parameter, Any], None]:
    def set_it(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
        if ctx.get_parameter_source(parameter.name or "") is not click.core.ParameterSource.DEFAULT:
            setattr(ctx.ensure_object(Ui), name, value_of(value))

    return set_it


def common(function: F) -> F:
    """The options that every command has."""
    options = (
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            help="Configuration file (default: nearest gatewatch.toml).",
            expose_value=False,
            callback=_setter("config", lambda value: value),
        ),
        click.option(
            "-q",
            "--quiet",
            is_flag=True,
            help="Only results and errors.",
            expose_value=False,
            callback=_setter("quiet", bool),
        ),
        click.option(
            "--no-progress",
            is_flag=True,
            help="No progress bar.",
            expose_value=False,
            callback=_setter("progress", lambda value: not value),
        ),
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="Colour; NO_COLOR is honoured.",
            expose_value=False,
            callback=_setter("colour", str),
        ),
        click.option(
            "-v",
            "--verbose",
            count=True,
            help="Log more to stderr; twice: everything.",
            expose_value=False,
            callback=_setter("verbose", int),
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
"""Logs go to stderr: warnings always, -v info, -vv debug."""


def pass_ui(function: F) -> F:
    """Hand the command its Ui as first argument, with logging set up."""

    @click.pass_context
    def with_ui(ctx: click.Context, *args: Any, **kwargs: Any) -> Any:
        ui = ctx.ensure_object(Ui)
        set_up_logging(LEVELS[min(ui.verbose, 2)])
        return ctx.invoke(function, ui, *args, **kwargs)

    with_ui.__name__ = function.__name__
    with_ui.__doc__ = function.__doc__
    return cast(F, common(with_ui))


@click.command(
    cls=Root,
    examples=(
        "gatewatch demo                                   # see it work, nothing needed",
        "gatewatch scan logs/                             # findings in a folder of access logs",
        "zcat *.gz | gatewatch scan - --format json       # ... or in a pipe",
        "gatewatch ingest logs/ && gatewatch serve        # keep them, look at them on port 8080",
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    no_args_is_help=False,
    invoke_without_command=True,
)
@click.version_option(__version__, prog_name="gatewatch", message="%(prog)s %(version)s")
@common
@click.pass_context
def root(ctx: click.Context) -> None:
    """Watches Amazon API Gateway traffic: access logs in, findings out."""
    ctx.ensure_object(Ui)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
