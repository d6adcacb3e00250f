"""Can everything be encrypted as the settings say: by the institution's KMS key, or by the account's default one?

EC2 accepts the launch of a machine whose disks it cannot encrypt, and ends it seconds later: nothing but these checks
says so before a user waits.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from bootstrap.aws import keys, names, stacks
from bootstrap.aws.errors import DENIED, code_of, is_missing
from bootstrap.aws.site import Site
from bootstrap.cluster.steps.access import Access
from bootstrap.cluster.templates import access_template
from bootstrap.cluster.templates.parts import tagged
from bootstrap.config.settings import ZONES_BY_DEFAULT
from bootstrap.errors import NotBuilt, Refused, SettingsError
from bootstrap.preflight.problem import Problem, warning

AWS_OWN = "alias/aws/ebs"
"""What GetEbsDefaultKmsKeyId answers in an account that has changed nothing."""
POLICY_ROOM = 10_240
"""Characters of a role's inline policies, without white space:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
WORKERS = "Workers"
"""A table in the template of the data stack."""


def problems(site: Site) -> Iterator[Problem]:
    """What prevents `up`, or the launches after it."""
    key = site.settings.kms_key
    stack = names.stack(site.cluster, "data")
    client = site.aws.client("cloudformation")
    if stacks.current(client, stack) is not None:
        built = stacks.template_of(client, stack)["Resources"].get(WORKERS, {}).get("Properties", {})
        yield from judge_kept(str(built.get("SSESpecification", {}).get("KMSMasterKeyId", "")), key)
    if key:
        yield from _own(site, key)
    else:
        yield from _default(site)


def judge_kept(built: str, wanted: str) -> Iterator[Problem]:
    """The key that the cluster was built with, and that of the settings; "" for none. Pure.

    Disks keep the key they were made with. The roles may use one key alone, so that with another one no machine starts.
    """
    if built and built != wanted:
        now = f"`kms_key` is {wanted} now" if wanted else "`kms_key` is gone"
        yield Problem(
            f"disks of this cluster are encrypted with {built}, which cannot be changed, and {now}: set "
            f"`kms_key: {built}`"
        )


def judge_key(found: Mapping[str, Any], partition: str) -> Iterator[Problem]:
    """A key, as DescribeKey describes it. Pure."""
    key, state = found["Arn"], found.get("KeyState", "Enabled")
    if key.split(":")[1] != partition:
        yield Problem(
            f"`kms_key` {key} is not of this account's partition {partition}: name a key of that one"
        )
    if found.get("KeyManager") == "AWS":
        yield Problem(
            f"`kms_key` {key} is AWS's own, whose use no role can be allowed: remove `kms_key`, or name yours"
        )
    if found.get("KeySpec") != "SYMMETRIC_DEFAULT" or found.get("KeyUsage") != "ENCRYPT_DECRYPT":
        yield Problem(
            f"`kms_key` {key} is a {found.get('KeySpec')} key for {found.get('KeyUsage')}, and disks, tables and logs "
            "take symmetric ones for encryption alone: name a SYMMETRIC_DEFAULT key for ENCRYPT_DECRYPT"
        )
    if state != "Enabled":
        fix = "cancel its deletion and enable it" if state == "PendingDeletion" else "enable it"
        yield Problem(
            f"`kms_key` {key} is {state}, and nothing can be encrypted with it: {fix}, or name another"
        )


def judge_policy(
    policy: Mapping[str, Any], partition: str, account: str, region: str, cluster: str
) -> Iterator[Problem]:
    """The policy of `kms_key` itself. Pure."""
    groups = [
        f"arn:{partition}:logs:{region}:{account}:log-group:{name}" for name in names.log_groups(cluster)
    ]
    if not keys.delegates(policy, account):
        yield Problem(
            "the key policy of `kms_key` does not let this account's IAM decide, so that no role of the cluster can be "
            f"allowed to use it: add the statement {keys.delegating_statement(partition, account)}"
        )
    if not keys.allows_logs(policy, region, groups):
        yield Problem(
            "the key policy of `kms_key` does not let CloudWatch Logs encrypt the cluster's log groups: add the "
            f"statement {needed_for_logs(partition, account, region)}"
        )


def needed_for_logs(partition: str, account: str, region: str) -> str:
    """The statement for CloudWatch Logs in the key's policy, for all log groups of the account."""
    return keys.logs_statement(region, f"arn:{partition}:logs:{region}:{account}:log-group:*")


def judge_default(default: str, manager: str) -> Iterator[Problem]:
    """The account's default key for disks, and who manages it: AWS or CUSTOMER. Without `kms_key`. Pure."""
    if manager == "CUSTOMER":
        yield Problem(
            f"the account encrypts disks with its own key {default} by default, which no role of the cluster may use, "
            f"so that EC2 would end every machine right after its launch: set `kms_key: {default}`"
        )


def judge_room(policy: int, template: int) -> Iterator[Problem]:
    """Characters of the manager's policy and of the template of all roles, with what they say about the key. Pure."""
    for what, has, room in (
        ("policy of the manager's role", policy, POLICY_ROOM),
        ("template of the roles", template, stacks.LONGEST_BODY),
    ):
        if has > room:
            yield Problem(
                f"with `kms_key` the {what} has {has:,} characters, and AWS takes {room:,}: set fewer or shorter "
                "`tags`, a shorter `cluster` or `role_path`, or fewer worker subnets"
            )


def _own(site: Site, key: str) -> Iterator[Problem]:
    kms, aws = site.aws.client("kms"), site.aws
    try:
        found: Mapping[str, Any] = kms.describe_key(KeyId=key)["KeyMetadata"]
    except ClientError as error:
        if not is_missing(error):
            raise
        yield Problem(
            f"there is no key {key}: set `kms_key` to the ARN of your key, as `aws kms describe-key` shows it"
        )
        return
    yield from judge_key(found, aws.partition)
    yield from judge_room(*_sizes(site))
    try:
        policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    except ClientError as error:
        # No account may read the key policy of another one.
        if code_of(error) not in DENIED and not is_missing(error):
            raise
        yield warning(
            f"cannot check the key policy of `kms_key`: {aws.caller} may not read it. It must let this account's IAM "
            f"decide, and have the statement {needed_for_logs(aws.partition, aws.account, aws.region)}"
        )
        return
    yield from judge_policy(policy, aws.partition, aws.account, aws.region, site.cluster)


def _default(site: Site) -> Iterator[Problem]:
    default = site.aws.client("ec2").get_ebs_default_kms_key_id()["KmsKeyId"]
    if default.endswith(AWS_OWN):
        return
    found = site.aws.client("kms").describe_key(KeyId=default)["KeyMetadata"]
    yield from judge_default(str(found["Arn"]), str(found.get("KeyManager", "CUSTOMER")))


def _sizes(site: Site) -> tuple[int, int]:
    """See `judge_room`; before there is a place, with as many subnets as it will have."""
    try:
        template = Access().template(site)
    except (NotBuilt, Refused, SettingsError):  # the latter are reported as problems of the domain
        network = site.settings.network
        zones = len(network.worker_subnets or network.zones) or ZONES_BY_DEFAULT
        subnets, groups = (f"subnet-{'0' * 17}",) * zones, (f"sg-{'0' * 17}",)
        scope = replace(site.scope, subnets=subnets, security_groups=groups)
        template = access_template(scope, site.settings.workers.backups_kept)
    policy = template["Resources"]["ManagerRole"]["Properties"]["Policies"][0]["PolicyDocument"]
    return len(stacks.body(policy)), len(stacks.body(tagged(template, site.settings.tags)))
