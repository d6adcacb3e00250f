"""Brings stacks to what their templates say, one resource after the other; back again where one fails."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.aws.errors import code_of
from bootstrap.local.cloud.cloudformation.kinds import KINDS
from bootstrap.local.cloud.cloudformation.model import (
    STACK_TYPE,
    Made,
    Stack,
    StackEvent,
    Template,
    attributes_in,
    creation_order,
    deletion_order,
    resolve,
)
from bootstrap.local.cloud.cloudformation.provider import Client
from bootstrap.local.cloud.emulator import Emulator

log = logging.getLogger(__name__)

LOG_GROUP = "AWS::Logs::LogGroup"
LOOK = 0.2
ATTEMPTS, BETWEEN_ATTEMPTS = 20, 0.5
"""CloudFormation tries a deletion again while something still depends on the resource."""


class ResourceFailed(Exception):
    """A resource could not be brought to what the template says; its event says why."""


class Engine:
    """Works on one stack after the other. Stacks are read and changed under the emulator's lock, never AWS called."""

    def __init__(
        self,
        emulator: Emulator,
        client: Client,
        clock: Callable[[], datetime],
        changed: Callable[[], None],
    ) -> None:
        self.stacks: dict[str, Stack] = {}
        """By id, deleted ones too."""
        self._emulator = emulator
        self._client = client
        self._clock = clock
        self._note_change = changed
        self._waiting: queue.SimpleQueue[str] = queue.SimpleQueue()

    def resume(self, stacks: dict[str, Stack]) -> None:
        """Take over what was there when the cloud ended, and go on with what was under way."""
        self.stacks = stacks
        for stack in stacks.values():
            if stack.status.endswith("_IN_PROGRESS"):
                self._waiting.put(stack.id)

    def _make_lost_logs(self) -> None:
        """What resumed stacks have outside this process, which forgets at its end: their log groups."""
        for stack in list(self.stacks.values()):
            for made in list(stack.resources.values()):
                if made.type != LOG_GROUP:
                    continue
                try:
                    KINDS[made.type].create(self._client, made.properties, stack.tags)
                except (BotoCoreError, ClientError) as error:
                    log.info("the log group %s is not made again: %s", made.physical_id, error)

    def begin(self, stack: Stack, status: str) -> None:
        """Set what is to be done: CREATE_, UPDATE_ or DELETE_IN_PROGRESS."""
        self._tell(stack, status, "User Initiated")
        self._waiting.put(stack.id)

    def run(self, ended: threading.Event) -> None:
        """Work until `ended` is set."""
        self._make_lost_logs()
        while not ended.is_set():
            try:
                stack = self.stacks[self._waiting.get(timeout=LOOK)]
            except queue.Empty:
                continue
            match stack.status:
                case "CREATE_IN_PROGRESS":
                    self._create(stack)
                case "UPDATE_IN_PROGRESS":
                    self._update(stack)
                case "DELETE_IN_PROGRESS":
                    self._delete(stack)
                case "ROLLBACK_IN_PROGRESS":
                    self._undo_creation(stack)
                case _:
                    self._fall_back(stack)

    def _create(self, stack: Stack) -> None:
        try:
            self._converge(stack, stack.template, stack.tags)
        except ResourceFailed as error:
            self._tell(stack, "ROLLBACK_IN_PROGRESS", str(error))
            self._undo_creation(stack)
        else:
            self._tell(stack, "CREATE_COMPLETE")

    def _update(self, stack: Stack) -> None:
        try:
            self._converge(stack, stack.template, stack.tags)
        except ResourceFailed as error:
            self._tell(stack, "UPDATE_ROLLBACK_IN_PROGRESS", str(error))
            self._fall_back(stack)
        else:
            self._clean(stack)
            self._tell(stack, "UPDATE_COMPLETE")

    def _fall_back(self, stack: Stack) -> None:
        try:
            self._converge(stack, stack.previous, stack.previous_tags)
        except ResourceFailed as error:
            self._tell(stack, "UPDATE_ROLLBACK_FAILED", str(error))
            return
        with self._emulator.lock:
            stack.template, stack.tags = stack.previous, stack.previous_tags
        self._clean(stack)
        self._tell(stack, "UPDATE_ROLLBACK_COMPLETE")

    def _undo_creation(self, stack: Stack) -> None:
        left = self._remove_all(stack)
        self._tell(stack, "ROLLBACK_FAILED" if left else "ROLLBACK_COMPLETE", left)

    def _delete(self, stack: Stack) -> None:
        left = self._remove_all(stack)
        self._tell(stack, "DELETE_FAILED" if left else "DELETE_COMPLETE", left)

    def _converge(self, stack: Stack, template: Template, tags: dict[str, str]) -> None:
        """Make and change the template's resources, and then calculate the outputs. Raises ResourceFailed."""
        for logical in creation_order(template):
            self._bring(stack, logical, template["Resources"][logical], tags)
        outputs = template.get("Outputs", {})
        with self._emulator.lock:
            stack.outputs = {
                name: str(resolve(one["Value"], stack.resources, self._pseudo(stack)))
                for name, one in outputs.items()
            }

    def _bring(self, stack: Stack, logical: str, definition: dict[str, Any], tags: dict[str, str]) -> None:
        there = stack.resources.get(logical)
        kind, verb = definition["Type"], "UPDATE" if there else "CREATE"
        try:
            properties = self._resolved(stack, definition)
        except (BotoCoreError, ClientError, ValueError, KeyError) as error:
            self._tell_resource(stack, logical, kind, f"{verb}_FAILED", str(error))
            raise ResourceFailed(
                f"The following resource(s) failed to {verb.lower()}: [{logical}]"
            ) from error
        if there and there.type == kind and there.properties == properties:
            there.definition = definition
            return
        self._tell_resource(stack, logical, kind, f"{verb}_IN_PROGRESS")
        try:
            made = self._changed(there, kind, properties) if there else None
            is_new = made is None
            if made is None:
                physical_id, attributes = KINDS[kind].create(self._client, properties, tags)
                made = Made(kind, physical_id, definition, properties, attributes)
        except (BotoCoreError, ClientError, ValueError, KeyError) as error:
            self._tell_resource(stack, logical, kind, f"{verb}_FAILED", str(error))
            raise ResourceFailed(
                f"The following resource(s) failed to {verb.lower()}: [{logical}]"
            ) from error
        with self._emulator.lock:
            if there and is_new:
                stack.replaced.append(there)
            made.definition, made.properties, made.status = definition, properties, f"{verb}_COMPLETE"
            stack.resources[logical] = made
        self._tell_resource(stack, logical, kind, f"{verb}_COMPLETE")

    def _resolved(self, stack: Stack, definition: dict[str, Any]) -> dict[str, Any]:
        """The properties with the other resources' ids and attributes, those that change after creation as they are."""
        properties = definition.get("Properties", {})
        for name, attribute in attributes_in(properties):
            made = stack.resources[name]
            kind = KINDS[made.type]
            if attribute in kind.late:
                made.attributes[attribute] = kind.late[attribute](
                    self._client(kind.service), made.physical_id
                )
        return dict(resolve(properties, stack.resources, self._pseudo(stack)))

    def _changed(self, there: Made, kind: str, properties: dict[str, Any]) -> Made | None:
        """The resource with its new properties; None where it must be replaced."""
        if there.type != kind:
            return None
        is_changed = KINDS[kind].change(self._client, there, properties)
        return there if is_changed else None

    def _clean(self, stack: Stack) -> None:
        """After an update: delete what was replaced and what the template no longer has. Failures are only reported."""
        while stack.replaced:
            made = stack.replaced.pop()
            self._remove(stack, "replaced", made)
        gone = {
            name: made for name, made in stack.resources.items() if name not in stack.template["Resources"]
        }
        for logical in deletion_order(gone):
            self._remove(stack, logical, gone[logical])
            with self._emulator.lock:
                del stack.resources[logical]

    def _remove_all(self, stack: Stack) -> str:
        """Delete the stack's resources, but for those that it retains; what could not be."""
        for logical in deletion_order(stack.resources):
            made = stack.resources[logical]
            if not self._remove(stack, logical, made):
                return f"The following resource(s) failed to delete: [{logical}]."
            with self._emulator.lock:
                del stack.resources[logical]
        return ""

    def _remove(self, stack: Stack, logical: str, made: Made) -> bool:
        if made.definition.get("DeletionPolicy") == "Retain":
            self._tell_resource(stack, logical, made.type, "DELETE_SKIPPED")
            return True
        self._tell_resource(stack, logical, made.type, "DELETE_IN_PROGRESS")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                KINDS[made.type].delete(self._client, made)
                break
            except (BotoCoreError, ClientError, ValueError) as error:
                if _is_gone(error):
                    break
                if attempt == ATTEMPTS or "DependencyViolation" not in str(error):
                    self._tell_resource(stack, logical, made.type, "DELETE_FAILED", str(error))
                    return False
                time.sleep(BETWEEN_ATTEMPTS)
        self._tell_resource(stack, logical, made.type, "DELETE_COMPLETE")
        return True

    def _pseudo(self, stack: Stack) -> dict[str, str]:
        return {
            "AWS::AccountId": self._emulator.account,
            "AWS::Partition": "aws",
            "AWS::Region": self._emulator.region,
            "AWS::StackId": stack.id,
            "AWS::StackName": stack.name,
            "AWS::URLSuffix": "amazonaws.com",
        }

    def _tell(self, stack: Stack, status: str, reason: str = "") -> None:
        with self._emulator.lock:
            stack.status = status
        self._add(stack, stack.name, stack.id, STACK_TYPE, status, reason)

    def _tell_resource(self, stack: Stack, logical: str, kind: str, status: str, reason: str = "") -> None:
        if reason:
            log.warning("stack %s, %s: %s: %s", stack.name, logical, status, reason)
        made = stack.resources.get(logical)
        self._add(stack, logical, made.physical_id if made else "", kind, status, reason)

    def _add(self, stack: Stack, logical: str, physical: str, kind: str, status: str, reason: str) -> None:
        event = StackEvent(str(uuid4()), logical, physical, kind, status, reason, self._clock())
        with self._emulator.lock:
            stack.events.append(event)
        self._note_change()


def _is_gone(error: Exception) -> bool:
    """CloudFormation treats a resource that was deleted by another caller as deleted."""
    return isinstance(error, ClientError) and any(part in code_of(error) for part in ("NotFound", "NoSuch"))
