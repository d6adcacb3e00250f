"""A person's acts are told from what an open tab does by itself."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bootstrap.worker.facts import Interaction
from bootstrap.worker.interactions import (
    Interactions,
    fingerprint,
    in_kernel_message,
    in_request,
    in_terminal_input,
    is_widget_message,
)
from lifecycle_app.contract import Signal

NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize(
    ("kind", "content", "counts"),
    [
        ("execute_request", {"code": "1", "silent": False}, True),
        ("execute_request", {"code": "1"}, True),
        ("execute_request", {"code": "1", "silent": True}, False),
        ("input_reply", {"value": "yes"}, True),
        ("complete_request", {"code": "im"}, True),
        ("comm_msg", {"data": {"method": "update", "state": {"value": 3}}}, False),
        ("comm_open", {"target_name": "jupyter.widget.control"}, False),
        ("comm_info_request", {}, False),
        ("kernel_info_request", {}, False),
        ("debug_request", {"command": "debugInfo"}, False),
        ("None", {}, False),
    ],
)
def test_kernel_messages(kind: str, content: dict[str, Any], counts: bool) -> None:
    assert (in_kernel_message({"msg_type": kind}, content) is not None) is counts


@pytest.mark.parametrize(
    ("kind", "content", "counts"),
    [
        ("comm_msg", {"data": {"method": "update", "state": {"value": 3}}}, True),
        ("comm_msg", {"data": {"method": "request_state"}}, False),
        ("comm_msg", {"data": {"method": "request_states"}}, False),
        ("comm_msg", {"data": "anything"}, True),
        ("comm_open", {"target_name": "jupyter.widget.control"}, False),
        ("execute_request", {"code": "1"}, False),
    ],
)
def test_widget_messages(kind: str, content: dict[str, Any], counts: bool) -> None:
    """A person's or the widget's own: `apps` judges by when they come."""
    assert is_widget_message({"msg_type": kind}, content) is counts


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("l", True),
        ("ls\r", True),
        ("\x03", True),
        ("\x1b[A", True),
        ("", False),
        ("\x1b[?1;2c", False),
        ("\x1b[>0;276;0c", False),
        ("\x1b[24;80R", False),
        ("\x1b[0n", False),
        ("\x1b[I", False),
        ("\x1b[O", False),
        ("\x1b[?1;2c\x1b[24;80R", False),
        ("\x1b]11;rgb:ffff/ffff/ffff\x1b\\", False),
        ("\x1bP1$r0m\x1b\\", False),
        ("\x1b[24;80Rx", True),
    ],
)
def test_terminal_input_but_not_the_emulators_answers(text: str, counts: bool) -> None:
    assert (in_terminal_input(text) is not None) is counts


@pytest.mark.parametrize(
    ("method", "path", "status", "headers", "counts"),
    [
        ("GET", "api/kernels", 200, {}, False),
        ("GET", "/api/contents/?content=1", 200, {}, False),
        ("GET", "lab", 200, NAVIGATION, True),
        ("GET", "lab", 302, NAVIGATION, False),
        ("GET", "lab", 403, NAVIGATION, False),
        ("GET", "files/a.html", 200, NAVIGATION | {"Sec-Fetch-Dest": "iframe"}, False),
        ("GET", "lab", 200, {}, False),
        ("PUT", "api/contents/a.ipynb", 200, {}, False),
        ("POST", "api/contents/a.ipynb/checkpoints", 201, {}, True),
        ("PATCH", "api/contents/a.ipynb", 200, {}, True),
        ("DELETE", "api/contents/a.ipynb", 204, {}, True),
        ("DELETE", "api/contents/a.ipynb", 404, {}, False),
        ("POST", "/api/sessions", 201, {}, True),
        ("POST", "api/kernels/1/restart", 200, {}, True),
        ("DELETE", "api/terminals/1", 204, {}, True),
        ("POST", "api/terminals", 200, {}, True),
        ("POST", "api/terminals", 403, {}, False),
        ("PUT", "lab/api/workspaces/default", 204, {}, False),
        ("POST", "git/status", 200, {}, False),
        ("POST", "login", 200, {}, False),
        ("POST", "api", 200, {}, False),
    ],
)
def test_requests(method: str, path: str, status: int, headers: dict[str, str], counts: bool) -> None:
    assert (in_request(method, path, status, headers) is not None) is counts


def notebook(*sources: object, outputs: object = ()) -> dict[str, Any]:
    cells = [{"cell_type": "code", "source": source, "outputs": outputs} for source in sources]
    return {"type": "notebook", "content": {"cells": cells, "metadata": {}}}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (notebook("a\nb"), notebook("a\nb"), True),
        (notebook("a\nb"), notebook(["a\n", "b"]), True),
        (notebook("a"), notebook("a", outputs=["printed"]), True),
        (notebook("a"), notebook("b"), False),
        (notebook("a"), notebook("a", ""), False),
        (notebook("ab"), notebook("a", "b"), False),
        ({"type": "file", "content": "a"}, {"type": "file", "content": "a"}, True),
        ({"type": "file", "content": "a"}, {"type": "file", "content": "b"}, False),
    ],
)
def test_a_fingerprint_sees_what_a_person_writes_and_no_output(
    one: dict[str, Any], other: dict[str, Any], same: bool
) -> None:
    assert (fingerprint(one) == fingerprint(other)) is same


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"type": "directory"},
        {"type": "notebook"},
        {"type": "notebook", "content": {"cells": "odd"}},
        {"type": "notebook", "content": {"cells": ["odd"]}},
        {"type": "file", "content": None},
    ],
)
def test_what_is_not_understood_has_no_fingerprint(model: dict[str, Any]) -> None:
    assert fingerprint(model) is None


def test_the_newest_interaction_is_remembered_and_nothing_is_none() -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    interactions = Interactions(lambda: at)
    interactions.note(None)
    assert interactions.newest() is None
    interactions.note("typed")
    interactions.note(None)
    assert interactions.newest() == Interaction(at=at, what="typed")


def test_what_a_person_did_last_is_known_without_signals_that_are_ignored() -> None:
    interactions = Interactions(lambda: datetime(2026, 11, 23, 12, tzinfo=UTC))
    interactions.note("ran code")
    interactions.note("scrolled", Signal.GESTURES)
    interactions.apps.used_by_person(interactions.apps.app("proxy/8501", 8501))

    def newest(*ignored: Signal) -> str:
        found = interactions.newest(ignored)
        return found.what if found else ""

    assert newest() == newest(Signal.GESTURES) == "used app /proxy/8501"
    assert newest(Signal.APPS) == "scrolled"
    assert newest(*Signal) == "ran code", "what is certain always counts"
    interactions.note("ran code")
    assert newest() == "ran code"
