"""Backups of a user's home that a new machine can show beside it: EBS snapshots of this very disk."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from hub.clients.calls import Calls, TokenBucket
from hub.config.profiles import LARGEST_DISK
from hub.config.settings import Settings
from hub.errors import StartError
from hub.spawn.launch_request import Backup
from lifecycle_app.contract import ROLE_WORKER, TAG_CLUSTER, TAG_ROLE, TAG_SERVER, TAG_USER
from lifecycle_app.model.worker import Worker, split

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

log = logging.getLogger(__name__)

MOST_READ = 1000
"""Snapshots of one disk that are read: a backup each day, and those that the operator makes."""
MOST_OFFERED = 14
FRESH = timedelta(minutes=1)
"""For how long a page shows what was read before."""
MOST_REMEMBERED = 1000


class Backups:
    """Reads from EC2 which backups a worker's home has."""

    def __init__(
        self, ec2: "EC2Client", calls: Calls, settings: Settings, pace: TokenBucket | None = None
    ) -> None:
        self._ec2 = ec2
        self._calls = calls
        self._settings = settings
        self._pace = pace or TokenBucket()
        self._read: dict[str, tuple[datetime, tuple[Backup, ...]]] = {}

    async def shown(self, worker: Worker, now: datetime) -> Sequence[Backup]:
        """The newest backups, for a page; none if EC2 cannot say."""
        volume = worker.home_volume
        if not volume:
            return ()
        read_at, found = self._read.get(volume, (None, ()))
        if read_at is None or now - read_at >= FRESH:
            try:
                found = await self.of(worker)
            except StartError as error:
                log.warning("%s: its backups cannot be read: %s", worker.key, error)
                return ()
            if len(self._read) >= MOST_REMEMBERED:
                self._read.clear()
            self._read[volume] = now, found
        return found[:MOST_OFFERED]

    async def chosen(self, worker: Worker | None, snapshot: str) -> Backup | None:
        """The backup that a user has chosen, if it is one of this worker's home. Raises StartError."""
        found = await self.of(worker) if worker and snapshot else ()
        return next((one for one in found if one.snapshot == snapshot), None)

    async def of(self, worker: Worker) -> tuple[Backup, ...]:
        """The backups of the home that the record names, the newest first. Raises StartError."""
        volume = worker.home_volume
        if not volume:
            return ()
        filters = [{"Name": "volume-id", "Values": [volume]}, {"Name": "status", "Values": ["completed"]}]

        def read() -> Any:
            return self._ec2.describe_snapshots(OwnerIds=["self"], Filters=filters, MaxResults=MOST_READ)  # type: ignore[arg-type]

        try:
            answer = await self._calls.call(f"DescribeSnapshots of {volume}", read, self._pace)
        except ClientError as error:
            raise StartError(
                "AWS does not say which backups your home has. Try again in a minute."
            ) from error
        return backups_in(answer["Snapshots"], worker, volume, self._settings.cluster)


def backups_in(
    described: Iterable[Mapping[str, Any]], worker: Worker, volume: str, cluster: str
) -> tuple[Backup, ...]:
    """Those of EC2's snapshots that are complete, of this disk, and by their tags this worker's; the newest first.
    Pure.
    """
    user, server = split(worker.key)
    wanted = {TAG_CLUSTER: cluster, TAG_ROLE: ROLE_WORKER, TAG_USER: user, TAG_SERVER: server}
    found = []
    for one in described:
        tags = {tag["Key"]: tag["Value"] for tag in one.get("Tags", ())}
        is_ours = one.get("VolumeId") == volume and one.get("State") == "completed"
        if is_ours and wanted.items() <= tags.items() and 0 < one.get("VolumeSize", 0) <= LARGEST_DISK:
            at = one["StartTime"].astimezone(UTC)
            found.append(Backup(snapshot=one["SnapshotId"], at=at, size=int(one["VolumeSize"])))
    return tuple(sorted(found, key=lambda one: one.at, reverse=True))
