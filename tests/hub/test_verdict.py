"""Whether the hub releases a server, as tables."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.drain.verdict import (
    MOST_SKEW,
    Observation,
    Request,
    Server,
    parse_observation,
    parse_request,
    refusal_before_asking,
    verdict,
)
from lifecycle_app.contract import Drain
from tests.hub.fakes import NOON

SECOND = timedelta(seconds=1)
IDLE, UNATTENDED, WITHOUT_WORK, REGARDLESS = Drain
RUNNING = Server(pending=None, active=True, started=NOON - timedelta(hours=2), instance_id="i-1")


def request(mode: Drain = IDLE, counts: int = 1, apps: bool = False) -> Request:
    return Request(worker="ada", instance_id="i-1", since=NOON, mode=mode, counts=counts, apps=apps)


def seen(**more: Any) -> Observation:
    return Observation(
        **{"last_interaction": None, "last_work": None, "level": 0, "evidence": {"busy_kernels": 0}, **more}
    )


@pytest.mark.parametrize(
    ("mode", "instance_id", "drained"),
    [(REGARDLESS, "i-1", True), (REGARDLESS, "i-2", False), (IDLE, "i-1", False), (UNATTENDED, "i-1", False)],
)
def test_a_login_releases_the_machine_that_it_gave_up_and_no_other(
    mode: Drain, instance_id: str, drained: bool
) -> None:
    """It asked for the stop itself, because nothing answered there."""
    waiting = Server(pending="spawn", active=True, started=None, instance_id=instance_id, is_given_up=True)
    assert verdict(request(mode), waiting, seen()).drained is drained


@pytest.mark.parametrize("mode", list(Drain))
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pending": "spawn"}, "pending spawn"),
        ({"pending": "check"}, "pending check"),
        ({"pending": "spawn", "active": False}, "pending spawn"),
        ({"instance_id": "i-2"}, "another instance"),
        ({"started": NOON + SECOND}, "started since"),
    ],
)
def test_every_mode_refuses_for_a_server_that_is_wanted(
    mode: Drain, changes: dict[str, Any], words: str
) -> None:
    server = Server(**{"pending": None, "active": True, "started": None, "instance_id": "i-1", **changes})
    refused = refusal_before_asking(request(mode), server)
    assert refused is not None
    assert (refused.drained, words in refused.reason) == (False, True)
    assert not verdict(request(mode), server, seen()).drained


@pytest.mark.parametrize(
    "server",
    [
        None,
        RUNNING,
        Server(pending=None, active=True, started=NOON, instance_id="i-1"),
        Server(pending="stop", active=True, started=None, instance_id="i-1"),
        Server(pending=None, active=False, started=None, instance_id=""),
    ],
)
@pytest.mark.parametrize("mode", list(Drain))
def test_quiet_worker_is_released(server: Server | None, mode: Drain) -> None:
    assert refusal_before_asking(request(mode), server) is None
    assert verdict(request(mode), server, seen()).drained


@pytest.mark.parametrize(
    ("life", "idle", "unattended", "without_work", "regardless"),
    [
        ({"last_interaction": NOON - SECOND}, True, True, True, True),
        ({"last_interaction": NOON}, True, True, True, True),
        ({"last_interaction": NOON + SECOND}, False, False, True, True),
        ({"last_work": NOON}, True, True, True, True),
        ({"last_work": NOON + SECOND}, False, True, False, True),
        ({"level": 1}, False, True, True, True),
        ({"level": 2}, False, True, False, True),
        ({"level": 3}, False, False, True, True),
        ({"level": 3, "last_work": NOON + SECOND}, False, False, False, True),
    ],
)
def test_life_on_the_worker(
    life: dict[str, Any], idle: bool, unattended: bool, without_work: bool, regardless: bool
) -> None:
    found = [verdict(request(mode), RUNNING, seen(**life)).drained for mode in Drain]
    assert found == [idle, unattended, without_work, regardless]


@pytest.mark.parametrize(("server", "drained"), [(RUNNING, False), (None, True)])
@pytest.mark.parametrize("mode", [IDLE, UNATTENDED, WITHOUT_WORK])
def test_silent_worker_is_released_only_if_the_hub_has_no_server_there(
    server: Server | None, drained: bool, mode: Drain
) -> None:
    said = verdict(request(mode), server, None, "no route to host")
    assert (said.drained, dict(said.evidence)) == (drained, {"answers": False})


@pytest.mark.parametrize("server", [RUNNING, None])
@pytest.mark.parametrize("mode", [IDLE, UNATTENDED, WITHOUT_WORK])
def test_worker_that_answers_but_cannot_tell_is_not_released(server: Server | None, mode: Drain) -> None:
    """Its reporter may be dead, or the hub's database be lost: its user may still be there."""
    said = verdict(request(mode), server, None, "HTTP 403: Forbidden", answers=True)
    assert (said.drained, dict(said.evidence)) == (False, {"answers": True})
    assert "403" in said.reason


