"""What happens to an event that a function could not handle: tried again, then kept in the dead-letter queue.

Chalice can set neither. Pure: requests for SQS, Lambda and EventBridge.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bootstrap.aws import names
from bootstrap.aws.scope import Scope
from lifecycle_app.model.worker import TAG_CLUSTER

KEPT = timedelta(days=14)  # the longest that SQS knows
RULE_TRIES = 185  # EventBridge's most and default; the age ends it earlier


@dataclass(frozen=True, slots=True)
class Patience:
    """How often Lambda tries an event again (at most twice), and how old it may become before it is given up."""

    retries: int
    age: timedelta


PATIENCE: Mapping[str, Patience] = {
    # A state is recorded under the event's own time: late is right too, and nothing else tells it before reconcile.
    "record_state": Patience(2, timedelta(hours=6)),
    # Whoever looks decides by what is known then; an hour later the sweep has looked a dozen times.
    "idle_alarm": Patience(2, timedelta(hours=1)),
    # After an hour nobody waits for a pressed Stop any more; the queue tells the administrator of it.
    "stop_requested": Patience(2, timedelta(hours=1)),
    # The next run does all that a failed one left, so that a retry may not reach into the next but one.
    "record_activity": Patience(0, timedelta(minutes=1)),
    "sweep": Patience(2, timedelta(minutes=5)),
    "reconcile": Patience(2, timedelta(minutes=15)),
}


def queue_arn(scope: Scope) -> str:
    return scope.arn("sqs", names.dead_letter_queue(scope.cluster))


def function_arn(scope: Scope, handler: str) -> str:
    return scope.arn("lambda", f"function:{names.function(scope.cluster, handler)}")


def rule_name(scope: Scope, handler: str) -> str:
    return names.rule(names.function(scope.cluster, handler))


def queue_attributes(scope: Scope) -> dict[str, str]:
    """The queue's attributes as SQS wants and tells them: text."""
    return {
        "MessageRetentionPeriod": str(int(KEPT.total_seconds())),
        "SqsManagedSseEnabled": "true",
        "Policy": json.dumps(queue_policy(scope)),
    }


def queue_policy(scope: Scope) -> dict[str, Any]:
    """Nobody without TLS; EventBridge for this cluster's rules. The functions send by their own roles."""
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


def queue_tags(scope: Scope) -> dict[str, str]:
    return {TAG_CLUSTER: scope.cluster}


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
    """A rule's targets as Chalice made them, with EventBridge's own retries and dead letters.

    These are for events that Lambda did not even take: it was down, or the function's permission is gone.
    """
    policy = {
        "MaximumRetryAttempts": RULE_TRIES,
        "MaximumEventAgeInSeconds": int(PATIENCE[handler].age.total_seconds()),
    }
    return [
        {**target, "RetryPolicy": policy, "DeadLetterConfig": {"Arn": queue_arn(scope)}} for target in targets
    ]
