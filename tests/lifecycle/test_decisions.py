"""Every rule of the decision, just before, at and just after its limit, and each decision whole."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from lifecycle_app.contract import APPS, Drain, Level, app_name, source_number
from lifecycle_app.model.decision import (
    MUTE_AFTER,
    Action,
    Decision,
    Insist,
    Reason,
    decide,
    next_check,
    requested,
)
from lifecycle_app.model.evidence import AppTraffic, Evidence, Report, Source
from lifecycle_app.model.messages import message, text
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.worker import State, Worker
from tests.lifecycle.examples import HOUR, MINUTE, NOON, SECOND, a_worker, quiet, reports

DAY = timedelta(days=1)
NOTHING = Evidence(period=MINUTE)


def ended(level: Level, at: datetime) -> Evidence:
    """Quiet reports up to now, but for one period of this level that ended at `at`."""
    return replace(
        quiet(),
        reports=tuple(Report(r.at, level if r.at == at - MINUTE else r.level) for r in quiet().reports),
    )


@pytest.mark.parametrize(
    ("back", "action", "reason"),
    [
        (HOUR - MINUTE, Action.KEEP, Reason.ACTIVE),
        (HOUR, Action.STOP, Reason.IDLE),
        (HOUR + MINUTE, Action.STOP, Reason.IDLE),
    ],
)
def test_stops_when_idle_for_the_whole_timeout(back: timedelta, action: Action, reason: Reason) -> None:
    decision = decide(a_worker(), ended(Level.INTERACTION, NOON - back), Policy(), NOON)
    assert (decision.action, decision.reason) == (action, reason)


def test_activity_only_the_record_knows_counts_too() -> None:
    """Reports older than the look back are known from the record."""
    worker = a_worker(last_activity=NOON - HOUR + SECOND)
    assert decide(worker, quiet(), Policy(), NOON).action is Action.KEEP
    assert decide(replace(worker, last_activity=NOON - HOUR), quiet(), Policy(), NOON).action is Action.STOP


def test_never_connected() -> None:
    decision = decide(a_worker(last_activity=NOON - 9 * HOUR), quiet(), Policy(), NOON)
    assert (decision.action, decision.reason) == (Action.STOP, Reason.NEVER_CONNECTED)
    assert text(decision.message) == "JupyterLab was never opened (started at 2026-11-23 10:00:00 UTC)"


@pytest.mark.parametrize(
    ("signals", "level", "stops"),
    [
        ({Level.LOAD, Level.WORK}, Level.LOAD, False),
        ({Level.WORK}, Level.LOAD, True),
        ({Level.WORK}, Level.WORK, False),
        (set(), Level.WORK, True),
        (set(), Level.INTERACTION, False),
    ],
)
def test_only_signals_that_count_keep_it(signals: set[Level], level: Level, stops: bool) -> None:
    policy = Policy(signals=frozenset(signals))
    decision = decide(a_worker(), ended(level, NOON - MINUTE), policy, NOON)
    assert (decision.action is Action.STOP) is stops


@pytest.mark.parametrize(
    ("signals", "counts"),
    [({Level.LOAD}, Level.LOAD), ({Level.WORK}, Level.WORK), (set(), Level.INTERACTION)],
)
def test_the_hub_is_told_what_counts(signals: set[Level], counts: Level) -> None:
    """Else the hub would always refuse because of what the policy does not count as activity."""
    decision = decide(a_worker(), quiet(), Policy(signals=frozenset(signals)), NOON)
    assert (decision.drain, decision.counts) == (Drain.IDLE, counts)


@pytest.mark.parametrize(
    ("person", "action", "reason"),
    [
        (DAY - SECOND, Action.KEEP, Reason.BUSY),
        (DAY, Action.STOP, Reason.BUSY_TOO_LONG),
        (DAY + SECOND, Action.STOP, Reason.BUSY_TOO_LONG),
    ],
)
def test_work_keeps_it_for_the_busy_allowance(person: timedelta, action: Action, reason: Reason) -> None:
    worker = a_worker(started_at=NOON - 3 * DAY, last_interaction=NOON - person)
    evidence = Evidence(period=MINUTE, reports=reports(Level.WORK, NOON - 2 * HOUR, NOON))
    decision = decide(worker, evidence, Policy(), NOON)
    assert (decision.action, decision.reason) == (action, reason)
    if action is Action.STOP:
        assert (decision.drain, decision.since, decision.alone) == (Drain.UNATTENDED, NOON - DAY, True)
        assert decision.insist is Insist.IF_MUTE


@pytest.mark.parametrize(
    ("person", "policy", "evidence", "reason"),
    [
        (DAY - SECOND, Policy(), NOTHING, Reason.NEVER_CONNECTED),
        (DAY, Policy(), NOTHING, Reason.BUSY_TOO_LONG),
        (DAY, Policy(), replace(NOTHING, cpu=(90.0,)), Reason.BUSY_TOO_LONG),
        (DAY, Policy(), replace(NOTHING, cpu=(0.1,)), Reason.BUSY_TOO_LONG),
        (DAY - SECOND, Policy(busy_allowance=None), NOTHING, Reason.NEVER_CONNECTED),
        (DAY, Policy(busy_allowance=None), NOTHING, Reason.MUTE),
        (300 * DAY, Policy(busy_allowance=None), replace(NOTHING, cpu=(90.0,)), Reason.MUTE),
        (300 * DAY, Policy(busy_allowance=None), quiet(), Reason.NEVER_CONNECTED),
        (DAY, Policy(), quiet(), Reason.NEVER_CONNECTED),
    ],
    ids=[
        "not yet",
        "silent",
        "it computes",
        "it does not",
        "no allowance, not yet",
        "no allowance",
        "no allowance, it computes",
        "no allowance, its reports tell",
        "its reports tell",
    ],
)
def test_the_unknown_keeps_it_no_longer_than_work(
    person: timedelta, policy: Policy, evidence: Evidence, reason: Reason
) -> None:
    """A worker with a dead reporter and CPU in use would never stop."""
    decision = decide(a_worker(started_at=NOON - person), evidence, policy, NOON)
    assert decision.reason is reason
    assert (decision.insist is Insist.IF_MUTE) is (reason in (Reason.BUSY_TOO_LONG, Reason.MUTE))
    if reason is Reason.BUSY_TOO_LONG:
        assert not decision.alone
        assert text(decision.message).endswith("its activity reports do not cover all of that time")


def test_without_a_busy_allowance_work_keeps_it_without_end() -> None:
    worker = a_worker(started_at=NOON - 300 * DAY)
    evidence = Evidence(period=MINUTE, reports=reports(Level.WORK, NOON - HOUR, NOON))
    assert decide(worker, evidence, Policy(busy_allowance=None), NOON).reason is Reason.BUSY


@pytest.mark.parametrize(
    ("lifetime", "reason"),
    [
        (2 * HOUR + SECOND, Reason.ACTIVE),
        (2 * HOUR, Reason.MAX_LIFETIME),
        (2 * HOUR - SECOND, Reason.MAX_LIFETIME),
    ],
)
def test_max_lifetime_ends_even_a_worker_in_use(lifetime: timedelta, reason: Reason) -> None:
    decision = decide(
        a_worker(), ended(Level.INTERACTION, NOON - MINUTE), Policy(max_lifetime=lifetime), NOON
    )
    assert decision.reason is reason
    assert (decision.drain is Drain.REGARDLESS) is (reason is Reason.MAX_LIFETIME)


@pytest.mark.parametrize(("until", "kept"), [(SECOND, True), (timedelta(0), False), (-SECOND, False)])
def test_keep_until_outdoes_all_but_a_request(until: timedelta, kept: bool) -> None:
    worker = a_worker(keep_until=NOON + until)
    decision = decide(worker, quiet(), Policy(max_lifetime=HOUR), NOON)
    assert (decision.reason is Reason.KEPT) is kept
    assert requested(worker, "alice", NOON).action is Action.STOP


@pytest.mark.parametrize(
    ("age", "reason"),
    [(HOUR - SECOND, Reason.STARTING), (HOUR, Reason.NEVER_CONNECTED)],
)
def test_a_fresh_start_is_left_alone(age: timedelta, reason: Reason) -> None:
    worker = a_worker(started_at=NOON - age)
    policy = Policy(idle_timeout=10 * MINUTE, start_grace=HOUR)
    assert decide(worker, quiet(), policy, NOON).reason is reason


@pytest.mark.parametrize(
    ("evidence", "alone"),
    [
        (quiet(), True),
        (quiet(back=30 * MINUTE), False),
        (replace(quiet(), reports=quiet().reports[:-3]), False),
        (replace(quiet(), reports=quiet().reports[:-2]), True),
        (replace(quiet(), reports=quiet().reports[:80] + quiet().reports[83:]), False),
        (replace(quiet(), reports=quiet().reports[:80] + quiet().reports[82:]), True),
        (NOTHING, False),
    ],
    ids=["whole", "half", "three late", "two late", "three missing", "two missing", "none"],
)
def test_only_reports_without_a_hole_stop_it_without_the_hub(evidence: Evidence, alone: bool) -> None:
    decision = decide(a_worker(), evidence, Policy(), NOON)
    assert decision.action is Action.STOP
    assert decision.alone is alone


@pytest.mark.parametrize(
    ("silent", "cpu", "hung"),
    [
        (30 * MINUTE, (0.4, 2.9), True),
        (30 * MINUTE - SECOND, (0.4,), False),
        (30 * MINUTE, (0.4, 3.0), False),
        (30 * MINUTE, (), False),
    ],
    ids=["dead", "not long enough", "computes", "nothing known"],
)
def test_hung_is_silent_and_without_cpu_for_long(
    silent: timedelta, cpu: tuple[float, ...], hung: bool
) -> None:
    last = NOON - silent
    seen = tuple(r for r in quiet().reports if r.at + MINUTE <= last)
    shifted = tuple(Report(r.at + (last - (seen[-1].at + MINUTE)), r.level) for r in seen)
    decision = decide(a_worker(), Evidence(period=MINUTE, reports=shifted, cpu=cpu), Policy(), NOON)
    assert (decision.reason is Reason.HUNG) is hung
    if hung:
        assert (decision.drain, decision.insist, decision.alone) == (Drain.IDLE, Insist.IF_DEAD, False)


@pytest.mark.parametrize(("age", "hung"), [(30 * MINUTE - SECOND, False), (30 * MINUTE, True)])
def test_a_report_of_the_run_before_does_not_make_it_hung(age: timedelta, hung: bool) -> None:
    before = Evidence(period=MINUTE, reports=reports(Level.QUIET, NOON - 2 * HOUR, NOON - HOUR), cpu=(0.1,))
    policy = Policy(idle_timeout=5 * MINUTE)
    decision = decide(a_worker(started_at=NOON - age), before, policy, NOON)
    assert (decision.reason is Reason.HUNG) is hung


def test_a_worker_that_reports_is_never_hung() -> None:
    assert decide(a_worker(), quiet(cpu=(0.1,)), Policy(), NOON).reason is Reason.NEVER_CONNECTED


@pytest.mark.parametrize(
    ("server", "life", "reason"),
    [
        (False, 10 * MINUTE, Reason.NO_SERVER),
        (False, 9 * MINUTE, Reason.ACTIVE),
        (True, 10 * MINUTE, Reason.ACTIVE),
        (None, 10 * MINUTE, Reason.ACTIVE),
    ],
)
def test_a_worker_the_hub_has_left_is_due_early(server: Any, life: timedelta, reason: Reason) -> None:
    evidence = replace(ended(Level.INTERACTION, NOON - life), hub_server=server)
    assert decide(a_worker(), evidence, Policy(), NOON).reason is reason


@pytest.mark.parametrize("state", [State.PENDING, State.STOPPING, State.STOPPED, State.TERMINATED])
def test_what_does_not_run_is_not_stopped(state: State) -> None:
    decision = decide(a_worker(state=state), quiet(), Policy(), NOON)
    assert (decision.action, decision.reason) == (Action.KEEP, Reason.NOT_RUNNING)


@pytest.mark.parametrize(("until", "action"), [(SECOND, Action.KEEP), (timedelta(0), Action.STOP)])
def test_an_abandoned_claim_is_decided_anew(until: timedelta, action: Action) -> None:
    worker = a_worker(state=State.STOPPING, claimed_until=NOON + until)
    assert decide(worker, quiet(), Policy(), NOON).action is action


def test_a_kept_worker_is_due_when_it_may_first_be_stopped() -> None:
    life = NOON - 10 * MINUTE
    evidence = ended(Level.WORK, life)
    worker = a_worker(last_interaction=NOON - HOUR)
    for policy, due in [
        (Policy(), life + HOUR),
        (Policy(busy_allowance=65 * MINUTE), NOON + 5 * MINUTE),
        (Policy(max_lifetime=121 * MINUTE), NOON + MINUTE),
        (Policy(start_grace=5 * HOUR), NOON + 3 * HOUR),
    ]:
        assert decide(worker, evidence, policy, NOON).due_at == due
        assert next_check(worker, evidence, policy, NOON) == due


def test_a_decision_explains_itself() -> None:
    evidence = replace(ended(Level.WORK, NOON - HOUR), details={"BusyKernels": 1.0})
    decision = decide(a_worker(), evidence, Policy(), NOON)
    assert text(decision.message) == "not used for 1 hour (last busy at 2026-11-23 11:00:00 UTC)"
    assert decision.evidence == {
        "started_at": "2026-11-23T10:00:00+00:00",
        "last_life": "2026-11-23T11:00:00+00:00",
        "last_interaction": None,
        "last_report": "2026-11-23T12:00:00+00:00",
        "reports": 120,
        "cpu": [],
        "hub_server": None,
        "BusyKernels": 1.0,
    }


@pytest.mark.parametrize(
    ("evidence", "server", "even_silent"),
    [
        (quiet(), None, True),
        (replace(quiet(), reports=quiet().reports[:-3]), None, False),
        (NOTHING, None, True),
        (quiet(), False, True),
        (replace(quiet(), reports=quiet().reports[:-3]), False, False),
        (NOTHING, False, False),
    ],
    ids=["told", "fell silent", "never heard", "left, told", "left, fell silent", "left, never heard"],
)
def test_silence_is_idleness_only_of_one_that_told_so_or_was_never_heard(
    evidence: Evidence, server: bool | None, even_silent: bool
) -> None:
    """One without a server and without a word for the short time of `no-server` may just not report."""
    decision = decide(a_worker(), replace(evidence, hub_server=server), Policy(), NOON)
    assert (decision.action, decision.even_silent) == (Action.STOP, even_silent)


def test_no_report_covers_no_time_however_short() -> None:
    assert not NOTHING.covers(NOON - SECOND, NOON)
    assert not quiet(back=2 * HOUR, now=NOON - HOUR).covers(NOON - MINUTE, NOON)


TEN, ELEVEN = "2026-11-23T10:00:00+00:00", "2026-11-23T11:00:00+00:00"
WITHOUT_END = Policy(busy_allowance=None)


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


def kept(reason: Reason, values: dict[str, Any], due_at: datetime, **seen: Any) -> Decision:
    why = message(reason, **values)
    return Decision(action=Action.KEEP, reason=reason, message=why, due_at=due_at, evidence=facts(**seen))


def stopped(
    reason: Reason, values: dict[str, Any], since: datetime, seen: dict[str, Any] | None = None, **how: Any
) -> Decision:
    return Decision(
        action=Action.STOP,
        reason=reason,
        message=message(reason, **values),
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
            kept(Reason.KEPT, {"until": NOON + 3 * HOUR}, NOON + 3 * HOUR),
        ),
        (
            a_worker(started_at=NOON - 9 * MINUTE),
            NOTHING,
            kept(
                Reason.STARTING,
                {"started": NOON - 9 * MINUTE},
                NOON + 51 * MINUTE,
                started_at="2026-11-23T11:51:00+00:00",
            ),
        ),
        (
            a_worker(started_at=NOON - 11 * MINUTE),
            NOTHING,
            kept(
                Reason.ACTIVE,
                {"started": NOON - 11 * MINUTE},
                NOON + 49 * MINUTE,
                started_at="2026-11-23T11:49:00+00:00",
            ),
        ),
        (
            a_worker(last_interaction=NOON - 59 * MINUTE),
            NOTHING,
            kept(
                Reason.ACTIVE,
                {"last_used": NOON - 59 * MINUTE},
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
                {"last_busy": NOON - 59 * MINUTE},
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
        action=Action.KEEP,
        reason=Reason.NOT_RUNNING,
        message=message("not-running", state="stopped"),
        due_at=NOON - HOUR,
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
                {"ran": 2 * HOUR, "limit": HOUR},
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
                {"started": NOON - 2 * HOUR},
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
                {"started": NOON - 2 * HOUR},
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
                {"timeout": HOUR, "last_used": NOON - HOUR},
                NOON - HOUR,
                WHOLE | {"last_life": ELEVEN, "last_interaction": ELEVEN, "BusyKernels": 1.0},
                apps=True,
                alone=True,
            ),
        ),
        (
            a_worker(),
            NOTHING,
            Policy(signals=frozenset({Level.WORK})),
            stopped(
                Reason.NEVER_CONNECTED,
                {"timeout": HOUR, "started": NOON - 2 * HOUR, "gaps": True},
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
                {"since": NOON - 2 * HOUR, "cpu": 2.94, "limit": 30 * MINUTE},
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
    """`since` is what the hub compares activity with: any other time stops people, or no machine at all."""
    assert decide(worker, evidence, policy, NOON) == decision


def test_work_without_a_person_ends_after_the_allowance() -> None:
    working = Evidence(period=MINUTE, reports=reports(Level.WORK, NOON - 2 * HOUR, NOON))
    assert decide(a_worker(), working, Policy(busy_allowance=2 * HOUR), NOON) == stopped(
        Reason.BUSY_TOO_LONG,
        {"limit": 2 * HOUR, "started": NOON - 2 * HOUR, "last_busy": NOON},
        NOON - 2 * HOUR,
        WHOLE | {"last_life": "2026-11-23T12:00:00+00:00"},
        drain=Drain.UNATTENDED,
        insist=Insist.IF_MUTE,
        unused_since=NOON - 2 * HOUR,
        alone=True,
    )


def test_the_unknown_ends_after_the_allowance() -> None:
    assert decide(a_worker(), NOTHING, Policy(busy_allowance=2 * HOUR), NOON) == stopped(
        Reason.BUSY_TOO_LONG,
        {"limit": 2 * HOUR, "started": NOON - 2 * HOUR, "gaps": True},
        NOON - 2 * HOUR,
        drain=Drain.UNATTENDED,
        insist=Insist.IF_MUTE,
        unused_since=NOON - 2 * HOUR,
        alone=False,
    )


def test_a_mute_worker_is_stopped_where_work_may_go_on_without_end() -> None:
    worker = a_worker(started_at=NOON - MUTE_AFTER)
    assert decide(worker, NOTHING, WITHOUT_END, NOON) == stopped(
        Reason.MUTE,
        {"limit": DAY, "last_heard": NOON - DAY},
        NOON - MUTE_AFTER,
        {"started_at": "2026-11-22T12:00:00+00:00"},
        drain=Drain.UNATTENDED,
        insist=Insist.IF_MUTE,
        unused_since=NOON - MUTE_AFTER,
        alone=False,
    )


@pytest.mark.parametrize(
    ("policy", "heard", "reason"),
    [
        (WITHOUT_END, MUTE_AFTER, Reason.MUTE),
        (WITHOUT_END, MUTE_AFTER - MINUTE, Reason.NEVER_CONNECTED),
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
        message=message("stop-requested", by="boss"),
        due_at=NOON - HOUR,
        evidence={"requested_by": "boss", "requested_at": "2026-11-23T12:00:00+00:00"},
        drain=Drain.REGARDLESS,
        since=NOON,
        alone=True,
    )


@pytest.mark.parametrize("hub_server", [True, None])
def test_a_worker_whose_server_the_hub_knows_or_does_not_mention_is_not_left(hub_server: bool | None) -> None:
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
    ids=["reports", "never heard of", "lived, reports", "lived, then silent", "reported, then silent"],
)
def test_who_was_heard_of_and_is_silent_may_just_be_cut_off(
    worker: Worker, evidence: Evidence, told: bool, heard: bool
) -> None:
    """Then it does not do nothing because it does not answer. One that the hub has left must have reported."""
    decision = decide(worker, evidence, Policy(), NOON)
    assert (decision.alone, decision.even_silent) == (told, told or not heard)
    left = decide(worker, replace(evidence, hub_server=False), Policy(), NOON)
    assert (left.reason, left.alone, left.even_silent) == (Reason.NO_SERVER, told, told)


@pytest.mark.parametrize(
    ("number", "ago", "shown"),
    [
        (
            source_number("{program} started by a kernel", "python3.12"),
            0 * SECOND,
            "python started by a kernel",
        ),
        (
            source_number("{program} started by a kernel", "secret"),
            0 * SECOND,
            "a program started by a kernel",
        ),
        (source_number("CPU {n:.0f} % of a core{within}", amount=150.2), 3 * MINUTE, "CPU 150 % of a core"),
        (source_number("a running cell"), 3 * MINUTE + SECOND, None),
        (99e9, 0 * SECOND, None),
        (5, 0 * SECOND, None),
    ],
)
def test_what_keeps_it_busy_is_named_if_the_newest_report_says_it(
    number: float, ago: timedelta, shown: str | None
) -> None:
    worker = a_worker(last_activity=NOON - MINUTE, last_interaction=NOON - 90 * MINUTE)
    evidence = replace(quiet(), source=Source(NOON - MINUTE - ago, number))
    decision = decide(worker, evidence, Policy(), NOON)
    found = f"kept on by {shown} (last " if shown else "last busy "
    assert text(decision.message) == f"{found}at 2026-11-23 11:59:00 UTC{')' if shown else ''}"


def with_app(ago: timedelta, number: float = 8501) -> Evidence:
    """Quiet reports, and an app's traffic that long ago."""
    return replace(quiet(), app=AppTraffic(NOON - ago, number))


