"""What must be true of a whole soak, checked against its story. Pure; each check yields violations."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations

from benchmarks.bench.counting import HUB, LIFECYCLE, WORKER
from benchmarks.soak.story import Call, Event, Seen, Story
from benchmarks.soak.timeline import Span, existences, last_life, run_at, runs, spans
from lifecycle_app.model.decision import Reason
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.worker import State

SLACK = timedelta(seconds=5)
"""A user's log may be this much later than the event."""
REPORTS_UNSEEN = 4
"""With the hub down activity is known by reports only, and this many may be missing or in transit."""
ALONE = "the evidence decides"
"""What a stop's entry says if the hub could not be asked."""
AROUND = timedelta(seconds=60)
"""How long after a fault its effect is visible, and how far a stop's entry is from the stop."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise."""

    invariant: str
    message: str
    at: datetime

    def __str__(self) -> str:
        return f"{self.invariant} at {self.at:%H:%M:%S.%f}: {self.message}"


Check = Callable[[Story], Iterator[Violation]]


def audit(story: Story) -> list[Violation]:
    """All violations, by time."""
    return sorted((found for check in CHECKS for found in check(story)), key=lambda one: one.at)


def stopped_in_use(story: Story) -> Iterator[Violation]:
    """I1: no stop after newer activity or a newer login, and none in a user's name without that user's request."""
    for call, run in stops(story):
        entry = entry_of(story, call)
        life = last_life(story, run, call.at)
        name = f"{run.worker} ({run.instance_id})"
        if entry is not None and "requested_by" in entry.evidence:
            asked = datetime.fromisoformat(str(entry.evidence["requested_at"]))
            if life and life.event is not Event.WORKS and life.at > asked + SLACK:
                yield Violation(
                    "I1",
                    f"{name} is stopped as requested at {asked:%H:%M:%S}, but {_described(life)}",
                    call.at,
                )
            if entry.evidence.get("requested_by") == run.worker and not _pressed(story, run, call.at):
                yield Violation(
                    "I1", f"{name} is stopped in its user's name, without that user's request", call.at
                )
        else:
            known = last_life(story, run, _known_until(story, entry, call.at))
            if known and call.at - known.at < _quiet(story, entry):
                yield Violation("I1", f"{name} is stopped, but {_described(known)}", call.at)


def two_machines(story: Story) -> Iterator[Violation]:
    """I2: at most one live instance for each worker, at any time."""
    for worker, lives in existences(story).items():
        for one, other in combinations(lives, 2):
            both = max(one.began, other.began)
            if both < min(one.ended, other.ended):
                yield Violation("I2", f"{worker} has {one.instance_id} and {other.instance_id}", both)


def orphans(story: Story) -> Iterator[Violation]:
    """I3: at the end every instance has a record, and every record of an instance has an instance."""
    last = last_states(story)
    for instance_id, span in last.items():
        record = story.records.get(span.worker)
        if span.state is not State.TERMINATED and (record is None or record.instance_id != instance_id):
            yield Violation(
                "I3", f"{instance_id} of {span.worker} is {span.state}, and in no record", story.ended
            )
    for worker, record in story.records.items():
        span_of = last.get(record.instance_id)
        if record.state is not State.TERMINATED and (span_of is None or span_of.state is State.TERMINATED):
            yield Violation(
                "I3", f"{worker} is {record.state} by its record, and has no instance", story.ended
            )


def wrong_records(story: Story) -> Iterator[Violation]:
    """I4: at the end every record says what EC2 says, independent of the events."""
    last = last_states(story)
    for worker, record in story.records.items():
        span = last.get(record.instance_id)
        if span is not None and span.state is not record.state:
            yield Violation(
                "I4", f"{worker} is {record.state} by its record, {span.state} at EC2", story.ended
            )


def overdue(story: Story) -> Iterator[Violation]:
    """I6: an idle worker is stopped within the idle timeout and two sweeps after the end of the last fault."""
    for run in runs(story):
        since = idle_since(story, run)
        if run.ended > since + _allowed(story, run) + SLACK:
            yield Violation(
                "I6", f"{run.worker} ({run.instance_id}) is idle since {since:%H:%M:%S}", run.ended
            )


def pending_or_failed(story: Story) -> Iterator[Violation]:
    """I7: a user who starts a server gets one, or an error message; and that only during a fault."""
    for asked in of_event(story, Event.ASKED):
        later = [one for one in by_worker(story, asked.worker) if one.at >= asked.at]
        answer = next((one for one in later if one.event in (Event.READY, Event.FAILED)), None)
        if answer is None or answer.at - asked.at > story.patience:
            yield Violation("I7", f"{asked.worker} never gets an answer", asked.at)
        elif answer.event is Event.FAILED and not _is_faulty(story, asked.at, answer.at):
            yield Violation("I7", f"{asked.worker} was refused without a fault: {answer.message}", answer.at)


def lost_servers(story: Story) -> Iterator[Violation]:
    """I7: no user loses a login, nor a server or a kernel of a machine that was neither stopped nor terminated."""
    for seen in of_event(story, Event.LOGGED_OUT):
        yield Violation("I7", f"{seen.worker} was logged out", seen.at)
    for seen in of_event(story, Event.LOST):
        mine = [run for run in runs(story) if run.worker == seen.worker]
        if not any(_ended(story, run, seen.since or seen.at, seen.at) for run in mine):
            yield Violation("I7", f"{seen.worker} lost something without a stop: {seen.message}", seen.at)


def overstepping(story: Story) -> Iterator[Violation]:
    """I9: the hub and the workers stop no machine, the functions start none."""
    forbidden = {
        HUB: ("StopInstances", "TerminateInstances"),
        WORKER: ("StopInstances", "TerminateInstances", "RunInstances", "StartInstances"),
        LIFECYCLE: ("RunInstances", "StartInstances", "TerminateInstances"),
    }
    for call in story.calls:
        if call.action in forbidden.get(call.caller, ()):
            yield Violation("I9", f"the {call.caller} called {call.action}", call.at)


