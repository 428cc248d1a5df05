"""A way to a PostgreSQL socket that can be cut: connections break, and new ones get no answer until it is mended."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NAME = ".s.PGSQL.5432"


class Partition:
    """folder: what clients take for the server's."""

    def __init__(self, behind: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="gw-cut-"))
        self._behind = str(behind / NAME)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._whole = threading.Event()
        self._whole.set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.folder / NAME))
        self._listener.listen(50)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._whole.clear()
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._whole.set()

    def close(self) -> None:
        self._whole.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        self._whole.wait()
        try:
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._behind)
        except OSError:
            client.close()
            return
        with self._lock:
            self._open |= {client, server}
        threads = [
            threading.Thread(target=_pump, args=ends, daemon=True) for ends in ((client, server), (server, client))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            sink.sendall(part)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextmanager
def partitioned(behind: Path) -> Iterator[Partition]:
    """behind: the folder of the server's socket."""
    made = Partition(behind)
    try:
        yield made
    finally:
        made.close()
