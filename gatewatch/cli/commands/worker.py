"""`gatewatch worker`: the scheduled jobs without the web."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import click

from gatewatch.cli.root import LEVELS, Command, Ui, pass_ui
from gatewatch.logs import set_up_logging


@click.command(cls=Command, examples=("gatewatch worker",))
@pass_ui
def command(ui: Ui) -> None:
    """Follow folders, evaluate the store and deliver alerts until SIGTERM or Ctrl-C."""
    from gatewatch.jobs import run_worker

    stop = threading.Event()

    def stopping(number: int, frame: FrameType | None) -> None:
        del number, frame
        if stop.is_set():  # asked twice: at once
            raise KeyboardInterrupt
        stop.set()

    signal.signal(signal.SIGTERM, stopping)
    signal.signal(signal.SIGINT, stopping)
    settings = ui.settings()
    set_up_logging(LEVELS[min(ui.verbose, 2)], settings.log_format)
    run_worker(settings, stop)
