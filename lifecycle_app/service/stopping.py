"""The stop protocol: claim, drain, stop, confirm.

EC2's stop has no precondition, so the fence is Dekker's: the lifecycle app claims and then asks the hub;
the hub marks a login pending and then reads the record. Whoever comes second sees the other.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from lifecycle_app.decisions import Decision, Drain, Reason
from lifecycle_app.errors import CloudError, HubAnswerOdd, HubUnreachable, StopRejected
from lifecycle_app.history import Kind
from lifecycle_app.hub_client import DrainAnswer
from lifecycle_app.service.ports import Service
from lifecycle_app.service.records import change, tell
from lifecycle_app.transitions import with_claim, with_life, with_release, with_stop_accepted
from lifecycle_app.worker import Worker

log = logging.getLogger(__name__)


def stop(service: Service, worker: Worker, decision: Decision, now: datetime) -> str:
    """Stops the worker if the hub lets go of it, and says in a word how that went.

    Raises RecordConflict if the record was changed since `worker` was read: decide again.
    """
    claimed = service.store.put(with_claim(worker, decision.reason, decision.words, now), now)
    log.info("worker %s (%s): claimed: %s", claimed.key, claimed.instance_id, decision.words)
    try:
        answer = _drain(service, claimed, decision, now)
    except HubUnreachable as error:
        if not decision.alone:
            return _release(service, claimed, decision, "hub-down", f"the hub is down: {error}", now)
        answer = DrainAnswer(True, f"the hub is down, the evidence decides: {error}")
    except HubAnswerOdd as error:
        return _release(service, claimed, decision, "hub-odd", f"the hub's answer is no answer: {error}", now)
    if not answer.drained:
        return _release(service, claimed, decision, "refused", answer.reason, now, answer)
    return _stop_drained(service, claimed, decision, answer, now)


def _drain(service: Service, worker: Worker, decision: Decision, now: datetime) -> DrainAnswer:
    since = decision.since or now
    if decision.reason is not Reason.HUNG:
        return service.hub.drain(worker, decision.drain, since)
    # A worker that cannot report need not be dead: as long as it answers the hub, people may be using it.
    answer = service.hub.drain(worker, Drain.IDLE, since)
    if answer.drained or "observed_at" in answer.evidence:
        return answer
    return service.hub.drain(worker, Drain.REGARDLESS, since)


def _stop_drained(
    service: Service, claimed: Worker, decision: Decision, answer: DrainAnswer, now: datetime
) -> str:
    try:
        service.cloud.stop(claimed.instance_id)
    except StopRejected as error:
        return _release(service, claimed, decision, "rejected", str(error), now)
    except CloudError as error:
        # It may be stopping. The claim makes logins wait until an event, or the end of the lease, tells.
        words = f"nobody knows whether EC2 stops it: {error}"
        tell(service, claimed, Kind.REPORT, "stop-unknown", words, now, decision.evidence)
        return "stop-unknown"
    change(service, claimed.key, now, lambda current: _accepted(current, claimed, now))
    facts = {**decision.evidence, "hub": answer.reason, "worker": dict(answer.evidence)}
    tell(service, claimed, Kind.STOP, decision.reason, decision.words, now, facts)
    return "stopped"


def _accepted(current: Worker, claimed: Worker, now: datetime) -> Worker:
    """The record with the stop confirmed, unless EC2's own event was faster."""
    return with_stop_accepted(current, now) if _is_ours(current, claimed) else current


def _release(
    service: Service,
    claimed: Worker,
    decision: Decision,
    why: str,
    words: str,
    now: datetime,
    answer: DrainAnswer | None = None,
) -> str:
    """Gives the claim up, keeping what the hub saw. Only a new reason goes into the history."""
    decided = f"{decision.reason}: {why}"
    activity, interaction = _seen(answer, decision.drain, now)

    def step(current: Worker) -> Worker:
        if not _is_ours(current, claimed):
            return current
        alive = with_life(current, activity, interaction)
        return with_release(alive, decided, words, now)

    change(service, claimed.key, now, step)
    log.info("worker %s (%s): released: %s", claimed.key, claimed.instance_id, words)
    if claimed.decided != decided:
        facts = {**decision.evidence, "worker": dict(answer.evidence) if answer else {}}
        tell(service, claimed, Kind.RELEASE, decision.reason, f"not stopped: {words}", now, facts)
    return why


def _is_ours(current: Worker, claimed: Worker) -> bool:
    return current.instance_id == claimed.instance_id and current.claimed_until == claimed.claimed_until


def _seen(answer: DrainAnswer | None, mode: Drain, now: datetime) -> tuple[datetime | None, datetime | None]:
    """The last life and the last interaction that the worker told the hub of; work only if it was asked for."""
    if answer is None:
        return None, None
    interaction = _moment(answer.evidence.get("last_interaction"), now)
    work = _moment(answer.evidence.get("last_work"), now) if mode is Drain.IDLE else None
    return max(filter(None, (interaction, work)), default=None), interaction


def _moment(value: object, now: datetime) -> datetime | None:
    """Epoch seconds as a time that is not in the future; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= now.timestamp():
        return None
    return datetime.fromtimestamp(value, UTC)
