"""The documents themselves: who may wear the roles, for which names, how large, how they reach Chalice."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from chalice.constants import LAMBDA_TRUST_POLICY

from bootstrap.aws import names
from bootstrap.aws.scope import Challenge, Scope
from bootstrap.cluster.policies import (
    backup_policy,
    builder_policy,
    dlm_trust,
    ec2_trust,
    lambda_trust,
    lifecycle_policies,
    manager_policy,
    worker_policy,
)
from bootstrap.cluster.policies.__main__ import main
from bootstrap.config.values import MOST_TAGS, TAG_KEY_ROOM
from tests.iam.asking import FUNCTIONS, SCOPE
from tests.iam.simulator import ACCOUNT, Question, judge

REPOSITORY = Path(__file__).resolve().parents[2]
INLINE_LIMIT = 10_240  # characters of a role's inline policies together, without white space


@pytest.mark.parametrize(
    "principal",
    [f"arn:aws:iam::{ACCOUNT}:role/cloudjhub-dev-worker", "lambda.amazonaws.com", "ec2.amazonaws.com"],
)
def test_only_ec2_wears_the_roles_of_manager_and_worker(principal: str) -> None:
    question = Question(
        policies=(),
        principal=principal,
        action="sts:AssumeRole",
        resource=f"arn:aws:iam::{ACCOUNT}:role/cloudjhub-dev-manager",
        trust=ec2_trust(SCOPE),
    )
    (result,) = judge({}, [question])
    assert (result == "Allowed") == (principal == "ec2.amazonaws.com")


@pytest.mark.parametrize(
    ("source", "result"),
    [
        (f"arn:aws:dlm:{SCOPE.region}:{ACCOUNT}:policy/policy-0123456789abcdef0", "Allowed"),
        (f"arn:aws:dlm:{SCOPE.region}:210987654321:policy/policy-0123456789abcdef0", "ImplicitlyDenied"),
        ("", "ImplicitlyDenied"),
    ],
)
def test_only_a_policy_of_the_account_has_data_lifecycle_manager_wear_its_role(
    source: str, result: str
) -> None:
    question = Question(
        policies=(),
        principal="dlm.amazonaws.com",
        action="sts:AssumeRole",
        resource=f"arn:aws:iam::{ACCOUNT}:role/cloudjhub-dev-backups",
        trust=dlm_trust(SCOPE),
        context={"aws:SourceArn": source} if source else {},
    )
    assert judge({}, [question]) == [result]


def test_the_bucket_of_the_policies_is_the_bucket_that_is_made() -> None:
    aws = SimpleNamespace(account=ACCOUNT, region=SCOPE.region)
    assert SCOPE.bucket_arn == f"arn:aws:s3:::{names.bucket(SCOPE.cluster, aws)}"


def test_china_has_an_ec2_of_its_own() -> None:
    china = Scope(cluster="dev", partition="aws-cn", region="cn-north-1", account=ACCOUNT)
    assert ec2_trust(china)["Statement"][0]["Principal"] == {"Service": "ec2.amazonaws.com.cn"}
    assert '"arn:aws:' not in json.dumps(
        [
            policy(china)
            for policy in (manager_policy, worker_policy, builder_policy, backup_policy, lifecycle_policies)
        ]
    )


def test_the_functions_trust_is_what_chalice_gives_them() -> None:
    (ours,) = lambda_trust()["Statement"]
    (chalices,) = LAMBDA_TRUST_POLICY["Statement"]
    assert {**ours, "Sid": ""} == chalices


@pytest.mark.parametrize("cluster", ["a", "physics-101", "a" * 32])
def test_a_cluster_name_is_taken(cluster: str) -> None:
    assert Scope(cluster=cluster).worker_role == f"cloudjhub-{cluster}-worker"


@pytest.mark.parametrize(
    "cluster", ["", "*", "a*", "a?", "a/b", "a\n", "${aws:username}", "A", "1a", "a" * 33]
)
def test_a_cluster_name_that_would_widen_a_policy_is_refused(cluster: str) -> None:
    with pytest.raises(ValueError, match="cluster name"):
        Scope(cluster=cluster)


def test_every_policy_fits_into_its_role() -> None:
    """With the longest name and path, a subnet in each zone, an image for each architecture, and a domain."""
    scope = Scope(
        cluster="a" * 32,
        account=ACCOUNT,
        region="ap-southeast-2",
        partition="aws-us-gov",
        subnets=tuple(f"subnet-{number:017x}" for number in range(6)),
        security_groups=("sg-0123456789abcdef0",),
        images=tuple(f"ami-{number:017x}" for number in range(2)),
        challenge=Challenge("Z" * 32, f"_acme-challenge.{'hub-' * 15}.example.org"),
        tag_keys=tuple(f"{number:020}" for number in range(MOST_TAGS)),
        role_path=f"/{'p' * 62}/",
    )
    assert sum(map(len, scope.tag_keys)) == TAG_KEY_ROOM
    for policy in (
        manager_policy(scope),
        worker_policy(scope),
        builder_policy(scope),
        *lifecycle_policies(scope).values(),
    ):
        assert len(json.dumps(policy, separators=(",", ":"))) <= INLINE_LIMIT


def test_without_places_and_images_the_hub_launches_only_the_accounts_own_images() -> None:
    scope = Scope(cluster="dev", account=ACCOUNT, region="eu-west-1")
    questions = [
        Question(
            policies=("manager",),
            action="ec2:RunInstances",
            resource="arn:aws:ec2:eu-west-1::image/ami-1",
            context={"ec2:Owner": owner},
        )
        for owner in (ACCOUNT, "999999999999", "amazon")
    ]
    results = judge({"manager": manager_policy(scope)}, questions)
    assert results == ["Allowed", "ImplicitlyDenied", "ImplicitlyDenied"]


def test_the_committed_policies_of_stage_dev_are_these() -> None:
    """To fix it: make policies."""
    committed = REPOSITORY / ".chalice"
    ours = lifecycle_policies(Scope(cluster="dev"))
    assert {name: json.loads((committed / f"policy-{name}.json").read_text()) for name in ours} == ours
    config = json.loads((committed / "config.json").read_text())
    assert config["app_name"] == "cloudjhub"
    assert config["log_retention_in_days"]  # with it, Chalice makes the log groups: no function may
    functions = config["stages"]["dev"]["lambda_functions"]
    assert {name: one["iam_policy_file"] for name, one in functions.items()} == {
        name: f"policy-{name}.json" for name in FUNCTIONS
    }


def test_the_command_writes_a_policy_for_each_function(tmp_path: Path) -> None:
    assert (
        main(["--cluster", "dev", "--account", ACCOUNT, "--region", "eu-west-1", "--write", str(tmp_path)])
        == 0
    )
    written = {path.name: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    scope = Scope(cluster="dev", account=ACCOUNT, region="eu-west-1")
    assert written == {f"policy-{name}.json": policy for name, policy in lifecycle_policies(scope).items()}


def test_the_command_names_a_bad_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--cluster", "*", "--write", str(tmp_path)])
    assert "cluster name '*': use a letter and up to 31" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
