"""When a worker counts as idle: set for the cluster, for groups and for users, each overriding those before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import partial
from typing import Any

from lifecycle_app.contract import CLUSTER_SCOPE, Level, Signal, group_scope, user_scope

LONGEST = timedelta(days=366)
MOST_HOURS, MOST_DOLLARS = 100_000, 1_000_000
"""Of a budget: more is a typing error."""

NOT_SHARED = "a user shares no budget: it is of a group or the cluster"

Fields = Mapping[str, Any]


SHARED = ("shared_budget_hours", "shared_budget_dollars")
"""Fields about all users of a scope together: none overrides another scope's, and each holds."""
SIGNALS = {"load": Level.LOAD, "work": Level.WORK, "interaction": Level.INTERACTION}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What may be used in a month: by one user, or by all users of a group or of the cluster together."""

    scope: str
    """Whose it is: a user's, a group's or the cluster's scope."""
    time: timedelta | None
    """How long their workers may run, together; None: without limit."""
    dollars: float | None
    """What that may cost, in US dollars; None: without limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long a worker may run, and what keeps it running."""

    idle_timeout: timedelta = timedelta(hours=1)
    """It is stopped after so long without activity."""
    signals: frozenset[Level] = frozenset({Level.LOAD, Level.WORK, Level.INTERACTION})
    """What counts as activity. A report has the highest level only: if load counts, work does too."""
    busy_allowance: timedelta | None = timedelta(hours=24)
    """How long work without a user keeps it running; None: without end."""
    app_allowance: timedelta = timedelta(hours=2)
    """How long after a user's last certain act a web app's traffic keeps it running, where it may be a user's or an
    open page's polling; 0: such traffic does not count."""
    max_lifetime: timedelta | None = None
    """It is stopped after running for so long, whatever it does; None: never."""
    start_grace: timedelta = timedelta(minutes=10)
    """It is not stopped for so long after its start."""
    hung_after: timedelta = timedelta(minutes=30)
    """It counts as hung after so long without reports and CPU use."""
    hung_cpu: float = 3.0
    """Percent of CPU below which an instance counts as doing nothing."""
    keep_limit: timedelta = timedelta(hours=4)
    """How far in the future users may have their own worker kept running until; 0: not at all."""
    ignored_signals: frozenset[Signal] = frozenset()
    """Sources of activity that do not count. The worker leaves them out of its reports, once it knows."""
    budget_hours: timedelta | None = None
    """How long a user's workers may run in a month, together; None: without limit."""
    budget_dollars: float | None = None
    """What a user's running workers may cost in a month, together, in US dollars; None: without limit."""
    budget_grace: timedelta = timedelta(minutes=30)
    """A worker that runs when the budget is used up is stopped after so long."""
    budget_stops_work: bool = False
    """Is it stopped then even if work runs on it?"""
    shared_budget_hours: timedelta | None = None
    """How long the workers of all users of the cluster may run in a month, together; None: without limit."""
    shared_budget_dollars: float | None = None
    """What that may cost, in US dollars; None: without limit."""
    group_budgets: tuple[Limit, ...] = ()
    """The same for each of the user's groups that has such a budget."""

    @property
    def has_budget(self) -> bool:
        """Is the use of a month limited: the user's, or what the user shares with others?"""
        return bool(self.limits(""))

    def limits(self, user: str) -> tuple[Limit, ...]:
        """All budgets that hold for this user, whose policy it is: the own one, the cluster's, the groups'."""
        own = Limit(scope=user_scope(user), time=self.budget_hours, dollars=self.budget_dollars)
        shared = Limit(scope=CLUSTER_SCOPE, time=self.shared_budget_hours, dollars=self.shared_budget_dollars)
        return tuple(
            limit
            for limit in (own, shared, *self.group_budgets)
            if limit.time is not None or limit.dollars is not None
        )

    @property
    def lowest_level(self) -> Level:
        """The lowest level that counts as activity; interaction always does."""
        return min(self.signals | {Level.INTERACTION})

    def longest_keep(self, started: datetime, now: datetime) -> timedelta:
        """How long from now a user may keep a worker that runs since `started`; 0: not at all.

        Not beyond its lifetime: a decision looks at a keep first, which must not be a way around that.
        """
        left = self.max_lifetime - (now - started) if self.max_lifetime else self.keep_limit
        return max(timedelta(0), min(self.keep_limit, left))