@pytest.mark.parametrize(
    ("life", "drained_from"),
    [
        ({"level": 1}, 2),
        ({"level": 2}, 3),
        ({"level": 3}, 4),
        ({"last_work": NOON + SECOND}, 3),
        ({"last_interaction": NOON + SECOND}, 4),
    ],
)
@pytest.mark.parametrize("counts", [1, 2, 3])
def test_only_life_that_counts_keeps_a_machine_and_a_person_always_does(
    life: dict[str, Any], drained_from: int, counts: int
) -> None:
    assert verdict(request(counts=counts), RUNNING, seen(**life)).drained is (counts >= drained_from)


def test_refusal_carries_its_evidence() -> None:
    said = verdict(request(), RUNNING, seen(level=2, evidence={"busy_kernels": 1}))
    assert (said.reason, dict(said.evidence)) == (
        "work on it now",
        {"busy_kernels": 1, "answers": True},
    )


GOOD = {
    "worker": "ada",
    "instance_id": "i-1",
    "since": NOON.timestamp(),
    "claimed_at": NOON.timestamp(),
    "mode": "idle",
}


@pytest.mark.parametrize(
    ("mode", "apps", "traffic", "drained"),
    [
        (IDLE, True, NOON + SECOND, False),
        (IDLE, True, NOON, True),
        (IDLE, True, None, True),
        (IDLE, False, NOON + SECOND, True),
        (UNATTENDED, True, NOON + SECOND, True),
        (WITHOUT_WORK, True, NOON + SECOND, True),
    ],
)
def test_an_apps_traffic_keeps_a_machine_if_it_counts(
    mode: Drain, apps: bool, traffic: datetime | None, drained: bool
) -> None:
    said = verdict(request(mode, apps=apps), RUNNING, seen(last_app=traffic, evidence={"app": 8501}))
    assert said.drained is drained
    assert drained or said.reason == "app /proxy/8501 had traffic at 12:00:01"


def test_request_is_parsed() -> None:
    assert parse_request(GOOD, NOON) == request()
    assert parse_request({**GOOD, "apps": True}, NOON) == request(apps=True)
    assert parse_request({**GOOD, "apps": 1}, NOON) == request()
    assert parse_request({**GOOD, "counts": 3}, NOON) == request(counts=3)


@pytest.mark.parametrize(
    ("mode", "ahead", "shifted"),
    [
        ("idle", SECOND, SECOND),
        ("unattended", MOST_SKEW, MOST_SKEW),
        ("idle", -SECOND, 0 * SECOND),
        ("idle", -MOST_SKEW, 0 * SECOND),
        ("regardless", MOST_SKEW, 0 * SECOND),
    ],
)
def test_clock_that_is_ahead_a_little_hides_no_life(mode: str, ahead: timedelta, shifted: timedelta) -> None:
    """A stop regardless of life carries a time of the hub's own clock."""
    found = parse_request({**GOOD, "mode": mode}, NOON - ahead)
    assert (found.since, found.skew) == (NOON - shifted, ahead)
    assert refusal_before_asking(found, RUNNING) is None


