"""JupyterHub's database as a file: copied while it is written, kept in the bucket, upgraded, put back, restored."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import alembic.command
import boto3
import pytest
from alembic.config import Config
from jupyterhub import dbutil, orm
from moto import mock_aws
from sqlalchemy.orm import Session

from hub.database import __main__ as daily
from hub.database import copies, schema
from hub.database.archive import (
    AHEAD,
    DAILY,
    LASTS,
    RESTORE,
    UPDATE,
    Archive,
    Backup,
    Request,
    backup_of,
    request_of,
)
from hub.database.preparation import Notes, Place, Preparation, back_up, wanted
from hub.database.schema import Age, Schema, version_of
from hub.errors import DatabaseUnusable

NOW = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)
BUCKET, REGION = "cloudjhub-spring-123456789012-us-east-1", "us-east-1"
OWN = schema.of_this_hub()


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        s3 = boto3.client("s3", region_name=REGION)
        s3.create_bucket(Bucket=BUCKET)
        yield Archive(s3, BUCKET)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """With the database of a JupyterHub with one user."""
    place = Place(tmp_path)
    with opened(place) as session:
        session.add(orm.User(name="ann"))
        session.commit()
    return place


@contextmanager
def opened(place: Place) -> Iterator[Session]:
    """The database as JupyterHub opens it, which checks its version."""
    session = orm.new_session_factory(f"sqlite:///{place.database}")()
    yield session
    session.close()
    session.get_bind().dispose()


def preparation(place: Place, archive: Archive | None, **changes: Any) -> Preparation:
    right = Preparation(
        place=place, bundle="bundle/1", archive=archive, schema=OWN, upgrade=schema.upgrade, now=NOW
    )
    return replace(right, **changes)


def users(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM users ORDER BY name")]


ADD_USER = (
    "INSERT INTO users (name, cookie_id, admin, created) SELECT n, n, 0, '2026-11-30' FROM (SELECT ? AS n)"
)
SET_VERSION = "UPDATE alembic_version SET version_num = ?"
NEWER = "f00f00f00f00"


def make_older(place: Place) -> str:
    """Take back JupyterHub's last change of the tables; the version that the database has now."""
    with TemporaryDirectory() as directory:
        file = Path(directory, "alembic.ini")
        dbutil.write_alembic_ini(str(file), f"sqlite:///{place.database}")
        alembic.command.downgrade(Config(str(file)), "-1")
    version = version_of(place.database)
    assert OWN.age(version) is Age.OLDER
    return str(version)


def run(place: Place, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(place.database)) as connection:
        connection.execute(statement, values)
        connection.commit()


def kept(archive: Archive) -> list[Backup]:
    found = archive.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return sorted(backup for one in found if (backup := backup_of(one["Key"])))


@pytest.mark.parametrize(
    "key",
    [
        "backup/2026-11-30T12-00-00Z-daily-0.sqlite.gz",
        "backup/2026-11-30T12-00-00Z-update-34.sqlite.gz",
        "backup/2026-11-30T12-00-00Z-restore-999999999.sqlite.gz",
    ],
)
def test_a_backup_has_its_facts_in_its_key(key: str) -> None:
    backup = backup_of(key)
    assert backup is not None
    assert (backup.at, backup.key) == (NOW, key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "bundle/1.tar.gz",
        "backup/2026-11-30T12-00-00Z-weekly-3.sqlite.gz",
        "backup/2026-11-31T12-00-00Z-daily-3.sqlite.gz",
        "backup/2026-11-30T12-00-00Z-daily-3.sqlite.gz.part",
        "backup/2026-11-30T12-00-00Z-daily-1234567890.sqlite.gz",
    ],
)
def test_another_object_is_no_backup(key: str) -> None:
    assert backup_of(key) is None


def test_a_copy_is_of_one_moment_while_the_hub_writes(place: Place, tmp_path: Path) -> None:
    """What is committed into the write-ahead log is in it, and what another connection has open is not."""
    with closing(sqlite3.connect(place.database)) as hub:
        hub.execute("PRAGMA journal_mode=WAL")
        hub.execute(ADD_USER, ["ben"])
        hub.commit()
        hub.execute(ADD_USER, ["cleo"])
        assert copies.copy(place.database, tmp_path / "copy") == 2
        hub.rollback()
    assert users(tmp_path / "copy") == ["ann", "ben"]
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith("copy")] == ["copy"]


