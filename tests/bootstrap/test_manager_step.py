"""The manager from nothing to a hub that answers, in the local cloud: kept, resumed, replaced, started, removed."""

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import requests

from bootstrap.aws import instances, secrets
from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.cluster.monitoring import recovery
from bootstrap.cluster.steps.access import Access, Secrets
from bootstrap.cluster.steps.data import Data
from bootstrap.cluster.steps.image import BundleUpload
from bootstrap.cluster.steps.manager import ManagerMachine, _plan
from bootstrap.cluster.steps.network import NetworkStep
from bootstrap.cluster.steps.place import Place
from bootstrap.cluster.steps.step import Kind
from bootstrap.config.choices import Https
from bootstrap.config.settings import ClusterSettings, Login, Manager, Network, Timing, Workers
from bootstrap.errors import Interrupted, Refused, StepFailed
from bootstrap.local.cloud.hypervisor.manager import HELD
from bootstrap.machines import state_volume
from tests.local_cloud.cloud_process import ACCOUNT, KEY, NETWORK, SECRET, CloudProcess, EventSink
from tests.local_cloud.conftest import QUICK
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE, until

BASE = "ami-0ba5e000000000001"
MACHINE = [
    "{python}", "-m", "bootstrap.local.cloud.hypervisor.guest", "--root", "{root}", "--home", "{home}",
    "--instance-id", "{instance_id}", "--address", "{address}",
]  # fmt: skip


