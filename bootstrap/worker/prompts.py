"""Notices kernels that wait for a person: for the answer to ``input()``, at a debugger's prompt or at a breakpoint.

Such a kernel says that it is busy until its user comes back. The server sees the question on its way to the browser, or
in what it keeps for a browser that has gone.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

from tornado.web import HTTPError

from .interactions import ObservedConnection, message_parts

# Where connections find the Prompts of their server among the web application's settings.
PROMPTS = "cloudjhub_prompts"

DELIMITER = b"<IDS|MSG>"  # jupyter_client.session.DELIM
# Debugger requests after which the kernel goes on.
GOING_ON = frozenset({"continue", "next", "stepIn", "stepOut", "disconnect", "terminate"})
# The newest messages that are searched of those kept for a browser that has gone. A question is the last thing that a
# kernel says, beside what its threads print.
SEARCHED = 1000


class Turn(Enum):
    """Whose turn it is after a message."""

    PERSON = "the person's"
    KERNEL = "the kernel's"


def turn_after_kernels(channel: str | None, frames: Sequence[bytes]) -> Turn | None:
    """Whose turn it is after this message from a kernel; None if it says nothing about that."""
    if channel == "stdin":
        return Turn.PERSON if _header(frames).get("msg_type") == "input_request" else None
    if channel != "iopub" or DELIMITER not in frames:
        return None
    header = _header(frames)
    match header.get("msg_type"), _content(frames, header):
        case "debug_event", {"event": "stopped"}:
            return Turn.PERSON
        case "debug_event", {"event": "continued"}:
            return Turn.KERNEL
        case "status", {"execution_state": "starting" | "restarting"}:
            return Turn.KERNEL
        case _:
            return None


def turn_after_browsers(header: Mapping[str, Any], content: Mapping[str, Any]) -> Turn | None:
    """Whose turn it is after this message from a browser; None if it says nothing about that."""
    match header.get("msg_type"):
        case "input_reply" | "execute_request":
            return Turn.KERNEL
        case "debug_request" if content.get("command") in GOING_ON:
            return Turn.KERNEL
        case _:
            return None


def _header(frames: Sequence[bytes]) -> Mapping[str, Any]:
    """A message's header; empty if there is none."""
    return _part(frames, 2)


def _content(frames: Sequence[bytes], header: Mapping[str, Any]) -> Mapping[str, Any]:
    """The content of a message about the kernel's state; empty for others, which may be large."""
    return _part(frames, 5) if header.get("msg_type") in ("debug_event", "status") else {}


def _part(frames: Sequence[bytes], after_delimiter: int) -> Mapping[str, Any]:
    try:
        part = json.loads(frames[frames.index(DELIMITER) + after_delimiter])
    except (ValueError, IndexError):
        return {}
    return part if isinstance(part, Mapping) else {}


class Prompts:
    """The kernels that wait for a person.

    ``process_of``: what identifies a kernel's process, which is another one after a restart.
    """

    def __init__(self, process_of: Callable[[str], object]) -> None:
        self._process_of = process_of
        self._waiting: dict[str, object] = {}

    def note(self, kernel_id: str, turn: Turn | None) -> None:
        """Keep whose turn it is."""
        if turn is Turn.PERSON:
            self._waiting[kernel_id] = self._process_of(kernel_id)
        elif turn is Turn.KERNEL:
            self._waiting.pop(kernel_id, None)

    def note_kept(self, kernel_id: str, messages: Iterable[tuple[str, Sequence[bytes]]]) -> None:
        """Keep whose turn it is after messages that wait for a browser, oldest first."""
        turns = [turn for channel, frames in messages if (turn := turn_after_kernels(channel, frames))]
        self.note(kernel_id, turns[-1] if turns else None)

    def waiting(self, busy: Iterable[str]) -> frozenset[str]:
        """Those of the busy kernels that wait for a person. The others have ended their cells."""
        now = set(busy)
        self._waiting = {
            kernel_id: process
            for kernel_id, process in self._waiting.items()
            if kernel_id in now and process == self._process_of(kernel_id)
        }
        return frozenset(self._waiting)


class PromptingConnection(ObservedConnection):
    """A kernel's connection to a browser that notes whose turn it is."""

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        super().handle_incoming_message(incoming_msg)
        self._note(turn_after_browsers(*message_parts(incoming_msg, self.subprotocol)))

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
        super().handle_outgoing_message(stream, outgoing_msg)
        channel = stream if isinstance(stream, str) else getattr(stream, "channel", None)
        self._note(turn_after_kernels(channel, outgoing_msg))

    def _note(self, turn: Turn | None) -> None:
        prompts: Prompts | None = self.websocket_handler.settings.get(PROMPTS)
        if prompts is not None:
            prompts.note(self.kernel_id, turn)


def process_of(kernel_manager: Any) -> Callable[[str], object]:
    """Identifies kernels' processes by their pids; None for kernels that are gone or are not on this machine."""

    def pid(kernel_id: str) -> object:
        try:
            return getattr(kernel_manager.get_kernel(kernel_id).provisioner, "pid", None)
        except (KeyError, HTTPError, AttributeError):
            return None

    return pid


def kept_messages(kernel_manager: Any, kernel_id: str) -> Sequence[tuple[str, Sequence[bytes]]]:
    """The newest messages of a kernel that the server keeps for a browser that has gone, oldest first.

    Jupyter Server has no public way to look at them without taking them.
    """
    buffers = getattr(kernel_manager, "_kernel_buffers", {})
    kept = buffers[kernel_id].get("buffer", []) if kernel_id in buffers else []
    return list(kept[-SEARCHED:])
