"""What a policy would do at once, by the records alone: an estimate, for neither CloudWatch nor a machine is asked.

The decision's own time of the next check says it. A record has the activity of the last minute or two, judged by the
policy that held then; before a stop, the lifecycle app looks at the newest reports, and the hub asks the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from lifecycle_app.contract import REPORT_PERIOD
from lifecycle_app.model.decision import next_check
from lifecycle_app.model.evidence import Evidence
from lifecycle_app.model.policy import policy_for
from lifecycle_app.model.worker import State, Worker

NOTHING_MORE = Evidence(period=REPORT_PERIOD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The running workers by what would become of them, each by its key."""

    due: Mapping[str, timedelta]
    """Would be stopped at the next check: how long each has been idle."""
    kept: tuple[str, ...]
    """Run because a user or an operator asked to keep them."""
    later: tuple[str, ...]
    """Run on, and would be stopped later if nothing happens."""


def outlook(workers: Iterable[Worker], texts: Mapping[str, str], now: datetime) -> Outlook:
    """What these policies, as JSON by scope, mean for the workers at this moment."""
    due: dict[str, timedelta] = {}
    kept, later = list[str](), list[str]()
    for worker in workers:
        if worker.state is not State.RUNNING:
            continue
        policy = policy_for(worker.user, worker.groups, texts)
        if next_check(worker, NOTHING_MORE, policy, now) <= now:
            started = worker.started_at or worker.state_at
            due[worker.key] = now - max(started, worker.last_activity or started)
        elif worker.keep_until is not None and now < worker.keep_until:
            kept.append(worker.key)
        else:
            later.append(worker.key)
    return Outlook(due=due, kept=tuple(kept), later=tuple(later))
