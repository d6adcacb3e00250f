"""The dead-letter queue at SQS, and what sends to it: functions that gave an event up, rules that could not deliver."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from bootstrap.aws import names
from bootstrap.aws.errors import if_exists
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import repeated
from bootstrap.cluster.monitoring.failures import (
    invoke_config,
    queue_attributes,
    queue_tags,
    rule_name,
    with_patience,
)

KNOWN_WITHIN = 60.0
"""Seconds in which Lambda learns of a new queue, and of a role's right to send to it."""


def differences(site: Site) -> Iterator[str]:
    """What is not as it should be, in a few words each."""
    url = find(site)
    if url is None:
        yield "dead-letter queue"
    elif not _has(_attributes(site, url), queue_attributes(site.scope)):
        yield "dead-letter queue's settings"
    for handler in names.HANDLERS:
        if _invoke_config(site, handler) != invoke_config(site.scope, handler):
            yield f"retries of {handler}"
        targets = _targets(site, handler)
        if not targets or targets != with_patience(site.scope, handler, targets):
            yield f"retries of the rule of {handler}"


def apply(site: Site) -> None:
    """Make the queue, and have everything send to it what failed for good."""
    scope, sqs = site.scope, site.aws.client("sqs")
    url = find(site)
    if url is None:
        sqs.create_queue(
            QueueName=names.dead_letter_queue(site.cluster),
            Attributes=queue_attributes(scope),  # type: ignore[arg-type]  # attributes by AWS's names
            tags=queue_tags(scope),
        )
    elif not _has(_attributes(site, url), queue_attributes(scope)):
        sqs.set_queue_attributes(QueueUrl=url, Attributes=queue_attributes(scope))  # type: ignore[arg-type]
    for handler in names.HANDLERS:
        if _invoke_config(site, handler) != invoke_config(scope, handler):
            put = partial(
                site.aws.client("lambda").put_function_event_invoke_config, **invoke_config(scope, handler)
            )
            repeated(put, ("InvalidParameterValueException",), KNOWN_WITHIN)
        targets = _targets(site, handler)
        wanted: Any = with_patience(scope, handler, targets)
        if targets != wanted:
            site.aws.client("events").put_targets(Rule=rule_name(scope, handler), Targets=wanted)


def find(site: Site) -> str | None:
    """The queue's URL, if there is one."""
    sqs = site.aws.client("sqs")
    found = if_exists(lambda: sqs.get_queue_url(QueueName=names.dead_letter_queue(site.cluster)))
    return found["QueueUrl"] if found else None


def remove(site: Site) -> None:
    """Remove the queue with what is in it. The retries go with functions and rules."""
    url = find(site)
    if url is not None:
        site.aws.client("sqs").delete_queue(QueueUrl=url)


def _attributes(site: Site, url: str) -> Mapping[str, str]:
    found: Mapping[Any, str] = site.aws.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["All"]
    )["Attributes"]
    return found


def _has(found: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """SQS keeps a policy's meaning, not its spelling."""
    policy = found.get("Policy")
    if policy is None or json.loads(policy) != json.loads(wanted["Policy"]):
        return False
    return all(found.get(name) == value for name, value in wanted.items() if name != "Policy")


def _invoke_config(site: Site, handler: str) -> dict[str, Any]:
    """As `failures.invoke_config` has it; {} where nothing is set."""
    name = names.function(site.cluster, handler)
    client = site.aws.client("lambda")
    found = if_exists(lambda: client.get_function_event_invoke_config(FunctionName=name))
    if found is None:
        return {}
    failed = found.get("DestinationConfig", {}).get("OnFailure", {})
    return {
        "FunctionName": name,
        "MaximumRetryAttempts": found.get("MaximumRetryAttempts"),
        "MaximumEventAgeInSeconds": found.get("MaximumEventAgeInSeconds"),
        "DestinationConfig": {"OnFailure": failed},
    }


def _targets(site: Site, handler: str) -> list[dict[str, Any]]:
    events = site.aws.client("events")
    found = if_exists(lambda: events.list_targets_by_rule(Rule=rule_name(site.scope, handler)))
    return [dict(target) for target in found["Targets"]] if found else []
