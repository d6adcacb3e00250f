"""The templates: valid by CloudFormation's own rules, and the tables as the lifecycle app's models want them."""

import json
import re
from ipaddress import IPv4Network
from typing import Any

import pytest
from cfnlint import api as cfnlint

from bootstrap.aws import stacks
from bootstrap.cluster.templates import data_template, network_template, place_template
from bootstrap.cluster.templates.network import Ranges, subnet_ranges
from bootstrap.cluster.templates.place import without_forwarding
from bootstrap.config.choices import Egress
from bootstrap.config.contradictions import BUDGET_REGIONS
from lifecycle_app.adapters.tables import HistoryRecord, SettingRecord, WorkerRecord, bound
from tests.bootstrap.templates import BODY_LIMIT, BUCKET, NETWORK, ROUTES, ZONES, position, variants

TEMPLATES = variants()
EC2_DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}")


@pytest.mark.parametrize("name", TEMPLATES)
def test_cfn_lint_finds_nothing(name: str) -> None:
    found = cfnlint.lint_all(json.dumps(TEMPLATES[name]))
    # W3010 warns of zones written out: which zones a cluster uses is the operator's choice. I is information.
    unexplained = [match for match in found if match.rule.id != "W3010" and not match.rule.id.startswith("I")]
    assert [match for match in unexplained if not _is_refused_there(match)] == []


def _is_refused_there(match: Any) -> bool:
    """Is it about the alarm in a region where the settings refuse it?"""
    region = re.search(r"'AWS::Budgets::Budget' does not exist in '([a-z0-9-]+)'", match.message)
    return region is not None and region.group(1) not in BUDGET_REGIONS


def test_the_regions_of_budgets_are_those_of_cloudformation() -> None:
    missing = {
        match.message.rsplit("'", 2)[1]
        for match in cfnlint.lint_all(json.dumps(TEMPLATES["access-alarm"]))
        if match.rule.id == "E3006"
    }
    assert len(missing) > 10
    assert not missing & BUDGET_REGIONS


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_short_enough_to_be_sent(name: str) -> None:
    assert len(stacks.body(TEMPLATES[name])) < BODY_LIMIT


@pytest.mark.parametrize("name", TEMPLATES)
def test_ec2_takes_every_description(name: str) -> None:
    """Letters, digits, space and these marks; cfn-lint knows the rule for groups alone."""
    described = [
        one["Properties"].get("GroupDescription") or one["Properties"]["Description"]
        for one in TEMPLATES[name]["Resources"].values()
        if one["Type"].startswith("AWS::EC2::SecurityGroup")
    ]
    assert described or not name.startswith("place")
    assert [text for text in described if not EC2_DESCRIPTION.fullmatch(text)] == []


def test_cfn_lint_would_find_a_fault() -> None:
    template = data_template("spring", BUCKET, 365)
    del template["Resources"]["Workers"]["Properties"]["KeySchema"]
    assert cfnlint.lint_all(json.dumps(template))


@pytest.mark.parametrize(
    ("logical", "table", "model"),
    [
        ("Workers", "workers", WorkerRecord),
        ("History", "history", HistoryRecord),
        ("Settings", "settings", SettingRecord),
    ],
)
def test_tables_have_the_keys_and_indexes_of_the_models(logical: str, table: str, model: Any) -> None:
    wanted = bound(model, "spring", table)._get_schema()
    built = data_template("spring", BUCKET, 365)["Resources"][logical]["Properties"]
    assert by_name(built["KeySchema"]) == by_name(wanted["key_schema"])
    assert by_name(built["AttributeDefinitions"]) == by_name(wanted["attribute_definitions"])
    indexes = {
        index["IndexName"]: by_name(index["KeySchema"]) for index in built.get("GlobalSecondaryIndexes", [])
    }
    assert indexes == {
        index["index_name"]: by_name(index["key_schema"]) for index in wanted["global_secondary_indexes"]
    }


