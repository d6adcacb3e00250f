"""CloudFormation's calls, answered from what the engine knows."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from werkzeug import Response

from bootstrap.local.cloud import wire
from bootstrap.local.cloud.cloudformation.change_sets import resource_changes
from bootstrap.local.cloud.cloudformation.engine import Engine
from bootstrap.local.cloud.cloudformation.kinds import KINDS
from bootstrap.local.cloud.cloudformation.model import ChangeSet, Stack, Template, creation_order
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.wire import Call

Handler = Callable[[Call], Response]

BODY_LIMIT = 51_200
CHANGEABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")


class Formation:
    """Answers for stacks. Used under the emulator's lock."""

    def __init__(self, emulator: Emulator, engine: Engine) -> None:
        self._emulator = emulator
        self._engine = engine
        self._change_sets: dict[str, ChangeSet] = {}
        """By ARN. Not kept when the cloud ends: they are read at once."""

    def handlers(self) -> Mapping[str, Handler]:
        """What answers each call, by action."""
        return {
            "CreateChangeSet": self._create_change_set,
            "CreateStack": self._create,
            "DeleteChangeSet": self._delete_change_set,
            "UpdateStack": self._update,
            "DeleteStack": self._delete,
            "DescribeChangeSet": self._describe_change_set,
            "DescribeStacks": self._describe,
            "DescribeStackEvents": self._events,
            "DescribeStackResources": self._resources,
            "GetTemplate": self._template,
            "UpdateTerminationProtection": self._protect,
        }

    def _create(self, call: Call) -> Response:
        asked = wire.parameters(call)
        name = asked["StackName"]
        if self._named(name):
            raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists")
        emulator = self._emulator
        stack = Stack(
            id=f"arn:aws:cloudformation:{emulator.region}:{emulator.account}:stack/{name}/{uuid4()}",
            name=name,
            template=_read_template(asked),
            tags=_tags(asked),
            created=datetime.now(UTC),
            is_protected=bool(asked.get("EnableTerminationProtection")),
            status="",
        )
        self._engine.stacks[stack.id] = stack
        self._engine.begin(stack, "CREATE_IN_PROGRESS")
        return wire.answer(call, {"StackId": stack.id})

    def _update(self, call: Call) -> Response:
        asked = wire.parameters(call)
        stack = self._changeable(asked["StackName"])
        template = _read_template(asked)
        tags = _tags(asked) if "Tags" in asked else stack.tags
        if not _differs(stack, template, tags):
            raise _invalid("No updates are to be performed.")
        stack.previous, stack.previous_tags = stack.template, stack.tags
        stack.template, stack.tags = template, tags
        self._engine.begin(stack, "UPDATE_IN_PROGRESS")
        return wire.answer(call, {"StackId": stack.id})

    def _delete(self, call: Call) -> Response:
        stack = self._named(wire.parameters(call)["StackName"])
        if stack is None:
            return wire.answer(call, None)
        if stack.is_protected:
            raise _invalid(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
        if stack.status.endswith("_IN_PROGRESS"):
            raise _invalid(f"Stack:{stack.id} is in {stack.status} state and can not be deleted here: wait")
        self._engine.begin(stack, "DELETE_IN_PROGRESS")
        return wire.answer(call, None)

    def _describe(self, call: Call) -> Response:
        asked = wire.parameters(call).get("StackName")
        living = [stack for stack in self._engine.stacks.values() if stack.status != "DELETE_COMPLETE"]
        found = [self._require(asked)] if asked else living
        return wire.answer(call, {"Stacks": [_as_described(stack) for stack in found]})

    def _events(self, call: Call) -> Response:
        stack = self._require(wire.parameters(call)["StackName"])
        found = [
            {
                "StackId": stack.id,
                "EventId": event.id,
                "StackName": stack.name,
                "LogicalResourceId": event.logical_id,
                "PhysicalResourceId": event.physical_id,
                "ResourceType": event.type,
                "Timestamp": event.at,
                "ResourceStatus": event.status,
                **({"ResourceStatusReason": event.reason} if event.reason else {}),
            }
            for event in reversed(stack.events)
        ]
        return wire.answer(call, {"StackEvents": found})

    def _resources(self, call: Call) -> Response:
        stack = self._require(wire.parameters(call)["StackName"])
        found = [
            {
                "StackName": stack.name,
                "StackId": stack.id,
                "LogicalResourceId": logical,
                "PhysicalResourceId": made.physical_id,
                "ResourceType": made.type,
                "Timestamp": stack.created,
                "ResourceStatus": made.status,
            }
            for logical, made in stack.resources.items()
        ]
        return wire.answer(call, {"StackResources": found})

    def _template(self, call: Call) -> Response:
        stack = self._require(wire.parameters(call)["StackName"])
        return wire.answer(call, {"TemplateBody": json.dumps(stack.template)})

    def _protect(self, call: Call) -> Response:
        asked = wire.parameters(call)
        stack = self._require(asked["StackName"])
        stack.is_protected = bool(asked["EnableTerminationProtection"])
        return wire.answer(call, {"StackId": stack.id})

    def _create_change_set(self, call: Call) -> Response:
        asked = wire.parameters(call)
        stack, name = self._changeable(asked["StackName"]), asked["ChangeSetName"]
        template = _read_template(asked)
        made = ChangeSet(
            id=f"arn:aws:cloudformation:{self._emulator.region}:{self._emulator.account}:changeSet/{name}/{uuid4()}",
            name=name,
            stack=stack,
            differs=_differs(stack, template, _tags(asked) if "Tags" in asked else stack.tags),
            changes=resource_changes(stack.template["Resources"], template["Resources"]),
        )
        self._change_sets[made.id] = made
        return wire.answer(call, {"Id": made.id, "StackId": stack.id})

    def _describe_change_set(self, call: Call) -> Response:
        made = self._change_sets.get(wire.parameters(call)["ChangeSetName"])
        if made is None:
            raise AwsError("ChangeSetNotFound", "ChangeSet does not exist")
        reason = "The submitted information didn't contain changes."
        described = {
            "ChangeSetId": made.id,
            "ChangeSetName": made.name,
            "StackId": made.stack.id,
            "StackName": made.stack.name,
            "Changes": [{"Type": "Resource", "ResourceChange": one} for one in made.changes],
            **(
                {"Status": "CREATE_COMPLETE"}
                if made.differs
                else {"Status": "FAILED", "StatusReason": reason}
            ),
        }
        return wire.answer(call, described)

    def _delete_change_set(self, call: Call) -> Response:
        self._change_sets.pop(wire.parameters(call)["ChangeSetName"], None)
        return wire.answer(call, {})

    def _changeable(self, name: str) -> Stack:
        stack = self._require(name)
        if stack.status not in CHANGEABLE:
            raise _invalid(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")
        return stack

    def _require(self, name: str) -> Stack:
        stack = self._engine.stacks.get(name) or self._named(name)
        if stack is None:
            raise _invalid(f"Stack with id {name} does not exist")
        return stack

    def _named(self, name: str) -> Stack | None:
        """The stack of this name or id that is not deleted."""
        for stack in self._engine.stacks.values():
            if name in (stack.name, stack.id) and stack.status != "DELETE_COMPLETE":
                return stack
        return None


def _differs(stack: Stack, template: Template, tags: dict[str, str]) -> bool:
    """Would an update do anything? A new description alone does not."""
    return (template["Resources"], template.get("Outputs"), tags) != (
        stack.template["Resources"],
        stack.template.get("Outputs"),
        stack.tags,
    )


def _as_described(stack: Stack) -> dict[str, Any]:
    return {
        "StackId": stack.id,
        "StackName": stack.name,
        "Description": stack.template.get("Description", ""),
        "CreationTime": stack.created,
        "StackStatus": stack.status,
        "EnableTerminationProtection": stack.is_protected,
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in stack.outputs.items()],
        "Tags": [{"Key": key, "Value": value} for key, value in stack.tags.items()],
    }


def _read_template(asked: Mapping[str, Any]) -> Template:
    body = asked.get("TemplateBody", "")
    if len(body.encode()) > BODY_LIMIT:
        raise _invalid(f"1 validation error detected: 'templateBody' must be at most {BODY_LIMIT} long")
    try:
        template: Template = json.loads(body)
        kinds = {one["Type"] for one in template["Resources"].values()}
        creation_order(template)
    except (ValueError, KeyError, TypeError) as error:
        raise _invalid(f"Template format error: {error}") from error
    if unknown := kinds - set(KINDS):
        raise _invalid(f"Template format error: Unrecognized resource types: {sorted(unknown)}")
    if "AWS::IAM::Role" in kinds and "CAPABILITY_NAMED_IAM" not in asked.get("Capabilities", []):
        raise AwsError("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]")
    return template


def _tags(asked: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in asked.get("Tags", [])}


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)
