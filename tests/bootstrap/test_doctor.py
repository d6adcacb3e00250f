"""What is wrong with a cluster: each judgement by its boundary, and the commands over a cluster that is half built."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from bootstrap.aws.site import Site
from bootstrap.cli.status import doctor
from bootstrap.errors import NotBuilt, Unhealthy
from bootstrap.operations.health import checkup, facts, findings
from bootstrap.operations.workers.listing import DUPLICATE, NO_RECORD, ListedWorker
from lifecycle_app.contract import STOPPED_FOR_HOME
from lifecycle_app.model.messages import message
from lifecycle_app.model.worker import State, Worker
from tests.bootstrap.half_built import MOTO_WARNS, build_half, unbuilt

pytestmark = pytest.mark.filterwarnings(MOTO_WARNS)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=3)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("until", "life", "line"),
    [
        (NOW + findings.SOON + SECOND, timedelta(days=3650), None),
        (NOW + findings.SOON, timedelta(days=90), "the hub's certificate expires in 21 days: fix it"),
        (NOW + timedelta(days=12), timedelta(days=45), None),
        (NOW + timedelta(days=11), timedelta(days=45), "the hub's certificate expires in 11 days: fix it"),
        (NOW + timedelta(days=2), timedelta(days=90), "the hub's certificate expires in 2 days: fix it"),
        (NOW, timedelta(days=90), "the hub's certificate has expired: fix it"),
    ],
)
def test_certificates(until: datetime, life: timedelta, line: str | None) -> None:
    assert findings.certificate((until - life, until), NOW, "fix it") == ([line] if line else [])
    assert findings.certificate(None, NOW, "fix it") == []


@pytest.mark.parametrize(
    ("found", "found_v6", "zone", "lines"),
    [
        ({"1.2.3.4"}, set(), "", []),
        ({"5.6.7.8"}, set(), "", ["hub.example.org leads to 5.6.7.8 instead of 1.2.3.4: set its A record to 1.2.3.4"]),
        ({"1.2.3.4", "5.6.7.8"}, set(), "", ["hub.example.org leads to 1.2.3.4, 5.6.7.8 instead of 1.2.3.4"]),
        (set(), set(), "", ["hub.example.org is not found in the DNS: set its A record"]),
        (set(), set(), "example.org (Z1)", ["hub.example.org is not found in the DNS: the hosted zone"]),
        ({"1.2.3.4"}, {"::1"}, "", ["hub.example.org has an AAAA record (::1), which browsers prefer"]),
        (set(), {"::1"}, "", ["hub.example.org is not found", "hub.example.org has an AAAA record"]),
    ],
)  # fmt: skip
def test_names(found: set[str], found_v6: set[str], zone: str, lines: list[str]) -> None:
    wrong = findings.names("hub.example.org", found, found_v6, "1.2.3.4", zone)
    assert len(wrong) == len(lines)
    assert all(line.startswith(start) for line, start in zip(wrong, lines, strict=True))


@pytest.mark.parametrize(
    ("skew", "words"),
    [
        (findings.ALLOWED_SKEW, None),
        (findings.ALLOWED_SKEW + SECOND, "ahead of"),
        (-findings.ALLOWED_SKEW - SECOND, "behind"),
    ],
)
def test_clocks(skew: timedelta, words: str | None) -> None:
    found = findings.clock(skew)
    assert [words in line for line in found if words] == ([True] if words else [])


def test_managers() -> None:
    assert findings.manager({"i-1": "running"}) == []
    assert findings.manager({"i-1": "stopped"}) == [
        "the manager i-1 is stopped: run `cloudjhub up`, which starts it"
    ]
    assert findings.manager({}) == ["there is no manager: run `cloudjhub up`"]
    assert findings.manager({"i-1": "running", "i-2": "running"}) == [
        "there are 2 managers (i-1, i-2): run `cloudjhub up`, which leaves one"
    ]


def test_state_disks() -> None:
    disk = {"VolumeId": "vol-1", "Attachments": [{"InstanceId": "i-1"}]}
    assert findings.state_disk([disk], ["i-1"]) == []
    assert findings.state_disk([disk], ["i-2"]) == [
        "the state disk vol-1 is not attached to the manager: run `cloudjhub up`"
    ]
    assert "vol-1, vol-2" in findings.state_disk([disk, {"VolumeId": "vol-2"}], ["i-1"])[0]
    assert findings.state_disk([], ["i-1"])[0].startswith("the manager's state disk is missing")


def test_images() -> None:
    assert findings.image("ami-1", "available", NOW - findings.IMAGE_AGES, NOW) == []
    assert findings.image("ami-1", "", None, NOW) == [
        "the worker image ami-1 is missing: run `cloudjhub image build`"
    ]
    assert findings.image("", "", None, NOW) == ["the cluster has no worker image: run `cloudjhub up`"]


def test_scheduled_functions() -> None:
    limits = {"sweep": timedelta(minutes=15)}
    assert findings.last_runs({"sweep": NOW - limits["sweep"]}, {}, limits, NOW) == []
    [late] = findings.last_runs({"sweep": NOW - limits["sweep"] - SECOND}, {}, limits, NOW)
    assert late.endswith("see `cloudjhub logs sweep`")
    assert findings.last_runs({}, {"sweep": NOW - limits["sweep"]}, limits, NOW) == []
    assert findings.last_runs({}, {"sweep": NOW - limits["sweep"] - SECOND}, limits, NOW)
    [never] = findings.last_runs({}, {}, limits, NOW)
    assert never.startswith("sweep has never run: ")


def test_errors_letters_alarms() -> None:
    assert findings.errors({"sweep": "", "reconcile": "boom"}) == [
        "reconcile failed: boom: see `cloudjhub logs reconcile`"
    ]
    assert findings.dead_letters(0, "q") == []
    assert findings.dead_letters(2, "q")[0].startswith("2 events in the dead-letter queue q: ")
    assert findings.alarms({"a": "it is bad"}) == ["the alarm a is in ALARM: it is bad: see `cloudjhub logs`"]


def worker(state: State, at: datetime = LONG_AGO) -> Worker:
    return Worker(key="alice", instance_id="i-1", state=state, state_at=at, version=1, changed_at=at)


def machine(state: str, note: str = "", since: datetime = LONG_AGO) -> ListedWorker:
    return ListedWorker(key="alice", instance_id="i-1", state=state, since=since, note=note)


@pytest.mark.parametrize(
    ("state", "recorded", "is_wrong"),
    [
        ("running", State.RUNNING, False),
        ("stopped", State.RUNNING, True),
        ("running", State.STOPPED, True),
        ("running", State.STOPPING, False),
        ("shutting-down", State.TERMINATED, False),
    ],
)
def test_records_against_ec2(state: str, recorded: State, is_wrong: bool) -> None:
    found = findings.workers([machine(state)], [worker(recorded)], NOW)
    assert bool(found) is is_wrong
    assert findings.workers([machine(state)], [worker(recorded, NOW - findings.SETTLES_IN)], NOW) == []


def test_a_home_that_cannot_be_mounted_is_named_with_the_next_step() -> None:
    stopped = replace(
        worker(State.STOPPED), message=message("stop-requested", by=STOPPED_FOR_HOME), home_volume="vol-1"
    )
    (line,) = findings.unusable_homes([stopped])
    assert line.startswith("the home disk vol-1 of alice cannot be mounted")
    assert "`cloudjhub logs worker alice`" in line
    assert "e2fsck" in line
    assert findings.unusable_homes([replace(stopped, state=State.PENDING)]) == []
    assert findings.unusable_homes([replace(stopped, message=message("stop-requested", by="alice"))]) == []
    assert findings.unusable_homes([worker(State.STOPPED)]) == []


def test_instances_without_a_record() -> None:
    assert findings.workers([machine("running", NO_RECORD)], [], NOW) == [
        "no record has the instance of alice (i-1, running): see `cloudjhub logs reconcile`"
    ]
    assert findings.workers([machine("running", NO_RECORD, NOW)], [], NOW) == []
    assert findings.workers([machine("running", DUPLICATE)], [], NOW) == [
        "there is a second instance of alice (i-1, running): see `cloudjhub workers terminate alice`"
    ]


def test_secrets_and_roles() -> None:
    assert findings.secrets(["/a", "/b"], ["/b"])[0].startswith("the secret /a is missing: ")
    wanted: dict[str, Any] = {"r": {"Statement": []}, "s": {"Statement": []}}
    assert findings.roles(wanted, wanted) == []
    changed, missing = findings.roles(wanted, {"r": {"Statement": ["more"]}, "s": None})
    assert changed.startswith("the policy of the role r was changed by hand: ")
    assert missing == "the role s or its policy is missing: run `cloudjhub up`"


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (None, None),
        (("policy-1", "ENABLED", ""), None),
        (("policy-1", "DISABLED", ""), "is disabled"),
        (("policy-1", "", ""), "was deleted"),
        (("policy-1", "ERROR", "No role"), "is in state ERROR (No role)"),
        (("policy-1", "ERROR", ""), "is in state ERROR"),
    ],
)  # fmt: skip
def test_the_policy_of_the_homes_backups(found: tuple[str, str, str] | None, line: str | None) -> None:
    told = findings.backup_policy(found)
    what = "homes are not backed up: the policy policy-1 of Data Lifecycle Manager"
    assert [one.partition(": run")[0].partition(": an admin")[0] for one in told] == (
        [f"{what} {line}"] if line else []
    )


def test_what_is_left_behind() -> None:
    of_ada = [{"Key": "cloudjhub:user", "Value": "ada"}, {"Key": "cloudjhub:server", "Value": "gpu"}]
    replaced = {"Key": "cloudjhub:replaced-by", "Value": "vol-7"}
    volumes: list[dict[str, Any]] = [
        {"VolumeId": "vol-1", "State": "available"},
        {"VolumeId": "vol-2", "State": "available"},
        {"VolumeId": "vol-3", "State": "in-use"},
        *({"VolumeId": one, "State": "available", "Tags": of_ada} for one in ("vol-5", "vol-4")),
        {"VolumeId": "vol-6", "State": "available", "Tags": [*of_ada, replaced]},
    ]
    old = NOW - findings.BUILDING_TAKES - SECOND
    found = findings.orphans(volumes, {"i-1": old, "i-2": NOW}, ["vol-1"], NOW)
    assert [line.partition(":")[0] for line in found] == [
        "the home disk vol-6 was replaced by vol-7 at a restore",
        "the home disk vol-2 has no record",
        "the home disks vol-4, vol-5 of ada/gpu have no record",
        f"the image builder i-1 has been there for {found[3].split('for ')[1].partition(':')[0]}",
    ]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with unbuilt(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def half_built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with unbuilt(tmp_path_factory.mktemp("half")) as found:
        build_half(found)
        yield found


def run_doctor(*options: str) -> Any:
    return CliRunner().invoke(doctor, list(options))


def test_nothing_is_built(site: Site) -> None:
    result = run_doctor()
    assert isinstance(result.exception, NotBuilt)
    assert result.exception.exit_code == 3


def test_unknown_credentials_are_all_that_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    result = run_doctor()
    note, *lines = result.output.splitlines()
    assert note.startswith("note: Users can take over each other's accounts")
    assert lines == [
        "! credentials",
        "    there are no AWS credentials: run `aws sso login` or `aws configure`, or set AWS_PROFILE",
    ]


def test_a_half_built_cluster(half_built: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the permissions, which moto cannot simulate: those are tried with preflight."""
    looks = {topic: look for topic, look in checkup.CHECKS.items() if topic != "permissions"}
    monkeypatch.setattr(checkup, "CHECKS", looks)
    result = run_doctor("--json")
    assert isinstance(result.exception, Unhealthy), result.exception
    assert result.exception.exit_code == 5
    found = {one["topic"]: one["wrong"] for one in json.loads(result.output)}
    assert list(found) == list(looks)
    assert found["manager"][0] == "there is no manager: run `cloudjhub up`"
    assert found["worker image"] == ["the cluster has no worker image: run `cloudjhub up`"]
    assert any(line.startswith("sweep has never run: ") for line in found["functions"])
    assert not [line for line in found["roles"] if line.startswith("the role cloudjhub-spring-manager ")]
    for topic in ("clock", "certificate", "dead-letter queue", "alarms", "workers", "left behind", "secrets"):
        assert found[topic] == [], topic


