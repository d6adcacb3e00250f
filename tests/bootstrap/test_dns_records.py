"""The domain's records: which zone has them, which `up` makes, and which one Let's Encrypt asks for."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from bootstrap.aws.scope import Challenge
from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.cli.cluster import _text
from bootstrap.cluster.dns import records as dns
from bootstrap.cluster.dns.hosted_zones import (
    Record,
    Zone,
    closest,
    normalized,
    public_zones,
    readable,
    records,
)
from bootstrap.cluster.dns.resolving import alias
from bootstrap.config.choices import Https
from bootstrap.errors import Refused, SettingsError
from bootstrap.operations.health import checkup, findings
from bootstrap.preflight import login
from tests.bootstrap.manager_examples import settings
from tests.shared.addresses import free_port

ZONE = Zone("Z1", "example.org")
HERE, ELSEWHERE = Record("A", ("203.0.113.7",)), Record("A", ("192.0.2.1",))
CNAME, NS = Record("CNAME", ("elsewhere.example.",)), Record("NS", ("ns.elsewhere.example.",))


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield


def zone(name: str, *, private: bool = False) -> str:
    """The id of a new zone."""
    client = boto3.client("route53")
    config: Any = {"PrivateZone": private}
    vpc: Any = {"VPC": {"VPCRegion": "us-east-1", "VPCId": "vpc-1"}} if private else {}
    made = client.create_hosted_zone(
        Name=name,
        CallerReference=f"{name} {len(public_zones(Aws('us-east-1')))}",
        HostedZoneConfig=config,
        **vpc,
    )
    return str(made["HostedZone"]["Id"]).rpartition("/")[2]


def record(zone_id: str, name: str, kind: str, value: str) -> None:
    change: Any = {
        "Action": "CREATE",
        "ResourceRecordSet": {
            "Name": normalized(name), "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}],
        },
    }  # fmt: skip
    boto3.client("route53").change_resource_record_sets(
        HostedZoneId=zone_id, ChangeBatch={"Changes": [change]}
    )


def site(**manager: Any) -> Site:
    wanted = settings(
        **{"domain": "hub.example.org", "https": Https.LETS_ENCRYPT, "subdomains": False, **manager}
    )
    return Site(settings=wanted, aws=Aws("us-east-1"), directory=Path("unused"))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("hub.example.org", ["Z1"]),
        ("example.org", ["Z1"]),
        ("hub.sub.example.org", ["Z2"]),
        ("hub.twice.example.org", ["Z3", "Z4"]),
        ("hub.myexample.org", []),
        ("org", []),
    ],
)
def test_the_longest_name_that_contains_the_domain(name: str, found: list[str]) -> None:
    zones = [
        ZONE,
        Zone("Z2", "sub.example.org"),
        Zone("Z3", "twice.example.org"),
        Zone("Z4", "twice.example.org"),
    ]
    assert [one.id for one in closest(zones, name)] == found


def test_names_as_iam_and_route_53_write_them() -> None:
    assert normalized("*.hub.example.org") == "\\052.hub.example.org"
    assert readable("\\052.hub.example.org.") == "*.hub.example.org"


def test_private_zones_are_not_those_of_the_internet() -> None:
    zone("hub.example.org", private=True)
    assert dns.zone_of(site()) is None
    public = zone("example.org")
    assert dns.zone_of(site()) == Zone(public, "example.org")


@pytest.mark.parametrize(
    "manager", [{"hosted_zone": "none"}, {"domain": "203.0.113.7"}, {"domain": "localhost"}]
)
def test_no_zone_is_looked_for_where_none_is_wanted(manager: dict[str, str]) -> None:
    zone("example.org")
    assert dns.zone_of(site(**manager)) is None


def test_one_of_several_zones_must_be_named() -> None:
    first, second = zone("example.org"), zone("example.org")
    with pytest.raises(
        SettingsError, match=f"several .* example.org: set .*({first}, {second}|{second}, {first})"
    ):
        dns.zone_of(site())
    assert dns.zone_of(site(hosted_zone=second)) == Zone(second, "example.org")


def test_a_named_zone_must_be_one_with_the_domain() -> None:
    other = zone("example.com")
    with pytest.raises(
        SettingsError, match=r"hub\.example\.org does not lie in the hosted zone example\.com"
    ):
        dns.zone_of(site(hosted_zone=other))
    with pytest.raises(SettingsError, match="no public hosted zone Z0NONE"):
        dns.zone_of(site(hosted_zone="Z0NONE"))
    hidden = zone("hub.example.org", private=True)
    with pytest.raises(SettingsError, match="no public hosted zone"):
        dns.zone_of(site(hosted_zone=hidden))


@pytest.mark.parametrize(
    ("found", "address", "leads"),
    [
        ([], "203.0.113.7", False),
        ([HERE], "203.0.113.7", True),
        ([HERE, Record("AAAA", ("2001:db8::7",))], "203.0.113.7", True),
        ([Record("AAAA", ("2001:db8::7",))], "203.0.113.7", False),
        ([HERE], "", None),
        ([ELSEWHERE], "203.0.113.7", None),
        ([Record("A", ("203.0.113.7", "192.0.2.1"))], "203.0.113.7", None),
        ([Record("A", ())], "203.0.113.7", None),
        ([CNAME], "203.0.113.7", None),
        ([NS], "203.0.113.7", None),
        ([HERE, NS], "203.0.113.7", None),
    ],
)
def test_a_foreign_record_is_never_overwritten(found: list[Record], address: str, leads: bool | None) -> None:
    if leads is not None:
        assert dns.leads_there("hub.example.org", found, ZONE, address) is leads
        return
    with pytest.raises(Refused, match=r"hub\.example\.org has the .* not of this cluster: delete it there"):
        dns.leads_there("hub.example.org", found, ZONE, address)


def test_only_records_of_exactly_this_name_count() -> None:
    of = Zone(zone("example.org"), "example.org")
    record(of.id, "*.hub.example.org", "A", "192.0.2.1")
    record(of.id, "a.hub.example.org", "A", "192.0.2.2")
    record(of.id, "hub.example.org", "TXT", '"anything"')
    aws = Aws("us-east-1")
    assert records(aws, of, "*.hub.example.org") == [ELSEWHERE]
    assert records(aws, of, "hub.example.org") == []


@pytest.mark.parametrize(
    "manager",
    [{"subdomains": False}, {"https": Https.SELF_SIGNED}, {"https": Https.OWN}],
)
def test_no_record_is_needed_to_validate_one_name_or_another_certificate(manager: dict[str, Any]) -> None:
    zone("example.org")
    assert dns.challenge(site(**manager)) is None


def test_a_wildcard_is_validated_by_a_record_in_the_domains_own_zone() -> None:
    own = zone("example.org")
    assert dns.challenge(site(subdomains=True)) == Challenge(own, "_acme-challenge.hub.example.org")


def test_without_a_zone_for_the_record_there_is_no_wildcard_certificate() -> None:
    with pytest.raises(
        SettingsError, match=r"\*\.hub\.example\.org by a DNS record only, .*`manager\.acme_zone`"
    ):
        dns.challenge(site(subdomains=True))


def test_the_record_may_be_delegated_to_a_zone_of_this_account() -> None:
    acme = zone("acme.example.net")
    delegated = site(subdomains=True, acme_zone=acme)
    assert dns.challenge(delegated) == Challenge(acme, "_acme-challenge.hub.example.org.acme.example.net")
    with pytest.raises(
        SettingsError, match=r"manager\.acme_zone: this account has no public hosted zone Z0NONE"
    ):
        dns.challenge(site(subdomains=True, acme_zone="Z0NONE"))


def test_a_zone_for_the_record_that_has_the_domain_needs_no_delegation() -> None:
    own = zone("example.org")
    by_hand = site(subdomains=True, acme_zone=own, hosted_zone="none")
    assert dns.challenge(by_hand) == Challenge(own, "_acme-challenge.hub.example.org")


@pytest.mark.parametrize(
    ("kind", "value"), [("CNAME", "elsewhere.example."), ("NS", "ns.elsewhere.example.")]
)
def test_a_validation_that_is_led_elsewhere(kind: str, value: str) -> None:
    own = Zone(zone("example.org"), "example.org")
    wanted = site(subdomains=True)
    dns.refuse_delegated(wanted, own)
    record(own.id, "_acme-challenge.hub.example.org", kind, value)
    with pytest.raises(SettingsError, match=rf"_acme-challenge\.hub\.example\.org has the {kind} record"):
        dns.refuse_delegated(wanted, own)
    dns.refuse_delegated(site(), own)
    dns.refuse_delegated(site(subdomains=True, acme_zone=zone("acme.example.net")), own)


def test_up_prints_what_is_left_to_the_operator() -> None:
    built = {"cluster": "spring", "url": "https://hub.example.org"}
    assert "DNS" not in _text({**built, "records_to_create": []})
    assert "\n  hub.example.org  A  203.0.113.7\n" in _text(
        {**built, "records_to_create": ["hub.example.org  A  203.0.113.7"]}
    )


def test_what_is_left_to_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Site, "place", lambda _: {"PublicAddress": "203.0.113.7"})
    acme = zone("acme.example.net")
    assert [str(one) for one in dns.to_create(site(subdomains=True, acme_zone=acme))] == [
        "hub.example.org  A  203.0.113.7",
        "*.hub.example.org  A  203.0.113.7",
        "_acme-challenge.hub.example.org  CNAME  _acme-challenge.hub.example.org.acme.example.net",
    ]
    zone("example.org")
    assert dns.to_create(site(subdomains=True)) == []
    assert dns.to_create(site(domain="")) == []


def test_a_delegation_is_the_operators_wherever_the_domain_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Site, "place", lambda _: {"PublicAddress": "203.0.113.7"})
    acme = zone("acme.example.net")
    zone("example.org")
    needed = dns.delegation(site(subdomains=True, acme_zone=acme))
    assert str(needed) == (
        "_acme-challenge.hub.example.org  CNAME  _acme-challenge.hub.example.org.acme.example.net"
    )
    assert dns.to_create(site(subdomains=True, acme_zone=acme)) == [needed]
    assert dns.delegation(site(subdomains=True)) is None
    assert dns.delegation(site()) is None


TARGET = "_acme-challenge.hub.example.org.acme.Example.net"


@pytest.mark.parametrize(
    ("found", "plan", "doctor"),
    [
        (TARGET.lower(), "", ""),
        ("", "does not exist yet: create it", "is not found in the DNS: create it"),
        ("a.example", "leads to a.example: create it", "leads to a.example instead: create it"),
        (None, "could not be looked up: no name server", "could not be looked up: no name server"),
    ],
)
def test_plan_and_doctor_check_a_delegation(found: str | None, plan: str, doctor: str) -> None:
    name = "_acme-challenge.hub.example.org"
    planned = [one.line for one in login.judge_delegation(dns.Needed(name, "CNAME", TARGET), found)]
    checked = findings.delegation(name, TARGET, found)
    for lines, words in ((planned, plan), (checked, doctor)):
        assert len(lines) == bool(words)
        assert all(words in line and name in line and "\n" not in line for line in lines)


def test_plan_asks_the_dns_for_the_delegation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the cluster has an address, too: it can be made before `up`, whose certificate needs it."""
    asked: list[str] = []

    def alias_of(name: str) -> str:
        asked.append(name)
        return ""

    monkeypatch.setattr(login, "alias", alias_of)
    monkeypatch.setattr(Site, "outputs", lambda *_: {})
    delegated = site(subdomains=True, acme_zone=zone("acme.example.net"))
    lines = [one.line for one in login._domain(delegated)]
    assert asked == ["_acme-challenge.hub.example.org"]
    assert "create it as a CNAME to _acme-challenge.hub.example.org.acme.example.net" in lines[-1]
    assert list(login._domain(site(domain=""))) == []


def test_doctor_asks_the_dns_for_the_delegation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Site, "place", lambda _: {"PublicAddress": "203.0.113.7"})
    monkeypatch.setattr(checkup, "alias", lambda _: None)
    monkeypatch.setattr(checkup, "addresses", lambda *given: set() if len(given) > 1 else {"203.0.113.7"})
    delegated = site(subdomains=True, acme_zone=zone("acme.example.net"))
    [line] = checkup._domain(delegated, datetime.now(UTC))
    assert line.startswith("_acme-challenge.hub.example.org could not be looked up")


def test_no_name_server_is_not_no_record() -> None:
    assert alias("_acme-challenge.hub.example.org", ["127.0.0.1"], free_port()) is None
    assert alias("a" * 64 + ".example.org", ["127.0.0.1"], free_port()) is None, "no name at all"
