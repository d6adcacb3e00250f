"""The audit log for the operator: writes what commands do there, and reads what functions did from the history."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.aws import names
from bootstrap.aws.site import Site
from bootstrap.operations.logs import AUDIT, LONGEST, Line, lines
from bootstrap.operations.workers.listing import store_of
from hub.audit.event import Event, to_line
from lifecycle_app.contract import utc_now
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.messages import text

STREAM = "operator"
A_CALL = 500
"""Lines: far less than the megabyte that PutLogEvents takes."""


class Act(NamedTuple):
    """What a command did, and to whom."""

    action: str
    target: str = ""
    detail: str = ""


def record(site: Site, acts: Sequence[Act]) -> str:
    """Writes what the operator has done, as the AWS identity that did it; why that failed, "" if it did not.

    The acts have happened already, so that a failure must not look like one of theirs.
    """
    at = utc_now()
    try:
        actor = f"operator/{site.aws.caller}"
        events = [Event(at=at, actor=actor, action=one[0], target=one[1], detail=one[2]) for one in acts]
        for start in range(0, len(events), A_CALL):
            _put(site, at, [to_line(event) for event in events[start : start + A_CALL]])
    except (ClientError, BotoCoreError) as error:
        return str(error)
    return ""


def _put(site: Site, at: datetime, lines: Sequence[str]) -> None:
    logs, group = site.aws.client("logs"), names.audit_log_group(site.cluster)
    milliseconds = int(at.timestamp() * 1000)
    for is_last in (False, True):
        try:
            logs.put_log_events(
                logGroupName=group,
                logStreamName=STREAM,
                logEvents=[{"timestamp": milliseconds, "message": line} for line in lines],
            )
        except logs.exceptions.ResourceNotFoundException:
            if is_last:
                raise
            logs.create_log_stream(logGroupName=group, logStreamName=STREAM)
        else:
            return


def lines_with_stops(site: Site, wanted: Mapping[str, str], since: datetime) -> list[Line]:
    """The lines of these groups; with those of the audit log, the functions' stops, which the history has."""
    found = lines(site, wanted, since)
    if AUDIT in wanted:
        found = sorted([*found, *stops(site, since, utc_now())], key=lambda line: line.at)
    return found[-LONGEST:]


def stops(site: Site, since: datetime, now: datetime) -> list[Line]:
    """The stops that EC2 accepted since then, as lines of the audit log. Raises StoreUnavailable."""
    store = store_of(site)
    entries = [entry for day in _days(since, now) for entry in store.history_of_day(day)]
    wanted = [entry for entry in entries if entry.kind is Kind.STOP and entry.at >= since]
    return [Line(one.at, AUDIT, to_line(_event(one)), f"{one.key} {one.sort_key}") for one in wanted]


def _event(entry: Entry) -> Event:
    return Event(
        at=entry.at,
        actor=f"function/{entry.evidence.get('function', '')}",
        action="worker.stop",
        target=entry.key,
        detail=f"{entry.instance_id}, {entry.reason}: {text(entry.message)}",
    )


def _days(since: datetime, now: datetime) -> Iterator[str]:
    """The UTC days from one time to another, as the history names them."""
    for number in range((now.date() - since.date()).days + 1):
        yield (since + timedelta(days=number)).strftime("%Y-%m-%d")
