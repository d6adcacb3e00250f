"""What happened to a worker and why: a code with values, and the one place where its English text is made.

Records and the history hold code and values as JSON, so that each reader sees times in their own time zone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from string import Formatter
from typing import Any

from lifecycle_app.printable import printable

Value = str | float | datetime | timedelta | bool

TEXT = "text"
"""The code of a message that has no values, only a text; all that an older version wrote is one."""
REMOVED = "removed"
"""The code of what is said of a machine that was removed because it had been stopped for long."""
TEMPLATES: Mapping[str, tuple[str, ...]] = {
    TEXT: ("{text}",),
    # Why a worker is kept or stopped: the codes of `decision.Reason`.
    "not-running": ("its machine is {state}",),
    "kept": ("kept until {until:clock} by {by}", "kept until {until:clock} by an administrator"),
    "keep-requested": ("kept until {until:clock}: {by} asked for it",),
    "keep-ended": ("no longer kept running: {by} asked for it",),
    "starting": ("started {started}, too recently to be stopped",),
    "active": ("last used {last_used}", "started {started}, not used yet"),
    "app": ("kept on by {app} (last traffic {last_traffic}), until {until:clock} unless you use it",),
    "busy": (
        "kept on by {source} (last {last_busy})",
        "last {activity} {last_busy}",
        "last busy {last_busy}",
    ),
    "idle": (
        "not used for {allowance} (last used {last_used}): {app} had traffic, which an open page causes too",
        "not used for {allowance} (started {started}): {app} had traffic, which an open page causes too",
        "not used for {timeout} (last used {last_used})",
        "not used for {timeout} (last busy {last_busy})",
    ),
    "never-connected": ("JupyterLab was never opened (started {started})",),
    "no-server": (
        "JupyterHub has no server on it (last activity {last_activity})",
        "JupyterHub has no server on it (started {started})",
    ),
    "busy-too-long": (
        "busy, but not used for more than {limit} (last used {last_used}, last busy {last_busy})",
        "busy, but not used for more than {limit} (started {started}, last busy {last_busy})",
        "not used for more than {limit} (last used {last_used})",
        "not used for more than {limit} (started {started})",
    ),
    "budget": (
        "the month's budget of {whose} is used up (since {since:clock}); there is a new one on {resets:clock}",
        "the budget of the month is used up (since {since:clock}); it is available again on {resets:clock}",
    ),
    "max-lifetime": ("ran for {ran}, the limit is {limit}",),
    "mute": ("no activity reports for {limit} (last heard of {last_heard})",),
    "hung": ("no activity reports since {since:clock}, and at most {cpu} % CPU in {limit}",),
    "stop-requested": ("stopped by {by}",),
    # Why a stop did not happen, or what it was besides a decision.
    "hub-down": ("JupyterHub could not be reached: {detail}",),
    "hub-odd": (
        "JupyterHub has given no usable answer since {since:clock}: {detail}",
        "JupyterHub gave no usable answer: {detail}",
    ),
    "refused": ("{detail}",),
    "rejected": ("EC2 refused to stop it: {detail}",),
    "forced": ("stopped by force, {state} since {since:clock}",),
    "terminated": ("its machine is terminated by the operator",),
    REMOVED: ("removed after {ran} without a login; the home directory is kept",),
    "renewed": ("its machine is replaced, because there is a newer image",),
    # What the administrator should know.
    "run": ("ran for {ran}, cost {cost}", "ran for {ran}"),
    "grown": ("its home disk was filling and grows from {was} to {size} GB",),
    "stop-unknown": ("EC2 did not answer, so that it may or may not stop: {detail}",),
    "no-reports": ("no activity reports and no CPU use, but JupyterHub can reach it: {detail}",),
    "bad-policy": ("{detail}: a setting that cannot be used counts at least as generously as its default",),
    "bad-record": (
        "{detail}. Its machine is neither stopped nor started until you correct the item in the table {table}, "
        "or delete it: it is then created again from EC2",
    ),
    "missed": ("EC2 says {state}, the record said {recorded}: an event was missed",),
    "orphan": ("instance {instance} has this worker's tags, but was in no record",),
    "duplicate": (
        "instance {instance}, started {launched}, has the tags of this worker too, whose instance is {recorded}: "
        "terminate the one you do not need",
        "instance {instance} is not the instance of this worker, {recorded}, and has no server on it",
    ),
    "undescribed": ("EC2 does not list {instance}; its record is kept",),
    "stuck": ("{state} since {since:clock}",),
    "removal-unknown": ("EC2 did not answer, so that its machine may or may not be removed: {detail}",),
    "not-removed": ("its stopped machine is not removed: {detail}",),
}
"""The text of each code: the first one whose values are all there. A time is shown as near as it is ("2 min ago"), or
as a time of day where it says `clock`."""
FOR_ADMINISTRATORS = frozenset(
    {
        "hub-down", "hub-odd", "rejected", "stop-unknown", "no-reports", "bad-policy", "bad-record", "missed",
        "orphan", "duplicate", "undescribed", "stuck", "not-removed",
        "removal-unknown",
    }
)  # fmt: skip
"""The codes of what only an administrator can do something about: a machine's user is not shown them."""
GAPS = "; its activity reports do not cover all of that time"
"""Follows where a message has the value `gaps`."""
TIMES = {
    "until", "started", "last_used", "last_busy", "last_traffic", "last_activity", "last_heard", "since", "launched",
    "resets",
}  # fmt: skip
DURATIONS = {"timeout", "limit", "ran", "allowance"}
SIZES = {"was", "size"}
"""Whole numbers of GB."""
NUMBERS = {"cpu", "cost", *SIZES}
LONGEST = 1000
"""Characters of a text value."""
UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
IN_SECONDS_BELOW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Message:
    """A code and its values, with printable texts. Falsy where there is nothing to say."""

    code: str = TEXT
    values: Mapping[str, Value] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        shown = {name: printable(one) if isinstance(one, str) else one for name, one in self.values.items()}
        object.__setattr__(self, "values", shown)

    def __bool__(self) -> bool:
        return self != NOTHING


