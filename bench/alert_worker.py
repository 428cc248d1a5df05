"""A worker that only routes and sends, forked on demand: hundreds can be killed without waiting for imports.

`python -m bench.alert_worker` reads lines from stdin, each the settings of a worker as JSON, forks it, and answers with
its pid. The code that routes and sends is the program's own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from typing import Any

from alerts.channels import configured_channels
from gatewatch.alerting import dispatch
from gatewatch.delivering import Senders, holder_name
from gatewatch.errors import GatewatchError
from gatewatch.settings import Settings
from gatewatch.store.notices import waiting
from gatewatch.store.state import State, open_state

LEASE_S = 4.0


def now() -> datetime:
    return datetime.now(UTC)


def work(given: dict[str, Any]) -> None:
    """Route and send until killed; a database that is away is waited for."""
    settings = Settings(**given)
    state = _opened(settings)
    senders = Senders(state, configured_channels(settings), holder=holder_name(), clock=now, lease_s=LEASE_S)
    while True:
        try:
            with state.read() as session:
                due = waiting(session, now())
            if due:
                state.run(lambda session: dispatch(session, settings, now()))
            senders.kick()
        except GatewatchError:
            time.sleep(0.2)
        time.sleep(0.05)


def _opened(settings: Settings) -> State:
    while True:
        try:
            return open_state(settings)
        except GatewatchError:
            time.sleep(0.2)


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # killed workers leave no zombies
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                work(json.loads(line))
            finally:
                os._exit(1)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
