"""What a kind of resource is to CloudFormation: the calls that create, change and delete it.

The clients that CloudFormation calls services with: the operator's, as AWS calls them with its caller's rights.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config

from bootstrap.local.cloud.cloudformation.model import Made
from bootstrap.local.cloud.settings import OPERATOR_KEY, Settings

Properties = Mapping[str, Any]
Client = Callable[[str], Any]
"""The boto3 client of a service by its name. The stubs know a literal for each service; here the kind decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of resource. Operations are named as boto3 names them; all raise what boto3 raises, or ValueError.

    The creation gets those of the resource's properties that botocore's model of the call knows.
    """

    service: str
    create_by: str
    ref: str | Callable[[Properties], str]
    """What `Ref` gives, as a format of the properties and the creation's `answer`, or by the properties alone."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What `Fn::GetAtt` gives, formats too."""
    late: Mapping[str, Callable[[Any, str], Any]] = field(default_factory=dict)
    """What `Fn::GetAtt` gives as it is at that time, by the service's client and the id."""
    tag_type: str = ""
    """EC2's name for what gets the tags; "" for other services, and for what has none."""
    is_taggable: bool = True
    """Does CloudFormation pass tags on to it, where the creation takes some?"""
    request: Callable[[Properties], Properties] = dict
    """The properties as the service names them."""
    check: Callable[[Any, Properties], None] = lambda *_: None
    """Raises ValueError for what CloudFormation refuses and the emulator does not; gets the service's client."""
    changeable: frozenset[str] = frozenset()
    """Properties that `set_up` can change; where another one changes, the resource is replaced."""
    set_up: Callable[[Any, str, Properties, Properties], None] = lambda *_: None
    """Completes a new resource, or changes one; gets the client, its id, its properties before ({}) and after."""
    delete_by: str | Callable[[Any, Made], None]
    delete_with: tuple[str, ...] = ()
    """The deletion's arguments: of the request or the attributes. The first is the id where it is in neither."""

    def create(
        self, client: Client, properties: Properties, tags: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """The id of a new resource, and its attributes. The stack's tags are added to its own, which win."""
        service = client(self.service)
        self.check(service, properties)
        own = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
        tagged = [{"Key": key, "Value": value} for key, value in {**tags, **own}.items()]
        request = {**self.request(properties), **({"Tags": tagged} if self.is_taggable else {})}
        asked = _arguments(service, self.create_by, request)
        if self.tag_type:
            asked["TagSpecifications"] = [{"ResourceType": self.tag_type, "Tags": tagged}]
        answer = getattr(service, self.create_by)(**asked)
        found = [text.format(answer=answer, **properties) for text in self.attributes.values()]
        physical_id = (
            self.ref.format(answer=answer, **properties)
            if isinstance(self.ref, str)
            else self.ref(properties)
        )
        self.set_up(service, physical_id, {}, {**properties, "Tags": tagged})
        return physical_id, dict(zip(self.attributes, found, strict=True))

    def change(self, client: Client, made: Made, after: Properties) -> bool:
        """Change it in place; False where that is not possible and it must be replaced."""
        before, service = made.properties, client(self.service)
        changed = differing(before, after)
        if not changed <= self.changeable | {"Tags"}:
            return False
        self.set_up(service, made.physical_id, before, after)
        if "Tags" in changed and self.tag_type:
            service.create_tags(Resources=[made.physical_id], Tags=list(after.get("Tags", [])))
        return True

    def delete(self, client: Client, made: Made) -> None:
        """Delete it, by its id or by what it was made with."""
        service = client(self.service)
        if not isinstance(self.delete_by, str):
            self.delete_by(service, made)
            return
        known = {self.delete_with[0]: made.physical_id, **self.request(made.properties), **made.attributes}
        getattr(service, self.delete_by)(**{name: known[name] for name in self.delete_with})


def _arguments(service: Any, operation: str, given: Properties) -> dict[str, Any]:
    """Those that the operation takes; a document as text, tags as a mapping where it wants that."""
    model = service.meta.service_model.operation_model(service.meta.method_to_api_mapping[operation])
    known = {name.lower(): (name, shape.type_name) for name, shape in model.input_shape.members.items()}
    found = {}
    for name, value in given.items():
        member, wanted = known.get(name.lower(), ("", ""))
        if wanted == "string" and isinstance(value, Mapping):
            value = json.dumps(value)
        if wanted == "map" and isinstance(value, list):
            value = {tag["Key"]: tag["Value"] for tag in value}
        if member:
            found[member] = value
    return found


def renamed(**names: str) -> Callable[[Properties], Properties]:
    """The properties, some by other names."""
    return lambda properties: {names.get(name, name): value for name, value in properties.items()}


def with_name(name: str, **names: str) -> Callable[[Properties], Properties]:
    """The same, with a name that CloudFormation makes up where the template has none."""
    return lambda properties: {name: f"cloudformation-{uuid4().hex[:12]}", **renamed(**names)(properties)}


def differing(before: Properties, after: Properties) -> set[str]:
    """The names of the properties that differ."""
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


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