@dataclass(frozen=True, slots=True)
class Time:
    """A time in a text, aware and in UTC."""

    at: datetime
    is_clock: bool = False
    """Is it to be shown as a time of day, however near it is?"""


Part = str | Time


def message(code: str, **values: Value | None) -> Message:
    """The message with those values that are not None."""
    return Message(str(code), {name: value for name, value in values.items() if value is not None})


def plain(text: str) -> Message:
    """A message that is only a text."""
    return message(TEXT, text=text) if text else NOTHING


NOTHING = Message()


def parts(said: Message) -> list[Part]:
    """The English text, with its times still to be shown."""
    template = _template(said.code, said.values)
    found = list(_filled(template, said.values)) if template else []
    return [*found, GAPS] if said.values.get("gaps") else found


def text(said: Message, show: Callable[[Time], str] | None = None) -> str:
    """The English text; times in UTC, unless `show` shows them otherwise."""
    return joined(parts(said), show)


def joined(found: list[Part], show: Callable[[Time], str] | None = None) -> str:
    """The parts as one text, with times shown as `text` does."""
    return "".join(part if isinstance(part, str) else (show or in_utc)(part) for part in found)


def in_utc(time: Time) -> str:
    """A time in UTC, as part of a sentence."""
    return clock(time.at) if time.is_clock else f"at {clock(time.at)}"


def clock(at: datetime) -> str:
    """A UTC time to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def duration(span: timedelta) -> str:
    """A duration in its two largest units: 3 minutes, 2 hours 5 minutes."""
    seconds, found = max(0, int(span.total_seconds())), []
    for unit, size in UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            found.append(f"{count} {unit}{'s' if count > 1 else ''}")
    return " ".join(found[:2]) or "0 seconds"


def length(span: timedelta) -> str:
    """A duration for a table, in minutes unless that would be too coarse."""
    seconds = int(span.total_seconds())
    return f"{seconds} s" if span < IN_SECONDS_BELOW else f"{seconds // 60} min"


def money(dollars: float) -> str:
    """An amount in US dollars for people: less than 1 ¢, 42 ¢, $1.24."""
    if dollars < 0.01:
        return "less than 1 ¢"
    cents = round(dollars * 100)
    return f"{cents} ¢" if cents < 100 else f"${dollars:,.2f}"


def stored(said: Message) -> str:
    """The message as it is stored: JSON, or its text where it has nothing else."""
    if said.code == TEXT:
        return str(said.values.get(TEXT, ""))
    values = {name: _plain_value(value) for name, value in said.values.items()}
    return json.dumps({"code": said.code, **values})


def read(found: str) -> Message:
    """The message that was stored. What is not one, an older version's sentence above all, is taken as its text."""
    try:
        given: dict[str, Any] = json.loads(found) if found.startswith("{") else {TEXT: found}
        code = str(given.pop("code", TEXT))
        values = {name: _value(name, value) for name, value in given.items()}
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return plain(found)
    return Message(code, values) if code != TEXT and _template(code, values) else plain(found)


def _template(code: str, values: Mapping[str, Value]) -> str | None:
    fitting = (one for one in TEMPLATES.get(code, ()) if _names(one) <= values.keys())
    return next(fitting, None)


def _names(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def _filled(template: str, values: Mapping[str, Value]) -> Iterator[Part]:
    for before, name, style, _ in Formatter().parse(template):
        if before:
            yield before
        if name:
            value = values[name]
            yield Time(value, style == "clock") if isinstance(value, datetime) else _shown(name, value)


def _shown(name: str, value: Value) -> str:
    if isinstance(value, timedelta):
        return duration(value)
    if name == "cost":
        amount = money(float(value))  # type: ignore[arg-type]  # NUMBERS are
        return amount if amount.startswith("less") else f"about {amount}"
    if name in SIZES:
        return f"{value:g}"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _plain_value(value: Value) -> str | float | bool:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value[:LONGEST] if isinstance(value, str) else value


def _value(name: str, given: Any) -> Value:
    """The value of that name. Raises ValueError, TypeError or OverflowError if it cannot be one."""
    if name in TIMES:
        at = datetime.fromisoformat(given)
        if at.tzinfo is None:
            raise ValueError(f"{name} has no time zone")
        return at.astimezone(UTC)
    if name == "gaps":
        return bool(given)
    if name in DURATIONS:
        return timedelta(seconds=given)
    if name in NUMBERS:
        return float(given)
    if not isinstance(given, str) or given.encode(errors="ignore").decode() != given:
        raise ValueError(f"{name} is not text")
    return given[:LONGEST]
