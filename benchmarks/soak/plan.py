"""What goes wrong in a soak and when, by the seed alone."""

from dataclasses import dataclass
from random import Random

SHARE = 0.05
"""The share of the time in which each fault is on."""
FAULTS = (
    "capacity",
    "throttling",
    "slow-boot",
    "dead-instance",
    "lost-events",
    "late-events",
    "doubled-events",
    "alarms-off",
    "sweep-off",
    "hub-down",
)
LONGEST = 20.0
"""Seconds that a fault is on at a time."""
INCIDENTS = ("kill hub", "kill proxy", "kill hub and proxy", "crash", "power off", "terminate")
"""Momentary failures; the last three hit a running machine."""
INCIDENT_EVERY = 40.0


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Step:
    """What is done `after` seconds; `on` is None for a momentary failure. `chance` chooses its target."""

    after: float
    name: str
    on: bool | None
    chance: float = 0.0


def plan(seed: int, seconds: float) -> list[Step]:
    """Every fault for its share of the time, in episodes at random moments, and momentary failures; all by time."""
    random = Random(seed)  # noqa: S311 -- no secret
    steps = [step for name in FAULTS for step in _episodes(random, name, seconds)]
    incidents = max(2, round(seconds / INCIDENT_EVERY))
    # Each kind in turn, so that a short soak has several.
    kinds = random.sample(INCIDENTS, len(INCIDENTS))
    for number in range(incidents):
        after = (number + random.random()) * seconds / incidents
        steps.append(Step(after=after, name=kinds[number % len(kinds)], on=None, chance=random.random()))
    return sorted(steps, key=lambda step: step.after)


def _episodes(random: Random, name: str, seconds: float) -> list[Step]:
    """One in each of `count` equal parts of the time, so that none overlap."""
    count = max(1, round(SHARE * seconds / LONGEST))
    length, part = SHARE * seconds / count, seconds / count
    begins = [number * part + random.uniform(0, part - length) for number in range(count)]
    return [
        step
        for began in begins
        for step in (Step(after=began, name=name, on=True), Step(after=began + length, name=name, on=False))
    ]