def by_name(rows: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    return {row["AttributeName"]: row for row in rows}


def blocks(ranges: Ranges) -> list[IPv4Network]:
    return [*ranges.public, *ranges.workers]


@pytest.mark.parametrize("vpc", ["10.0.0.0/16", "10.0.0.0/19", "10.0.0.0/24", "10.0.0.0/25"])
@pytest.mark.parametrize("zones", [1, 2])
def test_subnets_lie_in_the_network_and_do_not_overlap(vpc: str, zones: int) -> None:
    made = blocks(subnet_ranges(IPv4Network(vpc), zones))
    assert len(made) == 2 * zones
    assert all(block.subnet_of(IPv4Network(vpc)) for block in made)
    assert not any(a.overlaps(b) for n, a in enumerate(made) for b in made[n + 1 :])


def test_two_zones_hold_a_large_class_and_stay_where_they_are_when_a_third_comes() -> None:
    two, three = (subnet_ranges(NETWORK, zones) for zones in (2, 3))
    # EC2 keeps five addresses of every subnet for itself.
    assert sum(block.num_addresses - 5 for block in two.workers) >= 2000
    assert set(blocks(two)) < set(blocks(three))


@pytest.mark.parametrize(("vpc", "zones"), [("10.0.0.0/26", 2), ("10.0.0.0/25", 3), ("10.0.0.0/28", 1)])
def test_a_network_that_is_too_small_is_refused(vpc: str, zones: int) -> None:
    with pytest.raises(ValueError, match="too small"):
        subnet_ranges(IPv4Network(vpc), zones)


@pytest.mark.parametrize(
    ("egress", "way"),
    [
        (Egress.NAT_GATEWAY, {"NatGatewayId": {"Ref": "Nat"}}),
        (Egress.PUBLIC_ADDRESS, {"GatewayId": {"Ref": "Internet"}}),
        (Egress.MANAGER, None),
        (Egress.DUAL_STACK, None),
    ],
)
def test_workers_leave_by_the_way_that_was_chosen(egress: Egress, way: dict[str, Any] | None) -> None:
    template = network_template("campus", NETWORK, ZONES[:2], egress)
    resources = template["Resources"]
    default = resources.get("WorkerDefault", {"Properties": None})["Properties"]
    wanted = {"RouteTableId": {"Ref": "WorkerRoutes"}, "DestinationCidrBlock": "0.0.0.0/0"}
    assert default == ({**wanted, **way} if way else None)
    has_address = [resources[f"WorkerSubnet{n}"]["Properties"]["MapPublicIpOnLaunch"] for n in (1, 2)]
    assert has_address == [egress is Egress.PUBLIC_ADDRESS] * 2
    kinds = {one["Type"] for one in resources.values()}
    assert ("AWS::EC2::NatGateway" in kinds) == (egress is Egress.NAT_GATEWAY)
    assert template["Outputs"]["Egress"] == {"Value": str(egress)}


def test_ipv6_leaves_by_a_gateway_that_lets_nothing_in() -> None:
    resources = network_template("campus", NETWORK, ZONES[:2], Egress.DUAL_STACK)["Resources"]
    assert resources["WorkerIpv6Default"]["Properties"] == {
        "RouteTableId": {"Ref": "WorkerRoutes"},
        "DestinationIpv6CidrBlock": "::/0",
        "EgressOnlyInternetGatewayId": {"Ref": "Ipv6Egress"},
    }
    assert resources["Ipv6Egress"]["Type"] == "AWS::EC2::EgressOnlyInternetGateway"
    for n, zone in enumerate(ZONES[:2]):
        subnet = resources[f"WorkerSubnet{n + 1}"]
        whole = {"Fn::Select": [0, {"Fn::GetAtt": ["Vpc", "Ipv6CidrBlocks"]}]}
        assert subnet["DependsOn"] == "Ipv6Range", zone
        assert subnet["Properties"]["Ipv6CidrBlock"] == {"Fn::Select": [n, {"Fn::Cidr": [whole, 256, 64]}]}
        assert subnet["Properties"]["AssignIpv6AddressOnCreation"]
        assert "Ipv6CidrBlock" not in resources[f"PublicSubnet{n + 1}"]["Properties"]


@pytest.mark.parametrize("egress", [one for one in Egress if one is not Egress.DUAL_STACK])
def test_without_dual_stack_there_is_no_ipv6(egress: Egress) -> None:
    assert "pv6" not in json.dumps(network_template("campus", NETWORK, ZONES[:2], egress))


def test_workers_with_ipv6_may_open_connections_in_both_families() -> None:
    [group] = [
        one["Properties"]
        for name, one in TEMPLATES["place-ipv6"]["Resources"].items()
        if name == "WorkerGroup"
    ]
    assert [one.get("CidrIp") or one["CidrIpv6"] for one in group["SecurityGroupEgress"]] == [
        "0.0.0.0/0",
        "::/0",
    ]
    assert "SecurityGroupEgress" not in json.dumps(TEMPLATES["place-forwarding"])


def test_workers_are_reached_by_their_manager_alone() -> None:
    for name in ("place", "place-fixed", "place-forwarding", "place-ipv6"):
        resources = TEMPLATES[name]["Resources"].values()
        rules = [one["Properties"] for one in resources if one["Type"] == "AWS::EC2::SecurityGroupIngress"]
        (to_workers,) = [r for r in rules if r["GroupId"] == {"Fn::GetAtt": ["WorkerGroup", "GroupId"]}]
        assert to_workers["SourceSecurityGroupId"] == {"Fn::GetAtt": ["ManagerGroup", "GroupId"]}
        assert to_workers["FromPort"] == to_workers["ToPort"] == 8888


def test_only_a_manager_that_forwards_takes_what_is_not_for_it() -> None:
    plain, forwarding = place_template(position()), place_template(position(routes=ROUTES))
    checks = [
        one["Resources"]["ManagerInterface"]["Properties"]["SourceDestCheck"] for one in (plain, forwarding)
    ]
    assert checks == [True, False]
    assert forwarding["Resources"]["WorkerDefault"]["Properties"]["RouteTableId"] == ROUTES
    assert set(without_forwarding(forwarding)["Resources"]) == set(plain["Resources"])
