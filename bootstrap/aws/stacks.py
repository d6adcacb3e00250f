"""CloudFormation stacks: brought to a template, whatever state an earlier run left them in, previewed, or removed."""

import json
from collections.abc import Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import ClientError

from bootstrap.aws.errors import DENIED, code_of, if_exists
from bootstrap.aws.waiting import Report, polls
from bootstrap.errors import StepFailed

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ResourceChangeTypeDef, StackTypeDef

Template = dict[str, Any]

LONGEST_BODY = 51_200
"""Characters of a template, for CloudFormation."""
FIRST_DELAY, LONGEST_DELAY, WITHIN = 0.2, 5.0, 3600.0
"""Seconds: between two polls of a stack, and until we no longer wait for it. NAT gateways take minutes."""
STACK = "AWS::CloudFormation::Stack"
STARTED = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
NO_CHANGES = ("No updates are to be performed", "didn't contain changes")
"""What CloudFormation says of a template that changes nothing."""
CONSEQUENCES = ("cancelled", "The following resource(s) failed")
"""What CloudFormation says of resources and stacks that fail because another one failed."""


class Next(Enum):
    """What a stack's state calls for."""

    CREATE = auto()
    WAIT = auto()
    UPDATE = auto()
    DISCARD = auto()
    FIX_BY_HAND = auto()


def next_of(status: str | None) -> Next:
    """What follows from a stack's status; None: there is no stack."""
    match status:
        case None | "DELETE_COMPLETE":
            return Next.CREATE
        case (
            "REVIEW_IN_PROGRESS" | "CREATE_FAILED" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "DELETE_FAILED"
        ):
            return Next.DISCARD  # it never came up, or is half removed
        case "UPDATE_FAILED" | "UPDATE_ROLLBACK_FAILED" | "IMPORT_ROLLBACK_FAILED":
            return Next.FIX_BY_HAND
        case _ if status.endswith("_IN_PROGRESS"):
            return Next.WAIT
        case _:
            return Next.UPDATE


def silent(_line: str) -> None:
    """Reports nothing."""


def apply(
    client: "CloudFormationClient",
    name: str,
    template: Template,
    *,
    tags: Mapping[str, str] | None = None,
    is_protected: bool = False,
    report: Report = silent,
) -> dict[str, str]:
    """The stack's outputs, after it has been created, or changed where template or tags differ.

    `is_protected`: the stack cannot be deleted by mistake. Raises StepFailed with the reason of the first failure.
    """
    wanted = _request(name, template, tags or {})
    stack = settle(client, name, report)
    if stack is None:
        stack = _create(client, wanted, is_protected=is_protected, report=report)
    if differs(client, stack, template, tags or {}):
        stack = _update(client, wanted, stack, report)
    if is_protected and not stack.get("EnableTerminationProtection"):
        client.update_termination_protection(StackName=name, EnableTerminationProtection=True)
    return _outputs(stack)


