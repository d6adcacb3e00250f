"""Events on their way to EventBridge: in order, kept until accepted, delayed, doubled or dropped by faults."""

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.local.cloud.faults import Faults

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

log = logging.getLogger(__name__)

RETRY = 0.5
"""Seconds between two attempts while EventBridge cannot be reached."""


@dataclass(frozen=True, slots=True)
class Event:
    """An entry for PutEvents; `at` in epoch seconds. Best effort events may get lost."""

    source: str
    detail_type: str
    resource: str
    detail: str
    at: float
    is_best_effort: bool


def instance_event(arn: str, instance_id: str, state: str, at: float) -> Event:
    """EC2's event of an instance's new state."""
    detail = {"instance-id": instance_id, "state": state}
    return Event("aws.ec2", "EC2 Instance State-change Notification", arn, json.dumps(detail), at, True)


def alarm_event(arn: str, detail: dict[str, Any], at: float) -> Event:
    """CloudWatch's event of an alarm's new state."""
    return Event("aws.cloudwatch", "CloudWatch Alarm State Change", arn, json.dumps(detail), at, False)


@dataclass(slots=True)
class Events:
    """A queue with one sender. `pending` is part of the snapshot."""

    deliver: Callable[[Event], bool]
    faults: Faults
    _arrived: threading.Condition = field(init=False, default_factory=threading.Condition)
    _queue: deque[tuple[float, Event]] = field(init=False, default_factory=deque)

    def put(self, event: Event) -> None:
        """Queues an event; faults may delay, double or drop it."""
        if event.is_best_effort and self.faults.is_on("lost-events"):
            log.info("fault lost-events: %s is lost", event.detail)
            return
        due = time.monotonic() + self.faults.delay("late-events").total_seconds()
        copies = 2 if self.faults.is_on("doubled-events") else 1
        with self._arrived:
            self._queue.extend([(due, event)] * copies)
            self._arrived.notify()

    def pending(self) -> list[Event]:
        """The events that EventBridge has not accepted yet, oldest first."""
        with self._arrived:
            return [event for _, event in self._queue]

    def run(self, ended: threading.Event) -> None:
        """Delivers until the event is set."""
        while not ended.is_set():
            waiting = self._next()
            if waiting is not None and self.deliver(waiting):
                with self._arrived:
                    self._queue.popleft()
            elif waiting is not None:
                ended.wait(RETRY)

    def _next(self) -> Event | None:
        """The oldest event once it is due; None after a moment without one."""
        with self._arrived:
            if not self._queue:
                self._arrived.wait(RETRY)
                return None
            due, event = self._queue[0]
            wait = due - time.monotonic()
            if wait > 0:
                self._arrived.wait(min(wait, RETRY))
                return None
            return event


class EventBridge:
    """Puts events on the default bus of an endpoint."""

    def __init__(self, endpoint: str, region: str, key: str, secret: str) -> None:
        self._client = boto3.client(
            "events",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=10),
        )
        self._is_reachable = True

    def deliver(self, event: Event) -> bool:
        """Whether EventBridge has accepted the event."""
        entry: PutEventsRequestEntryTypeDef = {
            "Source": event.source,
            "DetailType": event.detail_type,
            "Detail": event.detail,
            "Resources": [event.resource],
            "Time": datetime.fromtimestamp(event.at, UTC),
        }
        try:
            answer = self._client.put_events(Entries=[entry])
        except (BotoCoreError, ClientError) as error:
            if self._is_reachable:
                log.warning("EventBridge cannot be reached, events wait: %s", error)
            self._is_reachable = False
            return False
        self._is_reachable = True
        if answer["FailedEntryCount"]:
            log.error("event refused: %s: %s", answer["Entries"], event.detail)
        return True
