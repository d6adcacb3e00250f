"""The audit finds nothing in a story in which all is well, and each thing that is planted in it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from benchmarks.bench.counting import HUB, LIFECYCLE, WORKER
from benchmarks.soak.audit import audit
from benchmarks.soak.story import Call, Crash, Episode, Event, Record, Seen, Story, Transition
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.messages import plain
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.worker import State

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
IDLE, SWEEP = timedelta(seconds=60), timedelta(seconds=70)
LIMIT = IDLE + 2 * SWEEP + timedelta(seconds=5)
Plant = Callable[[Story], Story]


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def seen(seconds: float, worker: str, event: Event, **more: Any) -> Seen:
    return Seen(at=at(seconds), worker=worker, event=event, **more)


def transition(seconds: float, instance: str, worker: str, state: State) -> Transition:
    return Transition(at=at(seconds), instance_id=instance, worker=worker, state=state)


def stop_call(seconds: float, instance: str, caller: str = LIFECYCLE, error: str | None = None) -> Call:
    return Call(at=at(seconds), caller=caller, action="StopInstances", instances=(instance,), error=error)


def entry(seconds: float, worker: str, instance: str, reason: str, **more: Any) -> Entry:
    fields: dict[str, Any] = {"kind": Kind.STOP, "message": plain(f"because it is {reason}")} | more
    return Entry(key=worker, at=at(seconds), reason=reason, instance_id=instance, **fields)


def asked(by: str, seconds: float) -> dict[str, str]:
    return {"requested_by": by, "requested_at": at(seconds).isoformat()}


def well() -> Story:
    """Ann works and is stopped when idle; ben leaves work running, and presses Stop later."""
    return Story(
        policy=Policy(idle_timeout=IDLE, start_grace=IDLE, hung_after=2 * IDLE),
        period=timedelta(seconds=10),
        sweep=SWEEP,
        patience=timedelta(minutes=5),
        ended=at(1000),
        calls=(
            Call(at=at(0.2), caller=HUB, action="RunInstances"),
            stop_call(100.1, "i-ann"),
            stop_call(300.1, "i-ben"),
            stop_call(301, "i-ben", error="IncorrectInstanceState"),
        ),
        transitions=tuple(
            transition(seconds, instance, worker, state)
            for seconds, instance, worker, state in [
                (0, "i-ann", "ann", State.PENDING),
                (1, "i-ann", "ann", State.RUNNING),
                (100, "i-ann", "ann", State.STOPPING),
                (103, "i-ann", "ann", State.STOPPED),
                (10, "i-ben", "ben", State.PENDING),
                (11, "i-ben", "ben", State.RUNNING),
                (300, "i-ben", "ben", State.STOPPING),
                (303, "i-ben", "ben", State.STOPPED),
            ]
        ),
        records={
            "ann": Record(instance_id="i-ann", state=State.STOPPED),
            "ben": Record(instance_id="i-ben", state=State.STOPPED),
        },
        history=(
            entry(20, "ann", "i-ann", "active", kind=Kind.DECISION),
            entry(100, "ann", "i-ann", "idle"),
            entry(299, "ben", "i-ben", "stop-requested", evidence=asked("ben", 298)),
        ),
        seen=(
            seen(0, "ann", Event.ASKED),
            seen(5, "ann", Event.READY),
            seen(20, "ann", Event.WROTE, file="a", checksum="aa"),
            seen(30, "ann", Event.ACTED),
            seen(31, "ann", Event.READ, file="a", checksum="aa"),
            seen(10, "ben", Event.ASKED),
            seen(15, "ben", Event.READY),
            seen(20, "ben", Event.WORKS, until=at(250)),
            seen(297, "ben", Event.PRESSED),
        ),
        homes={("ann", "a"): "aa"},
    )


def saw(*more: Seen) -> Plant:
    return lambda story: replace(story, seen=(*story.seen, *more))


def stayed(*more: Transition) -> Plant:
    return lambda story: replace(story, transitions=(*story.transitions, *more))


def called(*more: Call) -> Plant:
    return lambda story: replace(story, calls=(*story.calls, *more))


def recorded(**records: Record) -> Plant:
    return lambda story: replace(story, records={**story.records, **records})


def with_history(*history: Entry) -> Plant:
    """The whole history is another."""
    return lambda story: replace(story, history=history)


def stopped_later(seconds: float) -> Plant:
    """Ann's machine is stopped at another time."""

    def plant(story: Story) -> Story:
        moved = {State.STOPPING: at(seconds), State.STOPPED: at(seconds + 3)}
        transitions = tuple(
            replace(one, at=moved.get(one.state, one.at)) if one.worker == "ann" else one
            for one in story.transitions
        )
        calls = (stop_call(seconds + 0.1, "i-ann"), *story.calls[2:])
        history = (entry(seconds, "ann", "i-ann", "idle"), *story.history[2:])
        return replace(story, transitions=transitions, calls=calls, history=history)

    return plant


