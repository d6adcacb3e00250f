"""Workers and hubs that lie about activity: no machine is stopped by a lie, and no record believes one indefinitely."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from lifecycle_app.use_cases import record_activity, sweep
from tests.faults.hostile_hub import told, users_page
from tests.faults.real_hub import RealHub
from tests.faults.scene import always, only_alice, scene
from tests.faults.table import Fault, Found, found
from tests.faults.wire import Points, every
from tests.lifecycle.examples import ALICE, BOB, HOUR, MINUTE, NOON

NAN = float("nan")
DAY = 24 * HOUR
SEEN = NOON - 70 * MINUTE
"""When Alice was last seen, by her record."""
NOW = NOON.timestamp()


def observed(told_by_worker: dict[str, Any]) -> Found:
    """Her worker tells the hub something odd, again and again. The record is not set back, nor into the future."""
    tells = {"instance_id": ALICE, "observed_at": NOW, "level": 0} | told_by_worker
    with scene(only_alice(RealHub(clock=lambda: NOON, tells=lambda: tells))) as one:
        worker = one.store.workers["alice"]
        one.store.put(replace(worker, last_activity=SEEN, last_interaction=SEEN), NOON)
        for _ in range(5):
            sweep(one.service, always)
        after = one.store.workers["alice"]
        assert after.last_interaction is not None
        assert after.last_activity is not None
        assert SEEN <= after.last_interaction <= after.last_activity <= NOON
        return found(one)


def reported(points: Points, expected: datetime | None) -> Found:
    """Her worker reports something odd. What is recorded is what can be: nothing old, nothing of the future."""
    with scene() as one:
        worker = one.store.workers["alice"]
        one.store.put(replace(worker, last_activity=SEEN, last_interaction=SEEN), NOON)
        one.wire.activity[ALICE] = points
        for _ in range(5):
            record_activity(one.service, NOON)
        assert one.store.workers["alice"].last_interaction == (expected or SEEN)
        before = one.store.workers["bob"]
        assert before.last_interaction is None, "another's server came to life"
        one.alive -= {ALICE} if expected is None else set()
        sweep(one.service, always)
        return found(one)


def listed(last_activity: object) -> Found:
    """The hub's own idea of activity is no evidence, whatever it says: a proxy's traffic counts for it."""
    page = users_page({"alice": [""], "bob": [""], "carol": [""]})
    for item in page["items"]:
        item["last_activity"] = last_activity
        item["servers"][""]["last_activity"] = last_activity
    with scene(lambda _: iter([told(page)])) as one:
        before = {key: worker.last_activity for key, worker in one.store.workers.items() if key != "carol"}
        record_activity(one.service, NOON)
        after = {key: worker.last_activity for key, worker in one.store.workers.items() if key != "carol"}
        assert before == after
        return found(one, others=one.store.workers["carol"].last_activity is not None)


OBSERVED: list[tuple[str, dict[str, Any], str]] = [
    ("another's server", {"instance_id": BOB}, "another instance has its address"),
    ("no server's name", {"instance_id": None}, "another instance has its address"),
    ("58 minutes ahead, again and again", {"last_interaction": NOW + 58 * 60}, "used at"),
    ("a year ahead", {"last_interaction": NOW + 365 * 86400}, "used at"),
    ("work ahead", {"last_work": NOW + 58 * 60}, "work ran at"),
    ("backwards, at work", {"last_interaction": NOW - 86400, "level": 2}, "work on it now"),
    ("1970, at work", {"last_interaction": 0, "level": 2}, "work on it now"),
    ("before 1970, at work", {"last_interaction": -1e9, "level": 1}, "load on it now"),
    ("NaN", {"last_interaction": NAN}, "last_interaction is not a time"),
    ("infinity", {"last_work": float("inf")}, "last_work is not a time"),
    ("a time beyond all", {"last_work": 10**20}, "last_work is not a time"),
    ("a text", {"last_interaction": "now"}, "last_interaction is not a time"),
    ("true", {"last_interaction": True}, "last_interaction is not a time"),
    ("a level that is none", {"level": 9}, "level is not a level"),
    ("a level of NaN", {"level": NAN}, "level is not a level"),
    ("a level of 0.0", {"level": 0.0}, "level is not a level"),
    ("no level", {"level": None}, "level is not a level"),
    ("no time of looking", {"observed_at": None}, "has no observed_at"),
    ("NaN as time of looking", {"observed_at": NAN}, "observed_at is not a time"),
    ("looking an hour ago", {"observed_at": NOW - 3600}, "clock is off by 3600 s"),
    ("looking in a year", {"observed_at": NOW + 365 * 86400}, "clock is off by"),
    ("looking in 1970", {"observed_at": 0}, "clock is off by"),
]


def shifted(by: timedelta) -> Points:
    """The user was there all the time, by a clock that is off."""
    return every(1, 3.0, NOON - 2 * HOUR + by, NOON + by)


REPORTED: list[tuple[str, Points, datetime | None]] = [
    ("58 minutes ahead, again and again", shifted(58 * MINUTE), NOON),
    ("a minute ahead", shifted(MINUTE), NOON),
    ("one alone, nine minutes ahead", [(NOON + 9 * MINUTE, 3.0)], NOON),
    ("backwards", shifted(-3 * HOUR), None),
    ("a year old", shifted(-365 * DAY), None),
    ("1970", [(datetime.fromtimestamp(0, NOON.tzinfo), 3.0)], None),
    ("year 9999", [(datetime.max.replace(tzinfo=NOON.tzinfo) - DAY, 3.0)], None),
    ("NaN", every(1, NAN, NOON - HOUR, NOON), None),
    ("another's", [], None),
]

HUBS: tuple[object, ...] = (
    "2026-11-23T12:58:00Z",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "soon",
    None,
    5,
    [],
    {"x": 1},
)

ACTIVITY = [
    *(Fault(f"the worker tells: {name}", partial(observed, what), words) for name, what, words in OBSERVED),
    *(
        Fault(f"the worker reports: {name}", partial(reported, points, at), "")
        for name, points, at in REPORTED
    ),
    *(Fault(f"the hub reports activity: {what!r}", partial(listed, what), "") for what in HUBS),
]
