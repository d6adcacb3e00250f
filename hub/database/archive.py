"""Backups of JupyterHub's database in the cluster's bucket, by their keys; the operator's request to restore one."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from hub.errors import DatabaseUnusable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX = "backup/"
"""Of the backups' keys. The manager's role may write below it, and nowhere else."""
KEPT = timedelta(days=14)
DAILY, UPDATE, RESTORE = "daily", "update", "restore"
REASONS = {
    DAILY: "daily",
    UPDATE: "before an update",
    RESTORE: "before another one was restored",
}
_FORM = "%Y-%m-%dT%H-%M-%SZ"
_KEY = re.compile(
    rf"{PREFIX}(\d{{4}}-\d\d-\d\dT\d\d-\d\d-\d\dZ)-({'|'.join(REASONS)})-(\d{{1,9}})\.sqlite\.gz"
)


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Backup:
    """A backup: when it was made (UTC, whole seconds), why (one of REASONS), and how many users are in it."""

    at: datetime
    reason: str
    users: int

    @property
    def key(self) -> str:
        """Its key in the bucket."""
        return f"{PREFIX}{self.at.astimezone(UTC):{_FORM}}-{self.reason}-{self.users}.sqlite.gz"


def backup_of(key: str) -> Backup | None:
    """The backup with this key; None for another object."""
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    try:
        at = datetime.strptime(match[1], _FORM).replace(tzinfo=UTC)
    except ValueError:
        return None
    return Backup(at=at, reason=match[2], users=int(match[3]))


@dataclass(frozen=True, slots=True)
class Archive:
    """The bucket of the cluster."""

    s3: "S3Client"
    bucket: str

    def put(self, packed: Path, backup: Backup) -> None:
        """Keep a packed copy. Raises DatabaseUnusable."""
        try:
            with packed.open("rb") as body:
                self.s3.put_object(Bucket=self.bucket, Key=backup.key, Body=body)
        except (ClientError, BotoCoreError, OSError) as error:
            raise DatabaseUnusable(f"it cannot be written to s3://{self.bucket}/{PREFIX}: {error}") from error

    def get(self, backup: Backup, packed: Path) -> None:
        """Fetch a packed copy. Raises DatabaseUnusable."""
        try:
            self.s3.download_file(self.bucket, backup.key, str(packed))
        except (ClientError, BotoCoreError, OSError) as error:
            raise DatabaseUnusable(f"s3://{self.bucket}/{backup.key} cannot be read: {error}") from error


LASTS = timedelta(hours=1)
"""How long a request counts: one that was forgotten must not undo the work of days at some later start."""
AHEAD = timedelta(minutes=5)
"""How far the operator's clock may be ahead of the hub's."""


@dataclass(frozen=True, slots=True)
class Request:
    """The operator's request to restore a backup, as it is in the settings table."""

    backup: Backup
    at: datetime

    @property
    def text(self) -> str:
        """As it is written. Two requests have different texts."""
        return json.dumps({"backup": self.backup.key, "at": self.at.isoformat()}, sort_keys=True)

    @property
    def mark(self) -> str:
        """What the hub's log says of it, by which no other request can be meant."""
        return f"{self.backup.key}, as requested at {self.at.isoformat()}"

    def is_due(self, now: datetime) -> bool:
        """Is it neither too old nor of the future?"""
        return -AHEAD <= now - self.at < LASTS


def request_of(text: str | None) -> Request | None:
    """The request in the settings table; None where there is none that can be read."""
    try:
        found = json.loads(text or "")
        backup, at = backup_of(found["backup"]), datetime.fromisoformat(found["at"])
    except (ValueError, TypeError, KeyError):
        return None
    return Request(backup, at) if backup and at.tzinfo else None
