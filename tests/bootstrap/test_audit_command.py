"""What operators' commands write to the audit log."""

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import click
import pytest

from bootstrap.aws import names
from bootstrap.cli.settings import settings
from bootstrap.cli.users import users
from bootstrap.cli.workers import workers
from lifecycle_app.model.worker import State
from tests.bootstrap.clusters import REGION, Built, built

CODE = "an OAuth client's secret"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Built]:
    with built(monkeypatch, tmp_path) as made:
        boto3.client("logs", region_name=REGION).create_log_group(
            logGroupName=names.audit_log_group("spring")
        )
        (tmp_path / "users").write_text("boss admin\n")
        yield made


def acts(cluster: Built, group: click.Command, *words: str) -> list[tuple[str, str, str]]:
    """Action, target and detail of what the command wrote."""
    before = len(events())
    result = cluster.run(group, *words)
    assert result.exit_code == 0, result.output
    assert "warning" not in result.stderr
    found = events()[before:]
    assert all(one["actor"].startswith("operator/arn:aws:") and one["outcome"] == "ok" for one in found)
    return [(one["action"], one["target"], one["detail"]) for one in found]


def events() -> list[dict[str, str]]:
    found = boto3.client("logs", region_name=REGION).filter_log_events(
        logGroupName=names.audit_log_group("spring")
    )
    return [json.loads(one["message"]) for one in found["events"]]


def test_changes_of_settings_users_and_workers_are_written(cluster: Built) -> None:
    cluster.worker("alice", state=State.RUNNING)
    assert acts(cluster, settings, "set", "idle_timeout=90m") == [
        ("settings.change", "cluster", "idle_timeout=90 min")
    ]
    assert acts(cluster, users, "add", "carol", "--admin") == [
        ("user.add", "carol", ""),
        ("user.promote", "carol", ""),
    ]
    assert acts(cluster, users, "add", "carol") == [], "nothing changed"
    assert acts(cluster, users, "add", "dan", "--dry-run") == []
    assert acts(cluster, workers, "keep", "alice", "--until", "2h")[0][:2] == ("worker.keep", "alice")
    [stop] = acts(cluster, workers, "stop", "alice", "--no-wait")
    assert stop[:2] == ("worker.stop", "alice")
    assert stop[2].startswith("i-")


def test_a_line_that_cannot_be_written_is_a_warning_of_an_act_that_happened(cluster: Built) -> None:
    boto3.client("logs", region_name=REGION).delete_log_group(logGroupName=names.audit_log_group("spring"))
    result = cluster.run(settings, "set", "idle_timeout=90m")
    assert result.exit_code == 0
    assert "warning: this is not in the audit log: settings.change cluster" in result.stderr
    assert "90 min" in cluster.run(settings, "get").stdout
