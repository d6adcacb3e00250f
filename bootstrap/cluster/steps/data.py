"""What the cluster keeps: its tables, its bucket and its log group."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bootstrap.aws import names, stacks
from bootstrap.aws.errors import if_exists, ignore_missing
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.cluster.steps.stack_changes import stack_changes
from bootstrap.cluster.steps.step import Change, Kind
from bootstrap.cluster.templates.data import data_template
from bootstrap.cluster.templates.parts import Template
from bootstrap.errors import Refused
from lifecycle_app.model.worker import TAG_CLUSTER

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import WaiterConfigTypeDef

TABLES = {
    "workers": "what is known of every user's machine",
    "history": "its history",
    "settings": "policy and users",
}

LOOKING: "WaiterConfigTypeDef" = {"Delay": 1, "MaxAttempts": 600}  # seconds


class Data:
    """The stack of tables, bucket and log group. It is protected from deletion, and so is each table."""

    name = "data"

    def changes(self, site: Site) -> list[Change]:
        client = site.aws.client("cloudformation")
        found = stack_changes(client, _stack(site), _wanted(site), {TAG_CLUSTER: site.cluster})
        stack = stacks.current(client, _stack(site))
        if not found and stack and not stack.get("EnableTerminationProtection"):
            return [Change(Kind.CHANGE, f"stack {_stack(site)}", "is protected from deletion again")]
        return found

    def apply(self, site: Site, report: Report) -> None:
        client = site.aws.client("cloudformation")
        if stacks.settle(client, _stack(site), report) is None:
            _clear_leftovers(site, report)
        stacks.apply(
            client,
            _stack(site),
            _wanted(site),
            tags={TAG_CLUSTER: site.cluster},
            is_protected=True,
            report=report,
        )

    def removals(self, site: Site) -> list[Change]:
        found = [
            Change(Kind.REMOVE, f"table {names.table(site.cluster, one)}", TABLES[one])
            for one in _tables(site)
        ]
        if _has_bucket(site):
            found.append(
                Change(Kind.REMOVE, f"bucket {names.bucket(site.cluster, site.aws)}", "with its bundles")
            )
        if stacks.current(site.aws.client("cloudformation"), _stack(site)):
            found.append(Change(Kind.REMOVE, f"stack {_stack(site)}", "with the manager's log"))
        return found

    def remove(self, site: Site, report: Report) -> None:
        if _has_bucket(site):
            report("emptying the bucket")
            _empty_bucket(site)
        stacks.remove(site.aws.client("cloudformation"), _stack(site), report)
        for table in _tables(site):
            report(f"deleting the table {names.table(site.cluster, table)}")
            _delete_table(site, table)


def _stack(site: Site) -> str:
    return names.stack(site.cluster, "data")


def _wanted(site: Site) -> Template:
    return data_template(site.cluster, names.bucket(site.cluster, site.aws))


def _clear_leftovers(site: Site, report: Report) -> None:
    """Tables outlive their stack. Empty ones, of a stack that never came up, go; others are somebody's records."""
    found = list(_tables(site))
    full = [names.table(site.cluster, one) for one in found if _has_items(site, one)]
    if full:
        raise Refused(
            f"{', '.join(full)} still hold the records of an earlier cluster {site.cluster}: run `cloudjhub down` to "
            "remove them, or give the cluster another name"
        )
    for table in found:
        report(f"deleting the empty table {names.table(site.cluster, table)}")
        _delete_table(site, table)


def _tables(site: Site) -> Iterator[str]:
    """Those of the cluster's tables that there are."""
    client = site.aws.client("dynamodb")
    for table in TABLES:
        with ignore_missing():
            client.describe_table(TableName=names.table(site.cluster, table))
            yield table


def _has_items(site: Site, table: str) -> bool:
    found = site.aws.client("dynamodb").scan(TableName=names.table(site.cluster, table), Limit=1)
    return bool(found["Items"])


def _delete_table(site: Site, table: str) -> None:
    """Return when it is gone: a table of its name can be created again."""
    client, name = site.aws.client("dynamodb"), names.table(site.cluster, table)
    described = client.describe_table(TableName=name)["Table"]
    if described["TableStatus"] != "DELETING":
        if described.get("DeletionProtectionEnabled"):
            client.update_table(TableName=name, DeletionProtectionEnabled=False)
        # A table that is being made or changed cannot be deleted.
        client.get_waiter("table_exists").wait(TableName=name, WaiterConfig=LOOKING)
        client.delete_table(TableName=name)
    client.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig=LOOKING)


def _has_bucket(site: Site) -> bool:
    s3, bucket = site.aws.client("s3"), names.bucket(site.cluster, site.aws)
    return if_exists(lambda: s3.head_bucket(Bucket=bucket)) is not None


def _empty_bucket(site: Site) -> None:
    """Delete every version of every object: a bucket that holds one cannot be deleted."""
    client, bucket = site.aws.client("s3"), names.bucket(site.cluster, site.aws)
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if versions:
            client.delete_objects(
                Bucket=bucket,
                Delete={
                    "Objects": [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in versions],
                    "Quiet": True,
                },
            )
