"""The step that makes the workers' image, or checks the one that the settings name."""

from datetime import UTC, datetime

from bootstrap.aws import instances, names
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.cluster.steps.step import Change, Kind
from bootstrap.machines.base_images import (
    architecture_of,
    described_image,
    judge_architecture,
    judge_disk,
    root_size,
)
from bootstrap.machines.image import building, images
from bootstrap.machines.image.request import ROLE_BUILDER

EFFECT = "new machines have it; stopped ones after `cloudjhub workers renew`"


class WorkerImage:
    """The AMI that the hub launches workers of."""

    name = "image"

    def changes(self, site: Site) -> list[Change]:
        chosen = images.current(site.aws, site.cluster)
        kind = Kind.REPLACE if chosen else Kind.CREATE
        if site.settings.workers.image:
            image = own_image(site)
            return (
                []
                if image == chosen
                else [Change(kind, "worker image", f"{image}, which is yours; {EFFECT}")]
            )
        made_of = building.wanted(site)
        made = images.of_content(site.aws, site.cluster, made_of.content)
        if made is None or made.state == "pending":
            detail = f"built from {made_of.base.image} in about ten minutes; {EFFECT}"
            return [Change(kind, "worker image", detail)]
        return [] if made.image == chosen else [Change(kind, "worker image", f"{made.image}; {EFFECT}")]

    def apply(self, site: Site, report: Report) -> None:
        if site.settings.workers.image:
            use(site, own_image(site), report)
            return
        made_of = building.wanted(site)
        made = images.of_content(site.aws, site.cluster, made_of.content)
        if made is None or made.state == "pending":
            use(site, building.build(site, made_of, datetime.now(UTC), report), report)
        else:
            building.remove_builders(site, report)
            use(site, made.image, report)

    def removals(self, site: Site) -> list[Change]:
        found = images.images(site.aws, site.cluster)
        builders = instances.found_by_tags(site.aws, site.cluster, ROLE_BUILDER)
        return [
            Change(
                Kind.REMOVE, f"image {one.image}", f"{names.image(site.cluster)} of {one.created:%Y-%m-%d}"
            )
            for one in found
        ] + [Change(Kind.REMOVE, f"image builder {one['InstanceId']}") for one in builders]

    def remove(self, site: Site, report: Report) -> None:
        building.remove_builders(site, report)
        images.remove_all(site.aws, site.cluster, report)


def own_image(site: Site) -> str:
    """The AMI that the settings name. Raises Refused if the workers cannot be launched of it."""
    workers = site.settings.workers
    found = described_image(site.aws, workers.image)
    judge_architecture(workers.image, found["Architecture"], architecture_of(site.aws, workers.types))
    judge_disk(workers.image, root_size(found), workers.disk, "workers.disk")
    return workers.image


def use(site: Site, image: str, report: Report) -> None:
    """Launch workers of this image from now on, and remove what is too old to go back to."""
    if images.current(site.aws, site.cluster) != image:
        images.choose(site.aws, site.cluster, image)
        report(f"workers are launched of {image} from now on")
    images.prune(site.aws, site.cluster, report)
