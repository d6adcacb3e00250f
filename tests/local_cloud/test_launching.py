"""RunInstances by EC2's rules."""

import pytest
from botocore.exceptions import ClientError

from tests.local_cloud.cloud_process import IMAGE, CloudProcess


def refusal(cloud: CloudProcess, **changes: object) -> tuple[str, int]:
    """Code and HTTP status of a launch that must fail."""
    with pytest.raises(ClientError) as refused:
        cloud.run(**changes)
    response = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_the_same_token_launches_once(cloud: CloudProcess) -> None:
    first = cloud.run(ClientToken="alice-1")
    cloud.await_state(first["InstanceId"], "running")
    again = cloud.run(ClientToken="alice-1")
    assert again["InstanceId"] == first["InstanceId"]
    assert again["State"]["Name"] == "running"


def test_the_same_token_with_other_parameters_is_a_mistake(cloud: CloudProcess) -> None:
    cloud.run(ClientToken="bob-1")
    assert refusal(cloud, ClientToken="bob-1", InstanceType="t3.large") == (
        "IdempotentParameterMismatch",
        400,
    )


def test_the_same_token_in_another_zone_launches_another_instance(cloud: CloudProcess) -> None:
    here = cloud.run(ClientToken="carol-1")
    there = cloud.run(ClientToken="carol-1", SubnetId=cloud.subnets["b"])
    assert here["InstanceId"] != there["InstanceId"]
    assert there["Placement"]["AvailabilityZone"] == "us-east-1b"


def test_a_token_outlives_its_instance(cloud: CloudProcess) -> None:
    instance_id = cloud.run(ClientToken="dave-1")["InstanceId"]
    cloud.client("ec2").terminate_instances(InstanceIds=[instance_id])
    assert refusal(cloud, ClientToken="dave-1") == ("IdempotentInstanceTerminated", 400)


@pytest.mark.parametrize(("token", "is_taken"), [("t" * 64, True), ("t" * 65, False), ("tökén", False)])
def test_a_token_is_at_most_64_ascii_characters(cloud: CloudProcess, token: str, is_taken: bool) -> None:
    if is_taken:
        cloud.run(ClientToken=token)
    else:
        assert refusal(cloud, ClientToken=token) == ("InvalidParameterValue", 400)


def test_as_many_are_launched_as_there_is_room_for(cloud: CloudProcess) -> None:
    asked = {"ImageId": IMAGE, "InstanceType": "t3.nano", "SubnetId": cloud.subnets["b"]}
    profile = {"Name": "worker"}
    launched = cloud.client("ec2").run_instances(**asked, MinCount=1, MaxCount=3, IamInstanceProfile=profile)[
        "Instances"
    ]
    assert len({one["PrivateIpAddress"] for one in launched}) == 3
    assert all(one["IamInstanceProfile"]["Arn"].endswith("/worker") for one in launched)
    assert all(one["State"]["Name"] == "pending" for one in launched)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ImageId": "ami-0123456789abcdef0"}, "InvalidAMIID.NotFound"),
        ({"InstanceType": "t9.huge"}, "InvalidParameterValue"),
        ({"SubnetId": "subnet-0123456789abcdef0"}, "InvalidSubnetID.NotFound"),
        ({"MinCount": 2, "MaxCount": 1}, "InvalidParameterCombination"),
        ({"MinCount": 0, "MaxCount": 1}, "InvalidParameterValue"),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_what_cannot_be_launched(cloud: CloudProcess, changes: dict[str, object], code: str) -> None:
    before = len(cloud.control("GET", "state")["instances"])
    assert refusal(cloud, **changes)[0] == code
    assert len(cloud.control("GET", "state")["instances"]) == before


def test_no_capacity_for_one_type_leaves_the_others(cloud: CloudProcess) -> None:
    cloud.fault("capacity", True, instance_types=["t3.large"])
    assert refusal(cloud, InstanceType="t3.large") == ("InsufficientInstanceCapacity", 500)
    cloud.run(InstanceType="t3.medium")
    cloud.fault("capacity", False)
    cloud.run(InstanceType="t3.large")


def test_a_stopped_instance_may_find_no_capacity(cloud: CloudProcess) -> None:
    instance_id = cloud.running()["instance_id"]
    ec2 = cloud.client("ec2")
    ec2.stop_instances(InstanceIds=[instance_id])
    cloud.await_state(instance_id, "stopped")
    cloud.fault("capacity", True)
    with pytest.raises(ClientError) as refused:
        ec2.start_instances(InstanceIds=[instance_id])
    cloud.fault("capacity", False)
    assert refused.value.response["Error"]["Code"] == "InsufficientInstanceCapacity"
    assert cloud.instance(instance_id)["state"] == "stopped"


def test_the_vcpu_limit_counts_what_runs(cloud: CloudProcess) -> None:
    for one in cloud.control("GET", "state")["instances"]:
        cloud.client("ec2").terminate_instances(InstanceIds=[one["instance_id"]])
    cloud.fault("vcpu-limit", True)
    try:
        cloud.run(InstanceType="t3.medium")
        cloud.run(InstanceType="t3.medium")
        assert refusal(cloud, InstanceType="t3.medium") == ("VcpuLimitExceeded", 400)
        cloud.run(InstanceType="t2.nano")
    finally:
        cloud.fault("vcpu-limit", False)