def scopes(user: str, groups: Iterable[str]) -> list[str]:
    """The scopes in which policies for this user may be set, in the order in which they override each other."""
    return [CLUSTER_SCOPE, *map(group_scope, sorted(groups)), user_scope(user)]


def policy_for(user: str, groups: Iterable[str], texts: Mapping[str, str]) -> Policy:
    """The user's policy, from the policies' JSON by scope.

    Where groups differ, the most generous value counts, so that joining a group takes nothing away. A field that cannot
    be used is left out and counts at least as generously as its default, so that a typo neither keeps all machines
    running without end nor stops them early. `problems` lists such fields. Budgets that users share all hold: neither a
    group's nor a user's policy lifts them, and one that cannot be used is none.
    """
    found = {scope: read(texts[scope]) for scope in scopes(user, groups) if scope in texts}
    fields = {scope: parsed.fields for scope, parsed in found.items()}
    cluster = fields.get(CLUSTER_SCOPE, {})
    of_groups = {scope: said for scope, said in fields.items() if scope.startswith(group_scope(""))}
    merged: dict[str, Any] = {
        **cluster,
        **_most_generous(list(of_groups.values())),
        **fields.get(user_scope(user), {}),
    }
    for name in {name for parsed in found.values() for name in parsed.unclear}:
        default = getattr(Policy(), name)
        merged[name] = _widest(name, [merged.get(name, default), default])
    merged |= {name: cluster.get(name) for name in SHARED}
    return Policy(
        **merged, group_budgets=tuple(shared_limit(*one) for one in of_groups.items() if _shares(one[1]))
    )


def shared_limit(scope: str, fields: Fields) -> Limit:
    """The budget that the users of a group or of the cluster share, by what its scope says; without limits if none."""
    return Limit(scope=scope, time=fields.get(SHARED[0]), dollars=fields.get(SHARED[1]))


def shared_limits(texts: Mapping[str, str]) -> list[Limit]:
    """The shared budgets that policies set, from their JSON by scope, the cluster's first."""
    shared = (scope for scope in sorted(texts) if scope == CLUSTER_SCOPE or scope.startswith(group_scope("")))
    said = {scope: read(texts[scope]).fields for scope in shared}
    return [shared_limit(scope, fields) for scope, fields in said.items() if _shares(fields)]


def _shares(fields: Fields) -> bool:
    return any(fields.get(name) is not None for name in SHARED)


def problems(user: str, groups: Iterable[str], texts: Mapping[str, str]) -> list[str]:
    """A sentence for each field of the user's policies that cannot be used."""
    found = [(scope, read(texts[scope])) for scope in scopes(user, groups) if scope in texts]
    told = [f"policy of {scope}: {problem}" for scope, parsed in found for problem in parsed.problems]
    own = [
        name
        for scope, parsed in found
        if scope == user_scope(user)
        for name in SHARED
        if name in parsed.fields
    ]
    return told + [f"policy of {user_scope(user)}: {name}: {NOT_SHARED}" for name in own]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopePolicy:
    """The JSON of one scope, as far as it can be used."""

    fields: Fields
    unclear: frozenset[str] = frozenset()
    """Fields that it sets, or may have meant to set, but cannot be used."""
    problems: tuple[str, ...] = ()


def read(text: str) -> ScopePolicy:
    """A scope's JSON. An unknown name may have meant any field: then all are unclear."""
    try:
        given = json.loads(text)
    except ValueError as error:
        return ScopePolicy(fields={}, unclear=frozenset(READERS), problems=(f"not JSON: {error}",))
    if not isinstance(given, dict):
        return ScopePolicy(fields={}, unclear=frozenset(READERS), problems=("not a JSON object",))
    fields: dict[str, Any] = {}
    unclear: set[str] = set()
    problems: list[str] = []
    for name, value in given.items():
        try:
            fields[name] = _reader(name)(value)
        except (TypeError, ValueError) as error:
            problems.append(f"{name}: {error}")
            unclear |= {name} if name in READERS else set(READERS)
    return ScopePolicy(fields=fields, unclear=frozenset(unclear), problems=tuple(problems))


