"""The journal's socket, as far as the audit log goes."""

import json
import socket
import threading
from pathlib import Path
from tempfile import mkdtemp

from hub.audit.event import IDENTIFIER

END = b""


class AuditSocket:
    """Keeps what is sent to it; `path` is short enough for a socket. A thread reads: few lines wait in a socket."""

    def __init__(self) -> None:
        self.path = Path(mkdtemp(prefix="cjh-")) / "journal"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._events: list[dict[str, str]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def events(self) -> list[dict[str, str]]:
        """Every event so far."""
        return list(self._events)

    def _read(self) -> None:
        while (sent := self._socket.recv(65536)) != END:
            fields = dict(line.split("=", 1) for line in sent.decode("ascii").splitlines())
            assert fields["SYSLOG_IDENTIFIER"] == IDENTIFIER
            self._events.append(json.loads(fields["MESSAGE"]))

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(END, str(self.path))
        self._thread.join()
        self._socket.close()
        self.path.unlink()
        self.path.parent.rmdir()
