"""What can go wrong in the hub's part, as one tree.

HubPartError
├── SettingsError        the environment lacks a variable, or has a wrong value in it
├── StartError           a worker could not be started; the message is what its user reads
│   ├── NoCapacity       AWS has no machine of an allowed type free
│   ├── QuotaReached     the account's quota of vCPUs is used up
│   ├── NoAddresses      the worker subnets are full
│   ├── NotStartable     the instance is in a state from which it cannot be started
│   ├── InstanceGone     EC2 does not know the instance
│   ├── CloudBusy        EC2 still throttles after many tries
│   ├── CloudRefused     EC2 refused for another reason, or cannot be reached
│   ├── RecordsUnavailable    the workers' records cannot be read
│   └── RecordUnusable    the worker's record can be read, but not understood
├── IdentityError        an answer to a worker that asks for its environment
│   ├── NotProven        it did not prove which instance it is
│   ├── NotOurWorker     it is an instance, but not a worker of this cluster
│   ├── NotReady         it is known, but nobody waits for it now
│   └── TooManyTries     too many attempts that proved nothing
├── WorkerSilent         a worker did not tell what goes on in it
├── SignUpRefused        an account is not made
└── StopNotSent          the stop request could not be put on the event bus
"""


class HubPartError(Exception):
    """Root of this package's errors."""


class SettingsError(HubPartError):
    """The environment lacks a variable, or has a wrong value in it; the message names the mend."""


class StartError(HubPartError):
    """A worker could not be started; the message is what its user reads."""

    label = "start"


class NoCapacity(StartError):
    """AWS has no machine of an allowed type free."""

    label = "capacity"


class QuotaReached(StartError):
    """The account's quota of vCPUs is used up."""

    label = "quota"


class NoAddresses(StartError):
    """The worker subnets have no free address."""

    label = "addresses"


class NotStartable(StartError):
    """The instance is in a state from which it cannot be started."""

    label = "state"


class InstanceGone(StartError):
    """EC2 does not know the instance; for a young one this proves nothing."""

    label = "gone"


class CloudBusy(StartError):
    """EC2 still throttles after many tries."""

    label = "throttled"


class CloudRefused(StartError):
    """EC2 refused for a reason that trying again does not mend, or cannot be reached."""

    label = "refused"


class RecordsUnavailable(StartError):
    """The workers' records cannot be read, so that nobody knows what the instance is doing."""

    label = "records"


class RecordUnusable(StartError):
    """The worker's record cannot be understood, so that nobody knows which instance it has."""

    label = "record"


class IdentityError(HubPartError):
    """An answer to a worker that asks for its environment; `status` is the HTTP one."""

    status = 401


class NotProven(IdentityError):
    """It did not prove which instance it is."""


class NotOurWorker(IdentityError):
    """It is an instance, but not a worker of this cluster."""

    status = 403


class NotReady(IdentityError):
    """It is known, but nobody waits for it now, or its home is not there yet: ask again later."""

    status = 409


class TooManyTries(IdentityError):
    """Too many attempts that proved nothing."""

    status = 429


class WorkerSilent(HubPartError):
    """A worker did not tell what goes on in it; `answers` if it answered all the same, with whatever HTTP status."""

    def __init__(self, words: str, *, answers: bool) -> None:
        super().__init__(words)
        self.answers = answers


class StopNotSent(HubPartError):
    """The stop request could not be put on the event bus."""


class SignUpRefused(HubPartError):
    """An account is not made; the message is what whoever asked for it reads."""