@pytest.mark.parametrize(
    ("kind", "credits", "code"),
    [
        ("m5.large", "standard", "InvalidParameterCombination"),
        ("t3.micro", "endless", "InvalidParameterValue"),
        ("t3.micro", "standard", "DryRunOperation"),
    ],
)
def test_cpu_credits_belong_to_burstable_types(
    cloud: CloudProcess, kind: str, credits: str, code: str
) -> None:
    asked = {"InstanceType": kind, "CreditSpecification": {"CpuCredits": credits}}
    if code == "DryRunOperation":
        assert cloud.run(**asked)["InstanceType"] == kind
    else:
        assert refusal(cloud, **asked) == (code, 400)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("pending-verification", "PendingVerification"),
        ("opt-in-required", "OptInRequired"),
        ("blocked", "Blocked"),
        ("free-plan", "InvalidParameterCombination"),
    ],
)
def test_an_account_that_cannot_launch(cloud: CloudProcess, fault: str, code: str) -> None:
    cloud.fault(fault, True)
    try:
        assert refusal(cloud, InstanceType="t3.medium")[0] == code
    finally:
        cloud.fault(fault, False)


def test_a_full_subnet_says_so(cloud: CloudProcess) -> None:
    vpc = cloud.client("ec2").create_vpc(CidrBlock="127.91.0.0/16")["Vpc"]["VpcId"]
    made = cloud.client("ec2").create_subnet(
        VpcId=vpc, CidrBlock="127.91.1.0/29", AvailabilityZone="us-east-1a"
    )
    subnet = made["Subnet"]["SubnetId"]
    cloud.run(SubnetId=subnet, MinCount=3, MaxCount=3)
    assert refusal(cloud, SubnetId=subnet) == ("InsufficientFreeAddressesInSubnet", 400)


def test_metadata_options_are_kept(cloud: CloudProcess) -> None:
    options = {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"}
    instance_id = cloud.run(MetadataOptions=options)["InstanceId"]
    kept = cloud.described(instance_id)["MetadataOptions"]
    assert {name: kept[name] for name in options} == options


def test_a_root_disk_is_there_beside_named_disks(cloud: CloudProcess) -> None:
    home = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 3, "DeleteOnTermination": False}}
    instance_id = cloud.run(BlockDeviceMappings=[home])["InstanceId"]
    disks = {one["DeviceName"]: one["Ebs"] for one in cloud.described(instance_id)["BlockDeviceMappings"]}
    assert disks["/dev/sda1"]["DeleteOnTermination"] is True
    assert disks["/dev/sdf"]["DeleteOnTermination"] is False


def test_a_dead_instance_runs_but_does_not_answer(cloud: CloudProcess) -> None:
    cloud.fault("dead-instance", True)
    instance_id = cloud.run()["InstanceId"]
    cloud.await_state(instance_id, "running")
    cloud.fault("dead-instance", False)
    dead = cloud.instance(instance_id)
    assert dead["dead"]
    assert dead["pid"] is None


def test_a_network_interface_that_was_there_before_outlasts_its_instance(cloud: CloudProcess) -> None:
    ec2 = cloud.client("ec2")
    made = ec2.create_network_interface(SubnetId=cloud.subnets["a"])["NetworkInterface"]
    given = [{"DeviceIndex": 0, "NetworkInterfaceId": made["NetworkInterfaceId"]}]
    asked = {
        "ImageId": IMAGE,
        "InstanceType": "t3.medium",
        "MinCount": 1,
        "MaxCount": 1,
        "NetworkInterfaces": given,
    }
    for _ in range(2):
        instance = ec2.run_instances(**asked)["Instances"][0]
        assert instance["PrivateIpAddress"] == made["PrivateIpAddress"]
        cloud.await_state(instance["InstanceId"], "running")
        with pytest.raises(ClientError, match="in use"):
            ec2.run_instances(**asked)
        ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
        cloud.await_state(instance["InstanceId"], "terminated")
    ec2.delete_network_interface(NetworkInterfaceId=made["NetworkInterfaceId"])


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("late-capacity", "Server.InsufficientInstanceCapacity"),
        ("disk-key", "Client.InvalidKMSKey.InvalidState"),
        ("disk-error", "Client.InternalError"),
    ],
)
def test_ec2_ends_what_it_has_accepted(cloud: CloudProcess, fault: str, code: str) -> None:
    """A new instance is terminated, one that has run before is stopped again."""
    ec2 = cloud.client("ec2")
    known = cloud.run()["InstanceId"]
    cloud.await_state(known, "running")
    ec2.stop_instances(InstanceIds=[known])
    cloud.await_state(known, "stopped")
    cloud.fault(fault, True)
    try:
        new = cloud.run()["InstanceId"]
        ec2.start_instances(InstanceIds=[known])
        cloud.await_state(new, "terminated")
        cloud.await_state(known, "stopped")
    finally:
        cloud.fault(fault, False)
    for instance_id in (new, known):
        assert cloud.described(instance_id)["StateReason"]["Code"] == code
    ec2.start_instances(InstanceIds=[known])
    cloud.await_state(known, "running")
