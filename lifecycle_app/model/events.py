"""AWS event payloads as typed events. An event that cannot or must not be acted upon is refused with a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lifecycle_app.contract import (
    ALARM_STATE_CHANGE,
    CLOUDWATCH_SOURCE,
    EC2_SOURCE,
    EC2_STATE_CHANGE,
    HUB_SOURCE,
    KEEP_REQUESTED,
    LONGEST_KEEP,
    LONGEST_SETTINGS,
    SETTINGS_REQUESTED,
    STOP_REQUESTED,
    idle_alarm_name,
    idle_alarm_prefix,
)
from lifecycle_app.errors import ForeignEvent, MalformedEvent, OtherCluster
from lifecycle_app.model.worker import State, split, worker_key

EC2_STATES = {state.value: state for state in State} | {"shutting-down": State.TERMINATED}
ALARM_STATES = ("ALARM", "OK", "INSUFFICIENT_DATA")
INSTANCE_ID = re.compile(r"i-[0-9a-z]{1,32}")
REQUEST_ID = re.compile(r"[0-9a-f]{32}")
POLICY_SCOPE = re.compile(r"cluster|(group|user)/.{1,255}", re.DOTALL)
MOST_FIELDS = 50
"""Of a policy, in one request: there are fewer."""
LONGEST_TEXT = 600
"""Characters; more than the longest worker key, which has two names of 255."""
AHEAD = timedelta(hours=1)
"""An event may be so far in the future, if this function's clock is wrong. A state recorded for a later time would make
all real events older than the record."""
KEPT = timedelta(days=7)
"""Older events are refused: EventBridge and Lambda give up within a day or two."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """An instance of the account, a worker or not, changed its state."""

    instance_id: str
    state: State
    at: datetime


@dataclass(frozen=True, slots=True)
class IdleAlarm:
    """A worker's idle alarm changed its state; `fires` if it is ALARM now."""

    instance_id: str
    at: datetime
    fires: bool


@dataclass(frozen=True, slots=True)
class StopRequest:
    """A user or administrator pressed Stop in the hub, or the operator stops it."""

    key: str
    instance_id: str
    at: datetime
    by: str
    unless_used: bool = False
    """Is a user who has a server there, or is about to, to keep it?"""


@dataclass(frozen=True, slots=True)
class KeepRequest:
    """A user wants their own worker kept running."""

    key: str
    instance_id: str
    id: str
    span: timedelta
    """How long from `at` on."""
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class SettingsRequest:
    """An administrator changes the policy of a scope. Whether its values can be used is for the policy to say."""

    scope: str
    id: str
    changes: Mapping[str, Any]
    unset: tuple[str, ...]
    base: str
    """The version of the policy that it is based on."""
    at: datetime
    by: str


def accepted(payload: object, function_arn: str, now: datetime) -> Mapping[str, Any]:
    """The payload, if it is from the account and region of this function (named by its ARN) and recent.

    Raises MalformedEvent or ForeignEvent.
    """
    if not isinstance(payload, Mapping):
        raise MalformedEvent(f"an event is an object, not {type(payload).__name__}")
    region, account = function_arn.split(":")[3:5]
    if (payload.get("region"), payload.get("account")) != (region, account):
        where = f"{_short(payload.get('region'))}, {_short(payload.get('account'))}"
        raise ForeignEvent(f"an event of {where}, not of {region}, {account}")
    at = _time(payload)
    if not now - KEPT <= at <= now + AHEAD:
        raise MalformedEvent(f"an event of {at.isoformat()}, and it is {now.isoformat()}")
    return payload


def state_change(payload: object) -> StateChange:
    """An `EC2 Instance State-change Notification`. Raises MalformedEvent, or ForeignEvent if it is another event."""
    detail = _detail(payload, EC2_SOURCE, EC2_STATE_CHANGE)
    state = _text(detail, "state")
    if state not in EC2_STATES:
        raise MalformedEvent(f"EC2 has no state {_short(state)}")
    return StateChange(_instance_id(detail, "instance-id"), EC2_STATES[state], _time(payload))


def idle_alarm(payload: object, cluster: str) -> IdleAlarm:
    """A `CloudWatch Alarm State Change` of one of the cluster's idle alarms.

    Raises MalformedEvent, ForeignEvent for other alarms, OtherCluster for another cluster's.
    """
    detail = _detail(payload, CLOUDWATCH_SOURCE, ALARM_STATE_CHANGE)
    name = _text(detail, "alarmName")
    if not name.startswith(idle_alarm_prefix(cluster)):
        another = name.startswith("cloudjhub-") and "-idle-i-" in name
        raise (OtherCluster if another else ForeignEvent)(
            f"alarm {_short(name)} is not one of cluster {cluster}"
        )
    instance_id = _watched(detail)
    if name != idle_alarm_name(cluster, instance_id):
        raise MalformedEvent(f"alarm {_short(name)} watches {instance_id}")
    value = _text(_mapping(detail, "state"), "value")
    if value not in ALARM_STATES:
        raise MalformedEvent(f"an alarm has no state {_short(value)}")
    return IdleAlarm(instance_id, _time(payload), fires=value == "ALARM")


