"""Removal of a cluster's workers by `down`. Parts that `up` built are removed by their steps."""

from bootstrap.aws import instances
from bootstrap.aws.instances import terminate
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.cluster import building, inventory
from bootstrap.cluster.inventory import instances as tagged_instances
from bootstrap.cluster.steps.step import Change, Kind
from lifecycle_app.contract import ROLE_WORKER

ALARMS_A_CALL = 100


def removals(site: Site, *, with_homes: bool) -> dict[str, list[Change]]:
    """What `down` does, by step, the users' instances first."""
    workers = [Change(Kind.REMOVE, one) for one in tagged_instances(site, ROLE_WORKER)]
    found = inventory.of_cluster(site) if with_homes else []
    workers += [
        Change(Kind.REMOVE, str(one), "the user's files go with it") for one in inventory.homes(found)
    ]
    if backups := inventory.backups(found):
        workers.append(Change(Kind.REMOVE, "all backups of homes", f"{len(backups)} snapshots"))
    return {**({"workers": workers} if workers else {}), **building.removals(site)}


def remove_workers(site: Site, report: Report, *, with_homes: bool) -> None:
    """Terminate the cluster's workers, and delete their home disks and these disks' backups only with `with_homes`."""
    found = tagged_instances(site, ROLE_WORKER)
    if found:
        report(f"terminating {len(found)} workers")
        terminate(site.aws, found, site.cluster)
    _remove_idle_alarms(site)
    if with_homes:
        for home in inventory.homes(inventory.of_cluster(site)):
            report(f"deleting {home}")
            instances.delete_volume(site.aws, home.name)
        # Once the disks are gone, no more backups are made of them.
        backups = inventory.backups(inventory.of_cluster(site))
        report(f"deleting {len(backups)} backups of homes")
        for backup in backups:
            instances.delete_snapshot(site.aws, backup.name)


def _remove_idle_alarms(site: Site) -> None:
    """The functions that would delete them are removed too."""
    alarms = inventory.idle_alarms(site)
    for start in range(0, len(alarms), ALARMS_A_CALL):
        site.aws.client("cloudwatch").delete_alarms(AlarmNames=alarms[start : start + ALARMS_A_CALL])
