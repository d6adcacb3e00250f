"""A cluster without any public address: what is built, what is refused, what it costs."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from chalice.config import Config

from bootstrap.aws import names, stacks
from bootstrap.aws.scope import Scope
from bootstrap.aws.site import BuiltNetwork, Site
from bootstrap.cluster.chalice import InVpc, project_files
from bootstrap.cluster.dns import records as dns
from bootstrap.cluster.steps import place as place_step
from bootstrap.cluster.steps.place import sources
from bootstrap.cluster.steps.step import StackStep
from bootstrap.cluster.templates.endpoints import GATEWAYS, one_a_zone, provided
from bootstrap.cluster.templates.parts import Template
from bootstrap.config.choices import INTERFACE_ENDPOINTS, Https
from bootstrap.config.contradictions import contradictions
from bootstrap.config.settings import ClusterSettings, Login, Manager, Network
from bootstrap.costs import monthly
from bootstrap.errors import Refused
from bootstrap.machines.address import public_url, reached_at
from bootstrap.machines.image import request as image
from bootstrap.preflight.lasting import judge_privacy
from bootstrap.preflight.subnets import Subnet, judge_private
from tests.bootstrap.templates import variants

NETWORK = Network(
    name="campus",
    vpc="vpc-0123456789abcdef0",
    manager_subnet="subnet-00000000",
    worker_subnets=("subnet-aaaaaaaa", "subnet-bbbbbbbb"),
    private=True,
)
SETTINGS = ClusterSettings(
    cluster="spring",
    region="eu-west-1",
    owner="physics",
    network=NETWORK,
    login=Login(trusted_users=True),
)
PLACE = {"ManagerAddress": "10.20.0.10", "WorkerGroup": "sg-1"}
PUBLIC_TYPES = {
    "AWS::EC2::EIP",
    "AWS::EC2::EIPAssociation",
    "AWS::EC2::NatGateway",
    "AWS::EC2::InternetGateway",
}


def network(**changes: Any) -> ClusterSettings:
    return replace(SETTINGS, network=replace(NETWORK, **changes))


def walk(part: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, and every entry of a list under \"\"."""
    pairs = (
        part.items()
        if isinstance(part, dict)
        else (("", one) for one in part)
        if isinstance(part, list)
        else ()
    )
    for key, value in pairs:
        yield key, value
        yield from walk(value)


def public_parts(document: Any) -> list[tuple[str, Any]]:
    """What would give something a public address, or open a port to all."""
    return [
        (key, value)
        for key, value in walk(document)
        if (key == "Type" and value in PUBLIC_TYPES)
        or (key in ("AssociatePublicIpAddress", "MapPublicIpOnLaunch") and value is not False)
        or value in ("0.0.0.0/0", "::/0")
    ]


@pytest.mark.parametrize("name", ["place-private", "place-endpoints", "access-private", "data"])
def test_no_template_has_a_public_address_or_an_open_port(name: str) -> None:
    assert public_parts(variants()[name]) == []


def test_the_walk_would_find_them() -> None:
    kinds = {value for key, value in walk(variants()["place"]) if key == "Type" and value in PUBLIC_TYPES}
    assert kinds == {"AWS::EC2::EIP", "AWS::EC2::EIPAssociation"}
    assert ("CidrIp", "0.0.0.0/0") in public_parts(variants()["place"])


def test_the_builder_asks_for_no_public_address() -> None:
    built = BuiltNetwork(NETWORK.vpc, NETWORK.manager_subnet, NETWORK.worker_subnets)
    interface = image._interface(SETTINGS, built, "sg-1")
    assert public_parts(interface) == []
    assert interface["SubnetId"] == "subnet-aaaaaaaa"


def test_what_browsers_may_come_from() -> None:
    assert sources(SETTINGS) == ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    assert sources(network(allowed_networks=("192.0.2.0/24", "10.1.0.0/16"))) == (
        "192.0.2.0/24",
        "10.1.0.0/16",
    )
    assert sources(network(private=False, allowed_networks=("192.0.2.0/24",))) == ("0.0.0.0/0",)


def test_ports_are_open_to_those_ranges_and_the_hub_s_to_the_functions() -> None:
    resources = variants()["place-private"]["Resources"]
    opened = {
        (one["Properties"]["FromPort"], one["Properties"]["CidrIp"])
        for one in resources.values()
        if "CidrIp" in one["Properties"]
    }
    ranges = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    assert opened == {(port, source) for port in (80, 443) for source in ranges}
    rule = resources["HubFromFunctions"]["Properties"]
    assert (rule["FromPort"], rule["ToPort"]) == (443, 443)
    assert rule["SourceSecurityGroupId"] == {"Fn::GetAtt": ["FunctionGroup", "GroupId"]}
    assert "PublicAddress" not in variants()["place-private"]["Outputs"]
    assert "FunctionGroup" not in variants()["place"]["Outputs"]


