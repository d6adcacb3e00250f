"""The alarms and the dashboard, created, compared and removed at CloudWatch."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from bootstrap.aws import names
from bootstrap.aws.errors import if_exists
from bootstrap.aws.site import Site
from bootstrap.aws.tags import listed, tags_of_cluster
from bootstrap.cluster.monitoring.alarms import Alarm, alarms, differs, retired
from bootstrap.cluster.monitoring.dashboard import dashboard
from bootstrap.cluster.monitoring.notices import wanted_topic


def differences(site: Site) -> Iterator[str]:
    """What is not as it should be, in short."""
    for alarm in _outdated(site):
        yield f"alarm {alarm['AlarmName']}"
    yield from (f"alarm {name}, which is not needed any more" for name in _retired(site))
    if _body(site) != dashboard(site.settings, site.aws.region):
        yield f"dashboard {names.dashboard(site.cluster)}"


def apply(site: Site) -> None:
    """Put the alarms and the dashboard that differ, and delete the alarms that are not needed any more."""
    cloudwatch = site.aws.client("cloudwatch")
    tags: Any = listed(tags_of_cluster(site.settings))
    for alarm in _outdated(site):
        cloudwatch.put_metric_alarm(**alarm, Tags=tags)
    if unneeded := _retired(site):
        cloudwatch.delete_alarms(AlarmNames=unneeded)
    body = dashboard(site.settings, site.aws.region)
    if _body(site) != body:
        cloudwatch.put_dashboard(DashboardName=names.dashboard(site.cluster), DashboardBody=json.dumps(body))


def alarm_names(site: Site) -> list[str]:
    """The names of the alarms that there should be."""
    return [alarm["AlarmName"] for alarm in alarms(site.settings, "")]


def parts(site: Site) -> Iterator[str]:
    """Which alarms and dashboard there are."""
    yield from (f"alarm {name}" for name in sorted([*_existing(site), *_retired(site)]))
    if _body(site) is not None:
        yield f"dashboard {names.dashboard(site.cluster)}"


def remove(site: Site) -> None:
    """Delete the alarms and the dashboard, as far as they are there."""
    cloudwatch = site.aws.client("cloudwatch")
    found = [*_existing(site), *_retired(site)]
    if found:
        cloudwatch.delete_alarms(AlarmNames=found)
    if _body(site) is not None:
        cloudwatch.delete_dashboards(DashboardNames=[names.dashboard(site.cluster)])


def _outdated(site: Site) -> list[Alarm]:
    found = _existing(site)
    wanted = alarms(site.settings, wanted_topic(site))
    return [alarm for alarm in wanted if differs(alarm, found.get(alarm["AlarmName"], {}))]


def _existing(site: Site) -> dict[str, Any]:
    """By name. Only these exact names: the prefix may be another cluster's too."""
    return _described(site, alarm_names(site))


def _retired(site: Site) -> list[str]:
    """Those of an older version that are still there."""
    return list(_described(site, retired(site.cluster)))


def _described(site: Site, names_of_alarms: Sequence[str]) -> dict[str, Any]:
    answer = site.aws.client("cloudwatch").describe_alarms(AlarmNames=names_of_alarms)
    return {alarm["AlarmName"]: alarm for alarm in answer["MetricAlarms"]}


def _body(site: Site) -> Any:
    """The dashboard's body, or None where there is no dashboard."""
    cloudwatch = site.aws.client("cloudwatch")
    found = if_exists(lambda: cloudwatch.get_dashboard(DashboardName=names.dashboard(site.cluster)))
    return json.loads(found["DashboardBody"]) if found else None
