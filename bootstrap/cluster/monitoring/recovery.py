"""The two alarms that bring back a manager that hangs, or whose host has failed. EC2 itself acts on them.

As AWS documents them: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/UsingAlarmActions.html. Their events start
none of our functions: the workers' alarms have names that begin otherwise, and only those do.
"""

from typing import Any

from bootstrap.aws import names
from bootstrap.aws.scope import Scope
from bootstrap.aws.site import Site
from bootstrap.aws.tags import listed, tags_of_cluster
from bootstrap.cluster.monitoring.alarms import Alarm, differs
from bootstrap.cluster.monitoring.notices import wanted_topic

KINDS = (
    # kind, metric, minutes, EC2's action, description. A reboot waits longer, so that a failed host is recovered first.
    (
        "manager-host",
        "StatusCheckFailed_System",
        2,
        "recover",
        "The manager's host has failed: EC2 moves the manager",
    ),
    (
        "manager-hung",
        "StatusCheckFailed_Instance",
        3,
        "reboot",
        "The manager does not answer EC2: it is rebooted",
    ),
)


def alarms(scope: Scope, instance: str, topic: str) -> list[Alarm]:
    """PutMetricAlarm's arguments for the manager of this id; `topic` is the ARN that they notify too, "" for none.

    Pure. A manager that is stopped, replaced or just launched has no datapoints, and nothing happens to it.
    """
    notified = [topic] if topic else []
    return [
        {
            "AlarmName": names.alarm(scope.cluster, kind),
            "AlarmDescription": description,
            "ActionsEnabled": True,
            "AlarmActions": [f"arn:{scope.partition}:automate:{scope.region}:ec2:{action}", *notified],
            "OKActions": notified,
            "InsufficientDataActions": [],
            "Namespace": "AWS/EC2",
            "MetricName": metric,
            "Dimensions": [{"Name": "InstanceId", "Value": instance}],
            "Statistic": "Maximum",
            "Period": 60,
            "EvaluationPeriods": minutes,
            "Threshold": 1.0,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "missing",
        }
        for kind, metric, minutes, action, description in KINDS
    ]


def is_as_wanted(site: Site, instance: str) -> bool:
    """Do both alarms watch this instance?"""
    found = _existing(site)
    return not any(differs(one, found.get(one["AlarmName"], {})) for one in _wanted(site, instance))


def apply(site: Site, instance: str) -> None:
    """Have both alarms watch this instance, instead of the one before."""
    cloudwatch, tags = site.aws.client("cloudwatch"), listed(tags_of_cluster(site.settings))
    of_alarm: Any = tags
    for one in _wanted(site, instance):
        cloudwatch.put_metric_alarm(**one, Tags=of_alarm)
        # The call above leaves the tags of an alarm that exists as they are.
        arn = site.scope.arn("cloudwatch", f"alarm:{one['AlarmName']}")
        cloudwatch.tag_resource(ResourceARN=arn, Tags=of_alarm)


def existing(site: Site) -> list[str]:
    """The names of those that there are."""
    return sorted(_existing(site))


def remove(site: Site) -> None:
    """Delete those that there are."""
    if found := existing(site):
        site.aws.client("cloudwatch").delete_alarms(AlarmNames=found)


def _wanted(site: Site, instance: str) -> list[Alarm]:
    return alarms(site.scope, instance, wanted_topic(site))


def _existing(site: Site) -> dict[str, Any]:
    wanted = [names.alarm(site.cluster, kind) for kind, *_ in KINDS]
    answer = site.aws.client("cloudwatch").describe_alarms(AlarmNames=wanted)
    return {alarm["AlarmName"]: alarm for alarm in answer["MetricAlarms"]}
