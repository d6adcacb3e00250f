"""Distinguishes what a person does from what a browser does by itself, and hooks into Jupyter Server to see both.

An open tab polls kernels, terminals, sessions and directories, re-creates its widgets at each reconnection, saves a
notebook because a kernel printed into it, and answers a terminal's questions. None of that is a person.
"""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from jupyter_server.services.kernels.connection.base import (
    deserialize_binary_message,
    deserialize_msg_from_ws_v1,
)
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server_terminals.terminalmanager import TerminalManager
from terminado.management import PtyWithClients

from lifecycle_app.contract import Signal

from .apps import WIDGETS, App, Apps, frame_kind
from .facts import Interaction
from .gestures import Gestures, is_from_page

# Kernel messages that follow from a keystroke or a click.
PERSONAL_MESSAGES = {
    "execute_request": "ran code",
    "input_reply": "answered a prompt of a kernel",
    "complete_request": "typed code",
}
# What JupyterLab's widget manager requests by itself at every (re)connection.
WIDGET_RESTORE_METHODS = frozenset({"request_state", "request_states"})

# A terminal emulator's responses to a program's queries: device attributes, cursor position, focus, colours, settings.
TERMINAL_REPORT = re.compile(
    r"(?:\x1b\[[?>=]?[\d;]*[cnRy]|\x1b\[\?[\d;]*\$y|\x1b\[[IO]|\x1b\][\d;]*[^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|\x1bP[^\x1b]*\x1b\\)+"
)

CHANGING_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# A PUT below contents is a save: the contents manager's hook finds whether anything changed.
PERSONAL_AREAS = {
    "contents": "changed files",
    "sessions": "started, moved or ended a session",
    "kernels": "started, restarted or stopped a kernel",
    "terminals": "opened or closed a terminal",
}


class Interactions:
    """The newest thing a person did, by its signal; None for what always counts.

    Terminals note it from a thread: it is a single assignment.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._newest: Mapping[Signal | None, Interaction] = {}
        self.apps = Apps(clock, partial(self.note, signal=Signal.APPS))
        self.gestures = Gestures(clock)

    def note(self, what: str | None, signal: Signal | None = None) -> None:
        """Keep it as the newest, unless it is None."""
        if what is not None:
            others = {one: known for one, known in self._newest.items() if one != signal}
            self._newest = {**others, signal: Interaction(at=self._clock(), what=what)}

    def newest(self, ignored: Collection[Signal] = ()) -> Interaction | None:
        """The newest thing a person did that is not of an ignored signal."""
        heeded = [one for signal, one in self._newest.items() if signal not in ignored]
        return heeded[-1] if heeded else None


def in_kernel_message(header: Mapping[str, Any], content: Mapping[str, Any]) -> str | None:
    """What a person did by this message from a browser to a kernel, or None."""
    kind = str(header.get("msg_type"))
    if kind == "execute_request" and content.get("silent"):
        return None  # an extension queries the kernel
    return PERSONAL_MESSAGES.get(kind)


def is_widget_message(header: Mapping[str, Any], content: Mapping[str, Any]) -> bool:
    """Was a widget used by this message, by a person or by itself (a Play button, a live plot)?"""
    data = content.get("data")
    restores = isinstance(data, Mapping) and data.get("method") in WIDGET_RESTORE_METHODS
    return header.get("msg_type") == "comm_msg" and not restores


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
    """Browsers send this for a page in its own tab; scripts can neither set nor cause it unnoticed."""
    return headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"


def fingerprint(model: Mapping[str, Any]) -> str | None:
    """A hash of what only a person changes: a notebook's cells without outputs, a file's content.

    None for a model without content (a directory), or of another form.
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
    """Files have a cell's source as a list of lines, browsers send it as one text."""
    return "".join(source) if isinstance(source, list) else str(source)


log = logging.getLogger(__name__)

# Where handlers find the Interactions of their server among the web application's settings.
SETTING = "cloudjhub_interactions"
REMEMBERED_FILES = 1000

