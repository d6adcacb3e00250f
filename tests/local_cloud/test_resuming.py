"""What is left after an end, a crash, a damaged snapshot."""

import base64
import json
import os
import subprocess
import sys

import psutil
import pytest
import requests

from bootstrap.local.processes import by_instance
from tests.local_cloud.cloud_process import ADDRESS, SECRET, CloudProcess, EventSink
from tests.local_cloud.conftest import QUICK
from tests.shared.waiting import PATIENCE, until


@pytest.fixture
def own_cloud(cloud: CloudProcess) -> CloudProcess:
    """The module's cloud, which these tests end and start again; it runs, whatever the test before did."""
    if cloud.process.poll() is not None:
        cloud.start()
    return cloud


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, events: EventSink) -> CloudProcess:
    """A cloud that has come to its end, with what it left."""
    process = CloudProcess(tmp_path_factory.mktemp("ended") / "state", events.endpoint, *QUICK)
    assert process.stop() == 0
    return process


def test_everything_is_there_again(own_cloud: CloudProcess, events: EventSink) -> None:
    """Instances, their addresses and files, tables, parameters, objects, credentials, tokens, images."""
    cloud = own_cloud
    home = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 3, "DeleteOnTermination": False}}
    running = cloud.running(ClientToken="t", BlockDeviceMappings=[home])
    stopped = cloud.running()
    cloud.client("ec2").stop_instances(InstanceIds=[stopped["instance_id"]])
    cloud.await_state(stopped["instance_id"], "stopped")
    (cloud.state_dir / "instances" / running["instance_id"] / "home" / "notes.txt").write_text("mine")
    tables = cloud.client("dynamodb")
    tables.create_table(
        TableName="t", KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
    )  # fmt: skip
    tables.put_item(TableName="t", Item={"k": {"S": "a"}})
    cloud.client("ssm").put_parameter(Name="/a/b", Value="hidden", Type="SecureString")
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    cloud.client("s3").create_bucket(Bucket="a-bucket")
    cloud.client("s3").put_object(Bucket="a-bucket", Key="k", Body=b"content")
    session = cloud.client("sts").assume_role(
        RoleArn="arn:aws:iam::123456789012:role/worker", RoleSessionName="i-1"
    )["Credentials"]

    assert cloud.stop() == 0
    assert not by_instance(cloud.state_dir)
    assert (cloud.state_dir / "cloud.snapshot").stat().st_mode & 0o777 == 0o600
    told = len(events.states(running["instance_id"]) + events.states(stopped["instance_id"]))
    cloud.start()

    cloud.await_page(running["address"])
    assert requests.get(f"http://{running['address']}:8888/notes.txt", timeout=PATIENCE).text == "mine"
    assert cloud.instance(running["instance_id"])["volumes"] == running["volumes"]
    assert cloud.instance(stopped["instance_id"])["state"] == "stopped"
    assert len(events.states(running["instance_id"]) + events.states(stopped["instance_id"])) == told
    assert cloud.run(ClientToken="t", BlockDeviceMappings=[home])["InstanceId"] == running["instance_id"]
    assert cloud.run()["PrivateIpAddress"] not in (running["address"], stopped["address"])
    assert tables.get_item(TableName="t", Key={"k": {"S": "a"}})["Item"] == {"k": {"S": "a"}}
    found = cloud.client("ssm").get_parameter(Name="/a/b", WithDecryption=True)["Parameter"]
    assert (found["Value"], found["Type"]) == ("hidden", "SecureString")
    assert cloud.client("kms").describe_key(KeyId=key)["KeyMetadata"]["Arn"] == key
    assert cloud.client("s3").get_object(Bucket="a-bucket", Key="k")["Body"].read() == b"content"
    sts = cloud.bare_client(
        "sts", session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]
    )
    assert sts.get_caller_identity()["Arn"].endswith("assumed-role/worker/i-1")
    cloud.client("ec2").start_instances(InstanceIds=[stopped["instance_id"]])
    cloud.await_page(stopped["address"])


