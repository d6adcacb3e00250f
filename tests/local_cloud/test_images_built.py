"""The worker image, built, listed, chosen, renewed and removed against EC2's rules."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bootstrap.aws import instances, names, waiting
from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.cluster.steps.image import WorkerImage
from bootstrap.cluster.steps.step import Kind
from bootstrap.config.settings import ClusterSettings, Network, Workers
from bootstrap.errors import Refused, StepFailed
from bootstrap.machines import bundle
from bootstrap.machines.image import building, images
from bootstrap.machines.image.request import ROLE_BUILDER, launch_request
from bootstrap.operations.workers import renewal
from bootstrap.operations.workers.listing import store_of
from bootstrap.operations.workers.renewal import Verdict
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.model.messages import plain
from lifecycle_app.model.transitions import created, with_claim
from lifecycle_app.model.worker import Instance, State, Worker
from tests.local_cloud.cloud_process import IMAGE, KEY, REGION, SECRET, CloudProcess, EventSink
from tests.local_cloud.conftest import QUICK
from tests.shared.tables import create_tables
from tests.shared.waiting import until

HOME = {
    "DeviceName": "/dev/sdf",
    "Ebs": {"VolumeSize": 3, "VolumeType": "gp3", "DeleteOnTermination": False},
}
STEP = WorkerImage()
NUMBERS = count(1)
"""A cluster for each test, all in one cloud."""
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed(Site):
    """A site whose place needs no stack."""

    group: str

    def place(self) -> dict[str, str]:
        return {"WorkerGroup": self.group}


def utc_now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, events: EventSink) -> Iterator[CloudProcess]:
    process = CloudProcess(
        tmp_path_factory.mktemp("cloud") / "state", events.endpoint, *QUICK, "--image-time", "0.1"
    )
    process.build()
    yield process
    assert process.stop() == 0


@pytest.fixture
def site(cloud: CloudProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """What the steps before this one have built, in a VPC that exists."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setattr(waiting, "POLL_EVERY", 0.1)
    aws = Aws(REGION)
    network = Network(
        name="n",
        vpc="vpc-11111111",
        manager_subnet=cloud.subnets["a"],
        worker_subnets=(cloud.subnets["a"], cloud.subnets["b"]),
    )
    cluster = f"class{next(NUMBERS)}"
    settings = ClusterSettings(
        cluster=cluster,
        region=REGION,
        owner="Ada",
        network=network,
        workers=Workers(types=("t3.medium",), disk=9),
    )
    vpc = aws.client("ec2").describe_subnets(SubnetIds=[cloud.subnets["a"]])["Subnets"][0]["VpcId"]
    group = aws.client("ec2").create_security_group(GroupName=cluster, Description="workers", VpcId=vpc)
    site = Placed(settings=settings, aws=aws, directory=tmp_path / "state", group=group["GroupId"])
    role = names.role(site.cluster, "builder")
    iam = aws.client("iam")
    iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName=role)
    iam.add_role_to_instance_profile(InstanceProfileName=role, RoleName=role)
    packed, bucket = bundle.current(), names.bucket(site.cluster, aws)
    aws.client("s3").create_bucket(Bucket=bucket)
    aws.client("s3").put_object(Bucket=bucket, Key=packed.key, Body=packed.content)
    create_tables(site.cluster, REGION)
    return site


def with_packages(site: Site, *packages: str) -> Site:
    workers = replace(site.settings.workers, packages=packages)
    return replace(site, settings=replace(site.settings, workers=workers))


def builders(site: Site, *states: str) -> list[str]:
    found = instances.found_by_tags(site.aws, site.cluster, ROLE_BUILDER, states or instances.LIVE)
    return [one["InstanceId"] for one in found]


def applied(site: Site) -> str:
    said: list[str] = []
    STEP.apply(site, said.append)
    assert STEP.changes(site) == []
    chosen = images.current(site.aws, site.cluster)
    assert chosen is not None
    return chosen


