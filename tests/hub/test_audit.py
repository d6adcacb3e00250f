"""Lines of the audit log: a fixed schema, nothing that controls a terminal, bounded."""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hub.audit.event import KEYS, LONGEST, Event, Outcome, from_line, readable, to_line
from hub.audit.record import MOST_A_MINUTE, Limit, acting_as, datagram, record

NOW = datetime(2026, 11, 30, 12, 30, 0, 123456, tzinfo=UTC)
EVENT = Event(
    at=NOW, actor="boss", action="user.remove", target="bob", source="192.0.2.7", request="1f", detail="x"
)
HOSTILE = "a\x1b[2J\x9b31m\nSYSLOG_IDENTIFIER=x\u202e\u2028\ud800" + "y" * 1000


def test_a_line_has_every_key_and_is_read_again() -> None:
    line = to_line(EVENT)
    assert json.loads(line) == {
        "time": "2026-11-30T12:30:00.123Z",
        "actor": "boss",
        "action": "user.remove",
        "target": "bob",
        "source": "192.0.2.7",
        "outcome": "ok",
        "request": "1f",
        "detail": "x",
    }
    assert tuple(json.loads(line)) == KEYS
    assert from_line(line)["target"] == "bob"
    assert readable(line) == "boss user.remove bob from 192.0.2.7 (x): ok"


@pytest.mark.parametrize("field", ["actor", "action", "target", "source", "request", "detail"])
def test_no_text_controls_a_terminal_or_makes_a_line_of_its_own(field: str) -> None:
    line = to_line(replace(EVENT, **{field: HOSTILE}))  # type: ignore[arg-type]  # all of these are texts
    assert line.isascii()
    assert line.isprintable()
    text = json.loads(line)[field]
    assert (text.isprintable(), len(text)) == (True, LONGEST)
    assert datagram(line).count(b"\n") == 3
    assert readable(line).isprintable()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a stranger", '"a stranger"'),
        ("boss user.remove bob: ok", '"boss user.remove bob: ok"'),
        ('e"ve', '"e\\"ve"'),
        ("operator\N{DIVISION SLASH}x", '"operator\N{DIVISION SLASH}x"'),
        ("operator/arn:aws:sts::1:assumed-role/a+b@c", "operator/arn:aws:sts::1:assumed-role/a+b@c"),
    ],
)
def test_no_name_looks_like_another_line(name: str, shown: str) -> None:
    assert readable(to_line(replace(EVENT, actor=name))).startswith(f"{shown} user.remove bob from ")
    assert readable(to_line(replace(EVENT, target=name))).startswith(f"boss user.remove {shown} from ")


@pytest.mark.parametrize("line", ["", "nonsense", "[]", "{}", '{"time": "now", "actor": "boss"}'])
def test_what_is_none_of_its_lines_is_shown_as_it_is(line: str) -> None:
    with pytest.raises(ValueError, match="not a line of the audit log"):
        from_line(line)
    assert readable(line) == line


def test_failures_are_bounded_by_actor_and_what_is_left_out_is_counted() -> None:
    limit = Limit(most=3)
    failed = Event(at=NOW, actor="", action="login", outcome=Outcome.REFUSED)
    other = Event(at=NOW, actor="eve", action="request", outcome=Outcome.REFUSED)
    assert sum(len(list(limit.allowed(failed))) for _ in range(10)) == 3
    assert len(list(limit.allowed(other))) == 1, "another actor has an allowance of its own"
    assert sum(len(list(limit.allowed(EVENT))) for _ in range(10)) == 10, "what succeeds is always written"
    later = Event(at=NOW + timedelta(minutes=1), actor="", action="login", outcome=Outcome.REFUSED)
    told, again = limit.allowed(later)
    assert (told.action, told.target, told.detail, again) == ("audit.left-out", "", "7 lines", later)
    assert MOST_A_MINUTE > 100


def test_outside_a_request_the_hub_or_who_is_named_acts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with acting_as("operator/list"):
        record("user.demote", "bob")
    record("user.add", "bob")
    assert [json.loads(line)["actor"] for line in caplog.messages] == ["operator/list", "hub/"]
