"""Mail servers that misbehave in the ways that real ones do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def scripted(answers: Mapping[str, str], *, greeting: str = "220 hello") -> Iterator[tuple[int, list[str]]]:
    """A server that answers each command out of `answers`, by its first word; `DROP` hangs up. (port, lines it got)"""
    got: list[str] = []

    def talk(connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            stream.write(greeting.encode() + b"\r\n")
            stream.flush()
            in_data = False
            for raw in stream:
                line = raw.decode(errors="replace").rstrip("\r\n")
                got.append(line)
                if in_data and line != ".":
                    continue
                word = "." if in_data else line.split(" ")[0].upper()
                in_data = False
                usual = {"EHLO": "250 scripted", "DATA": "354 go on", "QUIT": "221 bye"}.get(word, "250 ok")
                answer = answers.get(word, usual)
                if answer == "DROP":
                    return
                in_data = answer.startswith("354")
                stream.write(answer.encode() + b"\r\n")
                stream.flush()

    with listening(talk) as port:
        yield port, got


@contextmanager
def dripping() -> Iterator[int]:
    """A server whose greeting never ends."""
    stop = threading.Event()

    def talk(connection: socket.socket) -> None:
        with connection:
            try:
                while not stop.wait(0.05):
                    connection.sendall(b"2")
            except OSError:
                return

    with listening(talk) as port:
        yield port
        stop.set()


@contextmanager
def listening(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A loopback port whose connections are handled one after another by `talk`."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                try:
                    talk(connection)
                except OSError:
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
