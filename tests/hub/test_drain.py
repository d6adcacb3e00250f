"""Whether the hub lets go, as tables."""

from datetime import timedelta
from typing import Any

import pytest

from hub.drain import (
    Mode,
    Observation,
    Request,
    Server,
    parse_observation,
    parse_request,
    refusal_before_asking,
    verdict,
)
from tests.hub.fakes import NOON

SECOND = timedelta(seconds=1)
IDLE, UNATTENDED, REGARDLESS = Mode
RUNNING = Server(pending=None, active=True, started=NOON - timedelta(hours=2), instance_id="i-1")


def request(mode: Mode = IDLE) -> Request:
    return Request(worker="ada", instance_id="i-1", since=NOON, mode=mode)


def seen(**more: Any) -> Observation:
    return Observation(
        **{"last_interaction": None, "last_work": None, "level": 0, "evidence": {"busy_kernels": 0}, **more}
    )


@pytest.mark.parametrize("mode", list(Mode))
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
    mode: Mode, changes: dict[str, Any], words: str
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
@pytest.mark.parametrize("mode", list(Mode))
def test_quiet_worker_is_let_go(server: Server | None, mode: Mode) -> None:
    assert refusal_before_asking(request(mode), server) is None
    assert verdict(request(mode), server, seen()).drained


@pytest.mark.parametrize(
    ("life", "idle", "unattended", "regardless"),
    [
        ({"last_interaction": NOON - SECOND}, True, True, True),
        ({"last_interaction": NOON}, True, True, True),
        ({"last_interaction": NOON + SECOND}, False, False, True),
        ({"last_work": NOON}, True, True, True),
        ({"last_work": NOON + SECOND}, False, True, True),
        ({"level": 1}, False, True, True),
        ({"level": 2}, False, True, True),
        ({"level": 3}, False, False, True),
    ],
)
def test_life_on_the_worker(life: dict[str, Any], idle: bool, unattended: bool, regardless: bool) -> None:
    found = [verdict(request(mode), RUNNING, seen(**life)).drained for mode in Mode]
    assert found == [idle, unattended, regardless]


@pytest.mark.parametrize(("server", "drained"), [(RUNNING, False), (None, True)])
@pytest.mark.parametrize("mode", [IDLE, UNATTENDED])
def test_silent_worker_is_let_go_only_if_the_hub_has_no_server_there(
    server: Server | None, drained: bool, mode: Mode
) -> None:
    assert verdict(request(mode), server, None, "no route to host").drained is drained


def test_refusal_carries_its_evidence() -> None:
    said = verdict(request(), RUNNING, seen(level=2, evidence={"busy_kernels": 1}))
    assert (said.reason, dict(said.evidence)) == ("there is work on it just now", {"busy_kernels": 1})


GOOD = {"worker": "ada", "instance_id": "i-1", "since": NOON.timestamp(), "mode": "idle"}


def test_request_is_parsed() -> None:
    assert parse_request(GOOD) == request()


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
        {"mode": "stop"},
        {"mode": None},
    ],
)
def test_malformed_request_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"missing|since|mode"):
        parse_request({**GOOD, **changes})


@pytest.mark.parametrize("body", [None, [], "x"])
def test_body_that_is_no_object_is_refused(body: object) -> None:
    with pytest.raises(ValueError, match="no object"):
        parse_request(body)


def test_observation_is_parsed() -> None:
    found = parse_observation({"level": 2, "last_work": NOON.timestamp(), "last_interaction": None})
    assert (found.level, found.last_work, found.last_interaction) == (2, NOON, None)


@pytest.mark.parametrize(
    "told",
    [{}, {"level": 4}, {"level": -1}, {"level": "2"}, {"level": True}, {"level": 0, "last_work": "noon"}],
)
def test_incomplete_observation_is_not_taken_for_quiet(told: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="worker"):
        parse_observation(told)


def test_evidence_is_bounded_whatever_a_worker_tells() -> None:
    told = {"level": 0, "busy_kernels": 1, "cpu_percent": "much", "other": "x", "details": ["y" * 999, 1] * 9}
    assert parse_observation(told).evidence == {"busy_kernels": 1, "level": 0, "details": ["y" * 200] * 5}


def test_time_beyond_all_times_is_no_time() -> None:
    with pytest.raises(ValueError, match="no time"):
        parse_observation({"level": 0, "last_work": 1e300})
