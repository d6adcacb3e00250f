"""The lifecycle step on a local cloud: deployed by Chalice, completed by what Chalice cannot, removed."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bootstrap.aws import names, secrets, stacks
from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.cluster import chalice, functions
from bootstrap.cluster.monitoring import cloudwatch, dead_letters, notices
from bootstrap.cluster.monitoring.dead_letters import function_arn
from bootstrap.cluster.steps.lifecycle import Lifecycle, variables
from bootstrap.cluster.steps.step import Kind
from bootstrap.cluster.templates import access_template
from bootstrap.config.choices import Https
from bootstrap.config.settings import ClusterSettings, Manager, Network, Timing
from bootstrap.errors import StepFailed
from bootstrap.local import programs
from lifecycle_app.contract import TAG_CLUSTER
from tests.local_cloud.cloud_process import ACCOUNT, EVENTS_ADDRESS, KEY, REGION, SECRET, CloudProcess, is_up
from tests.shared.addresses import free_port
from tests.shared.waiting import PATIENCE, until

HUB = Manager(domain="127.0.0.1", port=9, https=Https.NONE)  # nothing answers there
SETTINGS = ClusterSettings(
    cluster="spring", region=REGION, owner="me", network=Network(name="spring"), manager=HUB
)
EVENTS = ("LAMBDA", "EVENTBRIDGE", "CLOUDWATCH_LOGS", "SQS", "SNS")
EMULATOR = Path(programs.__file__).with_name("emulate_lambda.py")


def silently(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where AWS is: the environment of the operator, with the cloud and ministack running."""
    directory = tmp_path_factory.mktemp("aws")
    port = free_port(EVENTS_ADDRESS)
    events = f"http://{EVENTS_ADDRESS}:{port}"
    cloud = CloudProcess(directory / "state", events)
    environment = {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        **{f"AWS_ENDPOINT_URL_{name}": events for name in EVENTS},
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    ministack = start_ministack(directory, port, environment)
    until(lambda: is_up(events), "ministack")
    yield environment
    ministack.terminate()
    ministack.wait(PATIENCE)
    assert cloud.stop() == 0


def start_ministack(directory: Path, port: int, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    with (directory / "ministack.log").open("ab") as log:
        return subprocess.Popen(
            [programs.ministack(), "-P", str(EMULATOR)],
            env={
                "PATH": os.environ["PATH"],
                **environment,
                "BIND_HOST": EVENTS_ADDRESS,
                "GATEWAY_PORT": str(port),
                "MINISTACK_HOST": EVENTS_ADDRESS,
                "MINISTACK_ACCOUNT_ID": ACCOUNT,
                "IOT_MTLS_ENABLED": "0",
                "LAMBDA_STATE_TRANSITION_SECONDS": "0",
                "CLOUDJHUB_LOCAL_METRICS_PERIOD": "0.5",
                # Retries come after a moment instead of minutes.
                "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",
                "TMPDIR": str(directory),
            },
            cwd=directory,
            stdout=log,
            stderr=log,
        )


@pytest.fixture
def site(places: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Site:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in places.items():
        monkeypatch.setenv(name, value)
    site = Site(settings=SETTINGS, aws=Aws(REGION), directory=tmp_path)
    place = {
        "Resources": {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}},
        "Outputs": {"ManagerAddress": {"Value": "127.77.0.10"}},
    }
    if not site.outputs("cloudjhub-spring-place"):
        stacks.apply(site.aws.client("cloudformation"), "cloudjhub-spring-place", place)
        stacks.apply(
            site.aws.client("cloudformation"), "cloudjhub-spring-access", access_template(site.scope)
        )
    return site


def built(site: Site) -> Site:
    Lifecycle().apply(site, silently)
    return site


def rules_and_roles(site: Site) -> list[int]:
    """How many there are; the functions' roles are of the stack `access`."""
    rules = site.aws.client("events").list_rules(NamePrefix="cloudjhub-spring-")["Rules"]
    roles = site.aws.client("iam").list_roles()["Roles"]
    return [len(rules), len([one for one in roles if one["RoleName"].startswith("cloudjhub-spring-")])]


def test_it_is_built_once_and_then_left_alone(site: Site) -> None:
    step = Lifecycle()
    assert [change.kind for change in step.changes(site)] == [Kind.CREATE]
    step.apply(site, silently)
    assert step.changes(site) == []
    found = functions.existing(site.aws, "spring")
    assert sorted(found) == sorted(names.functions("spring"))
    assert rules_and_roles(site) == [10, 14]


def test_a_changed_setting_is_deployed_without_an_operators_files(site: Site) -> None:
    """The directory is new in each test: whoever comes next goes on from what AWS has."""
    built(site)
    slower = replace(site, settings=replace(SETTINGS, timing=Timing(sweep_schedule="rate(10 minutes)")))
    assert {change.kind for change in Lifecycle().changes(slower)} == {Kind.CHANGE}
    built(slower)
    assert Lifecycle().changes(slower) == []
    rule = site.aws.client("events").describe_rule(Name="cloudjhub-spring-sweep-event")
    assert rule["ScheduleExpression"] == "rate(10 minutes)"
    assert rules_and_roles(site) == [10, 14]


def test_an_interruption_between_chalice_and_the_rest_is_made_up_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(site)
    functions.remove(site.aws, "cloudjhub-spring-sweep")

    def interrupted(_: Site) -> None:
        raise StepFailed("interrupted")

    with monkeypatch.context() as patched:
        patched.setattr(dead_letters, "apply", interrupted)
        with pytest.raises(StepFailed, match="interrupted"):
            built(site)
    assert Lifecycle().changes(site) != []
    built(site)
    assert Lifecycle().changes(site) == []
    assert rules_and_roles(site) == [10, 14]


def test_an_event_that_fails_three_times_is_kept_in_the_queue(site: Site) -> None:
    """There are no tables in this cloud: no function can do its work."""
    built(site)
    url = dead_letters.find(site)
    assert url is not None
    sqs: Any = site.aws.client("sqs")
    detail = {
        "cluster": "spring",
        "worker": "alice",
        "instance_id": "i-0123456789abcdef0",
        "requested_at": time.time(),
        "requested_by": "carol",
    }
    event = {
        "source": "cloudjhub.hub",
        "detail-type": "Stop Requested",
        "account": ACCOUNT,
        "region": REGION,
        "time": datetime.now(UTC).isoformat(),
        "detail": detail,
    }
    site.aws.client("lambda").invoke(
        FunctionName="cloudjhub-spring-stop_requested",
        InvocationType="Event",
        Payload=json.dumps(event).encode(),
    )

    def kept() -> Any:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        bodies = [json.loads(message["Body"]) for message in messages]
        return [one for one in bodies if one["requestPayload"].get("detail") == detail]

    [failed] = until(kept, "the event in the queue")
    assert failed["requestContext"]["condition"] == "RetriesExhausted"


def test_a_function_that_this_release_has_no_more_goes(site: Site) -> None:
    built(site)
    role = site.aws.client("iam").create_role(RoleName="cloudjhub-spring-old", AssumeRolePolicyDocument="{}")
    for cluster, name in (("spring", "cloudjhub-spring-old"), ("spring-old", "cloudjhub-spring-old-sweep")):
        site.aws.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=role["Role"]["Arn"],
            Handler="app.x",
            Code={"ZipFile": b"x"},
            Environment={"Variables": {"CLOUDJHUB_CLUSTER": cluster}},
        )
    assert [change.kind for change in Lifecycle().changes(site)] == [Kind.CHANGE]
    built(site)
    left = [one["FunctionName"] for one in site.aws.client("lambda").list_functions()["Functions"]]
    assert "cloudjhub-spring-old" not in left
    assert "cloudjhub-spring-old-sweep" in left  # another cluster's, though its name begins alike
    site.aws.client("lambda").delete_function(FunctionName="cloudjhub-spring-old-sweep")


TAGS = {"CostCenter": "48-1123"}
DENIAL = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
)


