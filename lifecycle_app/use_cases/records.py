"""Changes to records, retried if something else changed them meanwhile, and entries in the history."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from lifecycle_app.contract import table_name
from lifecycle_app.errors import BadRecord, RecordConflict
from lifecycle_app.model.decision import Decision
from lifecycle_app.model.history import Entry, Kind, cost
from lifecycle_app.model.messages import Message, message, text
from lifecycle_app.model.policy import Policy, policy_for, problems, scopes
from lifecycle_app.model.transitions import run_seconds
from lifecycle_app.model.worker import State, Worker
from lifecycle_app.use_cases.ports import Service

log = logging.getLogger(__name__)

TRIES = 5
NOTHING: Mapping[str, object] = {}


def change(service: Service, key: str, step: Callable[[Worker], Worker]) -> Worker | None:
    """The record after `step` has been applied to it as it is now; None if there is none.

    `step` returns the worker it got if there is nothing to do. It is called again whenever the record was written
    in between. Raises RecordConflict if that happens again and again.
    """
    for _ in range(TRIES):
        worker = service.store.get(key)
        if worker is None:
            return None
        changed = step(worker)
        if changed == worker:
            return worker
        try:
            return service.store.put(changed, service.clock())
        except RecordConflict:
            log.info("worker %s: its record was changed meanwhile, reading it again", key)
    raise RecordConflict(f"record of {key} keeps changing")


def policy_of(service: Service, worker: Worker) -> Policy:
    """The worker's policy. What cannot be used of it is reported to the administrator, once in each run."""
    return policies_of(service, [worker])[worker.instance_id]


def policy_texts(service: Service, workers: Iterable[Worker]) -> dict[str, str]:
    """The JSON of all scopes that count for any of the workers, by scope."""
    return service.settings.policies(sorted({scope for w in workers for scope in scopes(w.user, w.groups)}))


def policies_of(service: Service, workers: Sequence[Worker]) -> dict[str, Policy]:
    """The workers' policies by instance, as `policy_of` gives each."""
    texts = policy_texts(service, workers)
    for worker in workers:
        wrong = problems(worker.user, worker.groups, texts)
        if wrong:
            since = worker.started_at or worker.state_at
            add_entry(
                service,
                worker,
                Kind.REPORT,
                "bad-policy",
                message("bad-policy", detail="; ".join(wrong)),
                since,
            )
    return {worker.instance_id: policy_for(worker.user, worker.groups, texts) for worker in workers}


def add_entry(
    service: Service,
    worker: Worker,
    kind: Kind,
    reason: str,
    why: Message,
    now: datetime,
    evidence: Mapping[str, object] = NOTHING,
) -> None:
    """Logs what happened to a worker, and adds it to its history with its evidence."""
    log.info("worker %s (%s): %s %s: %s", worker.key, worker.instance_id, kind, reason, text(why))
    service.store.add_history(
        Entry(
            key=worker.key,
            at=now,
            kind=kind,
            reason=reason,
            message=why,
            instance_id=worker.instance_id,
            evidence=evidence,
        )
    )


def report_bad_record(service: Service, bad: BadRecord, now: datetime) -> None:
    """Reports a record that cannot be used: in the log, and once a day in the worker's history."""
    log.error("%s", bad)
    service.store.add_history(
        Entry(
            key=bad.key,
            at=now.replace(hour=0, minute=0, second=0, microsecond=0),
            kind=Kind.REPORT,
            reason="bad-record",
            message=message("bad-record", detail=str(bad), table=table_name(service.cluster, "workers")),
            instance_id=bad.instance_id,
        )
    )


def add_run(service: Service, worker: Worker, state: State, at: datetime) -> None:
    """Adds the run that ends with this state, if one does, to the history; adding it twice changes nothing."""
    seconds = run_seconds(worker, state, at)
    if seconds is None:
        return
    price = cost(worker.instance_type, seconds, worker.zone)
    service.store.add_history(
        Entry(
            key=worker.key,
            at=at,
            kind=Kind.RUN,
            reason=worker.stop_reason or "stopped",
            message=message("run", ran=timedelta(seconds=seconds), cost=price),
            instance_id=worker.instance_id,
            seconds=seconds,
            cost=price,
        )
    )


def keep(service: Service, worker: Worker, decision: Decision, now: datetime) -> None:
    """Keeps the worker running until it is due again. Only a new reason goes into the history."""

    def step(current: Worker) -> Worker:
        is_other = current.instance_id != worker.instance_id or current.state is not worker.state
        # An abandoned claim may have been taken over meanwhile: it is for its holder to release.
        if is_other or current.is_claimed(now):
            return current
        return replace(
            current,
            state=State.RUNNING,
            claimed_until=None,
            stop_reason=None,
            hub_odd_since=None,
            due_at=decision.due_at,
            decided=decision.reason,
            message=decision.message,
        )

    change(service, worker.key, step)
    if worker.decided != decision.reason:
        add_entry(service, worker, Kind.DECISION, decision.reason, decision.message, now, decision.evidence)
