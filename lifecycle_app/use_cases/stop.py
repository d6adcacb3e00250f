"""The stop protocol: claim, drain, stop, confirm.

EC2's stop has no precondition, so the fence is Dekker's: the lifecycle app claims and then asks the hub;
the hub marks a login pending and then reads the record. Whoever comes second sees the other.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import assert_never

from lifecycle_app.adapters.hub_client import DrainAnswer
from lifecycle_app.contract import PENDING_KEEP, Drain, Level
from lifecycle_app.errors import CloudError, HubAnswerOdd, HubUnreachable, StopRejected
from lifecycle_app.model.decision import Decision, Insist, Reason
from lifecycle_app.model.history import Kind
from lifecycle_app.model.messages import Message, message, text
from lifecycle_app.model.transitions import (
    has_claim_of,
    hub_odd_since,
    with_claim,
    with_life,
    with_release,
    with_stop_accepted,
)
from lifecycle_app.model.worker import State, Worker
from lifecycle_app.use_cases.ports import Service
from lifecycle_app.use_cases.records import add_entry, change

log = logging.getLogger(__name__)

HUB_USELESS_AFTER = timedelta(hours=1)
"""A hub that gives no usable answer for so long counts as down: its certificate, its token or the hub itself is broken,
and must not keep all machines running until an administrator notices."""


def stop(service: Service, worker: Worker, decision: Decision, now: datetime) -> str:
    """Stops the worker if the hub releases it, and returns in a word how that went.

    Raises RecordConflict if the record was changed since `worker` was read: decide again.
    """
    claimed = service.store.put(with_claim(worker, decision.reason, decision.message, now), service.clock())
    log.info("worker %s (%s): claimed: %s", claimed.key, claimed.instance_id, text(decision.message))
    try:
        answer = _drain(service, claimed, decision, decision.since or now)
    except HubUnreachable as error:
        if not decision.alone:
            return _release(service, claimed, decision, message("hub-down", detail=str(error)), now)
        answer = DrainAnswer(True, f"the hub is down, the evidence decides: {error}")
    except HubAnswerOdd as error:
        if not (_is_useless(service, claimed, str(error), now) and decision.alone):
            return _release(service, claimed, decision, message("hub-odd", detail=str(error)), now)
        answer = DrainAnswer(True, f"no usable answer for an hour, the evidence decides: {error}")
    if not answer.drained:
        return _release(service, claimed, decision, message("refused", detail=answer.reason), now, answer)
    return _stop_drained(service, claimed, decision, answer, now)


def _drain(service: Service, worker: Worker, decision: Decision, since: datetime) -> DrainAnswer:
    answer = service.hub.drain(worker, decision.drain, since, decision.counts, apps=decision.apps)
    if answer.drained and answer.evidence.get("answers") is False and not decision.even_silent:
        return replace(answer, drained=False, reason=f"it may be working: {answer.reason}")
    if answer.drained:
        return answer
    if _may_insist(decision.insist, answer):
        return service.hub.drain(worker, Drain.REGARDLESS, since, decision.counts)
    if decision.reason is Reason.HUNG:
        why, since = message("no-reports", detail=answer.reason), worker.started_at or worker.state_at
        add_entry(service, worker, Kind.REPORT, why.code, why, since)
    return answer


def _may_insist(insist: Insist, answer: DrainAnswer) -> bool:
    """A worker that cannot report need not be dead: while it answers the hub, its user may be using it.

    One whose user asks just now to keep it was not asked what it reports.
    """
    is_mute = "observed_at" not in answer.evidence and answer.evidence.get("pending") != PENDING_KEEP
    match insist:
        case Insist.NEVER:
            return False
        case Insist.IF_MUTE:
            return is_mute
        case Insist.IF_DEAD:
            return is_mute and not answer.evidence.get("answers")
        case _:
            assert_never(insist)


def _is_useless(service: Service, claimed: Worker, error: str, now: datetime) -> bool:
    """Has the hub given no usable answer for so long that an administrator should know?"""
    since = hub_odd_since(claimed, now)
    if now - since < HUB_USELESS_AFTER:
        return False
    why = message("hub-odd", since=since, detail=error)
    add_entry(service, claimed, Kind.REPORT, why.code, why, since)
    return True


def _stop_drained(
    service: Service, claimed: Worker, decision: Decision, answer: DrainAnswer, now: datetime
) -> str:
    try:
        service.cloud.stop(claimed.instance_id)
    except StopRejected as error:
        return _release(service, claimed, decision, message("rejected", detail=str(error)), now)
    except CloudError as error:
        # It may be stopping. Because of the claim, logins wait for an event or for the end of the lease.
        why = message("stop-unknown", detail=str(error))
        add_entry(service, claimed, Kind.REPORT, why.code, why, now, decision.evidence)
        return why.code
    change(service, claimed.key, lambda current: _accepted(current, claimed, now))
    facts = {
        **decision.evidence,
        "hub": answer.reason,
        "worker": dict(answer.evidence),
        **_stopped_by(service),
    }
    add_entry(service, claimed, Kind.STOP, decision.reason, decision.message, now, facts)
    return "stopped"


def force(service: Service, worker: Worker, now: datetime) -> str:
    """Stops by force what takes too long to stop, and returns in a word how that went.

    The claim keeps a user who waits for the end of the stop from starting the instance between the last check and the
    forced stop. Raises RecordConflict if the record was changed since `worker` was read, or CloudError.
    """
    why = message("forced", state=worker.state.value, since=worker.state_at)
    claimed = service.store.put(with_claim(worker, worker.stop_reason or why.code, why, now), service.clock())
    try:
        found = service.cloud.named([worker.instance_id])
        if not found or found[0].state is not State.STOPPING:
            _unclaim(service, claimed, worker)
            return "not-stopping"
        service.cloud.stop(worker.instance_id, force=True)
    except CloudError:
        _unclaim(service, claimed, worker)
        raise
    change(service, claimed.key, lambda current: _accepted(current, claimed, now))
    add_entry(service, claimed, Kind.STOP, why.code, why, now, _stopped_by(service))
    return why.code


def _stopped_by(service: Service) -> dict[str, str]:
    return {"function": service.function} if service.function else {}


def _unclaim(service: Service, claimed: Worker, before: Worker) -> None:
    def step(current: Worker) -> Worker:
        return replace(before, version=current.version) if has_claim_of(current, claimed) else current

    change(service, claimed.key, step)


def _accepted(current: Worker, claimed: Worker, now: datetime) -> Worker:
    """The record with the stop confirmed, unless EC2's own event was faster."""
    return with_stop_accepted(current, now) if has_claim_of(current, claimed) else current


