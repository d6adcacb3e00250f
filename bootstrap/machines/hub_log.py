"""What the hub writes into the manager's log about its start."""

from datetime import datetime

from bootstrap.aws import names
from bootstrap.aws.errors import if_exists
from bootstrap.aws.session import Aws
from hub.errors import CANNOT_START
from lifecycle_app.printable import printable


def refusals(aws: Aws, cluster: str, since: datetime) -> list[str]:
    """Why it could not start, once for each try since then, the newest last; [] without a log."""
    return said(aws, cluster, since, CANNOT_START)


def said(aws: Aws, cluster: str, since: datetime, words: str) -> list[str]:
    """What follows these words in the log's lines since then, the newest last; [] without a log."""
    pages = (
        aws.client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=names.log_group(cluster),
            filterPattern=f'"{words}"',
            startTime=int(since.timestamp() * 1000),
        )
    )
    events = if_exists(lambda: [event for page in pages for event in page["events"]]) or []
    found = [
        event["message"].partition(words)[2] for event in sorted(events, key=lambda one: one["timestamp"])
    ]
    return [printable(line).strip(" :") for line in found if line]