def test_a_policy_that_was_changed_by_hand(half_built: Site) -> None:
    iam = half_built.aws.client("iam")
    [name] = iam.list_role_policies(RoleName="cloudjhub-spring-worker")["PolicyNames"]
    more = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_role_policy(RoleName="cloudjhub-spring-worker", PolicyName=name, PolicyDocument=json.dumps(more))
    wanted = facts.wanted_policies(half_built)
    found = findings.roles(wanted, facts.found_policies(half_built, list(wanted)))
    assert [line for line in found if "by hand" in line] == [
        "the policy of the role cloudjhub-spring-worker was changed by hand: delete its policy, then run `cloudjhub up`"
    ]


def test_the_last_run_and_the_last_error_are_in_the_log(half_built: Site) -> None:
    logs, group, now = half_built.aws.client("logs"), "/aws/lambda/cloudjhub-spring-sweep", datetime.now(UTC)
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    assert facts.last_run(half_built, "cloudjhub-spring-sweep") is None
    at = int(now.timestamp() * 1000)
    logs.put_log_events(
        logGroupName=group, logStreamName="one",
        logEvents=[{"timestamp": at, "message": "ERROR lifecycle_app.handlers: failed\nTraceback"}],
    )  # fmt: skip
    seen = facts.last_run(half_built, "cloudjhub-spring-sweep")
    assert seen is not None
    assert abs(seen - now) < timedelta(minutes=1)
    assert (
        facts.last_error(half_built, "cloudjhub-spring-sweep", now) == "ERROR lifecycle_app.handlers: failed"
    )
    assert facts.last_error(half_built, "cloudjhub-spring-sweep", now + timedelta(days=2)) == ""


