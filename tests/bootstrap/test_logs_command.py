"""`logs`: the newest lines of the parts in the order of their time, and a worker's console."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from botocore.paginate import Paginator

from bootstrap.cli.status import logs
from bootstrap.errors import Interrupted, SettingsError
from bootstrap.operations.logs import Line, groups, lines, news
from lifecycle_app.model.worker import State
from lifecycle_app.printable import printable
from tests.bootstrap.clusters import REGION, Built, built


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Built]:
    with built(monkeypatch, tmp_path) as made:
        yield made


def log(group: str, *told: tuple[float, str]) -> None:
    """These lines, each so many minutes ago."""
    client = boto3.client("logs", region_name=REGION)
    client.create_log_group(logGroupName=group)
    client.create_log_stream(logGroupName=group, logStreamName="s")
    now = datetime.now(UTC).timestamp()
    events = [{"timestamp": int((now - ago * 60) * 1000), "message": text} for ago, text in told]
    client.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)  # type: ignore[arg-type]


def test_the_parts_are_merged_by_time(cluster: Built) -> None:
    log("/cloudjhub/spring/manager", (30, "first\n"), (10, "third"))
    log("/aws/lambda/cloudjhub-spring-sweep", (90, "too old"), (20, "second"))
    log("/aws/lambda/cloudjhub-spring-winter-sweep", (20, "another cluster's"))
    shown = cluster.run(logs).stdout.splitlines()
    assert [line.split(" ", 2)[2] for line in shown] == ["manager: first", "sweep: second", "manager: third"]
    assert "too old" in cluster.run(logs, "sweep", "--since", "2h").stdout
    assert "manager" not in cluster.run(logs, "lifecycle").stdout
    first, *_ = cluster.run(logs, "--json").stdout.splitlines()
    assert json.loads(first)["message"] == "first"


def test_since_the_beginning_is_since_the_first_line(cluster: Built) -> None:
    log("/cloudjhub/spring/manager", (30, "first"))
    assert "first" in cluster.run(logs, "--since", "999999999d").stdout


def test_what_never_logged_is_not_an_error(cluster: Built) -> None:
    result = cluster.run(logs, "stop-requested")
    assert result.exit_code == 0
    assert "nothing was logged" in result.stderr


def test_a_part_that_there_is_not_is_reported(cluster: Built) -> None:
    with pytest.raises(SettingsError, match="did you mean sweep"):
        cluster.run(logs, "sweeep")
    with pytest.raises(SettingsError, match="worker NAME"):
        cluster.run(logs, "worker")
    refused = cluster.run(logs, "--since", "yesterday")
    assert refused.exit_code == 2
    assert "'--since': 'yesterday' is not a duration: write seconds, or 90s, 15m" in refused.stderr


def test_every_part_has_its_group() -> None:
    assert groups("spring", "manager") == {"manager": "/cloudjhub/spring/manager"}
    assert groups("spring", "record-state") == {"record_state": "/aws/lambda/cloudjhub-spring-record_state"}
    assert set(groups("spring", "lifecycle")) == set(groups("spring", None)) - {"manager"}


def test_a_line_is_shown_once() -> None:
    at, seen = datetime.now(UTC), set[str]()
    first = Line(at, "sweep", "a", "1")
    second = Line(at + timedelta(seconds=1), "sweep", "b", "2")
    assert news([first], seen) == [first]
    assert news([first, second], seen) == [second]


def test_lines_without_an_id_are_told_apart_and_known_again(
    cluster: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    log("/cloudjhub/spring/manager", (1, "END"), (1, "START"), (1, "again"), (1, "again"))
    found = boto3.client("logs", region_name=REGION).filter_log_events(
        logGroupName="/cloudjhub/spring/manager"
    )["events"]
    bare = [{name: value for name, value in event.items() if name != "eventId"} for event in found]
    group, since, seen = groups("spring", "manager"), datetime.now(UTC) - timedelta(hours=1), set[str]()
    with monkeypatch.context() as patch:
        patch.setattr(Paginator, "paginate", lambda *_, **__: [{"events": bare}])
        assert [line.text for line in news(lines(cluster.site, group, since), seen)] == [
            *("END", "START", "again", "again")
        ]
        assert news(lines(cluster.site, group, since), seen) == []


def test_ctrl_c_ends_what_follows_in_one_line(cluster: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bootstrap.cli.status.time.sleep", interrupt)
    with pytest.raises(Interrupted, match="interrupted"):
        cluster.run(logs, "--follow")


def test_nothing_that_is_logged_controls_the_terminal() -> None:
    assert printable("\x1b[32minfo\x1b[39m: \x1b[1;31mred") == "info: red"
    assert printable("a\x1b[2Jb\r\nc\td\x07") == "a[2Jb\nc\td"


def test_a_workers_console_is_shown(cluster: Built) -> None:
    cluster.worker("alice", state=State.STOPPED)
    assert cluster.run(logs, "worker", "alice").exit_code == 0
    with pytest.raises(SettingsError, match="unknown worker 'bob'"):
        cluster.run(logs, "worker", "bob")


def test_the_lines_are_read_since_a_time(cluster: Built) -> None:
    log("/cloudjhub/spring/manager", (30, "old"), (1, "new"))
    since = datetime.now(UTC) - timedelta(minutes=5)
    assert [line.text for line in lines(cluster.site, groups("spring", "manager"), since)] == ["new"]
