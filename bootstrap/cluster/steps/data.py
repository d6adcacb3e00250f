"""Steps: tables, bucket and log group; and the first idle policy and users, later changed by commands alone."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from bootstrap.aws import names, stacks
from bootstrap.aws.errors import if_exists, ignore_missing
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.cluster.steps.step import Change, Kind, StackStep
from bootstrap.cluster.templates.cluster import data_template
from bootstrap.cluster.templates.parts import Template
from bootstrap.cluster.users import ensure_people
from bootstrap.errors import Refused
from lifecycle_app.adapters.settings_store import SettingsStore
from lifecycle_app.contract import CLUSTER_SCOPE, USERS_SCOPE
from lifecycle_app.errors import NoTable, RecordConflict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import WaiterConfigTypeDef

TABLES = {
    "workers": "what is known of every user's instance",
    "history": "its history",
    "settings": "policy and users",
}

LOOKING: "WaiterConfigTypeDef" = {"Delay": 1, "MaxAttempts": 600}  # seconds


class Data(StackStep):
    """The stack of tables, bucket and log group. It is protected from deletion, and so is each table."""

    name = "data"
    removed = "with the manager's log and the audit log"
    is_protected = True

    def template(self, site: Site) -> Template:
        """Needs nothing that is built."""
        bucket = names.bucket(site.cluster, site.aws)
        return data_template(site.cluster, bucket, site.settings.manager.audit_days, site.settings.kms_key)

    def changes(self, site: Site) -> list[Change]:
        """See `Step`."""
        found = super().changes(site)
        stack = stacks.current(site.aws.client("cloudformation"), self.stack(site))
        if not found and stack and not stack.get("EnableTerminationProtection"):
            return [Change(Kind.CHANGE, f"stack {self.stack(site)}", "is protected from deletion again")]
        return found

    def apply(self, site: Site, report: Report) -> None:
        """See `Step`."""
        if stacks.settle(site.aws.client("cloudformation"), self.stack(site), report) is None:
            _clear_leftovers(site, report)
        super().apply(site, report)

    def removals(self, site: Site) -> list[Change]:
        found = [
            Change(Kind.REMOVE, f"table {names.table(site.cluster, one)}", TABLES[one])
            for one in _tables(site)
        ]
        if _has_bucket(site):
            found.append(
                Change(Kind.REMOVE, f"bucket {names.bucket(site.cluster, site.aws)}", "with its bundles")
            )
        return [*found, *super().removals(site)]

    def remove(self, site: Site, report: Report) -> None:
        if _has_bucket(site):
            report("emptying the bucket")
            _empty_bucket(site)
        super().remove(site, report)
        for table in _tables(site):
            report(f"deleting the table {names.table(site.cluster, table)}")
            _delete_table(site, table)


def _clear_leftovers(site: Site, report: Report) -> None:
    """Tables outlive their stack. Empty ones, of a stack that never completed, are deleted; others hold records."""
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
    """Returns when the table is deleted, and one of its name can be created."""
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


class InitialSettings:
    """Writes the first policy and the first users into the settings table, unless there are some."""

    name = "settings"

    def changes(self, site: Site) -> list[Change]:
        missing = [scope for scope in (CLUSTER_SCOPE, USERS_SCOPE) if not self._has(site, scope)]
        users_file = site.settings.login.users_file
        what = {CLUSTER_SCOPE: "the idle policy", USERS_SCOPE: f"the users in {users_file}"}
        return [Change(Kind.CREATE, what[scope]) for scope in missing]

    def apply(self, site: Site, report: Report) -> None:
        report("writing the first policy and users")
        self._begin_policy(site)
        ensure_people(site)

    def removals(self, site: Site) -> list[Change]:  # noqa: ARG002 (they go with their table)
        return []

    def remove(self, site: Site, report: Report) -> None:
        """Nothing: they go with their table."""

    def _begin_policy(self, site: Site) -> None:
        with suppress(RecordConflict):
            _settings(site).put_first_policy(json.dumps(dict(site.settings.policy)))

    def _has(self, site: Site, scope: str) -> bool:
        try:
            return _settings(site).has(scope)
        except NoTable:
            return False


def _settings(site: Site) -> SettingsStore:
    return SettingsStore(site.cluster, site.aws.region)
