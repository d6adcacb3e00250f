"""What can go wrong in the lifecycle app, as one tree.

LifecycleError
├── SettingsError          the environment lacks a variable, or has a wrong value in it
├── EventRefused           an event that is not acted upon, with the reason
│   ├── MalformedEvent     lacks what it must have
│   ├── ForeignEvent       is about something that is no worker of ours
│   └── OtherCluster       is about another cluster's worker
├── RecordError
│   ├── RecordConflict     somebody else wrote the record since it was read
│   ├── BadRecord          there is one, but it cannot be understood, or DynamoDB does not take it
│   └── StoreUnavailable   DynamoDB could not be asked, or did not answer
│       └── NoTable        the table does not exist
├── NotNow                 cannot be done at this moment: the platform brings the event again
├── HubError
│   ├── HubUnreachable     nobody listens there: the hub is down
│   └── HubAnswerOdd       it answered, but not what was asked: nothing is known
└── CloudError             an AWS call failed, with its code
    └── StopRejected       EC2 did not accept StopInstances
"""


class LifecycleError(Exception):
    """Root of this package's errors."""


class SettingsError(LifecycleError):
    """The environment lacks a variable, or has a wrong value in it."""


class EventRefused(LifecycleError):
    """An event that is not acted upon; the message says why."""


class MalformedEvent(EventRefused):
    """The event lacks what it must have, or has something else there."""


class ForeignEvent(EventRefused):
    """The event is about something that is no worker of ours."""


class OtherCluster(EventRefused):
    """The event is about a worker of another cluster."""


class RecordError(LifecycleError):
    """A record could not be read or written."""


class RecordConflict(RecordError):
    """Somebody else wrote the record since it was read: read again, decide again."""


class BadRecord(RecordError):
    """A record that cannot be understood, or that DynamoDB does not take: of this worker nothing is known, and nobody
    may guess, launch or overwrite. It says nothing about any other worker.

    `instance_id` and `home_volume` are what can still be read of it, "" where that is nothing.
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
    """What an event asks for cannot be done at this moment: the platform brings it again."""


class HubError(LifecycleError):
    """The hub was of no help."""


class HubUnreachable(HubError):
    """Nobody listens at the hub's address, or only the proxy before it: the hub is down."""


class HubAnswerOdd(HubError):
    """The hub answered, but not what was asked for: nothing is known."""


class CloudError(LifecycleError):
    """An AWS call failed; `code` is AWS's own word for it."""

    def __init__(self, operation: str, code: str, message: str) -> None:
        super().__init__(f"{operation}: {code}: {message}")
        self.operation = operation
        self.code = code


class StopRejected(CloudError):
    """EC2 did not accept StopInstances."""
