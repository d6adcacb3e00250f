"""Resources outside EC2: tables, buckets, log groups, roles."""

import json
from collections.abc import Mapping
from typing import Any

from bootstrap.local.cloud.cloudformation.provider import (
    Client,
    Created,
    Properties,
    Unchangeable,
    differing,
    given,
    tag_list,
)


class Table:
    """A DynamoDB table."""

    CREATED_WITH = ("TableName", "BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes",
                    "DeletionProtectionEnabled")  # fmt: skip
    CHANGEABLE = frozenset(
        {"PointInTimeRecoverySpecification", "DeletionProtectionEnabled", "TimeToLiveSpecification", "Tags"}
    )

    def create(self, client: Client, properties: Properties, tags: Mapping[str, str]) -> Created:
        asked = given(properties, *self.CREATED_WITH)
        made = client("dynamodb").create_table(**asked, Tags=tag_list(properties, tags))["TableDescription"]
        self._set_rest(client, properties)
        return Created(made["TableName"], {"Arn": made["TableArn"]})

    def change(self, client: Client, physical_id: str, before: Properties, after: Properties) -> bool:
        changed = differing(before, after)
        if not changed <= self.CHANGEABLE:
            return False
        if "DeletionProtectionEnabled" in changed:
            wanted = bool(after.get("DeletionProtectionEnabled"))
            client("dynamodb").update_table(TableName=physical_id, DeletionProtectionEnabled=wanted)
        if changed - {"DeletionProtectionEnabled", "Tags"}:
            self._set_rest(client, after)
        return True

    def delete(self, client: Client, physical_id: str, properties: Properties) -> None:
        client("dynamodb").delete_table(TableName=physical_id)

    def _set_rest(self, client: Client, properties: Properties) -> None:
        dynamodb, name = client("dynamodb"), properties["TableName"]
        if wanted := given(properties, "PointInTimeRecoverySpecification"):
            dynamodb.update_continuous_backups(TableName=name, **wanted)
        if wanted := given(properties, "TimeToLiveSpecification"):
            dynamodb.update_time_to_live(TableName=name, **wanted)


class Bucket:
    """An S3 bucket; everything but its name can be changed."""

    def create(self, client: Client, properties: Properties, tags: Mapping[str, str]) -> Created:
        name = properties["BucketName"]
        client("s3").create_bucket(Bucket=name)
        _set_up(client("s3"), name, properties, tag_list(properties, tags))
        return Created(name, {"Arn": f"arn:aws:s3:::{name}"})

    def change(self, client: Client, physical_id: str, before: Properties, after: Properties) -> bool:
        if "BucketName" in differing(before, after):
            return False
        _set_up(client("s3"), physical_id, after, tag_list(after, {}))
        return True

    def delete(self, client: Client, physical_id: str, properties: Properties) -> None:
        client("s3").delete_bucket(Bucket=physical_id)


def _set_up(s3: Any, name: str, properties: Properties, tags: list[dict[str, str]]) -> None:
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    if wanted := properties.get("BucketEncryption"):
        rules = [
            {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
            for rule in wanted["ServerSideEncryptionConfiguration"]
        ]
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    if wanted := properties.get("PublicAccessBlockConfiguration"):
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=wanted)
    if wanted := properties.get("OwnershipControls"):
        s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=wanted)
    if wanted := properties.get("VersioningConfiguration"):
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=wanted)
    if wanted := properties.get("LifecycleConfiguration"):
        rules = [{"Filter": {"Prefix": ""}, **{_S3_WORDS.get(k, k): v for k, v in rule.items()}}
                 for rule in wanted["Rules"]]  # fmt: skip
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})


_S3_WORDS = {"Id": "ID"}


class BucketPolicy:
    """Who may do what with a bucket."""

    def create(self, client: Client, properties: Properties, tags: Mapping[str, str]) -> Created:
        document = json.dumps(properties["PolicyDocument"])
        client("s3").put_bucket_policy(Bucket=properties["Bucket"], Policy=document)
        return Created(properties["Bucket"])

    def change(self, client: Client, physical_id: str, before: Properties, after: Properties) -> bool:
        if "Bucket" in differing(before, after):
            return False
        self.create(client, after, {})
        return True

    def delete(self, client: Client, physical_id: str, properties: Properties) -> None:
        client("s3").delete_bucket_policy(Bucket=physical_id)


class LogGroup:
    """A log group, where the functions' logs are too."""

    def create(self, client: Client, properties: Properties, tags: Mapping[str, str]) -> Created:
        logs, name = client("logs"), properties["LogGroupName"]
        every = {tag["Key"]: tag["Value"] for tag in tag_list(properties, tags)}
        logs.create_log_group(logGroupName=name, tags=every)
        self._retain(client, properties)
        return Created(name)

    def change(self, client: Client, physical_id: str, before: Properties, after: Properties) -> bool:
        if "LogGroupName" in differing(before, after):
            return False
        self._retain(client, after)
        return True

    def delete(self, client: Client, physical_id: str, properties: Properties) -> None:
        client("logs").delete_log_group(logGroupName=physical_id)

    def _retain(self, client: Client, properties: Properties) -> None:
        client("logs").put_retention_policy(
            logGroupName=properties["LogGroupName"], retentionInDays=properties["RetentionInDays"]
        )


class Role:
    """A role with its inline policies."""

    def create(self, client: Client, properties: Properties, tags: Mapping[str, str]) -> Created:
        iam, name = client("iam"), properties["RoleName"]
        made = iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps(properties["AssumeRolePolicyDocument"]),
            Tags=tag_list(properties, tags),
        )["Role"]
        self._put(iam, name, properties)
        return Created(name, {"Arn": made["Arn"]})

    def change(self, client: Client, physical_id: str, before: Properties, after: Properties) -> bool:
        if "RoleName" in differing(before, after):
            return False
        iam = client("iam")
        iam.update_assume_role_policy(
            RoleName=physical_id, PolicyDocument=json.dumps(after["AssumeRolePolicyDocument"])
        )
        for policy in _policy_names(before) - _policy_names(after):
            iam.delete_role_policy(RoleName=physical_id, PolicyName=policy)
        self._put(iam, physical_id, after)
        return True

    def delete(self, client: Client, physical_id: str, properties: Properties) -> None:
        iam = client("iam")
        for policy in _policy_names(properties):
            iam.delete_role_policy(RoleName=physical_id, PolicyName=policy)
        iam.delete_role(RoleName=physical_id)

    def _put(self, iam: Any, name: str, properties: Properties) -> None:
        for policy in properties.get("Policies", []):
            document = json.dumps(policy["PolicyDocument"])
            iam.put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)


def _policy_names(properties: Properties) -> set[str]:
    return {policy["PolicyName"] for policy in properties.get("Policies", [])}


class InstanceProfile(Unchangeable):
    """What hands a role to an instance."""

    def create(self, client: Client, properties: Properties, tags: Mapping[str, str]) -> Created:
        iam, name = client("iam"), properties["InstanceProfileName"]
        made = iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]
        for role in properties["Roles"]:
            iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role)
        return Created(name, {"Arn": made["Arn"]})

    def delete(self, client: Client, physical_id: str, properties: Properties) -> None:
        iam = client("iam")
        for role in properties["Roles"]:
            iam.remove_role_from_instance_profile(InstanceProfileName=physical_id, RoleName=role)
        iam.delete_instance_profile(InstanceProfileName=physical_id)
