"""Backups of homes: which disks are marked for them, and when they are deleted."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bootstrap.aws.instances import tags_of
from bootstrap.cli.cluster import down
from bootstrap.cli.workers import terminate
from bootstrap.cluster import home_marks
from bootstrap.operations import removal
from lifecycle_app.model.worker import State
from tests.bootstrap.clusters import Built, built


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Built]:
    with built(monkeypatch, tmp_path) as made:
        yield made


def marked(cluster: Built) -> set[str]:
    """The disks that daily backups are made of."""
    found = cluster.ec2.describe_volumes()["Volumes"]
    return {one["VolumeId"] for one in found if tags_of(one).get("cloudjhub:backup") == "spring"}


def a_backup(cluster: Built, volume: str) -> str:
    """A snapshot with the disk's tags, as Data Lifecycle Manager makes it."""
    [disk] = cluster.ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    specification = {"ResourceType": "snapshot", "Tags": disk["Tags"]}
    made = cluster.ec2.create_snapshot(VolumeId=volume, TagSpecifications=[specification])  # type: ignore[list-item]
    return made["SnapshotId"]


def snapshots(cluster: Built) -> set[str]:
    """All of the account."""
    return {one["SnapshotId"] for one in cluster.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}


def test_homes_are_marked_and_root_disks_are_not(cluster: Built) -> None:
    alice, bob = cluster.worker("alice"), cluster.worker("bob", state=State.STOPPED)
    cluster.instance("stranger", cluster="other")
    home_marks.ensure(cluster.site)
    assert marked(cluster) == {alice.home_volume, bob.home_volume}
    home_marks.ensure(cluster.site)
    assert marked(cluster) == {alice.home_volume, bob.home_volume}


def test_without_backups_nothing_is_marked(cluster: Built) -> None:
    cluster.worker("alice")
    settings = cluster.site.settings
    workers = replace(settings.workers, backup_days=0)
    home_marks.ensure(replace(cluster.site, settings=replace(settings, workers=workers)))
    assert marked(cluster) == set()


def test_a_home_is_deleted_with_its_backups_and_no_other(cluster: Built) -> None:
    homes = {key: str(cluster.worker(key, state=State.STOPPED).home_volume) for key in ("alice", "bob")}
    before = snapshots(cluster)
    kept = a_backup(cluster, homes["bob"])
    a_backup(cluster, homes["alice"])
    shown = cluster.run(terminate, "alice", "--dry-run").output
    assert "its backups are kept" in shown
    output = cluster.run(terminate, "alice", "--with-home", typed="y\n").output
    assert f"DELETE its home disk {homes['alice']} with all its backups" in output
    assert "delete the home disks and their backups?" in output
    assert snapshots(cluster) - before == {kept}


def test_down_keeps_backups_and_says_so(cluster: Built) -> None:
    made = a_backup(cluster, str(cluster.worker("alice", state=State.STOPPED).home_volume))
    output = cluster.run(down, typed="spring\n").output
    assert made in snapshots(cluster)
    assert "home disks and their backups are kept" in output
    assert "kept: 1 backup of homes (alice 1): nothing deletes them any more" in output


def test_down_with_homes_deletes_their_backups(cluster: Built) -> None:
    home = str(cluster.worker("alice", state=State.STOPPED).home_volume)
    before = snapshots(cluster)
    a_backup(cluster, home)
    planned = removal.removals(cluster.site, with_homes=True)["workers"]
    assert (planned[-1].what, planned[-1].detail) == ("all backups of homes", "1 snapshots")
    removal.remove_workers(cluster.site, lambda _: None, with_homes=True)
    assert snapshots(cluster) == before
