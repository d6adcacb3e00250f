"""What the hub says about stops: fields that cannot be used are left out, and nothing fails."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bootstrap.worker.terms import LONGEST_TEXT, Budget, Terms
from lifecycle_app.contract import Level, Signal

GIVEN = {
    "idle_timeout": 3600,
    "lowest_level": 2,
    "busy_allowance": None,
    "app_allowance": 7200.5,
    "max_lifetime": 86400,
    "start_grace": 600,
    "keep_limit": 14400,
    "keep_until": 1_800_000_000,
    "ignored_signals": ["cpu", "of_a_newer_hub", "apps"],
    "budget": {
        "message": "used up",
        "is_over": True,
        "stops_at": 1_800_000_600,
        "stops_work": True,
        "newer": 1,
    },
    "of_a_newer_hub": "anything",
}


def test_every_field_is_read() -> None:
    assert Terms.from_text(json.dumps(GIVEN)) == Terms(
        idle_timeout=timedelta(hours=1),
        lowest_level=Level.WORK,
        busy_allowance=None,
        app_allowance=timedelta(seconds=7200.5),
        max_lifetime=timedelta(days=1),
        start_grace=timedelta(minutes=10),
        keep_limit=timedelta(hours=4),
        keep_until=datetime.fromtimestamp(1_800_000_000, UTC),
        ignored_signals=frozenset({Signal.CPU, Signal.APPS}),
        budget=Budget(
            message="used up",
            is_over=True,
            stops_at=datetime.fromtimestamp(1_800_000_600, UTC),
            stops_work=True,
        ),
    )


@pytest.mark.parametrize("odd", ["soon", True, -1, 1e300, None])
def test_a_budget_without_a_usable_time_stops_nothing(odd: Any) -> None:
    given = {"message": "x" * 999, "is_over": 1, "stops_at": odd, "stops_work": "no"}
    assert Terms.from_text(json.dumps({"budget": given})).budget == Budget(message="x" * 400)


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[]", "7", "[" * LONGEST_TEXT, json.dumps(GIVEN) + " " * LONGEST_TEXT]
)
def test_what_is_not_terms_says_nothing(text: str) -> None:
    assert Terms.from_text(text) == Terms()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("idle_timeout", -1),
        ("idle_timeout", 367 * 86400),
        ("idle_timeout", "3600"),
        ("idle_timeout", True),
        ("idle_timeout", float("nan")),
        ("idle_timeout", float("inf")),
        ("idle_timeout", 10**400),
        ("lowest_level", 0),
        ("lowest_level", 2.5),
        ("lowest_level", 4),
        ("keep_until", -1),
        ("keep_until", 1e300),
        ("keep_limit", []),
        ("budget", "used up"),
        ("budget", {"message": 7}),
        ("ignored_signals", "apps"),
        ("ignored_signals", {"apps": True}),
        ("ignored_signals", [["apps"], None]),
    ],
)
def test_a_field_that_cannot_be_used_is_as_if_it_were_not_there(field: str, value: Any) -> None:
    read = Terms.from_text(json.dumps(GIVEN | {field: value}))
    assert read == Terms.from_text(json.dumps({name: one for name, one in GIVEN.items() if name != field}))
