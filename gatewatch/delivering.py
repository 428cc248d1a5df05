"""Sends what waits in the outbox: one thread a channel, so that a receiver that hangs delays nobody else.

An alert is leased by itself and right before it is sent: a worker that was frozen repeats one alert at most, under the
same key. When a channel fails, another may stand in for it (`fallback`), and all others hear that it is down.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from alerts.channels import Attempt, Channel
from gatewatch.errors import ChannelError, GatewatchError
from gatewatch.store import breakers, outbox
from gatewatch.store.state import State, db_now

log = logging.getLogger(__name__)


def holder_name() -> str:
    """A name for this process that no other has."""
    return f"{socket.gethostname()[:64]}:{os.getpid()}:{secrets.token_hex(4)}"


class Senders:
    """The threads that send. lease_s: longer than any attempt takes. stop: when set, no further alert is begun."""

    def __init__(
        self,
        state: State,
        channels: Mapping[str, Channel],
        *,
        holder: str,
        clock: Callable[[], datetime],
        lease_s: float = 120.0,
        stop: threading.Event | None = None,
    ) -> None:
        self._state = state
        self._channels = channels
        self._holder = holder
        self._clock = clock
        self._lease_s = lease_s
        self._stop = stop or threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()
        self._sent = 0

    @property
    def sent(self) -> int:
        """Alerts that got through so far."""
        return self._sent

    def use(self, channels: Mapping[str, Channel]) -> None:
        """From now on these channels: the configuration has changed."""
        self._channels = channels

    def kick(self) -> None:
        """Start a thread for each channel that has something to send and no thread; returns at once."""
        with self._state.read() as session:
            due = outbox.due_channels(session)
        for name in due:
            running = self._threads.get(name)
            if (running is None or not running.is_alive()) and not self._stop.is_set():
                thread = threading.Thread(target=self._send_all, args=(name,), name=f"send-{name}", daemon=True)
                self._threads[name] = thread
                thread.start()

    def join(self, seconds: float | None = None) -> None:
        """Wait until the threads have nothing to send, `seconds` for each at most."""
        for thread in list(self._threads.values()):
            thread.join(seconds)

    def _send_all(self, name: str) -> None:
        try:
            while not self._stop.is_set() and self._allowed(name):
                items = outbox.claim(self._state, self._holder, limit=1, channel=name, lease_seconds=self._lease_s)
                if not items or not self._send(items[0]):
                    return
        except GatewatchError as error:
            log.warning("sending alerts stopped for now", extra={"channel": name, "reason": str(error)})
        except Exception:  # the edge of a thread: the next kick starts another
            log.exception("sending alerts broke", extra={"channel": name})

    def _allowed(self, name: str) -> bool:
        with self._state.read() as session:
            return breakers.allowed(session, name, db_now(session))

    def _send(self, item: outbox.OutboxItem) -> bool:
        """False when the channel is to be left alone this time."""
        channel = self._channels.get(item.channel)
        attempt = Attempt(memory=dict(item.memory), repeat=item.attempts > 1)
        problem: ChannelError
        try:
            if channel is None:
                raise ChannelError(f"channel {item.channel} is not configured", retry=True)
            channel.send(item.payload, idempotency_key=item.idempotency_key, now=self._clock(), attempt=attempt)
        except ChannelError as error:
            problem = error
        except Exception as error:  # a bug in a channel must not block all that waits behind this alert
            log.exception("a channel broke", extra={"channel": item.channel})
            problem = ChannelError(f"{item.channel}: a bug ({type(error).__name__})", retry=True)
        else:
            outbox.mark_sent(
                self._state, item.id, attempt=item.attempts, wire=attempt.wire, memory=attempt.memory or None
            )
            with self._lock:
                self._sent += 1
            return True
        outbox.mark_failed(
            self._state,
            item.id,
            str(problem),
            retry=problem.retry,
            attempt=item.attempts,
            after_s=problem.after_s,
            wire=attempt.wire,
        )
        log.warning("an alert was not delivered", extra={"channel": item.channel, "reason": str(problem)})
        return not problem.retry
