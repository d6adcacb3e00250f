"""Launch requests, compared as a whole."""

import json
from dataclasses import replace
from typing import Any

import pytest

from hub.config.profiles import Profile
from hub.spawn.launch_request import (
    Backup,
    Order,
    Place,
    requests_for,
    run_request,
    user_data,
    worker_tags,
)
from lifecycle_app.contract import WORKER_CONFIG, HomeDisk
from tests.hub.fakes import IMAGE, LARGE, MEDIUM, NOON, SETTINGS

A = Place(subnet="subnet-0000000a", zone="us-east-1a")
B = Place(subnet="subnet-0000000b", zone="us-east-1b")
BACKUP = Backup(snapshot="snap-0123456789abcdef0", at=NOON, size=3)
ORDER = Order(worker="ada/gpu", profile=MEDIUM, image=IMAGE)


@pytest.mark.parametrize(
    ("kind", "credits", "wanted"),
    [
        ("t3.medium", "standard", {"CpuCredits": "standard"}),
        ("t4g.large", "unlimited", {"CpuCredits": "unlimited"}),
        ("t3a.small", "standard", {"CpuCredits": "standard"}),
        ("m7i.large", "unlimited", None),
        ("trn1.2xlarge", "standard", None),
    ],
)
def test_cpu_credits_are_stated_for_burstable_types_alone(
    kind: str, credits: str, wanted: dict[str, str] | None
) -> None:
    """EC2's own default is unlimited, which bills in addition; and it refuses the parameter for other types."""
    request = run_request(ORDER, replace(SETTINGS, credits=credits), A, kind, 0)
    assert request.get("CreditSpecification") == wanted


def test_request_as_a_whole() -> None:
    request = run_request(ORDER, SETTINGS, A, "t3.large", 0)
    tags = [
        {"Key": "Name", "Value": "JUPYTER_HUB_us-east-1a_test_WORKER"},
        {"Key": "Owner", "Value": "tests"},
        {"Key": "Creator", "Value": "cloudjhub"},
        {"Key": "cloudjhub:cluster", "Value": "test"},
        {"Key": "cloudjhub:role", "Value": "worker"},
        {"Key": "cloudjhub:user", "Value": "ada"},
        {"Key": "cloudjhub:server", "Value": "gpu"},
    ]
    token = request.pop("ClientToken")
    assert len(token) == 64
    assert request == {
        "ImageId": "ami-0123456789abcdef0",
        "InstanceType": "t3.large",
        "MinCount": 1,
        "MaxCount": 1,
        "SubnetId": "subnet-0000000a",
        "SecurityGroupIds": ["sg-0123456789abcdef0"],
        "IamInstanceProfile": {"Name": "cloudjhub-test-worker"},
        "InstanceInitiatedShutdownBehavior": "stop",
        "CreditSpecification": {"CpuCredits": "standard"},
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
        },
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/sda1",
                "Ebs": {"VolumeSize": 8, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True},
            },
            {
                "DeviceName": "/dev/sdf",
                "Ebs": {
                    "VolumeSize": 3,
                    "VolumeType": "gp3",
                    "Encrypted": True,
                    "DeleteOnTermination": False,
                },
            },
        ],
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": tags},
            {"ResourceType": "volume", "Tags": tags},
            {"ResourceType": "network-interface", "Tags": tags},
        ],
        "UserData": user_data(SETTINGS, HomeDisk.NEW),
    }


def test_user_data_holds_what_the_worker_reads_and_no_user() -> None:
    header, _, rest = user_data(SETTINGS, HomeDisk.NEW).partition("\n")
    assert header == "#cloud-config"
    (file,) = json.loads(rest)["write_files"]
    assert (file["path"], file["permissions"]) == (WORKER_CONFIG, "0644")
    assert json.loads(file["content"]) == {
        "cluster": "test",
        "hub_api": "http://127.77.0.10:8081/hub/api",
        "hub_name": "hub.test",
        "region": "us-east-1",
        "report_period": 60,
        "port": 8888,
        "home": "new",
    }


@pytest.mark.parametrize(
    ("home_disk", "home_volume", "said"),
    [
        (3, None, "new"),
        (3, "vol-1", "existing"),
        (0, "vol-1", "existing"),
        (0, None, "none"),
    ],
)
def test_disk_is_called_new_only_by_the_request_that_makes_it(
    home_disk: int, home_volume: str | None, said: str
) -> None:
    """A worker formats no other."""
    order = Order(worker="ada", profile=MEDIUM, image=IMAGE, home_volume=home_volume, home_zone=A.zone)
    request = run_request(order, replace(SETTINGS, home_disk=home_disk), A, "t3.medium", 0)
    (file,) = json.loads(request["UserData"].partition("\n")[2])["write_files"]
    assert json.loads(file["content"])["home"] == said
    assert (len(request["BlockDeviceMappings"]) == 2) == (said == "new")
    assert all("SnapshotId" not in disk["Ebs"] for disk in request["BlockDeviceMappings"])


