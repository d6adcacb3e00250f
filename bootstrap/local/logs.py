"""The logs of a local cloud: of its parts, of its instances, and what the Lambda functions told."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

FUNCTIONS = "lambda"
GROUPS = "/aws/lambda/"
KEPT = timedelta(hours=1)
# Lambda's own lines around what a function tells.
FRAME = ("START RequestId:", "END RequestId:", "REPORT RequestId:")


def files(state_dir: Path) -> dict[str, Path]:
    """The log files by the name of the part, or the id of the instance."""
    return {
        log.stem: log for folder in ("log", "console") for log in sorted((state_dir / folder).glob("*.log"))
    }


def told_by_functions(client: "CloudWatchLogsClient", now: datetime, lines: int) -> list[str]:
    """The newest lines that the functions logged within the last hour, oldest first."""
    since = int((now - KEPT).timestamp() * 1000)
    events: list[tuple[int, str, str]] = []
    for group in client.describe_log_groups(logGroupNamePrefix=GROUPS)["logGroups"]:
        name = group["logGroupName"]
        for page in client.get_paginator("filter_log_events").paginate(logGroupName=name, startTime=since):
            events += [_told(name, event) for event in page["events"]]
    told = sorted((one for one in events if not one[2].startswith(FRAME)), key=lambda one: one[0])
    return [f"{_clock(at)} {name}: {words}" for at, name, words in told[-lines:]]


def _told(group: str, event: Any) -> tuple[int, str, str]:
    return event["timestamp"], group.removeprefix(GROUPS), event["message"].rstrip()


def _clock(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%H:%M:%S}"
