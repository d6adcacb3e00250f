"""The institution's KMS key is on everything that can have one, from the call that creates it.

What can have one is read off CloudFormation's schemas and off the SDK's models of the services.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore import xform_name
from botocore.model import ListShape, StructureShape
from botocore.session import Session

from bootstrap.aws import names, secrets
from bootstrap.aws.scope import Scope
from bootstrap.cluster.monitoring import log_keys
from bootstrap.cluster.templates import access_template, data_template
from bootstrap.config.settings import ClusterSettings, Network
from bootstrap.local.cloud.cloudformation.change_sets import schema_of
from bootstrap.machines import manager_request, previous_manager
from bootstrap.machines.bundle import current
from bootstrap.machines.image import request as image
from hub.spawn.launch_request import Order, Place, run_request
from tests.bootstrap.manager_examples import CONFIG
from tests.bootstrap.templates import BUCKET, KEY, variants
from tests.bootstrap.test_tags import BASE, NETWORK
from tests.contracts.test_stop_start_places import calls_in
from tests.hub.fakes import IMAGE, MEDIUM
from tests.hub.fakes import SETTINGS as HUB

REPOSITORY = Path(__file__).resolve().parents[2]
SETTINGS = ClusterSettings(
    cluster="spring", region="us-east-1", owner="Ada", network=Network(name="spring"), kms_key=KEY
)
IS_A_KEY = re.compile(r"kms|cmk", re.IGNORECASE)
# (type, property): why no template of ours has it.
NOT_USED = {
    ("AWS::DLM::LifecyclePolicy", "PolicyDetails"): "for copies in other regions, of which we make none",
    ("AWS::S3::Bucket", "MetadataConfiguration"): "for tables of metadata, which our bucket does not have",
    ("AWS::S3::Bucket", "ReplicationConfiguration"): "for replicas, of which we make none",
}

PropertyPath = tuple[str, ...]


def key_paths(
    schema: Mapping[str, Any], node: Mapping[str, Any], path: PropertyPath = (), seen: PropertyPath = ()
) -> Iterator[PropertyPath]:
    """Where a resource of this schema names a KMS key. `seen`: the definitions that lead here."""
    if reference := node.get("$ref", ""):
        if reference in seen:
            return
        seen = (*seen, reference)
        for part in reference.removeprefix("#/").split("/"):
            node = (schema if part in ("definitions", "properties") else node)[part]
    for name, below in node.get("properties", {}).items():
        if IS_A_KEY.search(name):
            yield (*path, name)
        yield from key_paths(schema, below, (*path, name), seen)
    others = [one for word in ("oneOf", "anyOf", "allOf") for one in node.get(word, ())]
    for below in [*others, *([node["items"]] if "items" in node else [])]:
        yield from key_paths(schema, below, path, seen)


def paths_of(kind: str) -> set[PropertyPath]:
    schema = schema_of(kind)
    return set(key_paths(schema, schema))


def at(properties: Any, path: PropertyPath) -> list[Any]:
    """The values at a path, of each entry where it leads through a list."""
    if isinstance(properties, list):
        return [value for one in properties for value in at(one, path)] or [None]
    if not path:
        return [properties]
    return at(properties.get(path[0]), path[1:]) if isinstance(properties, dict) else [None]


def without_key(template: Mapping[str, Any]) -> list[tuple[str, PropertyPath]]:
    """The resources that could name the key and do not."""
    return [
        (name, path)
        for name, one in template["Resources"].items()
        for path in paths_of(one["Type"])
        if (one["Type"], path[0]) not in NOT_USED and set(at(one.get("Properties", {}), path)) != {KEY}
    ]


TEMPLATES = {
    "data": data_template("spring", BUCKET, 365, KEY),
    "access": access_template(Scope(cluster="spring", key=KEY), 7),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_resource_that_can_have_the_key_has_it(name: str) -> None:
    assert without_key(TEMPLATES[name]) == []


def test_no_other_template_holds_what_could_have_it() -> None:
    """So that a table or log group in another stack is noticed here."""
    others = {name: one for name, one in variants().items() if not name.startswith(("access", "data"))}
    assert len(others) > 10
    assert {name: without_key(one) for name, one in others.items() if without_key(one)} == {}


def test_the_schemas_say_what_can_have_it() -> None:
    """The proof of the proof: without a key, these are missing."""
    missing = {path for _, path in without_key(variants()["data"])}
    assert missing == {
        ("SSESpecification", "KMSMasterKeyId"),
        ("BucketEncryption", "ServerSideEncryptionConfiguration", "ServerSideEncryptionByDefault", "KMSMasterKeyID"),
        ("KmsKeyId",),
    }  # fmt: skip


def test_each_exemption_is_of_a_type_that_there_is() -> None:
    kinds = {one["Type"] for template in variants().values() for one in template["Resources"].values()}
    found = {(kind, path[0]) for kind in kinds for path in paths_of(kind)}
    assert set(NOT_USED) <= found


def test_aws_own_keys_are_the_default() -> None:
    assert KEY not in str(data_template("spring", BUCKET, 365))


SERVICES = ("cloudwatch", "dlm", "dynamodb", "ec2", "events", "lambda", "logs", "s3", "sns", "sqs", "ssm")
CALLED = {
    "run_instances": "in `requests`",
    "create_volume": "the state disk in `requests`; a restored home in test_home_backups",
    "put_parameter": "test_every_secret_is_encrypted_with_the_key",
    "associate_kms_key": "test_the_functions_log_groups_get_the_key",
    "put_object": "by the bucket's default, in the template",
    "update_table": "to end a table's protection; its key is the template's",
    "create_image": "its snapshots have the key of the builder's disk",
    "copy_object": "by the bucket's default, in the template",
    "upload_file": "by the bucket's default, in the template",
}
"""The calls of ours that can name a key, and where it is shown that they do."""


def _keys_in(shape: Any, depth: int = 0) -> bool:
    if isinstance(shape, ListShape):
        return _keys_in(shape.member, depth)
    if not isinstance(shape, StructureShape) or depth > 4:
        return False
    return any(
        IS_A_KEY.search(name)
        or (name == "KeyId" and shape.name == "PutParameterRequest")
        or _keys_in(one, depth + 1)
        for name, one in shape.members.items()
    )


def test_every_call_that_can_name_a_key_is_known() -> None:
    session = Session()
    can = {
        xform_name(name)
        for service in SERVICES
        for model in [session.get_service_model(service)]
        for name in model.operation_names
        if (shape := model.operation_model(name).input_shape) and _keys_in(shape)
    }
    assert {"run_instances", "create_volume", "put_parameter", "associate_kms_key"} <= can
    called: set[str] = set()
    for part in ("bootstrap", "hub", "lifecycle_app"):
        for path in (REPOSITORY / part).rglob("*.py"):
            if not {"local", "node_modules"} & {*path.parts}:
                called |= calls_in(path.read_text(encoding="utf-8"))
    assert called & can - set(CALLED) == set()


def requests() -> dict[str, dict[str, Any]]:
    """The calls that make disks, the hub's among them."""
    made_of = image.recipe(SETTINGS, BASE, current(), "a-bucket")
    order = Order(worker="ada", profile=MEDIUM, image=IMAGE)
    place = Place(subnet="subnet-0000000a", zone="us-east-1a")
    hub = replace(HUB, kms_key=KEY, home_disk=3)
    return {
        "manager": manager_request.launch_request(SETTINGS, CONFIG, BASE, "eni-1", "us-east-1a"),
        "state disk": manager_request.volume_request(SETTINGS, "us-east-1a", "eni-1"),
        "builder": image.launch_request(SETTINGS, made_of, NETWORK, "sg-1"),
        "worker": run_request(order, hub, place, "t3.medium", 0),
    }


