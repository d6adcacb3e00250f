"""Route 53 in the local cloud: refuses what AWS refuses, and more; and records as CloudFormation makes them."""

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bootstrap.local.cloud.route53.batches import Change, Held, Key, canonical, changed
from tests.local_cloud.cloud_process import CloudProcess

ZONE, HUB = "example.org.", "hub.example.org."
A, OTHER_A = Held(300, ("203.0.113.7",)), Held(300, ("203.0.113.8",))
TEXT = Held(60, ('"one"',))


def create(name: str, kind: str, held: Held) -> Change:
    return Change("CREATE", (name, kind), held)


HELD: Mapping[Key, Held] = {
    (HUB, "A"): A,
    ("www.example.org.", "CNAME"): Held(300, ("elsewhere.example.",)),
}


@pytest.mark.parametrize(
    ("batch", "why"),
    [
        ([create("new.example.org.", "A", A)], ""),
        ([create("\\052.hub.example.org.", "A", A)], ""),
        ([create("_acme-challenge.hub.example.org.", "TXT", Held(60, ('"one"', '"two"')))], ""),
        ([Change("UPSERT", (HUB, "A"), OTHER_A)], ""),
        ([Change("DELETE", (HUB, "A"), A)], ""),
        ([Change("DELETE", (HUB, "A"), A), create(HUB, "CNAME", Held(300, ("a.example.",)))], ""),
        ([create(HUB, "AAAA", Held(300, ("2001:db8::7",)))], ""),
        ([create(HUB, "A", OTHER_A)], "already exists"),
        ([Change("DELETE", (HUB, "A"), OTHER_A)], "do not match the current values"),
        ([Change("DELETE", ("new.example.org.", "A"), A)], "was not found"),
        ([create(HUB, "CNAME", Held(300, ("a.example.",)))], "conflicts with other records"),
        ([create("www.example.org.", "TXT", TEXT)], "conflicts with other records"),
        ([create(ZONE, "CNAME", Held(300, ("a.example.",)))], "not permitted at apex"),
        ([Change("DELETE", (ZONE, "NS"), Held(300, ("a.example.",)))], "not permitted at apex"),
        ([create("hub.example.com.", "A", A)], "not permitted in zone example.org."),
        ([create("myexample.org.", "A", A)], "not permitted in zone example.org."),
        ([create("a b.example.org.", "A", A)], "unsupported characters"),
        ([create("a.\\052.example.org.", "A", A)], "unsupported characters"),
        ([create(f"{'a' * 64}.example.org.", "A", A)], "unsupported characters"),
        ([create(f"{'a' * 63}.example.org.", "A", A)], ""),
        ([create("new.example.org.", "A", Held(300, ("hub.example.com",)))], "not a value of type A"),
        ([create("new.example.org.", "A", Held(300, ()))], "missing Resource Record"),
        ([create("new.example.org.", "A", Held(300, A.values * 2))], "Duplicate"),
        ([create("new.example.org.", "TXT", Held(60, ("unquoted",)))], "not a value of type TXT"),
        ([create("new.example.org.", "TXT", Held(60, ('"a"b"',)))], "not a value of type TXT"),
        ([create("new.example.org.", "TXT", Held(60, (f'"{"a" * 255}"',)))], ""),
        ([create("new.example.org.", "TXT", Held(60, (f'"{"a" * 256}"',)))], "not a value of type TXT"),
        ([create("new.example.org.", "MX", A)], "no records of type MX"),
        ([create("new.example.org.", "A", A), create("new.example.org.", "A", A)], "invalid set of changes"),
        ([Change("REPLACE", (HUB, "A"), A)], "Invalid Action"),
    ],
)  # fmt: skip
def test_a_batch_is_carried_out_or_refused(batch: list[Change], why: str) -> None:
    _, refusals = changed(ZONE, HELD, batch)
    assert bool(refusals) == bool(why)
    assert why in ", ".join(refusals)


def test_names_are_kept_as_aws_keeps_them() -> None:
    assert canonical("*.Hub.Example.org") == canonical("\\052.hub.example.org.") == "\\052.hub.example.org."


@pytest.fixture
def zone(cloud: CloudProcess) -> str:
    made = cloud.client("route53").create_hosted_zone(Name="example.org", CallerReference="once")
    zone_id: str = made["HostedZone"]["Id"]
    return zone_id


def change(cloud: CloudProcess, zone: str, *changes: tuple[str, str, str, str]) -> dict[str, Any]:
    batch = [
        {
            "Action": action,
            "ResourceRecordSet": {
                "Name": name,
                "Type": kind,
                "TTL": 60,
                "ResourceRecords": [{"Value": value}],
            },
        }
        for action, name, kind, value in changes
    ]
    client = cloud.client("route53")
    answer: dict[str, Any] = client.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": batch}
    )
    return dict(answer["ChangeInfo"])


def listed(cloud: CloudProcess, zone: str) -> list[tuple[str, str]]:
    found = cloud.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return [(one["Name"], one["Type"]) for one in found if one["Type"] not in ("NS", "SOA")]


def test_changes_by_calls(cloud: CloudProcess, zone: str) -> None:
    """A change is pending before it is in sync; a refused batch changes nothing."""
    info = change(cloud, zone, ("CREATE", "*.hub.example.org", "A", "203.0.113.7"))
    client = cloud.bare_client("route53")
    assert info["Status"] == "PENDING"
    client.get_waiter("resource_record_sets_changed").wait(
        Id=info["Id"], WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    with pytest.raises(ClientError) as refused:
        change(
            cloud, zone,
            ("CREATE", "new.example.org", "A", "203.0.113.7"), ("CREATE", "*.hub.example.org", "A", "203.0.113.7"),
        )  # fmt: skip
    assert refused.value.response["Error"]["Code"] == "InvalidChangeBatch"
    assert "already exists" in refused.value.response["Error"]["Message"]
    assert listed(cloud, zone) == [("\\052.hub.example.org.", "A")]
    with pytest.raises(ClientError, match="NoSuchHostedZone"):
        change(cloud, "Z0NONE", ("CREATE", "new.example.org", "A", "203.0.113.7"))
    with pytest.raises(ClientError, match="NoSuchChange"):
        client.get_change(Id="/change/nonsense")
    change(cloud, zone, ("DELETE", "*.hub.example.org", "A", "203.0.113.7"))
    assert listed(cloud, zone) == []
