"""Network, data, place and access in the local cloud: built, left alone, changed, resumed, removed to nothing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, NoReturn

import boto3
import pytest

from bootstrap.aws import names, stacks
from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.cluster.dns.hosted_zones import readable
from bootstrap.cluster.steps.access import Access
from bootstrap.cluster.steps.data import Data
from bootstrap.cluster.steps.network import NetworkStep
from bootstrap.cluster.steps.place import Place
from bootstrap.cluster.steps.step import Kind, Step
from bootstrap.cluster.templates.network import network_template
from bootstrap.config.choices import Egress, Https
from bootstrap.config.settings import ClusterSettings, Manager, Network, Workers
from bootstrap.errors import Held, Refused, StepFailed
from lifecycle_app.contract import TAG_CLUSTER
from tests.local_cloud.cloud_process import KEY, NETWORK, REGION, SECRET, CloudProcess, EventSink
from tests.shared.waiting import until

CIDR = IPv4Network(f"{NETWORK}.64.0/18")
STEPS: tuple[Step, ...] = (NetworkStep(), Data(), Place(), Access())


@pytest.fixture
def spring(cloud: CloudProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint)
    one = site(tmp_path, "spring")
    yield one
    remove(one)
    remove(site(tmp_path, "autumn"))


def site(directory: Path, cluster: str, egress: Egress = Egress.NAT_GATEWAY, **manager: Any) -> Site:
    settings = ClusterSettings(
        cluster=cluster,
        region=REGION,
        owner="physics",
        network=Network(name="campus", cidr=CIDR, egress=egress),
        manager=Manager(**manager),
    )
    session = boto3.Session(aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name=REGION)
    return Site(settings=settings, aws=Aws(REGION, session), directory=directory / cluster)


def silent(_words: str) -> None:
    pass


def build(*sites: Site) -> None:
    for one in sites:
        for step in STEPS:
            step.apply(one, silent)


def remove(one: Site) -> None:
    for step in reversed(STEPS):
        step.remove(one, silent)


def changes(one: Site) -> dict[str, list[tuple[Kind, str]]]:
    found = {step.name: [(change.kind, change.what) for change in step.changes(one)] for step in STEPS}
    return {name: list(of_step) for name, of_step in found.items() if of_step}


def everything(cloud: CloudProcess) -> dict[str, Any]:
    """All that a stack may hold, as AWS's own calls show it."""
    ec2, iam = cloud.client("ec2"), cloud.client("iam")
    return {
        "vpcs": [one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"] if not one["IsDefault"]],
        "subnets": [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"] if not one["DefaultForAz"]],
        "gateways": ec2.describe_internet_gateways()["InternetGateways"],
        "egress": ec2.describe_egress_only_internet_gateways()["EgressOnlyInternetGateways"],
        "nat": [
            one["NatGatewayId"]
            for one in ec2.describe_nat_gateways()["NatGateways"]
            if one["State"] != "deleted"
        ],
        "addresses": [one["AllocationId"] for one in ec2.describe_addresses()["Addresses"]],
        "endpoints": [
            one["VpcEndpointId"]
            for one in ec2.describe_vpc_endpoints()["VpcEndpoints"]
            if one["State"] != "deleted"
        ],
        "interfaces": [
            one["NetworkInterfaceId"] for one in ec2.describe_network_interfaces()["NetworkInterfaces"]
        ],
        "groups": [
            one["GroupId"]
            for one in ec2.describe_security_groups()["SecurityGroups"]
            if one["GroupName"] != "default"
        ],
        "tables": cloud.client("dynamodb").list_tables()["TableNames"],
        "buckets": [one["Name"] for one in cloud.client("s3").list_buckets()["Buckets"]],
        "roles": [one["RoleName"] for one in iam.list_roles()["Roles"]],
        "profiles": [one["InstanceProfileName"] for one in iam.list_instance_profiles()["InstanceProfiles"]],
        "backups": [one["PolicyId"] for one in cloud.client("dlm").get_lifecycle_policies()["Policies"]],
        "stacks": [one["StackName"] for one in cloud.client("cloudformation").describe_stacks()["Stacks"]],
    }


def default_route(one: Site) -> dict[str, Any]:
    """How the workers of the network reach the internet."""
    table = one.outputs(names.network_stack("campus"))["WorkerRoutes"]
    routes = one.aws.client("ec2").describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    return next((dict(route) for route in routes if route.get("DestinationCidrBlock") == "0.0.0.0/0"), {})


def days_of_backups(one: Site) -> list[int]:
    """How long the policies of backups keep them."""
    dlm = one.aws.client("dlm")
    found = [
        dlm.get_lifecycle_policy(PolicyId=policy["PolicyId"])
        for policy in dlm.get_lifecycle_policies()["Policies"]
    ]
    return [policy["Policy"]["PolicyDetails"]["Schedules"][0]["RetainRule"]["Interval"] for policy in found]


def bill_alarms(one: Site) -> list[tuple[str, list[str]]]:
    """The limits of the account's budgets, and what they are of."""
    answer = one.aws.client("budgets").describe_budgets(AccountId="123456789012")
    return [
        (budget["BudgetLimit"]["Amount"], budget["CostFilters"]["TagKeyValue"])
        for budget in answer.get("Budgets", [])
    ]


def test_built_then_left_alone_then_removed_with_nothing_left(
    cloud: CloudProcess, spring: Site, events: EventSink
) -> None:
    before, logged = everything(cloud), len(events.log_calls)
    planned = changes(spring)
    assert {name: kinds[0][0] for name, kinds in planned.items()} == dict.fromkeys(planned, Kind.CREATE)
    assert list(planned) == ["network", "data", "place", "access"]
    build(spring)
    built = everything(cloud)
    assert changes(spring) == {}
    build(spring)
    assert everything(cloud) == built
    bucket = spring.aws.client("s3")
    for content in (b"one", b"two"):
        bucket.put_object(Bucket=names.bucket("spring", spring.aws), Key="bundle/x", Body=content)
    assert {change.kind for step in STEPS for change in step.removals(spring)} == {Kind.REMOVE}
    remove(spring)
    assert everything(cloud) == before
    assert [change for step in STEPS for change in step.removals(spring)] == []
    remove(spring)  # again: nothing is there, and nothing is wrong
    calls = events.log_calls[logged:]
    made = [(name, body["logGroupName"]) for name, body in calls if name != "PutRetentionPolicy"]
    groups = {names.log_group("spring"), names.audit_log_group("spring")}
    assert [name for name, _ in made] == ["CreateLogGroup"] * 2 + ["DeleteLogGroup"] * 2
    assert {group for _, group in made[:2]} == {group for _, group in made[2:]} == groups


def test_a_foreign_interface_in_a_group_holds_it_and_is_named(cloud: CloudProcess, spring: Site) -> None:
    """As EC2 does, the cloud refuses to delete the group; the next `down` completes."""
    for step in (NetworkStep(), Place()):
        step.apply(spring, silent)
    ec2, group = cloud.client("ec2"), spring.place()["WorkerGroup"]
    made = ec2.create_network_interface(
        SubnetId=spring.network().worker_subnets[0], Groups=[group], Description="EFS mount target"
    )
    foreign = made["NetworkInterface"]["NetworkInterfaceId"]
    with pytest.raises(Held, match=rf"held by the network interface {foreign} \(EFS mount target\)") as held:
        Place().remove(spring, silent)
    assert f"resource {group} has a dependent object" in str(held.value)
    ec2.delete_network_interface(NetworkInterfaceId=foreign)
    Place().remove(spring, silent)
    assert Place().removals(spring) == []


def test_what_is_built_is_as_the_templates_say(spring: Site) -> None:
    build(spring)
    dynamodb, s3, ec2 = (spring.aws.client("dynamodb"), spring.aws.client("s3"), spring.aws.client("ec2"))
    table = dynamodb.describe_table(TableName="cloudjhub-spring-workers")["Table"]
    assert {index["IndexName"] for index in table["GlobalSecondaryIndexes"]} == {"due", "instance", "changed"}
    assert table["DeletionProtectionEnabled"]
    backups = dynamodb.describe_continuous_backups(TableName="cloudjhub-spring-history")
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
    expiry = dynamodb.describe_time_to_live(TableName="cloudjhub-spring-history")["TimeToLiveDescription"]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    bucket = names.bucket("spring", spring.aws)
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert "SecureTransport" in s3.get_bucket_policy(Bucket=bucket)["Policy"]
    assert "NatGatewayId" in default_route(spring)
    place = spring.place()
    (interface,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[place["ManagerInterface"]])[
        "NetworkInterfaces"
    ]
    assert interface["SourceDestCheck"]
    assert interface["PrivateIpAddress"] == place["ManagerAddress"]
    assert interface["Association"]["PublicIp"] == place["PublicAddress"]
    assert {group["GroupId"] for group in interface["Groups"]} == {
        place["PublicGroup"],
        place["ManagerGroup"],
    }
    stack = stacks.current(spring.aws.client("cloudformation"), names.stack("spring", "data"))
    assert stack is not None
    assert stack["EnableTerminationProtection"]
    assert stack["Tags"] == [{"Key": TAG_CLUSTER, "Value": "spring"}]


def test_a_manager_with_a_fixed_address_gets_it(cloud: CloudProcess, spring: Site, tmp_path: Path) -> None:
    one = site(tmp_path, "spring", private_address=str(CIDR[10]))
    build(one)
    assert one.place()["ManagerAddress"] == str(CIDR[10])
    moved = site(tmp_path, "spring", private_address=str(CIDR[11]))
    assert {what: kind for kind, what in changes(moved)["place"]} == {
        "ManagerInterface": Kind.REPLACE,
        "PublicAddressOfManager": Kind.CHANGE,  # it refers to the interface, and may be replaced with it
    }
    assert one.place()["ManagerAddress"] == str(CIDR[10])  # a plan changes nothing


def test_a_changed_setting_changes_what_it_concerns(spring: Site, tmp_path: Path) -> None:
    build(spring)
    before = spring.place()
    settings = replace(
        spring.settings,
        manager=Manager(port=8443),
        workers=Workers(image="ami-0123456789abcdef0", backup_days=14),
        alerts="ada@example.org",
        bill_alarm=250,
    )
    other = replace(spring, settings=settings)
    assert changes(other) == {
        "place": [(Kind.REMOVE, "PublicPort443"), (Kind.CREATE, "PublicPort8443")],
        "access": [
            (Kind.CREATE, "BillAlarm"),
            (Kind.CHANGE, "HomeBackups"),
            (Kind.CHANGE, "ManagerRole"),
        ],
    }
    build(other)
    assert changes(other) == {}
    assert days_of_backups(other) == [14]
    assert bill_alarms(other) == [("250.0", ["user:cloudjhub:cluster$spring"])]
    dearer = replace(other, settings=replace(settings, bill_alarm=300))
    build(dearer)
    assert bill_alarms(dearer) == [("300.0", ["user:cloudjhub:cluster$spring"])]
    build(replace(dearer, settings=replace(settings, bill_alarm=0)))
    assert bill_alarms(dearer) == []
    build(replace(other, settings=replace(settings, workers=replace(settings.workers, backup_days=0))))
    assert days_of_backups(other) == []
    build(other)
    (group,) = other.aws.client("ec2").describe_security_groups(GroupIds=[before["PublicGroup"]])[
        "SecurityGroups"
    ]
    assert {rule["FromPort"] for rule in group["IpPermissions"]} == {80, 8443}
    policy = other.aws.client("iam").get_role_policy(
        RoleName="cloudjhub-spring-manager", PolicyName="cloudjhub-spring-manager"
    )
    assert "ami-0123456789abcdef0" in json.dumps(policy["PolicyDocument"])
    assert other.place() == before


def test_a_key_is_added_to_what_stands(cloud: CloudProcess, spring: Site, events: EventSink) -> None:
    """Tables, bucket and log groups are changed in place, and get it."""
    one, before = Data(), len(events.log_calls)
    one.apply(spring, silent)
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    with_key = replace(spring, settings=replace(spring.settings, kms_key=key))
    assert {change.kind for change in one.changes(with_key)} == {Kind.CHANGE}
    one.apply(with_key, silent)
    assert one.changes(with_key) == []
    for name in names.TABLES:
        table = cloud.client("dynamodb").describe_table(TableName=names.table("spring", name))["Table"]
        assert table["SSEDescription"]["KMSMasterKeyArn"] == key
    bucket = names.bucket("spring", spring.aws)
    rule = cloud.client("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"][
        "Rules"
    ][0]
    assert rule["BucketKeyEnabled"]
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == key
    asked = [given for action, given in events.log_calls[before:] if action == "AssociateKmsKey"]
    assert {given["logGroupName"]: given["kmsKeyId"] for given in asked} == {
        names.log_group("spring"): key, names.audit_log_group("spring"): key,
    }  # fmt: skip


def test_the_way_out_is_changed_back_and_forth(spring: Site, tmp_path: Path) -> None:
    for egress, target in (
        (Egress.MANAGER, "NetworkInterfaceId"),
        (Egress.PUBLIC_ADDRESS, "GatewayId"),
        (Egress.MANAGER, "NetworkInterfaceId"),
        (Egress.NAT_GATEWAY, "NatGatewayId"),
    ):
        one = site(tmp_path, "spring", egress)
        build(one)
        assert changes(one) == {}
        assert default_route(one).get(target), egress
        interface = one.place()["ManagerInterface"]
        found = one.aws.client("ec2").describe_network_interfaces(NetworkInterfaceIds=[interface])
        assert found["NetworkInterfaces"][0]["SourceDestCheck"] is (egress is not Egress.MANAGER)


def test_both_families_of_addresses_leave_by_ways_of_their_own(
    cloud: CloudProcess, spring: Site, tmp_path: Path
) -> None:
    """IPv6 through the egress-only gateway, IPv4 through the manager; each machine has both."""
    before, one = everything(cloud), site(tmp_path, "spring", Egress.DUAL_STACK)
    build(one)
    assert changes(one) == {}
    ec2, built = one.aws.client("ec2"), one.network()
    (table,) = ec2.describe_route_tables(
        RouteTableIds=[one.outputs(names.network_stack("campus"))["WorkerRoutes"]]
    )["RouteTables"]
    [ipv6] = [way for way in table["Routes"] if way.get("DestinationIpv6CidrBlock") == "::/0"]
    assert ipv6["EgressOnlyInternetGatewayId"].startswith("eigw-")
    assert default_route(one)["NetworkInterfaceId"] == one.place()["ManagerInterface"]
    (vpc,) = ec2.describe_vpcs(VpcIds=[built.vpc])["Vpcs"]
    whole = IPv6Network(vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"])
    subnets = ec2.describe_subnets(SubnetIds=list(built.worker_subnets))["Subnets"]
    ranges = {IPv6Network(one["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]) for one in subnets}
    assert len(ranges) == len(subnets) == 2
    assert all(one.subnet_of(whole) and one.prefixlen == 64 for one in ranges)
    assert all(one["AssignIpv6AddressOnCreation"] for one in subnets)
    (public,) = ec2.describe_subnets(SubnetIds=[built.manager_subnet])["Subnets"]
    assert not public["Ipv6CidrBlockAssociationSet"], "the manager has IPv4 alone"
    (group,) = ec2.describe_security_groups(GroupIds=[one.place()["WorkerGroup"]])["SecurityGroups"]
    out = group["IpPermissionsEgress"]
    assert [r["CidrIp"] for rule in out for r in rule["IpRanges"]] == ["0.0.0.0/0"]
    assert [r["CidrIpv6"] for rule in out for r in rule["Ipv6Ranges"]] == ["::/0"]
    assert not any(rule["IpRanges"] or rule["Ipv6Ranges"] for rule in group["IpPermissions"]), (
        "nothing comes in"
    )
    remove(one)
    assert everything(cloud) == before


def test_a_subnet_of_an_ipv6_range_that_there_is_not_fails(cloud: CloudProcess, spring: Site) -> None:
    """With CloudFormation's own message, and nothing is left behind."""
    before = everything(cloud)
    template = network_template("campus", CIDR, ["us-east-1a", "us-east-1b"], Egress.DUAL_STACK)
    template["Resources"]["WorkerSubnet1"]["Properties"]["Ipv6CidrBlock"]["Fn::Select"][0] = 256
    client, name = spring.aws.client("cloudformation"), names.network_stack("campus")
    with pytest.raises(StepFailed, match=r"WorkerSubnet1: .*cannot select nonexistent value at index 256"):
        stacks.apply(client, name, template, tags={})
    NetworkStep().remove(site(spring.directory, "spring", Egress.DUAL_STACK), silent)
    assert everything(cloud) == before


@pytest.mark.parametrize(
    ("has", "wants"), [(Egress.MANAGER, Egress.DUAL_STACK), (Egress.DUAL_STACK, Egress.MANAGER)]
)
def test_a_network_keeps_whether_it_has_ipv6(
    spring: Site, tmp_path: Path, has: Egress, wants: Egress
) -> None:
    NetworkStep().apply(site(tmp_path, "spring", has), silent)
    with pytest.raises(Refused, match=rf"set `network.egress` to {has}"):
        NetworkStep().changes(site(tmp_path, "spring", wants))


def test_a_second_cluster_shares_the_network_and_outlives_the_first(
    cloud: CloudProcess, spring: Site, tmp_path: Path
) -> None:
    autumn = site(tmp_path, "autumn")
    build(spring)
    network = spring.outputs(names.network_stack("campus"))
    build(autumn)
    assert autumn.outputs(names.network_stack("campus")) == network
    place = autumn.place()
    assert NetworkStep().removals(spring) == []
    told: list[str] = []
    for step in reversed(STEPS):
        step.remove(spring, told.append)
    assert "keeping the network campus, which autumn use" in told
    assert changes(autumn) == {}
    assert autumn.place() == place
    remove(autumn)
    assert everything(cloud)["stacks"] == []


def test_a_network_in_use_keeps_its_shape(spring: Site, tmp_path: Path) -> None:
    build(spring)
    with pytest.raises(Refused, match=r"other egress than cluster.yaml says, and spring use it"):
        NetworkStep().changes(site(tmp_path, "autumn", Egress.PUBLIC_ADDRESS))


def test_a_network_behind_one_manager_takes_no_second_cluster(spring: Site, tmp_path: Path) -> None:
    build(site(tmp_path, "spring", Egress.MANAGER))
    autumn = site(tmp_path, "autumn", Egress.MANAGER)
    assert NetworkStep().changes(autumn) == []
    with pytest.raises(Refused, match=r"through the manager of spring, .*give another network.name"):
        Place().apply(autumn, silent)


class Stop(Exception):
    """The operator's Ctrl-C."""


def test_an_interrupted_build_is_taken_up_again(
    cloud: CloudProcess, spring: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> NoReturn:
        raise Stop

    for step in STEPS:
        with monkeypatch.context() as patch:
            patch.setattr(stacks, "_wait", stop)
            with pytest.raises(Stop):
                step.apply(spring, silent)
        assert {change.kind for change in step.changes(spring)} <= {Kind.CHANGE}
        step.apply(spring, silent)
    assert changes(spring) == {}
    assert len(everything(cloud)["stacks"]) == 4
    assert len(everything(cloud)["nat"]) == 1


def test_tables_without_a_stack_are_kept_if_they_hold_records(cloud: CloudProcess, spring: Site) -> None:
    dynamodb = cloud.client("dynamodb")
    table = names.table("spring", "settings")
    dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "scope", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "scope", "KeyType": "HASH"}],
    )
    dynamodb.put_item(TableName=table, Item={"scope": {"S": "cluster"}})
    with pytest.raises(Refused, match="cloudjhub-spring-settings still hold the records"):
        Data().apply(spring, silent)
    dynamodb.delete_item(TableName=table, Key={"scope": {"S": "cluster"}})
    Data().apply(spring, silent)
    assert Data().changes(spring) == []


def test_the_first_failure_is_told_and_the_stack_made_anew(cloud: CloudProcess, spring: Site) -> None:
    iam = cloud.client("iam")
    for step in STEPS[:3]:
        step.apply(spring, silent)
    iam.create_role(RoleName="cloudjhub-spring-worker", AssumeRolePolicyDocument="{}")
    with pytest.raises(
        StepFailed, match=r"ROLLBACK_COMPLETE: WorkerRole: .*fix this and run the command again"
    ):
        Access().apply(spring, silent)
    (change,) = Access().changes(spring)
    assert (change.kind, change.detail) == (Kind.CREATE, "again, for it is ROLLBACK_COMPLETE")
    iam.delete_role(RoleName="cloudjhub-spring-worker")
    Access().apply(spring, silent)
    assert Access().changes(spring) == []


def test_a_failed_change_falls_back_to_what_was(cloud: CloudProcess, spring: Site) -> None:
    build(spring)
    client, name = spring.aws.client("cloudformation"), names.stack("spring", "place")
    before = stacks.template_of(client, name)
    broken = json.loads(json.dumps(before))
    broken["Resources"]["Bad"] = {
        "Type": "AWS::EC2::EIPAssociation",
        "Properties": {"AllocationId": "eipalloc-0", "NetworkInterfaceId": "eni-0"},
    }
    with pytest.raises(StepFailed, match="UPDATE_ROLLBACK_COMPLETE: Bad: "):
        stacks.apply(client, name, broken, tags={TAG_CLUSTER: "spring"})
    assert stacks.template_of(client, name) == before
    assert Place().changes(spring) == []


def test_stacks_survive_a_crash_of_the_cloud(cloud: CloudProcess, spring: Site) -> None:
    build(spring)
    place = spring.place()
    until(lambda: (cloud.state_dir / "cloud.snapshot").exists(), "a snapshot")
    assert cloud.stop() == 0
    cloud.start()
    assert spring.place() == place
    assert changes(spring) == {}
    remove(spring)


ADDRESS_RECORDS = ("hub.example.org", "*.hub.example.org")


def addresses(cloud: CloudProcess, zone: str) -> dict[str, list[str]]:
    """The A records of a zone."""
    found = cloud.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return {
        readable(one["Name"]): [value["Value"] for value in one["ResourceRecords"]]
        for one in found
        if one["Type"] == "A"
    }


def set_record(cloud: CloudProcess, zone: str, action: str, name: str, value: str) -> None:
    record = {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": value}]}
    cloud.client("route53").change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record}]}
    )


def test_the_place_has_the_records_of_the_domain_and_overwrites_no_foreign_one(
    cloud: CloudProcess, spring: Site, tmp_path: Path
) -> None:
    """A record that is there is never overwritten: refused, or left alone where it leads to the manager already."""
    zone = cloud.client("route53").create_hosted_zone(Name="example.org", CallerReference="place")
    zone_id = zone["HostedZone"]["Id"].rpartition("/")[2]
    named = site(tmp_path, "spring", domain="hub.example.org", https=Https.LETS_ENCRYPT, subdomains=True)
    set_record(cloud, zone_id, "CREATE", "hub.example.org", "192.0.2.1")
    with pytest.raises(Refused, match=r"hub\.example\.org has the A record \(192\.0\.2\.1\)"):
        build(named)
    assert addresses(cloud, zone_id) == {"hub.example.org": ["192.0.2.1"]}

    set_record(cloud, zone_id, "DELETE", "hub.example.org", "192.0.2.1")
    build(named)
    address = named.place()["PublicAddress"]
    assert addresses(cloud, zone_id) == {name: [address] for name in ADDRESS_RECORDS}
    assert changes(named) == {}
    role = cloud.client("iam").get_role_policy(
        RoleName="cloudjhub-spring-manager", PolicyName="cloudjhub-spring-manager"
    )
    assert "_acme-challenge.hub.example.org" in json.dumps(role["PolicyDocument"])

    alone = site(tmp_path, "spring", domain="hub.example.org", https=Https.LETS_ENCRYPT, subdomains=False)
    assert (Kind.REMOVE, "WildcardRecord") in changes(alone)["place"]
    build(alone)
    assert addresses(cloud, zone_id) == {"hub.example.org": [address]}

    set_record(cloud, zone_id, "CREATE", "*.hub.example.org", address)
    assert changes(named).get("place") is None
    build(named)
    remove(named)
    assert addresses(cloud, zone_id) == {"*.hub.example.org": [address]}
