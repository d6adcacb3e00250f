"""What preflight makes of AWS's answers, at the boundaries."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    EndpointConnectionError,
    NoCredentialsError,
    UnauthorizedSSOTokenError,
)
from botocore.stub import Stubber

from bootstrap.aws.errors import refused_credentials, unreachable
from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.cluster import routing
from bootstrap.cluster.inventory import VOLUME, Found
from bootstrap.config.settings import ClusterSettings, Network, Profile, Workers
from bootstrap.preflight import login, machines, names_taken, permissions, profiles, quotas, subnets
from bootstrap.preflight.problem import Problem
from bootstrap.preflight.subnets import Subnet


@pytest.mark.parametrize(
    ("machines", "prefix"),
    [(1, 28), (11, 28), (12, 27), (251, 24), (252, 23), (65_531, 16), (65_532, None)],
)
def test_the_smallest_subnet(machines: int, prefix: int | None) -> None:
    assert subnets.prefix_for(machines) == prefix


@pytest.mark.parametrize(("quota", "is_enough"), [(10, False), (99, False), (100, True), (1000, True)])
def test_functions_at_the_same_time(quota: float, is_enough: bool) -> None:
    found = list(quotas.judge_functions(quota))
    assert [problem.refuses for problem in found] == ([] if is_enough else [False])
    assert is_enough or f"may run {quota:g} Lambda functions" in found[0].line


@pytest.mark.parametrize(("free", "missing", "is_enough"), [(20, 20, True), (20, 21, False), (0, -3, True)])
def test_room(free: int, missing: int, is_enough: bool) -> None:
    found = list(subnets.judge_room([Subnet("subnet-1", "vpc-1", "us-east-1a", free)], missing))
    assert (found == []) is is_enough


def test_room_in_several_subnets() -> None:
    two = [Subnet(f"subnet-{n}", "vpc-1", "us-east-1a", 10) for n in (1, 2)]
    [problem] = subnets.judge_room(two, 500)
    assert "use 2 subnets of size /23" not in problem.line
    assert "use 2 subnets of size /24" in problem.line
    [problem] = subnets.judge_room(two, 200_000)
    assert "use more subnets" in problem.line


@pytest.mark.parametrize(
    ("workers", "first"),
    [
        (("subnet-a", "subnet-b"), "subnet-b"),
        (("subnet-b", "subnet-a"), ""),
        (("subnet-a",), ""),
        (("subnet-b",), ""),
    ],
)
def test_the_worker_subnet_in_the_managers_zone_is_to_be_the_first(
    workers: tuple[str, ...], first: str
) -> None:
    """The manager is in zone b. Where no worker subnet is, nothing can be done."""
    zones = {"subnet-m": "us-east-1b", "subnet-a": "us-east-1a", "subnet-b": "us-east-1b"}
    found = [Subnet(name, "vpc-1", zone, 10) for name, zone in zones.items()]
    problems = subnets.judge_order("subnet-m", workers, found)
    assert [one.refuses for one in problems] == [False] * bool(first)
    assert all(f"Put {first} first" in one.line for one in problems)


@pytest.mark.parametrize(
    ("mib", "users", "serves"), [(2048, 100, None), (2048, 101, 100), (4096, 201, 200), (512, 26, 25)]
)
def test_a_manager_that_is_too_small(mib: int, users: int, serves: int | None) -> None:
    found = list(machines.judge_manager("t3.small", {"MemoryInfo": {"SizeInMiB": mib}}, users))
    assert [problem.refuses for problem in found] == ([] if serves is None else [False])
    assert serves is None or f"serves about {serves}: set a larger type" in found[0].line


def table(target: dict[str, str], **association: Any) -> dict[str, Any]:
    return {
        "Associations": [association],
        "Routes": [
            {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"},
            {"DestinationCidrBlock": "0.0.0.0/0", "State": "active", **target},
        ],
    }


@pytest.mark.parametrize(
    ("tables", "target"),
    [
        ([table({"NatGatewayId": "nat-1"}, SubnetId="s"), table({"GatewayId": "igw-1"}, Main=True)], "nat-1"),
        ([table({"GatewayId": "igw-1"}, Main=True)], "igw-1"),
        ([table({"TransitGatewayId": "tgw-1"}, SubnetId="s")], "tgw-1"),
        ([table({"NatGatewayId": "nat-1", "State": "blackhole"}, SubnetId="s")], ""),
        ([table({"NatGatewayId": "nat-1"}, SubnetId="another")], ""),
        ([], ""),
    ],
)
def test_default_routes(tables: list[dict[str, Any]], target: str) -> None:
    assert routing.default_route("s", tables) == target


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("t3.medium", quotas.STANDARD),
        ("m7i.large", quotas.STANDARD),
        ("g4dn.xlarge", "L-DB2E81BA"),
        ("p5.48xlarge", "L-417A185B"),
        ("inf2.xlarge", "L-1945791B"),
        ("x2iedn.xlarge", "L-7295265B"),
    ],
)
def test_the_quota_of_a_type(kind: str, code: str) -> None:
    assert quotas.quota_of(kind) == code


@pytest.mark.parametrize(("quota", "refuses"), [(5, True), (6, False), (46, None)])
def test_vcpus(quota: float, refuses: bool | None) -> None:
    """Six for manager, builder and a worker; 42 for twenty workers beside the manager, four used by others."""
    machines = {"manager": 2, "a worker": 2, "the image's builder": 2}
    vcpus = quotas.Vcpus(
        code="L-1", quota=quota, used=4 if quota > 6 else 0, machines=machines, worker=2, users=20
    )
    found = list(quotas.judge_vcpus(vcpus))
    assert [problem.refuses for problem in found] == ([] if refuses is None else [refuses])


def test_the_simulators_answers() -> None:
    results = [
        {"EvalActionName": "a:Yes", "EvalDecision": "allowed"},
        {"EvalActionName": "a:No", "EvalDecision": "implicitDeny", "MissingContextValues": []},
        {"EvalActionName": "a:Never", "EvalDecision": "explicitDeny"},
        {
            "EvalActionName": "a:Perhaps",
            "EvalDecision": "implicitDeny",
            "MissingContextValues": ["aws:SourceIp"],
        },
    ]
    assert permissions.judge_simulation(results) == ["a:No", "a:Never"]


@pytest.mark.parametrize(
    ("caller", "role"),
    [
        ("arn:aws:sts::123456789012:assumed-role/Admin/me", "Admin"),
        ("arn:aws:iam::123456789012:user/me", None),
        ("arn:aws:iam::123456789012:root", None),
    ],
)
def test_whose_policies_count(caller: str, role: str | None) -> None:
    assert permissions.role_name(caller) == role


@pytest.mark.parametrize(
    ("found", "address", "words"),
    [
        ({"1.2.3.4"}, "1.2.3.4", None),
        ({"5.6.7.8"}, "1.2.3.4", "hub.example.org points to 5.6.7.8: point its A record to 1.2.3.4"),
        (set(), "1.2.3.4", "hub.example.org points nowhere: point its A record to 1.2.3.4"),
        ({"5.6.7.8"}, "", "hub.example.org has to point to the manager's address"),
    ],
)
def test_domains(found: set[str], address: str, words: str | None) -> None:
    problems = list(login.judge_domain("hub.example.org", found, address))
    assert [problem.line.startswith(words) for problem in problems if words] == ([True] if words else [])
    assert not any(problem.refuses for problem in problems)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NoCredentialsError(), "there are no AWS credentials: "),
        (UnauthorizedSSOTokenError(), "the AWS credentials have expired: "),
        (EndpointConnectionError(endpoint_url="https://x"), "AWS cannot be reached in us-east-1: "),
    ],
)
def test_calls_that_do_not_reach_aws(error: BotoCoreError, words: str) -> None:
    assert unreachable(error, "us-east-1").startswith(words)


def test_a_wrong_clock() -> None:
    line = refused_credentials(
        "SignatureDoesNotMatch",
        "Signature expired: 1 is now earlier than 2",
        "eu-west-1",
        is_known_elsewhere=False,
    )
    assert line.startswith("this machine's clock is wrong")


def test_networks_that_are_shared() -> None:
    assert list(names_taken.judge_egress("campus", "manager", "nat-gateway", [])) == []
    assert list(names_taken.judge_egress("campus", "manager", "manager", ["autumn"])) == []
    [problem] = names_taken.judge_egress("campus", "manager", "nat-gateway", ["winter", "autumn"])
    assert "also used by autumn, winter" in problem.line
    assert list(names_taken.judge_network("spring", "vpc-1", "vpc-1")) == []
    [problem] = names_taken.judge_network("spring", "vpc-1", "vpc-2")
    assert problem.line.startswith(
        "there is already a cluster spring in the network vpc-1, and the settings name vpc-2: "
    )


def test_homes_of_an_earlier_cluster_are_named_before_others_get_them() -> None:
    assert list(names_taken.judge_homes("spring", [])) == []
    homes = [Found(VOLUME, f"vol-{n}", home_of=user) for n, user in enumerate(["bob", "ada", "bob/gpu"])]
    [problem] = names_taken.judge_homes("spring", homes)
    assert not problem.refuses
    assert "left 3 home disks (ada, bob, bob/gpu)" in problem.line
    [many] = names_taken.judge_homes("spring", [Found(VOLUME, f"vol-{n}", home_of=f"u{n}") for n in range(9)])
    assert "left 9 home disks (u0, u1, u2, u3, u4 and others)" in many.line


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("404", []),
        (
            "403",
            [
                Problem(
                    "the bucket cloudjhub-spring-123456789012-us-east-1 belongs to another account: choose another "
                    "`cluster`"
                )
            ],
        ),
    ],
)
def test_the_buckets_name(code: str, found: list[Problem], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    aws = Aws("us-east-1")
    settings = ClusterSettings(cluster="spring", region="us-east-1", owner="", network=Network(name="spring"))
    site = Site(settings=settings, aws=aws, directory=Path("unused"))
    with Stubber(aws.client("sts")) as sts, Stubber(aws.client("s3")) as s3:
        sts.add_response("get_caller_identity", {"Arn": "arn:aws:iam::123456789012:user/me"})
        s3.add_client_error("head_bucket", service_error_code=code)
        assert list(names_taken.bucket(site)) == found


@pytest.mark.parametrize(
    ("kind", "supported", "refused"),
    [
        ("t4g.medium", ["arm64"], False),
        ("t3.medium", ["x86_64"], False),
        ("t2.small", ["i386", "x86_64"], False),
        ("p6e-gb200.36xlarge", ["arm64"], True),
        ("mac1.metal", ["x86_64_mac"], True),
        ("x9.huge", [], True),
    ],
)
def test_a_type_has_the_processor_that_its_name_says(kind: str, supported: list[str], refused: bool) -> None:
    found = {"ProcessorInfo": {"SupportedArchitectures": supported}}
    problems = list(machines.judge_processor(kind, found, "workers.types"))
    assert [one.refuses for one in problems] == [True] * refused


def a_profile(name: str, *groups: str) -> Profile:
    return Profile(name=name, types=("t4g.medium",), groups=groups)


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        ([], None),
        ([a_profile("Standard"), a_profile("Big", "physics")], None),
        (
            [a_profile("Small", "ds"), a_profile("Big", "physics", "ds")],
            "in none of ds, physics gets no machine",
        ),
    ],
)
def test_users_for_whom_there_is_no_profile(given: list[Profile], warned: str | None) -> None:
    found = list(profiles.judge_open(given))
    assert [(one.refuses, bool(warned and warned in one.line)) for one in found] == [(False, True)] * bool(
        warned
    )


def test_a_group_that_is_not_known_may_be_misspelt() -> None:
    given = [a_profile("Standard"), a_profile("Big", "physics", "phsics"), a_profile("GPU", "ml")]
    [found] = profiles.judge_groups(given, {"physics", "ml"})
    assert found.line.startswith("the profile Big is for phsics, of which")
    assert not found.refuses


def test_a_manager_that_would_get_another_processor_is_told_how_to_stay() -> None:
    assert list(machines.judge_managers_processor("t3.small", "t3a.medium")) == []
    [found] = machines.judge_managers_processor("t3.small", "t4g.small")
    assert found.line.endswith("(arm64): to keep it, set `manager.type: t3.small`")
    assert not found.refuses


def test_users_machines_that_would_get_another_processor() -> None:
    assert list(machines.judge_workers_processor("arm64", Workers(types=("m7g.large", "t4g.medium")))) == []
    [found] = machines.judge_workers_processor("x86_64", Workers())
    assert found.line.startswith(
        "users' machines are x86_64, and `workers.types` (t4g.medium, t4g.large) are arm64"
    )
    assert not found.refuses


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov", "aws-eusc"])
def test_credentials_of_another_partition_are_refused(partition: str) -> None:
    (found,) = permissions.judge_partition(partition)
    assert found.refuses
    assert partition in found.line
    assert not list(permissions.judge_partition("aws"))
