"""A kernel that waits for a person is not busy, until it is its turn again."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from bootstrap.worker.prompts import (
    DELIMITER,
    SEARCHED,
    Prompts,
    Turn,
    kept_messages,
    process_of,
    turn_after_browsers,
    turn_after_kernels,
)


def frames(kind: str, content: Mapping[str, Any]) -> list[bytes]:
    """A message as ZeroMQ delivers it: identities, delimiter, signature, header, parent, metadata, content."""
    parts: tuple[Mapping[str, Any], ...] = ({"msg_type": kind}, {}, {}, content)
    return [b"identity", DELIMITER, b"signature", *(json.dumps(part).encode() for part in parts)]


ASKED = frames("input_request", {"prompt": "Go on? ", "password": False})


@pytest.mark.parametrize(
    ("channel", "message", "turn"),
    [
        ("stdin", ASKED, Turn.PERSON),
        ("iopub", ASKED, None),
        ("stdin", frames("comm_msg", {}), None),
        ("iopub", frames("debug_event", {"event": "stopped"}), Turn.PERSON),
        ("iopub", frames("debug_event", {"event": "continued"}), Turn.KERNEL),
        ("iopub", frames("debug_event", {"event": "initialized"}), None),
        ("iopub", frames("status", {"execution_state": "idle"}), None),
        ("iopub", frames("status", {"execution_state": "starting"}), Turn.KERNEL),
        ("iopub", frames("stream", {"event": "stopped"}), None),
        ("shell", frames("debug_event", {"event": "stopped"}), None),
        ("stdin", [], None),
        ("iopub", [b"no", b"message"], None),
        ("iopub", [DELIMITER, b"", b"{", b"", b"", b"[]"], None),
        ("iopub", [DELIMITER, b"", b"[1]"], None),
        (None, ASKED, None),
    ],
)
def test_a_kernels_message_says_whose_turn_it_is(
    channel: str | None, message: Sequence[bytes], turn: Turn | None
) -> None:
    assert turn_after_kernels(channel, message) is turn


@pytest.mark.parametrize(
    ("kind", "content", "turn"),
    [
        ("input_reply", {"value": "yes"}, Turn.KERNEL),
        ("execute_request", {"code": "1"}, Turn.KERNEL),
        ("debug_request", {"command": "continue"}, Turn.KERNEL),
        ("debug_request", {"command": "stepIn"}, Turn.KERNEL),
        ("debug_request", {"command": "variables"}, None),
        ("kernel_info_request", {}, None),
    ],
)
def test_a_browsers_message_says_whose_turn_it_is(
    kind: str, content: Mapping[str, Any], turn: Turn | None
) -> None:
    assert turn_after_browsers({"msg_type": kind}, content) is turn


class Kernels:
    """Kernels by id, each with its process's number, and the messages that the server keeps for them."""

    def __init__(self, **pids: int) -> None:
        self.pids = pids
        self._kernel_buffers: dict[str, dict[str, Any]] = {}

    def get_kernel(self, kernel_id: str) -> Any:
        provisioner = type("Provisioner", (), {"pid": self.pids[kernel_id]})
        return type("Kernel", (), {"provisioner": provisioner})


def test_a_kernel_waits_until_it_is_answered() -> None:
    prompts = Prompts(process_of(Kernels(a=1, b=2)))
    prompts.note("a", Turn.PERSON)
    prompts.note("a", None)
    assert prompts.waiting(["a", "b"]) == {"a"}
    prompts.note("a", Turn.KERNEL)
    assert prompts.waiting(["a", "b"]) == frozenset()


def test_a_kernel_that_ended_its_cell_or_restarted_waits_no_more() -> None:
    kernels = Kernels(a=1, b=2)
    prompts = Prompts(process_of(kernels))
    prompts.note("a", Turn.PERSON)
    assert prompts.waiting([]) == frozenset()
    assert prompts.waiting(["a"]) == frozenset()
    prompts.note("a", Turn.PERSON)
    prompts.note("b", Turn.PERSON)
    kernels.pids = {"a": 3}
    assert prompts.waiting(["a", "b"]) == frozenset()


def test_a_question_that_is_kept_for_a_browser_counts_after_it_was_taken_too() -> None:
    kernels = Kernels(a=1)
    kernels._kernel_buffers["a"] = {"buffer": [("stdin", ASKED), ("iopub", frames("stream", {}))]}
    prompts = Prompts(process_of(kernels))
    prompts.note_kept("a", kept_messages(kernels, "a"))
    assert prompts.waiting(["a"]) == {"a"}
    kernels._kernel_buffers.clear()
    prompts.note_kept("a", kept_messages(kernels, "a"))
    assert prompts.waiting(["a"]) == {"a"}


def test_only_the_newest_of_the_kept_messages_are_searched() -> None:
    kernels = Kernels(a=1)
    noise = [("iopub", frames("stream", {}))] * SEARCHED
    kernels._kernel_buffers["a"] = {"buffer": [("stdin", ASKED), *noise]}
    assert len(kept_messages(kernels, "a")) == SEARCHED
    assert kept_messages(kernels, "b") == []
    assert kept_messages(object(), "a") == []
