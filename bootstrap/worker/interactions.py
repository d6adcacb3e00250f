"""What a person does, told from what a browser does by itself. No I/O; the callers are in ``hooks``.

An open tab polls kernels, terminals, sessions and directories, re-creates its widgets whenever the connection comes
back, saves a notebook because a kernel printed into it, and answers a terminal's questions. None of that is a person.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from .facts import Interaction

# Kernel messages that follow from a keystroke or a click.
PERSONAL_MESSAGES = {
    "execute_request": "ran code",
    "input_reply": "answered a prompt of a kernel",
    "complete_request": "typed code",
    "comm_msg": "used a widget",
}
# What JupyterLab's widget manager asks for by itself at every (re)connection.
WIDGET_RESTORE_METHODS = frozenset({"request_state", "request_states"})

# A terminal emulator's answers to what a program asks it: device attributes, cursor position, focus, colours, settings.
TERMINAL_REPORT = re.compile(
    r"(?:\x1b\[[?>=]?[\d;]*[cnRy]|\x1b\[\?[\d;]*\$y|\x1b\[[IO]|\x1b\][\d;]*[^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1bP[^\x1b]*\x1b\\)+"
)

CHANGING_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# A PUT below contents is a save: the contents manager's hook tells whether anything changed.
PERSONAL_AREAS = {
    "contents": "changed files",
    "sessions": "started, moved or ended a session",
    "kernels": "started, restarted or stopped a kernel",
    "terminals": "opened or closed a terminal",
}


class Interactions:
    """The newest thing a person did. Terminals note it from a thread: a single assignment keeps it whole."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.last: Interaction | None = None

    def note(self, what: str | None) -> None:
        """Remember it, if it is anything."""
        if what is not None:
            self.last = Interaction(at=self._clock(), what=what)


def in_kernel_message(header: Mapping[str, Any], content: Mapping[str, Any]) -> str | None:
    """What a person did by this message from a browser to a kernel, or None."""
    kind = str(header.get("msg_type"))
    if kind == "execute_request" and content.get("silent"):
        return None  # an extension asks the kernel something
    if kind == "comm_msg":
        data = content.get("data")
        if isinstance(data, Mapping) and data.get("method") in WIDGET_RESTORE_METHODS:
            return None
    return PERSONAL_MESSAGES.get(kind)


def in_terminal_input(text: str) -> str | None:
    """What a person did by this input to a terminal, or None."""
    if not text or TERMINAL_REPORT.fullmatch(text):
        return None
    return "typed into a terminal"


def in_request(method: str, path: str, status: int, headers: Mapping[str, str]) -> str | None:
    """What a person did by this HTTP request, answered with ``status``; ``path`` is relative to the base URL."""
    if status >= 400:
        return None
    if method == "GET":
        return "opened a page" if status == 200 and _is_navigation(headers) else None
    if method not in CHANGING_METHODS:
        return None
    parts = path.strip("/").split("/")
    if len(parts) < 2 or parts[0] != "api" or (parts[1] == "contents" and method == "PUT"):
        return None
    return PERSONAL_AREAS.get(parts[1])


def _is_navigation(headers: Mapping[str, str]) -> bool:
    """Browsers say so of a page that goes into a tab of its own; scripts can neither set nor provoke it unseen."""
    return headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"


def fingerprint(model: Mapping[str, Any]) -> str | None:
    """What of a contents model only a person changes: a notebook's cells without outputs, a file's content.

    None if it has none (a directory), or is not understood.
    """
    content = model.get("content")
    if model.get("type") == "notebook" and isinstance(content, Mapping):
        cells = content.get("cells")
        if not isinstance(cells, list) or not all(isinstance(cell, Mapping) for cell in cells):
            return None
        written: Any = [[cell.get("cell_type"), _joined(cell.get("source"))] for cell in cells]
    elif model.get("type") == "file" and isinstance(content, str):
        written = content
    else:
        return None
    return hashlib.sha256(json.dumps(written).encode()).hexdigest()


def _joined(source: object) -> str:
    """Files hold a cell's source as a list of lines, browsers send it as one text."""
    return "".join(source) if isinstance(source, list) else str(source)
