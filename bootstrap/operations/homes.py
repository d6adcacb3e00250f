"""Home disks: which there are, and larger ones. The operator's only module that changes a volume."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from bootstrap.aws.errors import code_of
from bootstrap.aws.instances import tags_of, volumes_by_tags, worker_of
from bootstrap.aws.site import Site
from bootstrap.errors import Refused, SettingsError
from bootstrap.operations import home_backups
from bootstrap.operations.home_backups import Backup, lineage
from bootstrap.operations.workers.listing import ListedWorker
from hub.config.profiles import LARGEST_DISK
from lifecycle_app.contract import ROLE_WORKER, TAG_REPLACED

NOT_NOW = {
    "IncorrectModificationState": "its last change is not complete: try again in some hours",
    "VolumeModificationRateExceeded": "EC2 allows four changes in 24 hours, which it has had: try again later",
    "VolumeModificationSizeLimitExceeded": "the account's quota of storage being changed is used up: try again later",
}
"""Why EC2 changes no volume just now, and what to do."""


@dataclass(frozen=True, slots=True)
class Home:
    """A worker's home disk; `size` in GB, `state` is EC2's; `latest_backup` in ISO 8601, UTC."""

    key: str
    volume: str
    size: int
    state: str
    latest_backup: str | None = None


def homes(site: Site, workers: Sequence[ListedWorker]) -> list[Home]:
    """The home disks of these workers, by name. What EC2 does not list by the cluster's tags is left out."""
    found = {one["VolumeId"]: one for one in volumes_by_tags(site.aws, site.cluster, ROLE_WORKER)}
    backups = home_backups.every(site)
    return [
        _home(one.key, found[one.home_volume], backups)
        for one in sorted(workers, key=lambda one: one.key)
        if one.home_volume in found
    ]


def home_of(site: Site, workers: Sequence[ListedWorker], name: str) -> Home:
    """The home disk of the worker of that name. Raises SettingsError if there is none."""
    found = homes(site, [one for one in workers if one.key == name])
    if not found:
        raise SettingsError(f"{name} has no home disk: `cloudjhub homes list` shows all")
    return found[0]


def left_homes(
    volumes: Iterable[Mapping[str, Any]], recorded: Collection[str]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Free disks that no record has, in the order of their ids: by worker those that the hub attaches to its next
    machine; and those that a restored one has replaced, with that one's id. Pure.
    """
    left: dict[str, list[str]] = {}
    replaced: dict[str, str] = {}
    for one in sorted(volumes, key=lambda one: str(one["VolumeId"])):
        volume, tags = str(one["VolumeId"]), tags_of(one)
        if one["State"] != "available" or volume in recorded:
            continue
        if TAG_REPLACED in tags:
            replaced[volume] = tags[TAG_REPLACED]
        else:
            left.setdefault(worker_of(tags), []).append(volume)
    return left, replaced


def grow(site: Site, home: Home, size: int) -> None:
    """Grow a home disk to so many GB. Raises SettingsError for a size that it cannot have, Refused if not now."""
    if not home.size < size <= LARGEST_DISK:
        raise SettingsError(
            f"the home of {home.key} has {home.size} GB: give a size from {home.size + 1} to {LARGEST_DISK}."
            " A disk cannot become smaller"
        )
    try:
        site.aws.client("ec2").modify_volume(VolumeId=home.volume, Size=size)
    except ClientError as error:
        if (why := NOT_NOW.get(code_of(error))) is None:
            raise
        raise Refused(f"the home of {home.key} ({home.volume}) cannot grow now: {why}") from error


def _home(key: str, volume: Mapping[str, Any], backups: Mapping[str, Sequence[Backup]]) -> Home:
    of_home = home_backups.of_disks(lineage(volume["VolumeId"], tags_of(volume)), backups)
    latest = of_home[0].at.isoformat(timespec="minutes") if of_home else None
    return Home(key, volume["VolumeId"], int(volume["Size"]), str(volume["State"]), latest)
