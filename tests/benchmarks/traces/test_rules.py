"""What each rule does with the same hand-made hours: whom it keeps up, whom it stops, and how soon."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from benchmarks.traces.figures import is_at_work, share_within
from benchmarks.traces.ours import DELIVERY, FUNCTION, REPORT_PERIOD, SWEEP, Ours
from benchmarks.traces.peers import Custodian, Oracle, cloudjhub, idle_culler
from benchmarks.traces.trace import DAY, HOUR, MINUTE, Kind, Rule, Run, Span, Trace, Work, runs
from bootstrap.worker.reporter import EARLIEST
from lifecycle_app.model.policy import Policy

LOGIN = 9 * HOUR
TYPED = [LOGIN + second for second in range(0, 1800, 30)]
"""Half an hour of typing."""
AWAY = TYPED[-1]
TIMEOUT = Policy().idle_timeout.total_seconds()
SEEDS = range(12)
SLOWEST = DELIVERY[1] + FUNCTION[1]
LATEST_UNTIL_END = 1 - EARLIEST
"""Of a report's period, what is left after the earliest moment at which a worker reports within it."""

MakeRule = Callable[[Trace, object], Rule]
RULES: dict[str, MakeRule] = {
    "ours": lambda trace, seed: Ours(f"i-{trace.name}-{seed}", seed),
    "oracle": lambda _trace, _seed: Oracle(),
    "idle-culler": lambda _trace, seed: idle_culler(seed),
    "cloudjhub": lambda _trace, seed: cloudjhub(seed),
    "custodian": lambda trace, seed: Custodian(trace, 5.0, seed),
}


def a_trace(
    works: Sequence[Work] = (), tabs: Sequence[Span] = (), interactions: Sequence[float] = TYPED
) -> Trace:
    """A user types for half an hour; then the tab is closed, unless `tabs` says otherwise."""
    return Trace("alice", list(interactions), works, tabs or [(LOGIN, AWAY)])


def work(hours: float, kind: Kind = Kind.KERNEL, *, cpu: float = 100.0, prints: bool = False) -> Work:
    """Begun with the last action."""
    return Work(AWAY, AWAY + hours * HOUR, kind, cpu, prints)


def first_runs(name: str, trace: Trace, until: float = 10 * DAY) -> list[Run]:
    """The first run under the rule, for some seeds."""
    return [next(iter(runs(trace, RULES[name](trace, seed), until, seed))) for seed in SEEDS]


SILENT = a_trace([work(5)])
WAITING = a_trace([work(5, cpu=2.0)])
PRINTING = a_trace([work(5, prints=True)])
PROGRAM = a_trace([work(5, Kind.TERMINAL)])
PRINTING_PROGRAM = a_trace([work(5, Kind.TERMINAL, prints=True)])
IN_OPEN_TAB = a_trace([work(5)], tabs=[(LOGIN, AWAY + 6 * HOUR)])


@pytest.mark.parametrize(
    ("trace", "killers"),
    [
        pytest.param(SILENT, {"idle-culler", "cloudjhub"}, id="a silent cell that computes for 5 h"),
        pytest.param(WAITING, {"idle-culler", "cloudjhub", "custodian"}, id="a silent cell that waits"),
        pytest.param(PRINTING, {"cloudjhub"}, id="a printing cell, browser closed"),
        pytest.param(PROGRAM, {"idle-culler", "cloudjhub"}, id="a silent program in a terminal"),
        pytest.param(PRINTING_PROGRAM, {"idle-culler", "cloudjhub"}, id="a printing program in a terminal"),
        pytest.param(IN_OPEN_TAB, set(), id="a silent cell, tab open all the time"),
    ],
)
def test_who_kills_work_that_no_user_watches(trace: Trace, killers: set[str]) -> None:
    found = {
        name
        for name in RULES
        if any(run.stop and is_at_work(run.life, run.stop.released_at) for run in first_runs(name, trace))
    }
    assert found == killers


@pytest.mark.parametrize(
    ("trace", "last"),
    [
        pytest.param(a_trace(), AWAY, id="a kernel forgotten, tab closed"),
        pytest.param(a_trace(tabs=[(LOGIN, AWAY + 10 * HOUR)]), AWAY, id="a tab open but unused for 10 h"),
        pytest.param(SILENT, AWAY + 5 * HOUR, id="a silent cell of 5 h is over"),
        pytest.param(a_trace([work(19)]), AWAY + 19 * HOUR, id="a silent cell of 19 h is over"),
    ],
)
def test_ours_stops_within_two_sweeps_after_the_timeout_and_never_before_it(
    trace: Trace, last: float
) -> None:
    for run in first_runs("ours", trace):
        assert run.stop is not None
        assert 0 <= run.stop.at - last - TIMEOUT <= 2 * SWEEP, run.stop


def test_after_a_terminals_program_ours_stops_at_most_a_report_period_before_the_timeout() -> None:
    """Processes are looked at when a report is made: what ends between two was last seen in the one before."""
    for seconds in range(0, 60, 7):
        trace = a_trace([Work(AWAY, AWAY + 5 * HOUR + seconds, Kind.TERMINAL, cpu=1.0)])
        for run in first_runs("ours", trace):
            assert run.stop is not None
            assert -REPORT_PERIOD < run.stop.at - trace.works[0].end - TIMEOUT <= 2 * SWEEP, run.stop


