"""Home disks that are filling are grown, while their users work."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from lifecycle_app.adapters.volumes import TOO_MANY
from lifecycle_app.errors import CloudError
from lifecycle_app.model.growth import Growth, HomeReport, HomeVolume, Why, decide
from lifecycle_app.model.history import Kind
from lifecycle_app.model.messages import message
from lifecycle_app.model.worker import State, Worker
from lifecycle_app.use_cases.ports import Service, Volumes
from lifecycle_app.use_cases.records import add_entry

log = logging.getLogger(__name__)

LOOK_BACK = timedelta(minutes=10)
"""A home that fills is reported each half minute: an older report is of a home that has space again."""


def grow_homes(service: Service, volumes: Volumes, limit: int, now: datetime) -> dict[str, int]:
    """Grows the homes of running workers that report little space, up to `limit` GiB; 0: none. Counts what was decided.

    A pass that is interrupted leaves EC2's own state, from which the next one goes on.
    """
    if limit == 0:
        return {}
    running = _in_use(service)
    reports = service.metrics.homes([worker.instance_id for worker in running], now - LOOK_BACK, now)
    filling = [worker for worker in running if worker.instance_id in reports]
    if not filling:
        return {}
    known = volumes.described([str(worker.home_volume) for worker in filling])
    decided = Counter(
        service.map_all(partial(_settle, service, volumes, known, reports, limit, now), filling)
    )
    return dict(decided)


def mark_homes(service: Service, volumes: Volumes) -> dict[str, int]:
    """Marks the homes of running workers for the daily backups; how many there were to mark.

    The launch that makes a home gives it the same tags as the root disk, of which no backups are made.
    """
    unmarked = volumes.unmarked([str(worker.home_volume) for worker in _in_use(service)])
    if not unmarked:
        return {}
    try:
        volumes.mark(unmarked)
    except CloudError as error:
        log.error("homes are not marked for their backups: %s: %s", ", ".join(unmarked), error)
        return {"unmarked": len(unmarked)}
    return {"marked": len(unmarked)}


def _in_use(service: Service) -> list[Worker]:
    """The running workers that have a home disk."""
    return [w for w in service.store.costing() if w.state is State.RUNNING and w.home_volume]


def _settle(
    service: Service,
    volumes: Volumes,
    known: Mapping[str, HomeVolume],
    reports: Mapping[str, HomeReport],
    limit: int,
    now: datetime,
    worker: Worker,
) -> str:
    volume = known.get(str(worker.home_volume))
    if volume is None:
        return Why.NOT_ITS_HOME
    growth = decide(reports[worker.instance_id], volume, worker.instance_id, limit)
    if growth.why is not Why.GROW:
        log.info(
            "worker %s: its home %s is left at %d GB: %s",
            worker.key,
            volume.volume_id,
            volume.size,
            growth.why,
        )
        return growth.why
    return _grow(service, volumes, worker, volume, growth, now)


def _grow(
    service: Service, volumes: Volumes, worker: Worker, volume: HomeVolume, growth: Growth, now: datetime
) -> str:
    try:
        volumes.grow(volume.volume_id, growth.size)
    except CloudError as error:
        log.error("worker %s: its home %s is not grown: %s", worker.key, volume.volume_id, error)
        return "too-often" if error.code == TOO_MANY else "failed"
    why = message("grown", size=growth.size, was=volume.size)
    add_entry(service, worker, Kind.GROWTH, why.code, why, now, {"volume": volume.volume_id})
    return growth.why