@pytest.mark.parametrize("content", [b"", b"not a database" * 100])
def test_a_file_that_is_no_database_is_not_kept(content: bytes, archive: Archive, tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.database.write_bytes(content)
    with pytest.raises(DatabaseUnusable):
        back_up(place, archive, DAILY, NOW)
    assert kept(archive) == []


def test_a_database_that_is_missing_is_not_made_by_its_backup(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="cannot be copied"):
        back_up(Place(tmp_path), archive, DAILY, NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_packed_copy_has_a_bounded_size(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies.pack(place.database, tmp_path / "packed")
    size = place.database.stat().st_size
    monkeypatch.setattr(copies, "LARGEST", size)
    copies.unpack(tmp_path / "packed", tmp_path / "fits")
    monkeypatch.setattr(copies, "LARGEST", size - 1)
    with pytest.raises(DatabaseUnusable, match="more than"):
        copies.unpack(tmp_path / "packed", tmp_path / "too-large")


def test_the_first_start_makes_no_backup(archive: Archive, tmp_path: Path) -> None:
    preparation(Place(tmp_path), archive).prepare("")
    assert kept(archive) == []
    assert Place(tmp_path).notes() == Notes(bundle="bundle/1")


def test_a_backup_is_made_before_another_bundle_uses_the_database(place: Place, archive: Archive) -> None:
    """Once: a restart of the hub makes none."""
    for _ in range(2):
        preparation(place, archive).prepare("")
    assert kept(archive) == [Backup(at=NOW, reason=UPDATE, users=1)]
    later = NOW + timedelta(days=1)
    preparation(place, archive, bundle="bundle/2", now=later).prepare("")
    assert [one.at for one in kept(archive)] == [NOW, later]


def test_without_its_backup_an_update_is_refused(place: Place, archive: Archive) -> None:
    elsewhere = Archive(archive.s3, "no-such-bucket")
    with pytest.raises(
        DatabaseUnusable, match="not backed up before the update: it cannot be written to s3://no-such"
    ):
        preparation(place, elsewhere).prepare("")
    assert place.notes() == Notes()


@pytest.mark.parametrize(
    ("version", "age"),
    [(None, Age.CURRENT), ("2", Age.CURRENT), ("1", Age.OLDER), ("3", Age.UNKNOWN), ("", Age.UNKNOWN)],
)
def test_the_age_of_a_database(version: str | None, age: Age) -> None:
    assert Schema("2", frozenset({"1", "2"})).age(version) is age


def test_an_older_database_is_backed_up_and_upgraded(place: Place, archive: Archive) -> None:
    """By JupyterHub's own steps: afterwards it opens the database, and its users are there."""
    old = make_older(place)
    preparation(place, archive).prepare("")
    assert version_of(place.database) == OWN.own
    with opened(place):
        assert users(place.database) == ["ann"]
    assert version_of(place.before_upgrade) == old
    assert [one.reason for one in kept(archive)] == [UPDATE]


def test_an_upgrade_that_fails_changes_nothing_and_is_backed_up_once(place: Place, archive: Archive) -> None:
    """However often systemd starts the hub again."""
    old = make_older(place)

    def upgrade(_: Path) -> None:
        run(place, "DROP TABLE spawners")
        raise DatabaseUnusable("JupyterHub's upgrade of it failed")

    for _ in range(3):
        with pytest.raises(DatabaseUnusable, match="upgrade of it failed"):
            preparation(place, archive, upgrade=upgrade).prepare("")
    assert version_of(place.database) == old
    run(place, "SELECT * FROM spawners")
    assert len(kept(archive)) == 1


def test_a_hub_that_is_rolled_back_gets_the_database_from_before_the_upgrade(place: Place) -> None:
    """The newer one upgraded it, and was gone before anybody could use it."""
    version = str(version_of(place.database))
    newer = Schema(NEWER, OWN.known | {NEWER})

    def upgrade(database: Path) -> None:
        run(place, SET_VERSION, NEWER)
        run(place, "DROP TABLE spawners")
        assert database == place.database

    preparation(place, None, bundle="bundle/2", schema=newer, upgrade=upgrade).prepare("")
    preparation(place, None).prepare("")
    assert version_of(place.database) == version
    with opened(place):
        pass
    assert place.notes() == Notes(bundle="bundle/1")


def test_a_database_of_an_unknown_version_is_left_alone(place: Place) -> None:
    run(place, SET_VERSION, NEWER)
    with pytest.raises(DatabaseUnusable, match=r"newer JupyterHub \(version f00f00f00f00\)"):
        preparation(place, None).prepare("")
    assert version_of(place.database) == NEWER


def request(backup: Backup, at: datetime = NOW) -> str:
    return Request(backup, at).text


def test_a_backup_is_restored_and_what_it_replaces_is_kept(
    place: Place, archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, however often the hub starts with the same request."""
    backup = back_up(place, archive, DAILY, NOW - timedelta(days=1))
    run(place, ADD_USER, "ben")
    preparation(place, None).prepare("")
    text = request(backup)
    preparation(place, archive).prepare(text)
    assert users(place.database) == ["ann"]
    assert users(place.before_restore) == ["ann", "ben"]
    assert kept(archive)[-1] == Backup(at=NOW, reason=RESTORE, users=2)
    assert f"JupyterHub's database is restored: {backup.key}" in caplog.text
    run(place, ADD_USER, "cleo")
    preparation(place, archive).prepare(text)
    assert users(place.database) == ["ann", "cleo"]


def test_a_lost_database_is_restored(place: Place, archive: Archive) -> None:
    backup = back_up(place, archive, DAILY, NOW)
    place.database.unlink()
    preparation(place, archive).prepare(request(backup))
    assert users(place.database) == ["ann"]


def test_a_damaged_database_is_restored(place: Place, archive: Archive) -> None:
    """It cannot be backed up; it is kept on the disk."""
    backup = back_up(place, archive, DAILY, NOW)
    place.database.write_bytes(b"damaged" * 1000)
    preparation(place, archive, bundle=place.notes().bundle).prepare(request(backup))
    assert users(place.database) == ["ann"]
    assert place.before_restore.read_bytes().startswith(b"damaged")


def test_an_older_backup_is_upgraded(place: Place, archive: Archive) -> None:
    make_older(place)
    backup = back_up(place, archive, DAILY, NOW)
    place.database.unlink()
    preparation(place, archive).prepare(request(backup))
    assert version_of(place.database) == OWN.own


@pytest.mark.parametrize("content", [None, b"no gzip", b"\x1f\x8b\x08"])
def test_a_backup_that_is_no_use_leaves_the_database_as_it_is(
    content: bytes | None, place: Place, archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    """The hub starts with what it has, and does not try again."""
    backup = Backup(at=NOW, reason=DAILY, users=1)
    if content is not None:
        archive.s3.put_object(Bucket=BUCKET, Key=backup.key, Body=content)
    preparation(place, archive).prepare(request(backup))
    assert users(place.database) == ["ann"]
    assert f"JupyterHub's database is not restored: {backup.key}" in caplog.text
    assert wanted(request(backup), place.notes(), NOW) is None


def test_a_backup_of_a_newer_jupyterhub_is_not_restored(
    place: Place, archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    version = version_of(place.database)
    run(place, SET_VERSION, NEWER)
    backup = back_up(place, archive, DAILY, NOW)
    run(place, SET_VERSION, version)
    preparation(place, archive).prepare(request(backup))
    assert version_of(place.database) == version
    assert "it is of a newer JupyterHub" in caplog.text


@pytest.mark.parametrize(
    ("age", "is_due"),
    [
        (-AHEAD - timedelta(seconds=1), False),
        (-AHEAD, True),
        (LASTS - timedelta(seconds=1), True),
        (LASTS, False),
    ],
)
def test_a_request_counts_for_an_hour(age: timedelta, is_due: bool) -> None:
    backup = Backup(at=NOW, reason=DAILY, users=1)
    assert (wanted(request(backup, NOW - age), Notes(), NOW) is not None) is is_due


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        "{}",
        "nonsense",
        json.dumps({"backup": "bundle/1", "at": NOW.isoformat()}),
        json.dumps({"backup": Backup(at=NOW, reason=DAILY, users=1).key, "at": "2026-11-30T12:00:00"}),
        json.dumps({"backup": 1, "at": NOW.isoformat()}),
    ],
)
def test_what_is_no_request_restores_nothing(text: str | None) -> None:
    assert request_of(text) is None


def test_the_daily_backup_finds_everything_in_the_managers_configuration(
    place: Place, archive: Archive, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = place.directory / "manager.json"
    monkeypatch.setenv("CLOUDJHUB_CONFIG", str(file))
    file.write_text("{}")
    assert daily.main() == 1
    assert "cloudJHub cannot back up JupyterHub's database" in capsys.readouterr().out
    file.write_text(json.dumps({**DOCUMENT, "bucket": BUCKET, "hub": {"state_dir": str(place.directory)}}))
    assert daily.main() == 0
    [backup] = kept(archive)
    assert (backup.reason, backup.users) == (DAILY, 1)
    assert f"JupyterHub's database is backed up: {backup.key}" in capsys.readouterr().out


DOCUMENT = {
    "cluster": "spring",
    "region": REGION,
    "public_url": "http://127.0.0.1:8000",
    "private_address": "127.0.0.1",
    "owner": "me",
    "workers": {
        "types": ["t3.medium"],
        "subnets": ["subnet-0123456789abcdef0"],
        "group": "sg-0123456789abcdef0",
        "role": "cloudjhub-spring-worker",
    },
    "login": {"authenticator": "shared-password"},
}
