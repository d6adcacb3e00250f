"""Where a Jupyter server lets us see what a person does: its own extension points, one class or function for each."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jupyter_server.services.kernels.connection.base import (
    deserialize_binary_message,
    deserialize_msg_from_ws_v1,
)
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server_terminals.terminalmanager import TerminalManager
from terminado.management import PtyWithClients
from tornado.web import RequestHandler

from .interactions import Interactions, fingerprint, in_kernel_message, in_request, in_terminal_input

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
            interactions.note(in_kernel_message(*message_parts(incoming_msg, self.subprotocol)))


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
        log.debug("A message to a kernel is not understood: %s", error)
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
    """The fingerprint of a notebook as it was saved before this server ran; None if that cannot be told.

    Other files are not saved without a person, and need no second reading.
    """
    root = getattr(contents_manager, "root_dir", None)
    if model.get("type") != "notebook" or not isinstance(root, str):
        return None
    try:
        return fingerprint({"type": "notebook", "content": json.loads(Path(root, path).read_bytes())})
    except (OSError, ValueError):
        return None


def observed_log(
    write: Callable[[RequestHandler], None], interactions: Interactions, base_url: str
) -> Callable[[RequestHandler], None]:
    """Tornado's ``log_function``, called at the end of every request: writes the log as before and takes note."""

    def log_request(handler: RequestHandler) -> None:
        write(handler)
        request = handler.request
        interactions.note(
            in_request(
                str(request.method),
                request.path.removeprefix(base_url),
                handler.get_status(),
                request.headers,
            )
        )

    return log_request