def tags_there(site: Site) -> dict[str, Any]:
    """The tags of what stands in no stack, by what it is."""
    client: Any = site.aws.client
    arn = site.scope.arn
    found: dict[str, dict[str, str]] = {}
    for name in names.functions("spring"):
        group = arn("logs", f"log-group:{names.function_log_group(name)}")
        found |= {
            name: client("lambda").list_tags(Resource=arn("lambda", f"function:{name}"))["Tags"],
            f"log group {name}": client("logs").list_tags_for_resource(resourceArn=group)["tags"],
            f"rule {name}": listed(
                client("events").list_tags_for_resource(
                    ResourceARN=arn("events", f"rule/{names.rule(name)}")
                )["Tags"]
            ),
        }
    for alarm in cloudwatch.alarm_names(site):
        resource = arn("cloudwatch", f"alarm:{alarm}")
        found[alarm] = listed(client("cloudwatch").list_tags_for_resource(ResourceARN=resource)["Tags"])
    url = dead_letters.find(site)
    topic = client("sns").list_tags_for_resource(ResourceArn=notices.topic_arn(site.scope))
    secret = client("ssm").list_tags_for_resource(
        ResourceType="Parameter", ResourceId="/cloudjhub/spring/hub/x"
    )
    return found | {
        "queue": client("sqs").list_queue_tags(QueueUrl=url).get("Tags", {}),
        "topic": listed(topic["Tags"]),
        "parameter": listed(secret["TagList"]),
    }


