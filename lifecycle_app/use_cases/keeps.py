"""A user's request to keep the own worker running, or no longer, answered in its record, where the hub reads it."""

from __future__ import annotations

import logging
from datetime import datetime

from lifecycle_app.model.events import KeepRequest
from lifecycle_app.model.history import Kind
from lifecycle_app.model.keep import answered, is_void
from lifecycle_app.model.messages import message
from lifecycle_app.model.worker import Worker
from lifecycle_app.use_cases.ports import Service
from lifecycle_app.use_cases.records import add_entry, change, policy_of

log = logging.getLogger(__name__)


def keep_requested(service: Service, event: KeepRequest, now: datetime) -> str:
    """Answers the request if the worker runs, and returns in a word how that went.

    Under a claim nothing is written: one that comes between reading and writing makes the write fail, and the record is
    read again. Raises RecordConflict if the record keeps changing.
    """
    found = service.store.get(event.key)
    if found is None or is_void(found, event, now):
        return "void"
    policy, before = policy_of(service, found), found

    def step(worker: Worker) -> Worker:
        nonlocal before
        before = worker
        return worker if is_void(worker, event, now) else answered(worker, event, policy)

    worker = change(service, event.key, step)
    if worker is None or worker.keep_request != event.id:
        return "too-late"
    if worker.keep_refusal:
        log.info(
            "worker %s (%s): not kept for %s: %s",
            worker.key,
            worker.instance_id,
            event.by,
            worker.keep_refusal,
        )
        return worker.keep_refusal
    if worker.keep_until != before.keep_until:
        until = worker.keep_until
        why = (
            message("keep-requested", until=until, by=event.by)
            if until
            else message("keep-ended", by=event.by)
        )
        add_entry(service, worker, Kind.DECISION, why.code, why, event.at, {"requested_by": event.by})
    return "kept"
