"""When this machine is stopped unless its user does something, and what keeps it on: the machine's own estimate.

The lifecycle app decides, by `lifecycle_app.model.decision`; this says the same beforehand, from what the machine
itself sees. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from lifecycle_app.contract import Level, app_name

from .facts import Observation
from .terms import Terms

KEPT, STARTING, BUSY, APP = "kept", "starting", "busy", "app"
"""Codes of what keeps a machine on, as in the history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`stops_at`: if all goes on as it does now; None for never, or not known. `kept_by`: a code, "" for nothing."""

    stops_at: datetime | None
    kept_by: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


def standing(seen: Observation, terms: Terms, started: datetime, last_load: datetime | None) -> Standing:
    """What is to be expected of a machine that was started then. `last_load`: when load was last seen, of any kind."""
    if terms.idle_timeout is None:
        return Standing(stops_at=None)
    person = _newest(started, seen.last_interaction)
    unattended = _after(person, terms.busy_allowance)
    outlived = _after(started, terms.max_lifetime)
    code, values, idle = _kept(seen, terms, person)
    if not code:
        idle = _newest(person, *_signs(seen, terms, last_load)) + terms.idle_timeout
        if seen.last_app is not None:
            idle = max(idle, min(seen.last_app + terms.idle_timeout, _apps_until(person, terms)))
    stops_at = _earliest(idle, unattended, outlived)
    held, by_budget = max(started + terms.start_grace, terms.keep_until or started), _by_budget(terms, code)
    if held <= seen.at:
        return Standing(stops_at=_earliest(stops_at, by_budget), kept_by=code, values=values)
    if terms.keep_until is not None and seen.at < terms.keep_until:
        code, values = KEPT, {"until": terms.keep_until.timestamp()}
    elif not code:
        code, values = STARTING, {"since": started.timestamp()}
    usual = max(stops_at, held) if stops_at else None
    return Standing(stops_at=_earliest(usual, by_budget), kept_by=code, values=values)


def _kept(
    seen: Observation, terms: Terms, person: datetime
) -> tuple[str, Mapping[str, Any], datetime | None]:
    """What of that which goes on now keeps it on, with until when; None while it goes on."""
    if terms.lowest_level <= Level.WORK and (seen.busy_kernels or seen.busy_terminals):
        return BUSY, {"what": seen.doing}, None
    if terms.lowest_level <= Level.LOAD and seen.level is Level.LOAD:
        return BUSY, {"what": seen.doing}, None
    until = _apps_until(person, terms)
    if seen.has_app_traffic and seen.level is Level.QUIET and seen.at < until:
        return APP, {"what": app_name(seen.app)}, until
    return "", {}, None


def _by_budget(terms: Terms, code: str) -> datetime | None:
    """When it is stopped because the month's budget is used up, used or not; work may go on for some time."""
    budget = terms.budget
    if budget is None or budget.stops_at is None:
        return None
    is_spared = code == BUSY and not budget.stops_work and terms.lowest_level <= Level.WORK
    return _after(budget.stops_at, terms.busy_allowance) if is_spared else budget.stops_at


def _signs(seen: Observation, terms: Terms, last_load: datetime | None) -> list[datetime | None]:
    """When what counts beside a person was last seen."""
    signs = {Level.WORK: seen.last_work, Level.LOAD: last_load}
    return [at for level, at in signs.items() if terms.lowest_level <= level]


def _apps_until(person: datetime, terms: Terms) -> datetime:
    allowances = (terms.app_allowance, terms.busy_allowance)
    return person + min(one for one in allowances if one is not None)


def _after(at: datetime, allowance: timedelta | None) -> datetime | None:
    return None if allowance is None else at + allowance


def _newest(first: datetime, *others: datetime | None) -> datetime:
    return max([first, *(one for one in others if one is not None)])


def _earliest(*times: datetime | None) -> datetime | None:
    return min((one for one in times if one is not None), default=None)
