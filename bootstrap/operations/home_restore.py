"""Restoring a home from a backup, in the place of its disk, which is kept.

The machine is terminated, as `workers terminate` does it. Then a disk is made of the backup, then the record gets it,
and then the old disk's tags name it. At each moment the record names one whole disk. Where this was interrupted, the
same command goes on: it takes or deletes the disk that was made for nothing, and completes the tags.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import WaiterError

from bootstrap.aws import instances
from bootstrap.aws.instances import tags_of, volumes_by_tags
from bootstrap.aws.site import Site
from bootstrap.aws.tags import listed
from bootstrap.aws.waiting import Report
from bootstrap.errors import Refused, SettingsError, StepFailed
from bootstrap.operations import home_backups
from bootstrap.operations.backups import chosen
from bootstrap.operations.home_backups import Backup, lineage
from bootstrap.operations.workers.listing import ListedWorker, listed_workers, store_of
from bootstrap.operations.workers.termination import change_record, terminate
from hub.spawn.launch_request import encrypted
from lifecycle_app.contract import (
    ROLE_WORKER,
    TAG_BACKUP,
    TAG_CLUSTER,
    TAG_REPLACED,
    TAG_REPLACES,
    TAG_ROLE,
    TAG_SERVER,
    TAG_USER,
)
from lifecycle_app.model.worker import State, Worker, split

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import VolumeTypeDef

DOWN = (State.STOPPED, State.TERMINATED)
DISKS_NAMED = 10
"""How many former disks a restored one names: a tag's value has 256 characters."""
PACE = {"Delay": 2, "MaxAttempts": 150}
"""Of waiting for a new disk: seconds, and how often."""

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """What a restore does: the home `old` of a worker is replaced by a disk made of the backup."""

    worker: ListedWorker
    backup: Backup
    old: str
    size: int
    """GB of the new disk: at least that of the old one."""
    former: tuple[str, ...]
    """The disks that the new one replaces, `old` first."""
    tags: Mapping[str, str]
    is_there: bool = True
    """Is the old disk?"""
    made: str = ""
    """The disk that an interrupted restore has made of this backup."""
    unfinished: tuple[str, ...] = ()
    """Disks that interrupted restores have made of other backups."""
    restored: str = ""
    """The disk that the record has already, where only the last tags are missing."""


def planned(
    name: str,
    at: str,
    workers: Sequence[ListedWorker],
    volumes: "Sequence[VolumeTypeDef]",
    backups: Mapping[str, Sequence[Backup]],
) -> Restore:
    """What a restore does. Pure. Raises SettingsError for what is not there, Refused if it cannot be done now."""
    row = home_row(name, workers)
    if row.instance_id and row.state not in DOWN:
        raise Refused(f"{name} is {row.state}: `cloudjhub workers stop {name}` first. Nothing was restored")
    by_id = {one["VolumeId"]: one for one in volumes}
    volume, disk = str(row.home_volume), by_id.get(str(row.home_volume))
    tags = tags_of(disk) if disk else {}
    backup = chosen(of_home(name, volume, tags, backups), at)
    wanted = Restore(
        worker=row,
        backup=backup,
        old=volume,
        size=max(backup.size, disk["Size"] if disk else 0),
        former=tuple(lineage(volume, tags)[:DISKS_NAMED]),
        tags=tags,
        is_there=disk is not None,
    )
    if disk and _lacks_last_tags(disk, backup, by_id):
        return replace(wanted, old=wanted.former[1], restored=volume)
    begun = _begun(volume, workers, volumes)
    made = [one["VolumeId"] for one in begun if one.get("SnapshotId") == backup.snapshot]
    others = [one["VolumeId"] for one in begun if one["VolumeId"] not in made[:1]]
    return replace(wanted, made=made[0] if made else "", unfinished=tuple(others))


def home_row(name: str, workers: Sequence[ListedWorker]) -> ListedWorker:
    """The worker of that name, which has a home disk by its record. Raises SettingsError if there is none."""
    for one in workers:
        if one.key == name and one.home_volume:
            return one
    raise SettingsError(f"{name} has no home disk: `cloudjhub homes list` shows all")


def of_home(
    name: str, volume: str, tags: Mapping[str, str], backups: Mapping[str, Sequence[Backup]]
) -> list[Backup]:
    """The backups that a home can be restored from, the newest first. Raises Refused without one."""
    found = home_backups.of_disks(lineage(volume, tags), backups)
    if not found:
        raise Refused(
            f"{name} has no complete backup: they are made each night if `workers.backup_days` is not 0, and by "
            f"`cloudjhub homes backup {name}`"
        )
    return found


def _lacks_last_tags(disk: "VolumeTypeDef", backup: Backup, by_id: "Mapping[str, VolumeTypeDef]") -> bool:
    """Was the home restored from this backup, and interrupted before the former disk's tags say so?"""
    former = lineage(disk["VolumeId"], tags_of(disk))[1:2]
    return (
        disk.get("SnapshotId") == backup.snapshot
        and bool(former)
        and former[0] in by_id
        and TAG_REPLACED not in tags_of(by_id[former[0]])
    )


