"""Every error that is told before anything is created: asked of a strict cloud by the real client, and nothing made."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from bootstrap import preflight
from bootstrap.aws import names
from bootstrap.aws.keys import delegating_statement, logs_statement, without_alias
from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.config.choices import Egress, Https
from bootstrap.config.settings import ClusterSettings, Login, Manager, Network, Workers
from bootstrap.errors import SettingsError
from bootstrap.machines.certificate import self_signed
from tests.local_cloud.cloud_process import ACCOUNT, KEY, REGION, SECRET, CloudProcess, EventSink
from tests.shared.waiting import until

READS = ("Describe", "Get", "Head", "List", "Simulate")
DRY = ("CreateVpc", "AllocateAddress")
"""Tried dry, which creates nothing either: each must be answered by an error."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    sink = EventSink()
    process = CloudProcess(tmp_path_factory.mktemp("preflight") / "state", sink.endpoint)
    process.client("route53").create_hosted_zone(Name="example.org", CallerReference="of the domain")
    yield process
    assert process.stop() == 0
    sink.close()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, cloud: CloudProcess) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint)
    use_key(monkeypatch, KEY, SECRET)
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def settings(tmp_path: Path) -> ClusterSettings:
    users = tmp_path / "users"
    users.write_text("alice admin\nbob\n")
    return ClusterSettings(
        cluster="spring",
        region=REGION,
        owner="Prof. Sky",
        network=Network(name="spring"),
        login=Login(users_file=users, trusted_users=True),
    )


def use_key(monkeypatch: pytest.MonkeyPatch, key: str, secret: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)


SHARED = "Users can take over each other's accounts"
"""How the note about a shared origin begins."""


def problems(cloud: CloudProcess, settings: ClusterSettings) -> list[preflight.Problem]:
    """What is found beside the note about a shared origin."""
    return [one for one in every_problem(cloud, settings) if not one.line.startswith(SHARED)]


def every_problem(cloud: CloudProcess, settings: ClusterSettings) -> list[preflight.Problem]:
    """What is found; fails if any call could have changed anything."""
    before = cloud.control("GET", "state")["calls"]["total"]
    site = Site(settings=settings, aws=Aws(settings.region), directory=Path("unused"))
    found = preflight.check(site)
    for call in cloud.control("GET", f"calls?since={before}")["calls"]:
        is_dry = call["action"] in DRY and call["error"] is not None
        assert call["action"].startswith(READS) or is_dry, call
    assert all("\n" not in problem.line for problem in found)
    return found


def refusals(cloud: CloudProcess, settings: ClusterSettings) -> list[str]:
    return [problem.line for problem in problems(cloud, settings) if problem.refuses]


def warnings(cloud: CloudProcess, settings: ClusterSettings) -> list[str]:
    return [problem.line for problem in problems(cloud, settings) if not problem.refuses]


def test_a_cluster_that_can_be_built_has_no_problem(cloud: CloudProcess, settings: ClusterSettings) -> None:
    assert problems(cloud, settings) == []


def test_users_who_share_an_origin(cloud: CloudProcess, settings: ClusterSettings) -> None:
    """Whoever plans or builds it reads what users can do to each other."""
    [note] = every_problem(cloud, settings)
    assert (note.line.startswith(SHARED), note.refuses) == (True, False)
    apart = replace(settings, manager=Manager(domain="hub.example.org"))
    assert not any(one.line.startswith(SHARED) for one in every_problem(cloud, apart))


def test_expired_credentials(cloud: CloudProcess, settings: ClusterSettings) -> None:
    cloud.fault("expired-credentials", True)
    try:
        assert refusals(cloud, settings) == [
            "the AWS credentials have expired: run `aws sso login` or `aws configure`, or set AWS_PROFILE, then run "
            "the command again"
        ]
    finally:
        cloud.fault("expired-credentials", False)


