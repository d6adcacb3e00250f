"""Events that should never have been sent, through the handlers as the platform calls them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

import app as handlers
from tests.faults.scene import Scene, scene
from tests.faults.table import Fault, Found, found
from tests.lifecycle.examples import BOB, HOUR, MINUTE, NOON
from tests.lifecycle.payloads import payload

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:cloudjhub-test-x"
MANAGER, STRANGER = "i-0a4a9e4", "i-057a9e4"
BIG = "x" * 256 * 1024
DAY = 24 * HOUR
LATER = NOON + 10 * MINUTE


@dataclass
class Context:
    invoked_function_arn: str = FUNCTION

    def get_remaining_time_in_millis(self) -> int:
        return 180_000


def nested(levels: int) -> Any:
    thing: Any = "x"
    for _ in range(levels):
        thing = [thing]
    return thing


def call(one: Scene, name: str, event: Any, context: Context | None = None) -> Any:
    """What the platform gets. An error would make it bring the event again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handlers, "wired", lambda: one.service)
        patch.setattr(handlers, "utc_now", lambda: one.now)
        return getattr(handlers, name)(event, context or Context())


def sent(name: str, event: Any, arn: str = FUNCTION) -> Found:
    """Every worker is as before, and no record was made."""
    with scene() as one:
        one.now = LATER
        for instance_id, role in ((MANAGER, "manager"), (STRANGER, None)):
            one.wire.add(instance_id, "dan")
            tags = [{"Key": "cloudjhub:cluster", "Value": "test"}]
            one.wire.instances[instance_id]["Tags"] = (
                [*tags, {"Key": "cloudjhub:role", "Value": role}] if role else []
            )
        before = dict(one.store.workers)
        answer = call(one, name, event, Context(arn))
        words = answer["ignored"] if isinstance(answer, dict) else str(answer)
        assert len(words) < 300
        assert "\n" not in words
        assert one.store.workers == before
        assert one.wire.stops == []
        one.log.append(words)
        return found(one, others=True)


NAMES = {"record_state": "ec2-running", "idle_alarm": "idle-alarm", "stop_requested": "stop-requested"}
Change = Callable[[dict[str, Any]], Any]


def detail(**changes: Any) -> Change:
    return lambda event: event | {"detail": event["detail"] | changes}


def envelope(**changes: Any) -> Change:
    return lambda event: event | changes


def without(name: str) -> Change:
    return lambda event: {key: value for key, value in event.items() if key != name}