def test_every_disk_is_encrypted_with_the_key() -> None:
    disks = {
        name: [one["Ebs"] for one in request.get("BlockDeviceMappings", [{"Ebs": request}])]
        for name, request in requests().items()
    }
    assert {name: len(listed) for name, listed in disks.items()} == {
        "manager": 1, "state disk": 1, "builder": 1, "worker": 2,
    }  # fmt: skip
    assert all(one["Encrypted"] and one["KmsKeyId"] == KEY for listed in disks.values() for one in listed)
    assert "key=site.settings.kms_key" in Path(str(previous_manager.__file__)).read_text(encoding="utf-8")


def test_the_hub_gets_it_by_the_managers_configuration() -> None:
    place = {"ManagerAddress": "10.77.0.10", "PublicAddress": "192.0.2.1", "WorkerGroup": "sg-1"}
    config = manager_request.manager_config(
        SETTINGS,
        place=place,
        network=NETWORK,
        bucket="b",
        bundle="k",
        state_volume="vol-1",
        secret_versions={},
    )
    assert config.kms_key == KEY


def test_another_key_makes_another_image_and_none_the_same_as_before() -> None:
    def content(settings: ClusterSettings) -> str:
        return image.recipe(settings, BASE, current(), "a-bucket").content

    other = replace(SETTINGS, kms_key=KEY.replace("0123", "4567"))
    assert len({content(SETTINGS), content(other), content(replace(SETTINGS, kms_key=""))}) == 3


class Parameters:
    """Parameter Store, which keeps what it is asked."""

    exceptions = SimpleNamespace()

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def put_parameter(self, **asked: Any) -> None:
        self.asked.append(asked)


def test_every_secret_is_encrypted_with_the_key() -> None:
    """A new value of one that is there, too: without a key it would go back to AWS's own."""
    client: Any = Parameters()
    secrets.ensure(client, "spring", {}, KEY)
    secrets.put(client, "spring", "hub/client-secret", "x", {}, KEY)
    assert len(client.asked) == len(secrets.MAKERS) + 1
    assert {one["KeyId"] for one in client.asked} == {KEY}
    secrets.put(client, "spring", "hub/client-secret", "x")
    assert "KeyId" not in client.asked[-1]


class Logs:
    """CloudWatch Logs with one group that has the key, one that has none, and one of another cluster."""

    def __init__(self) -> None:
        groups = [names.function_log_group(name) for name in names.functions("spring")]
        self.keys = {groups[0]: KEY, groups[1]: "", names.function_log_group("cloudjhub-spring-b-sweep"): ""}

    def get_paginator(self, _: str) -> "Logs":
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        return [{"logGroups": [{"logGroupName": name, "kmsKeyId": key} for name, key in self.keys.items()]}]

    def associate_kms_key(self, **asked: str) -> None:
        self.keys[asked["logGroupName"]] = asked["kmsKeyId"]


def test_the_functions_log_groups_get_the_key() -> None:
    """Chalice makes them without; other clusters' are left alone."""
    logs = Logs()
    site: Any = SimpleNamespace(
        settings=SETTINGS, cluster="spring", aws=SimpleNamespace(client=lambda _: logs)
    )
    (without,) = [name for name in logs.keys if not logs.keys[name] and "spring-b" not in name]
    assert list(log_keys.differences(site)) == [f"the key of {without}"]
    log_keys.apply(site)
    assert list(log_keys.differences(site)) == []
    assert [key for name, key in logs.keys.items() if "spring-b" in name] == [""]
    plain: Any = SimpleNamespace(settings=replace(SETTINGS, kms_key=""), cluster="spring")
    assert list(log_keys.differences(plain)) == []