def changed(scope: str, before: str | None, changes: Fields, unset: Iterable[str]) -> dict[str, Any]:
    """What a scope sets after a change, without what it set that cannot be used: its JSON `before` with these values
    set and these fields taken out.

    Raises ValueError with a sentence for each value that cannot be used.
    """
    wrong = list(read(json.dumps(dict(changes))).problems)
    if scope.startswith(user_scope("")):
        wrong += [f"{name}: {NOT_SHARED}" for name in SHARED if name in changes]
    if wrong:
        raise ValueError("; ".join(wrong))
    for name in unset:
        _reader(name)
    usable = {
        name: value
        for name, value in given(before or "").items()
        if not read(json.dumps({name: value})).problems
    }
    kept = {name: value for name, value in usable.items() if name not in set(unset)}
    return kept | dict(changes)


def given(text: str) -> dict[str, Any]:
    """What a scope's JSON sets, whether it can be used or not; nothing if it is damaged."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _duration(value: Any, least: int = 0) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"must be a number of seconds, not {value!r}")
    if not least <= value <= LONGEST.total_seconds():
        raise ValueError(f"must be from {least} to {LONGEST.total_seconds():.0f} seconds, not {value!r}")
    return timedelta(seconds=value)


def _duration_or_none(value: Any) -> timedelta | None:
    return None if value is None else _duration(value, least=1)


def _signals(value: Any) -> frozenset[Level]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"must be a list out of {', '.join(SIGNALS)}, not {value!r}")
    unknown = [name for name in value if name not in SIGNALS]
    if unknown:
        raise ValueError(f"unknown signal {unknown[0]!r}; there are {', '.join(SIGNALS)}")
    return frozenset({SIGNALS[name] for name in value} | {Level.INTERACTION})


def _ignored(value: Any) -> frozenset[Signal]:
    known = list(Signal)
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"must be a list out of {', '.join(known)}, not {value!r}")
    for name in value:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise ValueError(f"unknown signal {name!r}; {hint}")
    return frozenset(map(Signal, value))


def _number(value: Any, most: float, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(f"must be {what} from 0 to {most}, not {value!r}")
    return float(value)


def _hours_or_none(value: Any) -> timedelta | None:
    return None if value is None else timedelta(hours=_number(value, MOST_HOURS, "hours a month"))


def _dollars_or_none(value: Any) -> float | None:
    return None if value is None else _number(value, MOST_DOLLARS, "US dollars a month")


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"must be true or false, not {value!r}")
    return value


READERS: Mapping[str, Callable[[Any], Any]] = {
    "idle_timeout": partial(_duration, least=1),
    "signals": _signals,
    "busy_allowance": _duration_or_none,
    "app_allowance": _duration,
    "max_lifetime": _duration_or_none,
    "start_grace": _duration,
    "hung_after": partial(_duration, least=1),
    "hung_cpu": partial(_number, most=100, what="a percentage"),
    "keep_limit": _duration,
    "ignored_signals": _ignored,
    "budget_hours": _hours_or_none,
    "budget_dollars": _dollars_or_none,
    "budget_grace": _duration,
    "budget_stops_work": _yes_or_no,
    "shared_budget_hours": _hours_or_none,
    "shared_budget_dollars": _dollars_or_none,
}


def _reader(name: str) -> Callable[[Any], Any]:
    if name not in READERS:
        raise ValueError(f"no such field; there are {', '.join(READERS)}")
    return READERS[name]


def _most_generous(levels: Sequence[Fields]) -> dict[str, Any]:
    names = sorted({name for fields in levels for name in fields})
    return {name: _widest(name, [fields[name] for fields in levels if name in fields]) for name in names}


def _widest(name: str, values: list[Any]) -> Any:
    if name == "signals":
        return frozenset().union(*values)
    if name == "ignored_signals":
        return frozenset.intersection(*values)
    if name in ("hung_cpu", "budget_stops_work"):
        return min(values)
    return None if None in values else max(values)
