"""Whether the images are there, fit the machines' processors and fit on their disks."""

from collections.abc import Iterator
from dataclasses import dataclass

from botocore.exceptions import ClientError

from bootstrap.aws.errors import code_of
from bootstrap.aws.site import Site
from bootstrap.config.values import architecture
from bootstrap.errors import Refused, SettingsError
from bootstrap.machines.base_images import base_image, judge_disk
from bootstrap.preflight.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An image, what is to run from it, and the settings that say so. The disk in GB."""

    base: str
    """A `Base`, or an AMI's id."""
    instance_type: str
    disk: int
    setting: str
    disk_setting: str


def image_problems(site: Site) -> Iterator[Problem]:
    for wanted in images(site):
        try:
            found = base_image(site.aws, wanted.base, architecture(wanted.instance_type))
            judge_disk(found.image, found.root_size, wanted.disk, wanted.disk_setting)
        except (Refused, SettingsError) as refusal:
            yield Problem(str(refusal))
        except ClientError as error:
            if code_of(error) != "ParameterNotFound":
                raise
            yield Problem(
                f"AWS has no {wanted.base} image in {site.aws.region}: set `{wanted.setting}` to an AMI's id"
            )


def images(site: Site) -> list[Wanted]:
    """Those of the workers and of the manager."""
    workers, manager = site.settings.workers, site.settings.manager
    return [
        Wanted(
            base=workers.image or workers.base,
            instance_type=workers.types[0],
            disk=workers.disk,
            setting="workers.image" if workers.image else "workers.base",
            disk_setting="workers.disk",
        ),
        Wanted(
            base=manager.base,
            instance_type=manager.type,
            disk=manager.disk,
            setting="manager.base",
            disk_setting="manager.disk",
        ),
    ]
