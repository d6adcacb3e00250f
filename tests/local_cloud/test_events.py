"""Events on their way, and what faults do to them."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from bootstrap.local.cloud.events import Event, Events, instance_event
from bootstrap.local.cloud.faults import Faults
from tests.local_cloud.cloud_process import CloudProcess, EventSink
from tests.shared.waiting import until


class Bus:
    """Takes events unless told not to."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.is_away = False

    def deliver(self, event: Event) -> bool:
        if not self.is_away:
            self.taken.append(json.loads(event.detail)["state"])
        return not self.is_away


@contextmanager
def delivering(bus: Bus, faults: Faults) -> Iterator[Events]:
    events = Events(bus.deliver, faults)
    with delivered(events):
        yield events


@contextmanager
def delivered(events: Events) -> Iterator[None]:
    ended = threading.Event()
    thread = threading.Thread(target=events.run, args=(ended,))
    thread.start()
    yield
    ended.set()
    thread.join()


def put(events: Events, *states: str) -> None:
    for state in states:
        events.put(instance_event("arn", "i-1", state, 0.0))


def taken(bus: Bus, count: int) -> Callable[[], bool]:
    return lambda: len(bus.taken) >= count


def test_events_arrive_in_order() -> None:
    bus = Bus()
    with delivering(bus, Faults()) as events:
        put(events, "pending", "running", "stopping")
        until(taken(bus, 3), "three events")
    assert bus.taken == ["pending", "running", "stopping"]


def test_events_wait_for_a_bus_that_is_away() -> None:
    bus = Bus()
    bus.is_away = True
    with delivering(bus, Faults()) as events:
        put(events, "pending", "running")
        until(lambda: len(events.pending()) == 2, "both to wait")
        bus.is_away = False
        until(taken(bus, 2), "two events")
        until(lambda: not events.pending(), "an empty queue")
    assert bus.taken == ["pending", "running"]


def test_lost_events_are_instances_only() -> None:
    """CloudWatch's delivery is durable."""
    faults = Faults()
    faults.switch("lost-events", on=True)
    events = Events(Bus().deliver, faults)
    put(events, "running")
    alarm = Event("aws.cloudwatch", "CloudWatch Alarm State Change", "arn", "{}", 0.0, is_best_effort=False)
    events.put(alarm)
    assert events.pending() == [alarm]


def test_doubled_events() -> None:
    faults = Faults()
    faults.switch("doubled-events", on=True)
    events = Events(Bus().deliver, faults)
    put(events, "running")
    assert len(events.pending()) == 2


def test_late_events_keep_their_own_time() -> None:
    bus, faults = Bus(), Faults()
    faults.switch("late-events", on=True, delay=timedelta(seconds=0.5))
    events, began = Events(bus.deliver, faults), time.monotonic()
    put(events, "running")
    assert events.pending()[0].at == 0.0
    with delivered(events):
        until(taken(bus, 1), "the event")
    assert time.monotonic() - began >= 0.5


def test_an_event_has_amazon_s_shape(cloud: CloudProcess, events: EventSink) -> None:
    instance_id = cloud.run()["InstanceId"]
    until(lambda: events.states(instance_id), "its first event")
    entry = next(one for one in events.entries if instance_id in one["Detail"])
    assert entry["DetailType"] == "EC2 Instance State-change Notification"
    assert entry["Resources"] == [f"arn:aws:ec2:us-east-1:123456789012:instance/{instance_id}"]
    assert json.loads(entry["Detail"]) == {"instance-id": instance_id, "state": "pending"}
    assert entry["Time"] == pytest.approx(time.time(), abs=30)


def test_events_survive_an_absence_of_the_bus(cloud: CloudProcess, events: EventSink) -> None:
    events.is_failing = True
    instance_id = cloud.run()["InstanceId"]
    cloud.await_state(instance_id, "running")
    assert events.states(instance_id) == []
    events.is_failing = False
    until(lambda: events.states(instance_id) == ["pending", "running"], "both events")
