"""AWS event payloads as typed events. What cannot or must not be acted upon is refused, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lifecycle_app.errors import ForeignEvent, MalformedEvent, OtherCluster
from lifecycle_app.worker import State, idle_alarm_name, idle_alarm_prefix, split, worker_key

EC2_STATES = {state.value: state for state in State} | {"shutting-down": State.TERMINATED}
ALARM_STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")


@dataclass(frozen=True, slots=True)
class StateChange:
    """An instance of the account, ours or not, came into a state."""

    instance_id: str
    state: State
    at: datetime


@dataclass(frozen=True, slots=True)
class IdleAlarm:
    """A worker's idle alarm came into a state; `rings` in only one of them."""

    instance_id: str
    at: datetime
    rings: bool


@dataclass(frozen=True, slots=True)
class StopRequest:
    """Somebody pressed Stop in the hub."""

    key: str
    instance_id: str
    at: datetime
    by: str


def state_change(payload: object) -> StateChange:
    """An `EC2 Instance State-change Notification`. Raises MalformedEvent, or ForeignEvent if it is none."""
    detail = _detail(payload, "aws.ec2", "EC2 Instance State-change Notification")
    state = _text(detail, "state")
    if state not in EC2_STATES:
        raise MalformedEvent(f"EC2 has no state {state!r}")
    return StateChange(_instance_id(detail, "instance-id"), EC2_STATES[state], _time(payload))


def idle_alarm(payload: object, cluster: str) -> IdleAlarm:
    """A `CloudWatch Alarm State Change` of one of the cluster's idle alarms.

    Raises MalformedEvent, ForeignEvent for other alarms, OtherCluster for another cluster's.
    """
    detail = _detail(payload, "aws.cloudwatch", "CloudWatch Alarm State Change")
    name = _text(detail, "alarmName")
    if not name.startswith(idle_alarm_prefix(cluster)):
        another = name.startswith("cloudjhub-") and "-idle-i-" in name
        raise (OtherCluster if another else ForeignEvent)(f"alarm {name!r} is none of cluster {cluster}")
    instance_id = _watched(detail)
    if name != idle_alarm_name(cluster, instance_id):
        raise MalformedEvent(f"alarm {name!r} watches {instance_id}")
    value = _text(_mapping(detail, "state"), "value")
    if value not in ALARM_STATES:
        raise MalformedEvent(f"an alarm has no state {value!r}")
    return IdleAlarm(instance_id, _time(payload), rings=value == "ALARM")


def stop_request(payload: object, cluster: str) -> StopRequest:
    """A `Stop Requested` of the cluster's hub. Raises MalformedEvent, ForeignEvent or OtherCluster."""
    detail = _detail(payload, "cloudjhub.hub", "Stop Requested")
    if _text(detail, "cluster") != cluster:
        raise OtherCluster(f"stop requested in cluster {detail['cluster']!r}, this is {cluster}")
    key = _text(detail, "worker")
    try:
        worker_key(*split(key))
    except ValueError as error:
        raise MalformedEvent(str(error)) from error
    at = _epoch(detail, "requested_at")
    return StopRequest(key, _instance_id(detail, "instance_id"), at, _text(detail, "requested_by"))


def _detail(payload: object, source: str, kind: str) -> Mapping[str, Any]:
    if not isinstance(payload, Mapping):
        raise MalformedEvent(f"an event is an object, not {type(payload).__name__}")
    found = (payload.get("source"), payload.get("detail-type"))
    if found != (source, kind):
        raise ForeignEvent(f"expected {kind!r} from {source}, got {found[1]!r} from {found[0]!r}")
    return _mapping(payload, "detail")


def _watched(detail: Mapping[str, Any]) -> str:
    """The instance that an alarm's only metric belongs to."""
    metrics = _mapping(detail, "configuration").get("metrics")
    if not isinstance(metrics, list) or len(metrics) != 1 or not isinstance(metrics[0], Mapping):
        raise MalformedEvent("an idle alarm has one metric")
    metric = _mapping(_mapping(metrics[0], "metricStat"), "metric")
    return _instance_id(_mapping(metric, "dimensions"), "InstanceId")


def _mapping(outer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = outer.get(name)
    if not isinstance(value, Mapping):
        raise MalformedEvent(f"{name} is missing")
    return value


def _text(outer: Mapping[str, Any], name: str) -> str:
    value = outer.get(name)
    if not isinstance(value, str) or not value:
        raise MalformedEvent(f"{name} is missing")
    return value


def _instance_id(outer: Mapping[str, Any], name: str) -> str:
    value = _text(outer, name)
    if not value.startswith("i-") or not value[2:].isalnum():
        raise MalformedEvent(f"{name} is no instance id: {value!r}")
    return value


def _time(payload: object) -> datetime:
    assert isinstance(payload, Mapping)
    text = _text(payload, "time")
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedEvent(f"time is none: {text!r}") from error
    if at.tzinfo is None:
        raise MalformedEvent(f"time has no zone: {text!r}")
    return at.astimezone(UTC)


def _epoch(outer: Mapping[str, Any], name: str) -> datetime:
    value = outer.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedEvent(f"{name} is missing")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise MalformedEvent(f"{name} is no time: {value!r}") from error
