"""What a request to keep a machine running has led to, by the machine's record; and its text for the user. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from lifecycle_app.contract import KeepRefusal
from lifecycle_app.model.messages import duration
from lifecycle_app.model.worker import State, Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Until when the machine is kept, or why it is not; neither once a keep has ended."""

    kept_until: datetime | None = None
    refused: KeepRefusal | None = None


TOO_LATE = Answer(refused=KeepRefusal.TOO_LATE)
MESSAGES: Mapping[KeepRefusal, str] = {
    KeepRefusal.NOT_ALLOWED: "Your administrator does not allow this. Your machine stays on while you use it.",
    KeepRefusal.TOO_LONG: "You can keep your machine running for {longest} at most. Choose a shorter time.",
    KeepRefusal.TOO_LATE: "Too late: your machine is stopping. It will start again when you open it.",
    KeepRefusal.OVER_BUDGET: "The budget of this month is used up. Save your work: your machine stops soon. Only your"
    " administrator can raise the budget.",
    KeepRefusal.TOO_OFTEN: "You have asked too often. Try again in a few minutes.",
    KeepRefusal.UNCONFIRMED: "There was no answer in time: your machine may or may not be kept. Try again in a minute.",
    KeepRefusal.UNAVAILABLE: "Keeping your machine running is not available at the moment. Try again in a minute.",
}


def first_answer(record: Worker | None, instance_id: str, *, has_refused: bool) -> Answer | None:
    """The answer by the record as it is when the request was marked as pending; None if it can still be granted.

    A claim was there first, and wins; unless its drain has come meanwhile and was refused (`has_refused`): then the
    request wins.
    """
    if record is None or record.instance_id != instance_id:
        return TOO_LATE
    if record.state is State.RUNNING or (record.claimed_until is not None and has_refused):
        return None
    return TOO_LATE


def later_answer(record: Worker | None, instance_id: str, request: str) -> Answer | None:
    """The answer in the record to a request that was sent; None if there is none yet.

    A claim that came after the request does not answer it: its drain is refused, or a person requested the stop.
    """
    if record is None or record.instance_id != instance_id:
        return TOO_LATE
    if record.keep_request == request:
        if record.keep_refusal:
            return Answer(refused=_refusal(record.keep_refusal))
        return Answer(kept_until=record.keep_until)
    is_up = record.state is State.RUNNING or record.claimed_until is not None
    return None if is_up else TOO_LATE


def as_json(answer: Answer, longest: timedelta) -> dict[str, object]:
    """The answer for the user's page. `longest`: how long the policy lets the user keep it."""
    refused = answer.refused
    if refused is None:
        return {"kept_until": answer.kept_until.timestamp() if answer.kept_until else None}
    if refused is KeepRefusal.TOO_LONG and not longest:
        refused = KeepRefusal.NOT_ALLOWED
    return {"refused": refused.value, "message": MESSAGES[refused].format(longest=duration(longest))}


def _refusal(code: str) -> KeepRefusal:
    """The refusal of that code; a lifecycle app of another version may have further ones."""
    return KeepRefusal(code) if code in set(KeepRefusal) else KeepRefusal.NOT_ALLOWED