def test_the_hub_is_reached_at_the_private_address() -> None:
    assert reached_at(PLACE) == "10.20.0.10"
    assert reached_at({**PLACE, "PublicAddress": "203.0.113.7"}) == "203.0.113.7"
    assert public_url(SETTINGS, PLACE) == "https://10.20.0.10"


def test_functions_that_ask_the_hub_run_in_the_vpc_only_where_the_cluster_is_private() -> None:
    scope = Scope(cluster="spring", account="123456789012", region="eu-west-1", is_private=True)

    def stage(where: InVpc | None) -> dict[str, Any]:
        files = project_files(scope, {}, {}, where)
        return dict(json.loads(files[".chalice/config.json"])["stages"]["spring"])

    def deployed(where: InVpc | None) -> list[Any]:
        """As Chalice reads it for each function."""
        disk = {"stages": {"spring": stage(where)}}
        configs = [Config("spring", name, config_from_disk=disk) for name in names.HANDLERS]
        return [(one.subnet_ids, one.security_group_ids) for one in configs]

    inside = deployed(InVpc(("subnet-aaaaaaaa", "subnet-bbbbbbbb"), "sg-functions"))
    joined = (["subnet-aaaaaaaa", "subnet-bbbbbbbb"], ["sg-functions"])
    asking = {"idle_alarm", "record_activity", "reconcile", "remove_stopped", "stop_requested", "sweep"}
    assert inside == [joined if name in asking else (None, None) for name in names.HANDLERS]
    assert deployed(None) == [(None, None)] * len(names.HANDLERS)


def test_no_dns_record_is_made() -> None:
    """Not even asked for: a site without a client answers."""
    site: Any = SimpleNamespace(settings=replace(SETTINGS, manager=Manager(domain="hub.example.org")))
    assert dns.records_zone(site) is None


PAIR: Any = {"https": Https.OWN, "certificate": Path("hub.pem"), "key": Path("hub.key")}
ACME: Any = {"https": Https.LETS_ENCRYPT, "domain": "hub.example.org"}


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        (SETTINGS, []),
        (replace(SETTINGS, manager=Manager(domain="hub.example.org", **PAIR)), []),
        (replace(SETTINGS, manager=Manager(**ACME)), []),
        (replace(SETTINGS, manager=Manager(**ACME, subdomains=False)), [("manager", "https")]),
        (replace(SETTINGS, manager=Manager(**ACME, subdomains=False, acme_zone="Z0123456789ABC")), []),
        (network(endpoints=True), []),
        (network(private=False, endpoints=True), [("network", "endpoints")]),
        (replace(SETTINGS, network=Network(name="campus", private=True)), [("network", "private")]),
        (network(allowed_networks=tuple(f"10.{n}.0.0/16" for n in range(29))), []),
        (
            network(allowed_networks=tuple(f"10.{n}.0.0/16" for n in range(30))),
            [("network", "allowed_networks")],
        ),
    ],
)
def test_what_contradicts_it(settings: ClusterSettings, where: list[tuple[str, str]]) -> None:
    assert [key for key, _ in contradictions(settings, ())] == where


def subnet(name: str, zone: str, *, gives: bool = False) -> Subnet:
    return Subnet(name, NETWORK.vpc, zone, 100, gives)


WORKERS = (subnet("subnet-aaaaaaaa", "eu-west-1a"), subnet("subnet-bbbbbbbb", "eu-west-1b"))
ALL = {*INTERFACE_ENDPOINTS, *GATEWAYS}


def tables(**target: str) -> list[dict[str, Any]]:
    routes = [{"DestinationCidrBlock": "0.0.0.0/0", **target}] if target else []
    return [{"RouteTableId": "rtb-1", "Associations": [{"Main": True}], "Routes": routes}]


MIRRORS = {"pip_index": "https://pip.example.org/simple", "apt_mirror": "http://apt.example.org/ubuntu"}


@pytest.mark.parametrize(
    ("settings", "target", "there", "said"),
    [
        (SETTINGS, {"NatGatewayId": "nat-1"}, set(), []),
        (SETTINGS, {"TransitGatewayId": "tgw-1"}, set(), []),
        (SETTINGS, {"GatewayId": "vgw-1"}, set(), []),
        (SETTINGS, {"GatewayId": "igw-1"}, set(), ["leads to an internet gateway"] * 3),
        (
            SETTINGS,
            {},
            set(),
            [
                "no way to AWS's dynamodb, ec2, events, logs, monitoring, s3, ssm, ssmmessages, sts",
                "packages",
            ],
        ),
        (network(**MIRRORS), {}, ALL - {"sts"}, ["no way to AWS's sts: add a route"]),
        (network(**MIRRORS), {}, ALL, []),
        (network(endpoints=True), {}, set(), ["no way to packages: set `network.http_proxy`"]),
        (network(endpoints=True, http_proxy="http://proxy.example.org:3128"), {}, set(), []),
    ],
)
def test_a_private_network_needs_a_way_to_aws(
    settings: ClusterSettings, target: dict[str, str], there: set[str], said: list[str]
) -> None:
    found = [one.line for one in judge_private(settings, WORKERS, tables(**target), there) if one.refuses]
    assert len(found) == len(said)
    assert all(words in line for words, line in zip(said, found, strict=True))


