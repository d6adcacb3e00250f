"""What happened and why: its text, and how it is stored."""

import json
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest

from lifecycle_app.model.decision import Reason
from lifecycle_app.model.history import Kind, sentence
from lifecycle_app.model.messages import (
    LONGEST,
    NOTHING,
    TEMPLATES,
    TEXT,
    Message,
    duration,
    in_utc,
    joined,
    message,
    money,
    parts,
    plain,
    read,
    stored,
    text,
)
from tests.lifecycle.entries import entry
from tests.lifecycle.examples import HOUR, MINUTE, NOON, SECOND

IDLE = message("idle", timeout=3 * MINUTE, last_used=NOON)
VALUES: dict[str, Any] = {
    "until": NOON, "started": NOON, "last_used": NOON, "last_busy": NOON, "last_activity": NOON, "last_heard": NOON,
    "since": NOON, "launched": NOON, "resets": NOON, "timeout": HOUR, "limit": HOUR, "ran": HOUR, "allowance": HOUR,
    "last_traffic": NOON, "cpu": 2.5, "cost": 0.5, "was": 2.0, "size": 4.0,
}  # fmt: skip


def names(template: str) -> set[str]:
    return {part.split("}")[0].split(":")[0] for part in template.split("{")[1:]}


def test_each_reason_of_a_decision_has_a_text() -> None:
    assert set(map(str, Reason)) <= set(TEMPLATES)


@pytest.mark.parametrize(
    ("code", "template"), [(code, one) for code, found in TEMPLATES.items() for one in found]
)
def test_each_text_is_made_of_its_values_and_survives_being_stored(code: str, template: str) -> None:
    said = message(code, **{name: VALUES.get(name, f"the {name}") for name in names(template)})
    assert text(said)
    assert "{" not in text(said)
    assert read(stored(said)) == said


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (IDLE, "not used for 3 minutes (last used at 2026-11-23 12:00:00 UTC)"),
        (
            message("idle", timeout=HOUR, last_busy=NOON, gaps=True),
            "not used for 1 hour (last busy at 2026-11-23 12:00:00 UTC);"
            " its activity reports do not cover all of that time",
        ),
        (message("kept", until=NOON), "kept until 2026-11-23 12:00:00 UTC by an administrator"),
        (message("stop-requested", by="alice"), "stopped by alice"),
        (message("hung", since=NOON, cpu=2.94, limit=HOUR),
         "no activity reports since 2026-11-23 12:00:00 UTC, and at most 2.9 % CPU in 1 hour"),
        (message("run", ran=HOUR, cost=0.0416), "ran for 1 hour, cost about 4 ¢"),
        (message("run", ran=HOUR, cost=0.001), "ran for 1 hour, cost less than 1 ¢"),
        (message("refused", detail="{by} {"), "{by} {"),
        (NOTHING, ""),
        (Message("idle"), ""),
    ],
)  # fmt: skip
def test_text(said: Message, shown: str) -> None:
    assert text(said) == shown


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [(0, "less than 1 ¢"), (0.0099, "less than 1 ¢"), (0.01, "1 ¢"), (0.994, "99 ¢"), (0.996, "$1.00"),
     (1.239, "$1.24"), (1234.5, "$1,234.50")],
)  # fmt: skip
def test_money(dollars: float, shown: str) -> None:
    assert money(dollars) == shown


def test_times_are_shown_as_the_reader_wants_them() -> None:
    assert text(IDLE, lambda _: "2 min ago") == "not used for 3 minutes (last used 2 min ago)"
    assert joined(parts(IDLE), in_utc) == text(IDLE)


@pytest.mark.parametrize(
    ("kind", "said", "shown"),
    [
        (Kind.STOP, IDLE, "stopped: not used for 3 minutes (last used at 2026-11-23 12:00:00 UTC)"),
        (Kind.STOP, message("stop-requested", by="alice"), "stopped by alice"),
        (Kind.RELEASE, message("refused", detail="alice came"), "not stopped: alice came"),
        (Kind.RELEASE, plain("not stopped: alice came"), "not stopped: alice came"),
        (Kind.DECISION, message("active", last_used=NOON), "kept: last used at 2026-11-23 12:00:00 UTC"),
        (Kind.REPORT, message("stuck", state="pending", since=NOON), "pending since 2026-11-23 12:00:00 UTC"),
        (Kind.STOP, NOTHING, ""),
    ],
)
def test_an_entry_begins_with_what_was_done(kind: Kind, said: Message, shown: str) -> None:
    assert joined(sentence(entry(kind, "idle", said))) == shown


@pytest.mark.parametrize(
    "found",
    [
        "no activity since 2026-11-23 11:00:00 UTC",
        "{",
        "{}",
        "[1]",
        "{" * 5000,
        '{"code": "text", "text": "x"}',
        '{"code": "of a later version", "by": "alice"}',
        '{"code": "idle", "timeout": 180}',
        '{"code": "idle", "timeout": "long", "last_used": "2026-11-23T12:00:00+00:00"}',
        '{"code": "idle", "timeout": 180, "last_used": "2026-11-23T12:00:00"}',
        '{"code": "idle", "timeout": 180, "last_used": 5}',
        '{"code": "idle", "timeout": 1e300, "last_used": "2026-11-23T12:00:00+00:00"}',
        '{"code": "idle", "timeout": NaN, "last_used": "2026-11-23T12:00:00+00:00"}',
        '{"code": "stop-requested", "by": ["alice"]}',
        '{"code": "stop-requested", "by": "\\ud800"}',
    ],
)
def test_what_is_not_a_message_is_shown_as_it_is(found: str) -> None:
    """An older version's sentence, a newer one's code, or what was written by hand."""
    said = read(found)
    assert (said.code, text(said), stored(said)) == (TEXT, found, found)


def test_nothing_is_stored_as_nothing() -> None:
    assert (stored(NOTHING), read(""), plain("")) == ("", NOTHING, NOTHING)
    assert not NOTHING
    assert IDLE


def test_a_stored_text_is_bounded() -> None:
    said = message("refused", detail="x" * 500_000)
    assert len(stored(said)) < LONGEST + 100
    assert read(json.dumps({"code": "refused", "detail": "x" * 500_000})) == read(stored(said))


def test_a_time_of_another_zone_is_the_same_time() -> None:
    east = replace(IDLE, values=IDLE.values | {"last_used": NOON.astimezone(timezone(3 * HOUR))})  # type: ignore[operator]
    assert read(stored(east)) == IDLE


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        (timedelta(0), "0 seconds"),
        (SECOND, "1 second"),
        (45 * SECOND, "45 seconds"),
        (3 * MINUTE, "3 minutes"),
        (61 * SECOND, "1 minute 1 second"),
        (HOUR, "1 hour"),
        (125 * MINUTE + SECOND, "2 hours 5 minutes"),
        (24 * HOUR, "1 day"),
        (-SECOND, "0 seconds"),
    ],
)
def test_a_duration_has_its_two_largest_units(span: timedelta, shown: str) -> None:
    assert duration(span) == shown
