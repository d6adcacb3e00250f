"""The mark by which the daily backups find homes, on those that are there: later ones get it from `grow_homes`."""

from contextlib import suppress
from typing import Any

from bootstrap.aws.instances import tags_of, volumes_by_tags
from bootstrap.aws.site import Site
from bootstrap.aws.tags import listed
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.contract import ROLE_WORKER, TAG_BACKUP
from lifecycle_app.errors import NoTable

AT_ONCE = 500
"""EC2 takes no more than a thousand resources in a call."""


def ensure(site: Site) -> None:
    """Mark the homes that records name. Does nothing for a cluster without backups of homes."""
    if not site.settings.workers.backups_kept:
        return
    homes: set[str | None] = set()
    with suppress(NoTable):  # no records, no homes
        homes = {one.home_volume for one in WorkerStore(site.cluster, region=site.aws.region).all_workers()}
    unmarked = [
        one["VolumeId"]
        for one in volumes_by_tags(site.aws, site.cluster, ROLE_WORKER)
        if one["VolumeId"] in homes and tags_of(one).get(TAG_BACKUP) != site.cluster
    ]
    tags: Any = listed({TAG_BACKUP: site.cluster})
    for start in range(0, len(unmarked), AT_ONCE):
        site.aws.client("ec2").create_tags(Resources=unmarked[start : start + AT_ONCE], Tags=tags)
