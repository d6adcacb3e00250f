"""The bundle of what machines run of this repository, in the cluster's bucket."""

from bootstrap.aws import names
from bootstrap.aws.errors import if_exists
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.cluster.steps.step import Change, Kind
from bootstrap.machines import bundle

KEPT = 3
"""So many bundles stay: a machine that was just launched may still fetch the one before."""


class BundleUpload:
    """Uploads the bundle if the bucket has not got it."""

    name = "bundle"

    def changes(self, site: Site) -> list[Change]:
        packed = bundle.current()
        if _has(site, packed.key):
            return []
        return [
            Change(
                Kind.CREATE, f"bundle {packed.sha256[:12]}", f"{len(packed.content) // 1024} KB in the bucket"
            )
        ]

    def apply(self, site: Site, report: Report) -> None:
        packed = bundle.current()
        if not _has(site, packed.key):
            report("uploading the bundle")
            site.aws.client("s3").put_object(
                Bucket=names.bucket(site.cluster, site.aws), Key=packed.key, Body=packed.content
            )
        older = [key for key in _newest_first(site) if key != packed.key]
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
