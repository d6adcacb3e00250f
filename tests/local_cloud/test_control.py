"""The control API."""

import json

import pytest
import requests

from bootstrap.local.cloud.faults import NAMES
from tests.local_cloud.cloud_process import IMAGE, SECRET, CloudProcess
from tests.shared.waiting import PATIENCE


def test_the_state_shows_instances_and_calls(cloud: CloudProcess) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "cloudjhub:user", "Value": "alice"}]}]
    running = cloud.running(TagSpecifications=tags)
    assert running["tags"] == {"cloudjhub:user": "alice"}
    assert running["image"] == IMAGE
    assert running["type"] == "t3.medium"
    assert isinstance(running["pid"], int)
    assert set(running["volumes"]) == {"/dev/sda1"}
    calls = cloud.control("GET", "state")["calls"]
    assert calls["actions"]["ec2:RunInstances"] >= 1
    assert calls["principals"]["local-operator"]["ec2:RunInstances"] >= 1


def test_calls_can_be_followed(cloud: CloudProcess) -> None:
    """Each with who called it and its outcome, the newest last."""
    before = cloud.control("GET", "calls")["calls"][-1]["number"]
    cloud.client("sts").get_caller_identity()
    with pytest.raises(Exception, match="NotFound"):
        cloud.client("ec2").start_instances(InstanceIds=["i-0123456789abcdef0"])
    found = cloud.control("GET", f"calls?since={before}")["calls"]
    assert [(one["service"], one["action"], one["error"]) for one in found] == [
        ("sts", "GetCallerIdentity", None),
        ("ec2", "StartInstances", "InvalidInstanceID.NotFound"),
    ]
    assert {one["principal"] for one in found} == {"local-operator"}


def test_an_error_of_a_json_service_is_recorded_too(cloud: CloudProcess) -> None:
    with pytest.raises(Exception, match="ResourceNotFoundException"):
        cloud.client("dynamodb").describe_table(TableName="nothing")
    assert cloud.control("GET", "calls")["calls"][-1]["error"] == "ResourceNotFoundException"


def test_faults_are_switched_by_name(cloud: CloudProcess) -> None:
    for name in NAMES:
        cloud.fault(name, True)
    assert cloud.control("GET", "state")["faults"] == sorted(NAMES)
    for name in NAMES:
        cloud.fault(name, False)
    assert cloud.control("GET", "state")["faults"] == []


@pytest.mark.parametrize(
    ("method", "name", "body", "status", "words"),
    [
        ("POST", "faults", '{"name": "gremlins", "on": true}', 400, "there are: capacity, throttling"),
        ("POST", "faults", "not json", 400, "cannot read the request"),
        ("POST", "faults", "{}", 400, "cannot read the request"),
        ("GET", "nothing", "", 404, "GET /_cloud/state"),
        ("POST", "state", "", 404, "GET /_cloud/state"),
        ("POST", "poweroff", '{"instance_id": "i-0123456789abcdef0"}', 400, "does not exist"),
    ],
)
def test_mistakes(cloud: CloudProcess, method: str, name: str, body: str, status: int, words: str) -> None:
    url, headers = f"{cloud.endpoint}/_cloud/{name}", {"Authorization": f"Bearer {SECRET}"}
    answer = requests.request(method, url, data=body, headers=headers, timeout=PATIENCE)
    assert answer.status_code == status
    assert words in answer.text


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", SECRET, f"Bearer {SECRET}x", f"Basic {SECRET}"]
)
@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("faults", {"name": "capacity", "on": True}),
        ("images", {"image_id": IMAGE, "command": ["touch", "/tmp/anything"]}),
        ("metadata", {"instance_id": "i-0123456789abcdef0"}),
        ("poweroff", {"instance_id": "i-0123456789abcdef0"}),
    ],
)
def test_only_the_operator_controls_it(
    cloud: CloudProcess, name: str, body: object, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = requests.post(f"{cloud.endpoint}/_cloud/{name}", json=body, headers=headers, timeout=PATIENCE)
    assert answer.status_code == 403
    assert "operator" in answer.text
    seen = requests.get(f"{cloud.endpoint}/_cloud/state", headers=headers, timeout=PATIENCE)
    assert seen.status_code == 403, "only the operator may look"
    state = cloud.control("GET", "state")
    assert state["faults"] == []
    assert SECRET not in json.dumps(state)


def test_web_pages_cannot_control_it(cloud: CloudProcess) -> None:
    headers = {"Origin": "http://example.com"}
    answer = requests.get(f"{cloud.endpoint}/_cloud/state", headers=headers, timeout=PATIENCE)
    assert answer.status_code == 403
    assert cloud.control("GET", "health") == {"status": "ok"}


def test_what_the_emulator_cannot_do_is_an_error_in_the_caller_s_protocol(cloud: CloudProcess) -> None:
    with pytest.raises(Exception, match="InternalError"):
        cloud.client("ec2").describe_fast_launch_images()


def test_a_service_that_is_elsewhere_is_not_served_by_chance(cloud: CloudProcess) -> None:
    """moto would take events and drop them."""
    with pytest.raises(Exception, match="AWS_ENDPOINT_URL_EVENTS"):
        cloud.client("events").put_events(Entries=[{"Source": "a", "DetailType": "b", "Detail": "{}"}])
