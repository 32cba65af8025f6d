"""A line between browser and server that can be cut, and mended again."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class Line:
    """Passes bytes to `target`; while it is cut, nobody gets through."""

    def __init__(self, target: str, listener: socket.socket):
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._target = (str(urlsplit(target).hostname), int(urlsplit(target).port or 0))
        self._listener = listener
        self._open: set[socket.socket] = set()
        self._is_cut = False

    def cut(self) -> None:
        """End what is open, refuse what comes."""
        self._is_cut = True
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    def serve(self) -> None:
        """Until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                if self._is_cut:
                    here.close()
                    continue
                threading.Thread(target=self._carry, args=(here,), daemon=True).start()

    def _carry(self, here: socket.socket) -> None:
        with here, socket.create_connection(self._target) as there:
            self._open |= {here, there}
            back = threading.Thread(target=_pass, args=(there, here), daemon=True)
            back.start()
            _pass(here, there)
            back.join()
            self._open -= {here, there}


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while some := source.recv(65_536):
            sink.sendall(some)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


@contextmanager
def laid(target: str) -> Iterator[Line]:
    """A line to the server, for the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = Line(target, listener)
        threading.Thread(target=line.serve, daemon=True).start()
        try:
            yield line
        finally:
            line.cut()
            listener.shutdown(socket.SHUT_RDWR)
