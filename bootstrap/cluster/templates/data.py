"""What a cluster keeps: the tables of workers, history and settings, a bucket for its bundles, a log group."""

from typing import Any

from bootstrap.aws import names
from bootstrap.cluster.templates.parts import (
    Resource,
    Template,
    attribute,
    cluster_tags,
    ref,
    resource,
    template,
)

Key = tuple[str, str]  # attribute name and its DynamoDB type, "S" or "N"

WORKERS: Key = ("worker", "S")
WORKER_INDEXES: dict[str, tuple[Key, ...]] = {
    "due": (("costs", "S"), ("due_at", "N")),
    "instance": (("instance_id", "S"),),
    "changed": (("cluster", "S"), ("changed_at", "N")),
}
HISTORY_INDEXES: dict[str, tuple[Key, ...]] = {"day": (("day", "S"), ("at", "S"))}


LOG_DAYS = 90
OLD_VERSION_DAYS = 30
"""A bundle that was overwritten or deleted can be had back for so long."""
UNFINISHED_DAYS = 7


def data_template(cluster: str, bucket: str) -> Template:
    """The template of what a cluster keeps, `bucket` being its bucket's name. Outputs: Bucket, LogGroup.

    The tables hold users' records: they are kept when the stack is deleted by mistake.
    """
    resources = {
        "Workers": _table(cluster, "workers", (WORKERS,), WORKER_INDEXES),
        "History": _table(cluster, "history", (WORKERS, ("at", "S")), HISTORY_INDEXES, ttl="expires_at"),
        "Settings": _table(cluster, "settings", (("scope", "S"),), {}),
        "Bucket": _bucket(cluster, bucket),
        "BucketPolicy": _encrypted_transport(),
        "LogGroup": {
            **resource(
                "Logs::LogGroup",
                LogGroupName=names.log_group(cluster),
                RetentionInDays=LOG_DAYS,
                Tags=cluster_tags(cluster),
            ),
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
        },
    }
    outputs = {"Bucket": ref("Bucket"), "LogGroup": ref("LogGroup")}
    return template(f"cloudJHub {cluster}: records, bundles and logs", resources, outputs)


def _bucket(cluster: str, name: str) -> Resource:
    """Holds what `up` can upload again at any time."""
    made = resource(
        "S3::Bucket",
        BucketName=name,
        BucketEncryption={
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
            ]
        },
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
        OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        VersioningConfiguration={"Status": "Enabled"},
        LifecycleConfiguration={
            "Rules": [
                {
                    "Id": "old-versions",
                    "Status": "Enabled",
                    "NoncurrentVersionExpiration": {"NoncurrentDays": OLD_VERSION_DAYS},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UNFINISHED_DAYS},
                }
            ]
        },
        Tags=cluster_tags(cluster),
    )
    return {**made, "DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}


def _encrypted_transport() -> Resource:
    bucket = attribute("Bucket", "Arn")
    return resource(
        "S3::BucketPolicy",
        Bucket=ref("Bucket"),
        PolicyDocument={
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "EncryptedTransportOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [bucket, {"Fn::Sub": "${Bucket.Arn}/*"}],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        },
    )


def _table(
    cluster: str, name: str, key: tuple[Key, ...], indexes: dict[str, tuple[Key, ...]], ttl: str = ""
) -> Resource:
    attributes = dict(key) | {name: kind for index in indexes.values() for name, kind in index}
    properties: dict[str, Any] = {
        "TableName": names.table(cluster, name),
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": kind} for attribute, kind in attributes.items()
        ],
        "KeySchema": _key_schema(key),
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "DeletionProtectionEnabled": True,
        "Tags": cluster_tags(cluster),
    }
    if indexes:
        properties["GlobalSecondaryIndexes"] = [
            {"IndexName": index, "KeySchema": _key_schema(keys), "Projection": {"ProjectionType": "ALL"}}
            for index, keys in indexes.items()
        ]
    if ttl:
        properties["TimeToLiveSpecification"] = {"AttributeName": ttl, "Enabled": True}
    made = resource("DynamoDB::Table", **properties)
    return {**made, "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


def _key_schema(keys: tuple[Key, ...]) -> list[dict[str, str]]:
    kinds = ("HASH", "RANGE")
    return [{"AttributeName": name, "KeyType": kind} for (name, _), kind in zip(keys, kinds, strict=False)]
