"""Giving a home to another name: for a user whose login name has changed.

The machine is terminated, as `workers terminate` does it. Then the disk gets the new name's tags, then the old record
forgets the disk, and then the new record has it. So no two names ever have it, and where this was interrupted, the same
command goes on: between the last two steps, the disk's tags say whose it becomes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from bootstrap.aws.instances import tags_of, volumes_by_tags
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.errors import Refused, SettingsError, StepFailed
from bootstrap.operations.workers.listing import ListedWorker, listed_workers, store_of
from bootstrap.operations.workers.termination import change_record, terminate
from hub.users.names import name_problem
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.contract import ROLE_WORKER, TAG_SERVER, TAG_USER
from lifecycle_app.errors import RecordConflict
from lifecycle_app.model.worker import State, Worker, split

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import VolumeTypeDef

DOWN = (State.STOPPED, State.TERMINATED)

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Move:
    """What is moved: the home disk of the worker `old`, to the name `new`."""

    old: ListedWorker
    new: str
    volume: str
    zone: str


def planned(old: str, new: str, workers: Sequence[ListedWorker], volumes: "Sequence[VolumeTypeDef]") -> Move:
    """What a move does. Pure. Raises SettingsError for names that cannot be meant, Refused if it cannot be done now."""
    problem = name_problem(split(new)[0])
    if problem or old == new or bool(split(old)[1]) != bool(split(new)[1]):
        raise SettingsError(f"the home of {old} cannot be moved to {new!r}: {problem or 'give another name'}")
    taken = [one for one in workers if one.key == new and one.owns_resources]
    if taken:
        raise Refused(
            f"{new} has a machine or home already: `cloudjhub workers terminate {new} --with-home` deletes it,"
            " with its files. Nothing was moved"
        )
    rows = [one for one in workers if one.key == old]
    if not rows:
        raise SettingsError(f"{old} has no home disk: `cloudjhub homes list` shows all")
    row, by_id = rows[0], {one["VolumeId"]: one for one in volumes}
    if row.instance_id and row.state not in DOWN:
        raise Refused(f"{old} is {row.state}: `cloudjhub workers stop {old}` first. Nothing was moved")
    volume = row.home_volume or _begun(new, workers, volumes)
    if volume not in by_id:
        raise SettingsError(f"{old} has no home disk that EC2 lists as this cluster's: nothing was moved")
    return Move(row, new, volume, by_id[volume].get("AvailabilityZone", ""))


def _begun(new: str, workers: Sequence[ListedWorker], volumes: "Sequence[VolumeTypeDef]") -> str:
    """The disk that an interrupted move has tagged with the new name, and that no record has; "" for none."""
    known = {one.home_volume for one in workers}
    found = [
        one["VolumeId"]
        for one in volumes
        if one["VolumeId"] not in known and not one.get("Attachments") and _owner(one) == split(new)
    ]
    return found[0] if len(found) == 1 else ""


def _owner(volume: "VolumeTypeDef") -> tuple[str, str]:
    tags = tags_of(volume)
    return tags.get(TAG_USER, ""), tags.get(TAG_SERVER, "")


def plan(site: Site, old: str, new: str, now: datetime) -> Move:
    """What a move would do now. Raises as `planned`."""
    return planned(old, new, listed_workers(site, now), volumes_by_tags(site.aws, site.cluster, ROLE_WORKER))


def carry_out(site: Site, move: Move, clock: Clock, report: Report) -> None:
    """Move the home. Raises StepFailed if a user logs in meanwhile: then the disk is kept, and no name has it."""
    store = store_of(site)
    if move.old.home_volume:
        terminate(site, [move.old], clock, report, with_home=False)
    user, server = split(move.new)
    report(f"giving {move.volume} to {move.new}")
    tags = [{"Key": TAG_USER, "Value": user}, {"Key": TAG_SERVER, "Value": server}]
    site.aws.client("ec2").create_tags(Resources=[move.volume], Tags=tags)  # type: ignore[arg-type]
    change_record(store, move.old.key, lambda worker: _without(worker, move.volume), clock())
    _record(store, move, clock())


def _without(worker: Worker, volume: str) -> Worker:
    if worker.home_volume != volume or worker.state is not State.TERMINATED:
        return worker
    return replace(worker, home_volume=None, home_attached=True)


def _record(store: WorkerStore, move: Move, now: datetime) -> None:
    """The new name has a home and no machine: its next login launches one, and attaches the disk."""
    old, known = store.get(move.old.key), store.get(move.new)
    if old is None or old.home_volume is not None or (known and known.owns_resources):
        raise StepFailed(
            f"{move.volume} is not moved: {move.old.key} or {move.new} logged in meanwhile: see `workers list`"
        )
    blank = Worker(
        key=move.new,
        instance_id=old.instance_id,
        state=State.TERMINATED,
        state_at=now,
        version=0,
        changed_at=now,
    )
    try:
        store.put(replace(known or blank, home_volume=move.volume, home_attached=True, zone=move.zone), now)
    except RecordConflict as error:
        raise StepFailed(f"{move.new} logged in meanwhile: run the command again") from error