def test_built_from_nothing_and_up_to_date_then(site: Site) -> None:
    [change] = STEP.changes(site)
    assert change.kind is Kind.CREATE
    chosen = applied(site)
    [image] = images.images(site.aws, site.cluster)
    assert (image.image, image.state) == (chosen, "available")
    assert image.versions["jupyterlab"] == "4.6.6"
    assert builders(site) == []
    [described] = site.aws.client("ec2").describe_images(ImageIds=[chosen])["Images"]
    assert described["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 9
    assert described["BlockDeviceMappings"][0]["Ebs"]["Encrypted"]
    assert applied(site) == chosen
    assert len(images.images(site.aws, site.cluster)) == 1


def test_a_changed_setting_makes_another_image_and_two_are_kept(site: Site) -> None:
    made = [applied(with_packages(site, name)) for name in ("numpy", "scipy", "pandas")]
    [change] = STEP.changes(site)
    assert change.kind is Kind.REPLACE
    assert len(set(made)) == 3
    assert {one.image for one in images.images(site.aws, site.cluster)} == set(made[1:])
    assert (
        len(site.aws.client("ec2").describe_snapshots(OwnerIds=["self"], Filters=tagged(site))["Snapshots"])
        == 2
    )
    # The one before the last is still there: going back builds nothing.
    assert applied(with_packages(site, "scipy")) == made[1]
    assert builders(site, *instances.LIVE) == []


def tagged(site: Site) -> list[Any]:
    return [
        {"Name": "tag:cloudjhub:cluster", "Values": [site.cluster]},
        {"Name": "tag:cloudjhub:role", "Values": ["image"]},
    ]


def test_an_image_in_use_is_kept_however_old(site: Site, cloud: CloudProcess) -> None:
    first = applied(with_packages(site, "numpy"))
    worker_of(site, cloud, first, "alice")
    for name in ("scipy", "pandas"):
        applied(with_packages(site, name))
    assert first in {one.image for one in images.images(site.aws, site.cluster)}


class Interrupt(BaseException):
    """Ctrl-C, a crash, the power."""


@pytest.mark.parametrize("at", ["sets itself up", "making image"])
def test_interrupted_it_is_completed_without_a_duplicate(site: Site, at: str) -> None:
    def tell(words: str) -> None:
        if at in words:
            raise Interrupt

    with pytest.raises(Interrupt):
        STEP.apply(site, tell)
    applied(site)
    assert len(images.images(site.aws, site.cluster)) == 1
    assert builders(site) == []


def test_a_builder_that_a_killed_run_left_goes_on(site: Site) -> None:
    made_of = building.wanted(site)
    request = launch_request(site.settings, made_of, site.network(), site.place()["WorkerGroup"])
    left = instances.launch(site.aws, request)
    assert instances.launch(site.aws, request) == left
    said: list[str] = []
    STEP.apply(site, said.append)
    assert any(left in words for words in said)
    assert builders(site, "terminated") == [left]


def test_a_builder_of_another_image_is_removed(site: Site) -> None:
    made_of = building.wanted(with_packages(site, "numpy"))
    request = launch_request(site.settings, made_of, site.network(), site.place()["WorkerGroup"])
    left = instances.launch(site.aws, request)
    applied(site)
    assert left in builders(site, "terminated")
    assert builders(site) == []


def test_a_builder_that_fails_is_terminated_and_its_console_kept(site: Site) -> None:
    bucket = names.bucket(site.cluster, site.aws)
    site.aws.client("s3").delete_object(Bucket=bucket, Key=bundle.current().key)
    with pytest.raises(StepFailed, match="could not be set up") as failure:
        STEP.apply(site, lambda _: None)
    log = site.directory / "image-console.log"
    assert str(log) in str(failure.value)
    assert "cloudjhub-image-failed: " in log.read_text()
    until(lambda: builders(site) == [], "the builder to end")
    assert images.images(site.aws, site.cluster) == []
    assert images.current(site.aws, site.cluster) is None


def test_a_builder_that_does_not_end_is_terminated(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "SET_UP_WITHIN", 0.0)
    with pytest.raises(StepFailed, match="is still"):
        STEP.apply(site, lambda _: None)
    until(lambda: builders(site) == [], "the builder to end")


def test_what_cannot_be_is_refused_before_anything_is_made(site: Site) -> None:
    def refusal(**changes: Any) -> str:
        workers = replace(site.settings.workers, **changes)
        with pytest.raises(Refused) as refused:
            STEP.apply(replace(site, settings=replace(site.settings, workers=workers)), print)
        return str(refused.value)

    assert "less than the 8 GB" in refusal(disk=7)
    assert "different architectures" in refusal(types=("t3.medium", "t4g.medium"))
    assert "no such AMI" in refusal(base="ami-00000000000000000")
    assert "is for x86_64" in refusal(base="ami-0cd0c0000000a0001", types=("t4g.medium",))
    assert "no such AMI" in refusal(image="ami-00000000000000000")
    assert builders(site, *instances.LIVE, "terminated") == []


def test_an_image_of_ones_own_is_used_as_it_is(site: Site) -> None:
    own = replace(site.settings.workers, image="ami-0cd0c0000000a0001")
    mine = replace(site, settings=replace(site.settings, workers=own))
    assert applied(mine) == "ami-0cd0c0000000a0001"
    assert builders(site, *instances.LIVE, "terminated") == []


def test_removed_nothing_is_left_but_what_is_anothers(site: Site, cloud: CloudProcess) -> None:
    chosen = applied(site)
    kept = cloud.client("ec2").create_image(
        InstanceId=worker_of(site, cloud, chosen, "eve"), Name=f"not of {site.cluster}"
    )
    STEP.remove(site, lambda _: None)
    assert STEP.removals(site) == []
    ec2 = site.aws.client("ec2")
    assert ec2.describe_images(ImageIds=[kept["ImageId"]])["Images"]
    assert ec2.describe_snapshots(OwnerIds=["self"], Filters=tagged(site))["Snapshots"] == []
    STEP.remove(site, lambda _: None)


def test_only_instances_of_the_cluster_are_ended(site: Site, cloud: CloudProcess) -> None:
    mine, other = worker_of(site, cloud, cloud_image(cloud), "alice"), cloud.run()["InstanceId"]
    with pytest.raises(Refused, match=other):
        instances.terminate(site.aws, [mine, other], site.cluster)
    ended = {"shutting-down", "terminated"}
    assert not ended & {cloud.instance(one)["state"] for one in (mine, other)}


def cloud_image(cloud: CloudProcess) -> str:
    """An image that was not built here."""
    return str(cloud.run()["ImageId"])


def worker_of(site: Site, cloud: CloudProcess, image: str, user: str, *disks: dict[str, Any]) -> str:
    """A stopped worker's instance."""
    tags = {"cloudjhub:cluster": site.cluster, "cloudjhub:role": "worker", "cloudjhub:user": user}
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    instance_id: str = cloud.run(
        ImageId=image,
        BlockDeviceMappings=list(disks),
        TagSpecifications=[{"ResourceType": "instance", "Tags": listed}],
    )["InstanceId"]
    cloud.await_state(instance_id, "running")
    cloud.client("ec2").stop_instances(InstanceIds=[instance_id])
    cloud.await_state(instance_id, "stopped")
    return instance_id


def recorded(site: Site, cloud: CloudProcess, store: WorkerStore, instance_id: str, user: str) -> Worker:
    volumes = cloud.instance(instance_id)["volumes"]
    instance = Instance(
        key=user, instance_id=instance_id, cluster=site.cluster, state=State.STOPPED, address=None,
        instance_type="t3.medium", zone=f"{REGION}a", home_volume=volumes.get("/dev/sdf"),
        launched_at=NOW,
    )  # fmt: skip
    return store.put(created(instance, NOW), NOW)


@pytest.fixture
def aged(site: Site, cloud: CloudProcess) -> tuple[WorkerStore, str, Worker]:
    """alice's stopped worker with a home disk, on an image that is not the newest."""
    store = store_of(site)
    instance_id = worker_of(site, cloud, IMAGE, "alice", HOME)
    worker = recorded(site, cloud, store, instance_id, "alice")
    applied(site)
    return store, instance_id, worker


def test_stopped_workers_take_the_new_image_and_keep_their_home(
    site: Site, cloud: CloudProcess, aged: tuple[WorkerStore, str, Worker]
) -> None:
    store, alice, worker = aged
    old = cloud.instance(alice)["image"]
    runs, rooted = worker_of(site, cloud, old, "bob", HOME), worker_of(site, cloud, old, "carol")
    unknown = worker_of(site, cloud, old, "dave", HOME)
    recorded(site, cloud, store, runs, "bob")
    recorded(site, cloud, store, rooted, "carol")
    cloud.client("ec2").start_instances(InstanceIds=[runs])
    done = renewal.renew(site, store, utc_now, lambda _: None)
    assert {one.key: one.verdict for one in done} == {
        "alice": Verdict.RENEW,
        "bob": Verdict.LATER,
        "carol": Verdict.NO_HOME_DISK,
        "dave": Verdict.UNRECORDED,
    }
    assert cloud.instance(alice)["state"] == "terminated"
    assert all(cloud.instance(one)["state"] != "terminated" for one in (runs, rooted, unknown))
    assert worker.home_volume is not None
    [home] = site.aws.client("ec2").describe_volumes(VolumeIds=[worker.home_volume])["Volumes"]
    assert home["State"] == "available"
    record = store.get("alice")
    assert record is not None
    assert (record.state, record.home_volume) == (State.TERMINATED, worker.home_volume)
    again = renewal.aged(site, store)
    assert [one.key for one in again] == ["bob", "carol", "dave"]


def test_what_is_up_to_date_is_left_alone(site: Site, cloud: CloudProcess) -> None:
    store, chosen = store_of(site), applied(site)
    recorded(site, cloud, store, worker_of(site, cloud, chosen, "alice", HOME), "alice")
    assert renewal.renew(site, store, utc_now, lambda _: None) == []


def changing(change: Callable[[], object], at: str) -> Callable[[str], None]:
    def tell(words: str) -> None:
        if at in words:
            change()

    return tell


def test_a_login_that_was_faster_keeps_its_machine(
    site: Site, cloud: CloudProcess, aged: tuple[WorkerStore, str, Worker]
) -> None:
    """The record says stopped still, but the hub has started the machine."""
    store, alice, worker = aged
    start = cloud.client("ec2").start_instances
    [one] = renewal.renew(site, store, utc_now, changing(lambda: start(InstanceIds=[alice]), "terminating"))
    assert one.verdict is Verdict.TAKEN
    cloud.await_state(alice, "running")
    record = store.get("alice")
    assert record is not None
    assert (record.state, record.claimed_until, record.message) == (State.STOPPED, None, worker.message)


def test_what_another_decides_about_is_left(
    site: Site, cloud: CloudProcess, aged: tuple[WorkerStore, str, Worker]
) -> None:
    store, alice, worker = aged
    claim = with_claim(worker, "forced", plain(""), utc_now())
    [one] = renewal.renew(site, store, utc_now, changing(lambda: store.put(claim, utc_now()), "terminating"))
    assert one.verdict is Verdict.TAKEN
    assert cloud.instance(alice)["state"] == "stopped"
    record = store.get("alice")
    assert record is not None
    assert record.claimed_until == claim.claimed_until


def test_a_login_waits_while_the_machine_goes(
    site: Site, cloud: CloudProcess, aged: tuple[WorkerStore, str, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From claim to end the record says `stopping` and claimed: a login waits, as for a stop."""
    store, alice, _ = aged
    seen: list[Worker | None] = []
    end = instances.end

    def watched(*given: Any, **more: Any) -> list[str]:
        seen.append(store.get("alice"))
        return end(*given, **more)

    monkeypatch.setattr(instances, "end", watched)
    renewal.renew(site, store, utc_now, lambda _: None)
    [record] = seen
    assert record is not None
    assert record.is_claimed(utc_now())
    assert cloud.instance(alice)["state"] == "terminated"


def test_who_was_held_up_after_the_claim_terminates_nothing(
    site: Site, cloud: CloudProcess, aged: tuple[WorkerStore, str, Worker]
) -> None:
    """A laptop that slept: by then the lease may be over and the machine in use."""
    store, alice, _ = aged
    times = iter([NOW, NOW + timedelta(minutes=1), NOW + timedelta(minutes=1)])
    [one] = renewal.renew(site, store, lambda: next(times), lambda _: None)
    assert one.verdict is Verdict.TAKEN
    assert cloud.instance(alice)["state"] == "stopped"
