"""Bucket policies, of which moto takes a denial's unfulfilled condition for a denial."""

import json
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket

ONLY_UNENCRYPTED = {"Bool": {"aws:SecureTransport": "false"}}


def permission(bucket: Any, action: str, resource: str) -> PermissionResult:
    """What the bucket's policy says of a call. On a loopback address nobody listens: traffic counts as encrypted."""
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    policy = json.loads(bucket.policy)
    applying = [one for one in policy["Statement"] if one.get("Condition") != ONLY_UNENCRYPTED]
    judged = IAMPolicy(json.dumps({**policy, "Statement": applying}))
    return PermissionResult(judged.is_action_permitted(action, resource))


def judge_by_bucket_policies() -> None:
    """Make moto judge by it."""
    FakeBucket.get_permission = permission
