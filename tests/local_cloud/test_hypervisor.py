"""What an instance runs, and how it ends."""

import base64
import json
import sys
from pathlib import Path

import psutil
import pytest
import requests

from bootstrap.local.processes import by_instance
from tests.local_cloud.cloud_process import SECRET, CloudProcess
from tests.shared.waiting import PATIENCE, until

TELL_ENVIRONMENT = [
    sys.executable,
    "-c",
    "import json, os, pathlib, time; home = pathlib.Path.home();"
    "(home / 'new').write_text(json.dumps(dict(os.environ))); (home / 'new').rename(home / 'environment');"
    "print('hello from', os.getcwd(), flush=True); time.sleep(600)",
]
STUBBORN = [
    sys.executable,
    "-c",
    "import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True, env={});"
    "print('ready', flush=True); time.sleep(600)",
]


def home(cloud: CloudProcess, instance_id: str) -> Path:
    return cloud.state_dir / "instances" / instance_id / "home"


def run_command(cloud: CloudProcess, image: str, command: list[str], **changes: object) -> str:
    """The id of a new instance of an image with this command."""
    cloud.control("POST", "images", {"image_id": image, "command": command})
    return str(cloud.run(ImageId=image, **changes)["InstanceId"])


def console(cloud: CloudProcess, instance_id: str) -> str:
    return str(cloud.client("ec2").get_console_output(InstanceId=instance_id)["Output"])


def test_an_instance_knows_only_its_own(cloud: CloudProcess) -> None:
    instance_id = run_command(cloud, "ami-00000000000000001", TELL_ENVIRONMENT)
    file = home(cloud, instance_id) / "environment"
    until(file.exists, "the environment")
    environment = json.loads(file.read_text())
    assert environment["HOME"] == str(home(cloud, instance_id))
    assert environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] == cloud.metadata(instance_id)
    assert environment["AWS_ENDPOINT_URL"] == cloud.endpoint
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == "us-east-1"
    assert environment["CLOUDJHUB_INSTANCE"] == f"{cloud.state_dir}:{instance_id}"
    assert SECRET not in file.read_text()
    assert "OPERATORS_OWN" not in environment


def test_the_console_log_is_the_process_s_output_over_all_boots(cloud: CloudProcess) -> None:
    ec2 = cloud.client("ec2")
    instance_id = run_command(cloud, "ami-00000000000000001", TELL_ENVIRONMENT)
    until(lambda: "hello from" in console(cloud, instance_id), "output")
    ec2.stop_instances(InstanceIds=[instance_id])
    cloud.await_state(instance_id, "stopped")
    ec2.start_instances(InstanceIds=[instance_id])
    until(lambda: console(cloud, instance_id).count("hello from") == 2, "output of the second boot")
    assert console(cloud, instance_id).count("booting image") == 2


def test_user_data_is_written_to_the_root_disk_on_the_first_boot_only(cloud: CloudProcess) -> None:
    ec2 = cloud.client("ec2")
    content = base64.b64encode(b"secretless").decode()
    user_data = f"""#cloud-config
write_files:
- path: /etc/cloudjhub/worker.json
  permissions: '0600'
  content: '{{"cluster": "local"}}'
- path: /opt/x
  encoding: b64
  content: {content}
"""
    instance = cloud.running(UserData=user_data)
    root = cloud.state_dir / "volumes" / instance["volumes"]["/dev/sda1"]
    written = root / "etc/cloudjhub/worker.json"
    assert json.loads(written.read_text()) == {"cluster": "local"}
    assert written.stat().st_mode & 0o777 == 0o600
    assert (root / "opt/x").read_bytes() == b"secretless"

    written.write_text("changed")
    ec2.stop_instances(InstanceIds=[instance["instance_id"]])
    cloud.await_state(instance["instance_id"], "stopped")
    ec2.start_instances(InstanceIds=[instance["instance_id"]])
    cloud.await_state(instance["instance_id"], "running")
    cloud.await_page(instance["address"])
    assert written.read_text() == "changed"


def test_bad_user_data_is_told_on_the_console(cloud: CloudProcess) -> None:
    instance_id = cloud.running(UserData="#!/bin/sh\nrm -rf /\n")["instance_id"]
    assert "user data refused: user data does not start with #cloud-config" in console(cloud, instance_id)


def test_a_stop_ends_every_process_even_a_stubborn_one(cloud: CloudProcess) -> None:
    """Also one that left the session and dropped its environment."""
    instance_id = run_command(cloud, "ami-00000000000000002", STUBBORN)
    until(lambda: "ready" in console(cloud, instance_id), "the processes")
    mine = by_instance(cloud.state_dir)[instance_id]
    assert len(mine) == 2
    cloud.client("ec2").stop_instances(InstanceIds=[instance_id])
    cloud.await_state(instance_id, "stopped")
    assert not [one for one in mine if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_an_instance_whose_process_ends_is_still_running(cloud: CloudProcess) -> None:
    instance_id = run_command(cloud, "ami-00000000000000003", [sys.executable, "-c", "raise SystemExit(7)"])
    until(lambda: "its process ended with status 7" in console(cloud, instance_id), "the end")
    assert cloud.instance(instance_id)["state"] == "running"
    assert cloud.instance(instance_id)["pid"] is None


def test_a_program_that_is_not_there_is_told_on_the_console(cloud: CloudProcess) -> None:
    instance_id = run_command(cloud, "ami-00000000000000004", ["/no/such/program"])
    until(lambda: "cannot run /no/such/program" in console(cloud, instance_id), "the refusal")


def test_two_instances_are_apart(cloud: CloudProcess) -> None:
    first, second = cloud.running(), cloud.running()
    (home(cloud, first["instance_id"]) / "mine.txt").write_text("first")
    assert requests.get(f"http://{first['address']}:8888/mine.txt", timeout=PATIENCE).text == "first"
    assert requests.get(f"http://{second['address']}:8888/mine.txt", timeout=PATIENCE).status_code == 404


def test_cpu_use_is_measured(cloud: CloudProcess) -> None:
    instance_id = run_command(cloud, "ami-00000000000000005", [sys.executable, "-c", "while True: pass"])
    cloud.await_state(instance_id, "running")
    until(lambda: cloud.instance(instance_id)["cpu"] > 5, "CPU use")
    listed = cloud.client("cloudwatch").list_metrics(Namespace="AWS/EC2", MetricName="CPUUtilization")[
        "Metrics"
    ]
    assert [{"Name": "InstanceId", "Value": instance_id}] in [one["Dimensions"] for one in listed]
    cloud.client("ec2").terminate_instances(InstanceIds=[instance_id])


@pytest.mark.parametrize("path", ["instance-id", "local-ipv4"])
def test_a_terminated_instance_has_no_metadata(cloud: CloudProcess, path: str) -> None:
    instance_id = cloud.running()["instance_id"]
    service = f"{cloud.metadata(instance_id)}latest/"
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    token = requests.put(f"{service}api/token", headers=lifetime, timeout=PATIENCE).text
    headers = {"X-aws-ec2-metadata-token": token}
    assert requests.get(f"{service}meta-data/{path}", headers=headers, timeout=PATIENCE).ok
    cloud.client("ec2").terminate_instances(InstanceIds=[instance_id])
    cloud.await_state(instance_id, "terminated")
    assert requests.get(f"{service}meta-data/{path}", headers=headers, timeout=PATIENCE).status_code == 404
