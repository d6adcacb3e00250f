"""Backups of homes: which disks are marked, how a home is restored, interrupted or not, when backups are deleted."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from bootstrap.aws.instances import tags_of
from bootstrap.cli.cluster import down
from bootstrap.cli.homes import homes
from bootstrap.cli.workers import terminate
from bootstrap.cluster import home_marks
from bootstrap.errors import BootstrapError, Refused, SettingsError, StepFailed
from bootstrap.operations import home_restore, removal
from lifecycle_app.model.worker import State
from tests.bootstrap.clusters import NOW, Built, built


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


def test_a_restored_home_is_encrypted_with_the_institutions_key(cluster: Built) -> None:
    """Not with that of the disk that the backup is of."""
    key = str(boto3.client("kms").create_key()["KeyMetadata"]["Arn"])
    settings = replace(cluster.site.settings, kms_key=key)
    old, _ = stopped_with_backup(cluster)
    site = replace(cluster.site, settings=settings)
    restore = home_restore.plan(site, "alice", "latest", NOW)
    new = home_restore.carry_out(site, restore, lambda: NOW, lambda _: None)
    assert (disk(cluster, new)["Encrypted"], disk(cluster, new)["KmsKeyId"]) == (True, key)
    assert disk(cluster, old).get("KmsKeyId") != key


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


def stopped_with_backup(cluster: Built, key: str = "alice") -> tuple[str, str]:
    """A stopped worker's home disk, and a backup of it."""
    home = str(cluster.worker(key, state=State.STOPPED).home_volume)
    home_marks.ensure(cluster.site)
    return home, a_backup(cluster, home)


def home(cluster: Built, key: str = "alice") -> str:
    found = cluster.store.get(key)
    assert found is not None
    return str(found.home_volume)


def disk(cluster: Built, volume: str) -> Any:
    return cluster.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]


def is_restored(cluster: Built, old: str, snapshot: str) -> bool:
    """Has the record a disk made of the snapshot, marked for backups, and is the old one kept and tagged with it?"""
    new = home(cluster)
    tags = tags_of(disk(cluster, new))
    return (
        disk(cluster, new)["SnapshotId"] == snapshot
        and tags.get("cloudjhub:backup") == "spring"
        and tags.get("cloudjhub:replaces") == old
        and (tags["cloudjhub:user"], tags["cloudjhub:role"]) == ("alice", "worker")
        and tags_of(disk(cluster, old)).get("cloudjhub:replaced-by") == new
    )


def made_of(cluster: Built, snapshot: str) -> list[str]:
    return [
        one["VolumeId"]
        for one in cluster.ec2.describe_volumes()["Volumes"]
        if one.get("SnapshotId") == snapshot
    ]


def test_a_home_is_backed_up_listed_and_restored_with_the_old_disk_kept(cluster: Built) -> None:
    machine = cluster.worker("alice", state=State.STOPPED)
    old = str(machine.home_volume)
    assert "dry run" in cluster.run(homes, "backup", "alice", "--dry-run").output
    made = json.loads(cluster.run(homes, "backup", "alice", "--json").stdout)
    snapshot = made["snapshot"]
    tags = tags_of(cluster.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0])
    assert (tags["cloudjhub:user"], tags["cloudjhub:cluster"]) == ("alice", "spring")
    [row] = json.loads(cluster.run(homes, "list", "--json").output)
    [listed] = json.loads(cluster.run(homes, "restore", "alice", "--json").output)
    assert (listed["snapshot"], listed["volume"]) == (snapshot, old)
    assert row["latest_backup"][:16] == listed["at"][:16]

    shown = cluster.run(homes, "restore", "alice", "--at", "latest", "--dry-run").output
    assert f"terminates its machine {machine.instance_id}" in shown
    assert home(cluster) == old
    output = cluster.run(homes, "restore", "alice", "--at", "latest", "--yes").output
    assert is_restored(cluster, old, snapshot)
    assert f"the disk that it was on, {old}, is kept" in output
    assert cluster.states() == {machine.instance_id: "terminated"}
    found = cluster.store.get("alice")
    assert found is not None
    assert (found.state, found.home_attached) == (State.TERMINATED, True)

    # And again, from the same backup, which is of a former disk now: each disk is kept.
    newer = home(cluster)
    cluster.run(homes, "restore", "alice", "--at", "latest", "--yes")
    assert tags_of(disk(cluster, home(cluster)))["cloudjhub:replaces"] == f"{newer} {old}"
    assert tags_of(disk(cluster, newer))["cloudjhub:replaced-by"] == home(cluster)


def test_a_home_whose_disk_is_lost_is_restored(cluster: Built) -> None:
    old, snapshot = stopped_with_backup(cluster)
    cluster.run(terminate, "alice", "--yes")
    cluster.ec2.delete_volume(VolumeId=old)
    output = cluster.run(homes, "restore", "alice", "--at", "latest", "--yes").output
    assert f"its disk {old} is gone" in output
    assert made_of(cluster, snapshot) == [home(cluster)]