def _request(name: str, template: Template, tags: Mapping[str, str]) -> dict[str, Any]:
    return {
        "StackName": name,
        "TemplateBody": body(template),
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def body(template: Template) -> str:
    """The template as it is sent: CloudFormation takes 51,200 bytes, so without white space."""
    return json.dumps(template, separators=(",", ":"))


def settle(client: "CloudFormationClient", name: str, report: Report = silent) -> "StackTypeDef | None":
    """The stack once no operation is under way; None where there is none, or its creation had failed."""
    while True:
        stack = current(client, name)
        match next_of(stack["StackStatus"] if stack else None), stack:
            case Next.WAIT, {"StackId": str() as stack_id}:
                _wait(client, stack_id, report)
            case Next.DISCARD, {"StackStatus": status}:
                report(f"{name} is {status}: removing what is left of it")
                remove(client, name, report)
            case Next.FIX_BY_HAND, {"StackStatus": status}:
                raise StepFailed(
                    f"the stack {name} is {status} ({_reason(client, name)}): in CloudFormation's console choose "
                    "`Continue update rollback`, then run the command again"
                )
            case Next.UPDATE, _:
                return stack
            case _:
                return None


def remove(client: "CloudFormationClient", name: str, report: Report = silent) -> None:
    """Delete the stack, if there is one, and wait for it. Resources that it retains are kept. Raises StepFailed."""
    while (stack := current(client, name)) and next_of(stack["StackStatus"]) is Next.WAIT:
        _wait(client, stack["StackId"], report)
    if stack is None:
        return
    if stack.get("EnableTerminationProtection"):
        client.update_termination_protection(StackName=name, EnableTerminationProtection=False)
    client.delete_stack(StackName=name)
    ended = _wait(client, stack["StackId"], report)
    if ended["StackStatus"] != "DELETE_COMPLETE":
        raise StepFailed(
            f"the stack {name} was not removed: {_reason(client, stack['StackId'])}: "
            "remove what holds it, then run the command again"
        )


def outputs(client: "CloudFormationClient", name: str) -> dict[str, str]:
    """The outputs of a stack that is complete; {} of one that is not, or not there."""
    stack = current(client, name)
    if stack is None or next_of(stack["StackStatus"]) is not Next.UPDATE:
        return {}
    return _outputs(stack)


def physical_ids(client: "CloudFormationClient", name: str, kind: str) -> list[str]:
    """The ids of the stack's resources of a type, also of a stack whose removal has failed; [] where there is none."""
    found = if_exists(lambda: client.describe_stack_resources(StackName=name))
    return [
        one["PhysicalResourceId"]
        for one in (found["StackResources"] if found else [])
        if one.get("ResourceType") == kind
        and "PhysicalResourceId" in one
        and one["ResourceStatus"] != "DELETE_COMPLETE"
    ]


def current(client: "CloudFormationClient", name: str) -> "StackTypeDef | None":
    """The stack of this name, or deleted ones too by id; None where there is none."""
    found = if_exists(lambda: client.describe_stacks(StackName=name))
    return found["Stacks"][0] if found else None


def preview(
    client: "CloudFormationClient", name: str, template: Template, tags: Mapping[str, str]
) -> "list[ResourceChangeTypeDef] | None":
    """What an update to this template would do to each resource; None where the caller may not ask.

    CloudFormation answers by a change set, which is deleted once it is read. Raises StepFailed.
    """
    try:
        change_set = client.create_change_set(
            **_request(name, template, tags), ChangeSetName=f"cloudjhub-{uuid4()}", ChangeSetType="UPDATE"
        )["Id"]
    except ClientError as error:
        if code_of(error) in DENIED:
            return None
        raise
    try:
        return _changes_in(client, name, change_set)
    finally:
        client.delete_change_set(StackName=name, ChangeSetName=change_set)


def _changes_in(client: "CloudFormationClient", name: str, change_set: str) -> "list[ResourceChangeTypeDef]":
    """The changes of a change set as soon as they are known."""
    for _ in polls(WITHIN, every=FIRST_DELAY, at_most_every=LONGEST_DELAY):
        describe = client.get_paginator("describe_change_set")
        pages = list(describe.paginate(StackName=name, ChangeSetName=change_set))
        status, reason = pages[0]["Status"], pages[0].get("StatusReason", "")
        if status == "CREATE_COMPLETE":
            return [one["ResourceChange"] for page in pages for one in page["Changes"]]
        if status == "FAILED" and any(part in reason for part in NO_CHANGES):
            return []
        if status == "FAILED":
            raise StepFailed(f"CloudFormation did not say what would change: {reason}")
    raise StepFailed(f"the change set {change_set} is not ready: run the command again")


def template_of(client: "CloudFormationClient", name: str) -> Template:
    """The template that the stack has now."""
    body: Any = client.get_template(StackName=name)["TemplateBody"]
    return dict(json.loads(body)) if isinstance(body, str) else dict(body)


def _create(
    client: "CloudFormationClient", wanted: dict[str, Any], *, is_protected: bool, report: Report
) -> "StackTypeDef":
    name = wanted["StackName"]
    try:
        stack_id = client.create_stack(**wanted, EnableTerminationProtection=is_protected)["StackId"]
    except client.exceptions.AlreadyExistsException:  # another operator creates the same at this moment
        stack_id = name
    return _completed(client, _wait(client, stack_id, report), ("CREATE_COMPLETE", "UPDATE_COMPLETE"))


def _update(
    client: "CloudFormationClient", wanted: dict[str, Any], stack: "StackTypeDef", report: Report
) -> "StackTypeDef":
    try:
        client.update_stack(**wanted)
    except ClientError as error:
        if NO_CHANGES[0] in str(error):  # what differs has no effect
            return stack
        raise
    return _completed(client, _wait(client, stack["StackId"], report), ("UPDATE_COMPLETE",))


def _completed(
    client: "CloudFormationClient", stack: "StackTypeDef", statuses: tuple[str, ...]
) -> "StackTypeDef":
    if stack["StackStatus"] not in statuses:
        name = stack["StackName"]
        raise StepFailed(
            f"the stack {name} is {stack['StackStatus']}: {_reason(client, stack['StackId'])}: "
            "fix this and run the command again"
        )
    return stack


def differs(
    client: "CloudFormationClient", stack: "StackTypeDef", template: Template, tags: Mapping[str, str]
) -> bool:
    """Has the stack another template, or other tags?"""
    has = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
    return has != dict(tags) or template_of(client, stack["StackName"]) != template


def _wait(client: "CloudFormationClient", stack_id: str, report: Report) -> "StackTypeDef":
    """The stack when its operation has ended, however it did."""
    for _ in polls(WITHIN, every=FIRST_DELAY, at_most_every=LONGEST_DELAY):
        stack = current(client, stack_id)
        if stack is None:
            raise StepFailed(f"the stack {stack_id} is gone: run the command again")
        if next_of(stack["StackStatus"]) is not Next.WAIT:
            return stack
        report(f"{stack['StackName']}: {_progress(client, stack)}")
    raise StepFailed(f"the stack {stack_id} is still not ready: run the command again to continue waiting")


def _progress(client: "CloudFormationClient", stack: "StackTypeDef") -> str:
    resources = client.describe_stack_resources(StackName=stack["StackId"])["StackResources"]
    done = sum(one["ResourceStatus"].endswith("_COMPLETE") for one in resources)
    status = stack["StackStatus"].lower().replace("_", " ")
    return f"{status}, {done} of {len(resources)} resources" if resources else status


def _outputs(stack: "StackTypeDef") -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _reason(client: "CloudFormationClient", name: str) -> str:
    """What failed first in the stack's last operation; the events come newest first."""
    first = "CloudFormation names no reason"
    for page in client.get_paginator("describe_stack_events").paginate(StackName=name):
        for event in page["StackEvents"]:
            status, reason = event.get("ResourceStatus", ""), event.get("ResourceStatusReason", "")
            if status.endswith("FAILED") and not any(part in reason for part in CONSEQUENCES):
                first = f"{event['LogicalResourceId']}: {reason or 'no reason given'}"
            if event.get("ResourceType") == STACK and status in STARTED:
                return first
    return first
