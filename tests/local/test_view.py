"""The live view: ages in short words, and every worker and decision with its reason."""

import io
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bootstrap.cli.live_view import age, decision_row, worker_row
from bootstrap.local.view import render
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.messages import message
from lifecycle_app.model.worker import State, Worker

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "live-view.svg"

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"), (0, "0 s"), (59, "59 s"), (60, "1 min 00 s"), (3599, "59 min 59 s"), (3600, "1 h 00 min"),
        (90000, "25 h 00 min"),
    ],
)  # fmt: skip
def test_ages(seconds: float, words: str) -> None:
    assert age(seconds) == words


def row(**changes: object) -> dict[str, object]:
    plain: dict[str, object] = {
        "worker": "alice", "instance": "i-1", "state": "running", "since": ago(90), "address": "127.77.16.4",
        "type": "t3.medium", "last_activity": ago(3000), "idle_since": ago(30), "evidence": "a busy kernel",
        "due_at": ago(-150), "stop_reason": None, "seconds_run": 0,
    }  # fmt: skip
    return plain | changes


def test_the_view_tells_who_runs_since_when_how_idle_and_why() -> None:
    workers = [
        row(),
        row(worker="bob/gpu", state="stopped", stop_reason="idle for 3 min", evidence="nothing"),
    ]
    decisions = [
        {"worker": "bob/gpu", "at": ago(5), "kind": "stop", "reason": "idle", "message": "idle for 3 min"}
    ]
    shown = {
        "url": "http://127.0.0.1:8000", "hub": "down", "faults": ["capacity"], "idle_timeout": 180.0,
        "workers": workers, "instances": [], "decisions": decisions,
    }  # fmt: skip
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(shown, NOW, console))
    text = console.export_text()
    for words in ("alice", "1 min 30 s", "30 s", "2 min 30 s", "a busy kernel", "bob/gpu", "idle for 3 min"):
        assert words in text
    assert "hub down" in text
    assert "faults: capacity" in text


def moment(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def record(key: str, state: State, since: float, *, due_in: float | None = None, **more: Any) -> Worker:
    """A worker whose state is as old as `since` says, in seconds, and that is due in so many seconds."""
    at, due = moment(since), None if due_in is None else moment(-due_in)
    known: Any = {
        "instance_id": "i-00000001",
        "version": 1,
        "changed_at": at,
        "started_at": at,
        "due_at": due,
    }
    return Worker(key=key, state=state, state_at=at, **known, **more)


def entry(key: str, kind: Kind, seconds: float, code: str, **values: Any) -> Entry:
    said = message(code, **values)
    return Entry(key=key, at=moment(seconds), kind=kind, reason=code, message=said, instance_id="i-00000001")


def test_the_readme_shows_the_view_as_it_is() -> None:
    """PICTURES=1 writes the picture anew."""
    timeout = timedelta(minutes=3)
    workers = [
        record(
            "alice", State.RUNNING, 62, due_in=131, last_activity=moment(49),
            message=message("active", last_used=moment(49)),
        ),
        record(
            "bob", State.RUNNING, 308, due_in=181, last_activity=moment(0),
            message=message("busy", activity="notebook", last_busy=moment(0)),
        ),
        record("carol", State.RUNNING, 109, due_in=71, message=message("starting", started=moment(109))),
        record("dave", State.STOPPED, 289, message=message("stop-requested", by="dave")),
    ]  # fmt: skip
    decisions = [
        entry("alice", Kind.RUN, 118, "run", ran=timedelta(seconds=211), cost=0.0024),
        entry("alice", Kind.STOP, 118, "idle", timeout=timeout, last_used=moment(298)),
        entry("carol", Kind.STOP, 120, "never-connected", started=moment(300)),
        entry("dave", Kind.STOP, 290, "stop-requested", by="dave"),
    ]
    shown = {
        "url": "http://hub.localhost:8000", "hub": "up", "faults": [], "idle_timeout": timeout.total_seconds(),
        "workers": [worker_row(one) for one in workers], "decisions": [decision_row(one) for one in decisions],
    }  # fmt: skip
    console = Console(width=110, record=True, file=io.StringIO(), force_terminal=True)
    console.print(render(shown, NOW, console))
    drawn = console.export_svg(title="make local", unique_id="live-view")
    if os.environ.get("PICTURES"):
        PICTURE.write_text(drawn, encoding="utf-8")
    assert PICTURE.read_text(encoding="utf-8") == drawn
