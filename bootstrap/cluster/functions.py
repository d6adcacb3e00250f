"""The functions of a cluster as they are at Lambda, and what Chalice made for each: its rule and log group.

Earlier releases let Chalice make the roles too, each with its function's name.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bootstrap.aws import names
from bootstrap.aws.errors import if_exists, ignore_missing
from bootstrap.aws.session import Aws

TAG_CONTENT = "cloudjhub:content"
"""Set when everything about the function is as wanted; Chalice takes it away when it begins to change one."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function; `content` is the hash of the project that it was completed from, "" for one that was not."""

    name: str
    arn: str
    content: str


def existing(aws: Aws, cluster: str) -> dict[str, Function]:
    """The cluster's functions by name, those of earlier releases too.

    A cluster with a longer name may have names that begin like ours: the function's environment names its cluster.
    """
    found: dict[str, Function] = {}
    for page in aws.client("lambda").get_paginator("list_functions").paginate():
        for one in page["Functions"]:
            its_cluster = one.get("Environment", {}).get("Variables", {}).get("CLOUDJHUB_CLUSTER")
            if its_cluster == cluster and one["FunctionName"].startswith(names.function(cluster, "")):
                found[one["FunctionName"]] = Function(
                    one["FunctionName"], one["FunctionArn"], _content(aws, one["FunctionArn"])
                )
    return found


def _content(aws: Aws, arn: str) -> str:
    return aws.client("lambda").list_tags(Resource=arn)["Tags"].get(TAG_CONTENT, "")


def mark(aws: Aws, arns: Iterable[str], content: str) -> None:
    """Note on each function that it is complete."""
    for arn in arns:
        aws.client("lambda").tag_resource(Resource=arn, Tags={TAG_CONTENT: content})


def parts(aws: Aws, cluster: str) -> list[str]:
    """Everything that is left of the functions, each as `<kind> <name>`."""
    functions = existing(aws, cluster)
    everyone = sorted({*functions, *names.functions(cluster)})
    left = [part for name in everyone for part in _parts_of(aws, name)]
    return [f"function {name}" for name in sorted(functions)] + left


def _parts_of(aws: Aws, name: str) -> Iterator[str]:
    if if_exists(lambda: aws.client("events").describe_rule(Name=names.rule(name))) is not None:
        yield f"rule {names.rule(name)}"
    if if_exists(lambda: aws.client("iam").get_role(RoleName=name)) is not None:
        yield f"role {name}"
    if has_log_group(aws, names.function_log_group(name)):
        yield f"log group {names.function_log_group(name)}"


def remove(aws: Aws, name: str) -> None:
    """Remove a function with all that Chalice made for it, as far as it is there."""
    events = aws.client("events")
    with ignore_missing():
        targets = [target["Id"] for target in events.list_targets_by_rule(Rule=names.rule(name))["Targets"]]
        if targets:
            events.remove_targets(Rule=names.rule(name), Ids=targets)
        events.delete_rule(Name=names.rule(name))
    with ignore_missing():
        aws.client("lambda").delete_function(FunctionName=name)
    with ignore_missing():
        aws.client("logs").delete_log_group(logGroupName=names.function_log_group(name))
    remove_chalices_role(aws, name)


def remove_chalices_role(aws: Aws, name: str) -> None:
    """Remove the role that an earlier release let Chalice make for the function of this name, if it is there."""
    iam = aws.client("iam")
    with ignore_missing():
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)


def has_log_group(aws: Aws, name: str) -> bool:
    """Is there a log group of exactly this name?"""
    found = aws.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return any(group["logGroupName"] == name for group in found)
