"""The SNS topic that sends the alarms to an administrator by e-mail, if one is named."""

import json
from typing import Any

from bootstrap.aws import names
from bootstrap.aws.errors import if_exists
from bootstrap.aws.scope import Scope
from bootstrap.aws.site import Site
from bootstrap.aws.tags import listed, tags_of_cluster


def topic_arn(scope: Scope) -> str:
    """The topic that the alarms notify."""
    return scope.arn("sns", names.alerts(scope.cluster))


def topic_policy(scope: Scope) -> dict[str, Any]:
    """CloudWatch may publish for this cluster's alarms.

    The topic is not encrypted at rest: CloudWatch cannot use the key aws/sns, and what it sends names an alarm only.
    """
    alarms = scope.arn("cloudwatch", f"alarm:{names.alarm(scope.cluster, '*')}")
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Alarms",
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": topic_arn(scope),
                "Condition": {"ArnLike": {"aws:SourceArn": alarms}},
            }
        ],
    }


def wanted_topic(site: Site) -> str:
    """The topic for the alarms; "" where the settings name no address."""
    return topic_arn(site.scope) if site.settings.alerts else ""


def is_there(site: Site) -> bool:
    """Is there such a topic, whatever the settings say?"""
    return _attributes(site) is not None


def is_as_wanted(site: Site) -> bool:
    """Is there a topic exactly if an address is set, with that address on it?"""
    found = _attributes(site)
    if not site.settings.alerts or found is None:
        return bool(site.settings.alerts) == (found is not None)
    subscribed, wanted = _subscribed(site), site.settings.alerts
    policy = json.loads(found.get("Policy", "{}"))
    others = [one for one in subscribed if one != wanted and _can_end(subscribed[one])]
    return policy == topic_policy(site.scope) and wanted in subscribed and not others


def apply(site: Site) -> str:
    """Bring it to what the settings say. What the administrator has to do still, or ""."""
    if not site.settings.alerts:
        remove(site)
        return ""
    sns, arn = site.aws.client("sns"), topic_arn(site.scope)
    if _attributes(site) is None:
        tags: Any = listed(tags_of_cluster(site.settings))
        sns.create_topic(Name=names.alerts(site.cluster), Tags=tags)
    sns.set_topic_attributes(
        TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps(topic_policy(site.scope))
    )
    subscribed = _subscribed(site)
    for address, subscription in subscribed.items():
        if address != site.settings.alerts and _can_end(subscription):
            sns.unsubscribe(SubscriptionArn=subscription)
    if site.settings.alerts not in subscribed:
        sns.subscribe(TopicArn=arn, Protocol="email", Endpoint=site.settings.alerts)
        return f"AWS has written to {site.settings.alerts}: confirm there, or no alarm will arrive"
    return ""


def remove(site: Site) -> None:
    """Remove the topic with its subscriptions."""
    if _attributes(site) is not None:
        site.aws.client("sns").delete_topic(TopicArn=topic_arn(site.scope))


def _attributes(site: Site) -> dict[str, str] | None:
    sns = site.aws.client("sns")
    found = if_exists(lambda: sns.get_topic_attributes(TopicArn=topic_arn(site.scope)))
    return found["Attributes"] if found else None


def _can_end(subscription: str) -> bool:
    """One that waits for its confirmation has no ARN and cannot be ended: it does so by itself in a few days."""
    return subscription.startswith("arn:")


def _subscribed(site: Site) -> dict[str, str]:
    """Subscriptions' ARNs by e-mail address."""
    pages = (
        site.aws.client("sns")
        .get_paginator("list_subscriptions_by_topic")
        .paginate(TopicArn=topic_arn(site.scope))
    )
    return {one["Endpoint"]: one["SubscriptionArn"] for page in pages for one in page["Subscriptions"]}
