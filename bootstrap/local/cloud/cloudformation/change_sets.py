"""Change sets: what an update would do to each resource, by the resource schemas that cfn-lint ships.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bootstrap.local.cloud.cloudformation.model import creation_order, names_in

REGION = "us-east-1"
"""Its list of resource types is complete."""
ALWAYS, CONDITIONALLY, NEVER = "Always", "Conditionally", "Never"
REPLACEMENT = {ALWAYS: "True", CONDITIONALLY: "Conditional", NEVER: "False"}

Resources = Mapping[str, Mapping[str, Any]]
Change = dict[str, Any]


@cache
def schema_of(resource_type: str) -> dict[str, Any]:
    """The schema of a type of resource, as CloudFormation's registry has it."""
    schema: dict[str, Any] = json.loads(
        (_schemas() / "resources" / f"{_hashes()[resource_type]}.json").read_text()
    )
    return schema


@cache
def recreation(resource_type: str) -> dict[str, str]:
    """How a change of each property affects a resource of this type; properties that are not in it: Never."""
    schema = schema_of(resource_type)
    found = dict.fromkeys(_top_level(schema.get("conditionalCreateOnlyProperties", ())), CONDITIONALLY)
    return found | dict.fromkeys(_top_level(schema.get("createOnlyProperties", ())), ALWAYS)


def resource_changes(before: Resources, after: Resources) -> list[Change]:
    """The ResourceChange of each resource that an update from one template's resources to the other's would touch."""
    replaced: set[str] = set()
    changes = [_removed(name, before[name]) for name in before if name not in after]
    for name in creation_order({"Resources": after}):
        change = _change(name, before.get(name), after[name], replaced)
        if change:
            changes.append(change)
        if change and change.get("Replacement", "False") != "False":
            replaced.add(name)
    return changes


def _change(
    name: str, before: Mapping[str, Any] | None, after: Mapping[str, Any], replaced: set[str]
) -> Change | None:
    said = {"LogicalResourceId": name, "ResourceType": after["Type"]}
    if before is None:
        return {**said, "Action": "Add", "Scope": [], "Details": []}
    if before["Type"] != after["Type"]:
        return {**said, "Action": "Modify", "Replacement": "True", "Scope": ["Properties"], "Details": []}
    details = list(_details(before, after, replaced))
    if not details:
        return None
    worst = {one["Target"].get("RequiresRecreation", NEVER) for one in details}
    return {
        **said,
        "Action": "Modify",
        "Replacement": next(REPLACEMENT[one] for one in (ALWAYS, CONDITIONALLY, NEVER) if one in worst),
        "Scope": sorted({one["Target"]["Attribute"] for one in details}),
        "Details": details,
    }


def _details(
    before: Mapping[str, Any], after: Mapping[str, Any], replaced: set[str]
) -> Iterator[dict[str, Any]]:
    """Properties that differ, those that refer to a resource that is replaced, and other attributes that differ."""
    rules, has, wants = recreation(after["Type"]), before.get("Properties", {}), after.get("Properties", {})
    for name in sorted({*has, *wants}):
        target = {
            "Attribute": "Tags" if name == "Tags" else "Properties",
            "Name": name,
            "RequiresRecreation": rules.get(name, NEVER),
        }
        if has.get(name) != wants.get(name):
            yield {"Target": target, "Evaluation": "Static", "ChangeSource": "DirectModification"}
        elif replaced & set(names_in(wants[name])):
            if target["RequiresRecreation"] == ALWAYS:
                target["RequiresRecreation"] = CONDITIONALLY  # the new resource may have the same value
            yield {"Target": target, "Evaluation": "Dynamic", "ChangeSource": "ResourceReference"}
    for attribute in ("DeletionPolicy", "UpdateReplacePolicy", "UpdatePolicy", "Metadata"):
        if before.get(attribute) != after.get(attribute):
            target = {"Attribute": attribute}
            yield {"Target": target, "Evaluation": "Static", "ChangeSource": "DirectModification"}


def _removed(name: str, before: Mapping[str, Any]) -> Change:
    return {
        "LogicalResourceId": name,
        "ResourceType": before["Type"],
        "Action": "Remove",
        "Scope": [],
        "Details": [],
    }


def _top_level(pointers: list[str]) -> Iterator[str]:
    """The property of each pointer, such as /properties/DnsOptions/PrivateDnsPreference."""
    return (pointer.split("/")[2] for pointer in pointers)


@cache
def _hashes() -> dict[str, str]:
    """The schema files' names by resource type."""
    found: dict[str, str] = json.loads((_schemas() / "providers" / f"{REGION}.json").read_text())
    return found


@cache
def _schemas() -> Path:
    """Where cfn-lint keeps the schemas; cfn-lint itself, which is slow to import, is not."""
    spec = find_spec("cfnlint")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data" / "schemas"
