"""An instance as EC2 describes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lifecycle_app.worker import State


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
    """Is that disk there, and not only on its way? True where there is none."""
