"""The instance metadata service, as botocore uses it and as it is written down."""

import json
import os
import subprocess
import sys

import pytest
import requests

from tests.local_cloud.cloud_process import ACCOUNT, REGION, CloudProcess
from tests.shared.waiting import PATIENCE

TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"
ROLES = "meta-data/iam/security-credentials/"
ASK_WHO_I_AM = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"


@pytest.fixture(scope="module")
def instance(cloud: CloudProcess) -> dict[str, object]:
    return cloud.running(UserData="#cloud-config\nwrite_files: []\n")


@pytest.fixture(scope="module")
def service(cloud: CloudProcess, instance: dict[str, object]) -> str:
    return f"{cloud.metadata(str(instance['instance_id']))}latest/"


@pytest.fixture(scope="module")
def token(service: str) -> dict[str, str]:
    answer = requests.put(f"{service}api/token", headers={TTL: "60"}, timeout=PATIENCE)
    assert answer.headers[TTL] == "60"
    return {TOKEN: answer.text}


def test_botocore_finds_its_credentials(cloud: CloudProcess, instance: dict[str, object]) -> None:
    """With nothing but what the hypervisor sets, boto3 is the instance's role, named for the instance."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": cloud.metadata(str(instance["instance_id"])),
    }
    command = [sys.executable, "-c", ASK_WHO_I_AM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/{instance['instance_id']}"


def test_what_is_told(service: str, token: dict[str, str], instance: dict[str, object]) -> None:
    def told(path: str) -> str:
        answer = requests.get(service + path, headers=token, timeout=PATIENCE)
        assert answer.status_code == 200, path
        return answer.text

    assert told("meta-data/instance-id") == instance["instance_id"]
    assert told("meta-data/local-ipv4") == instance["address"]
    assert told("meta-data/placement/region") == REGION
    assert told("meta-data/placement/availability-zone") == "us-east-1a"
    assert told("user-data") == "#cloud-config\nwrite_files: []\n"
    assert told(ROLES) == "worker"
    document = json.loads(told("dynamic/instance-identity/document"))
    assert (document["instanceId"], document["accountId"]) == (instance["instance_id"], ACCOUNT)
    credentials = json.loads(told(f"{ROLES}worker"))
    assert credentials["Code"] == "Success"
    assert json.loads(told(f"{ROLES}worker")) == credentials


@pytest.mark.parametrize("path", ["meta-data/nothing", f"{ROLES}other", "meta-data/public-ipv4"])
def test_what_is_not_there(service: str, token: dict[str, str], path: str) -> None:
    assert requests.get(service + path, headers=token, timeout=PATIENCE).status_code == 404


@pytest.mark.parametrize("headers", [{}, {TOKEN: "made-up"}])
def test_nothing_is_told_without_a_token(service: str, headers: dict[str, str]) -> None:
    assert (
        requests.get(f"{service}meta-data/instance-id", headers=headers, timeout=PATIENCE).status_code == 401
    )


def test_a_token_is_good_for_its_own_instance_only(cloud: CloudProcess, token: dict[str, str]) -> None:
    other = cloud.running()["instance_id"]
    service = f"{cloud.metadata(other)}latest/"
    assert requests.get(f"{service}{ROLES}worker", headers=token, timeout=PATIENCE).status_code == 401


def test_an_instance_s_id_alone_leads_to_nothing(cloud: CloudProcess, instance: dict[str, object]) -> None:
    """Neither without its key nor with that of another instance."""
    mine, other = str(instance["instance_id"]), str(cloud.running()["instance_id"])
    key = cloud.metadata(mine).rstrip("/").rpartition("/")[2]
    assert key not in json.dumps(cloud.control("GET", "state"))
    for path in (
        other,
        f"{other}/",
        f"{other}/{key}",
        f"{other}/{key[:-1]}",
        f"{mine}/{key[:-1]}",
        f"{mine}/é",
    ):
        url = f"{cloud.endpoint}/_imds/{path}/latest/api/token"
        assert requests.put(url, headers={TTL: "60"}, timeout=PATIENCE).status_code == 404, path
    unknown = requests.get(f"{cloud.metadata(mine)}2009-04-04/meta-data/instance-id", timeout=PATIENCE)
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 400), ({TTL: "0"}, 400), ({TTL: "21600"}, 200), ({TTL: "21601"}, 400), ({TTL: "x"}, 400),
     ({TTL: "60", "X-Forwarded-For": "1.2.3.4"}, 403), ({TTL: "60", "Origin": "http://evil"}, 403)],
)  # fmt: skip
def test_tokens_are_issued_for_up_to_six_hours(service: str, headers: dict[str, str], status: int) -> None:
    assert requests.put(f"{service}api/token", headers=headers, timeout=PATIENCE).status_code == status
