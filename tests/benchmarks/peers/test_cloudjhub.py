"""The model of the earlier culler's calls, against the stand-ins, each in a process of its own."""

from datetime import UTC, datetime

import boto3
import pytest
import requests

from benchmarks.peers import cloudjhub
from benchmarks.peers.fleet import Fleet, serving


def test_one_describe_for_each_user_without_a_server_and_the_hub_stops_those_that_are_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    fleet = Fleet(users=60, running=12, due=3)
    with (
        serving("benchmarks.peers.hub", fleet, 0) as hub,
        serving("benchmarks.peers.aws", fleet, 0) as aws,
        requests.Session() as session,
    ):
        ec2 = boto3.client("ec2", endpoint_url=aws.url, region_name="us-east-1")
        cloudjhub.cull(session, f"{hub.url}/hub/api", ec2, datetime.now(UTC))
        of_hub, of_aws = hub.seen(), aws.seen()
        ec2.close()
    assert of_hub.calls == {"hub:GET /users": 2, "hub:DELETE /users/:name/server": 3}
    assert fleet.has_stopped_rightly(of_hub.stopped)
    assert (of_aws.calls, of_aws.stopped) == ({"ec2:DescribeInstances": 48}, [])
