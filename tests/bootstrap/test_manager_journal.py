"""The journal on its way to CloudWatch Logs: nothing dropped, nothing over its limits, in the right order."""

import json
import queue
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

from bootstrap.machines.manager.journal import (
    BATCH_BYTES,
    BATCH_EVENTS,
    BATCH_SPAN,
    EVENT_BYTES,
    MOST_BYTES,
    OVERHEAD,
    Allowance,
    Batch,
    Entry,
    Shipper,
    _read,
    batches,
    entry_of,
    journalctl,
)
from hub.audit.event import IDENTIFIER


def line(message: Any, **more: str) -> dict[str, Any]:
    return {
        "__CURSOR": "c1",
        "__REALTIME_TIMESTAMP": "1700000000123456",
        "_SYSTEMD_UNIT": "cloudjhub-hub.service",
        "MESSAGE": message,
        **more,
    }


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (line("hello"), "cloudjhub-hub: hello"),
        (line([104, 105, 255]), "cloudjhub-hub: hi\ufffd"),
        (line(["a", "b"]), "cloudjhub-hub: a b"),
        (line(None), "cloudjhub-hub: "),
        (line("Started.", UNIT="cloudjhub-proxy.service"), "cloudjhub-proxy: Started."),
    ],
)
def test_an_entry_tells_its_unit_and_its_words(told: dict[str, Any], text: str) -> None:
    assert list(entry_of(told)) == [Entry(1700000000123, text, "c1")]


MARKED = {"SYSLOG_IDENTIFIER": IDENTIFIER}


@pytest.mark.parametrize(
    ("told", "is_audit"),
    [
        (line("{}", **MARKED), True),
        (line("{}", SYSLOG_IDENTIFIER="python"), False),
        (line(f"SYSLOG_IDENTIFIER={IDENTIFIER}"), False),
        (line("{}", **MARKED, _SYSTEMD_UNIT="cloudjhub-proxy.service"), False),
        (line("{}", **MARKED, UNIT="cloudjhub-hub.service", _SYSTEMD_UNIT="init.scope"), False),
    ],
)
def test_only_the_hub_writes_to_the_audit_log_and_not_by_what_it_prints(
    told: dict[str, Any], is_audit: bool
) -> None:
    [entry] = entry_of(told)
    assert (entry.is_audit, entry.text == "{}") == (is_audit, is_audit)


def test_a_long_entry_is_parted_between_characters_and_loses_nothing() -> None:
    words = "ä" * EVENT_BYTES
    found = list(entry_of(line(words)))
    assert len(found) == 3
    assert all(entry.size <= EVENT_BYTES for entry in found)
    assert "".join(entry.text for entry in found) == f"cloudjhub-hub: {words}"


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        (Entry(0, "a", "1"), Entry(BATCH_SPAN - 1, "b", "2"), True),
        (Entry(0, "a", "1"), Entry(BATCH_SPAN, "b", "2"), False),
        (Entry(BATCH_SPAN, "a", "1"), Entry(0, "b", "2"), False),
        (Entry(0, "a" * (BATCH_BYTES - 2 * OVERHEAD - 1), "1"), Entry(0, "b", "2"), True),
        (Entry(0, "a" * (BATCH_BYTES - 2 * OVERHEAD), "1"), Entry(0, "b", "2"), False),
    ],
)
def test_a_batch_takes_no_more_than_cloudwatch(first: Entry, second: Entry, fits: bool) -> None:
    batch = Batch()
    batch.add(first)
    assert batch.takes(second) == fits


def test_a_unit_that_is_flooded_sends_a_bounded_amount_a_minute_and_no_other_is_cut() -> None:
    allowance = Allowance(most=3 * Entry(0, "cloudjhub-hub: x", "").size)

    def sent(at: int, unit: str = "hub", *, is_audit: bool = False) -> list[str]:
        entry = Entry(at, f"cloudjhub-{unit}: x", "c", is_audit=is_audit)
        return [one.text for one in allowance.allowed(entry)]

    assert [len(sent(60_000)) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert len(sent(119_999, "freshness")) == 1
    assert len(sent(119_999, is_audit=True)) == 1
    note = "cloudjhub-hub: too many lines: 2 more are in the manager's journal"
    assert sent(120_000) == [note, "cloudjhub-hub: x"]


def test_a_flood_of_lines_is_cut_on_its_way() -> None:
    lines = [json.dumps(line("x" * 100_000)).encode() for _ in range(100)]
    entries: queue.Queue[Entry | None] = queue.Queue()
    _read(cast(Any, SimpleNamespace(stdout=lines)), entries)
    sizes = [one.size for one in entries.queue if one is not None]
    assert MOST_BYTES / 2 < sum(sizes) <= MOST_BYTES


def test_a_batch_has_no_more_events_than_cloudwatch_takes() -> None:
    batch = Batch()
    for number in range(BATCH_EVENTS):
        assert batch.takes(Entry(0, "x", str(number)))
        batch.add(Entry(0, "x", str(number)))
    assert not batch.takes(Entry(0, "x", "last"))


def test_batches_hold_everything_in_order() -> None:
    entries: queue.Queue[Entry | None] = queue.Queue()
    sent = [Entry(n * BATCH_SPAN // 2, f"e{n}", str(n)) for n in range(7)]
    for entry in (*sent, None):
        entries.put(entry)
    found = list(batches(entries, gather_for=0.05))
    assert [entry for batch in found for entry in batch.entries] == sent
    assert len(found) > 1


def test_what_arrives_late_goes_in_the_next_batch() -> None:
    entries: queue.Queue[Entry | None] = queue.Queue()
    entries.put(Entry(0, "a", "1"))
    found = batches(entries, gather_for=0.01)
    assert [entry.text for entry in next(found).entries] == ["a"]
    entries.put(Entry(0, "b", "2"))
    entries.put(None)
    assert [entry.text for entry in next(found).entries] == ["b"]
    assert next(found, None) is None


def test_events_are_in_the_order_of_their_times() -> None:
    batch = Batch()
    for at in (5, 3, 9):
        batch.add(Entry(at, str(at), str(at)))
    assert [event["timestamp"] for event in batch.events()] == [3, 5, 9]
    assert batch.cursor == "9"


def test_the_journal_is_followed_from_where_it_was_left() -> None:
    assert "--after-cursor=s=1;i=2" in journalctl("s=1;i=2")
    assert "--no-tail" in journalctl("")


def test_entries_reach_the_stream_and_the_place_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with mock_aws():
        logs = boto3.client("logs", "us-east-1")
        logs.create_log_group(logGroupName="/g")
        batch = Batch()
        logs.create_log_group(logGroupName="/audit")
        batch.add(Entry(int(time.time() * 1000), "{}", "c6", is_audit=True))
        batch.add(Entry(int(time.time() * 1000), "hello", "c7"))
        Shipper(logs, "/g", "/audit", "ip-10-0-0-1", tmp_path / "cursor").send(batch)
        found = {
            group: logs.get_log_events(logGroupName=group, logStreamName="ip-10-0-0-1")["events"]
            for group in ("/g", "/audit")
        }
    assert {group: [event["message"] for event in events] for group, events in found.items()} == {
        "/g": ["hello"],
        "/audit": ["{}"],
    }
    assert (tmp_path / "cursor").read_text() == "c7"