def stop_request(payload: object, cluster: str) -> StopRequest:
    """A `Stop Requested` of the cluster's hub. Raises MalformedEvent, ForeignEvent or OtherCluster."""
    detail, key, at = _request(payload, STOP_REQUESTED, cluster)
    unless_used = detail.get("unless_used", False)
    if not isinstance(unless_used, bool):
        raise MalformedEvent("unless_used is neither true nor false")
    instance_id, by = _instance_id(detail, "instance_id"), _text(detail, "requested_by")
    return StopRequest(key, instance_id, at, by, unless_used)


def keep_request(payload: object, cluster: str) -> KeepRequest:
    """A `Keep Requested` of the cluster's hub. Raises MalformedEvent, ForeignEvent or OtherCluster."""
    detail, key, at = _request(payload, KEEP_REQUESTED, cluster)
    seconds, request = detail.get("seconds"), _request_id(detail, "request")
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise MalformedEvent("seconds is missing")
    if not 0 <= seconds <= LONGEST_KEEP.total_seconds():
        raise MalformedEvent(f"nothing is kept for {_short(seconds)} s")
    instance_id, by = _instance_id(detail, "instance_id"), _text(detail, "requested_by")
    return KeepRequest(key, instance_id, request, timedelta(seconds=seconds), at, by)


def settings_request(payload: object, cluster: str) -> SettingsRequest:
    """A `Settings Requested` of the cluster's hub. Raises MalformedEvent, ForeignEvent or OtherCluster."""
    detail, at = _asked(payload, SETTINGS_REQUESTED, cluster)
    scope, changes, unset = _text(detail, "scope"), _mapping(detail, "changes"), detail.get("unset")
    if not POLICY_SCOPE.fullmatch(scope):
        raise MalformedEvent(f"no policy has the scope {_short(scope)}")
    if not isinstance(unset, list) or not all(isinstance(name, str) for name in unset):
        raise MalformedEvent("unset is not a list of names")
    sizes = (len(changes) + len(unset), len(json.dumps([dict(changes), unset])))
    if sizes[0] > MOST_FIELDS or sizes[1] > LONGEST_SETTINGS:
        raise MalformedEvent(f"{sizes[0]} fields of {sizes[1]} characters are too many")
    request, base = _request_id(detail, "request"), _request_id(detail, "base")
    return SettingsRequest(scope, request, changes, tuple(unset), base, at, _text(detail, "requested_by"))


def _request(payload: object, kind: str, cluster: str) -> tuple[Mapping[str, Any], str, datetime]:
    """The detail of a request by the cluster's hub about a worker, the worker's key in it, and when it was made."""
    detail, at = _asked(payload, kind, cluster)
    key = _text(detail, "worker")
    try:
        worker_key(*split(key))
    except ValueError as error:
        raise MalformedEvent(str(error)[:200]) from error
    return detail, key, at


def _asked(payload: object, kind: str, cluster: str) -> tuple[Mapping[str, Any], datetime]:
    """The detail of a request by the cluster's hub, and when it was made."""
    detail = _detail(payload, HUB_SOURCE, kind)
    if _text(detail, "cluster") != cluster:
        raise OtherCluster(f"{kind.lower()} in cluster {_short(detail['cluster'])}, this is {cluster}")
    at = _epoch(detail, "requested_at")
    if at > _time(payload) + AHEAD:
        raise MalformedEvent(f"requested_at is {at.isoformat()}, after the event itself")
    return detail, at


def _request_id(outer: Mapping[str, Any], name: str) -> str:
    value = _text(outer, name)
    if not REQUEST_ID.fullmatch(value):
        raise MalformedEvent(f"{name} is not an id: {_short(value)}")
    return value


def _detail(payload: object, source: str, kind: str) -> Mapping[str, Any]:
    if not isinstance(payload, Mapping):
        raise MalformedEvent(f"an event is an object, not {type(payload).__name__}")
    found = (payload.get("source"), payload.get("detail-type"))
    if found != (source, kind):
        raise ForeignEvent(f"expected {kind!r} from {source}, got {_short(found[1])} from {_short(found[0])}")
    return _mapping(payload, "detail")


def _watched(detail: Mapping[str, Any]) -> str:
    """The instance of an alarm's only metric."""
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
    if len(value) > LONGEST_TEXT:
        raise MalformedEvent(f"{name} is too long: {_short(value)}")
    if value.encode(errors="ignore").decode() != value:
        raise MalformedEvent(f"{name} has incomplete characters in it: {_short(value)}")
    return value


def _instance_id(outer: Mapping[str, Any], name: str) -> str:
    value = _text(outer, name)
    if not INSTANCE_ID.fullmatch(value):
        raise MalformedEvent(f"{name} is not an instance id: {_short(value)}")
    return value


def _time(payload: object) -> datetime:
    assert isinstance(payload, Mapping)
    text = _text(payload, "time")
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise MalformedEvent(f"time has no time zone: {_short(text)}")
        return at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedEvent(f"time is not a time: {_short(text)}") from error


def _epoch(outer: Mapping[str, Any], name: str) -> datetime:
    value = outer.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedEvent(f"{name} is missing")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise MalformedEvent(f"{name} is not a time: {_short(value)}") from error


def _short(thing: object) -> str:
    """A value, cut short: an event can have 256 KB, and nested lists."""
    return repr(thing)[:80] if isinstance(thing, str | int | float | None) else f"a {type(thing).__name__}"
