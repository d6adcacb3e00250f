"""Steps: the bundle of this repository's code that instances run; and the workers' image."""

from datetime import UTC, datetime

from bootstrap.aws import instances, names
from bootstrap.aws.errors import if_exists
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.cluster.steps.step import Change, Kind
from bootstrap.machines import bundle, previous_manager
from bootstrap.machines.base_images import (
    architecture_of,
    described_image,
    judge_architecture,
    judge_disk,
    root_size,
)
from bootstrap.machines.image import building, images
from bootstrap.machines.image.request import ROLE_BUILDER

EFFECT = "new instances have it; stopped ones after `cloudjhub workers renew`"


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
    judge_architecture(workers.image, found["Architecture"], architecture_of(site.aws, workers.all_types))
    judge_disk(workers.image, root_size(found), workers.disk, "workers.disk")
    return workers.image


def use(site: Site, image: str, report: Report) -> None:
    """Launch workers of this image from now on, and remove what is too old to go back to."""
    if images.current(site.aws, site.cluster) != image:
        images.choose(site.aws, site.cluster, image)
        report(f"workers are launched of {image} from now on")
    images.prune(site.aws, site.cluster, report)


KEPT = 3
"""Bundles that are kept: an instance that was just launched may still fetch the previous one."""


class BundleUpload:
    """Uploads the bundle if the bucket has not got it."""

    name = "bundle"

    def changes(self, site: Site) -> list[Change]:
        packed = bundle.of(site.settings)
        if _has(site, packed.key):
            return []
        return [
            Change(
                Kind.CREATE, f"bundle {packed.sha256[:12]}", f"{len(packed.content) // 1024} KB in the bucket"
            )
        ]

    def apply(self, site: Site, report: Report) -> None:
        packed = bundle.of(site.settings)
        if not _has(site, packed.key):
            report("uploading the bundle")
            site.aws.client("s3").put_object(
                Bucket=names.bucket(site.cluster, site.aws), Key=packed.key, Body=packed.content
            )
        needed = {packed.key, *previous_manager.bundles_in_use(site)}
        older = [key for key in _newest_first(site) if key not in needed]
        _delete(site, older[KEPT - 1 :])

    def removals(self, site: Site) -> list[Change]:
        found = _newest_first(site)
        return [Change(Kind.REMOVE, f"{len(found)} bundles", "from the bucket")] if found else []

    def remove(self, site: Site, report: Report) -> None:
        report("removing the bundles")
        _delete(site, _newest_first(site))


def _has(site: Site, key: str) -> bool:
    s3, bucket = site.aws.client("s3"), names.bucket(site.cluster, site.aws)
    return if_exists(lambda: s3.head_object(Bucket=bucket, Key=key)) is not None


def _newest_first(site: Site) -> list[str]:
    s3 = site.aws.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=names.bucket(site.cluster, site.aws), Prefix=bundle.PREFIX
    )
    found = if_exists(lambda: [one for page in pages for one in page.get("Contents", [])]) or []
    return [one["Key"] for one in sorted(found, key=lambda one: one["LastModified"], reverse=True)]


def _delete(site: Site, keys: list[str]) -> None:
    for key in keys:
        site.aws.client("s3").delete_object(Bucket=names.bucket(site.cluster, site.aws), Key=key)