WEBSOCKET_PROTOCOL_V1 = "v1.kernel.websocket.jupyter.org"
# Positions in a v1 message: header, parent header, metadata, content.
HEADER, CONTENT = 0, 3


class ObservedConnection(ZMQChannelsWebsocketConnection):  # type: ignore[misc]  # publishes no types
    """A kernel's connection to a browser that notes what the person behind it does."""

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        super().handle_incoming_message(incoming_msg)
        interactions: Interactions | None = self.websocket_handler.settings.get(SETTING)
        if interactions is not None:
            header, content = message_parts(incoming_msg, self.subprotocol)
            interactions.note(in_kernel_message(header, content))
            reports_gestures = interactions.gestures.are_reported and is_from_page(
                self.websocket_handler.request.query
            )
            if is_widget_message(header, content) and not reports_gestures:
                widget_message(interactions.apps, str(self.kernel_id), incoming_msg)


def widgets_of(apps: Apps, kernel_id: str) -> App:
    """The widgets of a kernel's notebooks."""
    return apps.app(f"api/kernels/{kernel_id}", WIDGETS)


def widget_message(apps: Apps, kernel_id: str, sent: str | bytes) -> None:
    """Note a message from a widget in a browser."""
    widgets, at = widgets_of(apps, kernel_id), apps.now()
    apps.sent(widgets, frame_kind("", sent), at, is_response=widgets.is_response(at))


def message_parts(incoming: Any, subprotocol: str | None) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and content of a message from a browser; empty where they are not objects."""
    try:
        if subprotocol == WEBSOCKET_PROTOCOL_V1:
            _, parts = deserialize_msg_from_ws_v1(incoming)
            header, content = json.loads(parts[HEADER]), json.loads(parts[CONTENT])
        else:
            message = (
                deserialize_binary_message(incoming) if isinstance(incoming, bytes) else json.loads(incoming)
            )
            header, content = message.get("header"), message.get("content")
    except (ValueError, IndexError, AttributeError) as error:
        log.debug("Cannot read a message to a kernel: %s", error)
        return {}, {}
    return _mapping(header), _mapping(content)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


class ObservedTerminalManager(TerminalManager):
    """Terminals that note what a person types into them."""

    def new_terminal(self, **kwargs: Any) -> PtyWithClients:
        terminal = super().new_terminal(**kwargs)
        write = terminal.ptyproc.write

        def observed_write(text: str) -> Any:
            interactions: Interactions | None = self.parent.web_app.settings.get(SETTING)
            if interactions is not None:
                interactions.note(in_terminal_input(text))
            return write(text)

        terminal.ptyproc.write = observed_write
        return terminal


class ObservedSaves:
    """A contents manager's pre-save hook that notes saves of what a person wrote.

    JupyterLab saves by itself what has changed, and a kernel's output changes a notebook.
    """

    def __init__(self, interactions: Interactions) -> None:
        self._interactions = interactions
        self._saved: dict[str, str | None] = {}

    def before_save(self, *, model: Mapping[str, Any], path: str, contents_manager: Any, **_: Any) -> None:
        now = fingerprint(model)
        before = self._saved.get(path) or _on_disk(model, path, contents_manager)
        if now is None or now != before:
            self._interactions.note("saved a file")
        self._saved[path] = now
        if len(self._saved) > REMEMBERED_FILES:
            del self._saved[next(iter(self._saved))]


def _on_disk(model: Mapping[str, Any], path: str, contents_manager: Any) -> str | None:
    """The fingerprint of a notebook that was saved before this server started; None if there is none.

    Other files are only saved by a person, and need not be read again.
    """
    root = getattr(contents_manager, "root_dir", None)
    if model.get("type") != "notebook" or not isinstance(root, str):
        return None
    try:
        return fingerprint({"type": "notebook", "content": json.loads(Path(root, path).read_bytes())})
    except (OSError, ValueError):
        return None