def _begun(
    volume: str, workers: Sequence[ListedWorker], volumes: "Sequence[VolumeTypeDef]"
) -> "list[VolumeTypeDef]":
    """Disks that interrupted restores have made in the place of this one: no record has them, no machine uses them."""
    known = {one.home_volume for one in workers}
    return [
        one
        for one in volumes
        if one["VolumeId"] not in known
        and not one.get("Attachments")
        and tags_of(one).get(TAG_REPLACES, "").split()[:1] == [volume]
        and TAG_REPLACED not in tags_of(one)
    ]


def backups_of(site: Site, name: str, now: datetime) -> list[Backup]:
    """The backups that a home can be restored from, the newest first. Raises SettingsError, Refused."""
    volume = str(home_row(name, listed_workers(site, now)).home_volume)
    disks = {one["VolumeId"]: one for one in volumes_by_tags(site.aws, site.cluster, ROLE_WORKER)}
    tags = tags_of(disks[volume]) if volume in disks else {}
    return of_home(name, volume, tags, home_backups.every(site))


def plan(site: Site, name: str, at: str, now: datetime) -> Restore:
    """What a restore would do now. Raises as `planned`."""
    volumes = volumes_by_tags(site.aws, site.cluster, ROLE_WORKER)
    return planned(name, at, listed_workers(site, now), volumes, home_backups.every(site))


def carry_out(site: Site, wanted: Restore, clock: Clock, report: Report) -> str:
    """Restore the home; the new disk. Raises StepFailed if the user logs in meanwhile: then all is as it was."""
    new = wanted.restored
    if not new:
        terminate(site, [wanted.worker], clock, report, with_home=False)
        for one in wanted.unfinished:
            report(f"deleting {one}, of a restore that was interrupted")
            instances.delete_volume(site.aws, one)
        new = wanted.made or make_disk(site, wanted, report)
        await_disk(site, new)
        change_home(site, wanted, new, clock)
    complete_tags(site, wanted, new)
    return new


def make_disk(site: Site, wanted: Restore, report: Report) -> str:
    """A disk made of the backup, which no record has yet."""
    report(f"making a disk of {wanted.backup.snapshot}")
    worker = store_of(site).get(wanted.worker.key)
    zone = worker.zone if worker else ""
    specification: Any = {"ResourceType": "volume", "Tags": listed(_tags_of_new(site, wanted))}
    made = site.aws.client("ec2").create_volume(
        AvailabilityZone=zone,
        SnapshotId=wanted.backup.snapshot,
        Size=wanted.size,
        VolumeType="gp3",
        **encrypted(site.settings.kms_key),
        TagSpecifications=[specification],
    )
    return made["VolumeId"]


def _tags_of_new(site: Site, wanted: Restore) -> dict[str, str]:
    """Those of the old disk, the institution's too; not yet the mark for backups."""
    user, server = split(wanted.worker.key)
    kept = {key: value for key, value in wanted.tags.items() if not key.startswith(("aws:", "cloudjhub:"))}
    own = {TAG_CLUSTER: site.cluster, TAG_ROLE: ROLE_WORKER, TAG_USER: user, TAG_SERVER: server}
    return {**site.settings.tags, **kept, **own, TAG_REPLACES: " ".join(wanted.former)}


def await_disk(site: Site, volume: str) -> None:
    """Wait until a new disk can be attached. Raises StepFailed if it never can."""
    try:
        site.aws.client("ec2").get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig=PACE)  # type: ignore[arg-type]
    except WaiterError as error:
        raise StepFailed(f"the disk {volume} is not available: {error}. Run the command again") from error


def change_home(site: Site, wanted: Restore, new: str, clock: Clock) -> None:
    """Give the record the new disk. A login that was faster keeps the old one; then the new one is deleted."""
    key, store = wanted.worker.key, store_of(site)

    def step(worker: Worker) -> Worker:
        if worker.home_volume != wanted.old or worker.state is not State.TERMINATED:
            return worker
        return replace(worker, home_volume=new, home_attached=True)

    if not _has_machine(site, key):
        change_record(store, key, step, clock())
    after = store.get(key)
    if after is None or after.home_volume != new:
        instances.delete_volume(site.aws, new)
        raise StepFailed(f"{key} logged in meanwhile: nothing was restored. Stop the machine and try again")


def _has_machine(site: Site, key: str) -> bool:
    """Has the hub launched a machine that the record does not have yet?"""
    found = instances.found_by_tags(site.aws, site.cluster, ROLE_WORKER)
    return any(
        (tags_of(one).get(TAG_USER, ""), tags_of(one).get(TAG_SERVER, "")) == split(key) for one in found
    )


def complete_tags(site: Site, wanted: Restore, new: str) -> None:
    """Backups are made of the new disk, too; and the old one's tags say what has replaced it."""
    ec2 = site.aws.client("ec2")
    mark: Any = listed({TAG_BACKUP: site.cluster})
    replaced: Any = listed({TAG_REPLACED: new})
    ec2.create_tags(Resources=[new], Tags=mark)
    if wanted.is_there:
        ec2.create_tags(Resources=[wanted.old], Tags=replaced)
