"""From facts to an observation: pure, so that every rule stands in a table of the tests."""

from datetime import datetime, timedelta

from .facts import Facts, Level, Observation
from .work import jobs

# Percent of one core. An open JupyterLab tab costs the server less than 1, a loop that computes 100.
LOAD_PERCENT = 20.0


def observe(facts: Facts, before: Facts, last_work: datetime | None) -> Observation:
    """What happened from ``before`` until ``facts``, and how much life that is.

    ``last_work``: when an earlier observation last saw work.
    """
    running = jobs(facts)
    # What has ended since the last look worked until some moment after it.
    worked = [str(job) for job in running] or [f"until just now {job}" for job in jobs(before)]
    works = bool(facts.busy_kernels or worked)
    cpu_percent = percent_of_core(facts.cpu_time - before.cpu_time, facts.at - before.at)
    level = _level(facts, before, working=works, cpu_percent=cpu_percent)
    return Observation(
        at=facts.at,
        level=level,
        last_interaction=facts.last_interaction.at if facts.last_interaction else None,
        last_work=facts.at if works else last_work,
        busy_kernels=len(facts.busy_kernels),
        busy_terminals=len(running),
        cpu_percent=cpu_percent,
        details=_details(facts, before, worked, cpu_percent),
    )


def percent_of_core(used: timedelta, elapsed: timedelta) -> float:
    """CPU in percent of one core. A tree that lost processes may seem to have used less than nothing: that is 0."""
    if elapsed <= timedelta(0):
        return 0.0
    return round(max(0.0, 100 * (used / elapsed)), 1)


def _level(facts: Facts, before: Facts, *, working: bool, cpu_percent: float) -> Level:
    if _interacted(facts, before):
        return Level.INTERACTION
    if working:
        return Level.WORK
    if cpu_percent >= LOAD_PERCENT:
        return Level.LOAD
    return Level.QUIET


def _interacted(facts: Facts, before: Facts) -> bool:
    return facts.last_interaction is not None and facts.last_interaction.at > before.at


def _details(facts: Facts, before: Facts, worked: list[str], cpu_percent: float) -> tuple[str, ...]:
    details = []
    if facts.last_interaction and _interacted(facts, before):
        ago = max(0.0, (facts.at - facts.last_interaction.at).total_seconds())
        details.append(f"{facts.last_interaction.what} {ago:.0f} s ago")
    details += [f"{kernel} is busy" for kernel in facts.busy_kernels]
    details += worked
    if cpu_percent >= LOAD_PERCENT:
        details.append(f"CPU {cpu_percent:.0f} % of a core")
    return tuple(details)
