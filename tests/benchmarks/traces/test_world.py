"""The lean evaluation agrees with the whole simulated cluster: hub, records, functions on their schedules, EC2."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from benchmarks.traces.ours import SWEEP, Ours
from benchmarks.traces.trace import HOUR, MINUTE, Kind, Trace, Work, runs
from tests.simulation.people import Person
from tests.simulation.workers import PERIOD
from tests.simulation.world import World

BEGIN = 600.0
TYPED = [BEGIN + 120 + second for second in range(0, 600, 60)]
LAST = TYPED[-1]
TIMEOUT = HOUR
UNTIL = 14 * HOUR


def after(minutes: float) -> list[float]:
    """Back for five minutes, so long after the first time."""
    return [LAST + minutes * MINUTE + second for second in range(60, 360, 60)]


@pytest.mark.parametrize(
    ("interactions", "works"),
    [
        pytest.param([BEGIN, *TYPED], [], id="a short visit"),
        pytest.param([BEGIN, *TYPED], [Work(LAST, LAST + 5 * HOUR, Kind.KERNEL)], id="a silent cell of 5 h"),
        pytest.param([BEGIN, *TYPED, *after(55)], [], id="back before the timeout"),
        pytest.param([BEGIN, *TYPED, *after(80)], [], id="back after the stop"),
        pytest.param([BEGIN, *TYPED, *after(55), *after(150), *after(400)], [], id="three times back"),
    ],
)
def test_as_many_stops_and_each_as_late_as_in_the_whole_cluster(
    interactions: Sequence[float], works: Sequence[Work]
) -> None:
    whole = in_the_world(interactions, works)
    trace = Trace("alice", interactions, works)
    for seed in range(10):
        found = list(runs(trace, Ours(f"i-{seed}", seed, period=PERIOD.total_seconds()), UNTIL, seed))
        stops = [(run.life, run.stop) for run in found if run.stop is not None]
        assert len(stops) == len(whole), f"seed {seed}: {stops}, {whole}"
        for (life, stop), theirs in zip(stops, whole, strict=True):
            late = stop.at - life.last_sign(stop.released_at) - TIMEOUT
            assert 0 <= late <= 2 * SWEEP
            # Both draw their delays: the report's phase, the evaluation's, the delivery. An alarm may be lost.
            apart = 3 * MINUTE if stop.why == "alarm: idle" else SWEEP
            assert abs(late - theirs) <= apart, f"seed {seed}: {stop}, {whole}"


def in_the_world(interactions: Sequence[float], works: Sequence[Work]) -> list[float]:
    """How late each stop came there, in seconds after the timeout."""
    world = World("traces")
    person = Person(world, "alice")

    async def live() -> None:
        for at in interactions:
            await asyncio.sleep(at - world.loop.time())
            if person.reached() is None:
                assert await person.log_in()
            takes = next((work.end - work.begin for work in works if work.begin == at), None)
            assert person.touch() if takes is None else person.run(timedelta(seconds=takes))

    try:
        world.loop.call_soon(lambda: world.loop.create_task(live()))
        world.run(timedelta(seconds=UNTIL))
        assert not world.audit.violations
        return [late.total_seconds() for late in world.audit.late]
    finally:
        world.close()
