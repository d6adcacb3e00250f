"""Runs of instances and activity of their users, derived from a story."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from benchmarks.soak.story import Deed, Seen, Stay, Story
from lifecycle_app.model.worker import State

UP = (State.PENDING, State.RUNNING)
LIFE = (Deed.READY, Deed.ACTED)


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
                instance_id=stay.instance_id, worker=stay.worker, state=stay.state, began=stay.at, ended=ended
            )
            for stays in _by_instance(story).values()
            for stay, ended in zip(stays, [*(one.at for one in stays[1:]), story.ended], strict=True)
        ),
        key=lambda span: span.began,
    )


def runs(story: Story) -> Iterator[Span]:
    """The times in which an instance was up, from pending until it was stopping or gone."""
    for stays in _by_instance(story).values():
        began: Stay | None = None
        for stay in stays:
            if stay.state in UP:
                began = began or stay
            elif began is not None:
                yield _run(began, stay.at)
                began = None
        if began is not None:
            yield _run(began, story.ended)


def existences(story: Story) -> dict[str, list[Span]]:
    """From each instance's first state until it was gone, by worker."""
    found: dict[str, list[Span]] = defaultdict(list)
    for stays in _by_instance(story).values():
        gone = [stay.at for stay in stays if stay.state is State.TERMINATED]
        found[stays[0].worker].append(_run(stays[0], gone[0] if gone else story.ended))
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
    if one.deed in LIFE:
        return one
    if one.deed is Deed.WORKS and one.until is not None:
        return Seen(at=min(one.until, until), worker=one.worker, deed=one.deed, words=one.words)
    return None


def _by_instance(story: Story) -> dict[str, list[Stay]]:
    found: dict[str, list[Stay]] = defaultdict(list)
    for stay in sorted(story.stays, key=lambda one: one.at):
        found[stay.instance_id].append(stay)
    return found


def _run(began: Stay, ended: datetime) -> Span:
    return Span(
        instance_id=began.instance_id, worker=began.worker, state=began.state, began=began.at, ended=ended
    )
