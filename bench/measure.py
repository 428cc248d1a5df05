"""Runs a command as a fresh process and watches the memory of it and all its descendants."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = os.sysconf("SC_PAGE_SIZE")
EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Measured:
    """seconds: the work alone, as the child timed it (whole process for foreign programs).

    rss: highest sum of resident bytes over all processes, with the pages of mapped files, which the kernel may drop,
    and pages shared between processes counted in each. anonymous: the same without them. answer: what the child
    printed as JSON.
    """

    seconds: float
    cpu_s: float
    rss: int
    anonymous: int
    answer: dict[str, Any]


def child(task: str, files: Sequence[Path], *options: str) -> Measured:
    """Run `bench.child TASK` on the files."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listing:
        listing.write("\n".join(map(str, files)))
        listing.flush()
        done = run([sys.executable, "-m", "bench.child", task, listing.name, *options])
    return Measured(done.answer["seconds"], done.cpu_s, done.rss, done.anonymous, done.answer)


def run(command: Sequence[str], *, environment: dict[str, str] | None = None, fine: Sequence[int] = (0,)) -> Measured:
    """Run to the end; RuntimeError with its last words when its exit code is not `fine`."""
    before = os.times()
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **(environment or {})},
            cwd=Path(__file__).parent.parent,
        )
        watch = _Watch(process.pid)
        watch.start()
        assert process.stdout is not None
        out = process.stdout.read()
        code = process.wait()
        seconds = time.monotonic() - began
        watch.done.set()
        watch.join()
        errors.seek(0)
        if code not in fine:
            raise RuntimeError(f"{command[:4]} ended with {code}: {errors.read()[-2000:]}")
    after = os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    answer = json.loads(out.splitlines()[-1]) if out.startswith("{") else {}
    return Measured(seconds, cpu, watch.peak, watch.anonymous, answer)


class _Watch(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.peak = 0
        self.anonymous = 0
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(EVERY_S):
            sizes = [resident(pid) for pid in family(self.pid)]
            self.peak = max(self.peak, sum(size for size, _ in sizes))
            self.anonymous = max(self.anonymous, sum(anonymous for _, anonymous in sizes))


def family(pid: int) -> list[int]:
    """The process and all its living descendants."""
    found = [pid]
    for parent in found:
        try:
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children") as handle:
                    found += [int(child) for child in handle.read().split()]
        except OSError:  # it ended while we looked
            continue
    return found


def resident(pid: int) -> tuple[int, int]:
    """(all, anonymous) resident bytes of a process; zeros when it is gone."""
    try:
        with open(f"/proc/{pid}/statm") as handle:
            pages = [int(word) for word in handle.read().split()]
        return pages[1] * PAGE, (pages[1] - pages[2]) * PAGE
    except (OSError, IndexError):
        return 0, 0
