"""`cloudjhub verify` builds a cluster of its own in a local cloud, walks through it, and leaves nothing."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bootstrap.local.settings import REGION
from bootstrap.operations.verify.stages import WALKED
from tests.scenarios.account import Account
from tests.scenarios.everything import everything
from tests.shared.addresses import free_port

BY_THE_FIRST = {"alarm-first-transition", "alarm-event-shape", "schedule-starts", "durations"}
"""What depends on whether alarm or sweep comes first, and on how fast this machine is."""
ONLY_AWS = "only AWS can show this; an emulator behaves so: "


def test_a_walk(tmp_path: Path) -> None:
    """Whole, after one that is interrupted; whatever is seen of an emulator confirms nothing of what only AWS shows."""
    account = Account(tmp_path / "account", free_port(), "--boot-time", "0.5", "--stop-time", "0.5")
    account.state_dir.mkdir()
    try:
        account.up()
        empty = everything(account)
        pattern = account.cluster("pattern", port=free_port(), private_address=f"127.{account.network}.0.20")
        often = replace(pattern.settings.timing, report_period=timedelta(seconds=1))
        pattern.write(replace(pattern.settings, timing=often))
        files = tmp_path / "report.json", tmp_path / "report.md"
        words = ("verify", "--region", REGION, "--like", str(pattern.file), "--yes", "--json", str(files[0]))

        stopped = pattern.interrupted("create in progress", *words)
        assert stopped.returncode == 130, stopped.stderr
        assert everything(account) == empty

        done = pattern.run(*words, "--report", str(files[1]))
        assert done.returncode == 0, done.stdout + done.stderr + account.logs()
        assert everything(account) == empty
    finally:
        account.down()
    text = files[0].read_text()
    seen = json.loads(text)
    rows = {row["id"]: row for row in seen["assumptions"]}
    assert seen["failed"] == ""
    assert not seen["on_aws"]
    for name in {*WALKED, "up-again-changes-nothing", "idle-alarm-kept", "disks-kept"} - BY_THE_FIRST:
        assert rows[name]["verdict"] == "not observed"
        assert rows[name]["message"].startswith(ONLY_AWS), rows[name]
    assert sum(rows["alarm-without-actions-emits"]["evidence"].values()) == 2, "stops, by whichever function"
    steps = [one["step"] for one in seen["seconds"]]
    assert {"up", "first server: until the server is ready", "second server: until the server is ready"} < {
        *steps
    }
    assert steps.index("up") < steps.index("down")
    for report in (text, files[1].read_text(), done.stdout):
        assert "123456789012" not in report