def test_unknown_credentials(
    cloud: CloudProcess, settings: ClusterSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_key(monkeypatch, "AKIAUNKNOWN", SECRET)
    assert refusals(cloud, settings) == [
        "AWS does not know these credentials (InvalidClientTokenId): run `aws sso login` or `aws configure`, or set "
        "AWS_PROFILE"
    ]


def test_a_wrong_secret(
    cloud: CloudProcess, settings: ClusterSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_key(monkeypatch, KEY, "another")
    assert refusals(cloud, settings) == [
        "the AWS secret access key does not belong to its key id: run `aws sso login` or `aws configure`, or set "
        "AWS_PROFILE"
    ]


def test_no_credentials(
    cloud: CloudProcess, settings: ClusterSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert refusals(cloud, settings) == [
        "there are no AWS credentials: run `aws sso login` or `aws configure`, or set AWS_PROFILE"
    ]


def test_a_region_that_is_not_enabled(cloud: CloudProcess, settings: ClusterSettings) -> None:
    assert refusals(cloud, replace(settings, region="ap-east-1")) == [
        "the region ap-east-1 is not enabled for this account: enable it in the console under Account, AWS Regions, or "
        "set another `region`"
    ]


def test_a_region_that_there_is_not(
    cloud: CloudProcess, settings: ClusterSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As AWS's own endpoints: the region is part of a name that DNS does not know. `.invalid` belongs to no one."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://sts.us-esat-1.invalid")
    assert refusals(cloud, replace(settings, region="us-esat-1")) == [
        "there is no region us-esat-1: set `region` to us-east-1 or us-west-1"
    ]


def test_a_worker_disk_smaller_than_the_images(cloud: CloudProcess, settings: ClusterSettings) -> None:
    [line] = refusals(cloud, replace(settings, workers=Workers(disk=4)))
    assert line.startswith("workers.disk: 4 GB is less than the ")
    assert line.endswith(": make it larger")


def test_a_custom_image_that_there_is_not(cloud: CloudProcess, settings: ClusterSettings) -> None:
    assert refusals(cloud, replace(settings, workers=Workers(image="ami-0123456789abcdef0"))) == [
        "ami-0123456789abcdef0: no such AMI in us-east-1 for this account: name one of this region that you may launch"
    ]


def test_an_unsupported_type_in_the_zone(cloud: CloudProcess, settings: ClusterSettings) -> None:
    """us-east-1e is an old zone, as AWS really has it."""
    network = replace(settings.network, zones=("us-east-1a", "us-east-1e"))
    [line] = refusals(
        cloud, replace(settings, network=network, workers=Workers(types=("m7i.large",), disk=16))
    )
    assert line.startswith("EC2 does not offer m7i.large in us-east-1e: set another in `workers.types`, or ")
    assert "us-east-1a" in line


def test_a_type_that_there_is_not(cloud: CloudProcess, settings: ClusterSettings) -> None:
    assert refusals(cloud, replace(settings, workers=Workers(types=("t9.huge",)))) == [
        "EC2 does not offer the instance type t9.huge in us-east-1: set another in `workers.types`"
    ]


def test_a_xen_type(cloud: CloudProcess, settings: ClusterSettings) -> None:
    """Its disks have no model by which a machine could recognize the home disk."""
    wanted = replace(
        settings, workers=Workers(types=("t3.medium", "t2.medium")), manager=Manager(type="m4.large")
    )
    assert refusals(cloud, wanted) == [
        f"{kind} is a Xen type, on which a machine cannot recognize its data disk: set a Nitro type in `{setting}`, "
        "like t4g or t3 instead of t2, or m7g or m7i instead of m4"
        for kind, setting in (("t2.medium", "workers.types"), ("m4.large", "manager.type"))
    ]


def test_an_account_with_the_free_plan(cloud: CloudProcess, settings: ClusterSettings) -> None:
    cloud.fault("free-plan", True)
    try:
        wanted = replace(settings, workers=Workers(types=("t3.medium",)), manager=Manager(type="t3.micro"))
        assert refusals(cloud, wanted) == [
            "the account has AWS's free plan, which excludes t3.medium: upgrade the account to the paid plan, or set a "
            "type that is eligible for the free tier in `workers.types`"
        ]
    finally:
        cloud.fault("free-plan", False)


def test_a_zone_that_there_is_not(cloud: CloudProcess, settings: ClusterSettings) -> None:
    network = replace(settings.network, zones=("us-east-1a", "us-east-1q"))
    assert any(
        line.startswith("there is no zone us-east-1q in us-east-1: choose `network.zones` from us-east-1a, ")
        for line in refusals(cloud, replace(settings, network=network))
    )


def test_the_default_quota(cloud: CloudProcess, settings: ClusterSettings) -> None:
    cloud.fault("vcpu-limit", True)
    try:
        assert refusals(cloud, settings) == [
            "the account may run 5 vCPUs; manager 2 + a worker 2 + the image's builder 2 need 6: request at least 6 at "
            "https://console.aws.amazon.com/servicequotas/home/services/ec2/quotas/L-1216C47A"
        ]
        ready = replace(
            settings,
            manager=Manager(type="m7g.medium"),
            workers=Workers(types=("m7g.medium",)),
            users=5,
        )
        assert warnings(cloud, ready) == [
            "the account may run 5 vCPUs: 4 of 5 users can work at the same time; for all of them request 6 at "
            "https://console.aws.amazon.com/servicequotas/home/services/ec2/quotas/L-1216C47A"
        ]
    finally:
        cloud.fault("vcpu-limit", False)


def test_the_quotas_of_addresses_and_networks(cloud: CloudProcess, settings: ClusterSettings) -> None:
    ec2 = cloud.client("ec2")
    made = [ec2.allocate_address(Domain="vpc")["AllocationId"] for _ in range(4)]
    there = len(ec2.describe_vpcs()["Vpcs"])
    vpcs = [ec2.create_vpc(CidrBlock="10.9.0.0/24")["Vpc"]["VpcId"] for _ in range(5 - there)]
    try:
        gateway = replace(settings, network=replace(settings.network, egress=Egress.NAT_GATEWAY))
        addresses, networks = refusals(cloud, gateway)
        assert addresses.startswith(
            "the account may have 5 Elastic IP addresses and has 4; 2 more are needed: release some, or request 6"
        )
        assert networks.startswith("the account may have 5 VPCs and has 5; 1 more are needed: ")
        by_manager = replace(settings, network=replace(settings.network, egress=Egress.MANAGER))
        assert refusals(cloud, by_manager) == [networks]
    finally:
        for allocation in made:
            ec2.release_address(AllocationId=allocation)
        for vpc in vpcs:
            ec2.delete_vpc(VpcId=vpc)


def test_own_subnets_too_small(cloud: CloudProcess, settings: ClusterSettings) -> None:
    network = replace(settings.network, cidr=IPv4Network("10.77.0.0/24"))
    assert refusals(cloud, replace(settings, network=network, users=200)) == [
        "the worker subnets of 10.77.0.0/24 hold 118 machines, too few for 200 users (stopped machines keep "
        "their addresses): set a larger `network.cidr` (up to a /16), or fewer `users`"
    ]


@pytest.fixture
def existing(cloud: CloudProcess) -> Iterator[dict[str, str]]:
    """A VPC with a subnet that reaches the internet, and a small one that does not."""
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.5.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone="us-east-1a")["Subnet"]["SubnetId"]
        for cidr in ("10.5.1.0/24", "10.5.2.0/28")
    ]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(VpcId=vpc, InternetGatewayId=gateway)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    bound = ec2.associate_route_table(RouteTableId=table, SubnetId=subnets[0])["AssociationId"]
    yield {"vpc": vpc, "public": subnets[0], "private": subnets[1]}
    ec2.disassociate_route_table(AssociationId=bound)
    ec2.delete_route_table(RouteTableId=table)
    ec2.detach_internet_gateway(VpcId=vpc, InternetGatewayId=gateway)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    for subnet in subnets:
        ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)


def test_an_existing_network_too_small_and_without_a_way_out(
    cloud: CloudProcess, settings: ClusterSettings, existing: dict[str, str]
) -> None:
    network = Network(
        name="",
        vpc=existing["vpc"],
        manager_subnet=existing["public"],
        worker_subnets=(existing["private"],),
    )
    there = replace(settings, network=network)
    assert refusals(cloud, there) == [
        f"the worker subnets {existing['private']} have 11 free addresses, too few for 20 more users (stopped "
        "machines keep theirs): use a /27 subnet, or fewer `users`"
    ]
    assert problems(cloud, replace(there, users=11)) == [
        preflight.Problem(
            f"the worker subnet {existing['private']} has no route to the internet: users cannot install packages, "
            "and idle machines are noticed late unless the VPC has endpoints for CloudWatch and STS: add a NAT gateway",
            refuses=False,
        )
    ]


def test_an_existing_network_with_its_subnets_swapped(
    cloud: CloudProcess, settings: ClusterSettings, existing: dict[str, str]
) -> None:
    network = Network(
        name="",
        vpc=existing["vpc"],
        manager_subnet=existing["private"],
        worker_subnets=(existing["public"],),
    )
    found = problems(cloud, replace(settings, network=network))
    assert [problem.line.partition(",")[0] for problem in found] == [
        f"the manager's subnet {existing['private']} has no route to an internet gateway",
        f"the worker subnet {existing['public']} is public: its machines reach the internet only if the subnet "
        "assigns public addresses: use a subnet with a route to a NAT gateway",
    ]


def test_a_network_and_subnets_that_there_are_not(
    cloud: CloudProcess, settings: ClusterSettings, existing: dict[str, str]
) -> None:
    nowhere = Network(
        name="",
        vpc="vpc-0123456789abcdef0",
        manager_subnet="subnet-11111111",
        worker_subnets=("subnet-22222222",),
    )
    assert "there is no VPC vpc-0123456789abcdef0 in us-east-1: set `network.vpc` or `region`" in refusals(
        cloud, replace(settings, network=nowhere)
    )
    missing = replace(
        nowhere,
        vpc=existing["vpc"],
        manager_subnet=existing["public"],
        worker_subnets=("subnet-0123456789abcdef0",),
    )
    assert refusals(cloud, replace(settings, network=missing)) == [
        f"there is no subnet subnet-0123456789abcdef0 in this region: set subnets of {existing['vpc']}"
    ]


def test_the_name_is_taken_by_another_owner(
    cloud: CloudProcess, settings: ClusterSettings, existing: dict[str, str]
) -> None:
    tags = [
        {"Key": key, "Value": value}
        for key, value in (
            ("cloudjhub:cluster", "taken"),
            ("cloudjhub:role", "manager"),
            ("Owner", "Dean Fog"),
        )
    ]
    ec2 = cloud.client("ec2")
    image = ec2.register_image(Name="base")["ImageId"]
    launched = ec2.run_instances(
        ImageId=image, InstanceType="t3.small", MinCount=1, MaxCount=1, SubnetId=existing["public"],
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )["Instances"][0]["InstanceId"]  # fmt: skip
    try:
        seen = until(lambda: refusals(cloud, replace(settings, cluster="taken")), "EC2 to list the manager")
        assert seen == [
            "there is already a cluster taken of Dean Fog in this account: choose another `cluster`, or set "
            "`owner: Dean Fog` if this is the one you mean"
        ]
    finally:
        ec2.terminate_instances(InstanceIds=[launched])
        cloud.await_state(launched, "terminated")


def test_the_networks_name_is_taken_with_another_range(
    cloud: CloudProcess, settings: ClusterSettings
) -> None:
    template = {
        "Resources": {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.99.0.0/16"}}},
        "Outputs": {
            "Vpc": {"Value": {"Ref": "Vpc"}},
            "ManagerSubnet": {"Value": "subnet-1"},
            "Egress": {"Value": "nat-gateway"},
        },
    }
    formation = cloud.bare_client("cloudformation")
    stack, soon = names.network_stack("campus"), {"Delay": 1, "MaxAttempts": 60}
    formation.create_stack(StackName=stack, TemplateBody=json.dumps(template))
    try:
        formation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig=soon)
        assert (
            "there is already a network campus with the range 10.99.0.0/16, and the settings name 10.77.0.0/16: set "
            "`network.cidr: 10.99.0.0/16` to share it, or choose another `network.name`"
        ) in refusals(cloud, replace(settings, network=Network(name="campus")))
    finally:
        formation.delete_stack(StackName=stack)
        formation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig=soon)


