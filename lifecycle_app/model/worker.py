"""A worker's record, and its instance as EC2 describes it. Times are aware UTC datetimes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from lifecycle_app.errors import BadRecord
from lifecycle_app.model.messages import NOTHING, Message

EPOCH = datetime.fromtimestamp(0, UTC)
"""Earlier than everything recorded."""
OVERLAP = timedelta(minutes=5)
"""The index of changes is eventually consistent, and a record has the time at which its writer began, up to two minutes
before."""


class State(StrEnum):
    """EC2's names of an instance's state; its `shutting-down` is recorded as terminated."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    TERMINATED = "terminated"

    @property
    def costs(self) -> bool:
        """Does an instance in this state need watching, because it costs money or soon will?"""
        return self in (State.PENDING, State.RUNNING, State.STOPPING)


def worker_key(user: str, server: str = "") -> str:
    """The key of a user's server: the user's name, followed by `/` and the server's name if it has one.

    Raises ValueError for a user without a name or with a `/` in it, which JupyterHub does not allow either.
    """
    if not user or "/" in user:
        raise ValueError(f"not a user name: {user!r}")
    return f"{user}/{server}" if server else user


def split(key: str) -> tuple[str, str]:
    """The user's and the server's name in a key; the server's is "" for the default one."""
    user, _, server = key.partition("/")
    return user, server


def worker_name(zone: str, cluster: str) -> str:
    """The `Name` tag of a worker."""
    return f"JUPYTER_HUB_{zone}_{cluster}_WORKER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One user's instance as recorded.

    `stopping` with `claimed_until` set means claimed: a function is deciding whether to stop it, and it still runs; or,
    with `removing`, whether to terminate it, and it is stopped. `stopping` without it means that EC2 has accepted the
    stop.
    """

    key: str
    instance_id: str
    state: State
    state_at: datetime
    """When it came into this state, by EC2's event."""
    version: int
    """How often the record was written; 0 before the first time."""
    changed_at: datetime
    address: str | None = None
    instance_type: str = ""
    zone: str = ""
    home_volume: str | None = None
    """The user's home disk, if it is not on the root disk; kept when the instance is gone."""
    home_attached: bool = True
    """Does EC2 show the home disk attached to this instance? True where there is none."""
    started_at: datetime | None = None
    """When this run became `running`; None while it does not run."""
    last_activity: datetime | None = None
    """The newest activity that counts by the worker's policy."""
    last_interaction: datetime | None = None
    """The newest activity of a user."""
    message: Message = NOTHING
    """The activity seen last, or why it was kept or stopped."""
    due_at: datetime | None = None
    """When the sweep should check it next."""
    claimed_until: datetime | None = None
    removing: bool = False
    """Is the claim for terminating the instance, which is stopped, and not for stopping it?"""
    stop_reason: str | None = None
    decided: str = ""
    """The reason of the last decision that went into the history."""
    hub_odd_since: datetime | None = None
    """Since when the hub has given no usable answer about stopping it."""
    keep_until: datetime | None = None
    """It is not stopped before, unless by request."""
    keep_by: str = ""
    """Who asked for that; "" for an operator of an older version."""
    keep_request: str = ""
    """The id of the request to keep it that was answered last; "" for none."""
    keep_refusal: str = ""
    """Why that request was refused: a `KeepRefusal`; "" if it was granted."""
    seconds_run: int = 0
    """Seconds of all finished runs."""
    month: str = ""
    """The month (UTC, like 2026-11) in which its last run ended; "" before the first one that was counted."""
    month_seconds: int = 0
    """Seconds that its finished runs ran in that month."""
    month_dollars: float = 0.0
    """What they cost in that month, in US dollars, as far as their prices are known."""
    over_budget_since: datetime | None = None
    """Since when a budget of its user's is used up; None while none is, or the worker does not run."""
    over_budget_of: str = ""
    """The scope whose budget that is: the user's own, or one that is shared; "" while none is used up."""
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for attribute in fields(self):
            value = getattr(self, attribute.name)
            if isinstance(value, datetime) and value.utcoffset() != timedelta(0):
                raise ValueError(f"worker {self.key}: {attribute.name} is not an aware UTC time: {value!r}")

    @property
    def user(self) -> str:
        """The name of the user it belongs to."""
        return split(self.key)[0]

    @property
    def server(self) -> str:
        """The name of the user's server; "" for the default one."""
        return split(self.key)[1]

    @property
    def owns_resources(self) -> bool:
        """Does it still have an instance or a home disk, which cost money?"""
        return self.state is not State.TERMINATED or self.home_volume is not None

    def is_claimed(self, now: datetime) -> bool:
        """Is a function deciding about it, with a lease that has not expired?"""
        return self.state is State.STOPPING and self.claimed_until is not None and now < self.claimed_until

    def is_abandoned(self, now: datetime) -> bool:
        """Did its claim's lease expire, so that it still is as before the claim and no function decides about it?"""
        return self.state is State.STOPPING and self.claimed_until is not None and now >= self.claimed_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An instance that carries a worker's tags."""

    key: str
    cluster: str
    instance_id: str
    state: State
    launched_at: datetime
    """When it was last started."""
    address: str | None = None
    instance_type: str = ""
    zone: str = ""
    home_volume: str | None = None
    """The disk beside the root disk, if it has one."""
    home_attached: bool = True
    """Is that disk attached, and not only being attached? True where there is none."""


@dataclass(frozen=True, slots=True)
class Scan:
    """All workers that can be read, and the records that cannot."""

    workers: list[Worker]
    bad: list[BadRecord] = field(default_factory=list)

    @property
    def bad_keys(self) -> frozenset[str]:
        """The workers whose records cannot be used."""
        return frozenset(one.key for one in self.bad)


def changes_from(known: Iterable[Worker], now: datetime) -> datetime:
    """From when on to ask for changed records, after these were read; EPOCH for the first time."""
    newest = max((worker.changed_at for worker in known), default=None)
    # A record with a time in the future must not hide all changes until then.
    return min(newest, now) - OVERLAP if newest else EPOCH
