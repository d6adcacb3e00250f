"""What can go wrong in the lifecycle app, as one tree.

LifecycleError
├── SettingsError          the environment lacks a variable, or has a wrong value in it
├── EventRefused           an event that is not acted upon, with the reason
│   ├── MalformedEvent     lacks a required field
│   ├── ForeignEvent       is not about a worker of this cluster
│   └── OtherCluster       is about another cluster's worker
├── RecordError
│   ├── RecordConflict     the record was written since it was read
│   ├── BadRecord          it cannot be understood, or DynamoDB does not take it
│   └── StoreUnavailable   DynamoDB could not be asked, or did not answer
│       └── NoTable        the table does not exist
├── NotNow                 cannot be done now: Lambda retries the event
├── HubError
│   ├── HubUnreachable     no connection: the hub is down
│   └── HubAnswerOdd       the answer cannot be used: nothing is known
├── StrangeMetrics         someone fills the cluster's namespace with metrics, which cost money
└── CloudError             an AWS call failed, with its code
    ├── StopRejected       EC2 did not accept StopInstances
    └── TerminationRejected  EC2 did not accept TerminateInstances
"""

from lifecycle_app.printable import PrintableError


class LifecycleError(PrintableError):
    """Root of this package's errors."""


class SettingsError(LifecycleError):
    """The environment lacks a variable, or has a wrong value in it."""


class EventRefused(LifecycleError):
    """An event that is not acted upon; the message says why."""


class MalformedEvent(EventRefused):
    """The event lacks a required field, or has something else there."""


class ForeignEvent(EventRefused):
    """The event is not about a worker of this cluster."""


class OtherCluster(EventRefused):
    """The event is about a worker of another cluster."""


class RecordError(LifecycleError):
    """A record could not be read or written."""


class RecordConflict(RecordError):
    """The record was written since it was read: read again, decide again."""


class BadRecord(RecordError):
    """A record that cannot be understood, or that DynamoDB does not take. Nothing is known of this worker, so nothing
    may be guessed, launched or overwritten. It says nothing about any other worker.

    `instance_id` and `home_volume` are as far as they can be read, else "".
    """

    def __init__(self, key: str, problem: str, instance_id: str = "", home_volume: str = "") -> None:
        super().__init__(f"the record of {key} cannot be used: {problem}")
        self.key = key
        self.problem = problem
        self.instance_id = instance_id
        self.home_volume = home_volume


class StoreUnavailable(RecordError):
    """DynamoDB could not be asked, or did not answer: nothing is known about the record."""


class NoTable(StoreUnavailable):
    """The table does not exist: the cluster is not built, or not here."""


class NotNow(LifecycleError):
    """The event's request cannot be carried out now: Lambda retries it."""


class HubError(LifecycleError):
    """The hub could not be asked, or its answer could not be used."""


class HubUnreachable(HubError):
    """There is no connection to the hub, or only to the proxy in front of it: the hub is down."""


class HubAnswerOdd(HubError):
    """The hub's answer cannot be used: nothing is known."""


class StrangeMetrics(LifecycleError):
    """Someone fills the cluster's namespace with metrics of no worker, which cost money each."""


THROTTLED = ("RequestLimitExceeded", "Throttling", "ThrottlingException")
"""Codes of requests that AWS refuses because there were too many."""


class CloudError(LifecycleError):
    """An AWS call failed; `code` is AWS's error code."""

    def __init__(self, operation: str, code: str, message: str) -> None:
        super().__init__(f"{operation}: {code}: {message}")
        self.operation = operation
        self.code = code


class StopRejected(CloudError):
    """EC2 did not accept StopInstances."""


class TerminationRejected(CloudError):
    """EC2 did not accept TerminateInstances."""
