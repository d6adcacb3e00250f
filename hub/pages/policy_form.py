"""What the Settings page shows of a policy: its fields with labels, values in words, changes, who made them. Pure."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from lifecycle_app.contract import CLUSTER_SCOPE, Signal, group_scope, user_scope
from lifecycle_app.model.messages import duration
from lifecycle_app.model.outlook import Outlook
from lifecycle_app.model.policy import SHARED, SIGNALS, given, read
from lifecycle_app.model.policy_record import PolicyRecord, changes_of
from lifecycle_app.model.policy_words import DEFAULT, DESCRIPTIONS, effective, plain, readable

GROUP, USER = group_scope(""), user_scope("")
MOST_LINES, MOST_NAMED = 50, 20
LONGEST_WORDS = 200
UNITS = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
NOT_SET = "not set"


class Kind(StrEnum):
    """How a field is entered."""

    DURATION = "duration"
    LIMIT = "limit"
    """A duration, or no limit."""
    LIST = "list"
    PERCENT = "percent"
    AMOUNT = "amount"
    """A number a month, or no limit."""
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a policy."""

    name: str
    kind: Kind
    label: str
    options: tuple[str, ...] = ()

    @property
    def help(self) -> str:
        """What it means, as cluster.yaml says, without how to write it there."""
        text = re.split(r"; |: docs", DESCRIPTIONS[self.name])[0]
        return text[0].upper() + text[1:] + "."


