"""What is known of a stack and its resources: plain data, which the snapshot keeps; and a template's references, what
depends on what and the values that replace them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from graphlib import TopologicalSorter
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import islice
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


IN_TEXT = re.compile(r"\$\{([A-Za-z0-9:]+)(?:\.([A-Za-z0-9.]+))?\}")
PSEUDO = "AWS::"


def creation_order(template: Template) -> list[str]:
    """The resources' names, each behind those that it needs. Raises ValueError for a name that is none."""
    resources = template["Resources"]
    needed = {name: sorted(_needed_by(definition)) for name, definition in resources.items()}
    unknown = {one for names in needed.values() for one in names} - set(resources)
    if unknown:
        raise ValueError(f"Unresolved resource dependencies {sorted(unknown)} in the Resources block")
    return list(TopologicalSorter(needed).static_order())


def deletion_order(resources: Mapping[str, Made]) -> list[str]:
    """The names of what exists, each before those that it needs."""
    definitions = {name: made.definition for name, made in resources.items()}
    needed = {name: _needed_by(one) & set(resources) for name, one in definitions.items()}
    return list(reversed(list(TopologicalSorter(needed).static_order())))


def resolve(value: Any, resources: Mapping[str, Made], pseudo: Mapping[str, str]) -> Any:
    """The value with every reference replaced. Raises KeyError or ValueError for what is not there."""
    match value:
        case {"Ref": str(name)}:
            return _referred(name, resources, pseudo)
        case {"Fn::GetAtt": [name, attribute]}:
            return resources[name].attributes[attribute]
        case {"Fn::Select": [index, values]}:
            return _selected(int(index), resolve(values, resources, pseudo))
        case {"Fn::Cidr": [block, count, bits]}:
            return _parts_of(ip_network(resolve(block, resources, pseudo)), int(count), int(bits))
        case {"Fn::Sub": str(text)}:
            return IN_TEXT.sub(lambda found: _in_text(found, resources, pseudo), text)
        case dict():
            return {key: resolve(one, resources, pseudo) for key, one in value.items()}
        case list():
            return [resolve(one, resources, pseudo) for one in value]
        case _:
            return value


def attributes_in(value: Any) -> Iterator[tuple[str, str]]:
    """The resources whose attributes a value has, with the attribute."""
    match value:
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            yield name, attribute
        case dict():
            for one in value.values():
                yield from attributes_in(one)
        case list():
            for one in value:
                yield from attributes_in(one)


def _selected(index: int, values: Sequence[Any]) -> Any:
    if index >= len(values):
        raise ValueError(f"Template error: Fn::Select cannot select nonexistent value at index {index}")
    return values[index]


def _parts_of(block: IPv4Network | IPv6Network, count: int, bits: int) -> list[str]:
    """The first ranges of a block, each with so many bits for its addresses."""
    parts = block.subnets(new_prefix=block.max_prefixlen - bits)
    return [str(one) for one in islice(parts, count)]


def _needed_by(definition: Mapping[str, Any]) -> set[str]:
    depends = definition.get("DependsOn", [])
    stated: Sequence[str] = [depends] if isinstance(depends, str) else depends
    return {*stated, *names_in(definition.get("Properties", {}))}


def names_in(value: Any) -> Iterator[str]:
    """The resources that a value refers to."""
    match value:
        case {"Ref": str(name)} if not name.startswith(PSEUDO):
            yield name
        case {"Fn::GetAtt": [str(name), _]}:
            yield name
        case {"Fn::Sub": str(text)}:
            yield from (name for name, _ in IN_TEXT.findall(text) if not name.startswith(PSEUDO))
        case dict():
            for one in value.values():
                yield from names_in(one)
        case list():
            for one in value:
                yield from names_in(one)


def _referred(name: str, resources: Mapping[str, Made], pseudo: Mapping[str, str]) -> str:
    return pseudo[name] if name.startswith(PSEUDO) else resources[name].physical_id


def _in_text(found: "re.Match[str]", resources: Mapping[str, Made], pseudo: Mapping[str, str]) -> str:
    name, attribute = found[1], found[2]
    return str(resources[name].attributes[attribute]) if attribute else _referred(name, resources, pseudo)
