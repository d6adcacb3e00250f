"""What the parts agree on: each part goes by lifecycle_app/contract.py, also where it is all there is."""

import ast
import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import app
from bootstrap.cluster.steps import data
from bootstrap.config.settings import Timing
from bootstrap.machines.image.setup import SHARED
from bootstrap.worker.settings import WorkerConfig
from hub.clients.lifecycle import keep_entry, settings_entry, stop_entry
from hub.config.settings import from_document
from lifecycle_app import contract
from lifecycle_app.adapters import tables
from lifecycle_app.model import events
from lifecycle_app.settings import settings
from tests.hub.test_settings import GOOD
from tests.lifecycle.examples import ALICE, NOON
from tests.lifecycle.test_settings import WHOLE

REPOSITORY = Path(__file__).resolve().parents[2]


def test_contract_imports_the_standard_library_only() -> None:
    """It is in the worker image, without its siblings."""
    tree = ast.parse(Path(contract.__file__).read_text(encoding="utf-8"))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [one.name for one in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names


def test_worker_package_runs_with_what_the_image_holds_of_this_repository(tmp_path: Path) -> None:
    for file in SHARED:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / file, tmp_path / file)
    shutil.copytree(REPOSITORY / "bootstrap/worker", tmp_path / "bootstrap/worker")
    names = sorted(
        path.stem for path in (tmp_path / "bootstrap/worker").glob("*.py") if path.stem != "__init__"
    )
    code = "; ".join(f"import bootstrap.worker.{name}" for name in names)
    check = "import bootstrap, lifecycle_app; print([bootstrap.__file__, lifecycle_app.__file__])"
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}; {check}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count(str(tmp_path)) == 2


def test_settings_table_has_an_attribute_for_each_scope_that_holds_one_thing() -> None:
    assert {contract.USERS_SCOPE, contract.IMAGE_SCOPE} <= set(tables.SettingRecord.get_attributes())


def test_each_table_is_created_and_removed() -> None:
    assert set(data.TABLES) == set(contract.TABLES)


def test_every_part_takes_the_same_report_period_where_none_is_set() -> None:
    """An alarm on shorter periods than the reports' never fires."""
    launch_file = {"cluster": "c", "hub_api": "http://h", "hub_name": "h", "region": "r"}
    assert {
        settings(WHOLE).report_period,
        from_document(GOOD).report_period,
        WorkerConfig.from_fields(launch_file).report_period,
        Timing().report_period,
    } == {contract.REPORT_PERIOD}


def test_lifecycle_app_understands_the_stop_that_the_hub_asks_for() -> None:
    sent = stop_entry("test", "alice", ALICE, "alice", NOON, unless_used=True)
    payload = {
        "source": sent["Source"],
        "detail-type": sent["DetailType"],
        "detail": json.loads(sent["Detail"]),
        "time": NOON.isoformat(),
    }
    assert events.stop_request(payload, "test") == events.StopRequest("alice", ALICE, NOON, "alice", True)
    assert app.stop_requested is not None


def test_lifecycle_app_understands_the_keep_that_the_hub_asks_for() -> None:
    sent = keep_entry("test", "alice", ALICE, "0f" * 16, 3600, "alice", NOON)
    payload = {
        "source": sent["Source"],
        "detail-type": sent["DetailType"],
        "detail": json.loads(sent["Detail"]),
        "time": NOON.isoformat(),
    }
    asked = events.KeepRequest("alice", ALICE, "0f" * 16, timedelta(hours=1), NOON, "alice")
    assert events.keep_request(payload, "test") == asked
    assert app.keep_requested is not None


def test_lifecycle_app_understands_the_change_of_a_policy_that_the_hub_asks_for() -> None:
    changes = {"idle_timeout": 1800, "signals": ["work"], "busy_allowance": None}
    sent = settings_entry("test", "group/a b", "0f" * 16, changes, {"keep_limit"}, "f0" * 16, "boss", NOON)
    payload = {
        "source": sent["Source"],
        "detail-type": sent["DetailType"],
        "detail": json.loads(sent["Detail"]),
        "time": NOON.isoformat(),
    }
    asked = events.SettingsRequest("group/a b", "0f" * 16, changes, ("keep_limit",), "f0" * 16, NOON, "boss")
    assert events.settings_request(payload, "test") == asked
    assert app.change_policy is not None
