"""What a kind of resource is to CloudFormation: calls that create, change and delete it.

The clients that CloudFormation calls services with: the operator's, as AWS calls them with its caller's rights.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import boto3
from botocore.config import Config

from bootstrap.local.cloud.settings import OPERATOR_KEY, Settings

Properties = Mapping[str, Any]
Client = Callable[[str], Any]
"""The boto3 client of a service by its name. The stubs know a literal for each service; here the kind decides."""


@dataclass(frozen=True, slots=True)
class Created:
    """A resource's id, and what Fn::GetAtt finds of it."""

    physical_id: str
    attributes: dict[str, Any] = field(default_factory=dict)


class Provider(Protocol):
    """One kind of resource. Each call raises what boto3 raises."""

    def create(self, client: Client, properties: Properties, tags: Mapping[str, str]) -> Created: ...

    def change(self, client: Client, physical_id: str, before: Properties, after: Properties) -> bool:
        """Change it in place; False where that is not possible and it must be replaced."""
        ...

    def delete(self, client: Client, physical_id: str, properties: Properties) -> None: ...


class Unchangeable:
    """Whatever of it changes, it is replaced."""

    def change(self, client: Client, physical_id: str, before: Properties, after: Properties) -> bool:
        return False


def differing(before: Properties, after: Properties) -> set[str]:
    """The names of the properties that differ."""
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def given(properties: Properties, *names: str) -> dict[str, Any]:
    """Those of the properties that are there."""
    return {name: properties[name] for name in names if name in properties}


def tag_list(properties: Properties, tags: Mapping[str, str]) -> list[dict[str, str]]:
    """The stack's tags with the resource's own, which win."""
    own = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
    return [{"Key": key, "Value": value} for key, value in {**tags, **own}.items()]


PATIENT = Config(retries={"mode": "standard", "total_max_attempts": 20}, connect_timeout=5, read_timeout=30)


def clients(settings: Settings) -> Client:
    """Each service at this cloud's own address, logs where the functions' are. Made at first use, by one thread."""
    made: dict[str, Any] = {}
    make: Any = boto3.client

    def client(service: str) -> Any:
        if service not in made:
            made[service] = make(
                service,
                endpoint_url=settings.events_endpoint if service == "logs" else settings.endpoint,
                region_name=settings.region,
                aws_access_key_id=OPERATOR_KEY,
                aws_secret_access_key=settings.operator_secret,
                config=PATIENT,
            )
        return made[service]

    return client
