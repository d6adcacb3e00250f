"""Are the credentials valid in this region, and do they allow what building a cluster needs?

IAM's own simulator answers the latter.
"""

import difflib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.aws import names
from bootstrap.aws.errors import UNKNOWN, code_of, message_of, refused_credentials, unreachable
from bootstrap.aws.session import Aws
from bootstrap.aws.site import Site
from bootstrap.cluster.dns.records import served
from bootstrap.config.partitions import SUPPORTED
from bootstrap.preflight.problem import Problem, warning

CANNOT_ASK = ("AccessDenied", "AccessDeniedException", "NoSuchEntity")
WOULD_SUCCEED = "DryRunOperation"
FORBIDDEN = "UnauthorizedOperation"


@dataclass(frozen=True, slots=True)
class Need:
    """Actions on a resource: "*" or an ARN."""

    actions: tuple[str, ...]
    resource: str = "*"


def needs(site: Site) -> list[Need]:
    """What `up` and `down` call, on the cluster's own resources. Pure except for the account's number."""
    scope, cluster = site.scope, site.cluster
    own = f"cloudjhub-{cluster}-"
    manager = names.role(cluster, "manager", scope.role_prefix)
    bucket = f"arn:{scope.partition}:s3:::{names.bucket(cluster, site.aws)}"
    return [
        Need(_actions("ec2", "AllocateAddress AuthorizeSecurityGroupIngress CreateImage CreateNetworkInterface "
                             "CreateSecurityGroup CreateTags CreateVolume DeleteSecurityGroup DeregisterImage "
                             "ReleaseAddress RunInstances TerminateInstances")),
        *([Need(_actions("ec2", "AttachInternetGateway CreateInternetGateway CreateRoute CreateRouteTable CreateSubnet "
                                "CreateVpc CreateVpcEndpoint DeleteVpc"))] if site.settings.network.is_ours else []),
        *([Need(("route53:ListHostedZones",))] if served(site.settings.manager) else []),
        Need(_actions("cloudformation", "CreateStack DeleteStack DescribeStacks UpdateStack"),
             scope.arn("cloudformation", f"stack/{own}place/*")),
        Need(_actions("dynamodb", "CreateTable DeleteTable DescribeTable UpdateContinuousBackups"),
             scope.table("workers")),
        Need(_actions("s3", "CreateBucket DeleteBucket PutBucketPolicy PutEncryptionConfiguration"), bucket),
        Need(_actions("s3", "DeleteObject GetObject PutObject"), f"{bucket}/bundle/any"),
        Need(_actions("iam", "CreateRole DeleteRole GetRole PassRole PutRolePolicy"), scope.role_arn(manager)),
        Need(_actions("iam", "AddRoleToInstanceProfile CreateInstanceProfile DeleteInstanceProfile"),
             scope.profile_arn(manager)),
        Need(_actions("ssm", "DeleteParameter GetParameter PutParameter"), scope.parameter("hub/cookie-secret")),
        Need(_actions("lambda", "AddPermission CreateFunction DeleteFunction PutFunctionEventInvokeConfig "
                                "UpdateFunctionCode UpdateFunctionConfiguration"),
             scope.arn("lambda", f"function:{own}sweep")),
        Need(_actions("events", "DeleteRule PutRule PutTargets RemoveTargets"),
             scope.arn("events", f"rule/{own}sweep")),
        Need(_actions("sqs", "CreateQueue DeleteQueue SetQueueAttributes"),
             scope.arn("sqs", names.dead_letter_queue(cluster))),
        Need(_actions("cloudwatch", "DeleteAlarms PutMetricAlarm"), scope.arn("cloudwatch", f"alarm:{own}any")),
        Need(_actions("logs", "CreateLogGroup DeleteLogGroup PutRetentionPolicy"),
             scope.arn("logs", f"log-group:{names.log_group(cluster)}:*")),
        Need(_actions("logs", "CreateLogGroup CreateLogStream DeleteLogGroup PutLogEvents PutRetentionPolicy"),
             scope.arn("logs", f"log-group:{names.audit_log_group(cluster)}:*")),
    ]  # fmt: skip


def problems(site: Site) -> Iterator[Problem]:
    """Missing permissions, or a warning where they cannot be checked."""
    caller = site.aws.caller
    if caller.endswith(":root"):
        yield warning(
            "these are the credentials of the account's root user: create an IAM user or role and use that"
        )
        return
    try:
        source = _principal(site, caller)
        denied = [name for need in needs(site) for name in _denied(site, source, need)]
    except ClientError as error:
        if code_of(error) not in CANNOT_ASK:
            raise
        yield from judge_tries(caller, {name: _tried(one) for name, one in _tries(site).items()})
        return
    yield from judge_denied(caller, denied)


