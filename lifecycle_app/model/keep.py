"""Whether a worker is kept running because its user asks for it. Pure: request, record, policy and time decide."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from lifecycle_app.contract import KeepRefusal
from lifecycle_app.model.budget import is_kept_by_another, is_over
from lifecycle_app.model.events import KeepRequest
from lifecycle_app.model.messages import message
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.worker import State, Worker

VALID = timedelta(minutes=1)
"""An event that took longer is void: its user was told long ago that there was no answer."""


def is_void(worker: Worker | None, request: KeepRequest, now: datetime) -> bool:
    """Is there nothing to answer: for another instance or an earlier run, too old, or answered before?"""
    if worker is None or worker.instance_id != request.instance_id:
        return True
    if worker.started_at is not None and worker.started_at > request.at:
        return True
    return now - request.at > VALID or worker.keep_request == request.id


def answered(worker: Worker, request: KeepRequest, policy: Policy) -> Worker:
    """The record with the answer. One that is claimed, or does not run, is returned as it is: it is too late.

    A keep is counted from the time of the request, so that an event that comes twice gives the same, and never shortens
    another. A request for no time ends the keep that the same user asked for, and is refused by no policy.
    """
    if worker.state is not State.RUNNING:
        return worker
    if not request.span:
        return _ended(worker, request)
    until = request.at + request.span
    refused = refusal(worker, request, policy)
    if refused:
        return replace(worker, keep_request=request.id, keep_refusal=refused)
    kept = replace(worker, keep_request=request.id, keep_refusal="")
    if worker.keep_until is not None and worker.keep_until >= until:
        return kept
    if policy.has_budget and is_kept_by_another(worker, request.at):
        return kept  # that one outranks the budget, and the user's own would not
    why = message("kept", until=until, by=request.by)
    return replace(kept, keep_until=until, keep_by=request.by, message=why)


def _ended(worker: Worker, request: KeepRequest) -> Worker:
    """The record without the user's own keep, looked at by the next sweep; another's stays."""
    told = replace(worker, keep_request=request.id, keep_refusal="")
    if worker.keep_until is None or worker.keep_by != request.by:
        return told
    why = message("keep-ended", by=request.by)
    return replace(told, keep_until=None, keep_by="", due_at=request.at, message=why)


def refusal(worker: Worker, request: KeepRequest, policy: Policy) -> KeepRefusal | None:
    """Why the policy does not allow it; None if it does."""
    if is_over(worker, policy, request.at):
        return KeepRefusal.OVER_BUDGET
    longest = policy.longest_keep(worker.started_at or worker.state_at, request.at)
    if not longest:
        return KeepRefusal.NOT_ALLOWED
    return KeepRefusal.TOO_LONG if request.span > longest else None