def test_after_a_crash_nothing_is_left_running_twice(own_cloud: CloudProcess) -> None:
    cloud = own_cloud
    instance = cloud.running()
    until(lambda: instance["instance_id"] in saved(cloud), "a snapshot with the instance")
    [left] = by_instance(cloud.state_dir)[instance["instance_id"]]
    cloud.crash()
    assert left.is_running()
    cloud.start()
    cloud.await_page(instance["address"])
    [now] = by_instance(cloud.state_dir)[instance["instance_id"]]
    assert now.pid != left.pid
    assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE


def test_what_was_on_its_way_arrives_after_a_resume(own_cloud: CloudProcess) -> None:
    cloud = own_cloud
    instance = cloud.running()
    cloud.client("ec2").stop_instances(InstanceIds=[instance["instance_id"]])
    assert cloud.stop() == 0
    cloud.start()
    cloud.await_state(instance["instance_id"], "stopped")


def test_log_groups_of_stacks_are_made_again(own_cloud: CloudProcess, events: EventSink) -> None:
    """Their service forgets everything at its end."""
    cloud, stacks = own_cloud, own_cloud.client("cloudformation")
    properties = {"LogGroupName": "/a/group", "RetentionInDays": 14}
    template = {"Resources": {"Logs": {"Type": "AWS::Logs::LogGroup", "Properties": properties}}}
    stacks.create_stack(StackName="logs", TemplateBody=json.dumps(template))
    until(
        lambda: stacks.describe_stacks(StackName="logs")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE",
        "the stack",
    )
    until(lambda: "/a/group" in saved(cloud), "a snapshot with the stack")
    assert cloud.stop() == 0
    before = len(events.log_calls)
    cloud.start()
    until(lambda: len(events.log_calls) >= before + 2, "the log group")
    (made, group), (kept, retention) = events.log_calls[before:]
    assert (made, group["logGroupName"]) == ("CreateLogGroup", "/a/group")
    assert (kept, retention["retentionInDays"]) == ("PutRetentionPolicy", 14)


def saved(cloud: CloudProcess) -> str:
    try:
        return (cloud.state_dir / "cloud.snapshot").read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return ""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"rubbish", "is not a snapshot"),
        (b'{"cloudjhub": 0}\n', "was made by another version"),
        (None, "is damaged"),
    ],
)
def test_a_snapshot_that_cannot_be_used_is_left_alone(
    ended: CloudProcess, content: bytes | None, words: str
) -> None:
    snapshot = ended.state_dir / "cloud.snapshot"
    good = snapshot.read_bytes()
    bad = good[:-20] if content is None else content
    snapshot.write_bytes(bad)
    process = ended.spawn()
    assert process.wait(PATIENCE) == 3
    last = (ended.state_dir.parent / "cloud.log").read_text().splitlines()[-1]
    assert last.startswith("cloud: ")
    assert words in last
    assert snapshot.read_bytes() == bad
    snapshot.write_bytes(good)


def test_a_busy_address_is_one_clear_line(own_cloud: CloudProcess) -> None:
    second = own_cloud.spawn("--state-dir", str(own_cloud.state_dir.parent / "second"))
    assert second.wait(PATIENCE) == 3
    last = (own_cloud.state_dir.parent / "cloud.log").read_text().splitlines()[-1]
    assert f"{ADDRESS}:{own_cloud.port} is busy" in last


def test_one_state_directory_has_one_cloud(own_cloud: CloudProcess) -> None:
    """Otherwise the second would end the first one's instances as leftovers."""
    instance = own_cloud.running()
    second = own_cloud.spawn("--port", "4567")
    assert second.wait(PATIENCE) == 3
    last = (own_cloud.state_dir.parent / "cloud.log").read_text().splitlines()[-1]
    assert "is in use by another local cloud" in last
    own_cloud.await_page(instance["address"])


def test_a_missing_secret_is_named(tmp_path: os.PathLike[str]) -> None:
    command = [
        sys.executable, "-m", "bootstrap.local.cloud",
        "--state-dir", str(tmp_path), "--address", ADDRESS, "--events-endpoint", "http://127.90.0.3:9",
    ]  # fmt: skip
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "CLOUDJHUB_LOCAL_SECRET is not set" in done.stderr


def test_the_secret_is_not_in_the_snapshot(ended: CloudProcess) -> None:
    content = (ended.state_dir / "cloud.snapshot").read_bytes()
    assert SECRET.encode() not in content
    assert base64.b64encode(SECRET.encode()) not in content
