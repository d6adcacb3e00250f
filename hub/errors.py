"""What can go wrong in the hub, as one tree.

HubPartError
├── SettingsError           the hub's settings or secrets are missing or wrong
├── DatabaseUnusable        JupyterHub's database, or a backup of it, cannot be read or written
├── StartError              a worker could not be started; the message is for its user
│   ├── NoCapacity          AWS has no instance of an allowed type available
│   ├── QuotaReached        the account's quota of vCPUs is used up
│   ├── NoAddresses         the worker subnets are full
│   ├── NotStartable        the instance is in a state from which it cannot be started
│   ├── InstanceGone        EC2 does not find the instance
│   ├── CloudBusy           EC2 still throttles after many tries
│   ├── CloudRefused        EC2 refused for another reason, or cannot be reached
│   ├── RecordsUnavailable  the workers' records cannot be read
│   ├── RecordUnusable      the worker's record is damaged
│   ├── HomeUnusable        its home disk cannot be mounted
│   ├── HomeInUse           its home disk is not free yet
│   ├── SeveralHomes        EC2 has more than one home disk of it, and no record says which
│   └── OverBudget          its user's budget of the month is used up
├── IdentityError           why a worker does not get its environment
│   ├── NotProven           it did not prove which instance it is
│   ├── NotOurWorker        it is an instance, but not a worker of this cluster
│   ├── NotReady            it is known, but no start waits for it now
│   └── TooManyTries        too many failed attempts
├── WorkerSilent            a worker did not report its activity
├── SignUpRefused           an account is not created
├── StopNotSent             the stop request could not be put on the event bus
├── KeepNotSent             the request to keep a machine running could not be put there
└── SettingsNotSent         the request to change a policy could not be put there
"""

from collections.abc import Sequence
from datetime import timedelta

from lifecycle_app.printable import PrintableError

CANNOT_START = "cloudJHub's hub cannot start"
"""What the hub's last line begins with, by which `up` and `doctor` find the reason in its log."""
RESTORED = "JupyterHub's database is restored"
NOT_RESTORED = "JupyterHub's database is not restored"
"""What the lines begin with by which `cloudjhub restore` sees how its request ended; a backup's key follows."""


class HubPartError(PrintableError):
    """Root of this package's errors."""


class SettingsError(HubPartError):
    """The hub's settings or secrets are missing or wrong; the message says how to fix that."""


class DatabaseUnusable(HubPartError):
    """JupyterHub's database, or a backup of it, cannot be read or written."""


class StartError(HubPartError):
    """A worker could not be started; the message is for its user."""

    label = "start"
    status = 503
    """Of HTTP, where a program asked for the start."""
    retry_in: timedelta | None = None
    """After how long another try may well succeed; None if that takes a person."""


class NoCapacity(StartError):
    """AWS has no instance of an allowed type available."""

    label = "capacity"
    retry_in = timedelta(seconds=60)


class QuotaReached(StartError):
    """The account's quota of vCPUs is used up."""

    label = "quota"


class NoAddresses(StartError):
    """The worker subnets have no free address."""

    label = "addresses"


class NotStartable(StartError):
    """The instance is in a state from which it cannot be started."""

    label = "state"
    retry_in = timedelta(seconds=30)


class InstanceGone(StartError):
    """EC2 does not find the instance; for a young one this proves nothing."""

    label = "gone"
    retry_in = timedelta(seconds=10)


class CloudBusy(StartError):
    """EC2 still throttles after many tries."""

    label = "throttled"
    retry_in = timedelta(seconds=30)


class CloudRefused(StartError):
    """EC2 refused for a reason that another try does not change, or cannot be reached."""

    label = "refused"


class BackupGone(CloudRefused):
    """The backup that a launch named does not exist any more."""

    label = "backup"


class RecordsUnavailable(StartError):
    """The workers' records cannot be read, so the state of the instance is unknown."""

    label = "records"
    retry_in = timedelta(seconds=30)


class RecordUnusable(StartError):
    """The worker's record is damaged, so its instance is unknown."""

    label = "record"


class HomeUnusable(StartError):
    """The worker's home disk cannot be mounted, so that it starts no server."""

    label = "home"


class HomeInUse(StartError):
    """The worker's home disk is still attached to another instance."""

    label = "home"
    retry_in = timedelta(seconds=30)


class SeveralHomes(StartError):
    """EC2 has several free disks of the worker, and no record says which one is its home."""

    label = "home"

    def __init__(self, volumes: Sequence[str]) -> None:
        super().__init__(
            f"AWS has {len(volumes)} home disks of yours, and the hub does not choose one of them. Your files are safe."
            " Tell your administrator: `cloudjhub doctor` names the disks."
        )
        self.volumes = tuple(volumes)


class OverBudget(StartError):
    """The budget of the worker's user is used up for this month."""

    label = "budget"
    status = 403


class IdentityError(HubPartError):
    """Why a worker does not get its environment; `status` is the HTTP one."""

    status = 401


class NotProven(IdentityError):
    """It did not prove which instance it is."""


class NotOurWorker(IdentityError):
    """It is an instance, but not a worker of this cluster."""

    status = 403


class NotReady(IdentityError):
    """It is known, but no start waits for it now, or its home disk is not attached yet: ask again later."""

    status = 409


class TooManyTries(IdentityError):
    """Too many failed attempts."""

    status = 429


class WorkerSilent(HubPartError):
    """A worker did not report its activity; `answers` if it answered anyway, with whatever HTTP status."""

    def __init__(self, message: str, *, answers: bool) -> None:
        super().__init__(message)
        self.answers = answers


class StopNotSent(HubPartError):
    """The stop request could not be put on the event bus."""


class SignUpRefused(HubPartError):
    """An account is not created; the message is for the person who signs up."""


class SettingsNotSent(HubPartError):
    """The request to change a policy could not be put on the event bus."""


class KeepNotSent(HubPartError):
    """The request to keep a machine running could not be put on the event bus."""