def test_subnets_in_one_zone_and_those_that_give_public_addresses() -> None:
    workers = (subnet("subnet-aaaaaaaa", "eu-west-1a"), subnet("subnet-bbbbbbbb", "eu-west-1a", gives=True))
    refused, warned = judge_private(SETTINGS, workers, tables(NatGatewayId="nat-1"), set())
    assert "the worker subnet subnet-bbbbbbbb gives each machine a public address" in refused.line
    assert refused.refuses
    assert "in one zone" in warned.line
    assert not warned.refuses


@pytest.mark.parametrize(
    ("resources", "is_private", "said"),
    [
        ({}, True, ""),
        ({"PublicAddress": {}}, False, ""),
        ({"ManagerInterface": {}}, True, ""),
        (
            {"PublicAddress": {}},
            True,
            "built with a public address, which cannot be changed: set `network.private: false`",
        ),
        (
            {"ManagerInterface": {}},
            False,
            "built with no public address, which cannot be changed: set `network.private: true`",
        ),
    ],
)
def test_a_cluster_stays_what_it_was_built_as(resources: dict[str, Any], is_private: bool, said: str) -> None:
    found = [one.line for one in judge_privacy(resources, is_private=is_private)]
    assert len(found) == bool(said)
    assert all(said in line for line in found)


def endpoint(service: str, **facts: Any) -> dict[str, Any]:
    kind = "Gateway" if service in GATEWAYS else "Interface"
    name = f"com.amazonaws.eu-west-1.{service}"
    return {
        "ServiceName": name,
        "VpcEndpointType": kind,
        "State": "available",
        "PrivateDnsEnabled": True,
        **facts,
    }


def test_endpoints_that_others_have_made_are_not_made_again() -> None:
    ours = {"Tags": [{"Key": "cloudjhub:cluster", "Value": "spring"}]}
    found = [
        endpoint("s3", PrivateDnsEnabled=False),
        endpoint("sts"),
        endpoint("ssm", PrivateDnsEnabled=False),
        endpoint("logs", State="deleting"),
        endpoint("ec2", **ours),
    ]
    assert provided(found, "eu-west-1", "spring") == {"s3", "sts"}
    assert provided(found, "eu-west-1") == {"s3", "sts", "ec2"}


def test_an_endpoint_has_one_interface_in_a_zone() -> None:
    assert one_a_zone({"subnet-aaaaaaaa": "a", "subnet-bbbbbbbb": "b", "subnet-c": "a"}) == (
        "subnet-aaaaaaaa",
        "subnet-bbbbbbbb",
    )


def test_the_bill_has_no_public_address_and_the_endpoints() -> None:
    assert "manager's public address" not in [one.name for one in monthly(SETTINGS)]
    [item] = [one for one in monthly(network(endpoints=True)) if one.name == "endpoints of AWS's services"]
    assert item.dollars == pytest.approx(7 * 2 * 0.01 * 730)


class LeavingSlowly:
    """EC2, in which Lambda's interfaces are seen so many times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def describe_network_interfaces(self, **_: object) -> dict[str, list[dict[str, str]]]:
        self.times -= 1
        return {"NetworkInterfaces": [{"InterfaceType": "lambda"}] if self.times >= 0 else []}


@pytest.mark.parametrize(("outputs", "asked"), [({"FunctionGroup": "sg-f"}, -1), ({}, 2)])
def test_the_place_is_removed_after_lambda_s_interfaces(
    outputs: dict[str, str], asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place_step, "LOOK_EVERY", 0.001)
    ec2 = LeavingSlowly(2)
    site: Any = SimpleNamespace(
        cluster="spring", outputs=lambda _: outputs, aws=SimpleNamespace(client=lambda _: ec2)
    )
    place_step._await_functions(site, print)
    assert ec2.times == asked
    assert timedelta(minutes=20) * 2 < place_step.INTERFACES_GO_WITHIN


class Long(StackStep):
    """A stack whose template has so many characters."""

    name = "place"

    def __init__(self, characters: int) -> None:
        empty = len(stacks.body({"Resources": {}, "Description": ""}))
        self.made = {"Resources": {}, "Description": "x" * (characters - empty)}

    def template(self, site: Site) -> Template:
        return self.made


def test_a_template_that_is_too_long_is_refused_with_what_to_do() -> None:
    site: Any = SimpleNamespace(cluster="spring", settings=SETTINGS)
    assert Long(51_200)._tagged(site)
    with pytest.raises(
        Refused, match="is 1 characters too long for CloudFormation: use fewer or shorter `tags`"
    ):
        Long(51_201)._tagged(site)
