"""The tags of what a cluster has in AWS: its own, and those that the institution wants on everything."""

from collections.abc import Mapping

from bootstrap.config.settings import ClusterSettings
from lifecycle_app.contract import TAG_CLUSTER


def tags_of_cluster(settings: ClusterSettings) -> dict[str, str]:
    """The tags of everything of a cluster; machines and disks have more."""
    return {**settings.tags, TAG_CLUSTER: settings.cluster}


def listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """The tags as most services take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