OF_ALL: list[tuple[str, Change, str]] = [
    ("another account", envelope(account="210987654321"), "an event of 'us-east-1', '210987654321'"),
    ("another region", envelope(region="eu-west-1"), "an event of 'eu-west-1'"),
    ("no account", without("account"), "an event of 'us-east-1', None"),
    ("no region", without("region"), "an event of None"),
    ("an account as a number", envelope(account=123456789012), "an event of"),
    ("another source", envelope(source="aws.s3"), "expected"),
    ("a source of its own", envelope(source="cloudjhub.hub2"), "expected"),
    ("another type", envelope(**{"detail-type": "EC2 Spot Instance Interruption Warning"}), "expected"),
    ("no type", without("detail-type"), "expected"),
    ("a type that is a list of lists", envelope(**{"detail-type": nested(1000)}), "expected"),
    ("no detail", without("detail"), "detail is missing"),
    ("a detail: null", envelope(detail=None), "detail is missing"),
    ("a detail that is a list", envelope(detail=[]), "detail is missing"),
    ("a detail that is empty", envelope(detail={}), "is missing"),
    ("a detail of lists in lists", envelope(detail=nested(1000)), "detail is missing"),
    ("no time", without("time"), "time is missing"),
    ("a time: null", envelope(time=None), "time is missing"),
    ("a time without a zone", envelope(time="2026-11-23T12:00:00"), "time has no time zone"),
    ("a time that is none", envelope(time="noon"), "time is not a time"),
    ("year 9999", envelope(time="9999-12-31T23:59:59Z"), "an event of 9999"),
    ("year 9999 west of Greenwich", envelope(time="9999-12-31T23:59:59-10:00"), "time is not a time"),
    ("year 1 east of Greenwich", envelope(time="0001-01-01T00:00:00+10:00"), "time is not a time"),
    ("1970", envelope(time="1970-01-01T00:00:00Z"), "an event of 1970"),
    ("years old", envelope(time="2023-11-23T12:00:00Z"), "an event of 2023"),
    ("eight days old", envelope(time="2026-11-15T12:00:00Z"), "an event of 2026-11-15"),
    ("tomorrow", envelope(time="2026-11-24T12:00:00Z"), "an event of 2026-11-24"),
    ("a time of 256 KB", envelope(time=BIG), "time is too long"),
    ("a time with half a character", envelope(time="\ud800"), "incomplete characters"),
    ("nothing", lambda _: {}, "an event of None"),
    ("null", lambda _: None, "an event is an object"),
    ("a list", lambda event: [event], "an event is an object"),
    ("a text", lambda _: BIG, "an event is an object"),
    ("a number", lambda _: 5, "an event is an object"),
]
STATES: list[tuple[str, Change, str]] = [
    ("an unknown state", detail(state="rebooting"), "EC2 has no state 'rebooting'"),
    ("a state of 256 KB", detail(state=BIG), "state is too long"),
    ("a state that is a list of lists", detail(state=nested(1000)), "state is missing"),
    ("a state with a line end", detail(state="run\nning"), "EC2 has no state"),
    ("an instance id: null", detail(**{"instance-id": None}), "instance-id is missing"),
    ("an instance id of 256 KB", detail(**{"instance-id": "i-" + BIG}), "instance-id is too long"),
    ("an instance id in another script", detail(**{"instance-id": "i-٠١٢"}), "not an instance id"),
    ("an instance id with a wildcard", detail(**{"instance-id": "i-*"}), "not an instance id"),
    ("an instance of no worker", detail(**{"instance-id": STRANGER}), "not a worker of this cluster"),
    ("the manager's own instance", detail(**{"instance-id": MANAGER}), "not a worker of this cluster"),
    ("the end of the manager", detail(**{"instance-id": MANAGER, "state": "stopped"}), "not a worker"),
    (
        "an instance that EC2 does not know",
        detail(**{"instance-id": "i-0ff"}),
        "not a worker of this cluster",
    ),
]
ALARMS: list[tuple[str, Change, str]] = [
    ("no alarm's name", detail(alarmName=None), "alarmName is missing"),
    ("an alarm's name of 256 KB", detail(alarmName="cloudjhub-test-idle-" + BIG), "alarmName is too long"),
    ("an alarm for costs", detail(alarmName="costs"), "alarm 'costs' is not one of cluster test"),
    ("another cluster's alarm", detail(alarmName="cloudjhub-other-idle-i-0a11ce"), "is not one of cluster"),
    ("an alarm that watches another instance", detail(alarmName=f"cloudjhub-test-idle-{BOB}"), "watches"),
    ("an alarm without configuration", detail(configuration=None), "configuration is missing"),
    ("an alarm of lists in lists", detail(configuration={"metrics": nested(1000)}), "has one metric"),
    ("an alarm in no state", detail(state={}), "value is missing"),
    ("an alarm in an unknown state", detail(state={"value": "LOUD"}), "no state 'LOUD'"),
    ("an alarm that is over", detail(state={"value": "OK"}), "quiet"),
]
REQUESTS: list[tuple[str, Change, str]] = [
    ("another cluster's request", detail(cluster="other"), "stop requested in cluster 'other'"),
    ("a cluster of 256 KB", detail(cluster=BIG), "cluster is too long"),
    ("no worker", detail(worker=None), "worker is missing"),
    ("a worker of 256 KB", detail(worker=BIG), "worker is too long"),
    ("a worker that is none", detail(worker="/x" + "y" * 500), "not a user name: ''"),
    ("a worker with another's name", detail(worker="bob"), "void"),
    ("a worker with half a character", detail(worker="a\ud800"), "incomplete characters"),
    ("another's instance", detail(instance_id=BOB), "void"),
    ("the manager's instance", detail(instance_id=MANAGER), "void"),
    ("a user who is not known", detail(worker="dan"), "void"),
    ("no time of the request", detail(requested_at=None), "requested_at is missing"),
    ("NaN as time", detail(requested_at=float("nan")), "requested_at is not a time"),
    ("infinity as time", detail(requested_at=float("inf")), "requested_at is not a time"),
    ("a request of 1970", detail(requested_at=0), "void"),
    ("a request before 1970", detail(requested_at=-1e9), "void"),
    ("a request of years ago", detail(requested_at=(NOON - 800 * DAY).timestamp()), "void"),
    ("a request of year 9999", detail(requested_at=253402300799), "after the event itself"),
    ("a time beyond all", detail(requested_at=10**30), "requested_at is not a time"),
    ("no requester", detail(requested_by=""), "requested_by is missing"),
    ("a requester of 256 KB", detail(requested_by=BIG), "requested_by is too long"),
    ("a requester that is an object", detail(requested_by={}), "requested_by is missing"),
]


def rows(name: str, table: list[tuple[str, Change, str]]) -> list[Fault]:
    good = payload(NAMES[name])
    return [
        Fault(f"{name}: {what}", partial(sent, name, change(good)), words) for what, change, words in table
    ]


EVENTS = [
    *(one for name in NAMES for one in rows(name, OF_ALL)),
    *rows("record_state", STATES),
    *rows("idle_alarm", ALARMS),
    *rows("stop_requested", REQUESTS),
    Fault(
        "record_state: another account's function",
        partial(sent, "record_state", payload("ec2-running"), FUNCTION.replace("1234", "9999")),
        "an event of 'us-east-1', '123456789012'",
    ),
    Fault(
        "idle_alarm: of an instance that no record has",
        lambda: sent("idle_alarm", alarm_of(MANAGER)),
        "no worker has",
    ),
]


def alarm_of(instance_id: str) -> dict[str, Any]:
    good = payload("idle-alarm", alarmName=f"cloudjhub-test-idle-{instance_id}")
    (metric,) = good["detail"]["configuration"]["metrics"]
    metric["metricStat"]["metric"]["dimensions"]["InstanceId"] = instance_id
    return good