def lost_files(story: Story) -> Iterator[Violation]:
    """I10: every file is complete whenever it is read, and on the home disk at the end."""
    kept: dict[tuple[str, str], str] = {}
    for seen in sorted(story.seen, key=lambda one: one.at):
        mine = (seen.worker, seen.file)
        if seen.event is Event.WROTE:
            kept[mine] = seen.checksum
        if seen.event is Event.READ and kept.get(mine) != seen.checksum:
            yield Violation("I10", f"{seen.worker} does not find {seen.file} unchanged", seen.at)
    for (worker, file), checksum in kept.items():
        if story.homes.get((worker, file)) != checksum:
            yield Violation("I10", f"{file} of {worker} is not unchanged on the home disk", story.ended)


def unexplained(story: Story) -> Iterator[Violation]:
    """Every stop has an entry in the history, and every entry a reason and a message."""
    for call, run in stops(story):
        if entry_of(story, call) is None:
            yield Violation(
                "reasons",
                f"{run.worker} ({run.instance_id}) was stopped without an entry in the history",
                call.at,
            )
    for entry in story.history:
        if not (entry.reason and entry.message):
            yield Violation("reasons", f"{entry.kind} of {entry.key} without a reason", entry.at)


CHECKS: tuple[Check, ...] = (
    stopped_in_use,
    two_machines,
    orphans,
    wrong_records,
    overdue,
    pending_or_failed,
    lost_servers,
    overstepping,
    lost_files,
    unexplained,
)


def stops(story: Story) -> Iterator[tuple[Call, Span]]:
    """Every stop by the functions that EC2 accepted, with its run."""
    for call in story.calls:
        if call.caller == LIFECYCLE and call.action == "StopInstances" and call.error is None:
            for instance_id in call.instances:
                # EC2 enters the new state while it answers, so before the call is over.
                run = run_at(story, instance_id, call.at) or run_at(story, instance_id, call.at - SLACK)
                if run is not None:
                    yield call, run


def entry_of(story: Story, call: Call) -> Entry | None:
    """What the history says of a stop."""
    found = [
        entry
        for entry in story.history
        if entry.instance_id in call.instances
        and abs(entry.at - call.at) < AROUND
        and (entry.kind is Kind.STOP or entry.reason == "stop-unknown")
    ]
    return min(found, key=lambda entry: abs(entry.at - call.at), default=None)


def idle_since(story: Story, run: Span) -> datetime:
    """Since when a run was idle: its last activity, or the end of the last fault."""
    life = last_life(story, run, run.ended)
    faults = [one.ended for one in story.faults if one.began < run.ended]
    return max([run.began, *faults, *([life.at] if life else [])])


def last_states(story: Story) -> dict[str, Span]:
    """Each instance as it is at the end."""
    return {span.instance_id: span for span in spans(story)}


def of_event(story: Story, event: Event) -> Iterator[Seen]:
    """The entries of this kind in the users' logs."""
    return (one for one in story.seen if one.event is event)


def by_worker(story: Story, worker: str) -> list[Seen]:
    """The entries of one worker, in order."""
    return sorted((one for one in story.seen if one.worker == worker), key=lambda one: one.at)


def _known_until(story: Story, entry: Entry | None, at: datetime) -> datetime:
    """Activity until then is known at a stop. The hub asks the worker; without it only reports are known, and a user
    who came back since is not.
    """
    is_alone = entry is not None and ALONE in str(entry.evidence.get("hub"))
    return at - REPORTS_UNSEEN * story.period if is_alone and _is_hub_down(story, at) else at


def _quiet(story: Story, entry: Entry | None) -> timedelta:
    """How long a worker must have been quiet before such a stop."""
    policy = story.policy
    reason = entry.reason if entry else Reason.IDLE
    if reason == Reason.NO_SERVER:
        needed = policy.start_grace
    elif reason == Reason.HUNG:
        needed = policy.hung_after
    elif reason == "forced":
        return timedelta()
    else:
        needed = policy.idle_timeout
    return needed - SLACK


def _allowed(story: Story, run: Span) -> timedelta:
    """How long a run may be idle. A machine that does nothing at all counts as hung only after a while."""
    policy = story.policy
    has_crashed = any(one.instance_id == run.instance_id for one in story.crashes)
    idle = max(policy.idle_timeout, policy.hung_after) if has_crashed else policy.idle_timeout
    return idle + 2 * story.sweep


def _is_hub_down(story: Story, at: datetime) -> bool:
    return any(
        "hub" in one.name and one.began <= at <= one.ended + REPORTS_UNSEEN * story.period
        for one in story.faults
    )


def _is_faulty(story: Story, since: datetime, until: datetime) -> bool:
    moments = [(one.began, one.ended) for one in story.faults] + [(one.at, one.at) for one in story.crashes]
    return any(began <= until and ended >= since - AROUND for began, ended in moments)


def _pressed(story: Story, run: Span, at: datetime) -> bool:
    return any(
        one.worker == run.worker and run.began - SLACK <= one.at <= at
        for one in of_event(story, Event.PRESSED)
    )


def _ended(story: Story, run: Span, since: datetime, until: datetime) -> bool:
    """Did the run, or everything in it, end between these moments?"""
    crashes = [one.at for one in story.crashes if one.instance_id == run.instance_id]
    return any(since - SLACK <= at <= until + SLACK for at in [run.ended, *crashes])


def _described(seen: Seen) -> str:
    return f"its user {seen.event.value} at {seen.at:%H:%M:%S}"
