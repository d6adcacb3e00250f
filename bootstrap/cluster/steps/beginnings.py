"""What a new cluster begins with: its idle policy and its users. Later both are changed by commands, not by `up`."""

import json
from functools import partial

from botocore.exceptions import ClientError

from bootstrap.aws import names
from bootstrap.aws.errors import code_of, if_exists
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.cluster.steps.step import Change, Kind
from bootstrap.cluster.users import ensure_people
from lifecycle_app.model.policy import CLUSTER_SCOPE


class Beginnings:
    """Writes the first policy and the first users into the settings table, unless there are some."""

    name = "settings"

    def changes(self, site: Site) -> list[Change]:
        missing = [scope for scope in (CLUSTER_SCOPE, "users") if not self._has(site, scope)]
        words = {CLUSTER_SCOPE: "the idle policy", "users": f"the users in {site.settings.login.users_file}"}
        return [Change(Kind.CREATE, words[scope]) for scope in missing]

    def apply(self, site: Site, report: Report) -> None:
        report("writing the first policy and users")
        self._begin_policy(site)
        ensure_people(site)

    def removals(self, site: Site) -> list[Change]:  # noqa: ARG002 (they go with their table)
        return []

    def remove(self, site: Site, report: Report) -> None:
        """Nothing: they go with their table."""

    def _begin_policy(self, site: Site) -> None:
        try:
            site.aws.client("dynamodb").put_item(
                TableName=names.table(site.cluster, "settings"),
                Item={"scope": {"S": CLUSTER_SCOPE}, "policy": {"S": json.dumps(dict(site.settings.policy))}},
                ConditionExpression="attribute_not_exists(#scope)",
                ExpressionAttributeNames={"#scope": "scope"},
            )
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise

    def _has(self, site: Site, scope: str) -> bool:
        read = partial(
            site.aws.client("dynamodb").get_item,
            TableName=names.table(site.cluster, "settings"),
            Key={"scope": {"S": scope}},
            ConsistentRead=True,
        )
        return "Item" in (if_exists(read) or {})
