"""A local manager's output: every line on the console and, with its unit's name, on its way to CloudWatch Logs."""

import logging
import socket
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from bootstrap.local.cloud.hypervisor.manager import ManagerLog
from bootstrap.machines.manager.journal import Shipper
from hub.audit.record import JournalHandler
from tests.shared.waiting import PATIENCE, until

LINE = '{"actor": "boss"}'
SAYS = "import sys; print('one', flush=True); print('two \\xff', file=sys.stderr); print('no end', end='')"


def test_what_a_service_says_is_shown_and_sent(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        logs = boto3.client("logs", region_name="eu-west-1")
        logs.create_log_group(logGroupName="g")
        logs.create_log_group(logGroupName="audit")
        said = ManagerLog(Shipper(logs, "g", "audit", "ip-127-0-0-9", tmp_path / "cursor"))
        journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        journal.bind(str(tmp_path / "journal"))
        said.take_audit(journal)
        handler = JournalHandler(tmp_path / "journal")
        handler.emit(logging.makeLogRecord({"msg": LINE}))
        process = subprocess.Popen(
            [sys.executable, "-c", SAYS], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        reader = said.take("cloudjhub-hub.service", process)
        assert process.wait(PATIENCE) == 0
        reader.join(10)
        until(lambda: logs.describe_log_streams(logGroupName="audit")["logStreams"])
        said.close()
        handler.close()
        found = logs.get_log_events(logGroupName="g", logStreamName="ip-127-0-0-9", startFromHead=True)
        audited = logs.get_log_events(logGroupName="audit", logStreamName="ip-127-0-0-9")
    assert [event["message"] for event in audited["events"]] == [LINE]
    assert [event["message"] for event in found["events"]] == [
        *("cloudjhub-hub: one", "cloudjhub-hub: two ÿ", "cloudjhub-hub: no end")
    ]
    assert capfdbinary.readouterr().out.startswith(b"one\n")
