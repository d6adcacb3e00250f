"""`down` of what is not there, and of what stays: neither is told as a cluster that was removed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from bootstrap.aws.site import Site
from bootstrap.cli.cluster import down
from bootstrap.errors import LeftOver
from lifecycle_app.contract import TAG_CLUSTER
from tests.bootstrap.half_built import unbuilt


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with unbuilt(tmp_path) as found:
        yield found


@pytest.mark.usefixtures("site")
def test_a_cluster_that_is_not_there_was_not_removed() -> None:
    """A misspelt name or region must not look like success: the real one goes on costing money."""
    result = CliRunner().invoke(down, ["--confirm", "spring"])
    assert result.exit_code == 0
    assert result.stdout == "nothing to remove: spring has no resources in us-east-1\n"


def test_what_no_step_removes_is_named_with_what_to_do(site: Site) -> None:
    ec2 = site.aws.client("ec2")
    interface = ec2.create_network_interface(
        SubnetId=ec2.describe_subnets()["Subnets"][0]["SubnetId"],
        TagSpecifications=[
            {"ResourceType": "network-interface", "Tags": [{"Key": TAG_CLUSTER, "Value": site.cluster}]}
        ],
    )["NetworkInterface"]["NetworkInterfaceId"]
    result = CliRunner().invoke(down, ["--confirm", "spring"])
    assert isinstance(result.exception, LeftOver)
    assert f"network-interface {interface}" in str(result.exception)
    assert "delete in AWS's console what is left after that" in str(result.exception)
