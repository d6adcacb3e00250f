"""Differences between EC2 and the records. Pure: finds them, and leaves fixing them to the use case."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lifecycle_app.model.transitions import START_TAKES, STOP_TAKES, with_facts
from lifecycle_app.model.worker import Instance, State, Worker

SETTLES_IN = timedelta(minutes=1)
"""An event may take so long to arrive, and EC2's answers may be that old."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """An instance that no record has."""

    instance: Instance


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Instances of one worker that no record has: which one is right is unknown."""

    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class Missed:
    """An instance that is in another state, and whose event was missed."""

    worker: Worker
    instance: Instance


@dataclass(frozen=True, slots=True)
class Outdated:
    """A record whose state is right, but whose other facts differ from EC2's."""

    worker: Worker
    instance: Instance


@dataclass(frozen=True, slots=True)
class Stuck:
    """An instance that takes too long to stop, or to start."""

    worker: Worker
    must_end: bool
    """Has it taken so long that it must be stopped by force?"""


@dataclass(frozen=True, slots=True)
class Unwatched:
    """A record of a worker that costs money, but that no sweep will check."""

    worker: Worker


@dataclass(frozen=True, slots=True)
class Undescribed:
    """A record whose instance EC2 does not list."""

    worker: Worker


Finding = Orphan | Ambiguous | Missed | Outdated | Stuck | Unwatched | Undescribed


def findings(workers: Sequence[Worker], instances: Sequence[Instance], now: datetime) -> Iterator[Finding]:
    """All differences, worker by worker."""
    by_id = {instance.instance_id: instance for instance in instances}
    for worker in workers:
        finding = _about(worker, by_id.get(worker.instance_id), now)
        if finding is not None:
            yield finding
    yield from _unrecorded(workers, instances)


def without_server(workers: Sequence[Worker], servers: Collection[str], now: datetime) -> list[Worker]:
    """Workers that have run for some time, but have no server by the hub."""
    return [
        worker
        for worker in workers
        if worker.state is State.RUNNING and worker.key not in servers and worker.state_at < now - SETTLES_IN
    ]


def is_unwatched(worker: Worker) -> bool:
    """Does it cost money, but has no due time?"""
    return worker.state.costs and worker.due_at is None


def _about(worker: Worker, instance: Instance | None, now: datetime) -> Finding | None:
    # A terminated instance stays terminated, whatever a claim's holder does: a sweep that claims it may run
    # at the minutes of each reconcile.
    is_over = instance is not None and instance.state is State.TERMINATED
    if (worker.is_claimed(now) and not is_over) or now - worker.state_at < SETTLES_IN:
        return None
    if instance is None:
        return None if worker.state is State.TERMINATED else Undescribed(worker)
    if _differs(worker, instance, now):
        return Missed(worker, instance)
    if is_unwatched(worker):
        return Unwatched(worker)
    if worker.is_abandoned(now):
        return None
    taken = now - worker.state_at
    if worker.state is State.STOPPING and taken > STOP_TAKES:
        return Stuck(worker, must_end=taken > 2 * STOP_TAKES)
    if worker.state is State.PENDING and taken > START_TAKES:
        return Stuck(worker, must_end=False)
    return Outdated(worker, instance) if with_facts(worker, instance) != worker else None


def _differs(worker: Worker, instance: Instance, now: datetime) -> bool:
    """A claim that was abandoned leaves `running` where a stop was being decided; after a removal nothing is left."""
    if worker.is_abandoned(now):
        return worker.removing or instance.state is not State.RUNNING
    return instance.state is not worker.state


def _unrecorded(workers: Sequence[Worker], instances: Sequence[Instance]) -> Iterator[Finding]:
    recorded_ids = {worker.instance_id for worker in workers}
    recorded_keys = {worker.key for worker in workers}
    unknown: dict[str, list[Instance]] = {}
    for instance in instances:
        if instance.instance_id not in recorded_ids and instance.state is not State.TERMINATED:
            unknown.setdefault(instance.key, []).append(instance)
    for key, found in unknown.items():
        if len(found) > 1 and key not in recorded_keys:
            yield Ambiguous(tuple(found))
        else:
            yield from map(Orphan, found)
