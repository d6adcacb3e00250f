"""Runs of instances and activity of their users, derived from a story."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from benchmarks.soak.story import Event, Seen, Story, Transition
from lifecycle_app.model.worker import State

UP = (State.PENDING, State.RUNNING)
LIFE = (Event.READY, Event.ACTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time of an instance in one state, or of its existence."""

    instance_id: str
    worker: str
    state: State
    began: datetime
    ended: datetime


def spans(story: Story) -> list[Span]:
    """The times of every instance in each state, in order."""
    return sorted(
        (
            Span(
                instance_id=transition.instance_id,
                worker=transition.worker,
                state=transition.state,
                began=transition.at,
                ended=ended,
            )
            for transitions in _by_instance(story).values()
            for transition, ended in zip(
                transitions, [*(one.at for one in transitions[1:]), story.ended], strict=True
            )
        ),
        key=lambda span: span.began,
    )


def runs(story: Story) -> Iterator[Span]:
    """The times in which an instance was up, from pending until it was stopping or gone."""
    for transitions in _by_instance(story).values():
        began: Transition | None = None
        for transition in transitions:
            if transition.state in UP:
                began = began or transition
            elif began is not None:
                yield _run(began, transition.at)
                began = None
        if began is not None:
            yield _run(began, story.ended)


def existences(story: Story) -> dict[str, list[Span]]:
    """From each instance's first state until it was gone, by worker."""
    found: dict[str, list[Span]] = defaultdict(list)
    for transitions in _by_instance(story).values():
        gone = [transition.at for transition in transitions if transition.state is State.TERMINATED]
        found[transitions[0].worker].append(_run(transitions[0], gone[0] if gone else story.ended))
    return found


def run_at(story: Story, instance_id: str, at: datetime) -> Span | None:
    """The run of an instance at a moment."""
    mine = [run for run in runs(story) if run.instance_id == instance_id]
    return next((run for run in mine if run.began <= at <= run.ended), None)


def last_life(story: Story, run: Span, at: datetime) -> Seen | None:
    """The user's last activity in this run before a moment; for work its end, or when it was killed."""
    dead = [one.at for one in story.crashes if one.instance_id == run.instance_id and run.began <= one.at]
    lives = [moved for one in story.seen if (moved := _life(one, run, min([at, *dead])))]
    return max(lives, key=lambda one: one.at, default=None)


def _life(one: Seen, run: Span, until: datetime) -> Seen | None:
    if one.worker != run.worker or not run.began <= one.at <= until:
        return None
    if one.event in LIFE:
        return one
    if one.event is Event.WORKS and one.until is not None:
        return Seen(at=min(one.until, until), worker=one.worker, event=one.event, message=one.message)
    return None


def _by_instance(story: Story) -> dict[str, list[Transition]]:
    found: dict[str, list[Transition]] = defaultdict(list)
    for transition in sorted(story.transitions, key=lambda one: one.at):
        found[transition.instance_id].append(transition)
    return found


def _run(began: Transition, ended: datetime) -> Span:
    return Span(
        instance_id=began.instance_id, worker=began.worker, state=began.state, began=began.at, ended=ended
    )