def all_of(*plants: Plant) -> Plant:
    def plant(story: Story) -> Story:
        for one in plants:
            story = one(story)
        return story

    return plant


def without_hub(story: Story) -> Story:
    """The hub is down when ann's machine is stopped, and the stop's entry says so."""
    alone = entry(
        100, "ann", "i-ann", "idle", evidence={"hub": "the hub is down, the evidence decides: refused"}
    )
    first, _, *others = story.history
    return replace(story, faults=(HUB_DOWN,), history=(first, alone, *others))


OTHER = transition(50, "i-other", "ann", State.RUNNING)
GONE = transition(400, "i-ann", "ann", State.TERMINATED)
HUB_DOWN = Episode(name="hub-down", began=at(80), ended=at(110))
PLANTED: list[tuple[str, str, Plant]] = [
    ("a cell is run within the idle timeout", "I1", saw(seen(46, "ann", Event.ACTED))),
    ("a user logs in within the idle timeout", "I1", saw(seen(99, "ann", Event.READY))),
    ("work goes on", "I1", saw(seen(35, "ann", Event.WORKS, until=at(500)))),
    ("work ended a moment ago", "I1", saw(seen(35, "ann", Event.WORKS, until=at(60)))),
    ("with the hub down, life that was reported", "I1", all_of(
        without_hub, saw(seen(59, "ann", Event.ACTED)))),
    ("with the hub down, work that goes on", "I1", all_of(
        without_hub, saw(seen(35, "ann", Event.WORKS, until=at(500))))),
    ("the hub just down, but asked before the stop", "I1", all_of(
        lambda story: replace(story, faults=(HUB_DOWN,)), saw(seen(81, "ann", Event.ACTED)))),
    ("a hub that is said to be down, and is not", "I1", all_of(
        without_hub, lambda story: replace(story, faults=()), saw(seen(81, "ann", Event.ACTED)))),
    ("a stop without an entry, while a user works", "I1", all_of(
        with_history(*well().history[2:]), saw(seen(90, "ann", Event.ACTED)))),
    ("a stop in the user's name", "I1", lambda story: replace(
        story, seen=tuple(one for one in story.seen if one.event is not Event.PRESSED))),
    ("a login after Stop was pressed", "I1", all_of(
        with_history(*well().history[:2], entry(299, "ben", "i-ben", "stop-requested", evidence=asked("ben", 290))),
        saw(seen(299.5, "ben", Event.READY)))),
    ("two machines for an hour", "I2", all_of(stayed(OTHER, transition(60, "i-other", "ann", State.TERMINATED)))),
    ("two machines, one of them stopped", "I2", stayed(
        transition(500, "i-other", "ann", State.PENDING), transition(510, "i-other", "ann", State.TERMINATED))),
    ("an instance in no record", "I3", stayed(transition(900, "i-new", "cleo", State.RUNNING))),
    ("an instance that its record has forgotten", "I3", recorded(
        ann=Record(instance_id="i-old", state=State.TERMINATED))),
    ("a record whose instance is gone", "I3", stayed(GONE)),
    ("a record of an instance that never was", "I3", recorded(
        cleo=Record(instance_id="i-none", state=State.RUNNING))),
    ("a record that says another state", "I4", recorded(ann=Record(instance_id="i-ann", state=State.RUNNING))),
    ("an idle machine that is stopped too late", "I6", stopped_later(30 + LIMIT.total_seconds() + 1)),
    ("an idle machine that is never stopped", "I6", all_of(
        stayed(transition(500, "i-cleo", "cleo", State.RUNNING)),
        recorded(cleo=Record(instance_id="i-cleo", state=State.RUNNING)))),
    ("a login without an end", "I7", saw(seen(600, "ann", Event.ASKED))),
    ("a login that takes too long", "I7", saw(
        seen(600, "ann", Event.ASKED), seen(901, "ann", Event.FAILED, message="at last"))),
    ("a login that fails without a fault", "I7", saw(
        seen(600, "ann", Event.ASKED), seen(601, "ann", Event.FAILED, message="no"))),
    ("a session that is lost", "I7", saw(seen(600, "ann", Event.LOGGED_OUT))),
    ("a server that is lost, without a stop", "I7", saw(seen(60, "ann", Event.LOST, since=at(20)))),
    ("a hub that stops", "I9", called(stop_call(950, "i-ann", HUB))),
    ("a worker that starts another", "I9", called(Call(at=at(1), caller=WORKER, action="StartInstances"))),
    ("a function that launches", "I9", called(Call(at=at(1), caller=LIFECYCLE, action="RunInstances"))),
    ("a file that is not found", "I10", saw(seen(40, "ann", Event.READ, file="a", checksum=""))),
    ("a file that is another", "I10", saw(seen(40, "ann", Event.READ, file="a", checksum="ab"))),
    ("a file that is not on the disk at the end", "I10", lambda story: replace(story, homes={})),
    ("a stop without an entry", "reasons", with_history(*well().history[2:])),
    ("an entry without a reason", "reasons", with_history(
        *well().history, entry(400, "ann", "i-ann", "", kind=Kind.DECISION))),
]  # fmt: skip