def test_the_next_user_of_a_name_gets_none_of_the_backups_of_the_one_before(cluster: Built) -> None:
    """Whose home was moved: the backups go with the disk."""
    _, snapshot = stopped_with_backup(cluster)
    cluster.run(homes, "move", "alice", "adele", "--yes")
    former = cluster.store.get("alice")
    assert former is not None
    another = cluster.home_of(cluster.instance("alice", stopped=True))
    cluster.store.put(replace(former, home_volume=another), NOW)
    with pytest.raises(Refused, match="alice has no complete backup"):
        cluster.run(homes, "restore", "alice", "--at", "latest", "--yes")
    cluster.run(homes, "restore", "adele", "--at", "latest", "--yes")
    assert made_of(cluster, snapshot) == [home(cluster, "adele")]


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["terminate", "make_disk", "await_disk", "change_home", "complete_tags"])
@pytest.mark.parametrize("later", ["the same", "another backup"])
def test_an_interrupted_restore_is_completed_by_the_same_command(
    later: str, step: str, when: str, cluster: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, snapshot = stopped_with_backup(cluster)
    act: Callable[..., Any] = getattr(home_restore, step)

    def interrupted(*given: Any, **more: Any) -> None:
        if when == "after":
            act(*given, **more)
        raise Interrupted

    monkeypatch.setattr(home_restore, step, interrupted)
    cluster.run(homes, "restore", "alice", "--at", "latest", "--yes")
    assert disk(cluster, old)
    assert disk(cluster, home(cluster)), "the record names a disk that is there"
    monkeypatch.setattr(home_restore, step, act)
    if later == "another backup" and home(cluster) == old:
        snapshot = a_backup(cluster, old)
        backups = {
            one.snapshot: one.at.isoformat() for one in home_restore.backups_of(cluster.site, "alice", NOW)
        }
        monkeypatch.setattr(
            home_restore, "chosen", lambda found, _: next(o for o in found if o.snapshot == snapshot)
        )
        assert snapshot in backups
    if not (home(cluster) != old and is_restored(cluster, old, snapshot)):
        cluster.run(homes, "restore", "alice", "--at", "latest", "--yes")
    assert is_restored(cluster, old, snapshot)
    unused = [
        one["VolumeId"]
        for one in cluster.ec2.describe_volumes()["Volumes"]
        if "cloudjhub:replaces" in tags_of(one) and one["VolumeId"] != home(cluster)
    ]
    assert unused == [], "nothing half-made is left"


def test_a_login_that_is_faster_keeps_its_files(cluster: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    old, snapshot = stopped_with_backup(cluster)
    ready = home_restore.await_disk

    def log_in(site: Any, volume: str) -> None:
        ready(site, volume)
        cluster.instance("alice")

    monkeypatch.setattr(home_restore, "await_disk", log_in)
    with pytest.raises(StepFailed, match="alice logged in meanwhile: nothing was restored"):
        cluster.run(homes, "restore", "alice", "--at", "latest", "--yes")
    assert (home(cluster), made_of(cluster, snapshot)) == (old, [])


@pytest.mark.parametrize(
    ("name", "at", "error", "why"),
    [
        ("runs", "latest", Refused, "runs is running: `cloudjhub workers stop runs` first"),
        ("bare", "latest", Refused, "bare has no complete backup"),
        ("stranger", "latest", SettingsError, "stranger has no home disk"),
        ("alice", "yesterday", SettingsError, "'yesterday' is not a time: write latest, a day like"),
        ("alice", "2020-01-01", SettingsError, "there is no backup of 2020-01-01: the nearest is of 20"),
        (
            "alice",
            "2020-01-01T08:00",
            SettingsError,
            "there is no backup until 2020-01-01T08:00: the nearest is",
        ),
    ],
)
def test_what_cannot_be_restored_is_refused_before_anything_is_done(
    name: str, at: str, error: type[BootstrapError], why: str, cluster: Built
) -> None:
    stopped_with_backup(cluster)
    cluster.worker("bare", state=State.STOPPED)
    a_backup(cluster, str(cluster.worker("runs").home_volume))
    before, records, disks = (
        cluster.states(),
        cluster.store.all_workers(),
        cluster.ec2.describe_volumes()["Volumes"],
    )
    with pytest.raises(error, match=why):
        cluster.run(homes, "restore", name, "--at", at, "--yes")
    assert (cluster.states(), cluster.store.all_workers()) == (before, records)
    assert cluster.ec2.describe_volumes()["Volumes"] == disks


def test_a_restore_asks_first(cluster: Built) -> None:
    old, _ = stopped_with_backup(cluster)
    cluster.run(homes, "restore", "alice", "--at", "latest", typed="n\n")
    assert home(cluster) == old


def test_a_home_that_was_restored_is_deleted_with_its_former_disks_and_all_backups(cluster: Built) -> None:
    old, made = stopped_with_backup(cluster)
    before = snapshots(cluster) - {made}
    cluster.run(homes, "restore", "alice", "--at", "latest", "--yes")
    new = home(cluster)
    cluster.run(homes, "backup", "alice")
    cluster.run(terminate, "alice", "--with-home", "--yes")
    assert not {old, new} & {one["VolumeId"] for one in cluster.ec2.describe_volumes()["Volumes"]}
    assert snapshots(cluster) == before
