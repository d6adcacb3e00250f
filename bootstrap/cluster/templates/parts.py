"""What the templates are put together from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bootstrap.aws.tags import listed
from bootstrap.cluster.documents import filled_in
from lifecycle_app.contract import TAG_CLUSTER, TAG_NAME

TEMPLATE_VERSION = "2010-09-09"
TAG_NETWORK = "cloudjhub:network"

Template = dict[str, Any]
Resource = dict[str, Any]


def template(description: str, resources: dict[str, Resource], outputs: dict[str, Any]) -> Template:
    """A whole template; `outputs`: what each is called, and its value."""
    made = {
        "AWSTemplateFormatVersion": TEMPLATE_VERSION,
        "Description": description,
        "Resources": resources,
    }
    # CloudFormation refuses an empty section.
    return (
        {**made, "Outputs": {name: {"Value": value} for name, value in outputs.items()}} if outputs else made
    )


def constant_parts(name: str, **values: object) -> Template:
    """The template in `<name>.yaml`, with these values in it."""
    return filled_in(Path(__file__).with_name(f"{name}.yaml"), **values)


def resource(kind: str, **properties: Any) -> Resource:
    """One resource, `kind` without the leading AWS::."""
    return {"Type": f"AWS::{kind}", "Properties": properties}


def ref(logical: str) -> dict[str, str]:
    """Another resource's id, for CloudFormation to fill in."""
    return {"Ref": logical}


def attribute(logical: str, name: str) -> dict[str, list[str]]:
    """An attribute of another resource, for CloudFormation to fill in."""
    return {"Fn::GetAtt": [logical, name]}


def network_tags(network: str, name: str) -> list[dict[str, str]]:
    """Tags of what a network's clusters share."""
    return listed({TAG_NAME: f"cloudjhub-{network}-{name}", TAG_NETWORK: network})


def cluster_tags(cluster: str, name: str = "") -> list[dict[str, str]]:
    """Tags of what is a cluster's own; with its name in EC2's console where there is one."""
    named = {TAG_NAME: f"cloudjhub-{cluster}-{name}"} if name else {}
    return listed({**named, TAG_CLUSTER: cluster})


def tagged(template: Template, tags: Mapping[str, str]) -> Template:
    """The template with these tags on every resource that has some; a resource's own win.

    CloudFormation hands a stack's tags on too, but does not say to which types of resources.
    """
    return {
        **template,
        "Resources": {name: _tagged(one, tags) for name, one in template["Resources"].items()},
    }


def _tagged(one: Resource, tags: Mapping[str, str]) -> Resource:
    properties = one.get("Properties", {})
    name = next((name for name in ("Tags", "ResourceTags") if name in properties), None)
    if name is None:
        return one
    own = {tag["Key"]: tag["Value"] for tag in properties[name]}
    return {**one, "Properties": {**properties, name: listed({**tags, **own})}}
