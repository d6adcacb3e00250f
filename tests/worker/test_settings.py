"""Bad configuration is told with the file and the field's name."""

import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bootstrap.worker.settings import ConfigError, ReporterSettings, WorkerConfig, machine_environment, period

FIELDS: dict[str, Any] = {
    "cluster": "test",
    "hub_api": "http://127.77.0.10:8081/hub/api/",
    "hub_name": "hub.test",
    "region": "us-east-1",
    "report_period": 60,
    "port": 8888,
}


def test_a_launch_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "worker.json"
    path.write_text(json.dumps(FIELDS), encoding="utf-8")
    assert WorkerConfig.from_file(path) == WorkerConfig(
        cluster="test",
        hub_api="http://127.77.0.10:8081/hub/api",
        hub_name="hub.test",
        region="us-east-1",
        report_period=timedelta(seconds=60),
        port=8888,
    )


def test_period_and_port_have_defaults() -> None:
    given = {name: FIELDS[name] for name in ("cluster", "hub_api", "hub_name", "region")}
    config = WorkerConfig.from_fields(given)
    assert (config.report_period, config.port) == (timedelta(seconds=30), 8888)


@pytest.mark.parametrize("name", ["cluster", "hub_api", "hub_name", "region"])
@pytest.mark.parametrize("value", [None, "", 5])
def test_a_missing_field_is_named(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{name} is missing"):
        WorkerConfig.from_fields(FIELDS | {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", 0), ("port", 65536), ("port", "8888"), ("hub_api", "hub:8081"), ("report_period", "often")],
)
def test_a_bad_field_is_named(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        WorkerConfig.from_fields(FIELDS | {name: value})


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_a_bad_file_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "worker.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"worker\.json: "):
        WorkerConfig.from_file(path)


@pytest.mark.parametrize(
    ("seconds", "fits"), [(0.9, False), (1, True), (3600, True), (3601, False), ("nan", False)]
)
def test_a_period_has_bounds(seconds: object, fits: bool) -> None:
    if fits:
        assert period(seconds) == timedelta(seconds=float(str(seconds)))
    else:
        with pytest.raises(ConfigError):
            period(seconds)


@pytest.mark.parametrize("boot_pid", [None, 77])
def test_the_reporter_reads_what_boot_writes(boot_pid: int | None) -> None:
    told = ReporterSettings(
        cluster="test", instance_id="i-1", report_period=timedelta(seconds=2.5), boot_pid=boot_pid
    )
    assert ReporterSettings.from_environment(told.to_environment()) == told


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(ConfigError, match="CLOUDJHUB_INSTANCE_ID"):
        ReporterSettings.from_environment({"CLOUDJHUB_CLUSTER": "test"})


def test_a_server_gets_the_machines_places_and_no_secret() -> None:
    kept = machine_environment(
        {
            "HOME": "/home/jovyan",
            "PATH": "/usr/bin",
            "LANG": "de_DE.UTF-8",
            "AWS_ENDPOINT_URL": "http://127.77.0.2:4566",
            "AWS_ENDPOINT_URL_LAMBDA": "http://127.77.0.3:4566",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.77.0.2:4566/_imds/i-1",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "SOMETHING": "else",
        }
    )
    assert kept == {
        "HOME": "/home/jovyan",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin"]),
        "LANG": "de_DE.UTF-8",
        "AWS_ENDPOINT_URL": "http://127.77.0.2:4566",
        "AWS_ENDPOINT_URL_LAMBDA": "http://127.77.0.3:4566",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.77.0.2:4566/_imds/i-1",
    }
