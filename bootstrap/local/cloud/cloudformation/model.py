"""What is known of a stack and its resources. Plain data, which the snapshot keeps."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

STACK_TYPE = "AWS::CloudFormation::Stack"

Template = dict[str, Any]


@dataclass(slots=True)
class Made:
    """A resource that exists."""

    type: str
    physical_id: str
    definition: dict[str, Any]
    """As the template has it."""
    properties: dict[str, Any]
    """With the other resources' ids put in."""
    attributes: dict[str, Any]
    status: str = "CREATE_COMPLETE"


@dataclass(frozen=True, slots=True)
class StackEvent:
    """What happened to a resource, or to the stack itself."""

    id: str
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What an update of a stack would do: `changes` as ResourceChange has it; `differs`: is there anything to do?"""

    id: str
    name: str
    stack: "Stack"
    differs: bool
    changes: list[dict[str, Any]]


@dataclass(slots=True)
class Stack:
    """A stack; `template` is the one it has or is brought to, `previous` the one it falls back to."""

    id: str
    name: str
    template: Template
    tags: dict[str, str]
    created: datetime
    is_protected: bool
    status: str
    previous: Template = field(default_factory=dict)
    previous_tags: dict[str, str] = field(default_factory=dict)
    resources: dict[str, Made] = field(default_factory=dict)
    replaced: list[Made] = field(default_factory=list)
    """What the stack's new resources took the place of, until it is deleted."""
    outputs: dict[str, str] = field(default_factory=dict)
    events: list[StackEvent] = field(default_factory=list)
    """Oldest first."""
