"""The institution's tags are on everything that can have some, from the call that creates it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from bootstrap.aws import names, stacks
from bootstrap.aws.site import BuiltNetwork, Site
from bootstrap.cluster.steps.network import NetworkStep
from bootstrap.cluster.templates.parts import Template, tagged
from bootstrap.config.choices import Base, Egress
from bootstrap.config.settings import ClusterSettings, Network
from bootstrap.config.values import MOST_TAGS, TAG_KEY_ROOM, TAG_ROOM
from bootstrap.local.cloud.cloudformation.change_sets import schema_of
from bootstrap.machines import manager_request
from bootstrap.machines.base_images import BaseImage
from bootstrap.machines.bundle import current
from bootstrap.machines.image import request as image
from hub.spawn.launch_request import Order, Place, run_request
from lifecycle_app.contract import TAG_CLUSTER, TAG_OWNER
from tests.bootstrap.half_built import MOTO_WARNS, build_half, unbuilt
from tests.bootstrap.manager_examples import CONFIG
from tests.bootstrap.templates import BODY_LIMIT, variants
from tests.hub.fakes import IMAGE, MEDIUM
from tests.hub.fakes import SETTINGS as HUB

TAGS = {"CostCenter": "48-1123", "DataClass": "internal"}
SETTINGS = ClusterSettings(
    cluster="spring",
    region="us-east-1",
    owner="Ada",
    network=Network(name="spring", egress=Egress.NAT_GATEWAY),  # moto's CloudFormation knows no IPv6
    tags=TAGS,
)
BASE = BaseImage(
    image="ami-1", system=Base.UBUNTU, architecture="x86_64", root_device="/dev/sda1", root_size=8
)
NETWORK = BuiltNetwork("vpc-1", "subnet-manager", ("subnet-a",))


def without(tags: list[dict[str, str]]) -> set[str]:
    """Those of the institution's tags that are not among these."""
    has = {tag["Key"]: tag["Value"] for tag in tags}
    return {key for key, value in TAGS.items() if has.get(key) != value}


def _tags(properties: Mapping[str, Any]) -> list[dict[str, str]]:
    """Budgets have theirs under a name of their own."""
    found: list[dict[str, str]] = properties.get("Tags", properties.get("ResourceTags", []))
    return found


def untagged(template: Template) -> list[str]:
    """The resources that could have tags, by CloudFormation's own schemas, and lack one."""
    return [
        name
        for name, one in template["Resources"].items()
        if schema_of(one["Type"])["tagging"]["taggable"] and without(_tags(one["Properties"]))
    ]


@pytest.mark.parametrize("name", variants())
def test_every_resource_of_a_template_that_can_have_tags_has_them(name: str) -> None:
    template = variants()[name]
    assert untagged(template)
    assert untagged(tagged(template, TAGS)) == []


def test_a_resources_own_tags_win() -> None:
    data = tagged(variants()["data"], {TAG_CLUSTER: "autumn"})
    assert data["Resources"]["Workers"]["Properties"]["Tags"] == [{"Key": TAG_CLUSTER, "Value": "spring"}]


@pytest.mark.parametrize("name", variants())
def test_a_template_with_as_many_tags_as_there_may_be_can_be_sent(name: str) -> None:
    key, value = TAG_KEY_ROOM // MOST_TAGS, (TAG_ROOM - TAG_KEY_ROOM) // MOST_TAGS
    # With a KMS key or in a private cluster, we count: there is room for half of the tags in any case.
    count = MOST_TAGS // 2 if name in ("access-key", "access-private") else MOST_TAGS
    most = {f"{number:0{key}}": "v" * value for number in range(count)}
    assert len(stacks.body(tagged(variants()[name], most))) < BODY_LIMIT


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with unbuilt(tmp_path) as found:
        yield replace(found, settings=replace(found.settings, tags=TAGS))


