"""What the Lambda functions told, from CloudWatch Logs, and the log files by their names."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from bootstrap.local.status import files, function_log_lines

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Logs:
    """CloudWatch Logs with events in two groups: seconds ago and the words."""

    GROUPS: dict[str, list[tuple[float, str]]] = {  # noqa: RUF012 - read only
        "/aws/lambda/cloudjhub-local-sweep": [
            (30, "START RequestId: 1 Version: $LATEST"),
            (30, "alice: idle\n"),
            (30, "END RequestId: 1"),
            (30, "REPORT RequestId: 1\tDuration: 5 ms"),
            (4000, "long ago"),
        ],
        "/aws/lambda/cloudjhub-local-stop": [(10, "alice: stopped"), (60, "bob: released")],
    }

    def describe_log_groups(self, logGroupNamePrefix: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        return {
            "logGroups": [
                {"logGroupName": name} for name in self.GROUPS if name.startswith(logGroupNamePrefix)
            ]
        }

    def get_paginator(self, name: str) -> "Logs":
        assert name == "filter_log_events"
        return self

    def paginate(self, logGroupName: str, startTime: int) -> Iterator[dict[str, Any]]:  # noqa: N803 - boto3's names
        for ago, message in self.GROUPS[logGroupName]:
            at = int((NOW - timedelta(seconds=ago)).timestamp() * 1000)
            if at >= startTime:
                yield {"events": [{"timestamp": at, "message": message}]}


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (1, ["11:59:50 cloudjhub-local-stop: alice: stopped"]),
        (
            40,
            [
                "11:59:00 cloudjhub-local-stop: bob: released",
                "11:59:30 cloudjhub-local-sweep: alice: idle",
                "11:59:50 cloudjhub-local-stop: alice: stopped",
            ],
        ),
    ],
)
def test_the_functions_newest_lines_in_order_without_lambda_s_own(lines: int, told: list[str]) -> None:
    assert function_log_lines(cast("Any", Logs()), NOW, lines) == told


def test_log_files_are_named_for_parts_and_instances(tmp_path: Path) -> None:
    for name in ("log/hub.log", "log/cloud.log", "console/i-1.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(files(tmp_path)) == ["cloud", "hub", "i-1"]
