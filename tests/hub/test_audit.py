"""Lines of the audit log: a fixed schema, nothing that controls a terminal, bounded."""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hub.audit.event import KEYS, LONGEST, Event, Outcome, from_line, readable, to_line
from hub.audit.record import MOST_A_MINUTE, MOST_FROM_ONE, Limit, acting_as, datagram, record

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


def written(limit: Limit, event: Event, times: int, *, is_trusted: bool = False) -> int:
    return sum(len(list(limit.allowed(event, is_trusted=is_trusted))) for _ in range(times))


def test_failures_are_bounded_by_actor_and_what_is_left_out_is_counted() -> None:
    limit = Limit(most=3)
    failed = Event(at=NOW, actor="", action="login", outcome=Outcome.REFUSED)
    other = Event(at=NOW, actor="eve", action="request", outcome=Outcome.REFUSED)
    assert written(limit, failed, 10) == 3
    assert written(limit, other, 1) == 1, "another actor has an allowance of its own"
    assert written(limit, other, 10, is_trusted=True) == 2, "whoever tries in vain"
    assert written(limit, EVENT, 10, is_trusted=True) == 10, "what an administrator does is always written"
    later = Event(at=NOW + timedelta(minutes=1), actor="", action="login", outcome=Outcome.REFUSED)
    strangers, eves, again = limit.allowed(later)
    assert (strangers.action, strangers.target, strangers.detail) == ("audit.left-out", "", "7 lines")
    assert (eves.target, eves.detail, again) == ("eve", "8 lines", later)
    assert 100 < MOST_FROM_ONE < MOST_A_MINUTE


def test_what_a_user_does_is_bounded_by_kind_and_source() -> None:
    """A user who logs in, or makes tokens, thousands of times does not fill the log, and hides nothing else in it."""
    limit = Limit(most=6, most_from_one=4)
    login = Event(at=NOW, actor="eve", action="login", source="192.0.2.7")
    assert written(limit, login, 1000) == 4
    assert written(limit, replace(login, action="token.create"), 1000) == 4, "another act"
    assert written(limit, replace(login, actor="ada"), 1) == 1, "another user at the same address"
    elsewhere = [replace(login, source=f"198.51.100.{number}") for number in range(250)]
    assert sum(written(limit, one, 1) for one in elsewhere) == 2, "six of one act, wherever from"
    assert len(limit._written) < 10, "of many sources, few are remembered"
    *told, again = limit.allowed(replace(login, at=NOW + timedelta(minutes=1)))
    assert [(one.target, one.source, one.detail) for one in told] == [
        ("eve", "192.0.2.7", "996 lines login"),
        ("eve", "192.0.2.7", "996 lines token.create"),
        ("eve", "", "248 lines login"),
    ]
    assert again.at > NOW


@pytest.mark.parametrize(
    ("actor", "is_bounded"),
    [("worker/i-1", True), ("service/lifecycle", False), ("operator/list", False), ("hub/", False)],
)
def test_what_our_parts_do_is_written_and_a_workers_acts_are_bounded(
    actor: str, is_bounded: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.audit.record._limit", Limit(most=3))
    caplog.set_level(logging.INFO)
    for _ in range(5):
        record("server.drain", "bob", actor=actor)
    assert len(caplog.messages) == (3 if is_bounded else 5)


def test_outside_a_request_the_hub_or_who_is_named_acts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with acting_as("operator/list"):
        record("user.demote", "bob")
    record("user.add", "bob")
    assert [json.loads(line)["actor"] for line in caplog.messages] == ["operator/list", "hub/"]
