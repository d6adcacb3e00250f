"""What the lifecycle app does, one module for each trigger: read, decide, act. What needs no I/O belongs in `model`."""

from lifecycle_app.use_cases.activity import record_activity
from lifecycle_app.use_cases.growth import grow_homes, mark_homes
from lifecycle_app.use_cases.keeps import keep_requested
from lifecycle_app.use_cases.policies import change_policy
from lifecycle_app.use_cases.ports import Service
from lifecycle_app.use_cases.reconcile import reconcile
from lifecycle_app.use_cases.removal import remove_stopped
from lifecycle_app.use_cases.states import record_state
from lifecycle_app.use_cases.triggers import idle_alarm, stop_requested, sweep

__all__ = [
    "Service",
    "change_policy",
    "grow_homes",
    "idle_alarm",
    "keep_requested",
    "mark_homes",
    "reconcile",
    "record_activity",
    "record_state",
    "remove_stopped",
    "stop_requested",
    "sweep",
]
