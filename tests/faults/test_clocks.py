"""Clocks of function, hub and worker that are off by minutes to a year, or jump: no machine at work is stopped."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lifecycle_app.errors import CloudError
from lifecycle_app.model.events import IdleAlarm
from lifecycle_app.model.policy import Policy
from lifecycle_app.use_cases import idle_alarm, sweep
from tests.faults.real_hub import RealHub
from tests.faults.scene import NO_HUB, Scene, always, only_alice, scene
from tests.lifecycle.examples import ALICE, HOUR, MINUTE, NOON, SECOND

YEAR = timedelta(days=365)
MOST_UNSEEN = 7 * MINUTE
"""With the hub down: three reports that are missed, the period of the last one, and clocks two minutes off."""
USUAL = (timedelta(0), 5 * MINUTE, HOUR, YEAR)
offsets = st.one_of(
    st.sampled_from([sign * one for one in USUAL for sign in (1, -1)]),
    st.integers(-150, 150).map(lambda seconds: timedelta(seconds=seconds)),
    st.integers(-7200, 7200).map(lambda seconds: timedelta(seconds=seconds)),
)


@dataclass(frozen=True, kw_only=True)
class Clocks:
    """How far each clock is off; the function's is another one from its call number `jumps_at` on."""

    function: timedelta
    function_later: timedelta
    jumps_at: int
    hub: timedelta
    worker: timedelta


clocks = st.builds(
    Clocks,
    function=offsets,
    function_later=offsets,
    jumps_at=st.integers(0, 8),
    hub=offsets,
    worker=offsets,
)
right = st.builds(
    Clocks,
    function=offsets,
    function_later=st.just(timedelta(0)),
    jumps_at=st.just(99),
    hub=st.just(timedelta(0)),
    worker=st.just(timedelta(0)),
)
ago = st.integers(0, 119).map(lambda minutes: minutes * MINUTE)


def function_clock(off: Clocks) -> Callable[[], datetime]:
    asked = 0

    def clock() -> datetime:
        nonlocal asked
        asked += 1
        return NOON + (off.function if asked <= off.jumps_at else off.function_later)

    return clock


def stops(off: Clocks, last_seen: timedelta, *, is_hub_up: bool, tells_aws_the_time: bool) -> bool:
    """Is Alice's worker stopped, if she did something so long ago? It is noon, whatever the clocks say."""
    seen = NOON - last_seen
    told = {
        "instance_id": ALICE,
        "observed_at": (NOON + off.worker).timestamp(),
        "last_interaction": (seen + off.worker).timestamp(),
        "level": 3 if last_seen < MINUTE else 0,
    }
    hub = RealHub(clock=lambda: NOON + off.hub, tells=lambda: told, started=NOON - 2 * HOUR + off.hub)
    clock = function_clock(off)
    with scene(only_alice(hub), api=None if is_hub_up else NO_HUB, clock=clock) as one:
        one.wire.theirs = (lambda: NOON) if tells_aws_the_time else one.wire.ours
        one.wire.activity[ALICE] = [
            (at + off.worker, 3.0 if at <= seen < at + MINUTE else 0.0) for at, _ in one.wire.activity[ALICE]
        ]
        asked_in_every_way(one, clock)
        return ALICE in one.wire.stops


def asked_in_every_way(one: Scene, clock: Callable[[], datetime]) -> None:
    for _ in range(2):
        try:
            idle_alarm(one.service, IdleAlarm(ALICE, NOON, fires=True), clock())
        except CloudError:
            one.log.append("the alarm comes again")
        sweep(one.service, always)


@settings(derandomize=True, max_examples=200, deadline=None, database=None)
@given(off=clocks, last_seen=ago, is_hub_up=st.booleans())
def test_no_machine_is_stopped_within_the_idle_timeout_whatever_the_clocks_say(
    off: Clocks, last_seen: timedelta, is_hub_up: bool
) -> None:
    """As it is deployed: AWS's answers tell its time. With the hub down only what was reported can be known."""
    assume(is_hub_up or last_seen >= MINUTE)
    tolerated = timedelta(0) if is_hub_up else MOST_UNSEEN
    if stops(off, last_seen, is_hub_up=is_hub_up, tells_aws_the_time=True):
        assert last_seen > Policy().idle_timeout - MINUTE - tolerated


@settings(derandomize=True, max_examples=150, deadline=None, database=None)
@given(off=right, last_seen=ago)
def test_the_hub_alone_keeps_a_function_whose_clock_is_wrong_from_stopping_anybody(
    off: Clocks, last_seen: timedelta
) -> None:
    """Even if AWS told no time at all."""
    if stops(off, last_seen, is_hub_up=True, tells_aws_the_time=False):
        assert last_seen > Policy().idle_timeout - MINUTE


NO_SKEW = Clocks(
    function=timedelta(0),
    function_later=timedelta(0),
    jumps_at=99,
    hub=timedelta(0),
    worker=timedelta(0),
)


@pytest.mark.parametrize("is_hub_up", [True, False])
@pytest.mark.parametrize(("last_seen", "stopped"), [(59 * MINUTE, False), (62 * MINUTE, True)])
def test_with_right_clocks_the_idle_timeout_holds(
    last_seen: timedelta, stopped: bool, is_hub_up: bool
) -> None:
    """Else the properties would say nothing."""
    assert stops(NO_SKEW, last_seen, is_hub_up=is_hub_up, tells_aws_the_time=True) is stopped


@pytest.mark.parametrize("off", [SECOND, 5 * MINUTE, HOUR, YEAR, -SECOND, -5 * MINUTE, -HOUR, -YEAR])
@pytest.mark.parametrize("whose", ["function", "hub", "worker"])
@pytest.mark.parametrize("is_hub_up", [True, False])
def test_one_clock_that_is_off_stops_no_machine_at_work(off: timedelta, whose: str, is_hub_up: bool) -> None:
    changes: dict[str, Any] = {whose: off}
    skewed = replace(NO_SKEW, **changes)
    for minutes in (0, 1, 3, 30) if is_hub_up else (1, 3, 30):
        assert not stops(skewed, minutes * MINUTE, is_hub_up=is_hub_up, tells_aws_the_time=True)
