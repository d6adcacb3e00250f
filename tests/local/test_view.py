"""The live view: ages in short words, and every worker and decision with its reason."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from bootstrap.local.status import age
from bootstrap.local.view import render

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
        {"worker": "bob/gpu", "at": ago(5), "kind": "stop", "reason": "idle", "words": "idle for 3 min"}
    ]
    shown = {
        "url": "http://127.0.0.1:8000", "hub": "down", "faults": ["capacity"], "idle_timeout": 180.0,
        "workers": workers, "instances": [], "decisions": decisions,
    }  # fmt: skip
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(shown, NOW))
    text = console.export_text()
    for words in ("alice", "1 min 30 s", "30 s", "2 min 30 s", "a busy kernel", "bob/gpu", "idle for 3 min"):
        assert words in text
    assert "hub down" in text
    assert "faults: capacity" in text