def test_the_oracle_stops_exactly_at_the_timeout() -> None:
    for run in first_runs("oracle", SILENT):
        assert run.stop is not None
        assert run.stop.at == AWAY + 5 * HOUR + TIMEOUT


@pytest.mark.parametrize("name", ["idle-culler", "cloudjhub"])
def test_cullers_keep_an_open_tab_up_while_it_is_open(name: str) -> None:
    closed = AWAY + 10 * HOUR
    for run in first_runs(name, a_trace(tabs=[(LOGIN, closed)])):
        assert run.stop is not None
        assert closed + TIMEOUT - 5 * MINUTE <= run.stop.at


@pytest.mark.parametrize(
    ("pause", "runs_seen"),
    [
        pytest.param(TIMEOUT - MINUTE, 1, id="just before the timeout"),
        pytest.param(TIMEOUT - 1, 1, id="a second before it"),
        pytest.param(TIMEOUT + 2 * SWEEP, 2, id="two sweeps after it"),
    ],
)
def test_who_comes_back_before_the_timeout_finds_the_machine_up(pause: float, runs_seen: int) -> None:
    trace = a_trace(interactions=[*TYPED, AWAY + pause])
    for seed in SEEDS:
        found = list(runs(trace, RULES["ours"](trace, seed), 10 * DAY, seed))
        assert len(found) == runs_seen


@pytest.mark.parametrize("name", ["idle-culler", "cloudjhub"])
def test_cullers_may_stop_a_user_who_has_just_come_back(name: str) -> None:
    """What a person does is known only after the next poll of the proxy, up to five minutes later."""
    back = [AWAY + TIMEOUT - 60 + second for second in range(0, 600, 20)]
    trace = a_trace(interactions=[*TYPED, *back])
    hit = [
        run
        for seed in range(100)
        for run in runs(trace, RULES[name](trace, seed), 10 * DAY, seed)
        if run.stop and back[0] < run.stop.at < back[-1]
    ]
    assert hit


def test_a_stuck_cell_is_stopped_a_day_after_its_person_went_away() -> None:
    trace = a_trace([work(10 * 24, Kind.STUCK)])
    for run in first_runs("ours", trace):
        assert run.stop is not None
        assert run.stop.why == "sweep: busy-too-long"
        assert 0 <= run.stop.at - AWAY - DAY <= 2 * SWEEP


def test_work_longer_than_the_allowance_is_kept_where_the_policy_sets_none() -> None:
    trace = a_trace([work(50)])
    assert all(run.stop and run.stop.at < AWAY + 25 * HOUR for run in first_runs("ours", trace))
    rule = Ours("i-alice", 1, Policy(busy_allowance=None))
    [run] = runs(trace, rule, 10 * DAY, 1)
    assert run.stop is not None
    assert run.stop.at >= AWAY + 51 * HOUR


def test_a_cpu_policy_stops_a_user_who_reads_and_types_little() -> None:
    slow = [LOGIN + minutes * MINUTE for minutes in range(0, 180, 3)]
    for run in first_runs("custodian", a_trace(interactions=slow)):
        assert run.stop is not None
        assert is_at_work(run.life, run.stop.at)


def lates(policy: Policy, seeds: int, *, period: float, is_rolling: bool = True) -> list[float]:
    """How late ours stops those who type for half an hour and go away, some time before a sweep or after it."""
    timeout, found = policy.idle_timeout.total_seconds(), []
    for seed in range(seeds):
        typed = [at + seed * SWEEP / seeds for at in TYPED]
        rule = Ours(f"i-{seed}", seed, policy, period=period, is_rolling=is_rolling)
        [run] = runs(a_trace(interactions=typed), rule, DAY, seed)
        assert run.stop is not None
        found.append(run.stop.at - typed[-1] - timeout)
    assert min(found) >= 0
    return found


@pytest.mark.parametrize("is_rolling", [True, False])
@pytest.mark.parametrize(("period", "every"), [(20.0, 10), (30.0, 10), (60.0, 60), (120.0, 60)])
def test_no_alarm_finds_the_timeout_not_over_yet(period: float, every: float, is_rolling: bool) -> None:
    """With rolling periods and with the clock's: otherwise no worker would stop before a sweep."""
    window = every if is_rolling else LATEST_UNTIL_END * period
    found = lates(Policy(), 100, period=period, is_rolling=is_rolling)
    # A hundredth of the alarms is lost.
    assert share_within(found, period + window + every + SLOWEST) >= 0.95


@pytest.mark.parametrize(
    ("hours", "every"), [pytest.param(2.5, 10, id="2.5 h"), pytest.param(4, 60, id="4 h, by the minute")]
)
def test_longer_timeouts_are_kept_as_precisely_as_cloudwatch_keeps_reports(
    hours: float, every: float
) -> None:
    found = lates(Policy(idle_timeout=timedelta(hours=hours)), 50, period=30.0)
    assert share_within(found, 30 + 2 * every + SLOWEST) >= 0.9


def test_a_lost_alarm_is_made_up_for_by_the_sweep() -> None:
    stops = [run.stop for run in first_runs("ours", a_trace())]
    assert {stop.why for stop in stops if stop} == {"alarm: idle", "sweep: idle"}
