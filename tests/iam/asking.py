"""What the matrix is made of: the roles, a request with its resources, and whom a resource may belong to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bootstrap.aws.scope import Challenge, Scope
from bootstrap.cluster.policies import (
    backup_policy,
    builder_policy,
    lifecycle_policies,
    manager_policy,
    worker_policy,
)
from bootstrap.cluster.policies.resources import Document
from tests.iam.simulator import ACCOUNT, Context, Question, Result, judge

REGION = "eu-west-1"
SCOPE = Scope(
    cluster="dev",
    account=ACCOUNT,
    region=REGION,
    subnets=("subnet-a", "subnet-b"),
    security_groups=("sg-workers",),
    images=("ami-worker",),
    challenge=Challenge("Z0OWN", "_acme-challenge.hub.example.org"),
    tag_keys=("CostCenter",),
)
POLICIES: dict[str, Document] = {
    "manager": manager_policy(SCOPE),
    "worker": worker_policy(SCOPE),
    "builder": builder_policy(SCOPE),
    "backups": backup_policy(SCOPE),
    **lifecycle_policies(SCOPE),
}
FUNCTIONS = tuple(lifecycle_policies(SCOPE))


@dataclass(frozen=True, slots=True)
class Asked:
    """One resource of a request, with what AWS tells the policy about it."""

    resource: str
    context: Context = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """A call to AWS: granted if each of its resources is."""

    action: str
    asked: tuple[Asked, ...]


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def elsewhere(asked: Asked) -> Asked:
    """The same in a region that is not the cluster's."""
    return Asked(asked.resource.replace(REGION, "us-east-1"), asked.context)


def tags(kind: str, **values: str) -> dict[str, str]:
    return {f"aws:{kind}/cloudjhub:{name}": value for name, value in values.items()}


OWNERS: dict[str, dict[str, str]] = {
    "own worker": tags("ResourceTag", cluster="dev", role="worker"),
    "own manager": tags("ResourceTag", cluster="dev", role="manager"),
    "other cluster's worker": tags("ResourceTag", cluster="other", role="worker"),
    "cluster of a longer name": tags("ResourceTag", cluster="dev2", role="worker"),
    "half tagged, cluster only": tags("ResourceTag", cluster="dev"),
    "half tagged, role only": tags("ResourceTag", role="worker"),
    "untagged": {},
}
INSTANCE = arn("ec2", "instance/i-0123456789abcdef0")
VOLUME = arn("ec2", "volume/vol-0123456789abcdef0")
INTERFACE = arn("ec2", "network-interface/eni-0123456789abcdef0")
WORKER_PROFILE = f"arn:aws:iam::{ACCOUNT}:instance-profile/cloudjhub-dev-worker"
TAG_KEYS = [
    "Name",
    "Owner",
    "Creator",
    "cloudjhub:cluster",
    "cloudjhub:role",
    "cloudjhub:user",
    "cloudjhub:server",
    "CostCenter",
]
OUR_TAGS = {**tags("RequestTag", cluster="dev", role="worker"), "aws:TagKeys": TAG_KEYS}


def granting(policy: Document) -> Document:
    """A policy without its denials: more than it grants, so that no denial hides a part of a grant."""
    return {**policy, "Statement": [one for one in policy["Statement"] if one["Effect"] == "Allow"]}


def decide(
    policies: Mapping[str, Document], bearers: Mapping[str, tuple[str, ...]], requests: Mapping[str, Request]
) -> dict[str, dict[str, Result]]:
    """For each bearer (a name, and the keys of the policies it bears) the decision on each request."""
    return decide_each(policies, bearers, dict.fromkeys(bearers, requests))


def decide_each(
    policies: Mapping[str, Document],
    bearers: Mapping[str, tuple[str, ...]],
    requests: Mapping[str, Mapping[str, Request]],
) -> dict[str, dict[str, Result]]:
    """The same with requests of its own for each bearer, in one batch."""
    asked = [
        (bearer, name, request.action, one)
        for bearer in bearers
        for name, request in requests[bearer].items()
        for one in request.asked
    ]
    questions = [
        Question(policies=bearers[bearer], action=action, resource=one.resource, context=one.context)
        for bearer, _, action, one in asked
    ]
    different = {
        str(question): question for question in questions
    }  # most parts of most launches are the same
    answers = dict(zip(different, judge(policies, list(different.values())), strict=True))
    results: dict[str, dict[str, list[Result]]] = {bearer: {} for bearer in bearers}
    for (bearer, name, _, _), question in zip(asked, questions, strict=True):
        results[bearer].setdefault(name, []).append(answers[str(question)])
    return {
        bearer: {name: _worst(parts) for name, parts in named.items()} for bearer, named in results.items()
    }


def _worst(results: Sequence[Result]) -> Result:
    """EC2 grants a call if every one of its resources is granted."""
    order: tuple[Result, ...] = ("ExplicitlyDenied", "ImplicitlyDenied", "Allowed")
    return min(results, key=order.index)
