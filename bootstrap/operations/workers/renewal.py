"""Renewal: stopped workers get a new image at their next start.

It terminates instances and keeps home disks; why the operator may do that, and how it respects logins:
docs/decisions/0019.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from bootstrap.aws import instances
from bootstrap.aws.instances import tags_of
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.errors import NotBuilt
from bootstrap.machines.image import images
from bootstrap.operations.workers.listing import ListedWorker
from bootstrap.operations.workers.termination import Clock, end_stopped, mark_terminated
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.contract import ROLE_WORKER, TAG_SERVER, TAG_USER
from lifecycle_app.errors import BadRecord
from lifecycle_app.model.worker import State, Worker, worker_key

RENEWED = "renewed"


class Verdict(StrEnum):
    """What becomes of a worker whose instance has an older image."""

    RENEW = "renewed at the next login"
    LATER = "in use; renewed after it has stopped, by the same command"
    NO_HOME_DISK = "kept: its home is on the root disk and would go with it"
    BAD_RECORD = "kept: its record cannot be used; see `cloudjhub doctor`"
    UNRECORDED = "kept: no record of this machine yet; try again in 15 minutes"
    TAKEN = "left: its user is logging in, or a function decides about it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """A worker whose instance has another image than the one that is launched now."""

    key: str
    instance_id: str
    image: str
    verdict: Verdict


def aged(site: Site, store: WorkerStore) -> list[Aged]:
    """All workers with an older image, by name, and what may be done about each. Reads only. Raises NotBuilt."""
    chosen = images.current(site.aws, site.cluster)
    if chosen is None:
        raise NotBuilt(f"{site.cluster} has no worker image: run `cloudjhub up` first")
    found = [
        one
        for one in instances.found_by_tags(site.aws, site.cluster, ROLE_WORKER)
        if one["ImageId"] != chosen
    ]
    keys = {one["InstanceId"]: _key(one) for one in found}
    return sorted(
        (
            Aged(
                key=keys[one["InstanceId"]],
                instance_id=one["InstanceId"],
                image=one["ImageId"],
                verdict=_verdict(store, keys[one["InstanceId"]], one),
            )
            for one in found
        ),
        key=lambda one: (one.key, one.instance_id),
    )


def _verdict(store: WorkerStore, key: str, instance: Mapping[str, Any]) -> Verdict:
    try:
        return verdict(store.get(key), instance)
    except BadRecord:
        return Verdict.BAD_RECORD


def verdict(worker: Worker | None, instance: Mapping[str, Any]) -> Verdict:
    """What may be done about an instance, as EC2 describes it, of which this is the record."""
    if worker is None or worker.instance_id != instance["InstanceId"]:
        return Verdict.UNRECORDED
    if not has_own_home(worker, instance):
        return Verdict.NO_HOME_DISK
    if worker.state is State.STOPPED and instance["State"]["Name"] == "stopped":
        return Verdict.RENEW
    return Verdict.LATER


def has_own_home(worker: Worker, instance: Mapping[str, Any]) -> bool:
    """Is the user's home on a disk that is kept when this instance is terminated?"""
    return any(
        mapping["Ebs"]["VolumeId"] == worker.home_volume and not mapping["Ebs"]["DeleteOnTermination"]
        for mapping in instance.get("BlockDeviceMappings", [])
        if mapping.get("DeviceName") != instance.get("RootDeviceName") and "Ebs" in mapping
    )


def renew(site: Site, store: WorkerStore, clock: Clock, report: Report) -> list[Aged]:
    """Terminate the stopped instances with an older image, and say what became of all. Raises NotBuilt."""
    done: list[Aged] = []
    ended: list[Aged] = []
    found = aged(site, store)
    for number, one in enumerate(found, 1):
        if one.verdict is Verdict.RENEW:
            report(f"{one.key}: terminating {one.instance_id} ({number} of {len(found)})")
            if end_stopped(site, store, one.key, one.instance_id, RENEWED, clock):
                ended.append(one)
            else:
                one = replace(one, verdict=Verdict.TAKEN)
        done.append(one)
    instances.await_gone(site.aws, [one.instance_id for one in ended], report)
    for one in ended:
        # A login that waits for the claim continues at once, even if EC2's event is late or lost.
        terminated = ListedWorker(key=one.key, instance_id=one.instance_id, state=State.TERMINATED)
        mark_terminated(store, terminated, clock)
    return done


def _key(instance: Mapping[str, Any]) -> str:
    tags = tags_of(instance)
    return worker_key(tags[TAG_USER], tags.get(TAG_SERVER, ""))


def summary(done: Sequence[Aged]) -> str:
    """A line for each worker."""
    return "\n".join(f"{one.key}: {one.verdict} ({one.instance_id}, {one.image})" for one in done)
