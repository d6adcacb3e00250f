"""The logs of manager and functions, from CloudWatch Logs; a worker's console, from EC2."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING

from bootstrap.aws import instances, names
from bootstrap.aws.errors import ignore_missing
from bootstrap.aws.site import Site
from bootstrap.errors import SettingsError
from lifecycle_app.printable import printable

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import FilteredLogEventTypeDef

MANAGER = "manager"
AUDIT = "audit"
"""Shown only where it is asked for: it is about people."""
LIFECYCLE = "lifecycle"
"""All functions."""
LONGEST = 2000
"""The most lines at once; the newest are shown."""


@dataclass(frozen=True, slots=True)
class Line:
    """One logged line; `event` is the same whenever it is read again, and no other line's."""

    at: datetime
    part: str
    text: str
    event: str


def groups(cluster: str, part: str | None) -> dict[str, str]:
    """The log groups of a part, by the part's name; of all without one. Raises SettingsError for another name."""
    if part == AUDIT:
        return {AUDIT: names.audit_log_group(cluster)}
    every = {MANAGER: names.log_group(cluster)}
    every |= {
        handler: names.function_log_group(names.function(cluster, handler)) for handler in names.HANDLERS
    }
    if part is None:
        return every
    if part == LIFECYCLE:
        return {name: group for name, group in every.items() if name != MANAGER}
    name = part.replace("-", "_")
    if name not in every:
        close = get_close_matches(name, every, n=1)
        fix = (
            f"did you mean {close[0]}?"
            if close
            else f"there are {', '.join([*every, LIFECYCLE, AUDIT])}, worker NAME"
        )
        raise SettingsError(f"nothing logs as {part!r}: {fix}")
    return {name: every[name]}


def lines(site: Site, wanted: Mapping[str, str], since: datetime) -> list[Line]:
    """The lines of these groups since then, oldest first, the newest `LONGEST` of them; a group that is not there yet
    has none.
    """
    found = [line for part, group in wanted.items() for line in _of_group(site, part, group, since)]
    # Lines of a group within the same millisecond keep CloudWatch's order.
    return sorted(found, key=lambda line: line.at)[-LONGEST:]


def _of_group(site: Site, part: str, group: str, since: datetime) -> Iterator[Line]:
    pages = site.aws.client("logs").get_paginator("filter_log_events")
    alike: Counter[str] = Counter()
    with ignore_missing():
        for page in pages.paginate(logGroupName=group, startTime=int(since.timestamp() * 1000)):
            for event in page["events"]:
                at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
                yield Line(at, part, printable(event["message"]).rstrip(), _id(event, alike))


def _id(event: "FilteredLogEventTypeDef", alike: Counter[str]) -> str:
    """CloudWatch's own. Without one, all that the event has, and how many before it had the same."""
    if "eventId" in event:
        return event["eventId"]
    content = f"{event.get('logStreamName', '')} {event['timestamp']} {event['message']}"
    alike[content] += 1
    return f"{alike[content]} {content}"


def news(found: Sequence[Line], seen: set[str]) -> list[Line]:
    """Those not seen before, which then are."""
    fresh = [line for line in found if line.event not in seen]
    seen.update(line.event for line in fresh)
    return fresh


def console(site: Site, instance_id: str) -> str:
    """The console output of an instance, as new as its instance type allows; "" while there is none."""
    return instances.console(site.aws, instance_id)
