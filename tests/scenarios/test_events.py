"""Events that are late, doubled, out of order, foreign or malformed change nothing they should not."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.scenarios.cloud import LocalCloud
from tests.scenarios.events import alarm_event, made_event, state_event

pytestmark = pytest.mark.cloud

WATCHED = ("instance", "state", "since", "stop_reason", "address")


@pytest.fixture(scope="module")
def peggy(cloud: LocalCloud) -> dict[str, Any]:
    """The record of a worker with a running cell, which nothing may stop."""
    person = cloud.person("peggy")
    person.start()
    person.run_cell(person.open_kernel(), "import time; time.sleep(3600)", wait=False)
    return cloud.settled("peggy")


def now() -> datetime:
    return datetime.now(UTC)


def stop_event(instance: str, cluster: str = "local", worker: str = "peggy") -> dict[str, Any]:
    detail = {
        "cluster": cluster,
        "worker": worker,
        "instance_id": instance,
        "requested_at": (now() - timedelta(hours=1)).timestamp(),
        "requested_by": "peggy",
    }
    return made_event("cloudjhub.hub", "Stop Requested", now(), [], detail)


# Each: what it is, the function, and the event made from peggy's instance id.
HARMLESS = [
    ("a stop of an hour ago that comes late", "record_state",
     lambda i: state_event(i, "stopped", now() - timedelta(hours=1))),
    ("a termination of an hour ago that comes late", "record_state",
     lambda i: state_event(i, "terminated", now() - timedelta(hours=1))),
    ("an instance that EC2 does not know, and that is no longer too young for that", "record_state",
     lambda _: state_event("i-0123456789abcdef0", "running", now() - timedelta(minutes=3))),
    ("an unknown state", "record_state", lambda i: state_event(i, "rebooting", now())),
    ("no detail at all", "record_state", lambda _: made_event("aws.ec2", "", now(), [], {})),
    ("a detail that is a list", "record_state", lambda _: made_event("aws.ec2", "", now(), [], [])),
    ("a detail of wrong types", "record_state",
     lambda _: made_event("aws.ec2", "", now(), [], {"instance-id": 1, "state": None})),
    ("an alarm on a worker that is busy", "idle_alarm", lambda i: alarm_event(i)),
    ("an alarm of another cluster", "idle_alarm", lambda i: alarm_event(i, cluster="other")),
    ("an alarm without a name", "idle_alarm",
     lambda _: made_event("aws.cloudwatch", "", now(), [], {"state": {"value": "ALARM"}})),
    ("an alarm on an instance that is not ours", "idle_alarm", lambda _: alarm_event("i-0123456789abcdef0")),
    ("a stop pressed before this run began", "stop_requested", lambda i: stop_event(i)),
    ("a stop for another cluster", "stop_requested", lambda i: stop_event(i, cluster="other")),
    ("a stop for another instance of hers", "stop_requested", lambda _: stop_event("i-0123456789abcdef0")),
    ("a stop for an unknown user", "stop_requested", lambda i: stop_event(i, worker="zoe")),
    ("a stop without detail", "stop_requested", lambda _: made_event("cloudjhub.hub", "", now(), [], {})),
]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "make"), [row[1:] for row in HARMLESS], ids=[row[0] for row in HARMLESS]
)
def test_a_harmless_event_changes_nothing(
    cloud: LocalCloud, peggy: dict[str, Any], function: str, make: Any
) -> None:
    answers = [cloud.invoke(function, make(peggy["instance"])) for _ in range(2)]
    assert not [answer for answer in answers if "FunctionError" in answer], (
        "refused in words, not by an error"
    )
    after = cloud.worker("peggy")
    assert {name: after[name] for name in WATCHED} == {name: peggy[name] for name in WATCHED}
    assert not cloud.calls("StopInstances", peggy["instance"])


def test_an_event_keeps_the_time_its_sender_gave_it(cloud: LocalCloud, peggy: dict[str, Any]) -> None:
    """Through the event bus: an hour-old `stopped` arrives now, and is told from a new one by its own time."""
    hour_ago = now() - timedelta(hours=1)
    told = state_event(peggy["instance"], "stopped", hour_ago)
    entry = {
        "Source": told["source"],
        "DetailType": told["detail-type"],
        "Detail": json.dumps(told["detail"]),
        "Resources": told["resources"],
        "Time": hour_ago,
    }
    cloud.client("events").put_events(Entries=[entry])
    cloud.person("victor").start()
    cloud.await_state("victor", "running")
    assert cloud.worker("peggy")["state"] == "running", "victor's later events came through the same function"


def test_events_that_ec2_doubles_delays_or_loses_leave_the_record_right(cloud: LocalCloud) -> None:
    """Each fault over a start and a stop; the scheduled passes make up for what was lost."""
    for name in ("doubled-events", "late-events", "lost-events"):
        person = cloud.person(name)
        with cloud.faults(name):
            person.start()
            # Of the two passes that make up for lost events only the second is waited for.
            cloud.invoke("reconcile", {})
            cloud.await_state(name, "running")
            person.stop()
            cloud.await_state(name, "stopped")
            instance = cloud.recorded(name)["instance"]
            assert [found["InstanceId"] for found in cloud.instances(name)] == [instance]
        assert len(cloud.calls("StopInstances", instance)) == 1
