"""The tour's visitor in a real local cloud: what is shown happens, and nothing is left afterwards."""

import os
from unittest.mock import patch

import boto3
import pytest

from bootstrap.cli.options import site_of
from bootstrap.local import status
from bootstrap.local.tour.steps import STEPS, guide
from bootstrap.local.tour.visitor import SCOPE, USER, Visitor
from bootstrap.operations import policies
from tests.scenarios.cloud import LocalCloud

pytestmark = pytest.mark.cloud
QUICK = [step for step in STEPS if step.title in ("A login", "AWS has no machine")]


def test_the_tours_visitor_sees_what_happens_and_leaves_nothing(cloud: LocalCloud) -> None:
    settings = status.running_settings(cloud.state_dir)
    assert settings is not None
    said: list[str] = []
    # boto3 keeps the credentials that another test's cloud gave.
    with patch.dict(os.environ, cloud.told["environment"]), patch.object(boto3, "DEFAULT_SESSION", None):
        site = site_of(cloud.state_dir / "cluster.yaml")
        visitor = Visitor(site, settings, said.append)
        try:
            guide(visitor, said.append, QUICK)
            [machine] = cloud.instances(USER)
            assert any(machine["InstanceId"] in line for line in said)
            assert any("AWS has no machine of this type available" in line for line in said)
        finally:
            visitor.leave()
        assert SCOPE not in policies.texts(site)
    assert not cloud.instances(USER)
    assert cloud.status()["faults"] == []