@pytest.mark.emulator
@pytest.mark.filterwarnings(MOTO_WARNS)
def test_every_stack_is_built_with_them(site: Site) -> None:
    build_half(site)
    client: Any = site.aws.client("cloudformation")
    stacks = [names.network_stack("spring"), *names.stacks("spring")]
    for stack in stacks:
        [found] = client.describe_stacks(StackName=stack)["Stacks"]
        assert without(found["Tags"]) == set(), stack
        assert untagged(client.get_template(StackName=stack)["TemplateBody"]) == [], stack


@pytest.mark.emulator
@pytest.mark.filterwarnings(MOTO_WARNS)
def test_every_secret_is_made_with_them(site: Site) -> None:
    build_half(site)
    ssm = site.aws.client("ssm")
    made = [one["Name"] for one in ssm.describe_parameters()["Parameters"]]
    assert len(made) > 8
    for name in made:
        answer: Any = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
        assert without(answer["TagList"]) == set(), name


@pytest.mark.emulator
@pytest.mark.filterwarnings(MOTO_WARNS)
def test_a_network_that_another_cluster_uses_keeps_its_tags(site: Site) -> None:
    """Two clusters with other tags would change it in turn."""
    build_half(site)
    other = replace(site, settings=replace(site.settings, tags={"CostCenter": "7"}))
    step = NetworkStep()
    assert step.tags(other) == {"CostCenter": "7", "cloudjhub:network": "spring"}
    autumn = [{"Key": TAG_CLUSTER, "Value": "autumn"}]
    ec2: Any = boto3.client("ec2", "us-east-1")
    ec2.create_security_group(
        GroupName="autumn", Description="autumn", VpcId=site.network().vpc,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": autumn}],
    )  # fmt: skip
    assert step.tags(other) == {**TAGS, "cloudjhub:network": "spring"}
    assert step.changes(other) == []


def requests() -> dict[str, dict[str, Any]]:
    """The calls that create something in EC2, the hub's among them."""
    made_of = image.recipe(SETTINGS, BASE, current(), "a-bucket")
    order = Order(worker="ada", profile=MEDIUM, image=IMAGE)
    place = Place(subnet="subnet-0000000a", zone="us-east-1a")
    return {
        "manager": manager_request.launch_request(SETTINGS, CONFIG, BASE, "eni-1", "us-east-1a"),
        "state disk": manager_request.volume_request(SETTINGS, "us-east-1a", "eni-1"),
        "builder": image.launch_request(SETTINGS, made_of, NETWORK, "sg-1"),
        "image": image.image_request(SETTINGS, made_of, "i-1", {}, datetime(2026, 11, 30, tzinfo=UTC)),
        "worker": run_request(order, replace(HUB, tags=TAGS), place, "t3.medium", 0),
    }


CREATED = {
    "manager": {"instance", "volume"},  # its network interface is there already, of a stack
    "state disk": {"volume"},
    "builder": {"instance", "volume", "network-interface"},
    "image": {"image", "snapshot"},
    "worker": {"instance", "volume", "network-interface"},
}


def test_whatever_a_call_creates_in_ec2_is_created_with_them() -> None:
    for name, request in requests().items():
        tags = {one["ResourceType"]: one["Tags"] for one in request["TagSpecifications"]}
        assert set(tags) == CREATED[name]
        for listed in tags.values():
            assert without(listed) == set(), name
            keys = [tag["Key"] for tag in listed]
            assert len(keys) == len(set(keys)), "EC2 refuses a key that is given twice"


def test_the_institution_may_say_who_the_owner_is() -> None:
    order = Order(worker="ada", profile=MEDIUM, image=IMAGE)
    place = Place(subnet="subnet-0000000a", zone="us-east-1a")
    request = run_request(order, replace(HUB, tags={TAG_OWNER: "physics@example.org"}), place, "t3.medium", 0)
    for one in request["TagSpecifications"]:
        assert [tag["Value"] for tag in one["Tags"] if tag["Key"] == TAG_OWNER] == ["physics@example.org"]
