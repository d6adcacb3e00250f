"""Why a hub cannot start, as `up` and `doctor` find it in the manager's log."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from moto import mock_aws

from bootstrap.aws.session import Aws
from bootstrap.machines.hub_log import refusals

NOW = datetime.now(UTC).replace(microsecond=0)
GROUP = "/cloudjhub/spring/manager"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield Aws("us-east-1")


def test_without_a_log_nothing_is_known(aws: Aws) -> None:
    assert refusals(aws, "spring", NOW) == []


def test_each_try_is_one_reason_and_older_ones_do_not_count(aws: Aws) -> None:
    logs = boto3.client("logs", "us-east-1")
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="s")
    lines = [
        (-60, "cloudJHub's hub cannot start: hub.config, line 9: of an earlier file"),
        (1, "hub: cloudJHub's hub cannot start: hub.config, line 2: NameError: name 'z' is not defined"),
        (2, "Started the hub"),
        (
            3,
            "hub: cloudJHub's hub cannot start: hub.config, line 2: NameError: name '\x1b[31mz' is not defined",
        ),
    ]
    logs.put_log_events(
        logGroupName=GROUP,
        logStreamName="s",
        logEvents=[
            {"timestamp": int((NOW + timedelta(seconds=seconds)).timestamp() * 1000), "message": line}
            for seconds, line in lines
        ],
    )
    assert refusals(aws, "spring", NOW) == [
        "hub.config, line 2: NameError: name 'z' is not defined",
        "hub.config, line 2: NameError: name 'z' is not defined",
    ]