@pytest.mark.parametrize(
    ("used", "traffic", "allowance", "reason"),
    [
        (2 * HOUR - SECOND, MINUTE, 2 * HOUR, Reason.APP),
        (2 * HOUR, MINUTE, 2 * HOUR, Reason.IDLE),
        (90 * MINUTE, HOUR - SECOND, 2 * HOUR, Reason.APP),
        (90 * MINUTE, HOUR, 2 * HOUR, Reason.IDLE),
        (61 * MINUTE, MINUTE, timedelta(0), Reason.IDLE),
        (59 * MINUTE, MINUTE, 2 * HOUR, Reason.ACTIVE),
        (23 * HOUR, MINUTE, 48 * HOUR, Reason.APP),
        (24 * HOUR, MINUTE, 48 * HOUR, Reason.IDLE),
    ],
    ids=[
        *("allowed", "over", "traffic within the timeout", "traffic before", "switched off", "used"),
        *("a longer allowance", "no longer than work"),
    ],
)
def test_an_apps_traffic_keeps_it_for_the_app_allowance(
    used: timedelta, traffic: timedelta, allowance: timedelta, reason: Reason
) -> None:
    worker = a_worker(started_at=NOON - 3 * DAY, last_activity=NOON - used, last_interaction=NOON - used)
    policy = Policy(app_allowance=allowance)
    assert decide(worker, with_app(traffic), policy, NOON).reason is reason


