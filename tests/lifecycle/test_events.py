"""AWS's payloads are understood; what cannot or must not be acted upon is refused for the right reason."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lifecycle_app.errors import EventRefused, ForeignEvent, MalformedEvent, OtherCluster
from lifecycle_app.model import events
from lifecycle_app.model.worker import State
from tests.lifecycle.examples import ALICE, NOON
from tests.lifecycle.payloads import payload


def test_a_state_change() -> None:
    change = events.state_change(payload("ec2-running"))
    at = datetime(2026, 11, 23, 11, 58, 30, tzinfo=UTC)
    assert change == events.StateChange(ALICE, State.RUNNING, at)


@pytest.mark.parametrize(
    ("word", "state"),
    [(state.value, state) for state in State] + [("shutting-down", State.TERMINATED)],
)
def test_every_state_ec2_has(word: str, state: State) -> None:
    assert events.state_change(payload("ec2-running", state=word)).state is state


def test_an_idle_alarm() -> None:
    alarm = events.idle_alarm(payload("idle-alarm"), "test")
    assert alarm == events.IdleAlarm(ALICE, NOON + timedelta(seconds=27), rings=True)


@pytest.mark.parametrize("value", ["OK", "INSUFFICIENT_DATA"])
def test_an_alarm_that_does_not_ring(value: str) -> None:
    assert not events.idle_alarm(payload("idle-alarm", state={"value": value}), "test").rings


def test_a_stop_request() -> None:
    request = events.stop_request(payload("stop-requested"), "test")
    assert request == events.StopRequest("alice", ALICE, NOON + timedelta(seconds=0.5), "admin")


@pytest.mark.parametrize("event", [None, [], "text", 5, {}, {"source": "aws.ec2"}, payload("schedule")])
def test_something_else_altogether_is_refused(event: Any) -> None:
    with pytest.raises(EventRefused):
        events.state_change(event)
    with pytest.raises(EventRefused):
        events.idle_alarm(event, "test")
    with pytest.raises(EventRefused):
        events.stop_request(event, "test")


@pytest.mark.parametrize(
    "detail",
    [
        {"state": None},
        {"state": "sleeping"},
        {"state": 3},
        {"instance-id": None},
        {"instance-id": ""},
        {"instance-id": "vol-1"},
        {"instance-id": "i-1; reboot"},
        {"instance-id": ["i-1"]},
    ],
)
def test_a_malformed_state_change(detail: dict[str, Any]) -> None:
    with pytest.raises(MalformedEvent):
        events.state_change(payload("ec2-running", **detail))


@pytest.mark.parametrize("time", [None, "", "yesterday", "2026-11-23T12:00:00", 5])
def test_an_event_without_a_time_that_can_be_ordered(time: Any) -> None:
    with pytest.raises(MalformedEvent):
        events.state_change(payload("ec2-running") | {"time": time})


@pytest.mark.parametrize(
    ("detail", "error"),
    [
        ({"alarmName": "cpu-high"}, ForeignEvent),
        ({"alarmName": "cloudjhub-other-idle-i-0a11ce"}, OtherCluster),
        ({"alarmName": "cloudjhub-test-idle-i-0b0b"}, MalformedEvent),
        ({"alarmName": None}, MalformedEvent),
        ({"configuration": {}}, MalformedEvent),
        ({"configuration": {"metrics": []}}, MalformedEvent),
        ({"configuration": {"metrics": [{"expression": "m1"}]}}, MalformedEvent),
        ({"state": {"value": "LOUD"}}, MalformedEvent),
        ({"state": None}, MalformedEvent),
    ],
)
def test_an_alarm_that_must_not_stop_anybody(detail: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        events.idle_alarm(payload("idle-alarm", **detail), "test")


@pytest.mark.parametrize(
    ("detail", "error"),
    [
        ({"cluster": "other"}, OtherCluster),
        ({"worker": None}, MalformedEvent),
        ({"worker": "/gpu"}, MalformedEvent),
        ({"instance_id": None}, MalformedEvent),
        ({"requested_at": None}, MalformedEvent),
        ({"requested_at": "noon"}, MalformedEvent),
        ({"requested_at": True}, MalformedEvent),
        ({"requested_at": 1e300}, MalformedEvent),
        ({"requested_at": float("nan")}, MalformedEvent),
        ({"requested_by": ""}, MalformedEvent),
    ],
)
def test_a_request_that_must_not_stop_anybody(detail: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        events.stop_request(payload("stop-requested", **detail), "test")
