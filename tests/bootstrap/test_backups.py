"""`cloudjhub restore`: which backup a time names, what is asked, and how it ends."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest

from bootstrap.aws import names
from bootstrap.cli import restore as command
from bootstrap.errors import NotBuilt, SettingsError, StepFailed
from bootstrap.machines import hub_log
from bootstrap.operations import backups
from bootstrap.operations.health import findings
from bootstrap.operations.health.facts import Hub
from hub.database.archive import DAILY, UPDATE, Backup, request_of
from hub.errors import NOT_RESTORED, RESTORED
from lifecycle_app.adapters.settings_store import SettingsStore
from tests.bootstrap.clusters import REGION, Built, built

NOON = datetime(2026, 11, 29, 12, 0, 0).astimezone(UTC)  # the operator's own noon, wherever the tests run
FIRST, SECOND, THIRD = (
    Backup(at=NOON - timedelta(days=2), reason=DAILY, users=3),
    Backup(at=NOON - timedelta(hours=3), reason=UPDATE, users=4),
    Backup(at=NOON, reason=DAILY, users=34),
)
FOUND = [THIRD, SECOND, FIRST]


@pytest.mark.parametrize(
    ("at", "backup"),
    [
        ("latest", THIRD),
        ("2026-11-29", THIRD),
        ("2026-11-27", FIRST),
        ("2026-11-29T12:00:00", THIRD),
        ("2026-11-29T11:59:59", SECOND),
        ("2026-11-29 09:00", SECOND),
        ("2026-11-28T23:00", FIRST),
        ((NOON - timedelta(hours=1)).isoformat(), SECOND),
    ],
)
def test_a_time_names_a_backup(at: str, backup: Backup) -> None:
    """A day its last one, a time the newest one until then."""
    assert backups.chosen(FOUND, at) == backup


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("2026-11-28", "there is no backup of 2026-11-28: the nearest are of 2026-11-27T12:00:00 and 2026-11-29T09:00"),
        ("2026-11-26", "there is no backup of 2026-11-26: the nearest is of 2026-11-27T12:00:00"),
        ("2026-11-30", "there is no backup of 2026-11-30: the nearest is of 2026-11-29T12:00:00"),
        ("2026-11-27T11:59", "there is no backup until 2026-11-27T11:59: the nearest is of 2026-11-27T12:00:00"),
        ("yesterday", "'yesterday' is not a time: write latest, a day like 2026-11-29, or 2026-11-29T08:00"),
    ],
)  # fmt: skip
def test_what_names_none_is_refused_with_what_there_is(at: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        backups.chosen(FOUND, at)
    assert str(refused.value).startswith(words)


def test_without_backups_there_is_nothing_to_choose() -> None:
    with pytest.raises(SettingsError, match="no backups yet"):
        backups.chosen([], "latest")


def test_doctor_says_when_no_backup_is_made() -> None:
    now, limit = THIRD.at + findings.BACKED_UP_WITHIN, timedelta(seconds=1)
    assert findings.backups(THIRD.at, FIRST.at, now) == []
    [line] = findings.backups(THIRD.at, FIRST.at, now + limit)
    assert line.startswith("JupyterHub's database was not backed up for 2 days")
    assert findings.backups(None, THIRD.at, now) == []
    assert "not backed up yet" in findings.backups(None, THIRD.at, now + limit)[0]


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=59), "0 min"),
        (timedelta(minutes=119), "119 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=47, minutes=59), "47 h"),
        (timedelta(days=2), "2 days"),
    ],
)
def test_ages(span: timedelta, words: str) -> None:
    assert command.age(span) == words


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Built]:
    """With three backups, a manager, and a hub that answers."""
    with built(monkeypatch, tmp_path) as found:
        bucket = names.bucket("spring", found.site.aws)
        s3 = boto3.client("s3", region_name=REGION)
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        for key in (*(one.key for one in FOUND), "backup/notes.txt", "bundle/1.tar.gz"):
            s3.put_object(Bucket=bucket, Key=key, Body=b"")
        monkeypatch.setattr(backups, "asked_hub", lambda _: Hub(url="http://hub"))
        monkeypatch.setattr(backups, "LOOK_EVERY", 0.0)
        found.instance("-", role="manager")
        yield found


class Log:
    """The manager's log with a hub that reads the request in the settings table, and says how that ends."""

    def __init__(self, words: str, more: str = "") -> None:
        self.words, self.more = words, more
        self.requests: list[str] = []

    def said(self, aws: object, cluster: str, since: datetime, words: str) -> list[str]:
        text = SettingsStore(cluster, REGION).of_hub().get("restore", "")
        self.requests.append(text)
        request = request_of(text)
        assert request is not None
        assert since < request.at
        return [f"{request.mark}{self.more}"] if words == self.words else ["another request's line"]


def test_backups_are_listed(cluster: Built) -> None:
    listed = cluster.run(command.restore).output
    assert listed.splitlines()[1].split()[0] == "2026-11-29T12:00:00"
    assert "before an update" in listed
    rows = json.loads(cluster.run(command.restore, "--json").output)
    assert [row["users"] for row in rows] == [34, 4, 3]


def test_a_restore_is_explained_confirmed_and_awaited(
    cluster: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(RESTORED)
    monkeypatch.setattr(hub_log, "said", log.said)
    result = cluster.run(command.restore, "--at", "2026-11-27", typed="y\n")
    assert result.exit_code == 0, result.exception
    assert "replaced by the backup of 2026-11-27T12:00:00" in result.output
    assert "daily, 3 users" in result.output
    assert result.output.splitlines()[-1] == "the database is restored, and the hub answers"
    request = request_of(log.requests[0])
    assert request
    assert request.backup == FIRST
    assert "restore" not in SettingsStore("spring", REGION).of_hub()


@pytest.mark.parametrize("words", [("--dry-run",), ()])
def test_without_a_yes_nothing_is_requested(
    words: tuple[str, ...], cluster: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(RESTORED)
    monkeypatch.setattr(hub_log, "said", log.said)
    cluster.run(command.restore, "--at", "latest", *words, typed="n\n")
    assert log.requests == []


def test_a_restore_that_fails_says_why_and_takes_its_request_back(
    cluster: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_log, "said", Log(NOT_RESTORED, ": it is damaged").said)
    with pytest.raises(StepFailed, match=r"nothing was restored: backup/2026.*: it is damaged"):
        cluster.run(command.restore, "--at", "latest", "--yes")
    assert "restore" not in SettingsStore("spring", REGION).of_hub()


def test_a_hub_that_says_nothing_is_awaited_no_longer_than_the_limit(
    cluster: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one of an earlier version does, which knows no requests."""
    monkeypatch.setattr(hub_log, "said", lambda *_: [])
    with pytest.raises(StepFailed, match=r"has not restored backup/2026.* and the request is taken back"):
        backups.restore(cluster.site, THIRD, NOON, lambda _: None, within=timedelta(0))
    assert "restore" not in SettingsStore("spring", REGION).of_hub()


def test_without_a_manager_there_is_nothing_to_restore_into(cluster: Built) -> None:
    for instance in cluster.states():
        cluster.ec2.terminate_instances(InstanceIds=[instance])
    with pytest.raises(NotBuilt, match="run `cloudjhub up`"):
        backups.restore(cluster.site, THIRD, NOON, lambda _: None)
