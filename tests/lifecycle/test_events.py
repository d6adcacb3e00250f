"""AWS's payloads are understood; what cannot or must not be acted upon is refused, and each refusal says why."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lifecycle_app.errors import EventRefused, ForeignEvent, MalformedEvent, OtherCluster
from lifecycle_app.model import events
from lifecycle_app.model.worker import State, worker_key
from tests.lifecycle.examples import ALICE, NOON, SECOND, a_worker
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
    assert alarm == events.IdleAlarm(ALICE, NOON + timedelta(seconds=27), fires=True)


@pytest.mark.parametrize("value", ["OK", "INSUFFICIENT_DATA"])
def test_an_alarm_that_does_not_fire(value: str) -> None:
    assert not events.idle_alarm(payload("idle-alarm", state={"value": value}), "test").fires


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
    with pytest.raises(EventRefused):
        events.keep_request(event, "test")


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


def test_a_request_to_keep() -> None:
    request = events.keep_request(payload("keep-requested"), "test")
    asked_at = NOON + timedelta(seconds=0.5)
    assert request == events.KeepRequest("alice", ALICE, "0f" * 16, timedelta(hours=1), asked_at, "alice")


@pytest.mark.parametrize(
    ("detail", "kind", "told"),
    [
        ({"cluster": "other"}, OtherCluster, "keep requested in cluster 'other', this is test"),
        ({"worker": "/gpu"}, MalformedEvent, "not a user name: ''"),
        ({"instance_id": "vol-1"}, MalformedEvent, "instance_id is not an instance id: 'vol-1'"),
        ({"requested_at": 1e300}, MalformedEvent, "requested_at is not a time: 1e+300"),
        ({"requested_at": NOON.timestamp() + 3602}, MalformedEvent,
         "requested_at is 2026-11-23T13:00:02+00:00, after the event itself"),
        ({"requested_by": ""}, MalformedEvent, "requested_by is missing"),
        ({"request": None}, MalformedEvent, "request is missing"),
        ({"request": "0F" * 16}, MalformedEvent, f"request is not an id: '{'0F' * 16}'"),
        ({"request": "0" * 31}, MalformedEvent, f"request is not an id: '{'0' * 31}'"),
        ({"seconds": None}, MalformedEvent, "seconds is missing"),
        ({"seconds": True}, MalformedEvent, "seconds is missing"),
        ({"seconds": 60.5}, MalformedEvent, "seconds is missing"),
        ({"seconds": -1}, MalformedEvent, "nothing is kept for -1 s"),
        ({"seconds": 366 * 86400 + 1}, MalformedEvent, "nothing is kept for 31622401 s"),
    ],
)  # fmt: skip
def test_a_request_that_keeps_nothing_says_why(
    detail: dict[str, Any], kind: type[EventRefused], told: str
) -> None:
    with pytest.raises(kind) as refused:
        events.keep_request(payload("keep-requested", **detail), "test")
    assert type(refused.value) is kind
    assert str(refused.value) == told


SOURCE = {"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification"}


@pytest.mark.parametrize(
    ("event", "kind", "told"),
    [
        (None, MalformedEvent, "an event is an object, not NoneType"),
        ([], MalformedEvent, "an event is an object, not list"),
        (
            {},
            ForeignEvent,
            "expected 'EC2 Instance State-change Notification' from aws.ec2, got None from None",
        ),
        (SOURCE, MalformedEvent, "detail is missing"),
        (
            SOURCE | {"source": "x"},
            ForeignEvent,
            "expected 'EC2 Instance State-change Notification' from aws.ec2, "
            "got 'EC2 Instance State-change Notification' from 'x'",
        ),
        (SOURCE | {"detail": {}}, MalformedEvent, "state is missing"),
        (SOURCE | {"detail": {"state": "odd"}}, MalformedEvent, "EC2 has no state 'odd'"),
        (SOURCE | {"detail": {"state": "running"}}, MalformedEvent, "instance-id is missing"),
        (
            SOURCE | {"detail": {"state": "running", "instance-id": "i-"}},
            MalformedEvent,
            "instance-id is not an instance id: 'i-'",
        ),
        (
            SOURCE | {"detail": {"state": "running", "instance-id": "x-1"}},
            MalformedEvent,
            "instance-id is not an instance id: 'x-1'",
        ),
        (SOURCE | {"detail": {"state": "running", "instance-id": "i-1"}}, MalformedEvent, "time is missing"),
        (
            SOURCE | {"time": "noon", "detail": {"state": "running", "instance-id": "i-1"}},
            MalformedEvent,
            "time is not a time: 'noon'",
        ),
        (
            SOURCE | {"time": "2026-11-23T12:00:00", "detail": {"state": "running", "instance-id": "i-1"}},
            MalformedEvent,
            "time has no time zone: '2026-11-23T12:00:00'",
        ),
    ],
)
def test_a_refused_state_change_says_why(event: object, kind: type[EventRefused], told: str) -> None:
    with pytest.raises(kind) as refused:
        events.state_change(event)
    assert str(refused.value) == told


def test_a_time_in_another_zone_is_turned_into_utc() -> None:
    event = payload("ec2-running") | {"time": "2026-11-23T14:00:00+02:00"}
    assert events.state_change(event).at == datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    assert events.state_change(event).at.tzinfo is UTC


METRIC = {"dimensions": {"InstanceId": "i-0a11ce"}}


@pytest.mark.parametrize(
    ("detail", "kind", "told"),
    [
        ({"alarmName": None}, MalformedEvent, "alarmName is missing"),
        ({"alarmName": "cpu"}, ForeignEvent, "alarm 'cpu' is not one of cluster test"),
        (
            {"alarmName": "cloudjhub-other-watch-i-1"},
            ForeignEvent,
            "alarm 'cloudjhub-other-watch-i-1' is not one of cluster test",
        ),
        ({"alarmName": "other-idle-i-1"}, ForeignEvent, "alarm 'other-idle-i-1' is not one of cluster test"),
        (
            {"alarmName": "cloudjhub-other-idle-i-1"},
            OtherCluster,
            "alarm 'cloudjhub-other-idle-i-1' is not one of cluster test",
        ),
        (
            {"alarmName": "cloudjhub-test-idle-i-0b0b"},
            MalformedEvent,
            "alarm 'cloudjhub-test-idle-i-0b0b' watches i-0a11ce",
        ),
        ({"configuration": None}, MalformedEvent, "configuration is missing"),
        ({"configuration": {"metrics": {"0": {}}}}, MalformedEvent, "an idle alarm has one metric"),
        ({"configuration": {"metrics": ["x"]}}, MalformedEvent, "an idle alarm has one metric"),
        (
            {"configuration": {"metrics": [{"metricStat": {"metric": METRIC}}] * 2}},
            MalformedEvent,
            "an idle alarm has one metric",
        ),
        ({"configuration": {"metrics": [{}]}}, MalformedEvent, "metricStat is missing"),
        ({"configuration": {"metrics": [{"metricStat": {}}]}}, MalformedEvent, "metric is missing"),
        (
            {"configuration": {"metrics": [{"metricStat": {"metric": {}}}]}},
            MalformedEvent,
            "dimensions is missing",
        ),
        (
            {"configuration": {"metrics": [{"metricStat": {"metric": {"dimensions": {}}}}]}},
            MalformedEvent,
            "InstanceId is missing",
        ),
        ({"state": None}, MalformedEvent, "state is missing"),
        ({"state": {}}, MalformedEvent, "value is missing"),
        ({"state": {"value": "LOUD"}}, MalformedEvent, "an alarm has no state 'LOUD'"),
    ],
)
def test_a_refused_alarm_says_why(detail: dict[str, Any], kind: type[EventRefused], told: str) -> None:
    with pytest.raises(kind) as refused:
        events.idle_alarm(payload("idle-alarm", **detail), "test")
    assert type(refused.value) is kind
    assert str(refused.value) == told


def test_an_alarm_that_is_no_event_of_cloudwatch() -> None:
    for name, value in [("source", "aws.ec2"), ("detail-type", "x")]:
        with pytest.raises(
            ForeignEvent, match=r"expected 'CloudWatch Alarm State Change' from aws.cloudwatch"
        ):
            events.idle_alarm(payload("idle-alarm") | {name: value}, "test")


@pytest.mark.parametrize(
    ("detail", "kind", "told"),
    [
        ({"cluster": None}, MalformedEvent, "cluster is missing"),
        ({"cluster": "other"}, OtherCluster, "stop requested in cluster 'other', this is test"),
        ({"worker": None}, MalformedEvent, "worker is missing"),
        ({"worker": "/gpu"}, MalformedEvent, "not a user name: ''"),
        ({"instance_id": "vol-1"}, MalformedEvent, "instance_id is not an instance id: 'vol-1'"),
        ({"requested_at": "noon"}, MalformedEvent, "requested_at is missing"),
        ({"requested_at": True}, MalformedEvent, "requested_at is missing"),
        ({"requested_at": 1e300}, MalformedEvent, "requested_at is not a time: 1e+300"),
        ({"requested_by": None}, MalformedEvent, "requested_by is missing"),
    ],
)
def test_a_refused_request_says_why(detail: dict[str, Any], kind: type[EventRefused], told: str) -> None:
    with pytest.raises(kind) as refused:
        events.stop_request(payload("stop-requested", **detail), "test")
    assert type(refused.value) is kind
    assert str(refused.value) == told


def test_a_request_that_the_hub_did_not_send() -> None:
    for name, value in [("source", "aws.ec2"), ("detail-type", "x")]:
        with pytest.raises(ForeignEvent, match=r"expected 'Stop Requested' from cloudjhub\.hub"):
            events.stop_request(payload("stop-requested") | {name: value}, "test")


def test_whole_seconds_are_a_time_too() -> None:
    assert events.stop_request(payload("stop-requested", requested_at=0), "test").at == datetime(
        1970, 1, 1, tzinfo=UTC
    )


@pytest.mark.parametrize("user", ["", "a/b"])
def test_what_is_not_a_user_name_is_told(user: str) -> None:
    with pytest.raises(ValueError, match="not a user name") as refused:
        worker_key(user, "gpu")
    assert str(refused.value) == f"not a user name: {user!r}"


@pytest.mark.parametrize(
    ("until", "claimed", "abandoned"),
    [(NOON + SECOND, True, False), (NOON, False, True), (NOON - SECOND, False, True), (None, False, False)],
)
def test_a_claim_ends_with_its_lease(until: datetime | None, claimed: bool, abandoned: bool) -> None:
    worker = a_worker(state=State.STOPPING, claimed_until=until)
    assert (worker.is_claimed(NOON), worker.is_abandoned(NOON)) == (claimed, abandoned)
    for state in set(State) - {State.STOPPING}:
        other = a_worker(state=state, claimed_until=until)
        assert (other.is_claimed(NOON), other.is_abandoned(NOON)) == (False, False)


def test_a_naive_time_is_named() -> None:
    with pytest.raises(ValueError, match="worker alice") as refused:
        a_worker(keep_until=datetime(2026, 11, 23))  # noqa: DTZ001
    assert str(refused.value) == (
        "worker alice: keep_until is not an aware UTC time: datetime.datetime(2026, 11, 23, 0, 0)"
    )


ARN = "arn:aws:lambda:us-east-1:123456789012:function:cloudjhub-test-record_state"


@pytest.mark.parametrize("at", [NOON - events.KEPT, NOON, NOON + events.AHEAD])
def test_an_event_of_here_and_now_is_accepted(at: datetime) -> None:
    event = payload("ec2-running") | {"time": at.isoformat()}
    assert events.accepted(event, ARN, NOON) is event


@pytest.mark.parametrize(
    ("changes", "kind", "told"),
    [
        (
            {"time": (NOON - events.KEPT - SECOND).isoformat()},
            MalformedEvent,
            "an event of 2026-11-16T11:59:59+00:00, and it is 2026-11-23T12:00:00+00:00",
        ),
        (
            {"time": (NOON + events.AHEAD + SECOND).isoformat()},
            MalformedEvent,
            "an event of 2026-11-23T13:00:01+00:00, and it is 2026-11-23T12:00:00+00:00",
        ),
        (
            {"region": "eu-west-1"},
            ForeignEvent,
            "an event of 'eu-west-1', '123456789012', not of us-east-1, 123456789012",
        ),
        (
            {"account": "9"},
            ForeignEvent,
            "an event of 'us-east-1', '9', not of us-east-1, 123456789012",
        ),
        (
            {"region": ["us-east-1"], "account": None},
            ForeignEvent,
            "an event of a list, None, not of us-east-1, 123456789012",
        ),
        ({"time": None}, MalformedEvent, "time is missing"),
    ],
)
def test_an_event_of_elsewhere_or_another_time_is_not(
    changes: dict[str, Any], kind: type[EventRefused], told: str
) -> None:
    with pytest.raises(kind) as refused:
        events.accepted(payload("ec2-running") | changes, ARN, NOON)
    assert str(refused.value) == told


def test_what_is_no_event_is_not_accepted() -> None:
    with pytest.raises(MalformedEvent) as refused:
        events.accepted(["running"], ARN, NOON)
    assert str(refused.value) == "an event is an object, not list"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x" * events.LONGEST_TEXT, "instance-id is not an instance id: '" + "x" * 79),
        ("x" * (events.LONGEST_TEXT + 1), "instance-id is too long: '" + "x" * 79),
        ("i-\ud800", "instance-id has incomplete characters in it: 'i-\\ud800'"),
        ("i-" + "0" * 33, "instance-id is not an instance id: 'i-" + "0" * 33 + "'"),
        ("i-0A", "instance-id is not an instance id: 'i-0A'"),
    ],
)
def test_a_text_has_a_length_and_whole_characters(text: str, told: str) -> None:
    with pytest.raises(MalformedEvent) as refused:
        events.state_change(payload("ec2-running", **{"instance-id": text}))
    assert str(refused.value) == told


def test_the_longest_instance_id() -> None:
    longest = "i-" + "z" * 32
    assert events.state_change(payload("ec2-running", **{"instance-id": longest})).instance_id == longest


@pytest.mark.parametrize(("ahead", "is_taken"), [(events.AHEAD, True), (events.AHEAD + SECOND, False)])
def test_a_request_is_not_of_later_than_its_event(ahead: timedelta, is_taken: bool) -> None:
    sent = NOON + SECOND
    event = payload("stop-requested", requested_at=(sent + ahead).timestamp())
    if is_taken:
        assert events.stop_request(event, "test").at == sent + ahead
        return
    with pytest.raises(MalformedEvent) as refused:
        events.stop_request(event, "test")
    assert str(refused.value) == "requested_at is 2026-11-23T13:00:02+00:00, after the event itself"


def test_a_long_name_is_cut() -> None:
    with pytest.raises(MalformedEvent) as refused:
        events.stop_request(payload("stop-requested", worker="/" + "x" * 500), "test")
    assert len(str(refused.value)) <= 200
    assert str(refused.value).startswith("not a user name: ")


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_a_time_outside_of_all_times(time: str) -> None:
    with pytest.raises(MalformedEvent) as refused:
        events.state_change(payload("ec2-running") | {"time": time})
    assert str(refused.value) == f"time is not a time: {time!r}"


def test_a_worker_without_a_server_name_is_the_default_one() -> None:
    assert worker_key("alice") == worker_key("alice", "") == "alice"
