"""What the parts of the hub share, and what is known of a server's instance."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from hub.clients.calls import Calls
from hub.clients.lifecycle import Reader, StopRequests
from hub.clients.policies import Budgets
from hub.clients.workers import Workers
from hub.config.settings import Settings
from hub.identity import Identities
from hub.spawn.instances import Homes
from hub.spawn.launcher import Launcher
from hub.spawn.protocol import StartProtocol
from lifecycle_app.adapters.store import WorkerStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the spawner and the handlers share; built once, in `hub.wiring`. `now` is the clock."""

    settings: Settings
    token_key: str
    """Workers' tokens are derived from it."""
    store: WorkerStore
    calls: Calls
    launcher: Launcher
    protocol: StartProtocol
    homes: Homes
    reader: Reader
    budgets: Budgets
    stops: StopRequests
    workers: Workers
    identities: Identities
    now: Callable[[], datetime]


class WithParts:
    """A handler whose route passes the parts to it."""

    parts: Parts

    def initialize(self, parts: Parts) -> None:
        """Called by Tornado with the route's keyword arguments."""
        self.parts = parts


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInstance:
    """The instance that a server runs on, as far as it is known; `id` is "" for none."""

    id: str = ""
    address: str = ""
    alive_at: datetime | None = None
    """When the server was last known to be up; older records are not about this run."""


@dataclass(slots=True)
class PendingKeep:
    """A user's request to keep the machine running, which has no answer yet: no idle machine is stopped meanwhile."""

    until: datetime
    """From then on it does not count, whatever became of it."""
    has_refused: bool = False
    """Was a drain refused because of it? Then the claim behind that drain is given up."""

    def counts(self, now: datetime) -> bool:
        """Does it still keep drains from releasing the server?"""
        return now < self.until