def listed(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def test_a_tag_of_the_institution_reaches_what_was_there_before_it(site: Site) -> None:
    """By one more `up`, and then nothing is left to change."""
    watched = replace(site, settings=replace(SETTINGS, alerts="ada@example.org"))
    secrets.create(site.aws.client("ssm"), "spring", "hub/x", "secret")
    ec2: Any = site.aws.client("ec2")
    ours = [{"Key": TAG_CLUSTER, "Value": "spring"}]
    disk = ec2.create_volume(
        AvailabilityZone=f"{REGION}a", Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": ours}]
    )["VolumeId"]
    other = ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1)["VolumeId"]
    built(watched)
    assert all("CostCenter" not in tags for tags in tags_there(watched).values())
    marked = replace(watched, settings=replace(watched.settings, tags=TAGS))
    assert [change.kind for change in Lifecycle().changes(marked)] == [Kind.CHANGE]
    built(marked)
    assert Lifecycle().changes(marked) == []
    found = tags_there(marked)
    assert len(found) == 10 * 3 + len(cloudwatch.alarm_names(marked)) + 3
    assert [what for what, tags in found.items() if tags.get("CostCenter") != "48-1123"] == []
    [mine] = ec2.describe_volumes(VolumeIds=[disk])["Volumes"]
    assert listed(mine["Tags"]) == {TAG_CLUSTER: "spring", **TAGS}
    [foreign] = ec2.describe_volumes(VolumeIds=[other])["Volumes"]
    assert foreign.get("Tags", []) == []


def test_a_role_that_chalice_made_goes_once_the_function_has_ours(site: Site) -> None:
    """Until this release."""
    iam = site.aws.client("iam")
    iam.create_role(RoleName="cloudjhub-spring-sweep", AssumeRolePolicyDocument="{}")
    iam.put_role_policy(RoleName="cloudjhub-spring-sweep", PolicyName="p", PolicyDocument=DENIAL)
    functions.mark(site.aws, [function_arn(site.scope, "sweep")], "of an earlier release")
    built(site)
    assert rules_and_roles(site) == [10, 14]
    role = site.aws.client("lambda").get_function_configuration(FunctionName="cloudjhub-spring-sweep")["Role"]
    assert role.endswith(":role/cloudjhub-spring-sweep-role")


def test_all_of_it_goes(site: Site) -> None:
    built(site)
    assert len(Lifecycle().removals(site)) > 10 * 3
    Lifecycle().remove(site, silently)
    assert Lifecycle().removals(site) == []
    assert rules_and_roles(site) == [0, 14]
    Lifecycle().remove(site, silently)


def test_the_functions_learn_where_the_hub_is_and_what_it_must_show() -> None:
    found = variables(SETTINGS, "https://hub.example", "PEM")
    assert found["CLOUDJHUB_HUB_API"] == "https://hub.example/hub/api"
    assert found["CLOUDJHUB_HUB_CERTIFICATE"] == "PEM"
    assert found["CLOUDJHUB_SWEEP_SCHEDULE"] == "rate(5 minutes)"
    assert "CLOUDJHUB_HUB_CERTIFICATE" not in variables(SETTINGS, "https://hub.example", "")


def test_the_hash_tells_one_content_from_another() -> None:
    first = chalice.content_hash({"a": b"1", "b": b"2"})
    assert first == chalice.content_hash({"b": b"2", "a": b"1"})
    assert first != chalice.content_hash({"a": b"1", "b": b"3"})
    assert first != chalice.content_hash({"a": b"1b", "": b"2"})
