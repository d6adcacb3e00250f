"""The manager that an update replaces, kept in the bucket until the new one's hub answers: `up` can go back to it."""

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from bootstrap.aws import instances, names
from bootstrap.aws.errors import if_exists
from bootstrap.aws.instances import tags_of
from bootstrap.aws.site import Site
from bootstrap.machines import launch
from bootstrap.machines.base_images import architecture_of, base_image
from bootstrap.machines.launch import TAG_CONTENT
from bootstrap.machines.manager.config import CONFIG_PATH, ManagerConfig
from bootstrap.machines.manager_request import ROLE_MANAGER, manager_tags

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

KEY = "previous-manager.json"
"""In the cluster's bucket. It is there only while a new manager has not answered yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """What a manager was launched with; `content` is the hash in its tag, `disk` in GB."""

    image: str
    type: str
    disk: int
    content: str
    user_data: str

    @property
    def config(self) -> ManagerConfig:
        """Its configuration. Raises ValueError for user data that is not a manager's."""
        return config_in(self.user_data)

    def to_json(self) -> str:
        """The object's content."""
        return json.dumps(asdict(self), sort_keys=True)


def config_in(user_data: str) -> ManagerConfig:
    """The configuration in a manager's user data. Raises ValueError."""
    header, _, document = user_data.partition("\n")
    if header != "#cloud-config":
        raise ValueError("not a manager's user data")
    for file in json.loads(document).get("write_files", []):
        if file["path"] == str(CONFIG_PATH):
            return ManagerConfig.from_json(file["content"])
    raise ValueError("not a manager's user data")


def previous_in(text: str) -> Previous | None:
    """The manager in the object's content; None for one that this version cannot launch."""
    try:
        found = Previous(**json.loads(text))
        _ = found.config
    except (ValueError, TypeError, KeyError):
        return None
    return found


def keep(site: Site, instance: "InstanceTypeDef") -> None:
    """Keep what this manager was launched with; nothing for one that this version cannot launch."""
    previous = Previous(
        image=instance["ImageId"],
        type=instance["InstanceType"],
        disk=site.settings.manager.disk,
        content=tags_of(instance).get(TAG_CONTENT, ""),
        user_data=_user_data(site, instance["InstanceId"]),
    )
    if previous_in(previous.to_json()):
        site.aws.client("s3").put_object(**_object(site), Body=previous.to_json().encode())


def kept(site: Site) -> Previous | None:
    """The manager to go back to; None where there is none."""
    found = if_exists(lambda: site.aws.client("s3").get_object(**_object(site)))
    return previous_in(found["Body"].read().decode()) if found else None


def forget(site: Site) -> None:
    """The present manager has answered: there is nothing to go back to."""
    site.aws.client("s3").delete_object(**_object(site))


def request(site: Site, previous: Previous, interface: str, zone: str) -> dict[str, Any]:
    """RunInstances for it, with the network interface that keeps its addresses."""
    return launch.request(
        base_image(site.aws, previous.image, architecture_of(site.aws, [previous.type])),
        instance_type=previous.type,
        interface={"NetworkInterfaceId": interface},
        profile=names.role(site.cluster, "manager", site.settings.role_prefix),
        disk=previous.disk,
        key=site.settings.kms_key,
        tags=manager_tags(site.settings, ROLE_MANAGER, zone, {TAG_CONTENT: previous.content}),
        user_data=previous.user_data,
    )


def bundles_in_use(site: Site) -> set[str]:
    """The keys of the bundles that a manager runs, or would run again."""
    found = instances.found_by_tags(site.aws, site.cluster, ROLE_MANAGER)
    texts = [_user_data(site, one["InstanceId"]) for one in found]
    if previous := kept(site):
        texts.append(previous.user_data)
    return {config.bundle for config in _configs(texts)}


def _configs(texts: Sequence[str]) -> Sequence[ManagerConfig]:
    found = []
    for text in texts:
        try:
            found.append(config_in(text))
        except (ValueError, TypeError, KeyError):
            continue  # an earlier version's: its bundle is among the newest
    return found


def _user_data(site: Site, instance: str) -> str:
    answer = site.aws.client("ec2").describe_instance_attribute(InstanceId=instance, Attribute="userData")
    return b64decode(answer.get("UserData", {}).get("Value", "")).decode()


def _object(site: Site) -> Mapping[str, Any]:
    return {"Bucket": names.bucket(site.cluster, site.aws), "Key": KEY}
