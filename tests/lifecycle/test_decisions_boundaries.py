"""Every decision whole: action, reason, words, times, how the hub is asked, and what may be done without it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from lifecycle_app.model.decision import (
    MUTE_AFTER,
    Action,
    Decision,
    Drain,
    Insist,
    Reason,
    decide,
    requested,
)
from lifecycle_app.model.evidence import Evidence, Report
from lifecycle_app.model.policy import Level, Policy
from lifecycle_app.model.worker import State, Worker
from tests.lifecycle.examples import HOUR, MINUTE, NOON, a_worker, quiet, reports

DAY = timedelta(days=1)
TEN, ELEVEN = "2026-11-23T10:00:00+00:00", "2026-11-23T11:00:00+00:00"
NOTHING = Evidence(period=MINUTE)
FOR_EVER = Policy(busy_allowance=None)


def facts(**changes: Any) -> dict[str, object]:
    """What a decision keeps of a worker that runs since ten and has reported nothing."""
    blank: dict[str, object] = {
        "started_at": TEN,
        "last_life": None,
        "last_interaction": None,
        "last_report": None,
        "reports": 0,
        "cpu": [],
        "hub_server": None,
    }
    return blank | changes


def kept(reason: Reason, words: str, due_at: datetime, **seen: Any) -> Decision:
    return Decision(action=Action.KEEP, reason=reason, words=words, due_at=due_at, evidence=facts(**seen))


def stopped(
    reason: Reason, words: str, since: datetime, seen: dict[str, Any] | None = None, **how: Any
) -> Decision:
    return Decision(
        action=Action.STOP,
        reason=reason,
        words=words,
        due_at=NOON - HOUR,
        evidence=facts(**(seen or {})),
        since=since,
        **how,
    )


WHOLE = {"last_report": "2026-11-23T12:00:00+00:00", "reports": 120}


@pytest.mark.parametrize(
    ("worker", "evidence", "decision"),
    [
        (
            a_worker(keep_until=NOON + 3 * HOUR),
            NOTHING,
            kept(Reason.KEPT, "it is to be kept until 2026-11-23 15:00:00 UTC", NOON + 3 * HOUR),
        ),
        (
            a_worker(started_at=NOON - 9 * MINUTE),
            NOTHING,
            kept(
                Reason.STARTING,
                "it runs only since 2026-11-23 11:51:00 UTC",
                NOON + 51 * MINUTE,
                started_at="2026-11-23T11:51:00+00:00",
            ),
        ),
        (
            a_worker(started_at=NOON - 11 * MINUTE),
            NOTHING,
            kept(
                Reason.ACTIVE,
                "it was started at 2026-11-23 11:49:00 UTC",
                NOON + 49 * MINUTE,
                started_at="2026-11-23T11:49:00+00:00",
            ),
        ),
        (
            a_worker(last_interaction=NOON - 59 * MINUTE),
            NOTHING,
            kept(
                Reason.ACTIVE,
                "somebody used it until 2026-11-23 11:01:00 UTC",
                NOON + MINUTE,
                last_life="2026-11-23T11:01:00+00:00",
                last_interaction="2026-11-23T11:01:00+00:00",
            ),
        ),
        (
            a_worker(last_activity=NOON - 59 * MINUTE),
            NOTHING,
            kept(
                Reason.BUSY,
                "it worked until 2026-11-23 11:01:00 UTC",
                NOON + MINUTE,
                last_life="2026-11-23T11:01:00+00:00",
            ),
        ),
    ],
    ids=["kept", "starting", "started", "used", "busy"],
)
def test_what_goes_on_is_due_again_and_tells_why(
    worker: Worker, evidence: Evidence, decision: Decision
) -> None:
    assert decide(worker, evidence, Policy(), NOON) == decision


def test_what_does_not_run_stays_due_when_it_was() -> None:
    assert decide(a_worker(state=State.STOPPED), quiet(), Policy(), NOON) == Decision(
        action=Action.KEEP, reason=Reason.NOT_RUNNING, words="it is stopped", due_at=NOON - HOUR
    )


@pytest.mark.parametrize(
    ("worker", "evidence", "policy", "decision"),
    [
        (
            a_worker(),
            quiet(),
            Policy(max_lifetime=HOUR),
            stopped(
                Reason.MAX_LIFETIME,
                "it has run for 120 min, and may for 60 min",
                NOON - 10 * MINUTE,
                WHOLE,
                drain=Drain.REGARDLESS,
                alone=True,
            ),
        ),
        (
            a_worker(),
            quiet(hub_server=False),
            Policy(),
            stopped(
                Reason.NO_SERVER,
                "the hub has no server on it, and there was no sign of life since 2026-11-23 10:00:00 UTC",
                NOON - 10 * MINUTE,
                WHOLE | {"hub_server": False},
                alone=True,
            ),
        ),
        (
            a_worker(),
            Evidence(period=MINUTE, hub_server=False),
            Policy(),
            stopped(
                Reason.NO_SERVER,
                "the hub has no server on it, and there was no sign of life since 2026-11-23 10:00:00 UTC",
                NOON - 10 * MINUTE,
                {"hub_server": False},
                alone=False,
                even_silent=False,
            ),
        ),
        (
            a_worker(last_interaction=NOON - HOUR),
            quiet(details={"BusyKernels": 1.0}),
            Policy(),
            stopped(
                Reason.IDLE,
                "no sign of life since 2026-11-23 11:00:00 UTC, longer than 60 min; "
                "its reports tell of all that time",
                NOON - HOUR,
                WHOLE | {"last_life": ELEVEN, "last_interaction": ELEVEN, "BusyKernels": 1.0},
                alone=True,
            ),
        ),
        (
            a_worker(),
            NOTHING,
            Policy(signals=frozenset({Level.WORK})),
            stopped(
                Reason.NEVER_CONNECTED,
                "nobody came, and no sign of life since 2026-11-23 10:00:00 UTC, longer than 60 min; "
                "its reports do not tell of all that time",
                NOON - HOUR,
                counts=Level.WORK,
                alone=False,
            ),
        ),
        (
            a_worker(),
            Evidence(period=MINUTE, cpu=(0.4, 2.94)),
            Policy(),
            stopped(
                Reason.HUNG,
                "no report since 2026-11-23 10:00:00 UTC, and at most 2.9 % CPU in 30 min",
                NOON - 30 * MINUTE,
                {"cpu": [0.4, 2.94]},
                insist=Insist.IF_DEAD,
                alone=False,
            ),
        ),
    ],
    ids=["lifetime", "no server", "no server, no reports", "idle", "never connected", "hung"],
)
def test_a_stop_tells_from_when_and_how_the_hub_is_asked(
    worker: Worker, evidence: Evidence, policy: Policy, decision: Decision
) -> None:
    """`since` is what the hub holds signs of life against: any other time stops people, or nobody."""
    assert decide(worker, evidence, policy, NOON) == decision


def test_work_without_a_person_ends_after_the_allowance() -> None:
    working = Evidence(period=MINUTE, reports=reports(Level.WORK, NOON - 2 * HOUR, NOON))
    assert decide(a_worker(), working, Policy(busy_allowance=2 * HOUR), NOON) == stopped(
        Reason.BUSY_TOO_LONG,
        "it works, and nobody used it since 2026-11-23 10:00:00 UTC, longer than 120 min",
        NOON - 2 * HOUR,
        WHOLE | {"last_life": "2026-11-23T12:00:00+00:00"},
        drain=Drain.UNATTENDED,
        insist=Insist.IF_MUTE,
        alone=True,
    )


def test_what_nobody_can_tell_of_ends_after_the_allowance() -> None:
    assert decide(a_worker(), NOTHING, Policy(busy_allowance=2 * HOUR), NOON) == stopped(
        Reason.BUSY_TOO_LONG,
        "its reports do not tell what it does, and nobody used it since 2026-11-23 10:00:00 UTC, "
        "longer than 120 min",
        NOON - 2 * HOUR,
        drain=Drain.UNATTENDED,
        insist=Insist.IF_MUTE,
        alone=False,
    )


def test_a_mute_worker_is_stopped_where_work_may_go_on_for_ever() -> None:
    worker = a_worker(started_at=NOON - MUTE_AFTER)
    assert decide(worker, NOTHING, FOR_EVER, NOON) == stopped(
        Reason.MUTE,
        "no report and no sign of life since 2026-11-22 12:00:00 UTC, longer than 1440 min",
        NOON - MUTE_AFTER,
        {"started_at": "2026-11-22T12:00:00+00:00"},
        drain=Drain.UNATTENDED,
        insist=Insist.IF_MUTE,
        alone=False,
    )


@pytest.mark.parametrize(
    ("policy", "heard", "reason"),
    [
        (FOR_EVER, MUTE_AFTER, Reason.MUTE),
        (FOR_EVER, MUTE_AFTER - MINUTE, Reason.NEVER_CONNECTED),
        (Policy(busy_allowance=9 * DAY), MUTE_AFTER, Reason.NEVER_CONNECTED),
    ],
    ids=["long ago", "not so long ago", "work has an end"],
)
def test_what_was_heard_of_is_not_mute(policy: Policy, heard: timedelta, reason: Reason) -> None:
    """A report of nothing is no life, but a worker that has sent it is not mute."""
    evidence = Evidence(period=MINUTE, reports=(Report(NOON - heard - MINUTE, Level.QUIET),))
    assert decide(a_worker(started_at=NOON - 3 * DAY), evidence, policy, NOON).reason is reason


def test_a_request_stops_whatever_the_worker_does() -> None:
    assert requested(a_worker(), "boss", NOON) == Decision(
        action=Action.STOP,
        reason=Reason.STOP_REQUESTED,
        words="a stop was asked for by boss at 2026-11-23 12:00:00 UTC",
        due_at=NOON - HOUR,
        evidence={"requested_by": "boss", "requested_at": "2026-11-23T12:00:00+00:00"},
        drain=Drain.REGARDLESS,
        since=NOON,
        alone=True,
    )


@pytest.mark.parametrize("hub_server", [True, None])
def test_a_worker_whose_server_the_hub_knows_or_does_not_tell_of_is_not_left(hub_server: bool | None) -> None:
    evidence = replace(quiet(), hub_server=hub_server)
    assert decide(a_worker(), evidence, Policy(), NOON).reason is Reason.NEVER_CONNECTED


@pytest.mark.parametrize(
    ("worker", "evidence", "told", "heard"),
    [
        (a_worker(), quiet(), True, True),
        (a_worker(), NOTHING, False, False),
        (a_worker(last_activity=NOON - HOUR), quiet(), True, True),
        (a_worker(last_activity=NOON - HOUR), NOTHING, False, True),
        (a_worker(), quiet(back=10 * MINUTE, now=NOON - HOUR), False, True),
    ],
    ids=["told of", "never heard of", "lived, told of", "lived, then silent", "reported, then silent"],
)
def test_who_was_heard_of_and_is_silent_may_just_be_cut_off(
    worker: Worker, evidence: Evidence, told: bool, heard: bool
) -> None:
    """Then it does not do nothing because it does not answer. One that the hub has left must be told of."""
    decision = decide(worker, evidence, Policy(), NOON)
    assert (decision.alone, decision.even_silent) == (told, told or not heard)
    left = decide(worker, replace(evidence, hub_server=False), Policy(), NOON)
    assert (left.reason, left.alone, left.even_silent) == (Reason.NO_SERVER, told, told)
