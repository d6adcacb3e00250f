"""certbot's hook: the TXT record in Route 53 by which Let's Encrypt sees that the domain is ours.

    python -m bootstrap.machines.manager.web.acme_dns present|remove

certbot calls it for each name, with the value in its environment; the domain and its wildcard have the same record with
a value each. certbot's own plugin for Route 53 looks for a zone of the domain itself: it does not follow a CNAME that
delegates the record to another zone, and it needs to list all zones and records.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from bootstrap.machines.manager import system
from bootstrap.machines.manager.config import CONFIG_PATH, PRESENTED, ManagerConfig

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_route53.literals import ChangeActionType

PRESENT, REMOVE = "present", "remove"
TIME_TO_LIVE = 60
ASKED_EVERY, ASKED_TIMES = 5, 60
"""Seconds between two questions whether all name servers of Route 53 have the record, and how many."""


def present(route53: "Route53Client", record: Mapping[str, str], value: str, is_last: bool) -> None:
    """Add the value to the record. After the last value, returns once all of Route 53's name servers have it."""
    values = [*presented(), value]
    change = _change(route53, record, "UPSERT", values)
    system.write_file(PRESENTED, json.dumps(values), 0o600)
    if is_last:
        waiter = route53.get_waiter("resource_record_sets_changed")
        waiter.wait(Id=change, WaiterConfig={"Delay": ASKED_EVERY, "MaxAttempts": ASKED_TIMES})


def remove(route53: "Route53Client", record: Mapping[str, str]) -> None:
    """Delete the record with all of its values; nothing if that is done."""
    if values := presented():
        _change(route53, record, "DELETE", values)
        PRESENTED.unlink()


def presented() -> list[str]:
    """The values that are in the record now. The manager may change the record, but not read the zone."""
    return list(json.loads(PRESENTED.read_text())) if PRESENTED.exists() else []


def _change(
    route53: "Route53Client", record: Mapping[str, str], action: "ChangeActionType", values: Sequence[str]
) -> str:
    """The change's id."""
    changed = route53.change_resource_record_sets(
        HostedZoneId=record["zone_id"],
        ChangeBatch={
            "Changes": [
                {
                    "Action": action,
                    "ResourceRecordSet": {
                        "Name": record["record"],
                        "Type": "TXT",
                        "TTL": TIME_TO_LIVE,
                        "ResourceRecords": [{"Value": f'"{value}"'} for value in values],
                    },
                }
            ]
        },
    )
    return changed["ChangeInfo"]["Id"]


def main() -> int:
    """0 when it is done; certbot shows what is printed."""
    config = ManagerConfig.from_json(CONFIG_PATH.read_text())
    record = config.acme_dns or {}
    route53 = boto3.client("route53", region_name=config.region)
    try:
        if sys.argv[1:] == [PRESENT]:
            is_last = os.environ["CERTBOT_REMAINING_CHALLENGES"] == "0"
            present(route53, record, os.environ["CERTBOT_VALIDATION"], is_last)
        else:
            remove(route53, record)
    except (BotoCoreError, ClientError, WaiterError) as error:
        print(f"{record['record']} in Route 53's zone {record['zone_id']}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