def judge_denied(caller: str, denied: Sequence[str]) -> Iterator[Problem]:
    """The actions that the simulator denies. Pure."""
    if denied:
        yield Problem(
            f"{caller} may not {', '.join(denied)}: ask for these permissions, or use another AWS_PROFILE"
        )


def judge_tries(caller: str, answers: Mapping[str, str]) -> Iterator[Problem]:
    """EC2's answers to dry runs, where the simulator may not be called. Pure."""
    if denied := [action for action, code in answers.items() if code == FORBIDDEN]:
        yield from judge_denied(caller, denied)
        return
    yield warning(
        f"cannot check whether {caller} has all permissions: allow iam:SimulatePrincipalPolicy, or run `up`, which "
        "can be run again after a refusal"
    )


def judge_simulation(results: Sequence[Any]) -> list[str]:
    """Actions that are certainly denied; those whose conditions could not be evaluated are left out. Pure."""
    return [
        one["EvalActionName"]
        for one in results
        if one["EvalDecision"] != "allowed" and not one.get("MissingContextValues")
    ]


def role_name(caller: str) -> str | None:
    """The role in the ARN of an assumed role's session; None for other callers. Pure."""
    kind, _, rest = caller.rpartition(":")[2].partition("/")
    return rest.partition("/")[0] if kind == "assumed-role" else None


def _principal(site: Site, caller: str) -> str:
    """The ARN whose policies are simulated: a session's role is read, because its path is not in the session's ARN."""
    role = role_name(caller)
    return caller if role is None else site.aws.client("iam").get_role(RoleName=role)["Role"]["Arn"]


def _denied(site: Site, source: str, need: Need) -> list[str]:
    answer = site.aws.client("iam").simulate_principal_policy(
        PolicySourceArn=source,
        ActionNames=list(need.actions),
        ResourceArns=[need.resource],
        ContextEntries=[
            {
                "ContextKeyName": "aws:RequestedRegion",
                "ContextKeyValues": [site.aws.region],
                "ContextKeyType": "string",
            }
        ],
    )
    return judge_simulation(answer["EvaluationResults"])


def _tries(site: Site) -> dict[str, Callable[[], object]]:
    """Calls that change nothing but show whether they are allowed."""
    ec2 = site.aws.client("ec2")
    cidr = str(site.settings.network.cidr)
    tries: dict[str, Callable[[], object]] = {
        "ec2:AllocateAddress": lambda: ec2.allocate_address(Domain="vpc", DryRun=True)
    }
    if site.settings.network.is_ours:
        tries["ec2:CreateVpc"] = lambda: ec2.create_vpc(CidrBlock=cidr, DryRun=True)
    return tries


def _tried(call: Callable[[], object]) -> str:
    """EC2's code for a dry run."""
    try:
        call()
    except ClientError as error:
        return code_of(error)
    return WOULD_SUCCEED


def _actions(service: str, actions: str) -> tuple[str, ...]:
    return tuple(f"{service}:{action}" for action in actions.split())


ELSEWHERE = "us-east-1"
"""A region that every account has, to distinguish an unknown key from a region that is not enabled."""


def credential_problems(site: Site) -> list[Problem]:
    """At most one problem: without valid credentials nothing else can be asked."""
    region = site.aws.region
    regions = boto3.Session().get_available_regions("ec2")
    try:
        if region not in regions and not _resolves(site.aws.client("sts").meta.endpoint_url):
            return [no_region(region, regions)]
        partition = site.aws.partition
    except ClientError as error:
        code = code_of(error)
        is_known = code in UNKNOWN and region != ELSEWHERE and _answers(Aws(ELSEWHERE))
        return [Problem(refused_credentials(code, message_of(error), region, is_known_elsewhere=is_known))]
    except BotoCoreError as error:
        return [Problem(unreachable(error, region))]
    return list(judge_partition(partition))


def judge_partition(partition: str) -> Iterator[Problem]:
    """A partition by the ARN of the credentials: one that the region's name does not show. Pure."""
    if partition != SUPPORTED:
        yield Problem(
            f"your credentials are of AWS's partition {partition}, which cloudJHub does not support: use an account of "
            f"the partition {SUPPORTED}"
        )


def no_region(region: str, regions: list[str]) -> Problem:
    """A region that AWS's DNS does not know, with similar names. Pure."""
    near = difflib.get_close_matches(region, sorted(regions), n=2)
    similar = " or ".join(sorted(near)) or "one of AWS's regions"
    return Problem(f"there is no region {region}: set `region` to {similar}")


def _resolves(endpoint: str) -> bool:
    """Whether DNS knows the endpoint: a client would try for half a minute."""
    try:
        socket.getaddrinfo(urlsplit(endpoint).hostname, None)
    except socket.gaierror:
        return False
    return True


def _answers(aws: Aws) -> bool:
    try:
        _ = aws.caller
    except (ClientError, BotoCoreError):
        return False
    return True