def test_a_backup_is_a_copy_beside_the_home_that_goes_with_the_instance() -> None:
    known = {"home_volume": "vol-0123456789abcdef0", "home_zone": A.zone}
    order = Order(worker="ada", profile=MEDIUM, image=IMAGE, backup=BACKUP, **known)
    request = run_request(order, SETTINGS, A, "t3.medium", 0)
    assert request["BlockDeviceMappings"][1:] == [
        {
            "DeviceName": "/dev/sdy",
            "Ebs": {
                "VolumeSize": 3,
                "VolumeType": "gp3",
                "Encrypted": True,
                "DeleteOnTermination": True,
                "SnapshotId": "snap-0123456789abcdef0",
            },
        }
    ]
    (file,) = json.loads(request["UserData"].partition("\n")[2])["write_files"]
    launch = json.loads(file["content"])
    assert (launch["home"], launch["home_volume"]) == ("existing-beside-backup", known["home_volume"])
    without = run_request(replace(order, backup=None), SETTINGS, A, "t3.medium", 0)
    assert "home_volume" not in without["UserData"]
    assert without["ClientToken"] != request["ClientToken"]


def test_without_a_home_of_its_own_there_is_no_backup() -> None:
    order = Order(worker="ada", profile=MEDIUM, image=IMAGE, backup=BACKUP)
    request = run_request(order, SETTINGS, A, "t3.medium", 0)
    assert [one["DeviceName"] for one in request["BlockDeviceMappings"]] == ["/dev/sda1", "/dev/sdf"]
    assert '\\"home\\": \\"new\\"' in request["UserData"]


def test_default_server_has_an_empty_server_tag() -> None:
    assert {"Key": "cloudjhub:server", "Value": ""} in worker_tags("ada", SETTINGS, "us-east-1a")


def tried(order: Order, **settings: Any) -> list[tuple[str, str]]:
    changed = replace(SETTINGS, **settings)
    found = requests_for(order, changed, [A, B])
    return [(one["InstanceType"], one["SubnetId"][-1]) for one in found]


def test_wished_type_is_tried_in_every_zone_before_another_type() -> None:
    found = tried(Order(worker="ada", profile=LARGE, image=IMAGE))
    assert [kind for kind, _ in found] == ["t3.large", "t3.large", "t3.medium", "t3.medium"]
    assert {zone for _, zone in found[:2]} == {"a", "b"}


def test_a_profile_is_launched_with_its_own_types_in_order_and_its_disk() -> None:
    profile = Profile(name="Big", types=("m7i.xlarge", "m7i.large"), disk=30)
    requests = requests_for(Order(worker="ada", profile=profile, image=IMAGE), SETTINGS, [A, B])
    assert [one["InstanceType"] for one in requests] == ["m7i.xlarge"] * 2 + ["m7i.large"] * 2
    assert {one["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] for one in requests} == {30}


def test_workers_are_launched_beside_the_manager_while_there_is_room() -> None:
    """The first subnet is in the manager's zone: what goes through the manager crosses no zone."""
    for number in range(20):
        found = tried(Order(worker=f"user{number}", profile=MEDIUM, image=IMAGE))
        assert [zone for _, zone in found[:2]] == ["a", "b"]


def test_old_home_disk_binds_to_its_zone_and_no_new_one_is_made() -> None:
    order = Order(
        worker="ada",
        profile=MEDIUM,
        image=IMAGE,
        previous="i-1",
        home_volume="vol-1",
        home_zone="us-east-1b",
    )
    assert {zone for _, zone in tried(order)} == {"b"}
    (disk,) = requests_for(order, SETTINGS, [A, B])[0]["BlockDeviceMappings"]
    assert disk["DeviceName"] == "/dev/sda1"


def test_no_home_disk_where_none_is_wanted() -> None:
    request = requests_for(ORDER, replace(SETTINGS, home_disk=0), [A])[0]
    assert len(request["BlockDeviceMappings"]) == 1


def test_token_differs_by_worker_place_type_previous_instance_and_generation() -> None:
    tokens = [one["ClientToken"] for one in requests_for(ORDER, SETTINGS, [A, B])]
    tokens += [
        run_request(replace(ORDER, worker="bob"), SETTINGS, A, "t3.medium", 0)["ClientToken"],
        run_request(replace(ORDER, previous="i-1"), SETTINGS, A, "t3.medium", 0)["ClientToken"],
        run_request(ORDER, SETTINGS, A, "t3.medium", 1)["ClientToken"],
    ]
    assert len(set(tokens)) == 7