@pytest.mark.parametrize("mode", list(Drain))
@pytest.mark.parametrize("server", [RUNNING, None])
@pytest.mark.parametrize("skew", [MOST_SKEW + SECOND, -MOST_SKEW - SECOND, timedelta(days=365)])
def test_no_server_is_released_by_a_clock_that_is_far_off(
    mode: Drain, server: Server | None, skew: timedelta
) -> None:
    asked = parse_request({**GOOD, "mode": mode.value}, NOON - skew)
    said = verdict(asked, server, seen())
    assert (said.drained, "lifecycle app's clock is off" in said.reason) == (False, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"worker": ""},
        {"worker": None},
        {"instance_id": 1},
        {"since": "now"},
        {"since": True},
        {"since": None},
        {"since": 1e300},
        {"since": float("nan")},
        {"claimed_at": None},
        {"claimed_at": "now"},
        {"claimed_at": 1e300},
        {"claimed_at": float("nan")},
        {"mode": "stop"},
        {"mode": None},
        {"counts": 0},
        {"counts": 4},
        {"counts": True},
        {"counts": "1"},
        {"counts": None},
    ],
)
def test_malformed_request_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"missing|since|claimed_at|mode|counts"):
        parse_request({**GOOD, **changes}, NOON)


@pytest.mark.parametrize("body", [None, [], "x"])
def test_body_that_is_no_object_is_refused(body: object) -> None:
    with pytest.raises(ValueError, match="not an object"):
        parse_request(body, NOON)


TOLD = {"observed_at": NOON.timestamp(), "level": 0}


def test_observation_is_parsed() -> None:
    told = {**TOLD, "level": 2, "last_work": NOON.timestamp(), "last_interaction": None}
    found = parse_observation(told, NOON)
    assert (found.level, found.last_work, found.last_interaction) == (2, NOON, None)


@pytest.mark.parametrize("skew", [MOST_SKEW, -MOST_SKEW, timedelta(0)])
def test_times_are_shifted_into_the_hubs_clock(skew: timedelta) -> None:
    """A person who was there ten seconds before the worker looked was there ten seconds before its answer came."""
    before = NOON - 10 * SECOND
    told = {**TOLD, "last_interaction": before.timestamp(), "last_work": before.timestamp()}
    found = parse_observation(told, NOON + skew)
    assert (found.last_interaction, found.last_work) == (before + skew, before + skew)
    assert found.evidence["observed_at"] == (NOON + skew).timestamp()
    assert found.evidence["last_interaction"] == (before + skew).timestamp()


@pytest.mark.parametrize("skew", [MOST_SKEW + SECOND, -MOST_SKEW - SECOND, timedelta(days=365)])
@pytest.mark.parametrize("server", [RUNNING, None])
def test_worker_whose_clock_is_far_off_is_not_released_and_its_activity_still_counts(
    server: Server | None, skew: timedelta
) -> None:
    """Activity is evidence, so that no caller insists. Where it shows none, its clock may have been set since."""
    quiet = verdict(request(), server, parse_observation(TOLD, NOON + skew))
    assert (quiet.drained, dict(quiet.evidence)) == (False, {"answers": True})
    assert "clock is off by" in quiet.reason
    told = {**TOLD, "last_interaction": (NOON - SECOND).timestamp()}
    before = replace(request(UNATTENDED), since=NOON + skew - 2 * SECOND)
    busy = verdict(before, server, parse_observation(told, NOON + skew))
    assert (busy.drained, "observed_at" in busy.evidence) == (False, True)
    assert busy.evidence["last_interaction"] == (NOON + skew - SECOND).timestamp()


@pytest.mark.parametrize(
    "changes",
    [
        {"level": None},
        {"level": 4},
        {"level": -1},
        {"level": "2"},
        {"level": True},
        {"last_work": "noon"},
        {"last_work": 1e300},
        {"last_work": 253402300799},
        {"last_work": float("nan")},
        {"observed_at": None},
        {"observed_at": "noon"},
        {"observed_at": True},
    ],
)
def test_incomplete_observation_is_not_taken_for_quiet(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="worker"):
        parse_observation({**TOLD, **changes}, NOON + SECOND)


def test_evidence_is_bounded_whatever_a_worker_tells() -> None:
    told = {
        **TOLD,
        "busy_kernels": 1,
        "busy_terminals": 10**400,
        "cpu_percent": float("nan"),
        "other": "x",
        "details": ["y" * 999, 1] * 9,
    }
    assert parse_observation(told, NOON).evidence == {
        "busy_kernels": 1,
        "level": 0,
        "observed_at": NOON.timestamp(),
        "details": ["y" * 200] * 5,
    }
