"""Runs tasks in processes of one thread each, and answers their questions about repetitions from one place.

A worker parses a block, asks which of its identities were seen before, rolls up, and sends the result. The parent
gives out tasks in order and hands results back in order, so that a file's ranges are committed front to back.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from gatewatch.errors import SourceError
from gatewatch.memory import give_back, keep
from ingest.engine import Engine
from ingest.identity import Identities, SeenSet
from ingest.rollup import Question
from ingest.work import Config, Repeated, Result, Task, work

Told = Callable[[int, int, int], None]


def _nothing(first_s: float, last_s: float) -> Iterable[Identities]:
    del first_s, last_s
    return ()


class Repetitions:
    """Which identities were seen, and which task brought them, so that a failed task can be taken back."""

    def __init__(self, load: Callable[[float, float], Iterable[Identities]] = _nothing) -> None:
        """load(first, last): identities kept earlier, of that span of epoch seconds, that it has not given yet."""
        self._load = load
        self._seen = SeenSet()
        self._brought: dict[int, list[Identities]] = {}

    def ask(self, task: int, question: Question) -> Repeated:
        first, last = question.span
        for kept in self._load(first / 1e6 - 1, last / 1e6 + 1):  # a second for what floats leave out
            self._seen.take(kept)
        repeated = self._seen.take(question.identities, question.span)
        self._brought.setdefault(task, []).append(question.identities[~repeated])
        return repeated

    def settled(self, task: int) -> None:
        self._brought.pop(task, None)

    def failed(self, task: int) -> None:
        for identities in self._brought.pop(task, []):
            self._seen.forget(identities)


def run(
    tasks: Iterable[Task], config: Config, *, workers: int, repetitions: Repetitions, told: Told
) -> Iterator[Result]:
    """Results of the tasks, in their order. workers 1: in this process."""
    if workers <= 1:
        yield from _here(tasks, config, repetitions, told)
        return
    pool = _Pool(config, workers, repetitions, told)
    try:
        yield from pool.run(iter(tasks))
    finally:
        pool.close()


def _here(tasks: Iterable[Task], config: Config, repetitions: Repetitions, told: Told) -> Iterator[Result]:
    engine = config.engine()
    try:
        for task in tasks:
            number = task.number

            def ask(question: Question, number: int = number) -> Repeated:
                return repetitions.ask(number, question)

            result = work(engine, config, task, ask, told)
            _settle(result, repetitions)
            yield result
            del result
            give_back()
    finally:
        engine.close()


def _settle(result: Result, repetitions: Repetitions) -> None:
    if result.files:
        repetitions.settled(result.task.number)
    else:
        repetitions.failed(result.task.number)


class _Pool:
    def __init__(self, config: Config, workers: int, repetitions: Repetitions, told: Told) -> None:
        # Forking is instant but only safe while no other thread holds a lock.
        method = "fork" if os.name == "posix" and threading.active_count() == 1 else "spawn"
        context: Any = multiprocessing.get_context(method)
        self._repetitions = repetitions
        self._told = told
        self._processes = []
        self._idle: list[Connection] = []
        self._all: list[Connection] = []
        for _ in range(workers):
            mine, theirs = context.Pipe()
            process = context.Process(target=_worker, args=(theirs, config, list(self._all)), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._idle.append(mine)
            self._all.append(mine)

    def run(self, tasks: Iterator[Task]) -> Iterator[Result]:
        busy: dict[Connection, int] = {}
        done: dict[int, Result] = {}
        order: list[int] = []
        exhausted = False
        while True:
            # Results wait for those before them; work ahead is bounded so that they do not pile up.
            while self._idle and not exhausted and len(order) < 4 * len(self._processes):
                task = next(tasks, None)
                if task is None:
                    exhausted = True
                    break
                connection = self._idle.pop()
                order.append(task.number)
                busy[connection] = task.number
                connection.send(task)
            while order and order[0] in done:
                yield done.pop(order.pop(0))
            if not busy:
                if exhausted and not order:
                    return
                continue
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                self._hear(ready, busy, done)

    def _hear(self, connection: Connection, busy: dict[Connection, int], done: dict[int, Result]) -> None:
        try:
            word, content = connection.recv()
        except (EOFError, ConnectionError):
            raise SourceError("an ingest process ended unexpectedly (killed, or out of memory?)") from None
        if word == "ask":
            connection.send(self._repetitions.ask(busy[connection], content))
        elif word == "told":
            self._told(*content)
        elif word == "failed":
            raise content
        else:
            _settle(content, self._repetitions)
            done[busy.pop(connection)] = content
            self._idle.append(connection)

    def close(self) -> None:
        for connection in self._all:
            connection.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()
            process.close()


_KEPT_FOR = 32
"""Tasks that use the same memory again before it is given back: fresh pages for each cost a seventh of a scan."""


def _worker(connection: Connection, config: Config, others: list[Connection]) -> None:
    """Serve tasks until the parent hangs up. Interrupts are the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in others:  # inherited by a fork: the parent's ends, which must not stay open here
        with contextlib.suppress(OSError):
            other.close()
    keep()
    engine: Engine = config.engine()
    gc.freeze()  # what is there stays: collecting garbage need not walk over all modules again and again

    def ask(question: Question) -> Repeated:
        connection.send(("ask", question))
        answer: Repeated = connection.recv()
        return answer

    def told(size: int, lines: int, accepted: int) -> None:
        connection.send(("told", (size, lines, accepted)))

    done = 0
    while True:
        try:
            task = connection.recv()
        except (EOFError, ConnectionError):
            return
        try:
            result = work(engine, config, task, ask, told)
        except (EOFError, BrokenPipeError):
            return
        except Exception as error:  # noqa: BLE001  the edge of the process: the parent raises it
            connection.send(("failed", error))
            continue
        connection.send(("done", result))
        del result
        done += 1
        if done % _KEPT_FOR == 0:
            give_back()
