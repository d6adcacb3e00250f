"""A template's references: what depends on what, and the values that stand for them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any

from bootstrap.local.cloud.cloudformation.model import Made, Template

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
    """The value with every reference replaced. Raises KeyError for what is not there."""
    match value:
        case {"Ref": str(name)}:
            return _referred(name, resources, pseudo)
        case {"Fn::GetAtt": [name, attribute]}:
            return resources[name].attributes[attribute]
        case {"Fn::Sub": str(text)}:
            return IN_TEXT.sub(lambda found: _in_text(found, resources, pseudo), text)
        case dict():
            return {key: resolve(one, resources, pseudo) for key, one in value.items()}
        case list():
            return [resolve(one, resources, pseudo) for one in value]
        case _:
            return value


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
