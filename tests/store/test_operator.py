"""What the operator sees of a record that cannot be used: its machine, its home disk, and what to do."""

from pathlib import Path
from typing import Any

import boto3
import pytest

from bootstrap.aws import instances
from bootstrap.machines.image import images
from bootstrap.operations.health import checkup, findings
from bootstrap.operations.workers import renewal
from bootstrap.operations.workers.listing import BAD_RECORD, joined, listed_workers
from bootstrap.operations.workers.renewal import Verdict
from lifecycle_app.contract import TAG_CLUSTER, TAG_ROLE, TAG_USER
from lifecycle_app.errors import BadRecord
from tests.bootstrap.aws_in_process import emulated_aws, site_in
from tests.lifecycle.examples import HOUR, NOON, a_worker
from tests.shared.tables import create_tables
from tests.store.items import item_of

BAD = BadRecord("bob", "state is missing", "i-0b0b", "vol-1")


def an_instance(user: str, instance_id: str) -> dict[str, Any]:
    tags = {TAG_CLUSTER: "test", TAG_ROLE: "worker", TAG_USER: user}
    return {
        "InstanceId": instance_id,
        "State": {"Name": "running"},
        "LaunchTime": NOON - 3 * HOUR,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def test_its_machine_is_listed_as_one_of_which_nothing_is_known() -> None:
    alice = a_worker()
    there = [an_instance("alice", alice.instance_id), an_instance("bob", "i-0b0b")]
    rows = joined([alice], there, [], NOON, [BAD])
    assert [(row.key, row.instance_id, row.note) for row in rows] == [
        ("alice", alice.instance_id, ""),
        ("bob", "i-0b0b", BAD_RECORD),
    ]
    (row,) = joined([], [], [], NOON, [BAD])
    assert (row.key, row.instance_id, row.home_volume, row.note) == ("bob", "i-0b0b", "vol-1", BAD_RECORD)


def test_doctor_tells_it_once() -> None:
    rows = joined([], [an_instance("bob", "i-0b0b")], [], NOON, [BAD])
    assert findings.workers(rows, [], NOON + HOUR) == []
    assert findings.bad_records([BAD], "cloudjhub-test-workers") == [
        "the record of bob cannot be used: state is missing: put the item right in the table cloudjhub-test-workers, "
        "or delete it there, if EC2 still has its instance: then it is made anew within 15 minutes"
    ]


def test_doctor_reads_it_from_the_table_and_calls_no_home_of_it_free(tmp_path: Path) -> None:
    """A home disk that no record has may be deleted, says doctor; one of a bad record may not."""
    with emulated_aws():
        site = site_in(tmp_path)
        create_tables(site.cluster, site.aws.region)
        client: Any = boto3.client("dynamodb", region_name="us-east-1")
        volume = home_disk(site.aws.client("ec2"))
        item = {**item_of(a_worker(home_volume=volume)), "state": {"S": "on"}}
        client.put_item(TableName="cloudjhub-test-workers", Item=item)
        (line, *_) = checkup.CHECKS["workers"](site, NOON)
        assert line.startswith("the record of alice cannot be used: state is wrong: 'on' is not one of ")
        assert checkup.CHECKS["left behind"](site, NOON) == []
        assert [row.note for row in listed_workers(site, NOON)] == [BAD_RECORD]
        client.delete_item(TableName="cloudjhub-test-workers", Key={"worker": {"S": "alice"}})
        assert len(list(checkup.CHECKS["left behind"](site, NOON))) == 1


def home_disk(ec2: Any) -> str:
    tags = [{"Key": TAG_CLUSTER, "Value": "test"}, {"Key": TAG_ROLE, "Value": "worker"}]
    made = ec2.create_volume(
        AvailabilityZone="us-east-1a",
        Size=1,
        TagSpecifications=[{"ResourceType": "volume", "Tags": tags}],
    )
    return str(made["VolumeId"])


def test_renewing_leaves_it_and_goes_on_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class Store:
        def get(self, key: str) -> None:
            if key == "bob":
                raise BAD

    found = [{**an_instance(user, f"i-{user}"), "ImageId": "ami-old"} for user in ("alice", "bob")]
    monkeypatch.setattr(images, "current", lambda *_: "ami-new")
    monkeypatch.setattr(instances, "found_by_tags", lambda *_: found)
    site: Any = SiteStub()
    store: Any = Store()
    told = {one.key: one.verdict for one in renewal.aged(site, store)}
    assert told == {"alice": Verdict.UNRECORDED, "bob": Verdict.BAD_RECORD}


class SiteStub:
    aws, cluster = None, "test"