def quiet(_line: str) -> None:
    """Reports nothing."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    events = EventSink()
    process = CloudProcess(tmp_path_factory.mktemp("cloud") / "state", events.endpoint, *QUICK)
    process.control("POST", "images", {"image_id": BASE, "command": MACHINE})
    yield process
    process.stop()
    events.close()


@pytest.fixture(scope="module")
def site(cloud: CloudProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A cluster whose place is built, and whose manager is not there yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", cloud.endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        found = Site(settings=_settings(), aws=Aws("us-east-1"), directory=tmp_path_factory.mktemp("site"))
        assert found.aws.account == ACCOUNT
        for step in (NetworkStep(), Data(), Place(), Access(), Secrets(), BundleUpload()):
            step.apply(found, quiet)
        yield found


def _settings() -> ClusterSettings:
    return ClusterSettings(
        cluster="spring",
        region="us-east-1",
        owner="o",
        network=Network(
            name="n", cidr=IPv4Network(f"{NETWORK}.0.0/16"), zones=("us-east-1a", "us-east-1b")
        ),
        workers=Workers(image=BASE, types=("t3.medium",)),
        manager=Manager(
            type="t3.small", base=BASE, domain="127.0.0.1", port=free_port("127.0.0.1"), https=Https.NONE,
            private_address=f"{NETWORK}.0.10",
        ),
        login=Login(authenticator="shared-password", allow_all=True),
        timing=Timing(read_interval=timedelta(seconds=1)),
    )  # fmt: skip


STEP = ManagerMachine(timedelta(seconds=60))


def managers(site: Site) -> list[str]:
    return [one["InstanceId"] for one in instances.found_by_tags(site.aws, site.cluster, "manager")]


def volumes(site: Site) -> list[str]:
    return [one["VolumeId"] for one in state_volume.every(site.aws, site.cluster)]


def disk(site: Site, cloud: CloudProcess) -> Path:
    [volume] = volumes(site)
    return cloud.state_dir / "volumes" / volume


def hub_answers(site: Site) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{site.settings.manager.port}/hub/api/", timeout=PATIENCE).ok
    except requests.ConnectionError:
        return False


@pytest.fixture(scope="module")
def manager(site: Site) -> str:
    """The manager, built from nothing."""
    assert [change.kind for change in STEP.changes(site)] == [Kind.CREATE, Kind.CREATE]
    STEP.apply(site, quiet)
    [only] = managers(site)
    return only


def test_its_hub_answers_and_keeps_its_state_on_a_disk_of_its_own(
    site: Site, cloud: CloudProcess, manager: str
) -> None:
    assert hub_answers(site)
    described = cloud.described(manager)
    assert described["PrivateIpAddress"] == f"{NETWORK}.0.10"
    tags = instances.tags_of(described)
    assert tags["Name"] == "JUPYTER_HUB_us-east-1a_spring_MANAGER"
    assert tags["cloudjhub:cluster"] == "spring"
    assert (disk(site, cloud) / "hub/jupyterhub.sqlite").exists()
    assert recovery.is_as_wanted(site, manager)


def test_no_secret_is_in_its_user_data(site: Site, cloud: CloudProcess, manager: str) -> None:
    ssm, ec2 = site.aws.client("ssm"), cloud.client("ec2")
    told = ec2.describe_instance_attribute(InstanceId=manager, Attribute="userData")["UserData"]["Value"]
    text = b64decode(told).decode()
    for name in secrets.MAKERS:
        assert secrets.read(ssm, "spring", name) not in text


def test_once_more_changes_nothing(site: Site, manager: str) -> None:
    before = volumes(site)
    assert STEP.changes(site) == []
    STEP.apply(site, quiet)
    assert managers(site) == [manager]
    assert volumes(site) == before


def test_the_hub_is_started_again_and_held_down(site: Site, cloud: CloudProcess, manager: str) -> None:
    held = disk(site, cloud) / HELD
    held.touch()
    until(lambda: not hub_answers(site), "the hub to be down")
    [change] = STEP.changes(site)
    assert (change.kind, "its hub does not answer" in change.detail) == (Kind.CHANGE, True)
    with pytest.raises(
        StepFailed, match=r"does not answer at http://127\.0\.0\.1:\d+: it answers 50\d; the console of i-"
    ):
        ManagerMachine(timedelta(seconds=1)).apply(site, quiet)
    held.unlink()
    until(lambda: hub_answers(site), "the hub to be back")
    assert managers(site) == [manager]


def test_a_stopped_manager_is_started(site: Site, cloud: CloudProcess, manager: str) -> None:
    cloud.client("ec2").stop_instances(InstanceIds=[manager])
    cloud.await_state(manager, "stopped")
    assert [change.kind for change in STEP.changes(site)] == [Kind.CHANGE]
    STEP.apply(site, quiet)
    assert managers(site) == [manager]
    assert hub_answers(site)


def test_a_changed_secret_of_the_authenticator_is_a_replacement(site: Site, manager: str) -> None:
    """The hub reads it when it starts."""
    login = Login(authenticator="github", allow_all=True)
    other = replace(site, settings=replace(site.settings, login=login))
    ssm = site.aws.client("ssm")
    seen = []
    for value in ("one", "two"):
        secrets.put(ssm, site.cluster, "hub/client-secret", value)
        seen.append(_plan(other, volumes(site)[0], "").content)
    assert len(set(seen)) == 2


def test_an_interrupted_replacement_is_completed_without_a_second_manager(
    site: Site, cloud: CloudProcess, manager: str
) -> None:
    """The new one gets the old one's address and disk."""
    other = replace(site, settings=replace(site.settings, owner="another owner"))
    [change] = STEP.changes(other)
    assert (change.kind, "no worker stops" in change.detail) == (Kind.REPLACE, True)
    disk_before = volumes(site)
    (disk(site, cloud) / "hub/witness").touch()

    def interrupted(line: str) -> None:
        if line.startswith("launching"):
            raise Interrupted("Ctrl-C")

    with pytest.raises(Interrupted):
        STEP.apply(other, interrupted)
    assert managers(other) == []
    STEP.apply(other, quiet)
    [new] = managers(other)
    assert new != manager
    assert volumes(other) == disk_before
    assert (disk(other, cloud) / "hub/witness").exists()
    assert cloud.described(new)["PrivateIpAddress"] == f"{NETWORK}.0.10"
    assert hub_answers(other)
    assert STEP.changes(other) == []


def test_two_state_disks_are_one_too_many(site: Site, cloud: CloudProcess, manager: str) -> None:
    tags = [
        {"Key": "cloudjhub:cluster", "Value": "spring"},
        {"Key": "cloudjhub:role", "Value": "manager-state"},
    ]
    second = cloud.client("ec2").create_volume(
        AvailabilityZone="us-east-1a", Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": tags}]
    )["VolumeId"]
    with pytest.raises(Refused, match="several state disks"):
        STEP.apply(site, quiet)
    cloud.client("ec2").delete_volume(VolumeId=second)


def test_removed_it_leaves_nothing(site: Site, cloud: CloudProcess, manager: str) -> None:
    assert [change.kind for change in STEP.removals(site)] == [Kind.REMOVE] * 4  # machine, disk, two alarms
    STEP.remove(site, quiet)
    assert (managers(site), volumes(site)) == ([], [])
    STEP.remove(site, quiet)
    assert STEP.removals(site) == []