HARMLESS: list[tuple[str, Plant]] = [
    ("just at the idle timeout, as far as a log shows", saw(seen(45.1, "ann", Event.ACTED))),
    ("just in time", stopped_later(30 + LIMIT.total_seconds() - 1)),
    ("late, because of a fault", all_of(
        stopped_later(30 + LIMIT.total_seconds() + 100),
        lambda story: replace(story, faults=(Episode(name="sweep-off", began=at(50), ended=at(140)),)))),
    ("with the hub down, activity that is in no report yet", all_of(
        without_hub, saw(seen(61, "ann", Event.ACTED)))),
    ("with the hub down, a user who comes back at that moment", all_of(
        without_hub, saw(seen(99, "ann", Event.ACTED)))),
    ("work that a crash ended", all_of(
        saw(seen(35, "ann", Event.WORKS, until=at(500))),
        lambda story: replace(story, crashes=(Crash(at=at(38), instance_id="i-ann", how="killed"),)))),
    ("a second machine after the first is gone", all_of(
        stayed(GONE, transition(401, "i-two", "ann", State.STOPPED)),
        recorded(ann=Record(instance_id="i-two", state=State.STOPPED)))),
    ("a login that fails because of a fault", all_of(
        saw(seen(600, "ann", Event.ASKED), seen(601, "ann", Event.FAILED)),
        lambda story: replace(story, faults=(Episode(name="capacity", began=at(590), ended=at(610)),)))),
    ("a server that is lost because it was stopped", saw(seen(101, "ann", Event.LOST, since=at(20)))),
    ("a kernel that is lost because its machine crashed", all_of(
        saw(seen(60, "ann", Event.LOST, since=at(20))),
        lambda story: replace(story, crashes=(Crash(at=at(50), instance_id="i-ann", how="killed"),)))),
    ("a file that is written anew", all_of(
        saw(seen(40, "ann", Event.WROTE, file="a", checksum="ab"),
            seen(41, "ann", Event.READ, file="a", checksum="ab")),
        lambda story: replace(story, homes={("ann", "a"): "ab"}))),
    ("a stop that the hub asked for", with_history(
        *well().history[:2], entry(299, "ben", "i-ben", "stop-requested", evidence=asked("the hub, because", 298)))),
]  # fmt: skip


def test_a_story_in_which_all_is_well_has_no_violation() -> None:
    assert audit(well()) == []


@pytest.mark.parametrize(
    ("invariant", "plant"), [row[1:] for row in PLANTED], ids=[row[0] for row in PLANTED]
)
def test_each_planted_violation_is_found(invariant: str, plant: Plant) -> None:
    assert invariant in {found.invariant for found in audit(plant(well()))}


@pytest.mark.parametrize("plant", [row[1] for row in HARMLESS], ids=[row[0] for row in HARMLESS])
def test_what_only_looks_like_a_violation_is_none(plant: Plant) -> None:
    assert audit(plant(well())) == []