def test_an_app_that_keeps_it_is_named_with_the_end_of_that() -> None:
    worker = a_worker(last_activity=NOON - 90 * MINUTE, last_interaction=NOON - 90 * MINUTE)
    decision = decide(worker, with_app(MINUTE), Policy(), NOON)
    assert text(decision.message) == (
        "kept on by app /proxy/8501 (last traffic at 2026-11-23 11:59:00 UTC), "
        "until 2026-11-23 12:30:00 UTC unless you use it"
    )
    assert decision.due_at == NOON + 30 * MINUTE
    assert decision.evidence["app"] == "app /proxy/8501"
    soon = decide(worker, with_app(50 * MINUTE), Policy(), NOON)
    assert soon.due_at == NOON + 10 * MINUTE


def test_a_stop_after_the_app_allowance_names_the_app() -> None:
    worker = a_worker(last_activity=NOON - 2 * HOUR + SECOND, last_interaction=NOON - 2 * HOUR + SECOND)
    decision = decide(worker, with_app(MINUTE, 4), Policy(), NOON + SECOND)
    assert (decision.action, decision.reason, decision.apps) == (Action.STOP, Reason.IDLE, False)
    assert text(decision.message) == (
        "not used for 2 hours (last used at 2026-11-23 10:00:01 UTC): app /rstudio had traffic, "
        "which an open page causes too"
    )
    never = decide(a_worker(), with_app(MINUTE, 4), Policy(), NOON)
    assert text(never.message).startswith("not used for 2 hours (started at")


@pytest.mark.parametrize(
    ("used", "policy", "counts"),
    [
        (90 * MINUTE, Policy(), True),
        (2 * HOUR, Policy(), False),
        (90 * MINUTE, Policy(app_allowance=timedelta(0)), False),
        (90 * MINUTE, Policy(max_lifetime=HOUR), False),
    ],
)
def test_the_hub_is_told_whether_apps_count(used: timedelta, policy: Policy, counts: bool) -> None:
    """Traffic may have begun since the last report."""
    worker = a_worker(last_activity=NOON - used, last_interaction=NOON - used)
    decision = decide(worker, quiet(), policy, NOON)
    assert (decision.action, decision.apps) == (Action.STOP, counts)


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (8501, "app /proxy/8501"),
        (1024, "app /proxy/1024"),
        (65535, "app /proxy/65535"),
        (4, "app /rstudio"),
        (2, "a notebook's widgets"),
        (len(APPS), APPS[-1]),
        *((odd, "another web app") for odd in (0, 1, len(APPS) + 1, 1023, 65536, 0.5, -1, 1e300)),
    ],
)
def test_whatever_number_a_worker_reports_is_some_app(number: float, name: str) -> None:
    assert app_name(number) == name
