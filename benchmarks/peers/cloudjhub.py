"""A model of the earlier cloudJHub's culler: of its calls and their order, not its code; prints what it used.

`python -m benchmarks.peers.cloudjhub HUB_API EC2_ENDPOINT`. What it does every 300 s, as far as it is known: it
reads all users of the hub; the hub stops servers that were idle for the timeout, ten at a time; and for each user
without a server in the hub it asks EC2, one after the other, whether an instance runs.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import boto3
import requests

from benchmarks.peers.fleet import TIMEOUT, instance_id, number_of
from benchmarks.peers.installed import metered

AT_ONCE = 10
PAGED = {"Accept": "application/jupyterhub-pagination+json"}


def cull(hub: requests.Session, api: str, ec2: Any, now: datetime) -> None:
    """One pass over all users."""
    idle = []
    for user in _users(hub, api):
        if user["server"] is None:
            _stop_what_runs(ec2, instance_id(number_of(user["name"])))
        elif now - datetime.fromisoformat(user["last_activity"]) >= TIMEOUT:
            idle.append(f"{api}/users/{user['name']}/server")
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for answer in threads.map(hub.delete, idle):
            answer.raise_for_status()


def _users(hub: requests.Session, api: str) -> Iterator[dict[str, Any]]:
    url: str | None = f"{api}/users"
    while url:
        answer = hub.get(url, headers=PAGED)
        answer.raise_for_status()
        page = answer.json()
        yield from page["items"]
        following = page["_pagination"]["next"]
        url = following and following["url"]


def _stop_what_runs(ec2: Any, instance: str) -> None:
    [reservation] = ec2.describe_instances(InstanceIds=[instance])["Reservations"]
    if reservation["Instances"][0]["State"]["Name"] == "running":
        ec2.stop_instances(InstanceIds=[instance])


def main() -> None:
    """One pass, metered."""
    api, endpoint = sys.argv[1:]
    ec2 = boto3.client("ec2", endpoint_url=endpoint)
    with requests.Session() as hub, metered():
        cull(hub, api, ec2, datetime.now(UTC))


if __name__ == "__main__":
    main()
