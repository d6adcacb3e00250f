"""The institution's tags on what no stack holds and what was there before them.

Queue, topic, alarms and parameters take tags when they are made, and Chalice gives some to functions alone. A tag that
is no longer wanted stays here: another program of the institution may have set it.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from bootstrap.aws import names, secrets
from bootstrap.aws.errors import ignore_missing, is_missing
from bootstrap.aws.instances import GONE, found_by_tags
from bootstrap.aws.site import Site
from bootstrap.aws.tags import listed, tags_of_cluster
from bootstrap.cluster.monitoring import cloudwatch, dead_letters, notices
from lifecycle_app.contract import TAG_CLUSTER

IN_EC2 = ("image", "instance", "network-interface", "snapshot", "volume")
"""What is made by calls; stacks tag the rest."""
AT_ONCE = 500
"""EC2 takes no more than a thousand resources in a call."""


def ensure(site: Site) -> None:
    """Tag everything of the cluster that is not in a stack. Does nothing for a cluster without such tags."""
    if not site.settings.tags:
        return
    for tag in (*_functions(site), *_others(site), *_alarms(site), *_parameters(site)):
        with ignore_missing():
            tag()
    _ensure_in_ec2(site)


def _functions(site: Site) -> Iterator[Callable[[], object]]:
    tags, arn = dict(site.settings.tags), site.scope.arn
    as_list: Any = listed(tags)
    logs, events = site.aws.client("logs"), site.aws.client("events")
    for name in names.functions(site.cluster):
        group, rule = names.function_log_group(name), names.rule(name)
        yield partial(logs.tag_resource, resourceArn=arn("logs", f"log-group:{group}"), tags=tags)
        yield partial(events.tag_resource, ResourceARN=arn("events", f"rule/{rule}"), Tags=as_list)


def _others(site: Site) -> Iterator[Callable[[], object]]:
    tags = dict(site.settings.tags)
    as_list: Any = listed(tags)
    if url := dead_letters.find(site):
        yield partial(site.aws.client("sqs").tag_queue, QueueUrl=url, Tags=tags)
    if topic := notices.wanted_topic(site):
        yield partial(site.aws.client("sns").tag_resource, ResourceArn=topic, Tags=as_list)


def _alarms(site: Site) -> Iterator[Callable[[], object]]:
    client = site.aws.client("cloudwatch")
    tags: Any = listed(site.settings.tags)
    for name in cloudwatch.alarm_names(site):
        yield partial(
            client.tag_resource, ResourceARN=site.scope.arn("cloudwatch", f"alarm:{name}"), Tags=tags
        )


def _parameters(site: Site) -> Iterator[Callable[[], object]]:
    ssm = site.aws.client("ssm")
    tags: Any = listed(tags_of_cluster(site.settings))
    for name in secrets.names(ssm, site.cluster):
        yield partial(ssm.add_tags_to_resource, ResourceType="Parameter", ResourceId=name, Tags=tags)


def _ensure_in_ec2(site: Site) -> None:
    """Machines, disks and images that carry the cluster's tag. Terminated instances keep theirs for an hour."""
    ours = {"key": [TAG_CLUSTER], "value": [site.cluster], "resource-type": list(IN_EC2)}
    filters: Any = [{"Name": name, "Values": values} for name, values in ours.items()]
    pages = site.aws.client("ec2").get_paginator("describe_tags").paginate(Filters=filters)
    gone = {one["InstanceId"] for one in found_by_tags(site.aws, site.cluster, states=GONE)}
    found = [tag["ResourceId"] for page in pages for tag in page["Tags"] if tag["ResourceId"] not in gone]
    for start in range(0, len(found), AT_ONCE):
        _tag_in_ec2(site, found[start : start + AT_ONCE])


def _tag_in_ec2(site: Site, ids: Sequence[str]) -> None:
    """One call for all; where one is removed meanwhile, a call for each."""
    tags: Any = listed(site.settings.tags)
    tag = partial(site.aws.client("ec2").create_tags, Tags=tags)
    try:
        tag(Resources=ids)
    except ClientError as error:
        if not is_missing(error):
            raise
        for one in ids:
            with ignore_missing():
                tag(Resources=[one])