def _release(
    service: Service,
    claimed: Worker,
    decision: Decision,
    why: Message,
    now: datetime,
    answer: DrainAnswer | None = None,
) -> str:
    """Gives the claim up and records what the hub saw. Only a new reason goes into the history."""
    decided = f"{decision.reason}: {why.code}"
    activity, interaction = _seen(answer, decision, now)
    odd_since = hub_odd_since(claimed, now) if why.code == "hub-odd" else None

    def step(current: Worker) -> Worker:
        if not has_claim_of(current, claimed):
            return current
        alive = with_life(current, activity, interaction)
        return with_release(alive, decided, why, now, odd_since)

    change(service, claimed.key, step)
    log.info("worker %s (%s): released: %s", claimed.key, claimed.instance_id, text(why))
    if claimed.decided != decided:
        facts = {**decision.evidence, "why": why.code, "worker": dict(answer.evidence) if answer else {}}
        add_entry(service, claimed, Kind.RELEASE, decision.reason, why, now, facts)
    return why.code


def _seen(
    answer: DrainAnswer | None, decision: Decision, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """The last activity and interaction that the worker reported to the hub; work only where it counts."""
    if answer is None:
        return None, None
    interaction = _moment(answer.evidence.get("last_interaction"), now)
    works = decision.drain is Drain.IDLE and decision.counts <= Level.WORK
    work = _moment(answer.evidence.get("last_work"), now) if works else None
    return max(filter(None, (interaction, work)), default=None), interaction


def _moment(value: object, now: datetime) -> datetime | None:
    """Epoch seconds as a time that is not in the future; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= now.timestamp():
        return None
    return datetime.fromtimestamp(value, UTC)
