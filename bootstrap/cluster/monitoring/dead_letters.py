"""Events that a function failed on: retried, then kept in the dead-letter queue. Chalice sets up neither.

First the requests for SQS, Lambda and EventBridge, which are pure; then the calls that apply, compare and remove them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from bootstrap.aws import names
from bootstrap.aws.errors import if_exists
from bootstrap.aws.scope import Scope
from bootstrap.aws.site import Site
from bootstrap.aws.tags import tags_of_cluster
from bootstrap.aws.waiting import repeated

KEPT = timedelta(days=14)  # the longest that SQS knows
RULE_TRIES = 185  # EventBridge's most and default; the age ends it earlier


@dataclass(frozen=True, slots=True)
class Patience:
    """How often Lambda tries an event again (at most twice), and how old it may become before it is given up."""

    retries: int
    age: timedelta


PATIENCE: Mapping[str, Patience] = {
    # A state is recorded under the event's own time: late is right too, and nothing else reports it before reconcile.
    "record_state": Patience(2, timedelta(hours=6)),
    # The function decides by what is known when it runs; an hour later the sweep has run a dozen times.
    "idle_alarm": Patience(2, timedelta(hours=1)),
    # After an hour no user waits for the stop; the event in the queue informs the administrator.
    "stop_requested": Patience(2, timedelta(hours=1)),
    # These requests are void after a minute, and who made them was told that there was no answer.
    "keep_requested": Patience(0, timedelta(minutes=1)),
    "change_policy": Patience(0, timedelta(minutes=1)),
    # The next run does all that a failed one left, so that a retry may not reach into the next but one.
    "record_activity": Patience(0, timedelta(minutes=1)),
    "sweep": Patience(2, timedelta(minutes=5)),
    "reconcile": Patience(2, timedelta(minutes=15)),
    "remove_stopped": Patience(0, timedelta(minutes=15)),
    # As record_activity: the next run looks at all homes again.
    "grow_homes": Patience(0, timedelta(minutes=5)),
}


def queue_arn(scope: Scope) -> str:
    """Where events go that were given up."""
    return scope.arn("sqs", names.dead_letter_queue(scope.cluster))


def function_arn(scope: Scope, handler: str) -> str:
    """The function of one of app.py's handlers."""
    return scope.arn("lambda", f"function:{names.function(scope.cluster, handler)}")


def rule_name(scope: Scope, handler: str) -> str:
    """The EventBridge rule that invokes a handler's function."""
    return names.rule(names.function(scope.cluster, handler))


def queue_attributes(scope: Scope) -> dict[str, str]:
    """The queue's attributes as SQS takes and returns them: text."""
    return {
        "MessageRetentionPeriod": str(int(KEPT.total_seconds())),
        "SqsManagedSseEnabled": "true",
        "Policy": json.dumps(queue_policy(scope)),
    }


def queue_policy(scope: Scope) -> dict[str, Any]:
    """Nothing without TLS; EventBridge for this cluster's rules. The functions send by their own roles."""
    rules = [scope.arn("events", f"rule/{rule_name(scope, handler)}") for handler in names.HANDLERS]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyEncrypted",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sqs:*",
                "Resource": queue_arn(scope),
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
            {
                "Sid": "UndeliveredEvents",
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn(scope),
                "Condition": {"ArnEquals": {"aws:SourceArn": rules}},
            },
        ],
    }


def invoke_config(scope: Scope, handler: str) -> dict[str, Any]:
    """PutFunctionEventInvokeConfig's arguments."""
    patience = PATIENCE[handler]
    return {
        "FunctionName": names.function(scope.cluster, handler),
        "MaximumRetryAttempts": patience.retries,
        "MaximumEventAgeInSeconds": int(patience.age.total_seconds()),
        "DestinationConfig": {"OnFailure": {"Destination": queue_arn(scope)}},
    }


def with_patience(scope: Scope, handler: str, targets: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A rule's targets as Chalice made them, with EventBridge's own retries and the dead-letter queue.

    These are for events that Lambda did not accept: it was down, or the function's permission is missing.
    """
    policy = {
        "MaximumRetryAttempts": RULE_TRIES,
        "MaximumEventAgeInSeconds": int(PATIENCE[handler].age.total_seconds()),
    }
    return [
        {**target, "RetryPolicy": policy, "DeadLetterConfig": {"Arn": queue_arn(scope)}} for target in targets
    ]


KNOWN_WITHIN = 60.0
"""Seconds in which Lambda learns of a new queue, and of a role's right to send to it."""


def differences(site: Site) -> Iterator[str]:
    """What is not as it should be, in short."""
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
            tags=tags_of_cluster(site.settings),
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
