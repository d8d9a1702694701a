"""A wire that can be cut: a proxy between a run and its server."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dbkit.postgres.server import PORT, Server
from dbkit.selftest.fault import NotRunError

TCP_REPAIR = 19


@dataclass
class Wire:
    """Passes bytes on, until it is told where to break.

    `cut_before` and `cut_after` are bytes from the client: the connection is cut before the server gets them, or once
    it has, before the client hears of it. Each cuts once.
    """

    server: Server
    cut_before: bytes = b""
    cut_after: bytes = b""
    cuts: int = 0
    port: int = 0
    _pairs: list[tuple[socket.socket, socket.socket]] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, listener: socket.socket) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            upstream = self._upstream()
            with self._guard:
                self._pairs.append((client, upstream))
            for arguments in ((client, upstream, True), (upstream, client, False)):
                threading.Thread(target=self._pass, args=arguments, daemon=True).start()

    def _upstream(self) -> socket.socket:
        listens = dict(self.server.settings).get("listen_addresses")
        if listens:
            return socket.create_connection((listens, PORT))
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(str(self.server.sockets / f".s.PGSQL.{PORT}"))
        return upstream

    def _pass(self, source: socket.socket, sink: socket.socket, from_client: bool) -> None:
        source.settimeout(0.1)  # a socket on which somebody waits can't vanish
        with contextlib.suppress(OSError):
            while data := _received(source):
                if from_client and self.cut_before and self.cut_before in data:
                    self.cut_before, self.cuts = b"", self.cuts + 1
                    break
                breaks = from_client and self.cut_after and self.cut_after in data
                if breaks:
                    self.cut_after, self.cuts = b"", self.cuts + 1
                    _close(source)  # before the answer can come back
                sink.sendall(data)
                if breaks:
                    break
        _close(sink)
        _close(source)

    def vanish(self) -> None:
        """Let every client be gone without a word to the server, as a host is that lost its power."""
        with self._guard:
            pairs = list(self._pairs)
        for client, upstream in pairs:
            try:
                upstream.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
            except PermissionError as exc:
                raise NotRunError("it makes a connection vanish without a FIN: needs root (CAP_NET_ADMIN)") from exc
            except OSError:
                pass  # closed already
            upstream.close()
            _close(client)


def _received(source: socket.socket) -> bytes:
    while True:
        try:
            return source.recv(1 << 16)
        except TimeoutError:
            continue


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def wire(server: Server) -> Iterator[Wire]:
    """Listen on a free port of this machine for as long as the context lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Wire(server, port=listener.getsockname()[1])
        threading.Thread(target=made.serve, args=(listener,), daemon=True).start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)
