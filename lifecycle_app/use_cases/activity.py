"""The newest activity of every running worker, written to the records."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from lifecycle_app.concurrency import batches
from lifecycle_app.contract import Level
from lifecycle_app.errors import BadRecord, HubError, RecordConflict
from lifecycle_app.model.budget import month_begin, used_up, with_budget
from lifecycle_app.model.decision import Reason, next_check
from lifecycle_app.model.evidence import Evidence
from lifecycle_app.model.history import cost
from lifecycle_app.model.messages import Message, message
from lifecycle_app.model.policy import Limit, Policy, policy_for
from lifecycle_app.model.transitions import with_due, with_reports
from lifecycle_app.model.worker import State, Worker
from lifecycle_app.use_cases.ports import Service
from lifecycle_app.use_cases.records import policy_texts

log = logging.getLogger(__name__)

LOOK_BACK = timedelta(minutes=15)
"""Reports older than this were seen by an earlier pass; decisions consider the whole time anyway."""


def record_activity(service: Service, now: datetime) -> dict[str, int]:
    """Writes what has changed of the running workers' activity, groups, budgets and due times, and counts it."""
    running = [worker for worker in service.store.costing() if worker.state is State.RUNNING]
    log.info("workers running: %d, US dollars an hour: %s", len(running), _dollars_an_hour(running))
    if not running:
        return {"running": 0, "written": 0}
    evidence = service.metrics.newest([worker.instance_id for worker in running], now - LOOK_BACK, now)
    groups = _groups(service)
    grouped = [replace(w, groups=groups.get(w.user, w.groups)) for w in running]
    texts = policy_texts(service, grouped)
    standings = _with_budgets(service, grouped, texts, now)
    observed = [_observed(worker, evidence[worker.instance_id], texts, now) for worker in standings]
    changed = [new for old, new in zip(running, observed, strict=True) if new != old]
    written = sum(sum(service.map_all(partial(_write, service), some)) for some in batches(changed))
    return {"running": len(running), "written": written}


def _dollars_an_hour(running: Sequence[Worker]) -> str:
    """What they cost together; "unknown" where the price of one is not known. The cluster's dashboard draws it."""
    prices = [cost(one.instance_type, 3600, one.zone) for one in running]
    return "unknown" if None in prices else f"{sum(price or 0.0 for price in prices):.4f}"


def _with_budgets(
    service: Service, running: Sequence[Worker], texts: Mapping[str, str], now: datetime
) -> list[Worker]:
    """The running workers, each with the time since which a budget of its user's is used up. The month's other workers
    are read, once for all budgets, only if one holds for anyone who runs a worker.
    """
    policies = {one.key: policy_for(one.user, one.groups, texts) for one in running}
    limits = {limit for one in running for limit in policies[one.key].limits(one.user)}
    over: Mapping[Limit, datetime] = {}
    if limits:
        known = {one.key: one for one in service.store.changed_since(month_begin(now))}
        known |= {one.key: one for one in running}
        over = used_up(limits, known.values(), now)
    return [with_budget(one, policies[one.key], over, now) for one in running]


def _observed(worker: Worker, evidence: Evidence, texts: Mapping[str, str], now: datetime) -> Worker:
    policy = policy_for(worker.user, worker.groups, texts)
    alive = with_reports(worker, evidence, policy, now)
    due_at = next_check(alive, evidence, policy, now)
    if worker.decided == Reason.APP and worker.due_at is not None:
        # This pass does not read apps' traffic: the decision did, and another one follows when that is over.
        due_at = max(due_at, worker.due_at)
    if worker.decided != Reason.BUSY and alive.last_interaction != alive.last_activity:
        due_at = min(due_at, _explained_at(alive, policy))
    # Once it is due, every pass would find another time in the past: it stays due since when it was.
    overdue = due_at <= now and worker.due_at is not None and worker.due_at <= now
    due = alive if overdue else with_due(alive, due_at)
    if due.last_activity is None or due.last_activity == worker.last_activity:
        return due
    return replace(due, message=_last_seen(due.last_activity, due, policy))


def _explained_at(worker: Worker, policy: Policy) -> datetime:
    """When only work begins to keep it running: a decision then writes into the history what does."""
    started = worker.started_at or worker.state_at
    left_at = max(started, worker.last_interaction or started) + policy.idle_timeout
    return max(left_at, started + policy.start_grace, worker.keep_until or started)


def _groups(service: Service) -> dict[str, tuple[str, ...]]:
    """The groups of users with servers, as far as the hub answers. Its own notion of activity is not used."""
    try:
        users = service.hub.active_users()
    except HubError as error:
        log.warning("groups are not updated: %s", error)
        return {}
    return {user.name: user.groups for user in users if user.groups is not None}


def _write(service: Service, worker: Worker) -> int:
    try:
        service.store.put(worker, service.clock())
    except RecordConflict:
        log.info("worker %s: changed meanwhile, left for the next pass", worker.key)
        return 0
    except BadRecord as bad:
        log.error("%s", bad)
        return 0
    return 1


def _last_seen(at: datetime, worker: Worker, policy: Policy) -> Message:
    if at == worker.last_interaction:
        return message("active", last_used=at)
    activity = "work" if policy.lowest_level >= Level.WORK else "work or load"
    return message("busy", activity=activity, last_busy=at)
