"""Turns facts into an observation. Pure: each rule is a row of a table in the tests."""

from datetime import datetime

from lifecycle_app.contract import Level, app_name

from .facts import Facts, Observation
from .work import jobs, percent_of_core, plain

# Percent of one core. An open JupyterLab tab costs the server less than 1, a loop that computes 100.
LOAD_PERCENT = 20.0

MAX_DETAILS = 20


def observe(facts: Facts, before: Facts, last_work: datetime | None) -> Observation:
    """What happened from ``before`` until ``facts``, and which level that is.

    ``last_work``: when an earlier observation last saw work.
    """
    running = jobs(facts, before)
    # What has ended since the last observation worked until some moment after it.
    worked = [str(job) for job in running] or [f"until just now {job}" for job in jobs(before, before)]
    works = bool(facts.busy_kernels or worked)
    cpu_percent = percent_of_core(facts.cpu_time - before.cpu_time, facts.at - before.at)
    level = _level(facts, before, working=works, cpu_percent=cpu_percent)
    doing = _doing(facts, before, worked, cpu_percent)
    return Observation(
        at=facts.at,
        level=level,
        last_interaction=facts.last_interaction.at if facts.last_interaction else None,
        last_work=facts.at if works else last_work,
        busy_kernels=len(facts.busy_kernels),
        busy_terminals=len(running),
        cpu_percent=cpu_percent,
        details=tuple(map(plain, [*_person(facts, before), *doing][:MAX_DETAILS])),
        last_app=facts.last_app.at if facts.last_app else None,
        app=facts.last_app.number if facts.last_app else 0,
        has_app_traffic=_has_app_traffic(facts, before),
        doing=plain(doing[0]) if doing else "",
        home=facts.home,
    )


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


def _has_app_traffic(facts: Facts, before: Facts) -> bool:
    return facts.last_app is not None and facts.last_app.at > before.at


def _person(facts: Facts, before: Facts) -> list[str]:
    if facts.last_interaction is None or not _interacted(facts, before):
        return []
    ago = max(0.0, (facts.at - facts.last_interaction.at).total_seconds())
    return [f"{facts.last_interaction.what} {ago:.0f} s ago"]


def _doing(facts: Facts, before: Facts, worked: list[str], cpu_percent: float) -> list[str]:
    found = [f"{kernel} is busy" for kernel in facts.busy_kernels] + worked
    if cpu_percent >= LOAD_PERCENT:
        found.append(f"CPU {cpu_percent:.0f} % of a core")
    if facts.last_app and _has_app_traffic(facts, before):
        found.append(f"{app_name(facts.last_app.number)} has traffic")
    return found