def iam_user(cloud: CloudProcess, name: str, statement: dict[str, Any]) -> tuple[str, str]:
    """Key and secret of an IAM user with this one policy."""
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


def test_missing_permissions(
    cloud: CloudProcess, settings: ClusterSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = {
        "Effect": "Allow",
        "NotAction": ["ec2:CreateVpc", "dynamodb:CreateTable"],
        "Resource": "*",
    }
    use_key(monkeypatch, *iam_user(cloud, "student", statement))
    assert refusals(cloud, settings) == [
        f"arn:aws:iam::{ACCOUNT}:user/student may not ec2:CreateVpc, dynamodb:CreateTable: ask for these permissions, "
        "or use another AWS_PROFILE"
    ]


def test_who_may_not_ask_for_permissions_tries_dry(
    cloud: CloudProcess, settings: ClusterSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_key(
        monkeypatch,
        *iam_user(cloud, "tutor", {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
    )
    assert warnings(cloud, settings) == [
        f"cannot check whether arn:aws:iam::{ACCOUNT}:user/tutor has all permissions: allow "
        "iam:SimulatePrincipalPolicy, or run `up`, which can be run again after a refusal"
    ]


def test_what_a_dry_try_refuses(
    cloud: CloudProcess, settings: ClusterSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = {"Effect": "Allow", "NotAction": ["iam:*", "ec2:CreateVpc"], "Resource": "*"}
    use_key(monkeypatch, *iam_user(cloud, "guest", statement))
    assert refusals(cloud, settings) == [
        f"arn:aws:iam::{ACCOUNT}:user/guest may not ec2:CreateVpc: ask for these permissions, or use another "
        "AWS_PROFILE"
    ]


def test_a_missing_secret_and_users_file(
    cloud: CloudProcess, settings: ClusterSettings, tmp_path: Path
) -> None:
    login = Login(authenticator="github", users_file=tmp_path / "missing")
    assert refusals(cloud, replace(settings, login=login)) == [
        f"{tmp_path}/missing does not exist: write the users into it, a line `name` or `name admin` for each, or set "
        "login.allow_all",
        "the authenticator github has no client-secret yet: run `cloudjhub secrets set client-secret`",
    ]


def test_a_wrong_line_of_the_users_file(cloud: CloudProcess, settings: ClusterSettings) -> None:
    settings.login.users_file.write_text("alice\nbob/root\n")
    [line] = refusals(cloud, settings)
    assert str(settings.login.users_file) in line
    assert line.endswith(": correct it")


def test_an_own_certificate_for_another_name(
    cloud: CloudProcess, settings: ClusterSettings, tmp_path: Path
) -> None:
    pair = self_signed("other.example.org", False, datetime.now(UTC))
    (tmp_path / "cert.pem").write_text(pair.certificate)
    (tmp_path / "key.pem").write_text(pair.key)
    manager = Manager(
        domain="hub.example.org",
        https=Https.OWN,
        certificate=tmp_path / "cert.pem",
        key=tmp_path / "key.pem",
    )
    assert refusals(cloud, replace(settings, manager=manager)) == [
        "manager.certificate: the certificate is not for hub.example.org"
    ]


def test_a_domain_that_points_nowhere(cloud: CloudProcess, settings: ClusterSettings) -> None:
    assert warnings(cloud, replace(settings, manager=Manager(domain="hub.invalid"))) == [
        f"{name} has to point to the manager's address, which `up` prints: set its A record then, or neither "
        "browsers nor Let's Encrypt find the hub"
        for name in ("hub.invalid", "*.hub.invalid")
    ]


def test_a_wildcard_certificate_needs_a_zone_for_its_record(
    cloud: CloudProcess, settings: ClusterSettings
) -> None:
    manager = Manager(domain="hub.invalid", https=Https.LETS_ENCRYPT, email="a@example.org")
    [line] = refusals(cloud, replace(settings, manager=manager))
    assert line.startswith("Let's Encrypt certifies *.hub.invalid by a DNS record only")
    alone = Manager(domain="hub.invalid", https=Https.LETS_ENCRYPT, subdomains=False)
    assert refusals(cloud, replace(settings, manager=alone)) == []


def test_a_foreign_record_of_the_domain(cloud: CloudProcess, settings: ClusterSettings) -> None:
    """Refused if `up` would need its name; once it is gone, nothing is left to the operator."""
    route53 = cloud.client("route53")
    [zone] = route53.list_hosted_zones()["HostedZones"]
    record = {
        "Name": "*.hub.example.org",
        "Type": "CNAME",
        "TTL": 60,
        "ResourceRecords": [{"Value": "a.example"}],
    }
    batches = {
        action: {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        for action in ("CREATE", "DELETE")
    }
    route53.change_resource_record_sets(HostedZoneId=zone["Id"], ChangeBatch=batches["CREATE"])
    apart = replace(settings, manager=Manager(domain="hub.example.org"))
    [line] = refusals(cloud, apart)
    assert line.startswith(
        "*.hub.example.org has the CNAME record (a.example) in the hosted zone example.org"
    )
    alone = replace(settings, manager=Manager(domain="hub.example.org", subdomains=False))
    assert refusals(cloud, alone) == []
    route53.change_resource_record_sets(HostedZoneId=zone["Id"], ChangeBatch=batches["DELETE"])
    assert problems(cloud, apart) == []
    certified = Manager(domain="hub.example.org", https=Https.LETS_ENCRYPT)
    assert problems(cloud, replace(settings, manager=certified)) == []


def test_who_may_not_list_the_zones(
    cloud: CloudProcess, settings: ClusterSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked only for a domain."""
    key, secret = iam_user(cloud, "no-dns", {"Effect": "Allow", "NotAction": "route53:*", "Resource": "*"})
    use_key(monkeypatch, key, secret)
    assert refusals(cloud, settings) == []
    [line] = refusals(cloud, replace(settings, manager=Manager(domain="hub.example.org")))
    assert "may not route53:ListHostedZones" in line


def test_all_problems_are_reported_at_once(cloud: CloudProcess, settings: ClusterSettings) -> None:
    wrong = replace(
        settings,
        workers=Workers(types=("t9.huge",), disk=4),
        network=replace(settings.network, cidr=IPv4Network("10.77.0.0/26")),
        users=300,
    )
    assert len(refusals(cloud, wrong)) == 3


def test_the_accounts_default_key_for_disks(cloud: CloudProcess, settings: ClusterSettings) -> None:
    """EC2 would accept each launch, and end it."""
    ec2, key = cloud.client("ec2"), cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
    try:
        [line] = refusals(cloud, settings)
        assert line.endswith(f"set `kms_key: {key}`")
        [line] = refusals(cloud, replace(settings, kms_key=key))
        assert "does not let CloudWatch Logs encrypt" in line
    finally:
        ec2.modify_ebs_default_kms_key_id(KmsKeyId="alias/aws/ebs")
    assert refusals(cloud, settings) == []


def test_a_key_that_is_not_there_or_has_all_it_needs(cloud: CloudProcess, settings: ClusterSettings) -> None:
    account = f"arn:aws:kms:{REGION}:{ACCOUNT}"
    gone = f"{account}:key/00000000-0000-0000-0000-000000000000"
    [line] = refusals(cloud, replace(settings, kms_key=gone))
    assert line.startswith(f"there is no key {gone}: set `kms_key`")
    kms = cloud.client("kms")
    needed = [
        delegating_statement("aws", ACCOUNT),
        logs_statement(REGION, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:*"),
    ]
    policy = {"Version": "2012-10-17", "Statement": [json.loads(one) for one in needed]}
    key = kms.create_key(Policy=json.dumps(policy))["KeyMetadata"]
    kms.create_alias(AliasName="alias/notebooks", TargetKeyId=key["KeyId"])
    by_alias = replace(settings, kms_key=f"{account}:alias/notebooks")
    resolved = without_alias(by_alias, Aws(REGION))
    assert resolved.kms_key == key["Arn"]
    assert problems(cloud, resolved) == []
    with pytest.raises(SettingsError, match="alias/other leads to no key: set it to the ARN of your key"):
        without_alias(replace(settings, kms_key=f"{account}:alias/other"), Aws(REGION))
