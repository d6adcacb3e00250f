"""The handlers as the platform calls them, on emulated AWS; the rules and policies they are deployed with."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from chalice.app import Chalice, CloudWatchEvent

import app as handlers
from lifecycle_app import wiring
from lifecycle_app.adapters.hub_client import CONNECT_SECONDS, READ_SECONDS
from lifecycle_app.errors import HubAnswerOdd, NotNow, SettingsError
from lifecycle_app.model.transitions import LEASE
from lifecycle_app.settings import settings
from tests.lifecycle.emulated import emulated_aws
from tests.lifecycle.examples import MINUTE, NOON
from tests.lifecycle.payloads import payload

PROJECT = Path(handlers.__file__).parent
NAMES = {
    "record_state", "idle_alarm", "stop_requested", "keep_requested", "record_activity", "sweep", "reconcile",
    "remove_stopped",
    "change_policy",
    "grow_homes",
}  # fmt: skip
CONFIG = json.loads((PROJECT / ".chalice/config.json").read_text())
FUNCTIONS = CONFIG["stages"]["dev"]["lambda_functions"]


@dataclass
class Context:
    left: int = 180_000
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:cloudjhub-test-sweep"

    def get_remaining_time_in_millis(self) -> int:
        return self.left


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CLOUDJHUB_CLUSTER", "test")
    monkeypatch.setenv("CLOUDJHUB_HUB_API", "http://127.0.0.1:9/hub/api")
    monkeypatch.setenv("CLOUDJHUB_HUB_TOKEN_PARAMETER", "/cloudjhub/test/lifecycle-token")
    monkeypatch.setattr(handlers, "utc_now", lambda: NOON + 10 * MINUTE)  # after the payloads
    with emulated_aws():
        wiring.wired.cache_clear()
        yield
        wiring.wired.cache_clear()


def call(name: str, event: dict[str, Any], left: int = 180_000) -> Any:
    return getattr(handlers, name)(event, Context(left))


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("name", "event"),
    [("record_state", "ec2-running"), ("idle_alarm", "idle-alarm"), ("record_state", "stop-requested")],
)
def test_an_event_of_no_worker_is_ignored_and_not_brought_again(name: str, event: str) -> None:
    assert "ignored" in call(name, payload(event))


def test_what_is_too_early_is_tried_again_before_lambda_counts_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("app.time.sleep", pauses.append)
    answers: list[object] = [NotNow("too early"), NotNow("still too early"), "stopped"]

    def act(_now: datetime) -> object:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert handlers.handled(act) == "stopped"
    assert len(pauses) == 2


def test_what_stays_too_early_is_left_to_lambda_within_its_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("app.time.sleep", pauses.append)

    def act(_now: datetime) -> object:
        raise NotNow("too early")

    with pytest.raises(NotNow):
        handlers.handled(act)
    timeouts = [FUNCTIONS[name]["lambda_timeout"] for name in ("record_state", "stop_requested")]
    assert sum(pauses) < min(timeouts) / 4


@pytest.mark.usefixtures("aws")
def test_with_no_worker_there_nothing_is_done() -> None:
    assert call("stop_requested", payload("stop-requested")) == "void"
    assert call("keep_requested", payload("keep-requested")) == "void"
    assert call("change_policy", payload("settings-requested")) == "void"
    assert call("record_activity", payload("schedule")) == {"running": 0, "written": 0}
    assert call("sweep", payload("schedule")) == {}
    with pytest.raises(Exception, match="ParameterNotFound") as error:
        wiring.wired().hub.active_users()
    assert type(error.value) is HubAnswerOdd
    assert call("reconcile", payload("schedule")) == {}
    assert call("remove_stopped", payload("schedule")) == {}


@pytest.mark.usefixtures("aws")
def test_an_instance_that_runs_gets_its_record_and_its_alarm() -> None:
    client = boto3.client("ec2")
    image = client.register_image(Name="base")["ImageId"]
    tags = {
        "cloudjhub:cluster": "test",
        "cloudjhub:role": "worker",
        "cloudjhub:user": "alice",
        "cloudjhub:server": "",
    }
    launched = client.run_instances(
        ImageId=image,
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
        ],
    )
    instance_id = launched["Instances"][0]["InstanceId"]
    event = payload("ec2-running", **{"instance-id": instance_id})
    assert call("record_state", event) == "known"
    assert call("record_state", event) == "known"
    worker = wiring.wired().store.get("alice")
    assert worker is not None
    assert worker.instance_id == instance_id
    alarms = boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in alarms] == [f"cloudjhub-test-idle-{instance_id}"]


def test_a_missing_variable_is_named_when_a_handler_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDJHUB_CLUSTER", raising=False)
    wiring.wired.cache_clear()
    with pytest.raises(SettingsError, match="CLOUDJHUB_CLUSTER is not set"):
        call("sweep", payload("schedule"))


@pytest.mark.usefixtures("aws")
def test_the_token_is_read_once_and_anew_when_it_did_not_work() -> None:
    client = boto3.client("ssm")
    token = wiring.SecretParameter(client, "/cloudjhub/test/lifecycle-token")
    for stored, read in (("old", "old"), ("new", "old")):
        client.put_parameter(
            Name="/cloudjhub/test/lifecycle-token", Value=stored, Type="SecureString", Overwrite=True
        )
        assert token.value() == read
    token.forget()
    assert token.value() == "new"


def test_a_run_that_is_about_to_end_begins_no_worker() -> None:
    event = CloudWatchEvent(payload("schedule"), Context(handlers.ONE_WORKER_TAKES))
    assert not handlers.is_time_left(event)
    event.context.left += 1
    assert handlers.is_time_left(event)


def test_every_handler_has_its_function_policy_and_rule() -> None:
    assert isinstance(handlers.app, Chalice)
    assert set(handlers.app.handler_map) == NAMES == set(FUNCTIONS)
    assert {f["iam_policy_file"] for f in FUNCTIONS.values()} == {f"policy-{name}.json" for name in NAMES}
    assert CONFIG["autogen_policy"] is False


def test_a_lease_outlasts_every_function_that_claims() -> None:
    """A claim can run out only after its holder is gone."""
    clocks_differ = 60
    for function in FUNCTIONS.values():
        assert function["lambda_timeout"] + clocks_differ < LEASE.total_seconds()


def longest(config: Config) -> float:
    """Milliseconds that one call may take."""
    made: Any = config
    once = made.connect_timeout + made.read_timeout
    return float(1000 * once * made.retries["total_max_attempts"])


def test_a_worker_that_is_begun_with_can_be_finished() -> None:
    """A function that ends between claim and stop makes its user wait until the lease is over."""
    asked_twice = 2 * 1000 * (2 * CONNECT_SECONDS + READ_SECONDS)
    figures_and_cpu = 2 * longest(wiring.QUICK)
    takes = figures_and_cpu + asked_twice + longest(wiring.ONCE)
    assert takes <= handlers.ONE_WORKER_TAKES
    for name in ("sweep", "reconcile"):
        assert FUNCTIONS[name]["lambda_timeout"] * 1000 > 1.5 * handlers.ONE_WORKER_TAKES
    for name in ("idle_alarm", "stop_requested"):
        assert takes < FUNCTIONS[name]["lambda_timeout"] * 1000


def test_the_stage_of_a_fresh_clone_is_complete() -> None:
    assert settings(CONFIG["stages"]["dev"]["environment_variables"]).cluster == "dev"


def allowed(name: str) -> dict[str, list[str]]:
    document = json.loads((PROJECT / f".chalice/policy-{name}.json").read_text())
    allows = [statement for statement in document["Statement"] if statement["Effect"] == "Allow"]
    return {action: statement["Resource"] for statement in allows for action in statement["Action"]}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_policies_name_what_they_allow(name: str) -> None:
    for action, resources in allowed(name).items():
        assert "*" not in action
        if not action.startswith(
            ("ec2:Describe", "cloudwatch:Get", "cloudwatch:Describe", "cloudwatch:List")
        ):
            assert all("/dev" in r or "-dev-" in r or ":instance/" in r or ":volume/" in r for r in resources)


def test_only_functions_that_decide_may_stop_and_none_may_start() -> None:
    can_stop = {name for name in NAMES if "ec2:StopInstances" in allowed(name)}
    assert can_stop == {"idle_alarm", "stop_requested", "sweep", "reconcile"}
    assert {name for name in NAMES if "ec2:TerminateInstances" in allowed(name)} == {"remove_stopped"}
    for name in NAMES:
        verbs = {action for action in allowed(name) if action.startswith("ec2:")}
        if name == "grow_homes":
            assert verbs == {
                "ec2:CreateTags",
                "ec2:DescribeVolumes",
                "ec2:DescribeVolumesModifications",
                "ec2:ModifyVolume",
            }
            continue
        assert verbs <= {"ec2:StopInstances", "ec2:TerminateInstances", "ec2:DescribeInstances"}
        assert not verbs >= {"ec2:StopInstances", "ec2:TerminateInstances"}
