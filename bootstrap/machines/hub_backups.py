"""Which backups of JupyterHub's database are in the cluster's bucket."""

from bootstrap.aws import names
from bootstrap.aws.errors import if_exists
from bootstrap.aws.site import Site
from hub.database.archive import PREFIX, Backup, backup_of


def backups(site: Site) -> list[Backup]:
    """All of them, the newest first; [] without a bucket."""
    pages = (
        site.aws.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=names.bucket(site.cluster, site.aws), Prefix=PREFIX)
    )
    found = if_exists(lambda: [one["Key"] for page in pages for one in page.get("Contents", [])]) or []
    return sorted((backup for key in found if (backup := backup_of(key))), reverse=True)
