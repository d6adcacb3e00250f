"""A home disk that grows: EC2's rules in the local cloud, as the lifecycle app's adapter meets them."""

import pytest

from lifecycle_app.adapters.volumes import Volumes
from lifecycle_app.errors import CloudError
from lifecycle_app.model.growth import HomeVolume
from tests.local_cloud.cloud_process import CloudProcess

TAGS = [
    {"Key": "cloudjhub:cluster", "Value": "test"},
    {"Key": "cloudjhub:role", "Value": "worker"},
]
HOME = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 2, "DeleteOnTermination": False}}


def test_a_home_grows_while_it_is_used_and_then_waits_for_the_change_to_complete(cloud: CloudProcess) -> None:
    specifications = [{"ResourceType": kind, "Tags": TAGS} for kind in ("instance", "volume")]
    running = cloud.running(BlockDeviceMappings=[HOME], TagSpecifications=specifications)
    home, root = running["volumes"]["/dev/sdf"], running["volumes"]["/dev/sda1"]
    ec2 = cloud.client("ec2")
    volumes = Volumes(ec2, ec2, "test")
    before = volumes.described([home, root, "vol-0123456789abcdef0"])
    assert before[home] == HomeVolume(
        volume_id=home, size=2, attached_to=running["instance_id"], is_workers=True
    )
    assert before[root].is_root
    assert len(before) == 2

    assert volumes.unmarked([home, root]) == [home], "the root disk has the same tags"
    assert Volumes(ec2, ec2, "other").unmarked([home, root]) == []
    volumes.mark([home])
    assert volumes.unmarked([home, root]) == []

    volumes.grow(home, 4)
    after = volumes.described([home])[home]
    assert (after.size, after.change in ("modifying", "optimizing")) == (4, True)
    assert after.changed_at is not None
    with pytest.raises(CloudError, match="IncorrectModificationState"):
        volumes.grow(home, 8)
    assert not Volumes(ec2, ec2, "other").described([home])[home].is_workers

    for size, code in ((3, "InvalidParameterValue"), (99999, "InvalidParameterValue")):
        with pytest.raises(CloudError, match=code):
            volumes.grow(root, size)
