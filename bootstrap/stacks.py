"""Creates or updates a CloudFormation stack and gives its outputs."""

import json
import logging
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, WaiterError

from bootstrap.errors import StepFailed

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

logger = logging.getLogger(__name__)


def apply(client: "CloudFormationClient", name: str, template: dict[str, Any]) -> dict[str, str]:
    """The stack's outputs, after it has been created, or changed where the template differs."""
    body = json.dumps(template)
    capabilities: list[Any] = ["CAPABILITY_NAMED_IAM"]
    existing = _current(client, name)
    try:
        if existing is None:
            client.create_stack(StackName=name, TemplateBody=body, Capabilities=capabilities)
            _wait(client, "stack_create_complete", name)
        elif _template(client, name) != template:
            client.update_stack(StackName=name, TemplateBody=body, Capabilities=capabilities)
            _wait(client, "stack_update_complete", name)
    except WaiterError as error:
        raise StepFailed(f"the stack {name} did not complete: {_reason(client, name)}") from error
    stack = _current(client, name)
    if stack is None:
        raise StepFailed(f"the stack {name} is gone: run the command again")
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def _wait(client: "CloudFormationClient", state: Any, name: str) -> None:
    client.get_waiter(state).wait(StackName=name, WaiterConfig={"Delay": 3, "MaxAttempts": 200})


def _current(client: "CloudFormationClient", name: str) -> Any:
    try:
        return client.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def _template(client: "CloudFormationClient", name: str) -> Any:
    body = client.get_template(StackName=name)["TemplateBody"]
    return json.loads(body) if isinstance(body, str) else body


def _reason(client: "CloudFormationClient", name: str) -> str:
    for event in client.describe_stack_events(StackName=name)["StackEvents"]:
        if "FAILED" in event.get("ResourceStatus", ""):
            return f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}"
    return "no failed resource is named in its events"