@pytest.mark.parametrize(
    ("resources", "policies", "found"),
    [
        ([], {}, None),
        (["policy-1"], {}, ("policy-1", "", "")),
        (["policy-1"], {"policy-1": {"State": "ENABLED"}}, ("policy-1", "ENABLED", "")),
        (
            ["policy-1"],
            {"policy-1": {"State": "ERROR", "StatusMessage": "No role"}},
            ("policy-1", "ERROR", "No role"),
        ),
    ],
)
def test_the_policy_of_the_homes_backups_is_the_one_of_the_stack(
    resources: list[str], policies: dict[str, Any], found: Any
) -> None:
    def get(PolicyId: str) -> Any:  # noqa: N803 -- boto3's own name
        if PolicyId not in policies:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetLifecyclePolicy")
        return {"Policy": policies[PolicyId]}

    kind, status = "AWS::DLM::LifecyclePolicy", "CREATE_COMPLETE"
    listed = [
        {"ResourceType": kind, "PhysicalResourceId": one, "ResourceStatus": status} for one in resources
    ]
    clients: Any = {
        "cloudformation": SimpleNamespace(describe_stack_resources=lambda **_: {"StackResources": listed}),
        "dlm": SimpleNamespace(get_lifecycle_policy=get),
    }
    site: Any = SimpleNamespace(cluster="spring", aws=SimpleNamespace(client=clients.get))
    assert facts.backup_policy(site) == found
