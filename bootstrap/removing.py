"""Removes the users' machines of a cluster; the parts that `up` built are removed by their steps."""

from bootstrap import building, inventory
from bootstrap.instances import terminate
from bootstrap.inventory import instances
from bootstrap.site import Site, Tell
from bootstrap.steps.step import Change, Kind
from lifecycle_app.worker import ROLE_WORKER, idle_alarm_prefix

ALARMS_A_CALL = 100


def removals(site: Site, *, with_homes: bool) -> dict[str, list[Change]]:
    """What `down` does, by step, the users' machines first."""
    workers = [Change(Kind.REMOVE, one) for one in instances(site, ROLE_WORKER)]
    homes = inventory.homes(inventory.of_cluster(site)) if with_homes else []
    workers += [Change(Kind.REMOVE, str(home), "the user's files go with it") for home in homes]
    return {**({"workers": workers} if workers else {}), **building.removals(site)}


def remove_workers(site: Site, tell: Tell, *, with_homes: bool) -> None:
    """Terminate the cluster's workers, and delete their home disks only if told to."""
    found = instances(site, ROLE_WORKER)
    if found:
        tell(f"terminating {len(found)} workers")
        terminate(site.aws, found, site.cluster)
    _remove_idle_alarms(site)
    if with_homes:
        for home in inventory.homes(inventory.of_cluster(site)):
            tell(f"deleting {home}")
            site.aws.client("ec2").delete_volume(VolumeId=home.name)


def _remove_idle_alarms(site: Site) -> None:
    """The functions that would do it when the workers are gone go too."""
    cloudwatch = site.aws.client("cloudwatch")
    # With the `i-`: another cluster's name may go on as this one's alarms do.
    prefix = idle_alarm_prefix(site.cluster) + "i-"
    for page in cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix):
        alarms = [alarm["AlarmName"] for alarm in page["MetricAlarms"]]
        for start in range(0, len(alarms), ALARMS_A_CALL):
            cloudwatch.delete_alarms(AlarmNames=alarms[start : start + ALARMS_A_CALL])