SECTIONS: Mapping[str, tuple[Field, ...]] = {
    "When a machine stops": (
        Field("idle_timeout", Kind.DURATION, "Stop a machine that is not used for"),
        Field("busy_allowance", Kind.LIMIT, "Let a program run without its user for"),
        Field("app_allowance", Kind.DURATION, "Let an open web app keep a machine for"),
        Field("max_lifetime", Kind.LIMIT, "Stop every machine after"),
        Field("start_grace", Kind.DURATION, "Never stop a machine after its start for"),
        Field("keep_limit", Kind.DURATION, "Let users keep their own machine for up to"),
    ),
    "What counts as use": (
        Field("signals", Kind.LIST, "Activity that counts", tuple(SIGNALS)),
        Field("ignored_signals", Kind.LIST, "Sources that do not count", tuple(map(str, Signal))),
    ),
    "Budgets": (
        Field("budget_hours", Kind.AMOUNT, "Hours a month for each user"),
        Field("budget_dollars", Kind.AMOUNT, "US dollars a month for each user"),
        Field("shared_budget_hours", Kind.AMOUNT, "Hours a month for all of them together"),
        Field("shared_budget_dollars", Kind.AMOUNT, "US dollars a month for all of them together"),
        Field("budget_grace", Kind.DURATION, "When a budget is used up, stop machines after"),
        Field("budget_stops_work", Kind.CHOICE, "Stop machines on which a program runs, too"),
    ),
    "Machines that hang": (
        Field("hung_after", Kind.DURATION, "A machine hangs if it neither reports nor computes for"),
        Field("hung_cpu", Kind.PERCENT, "It does not compute below this percentage of CPU"),
    ),
}
LABELS = {field.name: field.label for fields in SECTIONS.values() for field in fields}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A field as it is for one scope."""

    field: Field
    is_set: bool
    value: Any
    """What the scope sets, or else what holds without it, as JSON has it."""
    without: str
    """What holds if the scope does not set it, and where that is from, in words."""

    @property
    def amount(self) -> str:
        """The number to show of a duration, a percentage or an amount; "" for none."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            return ""
        number = (
            self.value / UNITS[self.unit] if self.field.kind in (Kind.DURATION, Kind.LIMIT) else self.value
        )
        return f"{number:.10g}"

    @property
    def unit(self) -> str:
        """The largest unit in which a duration is a whole number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or not self.value:
            return "minutes"
        return next((unit for unit, size in UNITS.items() if self.value % size == 0), "seconds")


def name_of(scope: str) -> str:
    """A scope for people."""
    if scope == CLUSTER_SCOPE:
        return "All users"
    kind, _, name = scope.partition("/")
    return f"{kind.capitalize()} {name}"


def sections(scope: str, groups: Iterable[str], texts: Mapping[str, str]) -> list[tuple[str, list[Row]]]:
    """The fields of a scope by section; `groups`: those of the user whose scope it is. Budgets that users share are of
    no single user.
    """
    own = read(texts.get(scope, "{}")).fields
    others = {one: text for one, text in texts.items() if one != scope}
    user = scope.removeprefix(USER) if scope.startswith(USER) else ""
    found = {one.name: one for one in effective(user, groups if user else (), others)}
    return [
        (
            title,
            [
                Row(
                    field=field,
                    is_set=field.name in own,
                    value=plain(field.name, own.get(field.name, found[field.name].value)),
                    without=_without(field.name, found[field.name].value, found[field.name].scope, scope),
                )
                for field in fields
                if not (user and field.name in SHARED)
            ],
        )
        for title, fields in SECTIONS.items()
    ]


def _without(name: str, value: Any, source: str, scope: str) -> str:
    if name in SHARED and scope != CLUSTER_SCOPE:
        return "no limit of this group's own"
    where = "the default" if source == DEFAULT else f"from {name_of(source)[0].lower()}{name_of(source)[1:]}"
    return f"{in_words(name, value)}, {where}"


def in_words(name: str, value: Any) -> str:
    """A policy's value for people."""
    if value is None:
        return "no limit"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta) and not name.endswith("budget_hours"):
        return duration(value)
    if isinstance(value, frozenset):
        return ", ".join(plain(name, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else readable(name, value)[:LONGEST_WORDS]


def json_in_words(name: str, values: Mapping[str, Any]) -> str:
    """The value of a field in JSON for people: "not set" where it is not there; one that cannot be used as it is."""
    if name not in values:
        return NOT_SET
    fields = read(json.dumps({name: values[name]})).fields
    return in_words(name, fields[name]) if name in fields else str(values[name])[:LONGEST_WORDS]


@dataclass(frozen=True, slots=True)
class Line:
    """One field that was changed, or would be."""

    label: str
    before: str
    after: str


def lines(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Line]:
    """The fields that differ, in words."""
    names = [
        name for name in {**before, **after} if json_in_words(name, before) != json_in_words(name, after)
    ]
    return [
        Line(LABELS.get(name, name)[:LONGEST_WORDS], json_in_words(name, before), json_in_words(name, after))
        for name in names
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One change that was made."""

    at: datetime
    by: str
    scope: str
    lines: Sequence[Line]


def past(records: Iterable[PolicyRecord]) -> list[Past]:
    """The newest changes of all these scopes, newest first."""
    found = [
        Past(at=one.at, by=one.by, scope=name_of(record.scope), lines=lines(one.before, one.after))
        for record in records
        for one in changes_of(record)
    ]
    return sorted(found, key=lambda one: one.at, reverse=True)[:MOST_LINES]


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be set, and what to be taken out, to make a policy the one that was sent."""

    changes: Mapping[str, Any]
    unset: Sequence[str]


def difference(text: str, wanted: Mapping[str, Any]) -> Difference:
    """From a scope's JSON to this policy."""
    now = given(text)
    changes = {name: value for name, value in wanted.items() if name not in now or now[name] != value}
    return Difference(changes, sorted(name for name in now if name not in wanted and name in LABELS))


def outlook_as_json(found: Outlook) -> dict[str, Any]:
    """For the page: counts, and the first of the machines that would be stopped."""
    idle = sorted(found.due.items(), key=lambda pair: -pair[1])
    return {
        "running": len(found.due) + len(found.kept) + len(found.later),
        "due": len(found.due),
        "named": [{"worker": key, "idle": duration(span)} for key, span in idle[:MOST_NAMED]],
        "kept": len(found.kept),
        "later": len(found.later),
    }
