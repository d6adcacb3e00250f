"""What is due before the hub opens its database: a restore, a backup before an update, an upgrade, or the way back."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hub.database import copies
from hub.database.archive import RESTORE, UPDATE, Archive, Backup, Request, request_of
from hub.database.schema import Age, Schema, version_of
from hub.errors import NOT_RESTORED, RESTORED, DatabaseUnusable

log = logging.getLogger(__name__)

NAME = "jupyterhub.sqlite"


@dataclass(frozen=True, slots=True)
class Notes:
    """What was done to the database so far, in a file beside it."""

    bundle: str = ""
    """The bundle whose hub used it last."""
    request: str = ""
    """The text of the request to restore that was dealt with last, whether it could be carried out or not."""
    upgraded_from: str = ""
    upgraded_to: str = ""
    """Versions of the last upgrade, before which a copy was put aside."""


@dataclass(frozen=True, slots=True)
class Place:
    """The directory of the database."""

    directory: Path

    @property
    def database(self) -> Path:
        """The hub's."""
        return self.directory / NAME

    @property
    def before_upgrade(self) -> Path:
        """As it was before the last upgrade of its schema: a hub that is rolled back needs it."""
        return self.directory / f"{NAME}.before-upgrade"

    @property
    def before_restore(self) -> Path:
        """What the last restored backup replaced."""
        return self.directory / f"{NAME}.before-restore"

    def notes(self) -> Notes:
        """Those of the file; empty ones where it cannot be read."""
        try:
            return Notes(**json.loads(self._notes.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return Notes()

    def write(self, notes: Notes) -> None:
        """Replace the notes. Raises DatabaseUnusable."""
        fresh = self._notes.with_name(f"{self._notes.name}.new")
        try:
            fresh.write_text(json.dumps(asdict(notes)), encoding="utf-8")
            fresh.replace(self._notes)
        except OSError as error:
            raise DatabaseUnusable(f"{self._notes} cannot be written: {error}") from error

    @property
    def _notes(self) -> Path:
        return self.directory / "database.json"


def wanted(text: str, notes: Notes, now: datetime) -> Request | None:
    """The operator's request to restore a backup, if it is still to be dealt with."""
    request = request_of(text) if text != notes.request else None
    return request if request and request.is_due(now) else None


def back_up(place: Place, archive: Archive, reason: str, now: datetime) -> Backup:
    """Keep the database as it is now. Raises DatabaseUnusable."""
    with TemporaryDirectory() as directory:
        copied, packed = Path(directory, "copy"), Path(directory, "packed")
        users = copies.copy(place.database, copied)
        copies.pack(copied, packed)
        backup = Backup(at=now.replace(microsecond=0), reason=reason, users=users)
        archive.put(packed, backup)
    return backup


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Prepares the database for a hub of this `bundle`; without an `archive` there are no backups."""

    place: Place
    bundle: str
    archive: Archive | None
    schema: Schema
    upgrade: Callable[[Path], None]
    now: datetime

    def prepare(self, request: str) -> None:
        """Do what is due. `request` is the operator's, to restore a backup; "" for none.

        Raises DatabaseUnusable where the hub must not use the database as it is.
        """
        notes = self._restored(request, self.place.notes())
        if self.place.database.exists():
            if notes.bundle != self.bundle and self.archive:
                self._back_up_before_update(self.archive)
            # Before the upgrade: a hub that cannot start, and is started again and again, makes one backup.
            notes = replace(notes, bundle=self.bundle)
            self.place.write(notes)
            notes = self._of_our_version(notes)
        self.place.write(replace(notes, bundle=self.bundle))

    def _restored(self, text: str, notes: Notes) -> Notes:
        """Carry out a request to restore. One that fails leaves the database as it is, and is not tried again."""
        request = wanted(text, notes, self.now)
        if request is None or self.archive is None:
            return notes
        notes = replace(notes, request=text)
        self.place.write(notes)
        try:
            self._restore(request.backup, self.archive)
        except DatabaseUnusable as error:
            log.error("%s: %s: %s", NOT_RESTORED, request.mark, error)
            return notes
        log.warning("%s: %s", RESTORED, request.mark)
        return replace(notes, upgraded_from="", upgraded_to="")

    def _restore(self, backup: Backup, archive: Archive) -> None:
        place = self.place
        fresh, packed = place.database.with_name(f"{NAME}.new"), place.database.with_name(f"{NAME}.gz")
        try:
            archive.get(backup, packed)
            copies.unpack(packed, fresh)
        finally:
            packed.unlink(missing_ok=True)
        if self.schema.age(version_of(fresh)) is Age.UNKNOWN:
            raise DatabaseUnusable(
                "it is of a newer JupyterHub: run `cloudjhub up` with the newer cloudJHub first"
            )
        if place.database.exists():
            try:
                back_up(place, archive, RESTORE, self.now)
            except DatabaseUnusable as error:
                log.warning("the replaced database is kept on this disk only: %s", error)
        copies.replace(place.database, fresh, place.before_restore)

    def _back_up_before_update(self, archive: Archive) -> None:
        try:
            back_up(self.place, archive, UPDATE, self.now)
        except DatabaseUnusable as error:
            raise DatabaseUnusable(
                f"JupyterHub's database is not backed up before the update: {error}"
            ) from error

    def _of_our_version(self, notes: Notes) -> Notes:
        """Upgrade an older database; put back the copy from before an upgrade where the newer hub is gone again."""
        place, version = self.place, version_of(self.place.database)
        match self.schema.age(version):
            case Age.CURRENT:
                return notes
            case Age.OLDER:
                copies.copy(place.database, place.before_upgrade)
                log.warning("JupyterHub's database is upgraded from %s to %s", version, self.schema.own)
                self._upgrade()
                return replace(notes, upgraded_from=str(version), upgraded_to=self.schema.own)
            case Age.UNKNOWN:
                self._go_back(version, notes)
                return replace(notes, upgraded_from="", upgraded_to="")

    def _upgrade(self) -> None:
        """All of the upgrade or none: SQLite's changes of tables are not undone where a later one fails."""
        try:
            self.upgrade(self.place.database)
        except DatabaseUnusable:
            copies.replace(self.place.database, self.place.before_upgrade)
            raise

    def _go_back(self, version: str | None, notes: Notes) -> None:
        place = self.place
        is_ours = self.schema.age(notes.upgraded_from or None) is not Age.UNKNOWN
        if version != notes.upgraded_to or not is_ours or not place.before_upgrade.exists():
            raise DatabaseUnusable(
                f"JupyterHub's database is of a newer JupyterHub (version {version}): run `cloudjhub up` with the newer"
                " cloudJHub, or restore a backup with `cloudjhub restore`"
            )
        log.warning("JupyterHub's database is put back as it was before its upgrade to %s", version)
        copies.replace(place.database, place.before_upgrade)
