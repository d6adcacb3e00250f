"""What the spawner and the handlers of one hub share; built once, in `hub.wiring`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from hub.clients.calls import Calls
from hub.clients.lifecycle import Reader, StopRequests
from hub.clients.workers import Workers
from hub.config.settings import Settings
from hub.identity import Identities
from hub.spawn.instances import Homes
from hub.spawn.protocol import Startup
from hub.spawn.starter import Starter
from lifecycle_app.adapters.store import WorkerStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The clients and the shared state; `now` is the clock."""

    settings: Settings
    token_key: str
    """Workers' tokens are derived from it."""
    store: WorkerStore
    calls: Calls
    starter: Starter
    startup: Startup
    homes: Homes
    reader: Reader
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
