"""The tables of a cluster: records of workers with their indexes, their history, the policy's settings."""

from typing import Any

from bootstrap.templates.network import TEMPLATE_VERSION

Key = tuple[str, str]  # attribute name and its DynamoDB type, "S" or "N"

WORKERS: Key = ("worker", "S")
WORKER_INDEXES: dict[str, tuple[Key, ...]] = {
    "due": (("costs", "S"), ("due_at", "N")),
    "instance": (("instance_id", "S"),),
    "changed": (("cluster", "S"), ("changed_at", "N")),
}
HISTORY_INDEXES: dict[str, tuple[Key, ...]] = {"day": (("day", "S"), ("at", "S"))}


def data_template(cluster: str) -> dict[str, Any]:
    """The CloudFormation template of the three tables, each kept when the stack goes."""
    return {
        "AWSTemplateFormatVersion": TEMPLATE_VERSION,
        "Description": f"cloudJHub {cluster}: records, history and settings",
        "Resources": {
            "Workers": _table(cluster, "workers", (WORKERS,), WORKER_INDEXES),
            "History": _table(cluster, "history", (WORKERS, ("at", "S")), HISTORY_INDEXES, ttl="expires_at"),
            "Settings": _table(cluster, "settings", (("scope", "S"),), {}),
        },
    }


def _table(
    cluster: str, name: str, key: tuple[Key, ...], indexes: dict[str, tuple[Key, ...]], ttl: str = ""
) -> dict[str, Any]:
    attributes = dict(key) | {name: kind for index in indexes.values() for name, kind in index}
    properties: dict[str, Any] = {
        "TableName": f"cloudjhub-{cluster}-{name}",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": kind} for attribute, kind in attributes.items()
        ],
        "KeySchema": _key_schema(key),
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "DeletionProtectionEnabled": True,
        "Tags": [{"Key": "cloudjhub:cluster", "Value": cluster}],
    }
    if indexes:
        properties["GlobalSecondaryIndexes"] = [
            {"IndexName": index, "KeySchema": _key_schema(keys), "Projection": {"ProjectionType": "ALL"}}
            for index, keys in indexes.items()
        ]
    if ttl:
        properties["TimeToLiveSpecification"] = {"AttributeName": ttl, "Enabled": True}
    return {
        "Type": "AWS::DynamoDB::Table",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": properties,
    }


def _key_schema(keys: tuple[Key, ...]) -> list[dict[str, str]]:
    kinds = ("HASH", "RANGE")
    return [{"AttributeName": name, "KeyType": kind} for (name, _), kind in zip(keys, kinds, strict=False)]
