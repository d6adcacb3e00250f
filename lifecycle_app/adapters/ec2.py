"""Workers' instances in EC2: describes, stops and terminates them. The only module that does the last two."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC
from threading import Lock
from time import sleep
from typing import Any

from botocore.exceptions import ClientError

from lifecycle_app.adapters.aws import aws_errors, code_of, split_refused
from lifecycle_app.contract import BACKUP_DEVICE, ROLE_WORKER, TAG_CLUSTER, TAG_ROLE, TAG_SERVER, TAG_USER
from lifecycle_app.errors import THROTTLED, CloudError, StopRejected, TerminationRejected
from lifecycle_app.model.events import EC2_STATES
from lifecycle_app.model.removal import Attached, Described
from lifecycle_app.model.worker import Instance, worker_key

log = logging.getLogger(__name__)

IDS_IN_A_FILTER = 200
"""Values that EC2 accepts in one filter."""
UNKNOWN_RESULT = ("InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable")
"""Error codes after which EC2 may or may not have stopped the instance."""
"""Error codes of a throttled call: EC2 has done nothing, although the status is a server error."""
WINDOW = 0.2
"""Seconds for which a stop waits for others to share its call."""


class Ec2:
    """EC2's view of one cluster's workers.

    Every method raises CloudError if EC2 cannot be asked. `stopper` is a client without retries: a stop is
    only allowed while the worker is claimed.
    """

    def __init__(self, reader: Any, stopper: Any, cluster: str) -> None:
        self._reader = reader
        self._stopper = stopper
        self._cluster = cluster

    def workers(self) -> list[Instance]:
        """All instances with the cluster's tags, terminated ones too while EC2 keeps their tags."""
        tags = {f"tag:{TAG_CLUSTER}": [self._cluster], f"tag:{TAG_ROLE}": [ROLE_WORKER]}
        return list(self._described(tags))

    def named(self, instance_ids: Sequence[str]) -> list[Instance]:
        """Those of the instances that EC2 lists as workers, of whatever cluster.

        One that is missing need not be gone: EC2 lists new ones late, and drops the tags of terminated ones.
        """
        chunks = range(0, len(instance_ids), IDS_IN_A_FILTER)
        return [
            instance
            for start in chunks
            for instance in self._described({"instance-id": instance_ids[start : start + IDS_IN_A_FILTER]})
        ]

    def knows(self, instance_id: str) -> bool:
        """Does EC2 list the instance, worker or not? It may list a new one only after some seconds."""
        with aws_errors("DescribeInstances"):
            answer = self._reader.describe_instances(
                Filters=[{"Name": "instance-id", "Values": [instance_id]}]
            )
        return bool(answer.get("Reservations"))

    def stop(self, instance_id: str, *, force: bool = False) -> None:
        """Asks EC2 to stop the instance; `force` skips the operating system's own shutdown.

        Raises StopRejected if EC2 refuses, and any other CloudError if it is unknown what EC2 did.
        """
        with _changing("StopInstances", StopRejected):
            self._stopper.stop_instances(InstanceIds=[instance_id], Force=force)

    def described(self, instance_id: str) -> Described | None:
        """A worker's instance with its disks, as EC2 describes them now; None if EC2 lists no worker of that id."""
        answers = self._pages({"instance-id": [instance_id]})
        found = [(worker_instance(one), attached_disks(one)) for one in answers]
        instance, disks = found[0] if len(found) == 1 else (None, ())
        return Described(instance=instance, disks=disks) if instance else None

    def terminate(self, instance_id: str) -> None:
        """Asks EC2 to terminate the instance.

        Raises TerminationRejected if EC2 refuses, and any other CloudError if it is unknown what EC2 did.
        """
        with _changing("TerminateInstances", TerminationRejected):
            self._stopper.terminate_instances(InstanceIds=[instance_id])

    def _described(self, filters: Mapping[str, Sequence[str]]) -> Iterator[Instance]:
        return filter(None, map(worker_instance, self._pages(filters)))

    def _pages(self, filters: Mapping[str, Sequence[str]]) -> Iterator[Mapping[str, Any]]:
        pages = self._reader.get_paginator("describe_instances").paginate(
            Filters=[{"Name": name, "Values": list(values)} for name, values in filters.items()]
        )
        with aws_errors("DescribeInstances"):
            for page in pages:
                for reservation in page.get("Reservations", ()):
                    yield from reservation.get("Instances", ())


class StopBatches:
    """A client whose stops of one instance each, at the same time, become one call of EC2. If EC2 refuses it for one
    instance, the others are still stopped, and each caller gets the answer about its own.
    """

    def __init__(self, client: Any, *, wait: Callable[[float], object] = sleep) -> None:
        self._client = client
        self._wait = wait
        self._lock = Lock()
        self._asked: dict[str, Future[None]] = {}

    def stop_instances(self, InstanceIds: Sequence[str], Force: bool) -> None:  # noqa: N803 -- boto3's own names
        """Raises EC2's error about this instance."""
        if Force:
            self._client.stop_instances(InstanceIds=InstanceIds, Force=True)
            return
        (instance_id,) = InstanceIds
        with self._lock:
            is_first = not self._asked
            heard = self._asked.setdefault(instance_id, Future())
        if is_first:
            self._wait(WINDOW)
            with self._lock:
                asked, self._asked = self._asked, {}
            self._stop(asked, list(asked))
        heard.result()

    def terminate_instances(self, InstanceIds: Sequence[str]) -> None:  # noqa: N803 -- boto3's own name
        """By itself: each termination is checked just before. Raises EC2's error."""
        self._client.terminate_instances(InstanceIds=InstanceIds)

    def _stop(self, asked: Mapping[str, Future[None]], instance_ids: Sequence[str]) -> None:
        error = self._error(instance_ids)
        if isinstance(error, ClientError) and len(instance_ids) > 1 and _is_about_one(error):
            for part in split_refused(instance_ids, str(error)):
                self._stop(asked, part)
            return
        for instance_id in instance_ids:
            if error:
                asked[instance_id].set_exception(error)
            else:
                asked[instance_id].set_result(None)

    def _error(self, instance_ids: Sequence[str]) -> Exception | None:
        try:
            self._client.stop_instances(InstanceIds=list(instance_ids), Force=False)
        except Exception as error:
            # Whatever it is, the callers that wait must get it.
            return error
        return None


@contextmanager
def _changing(operation: str, rejected: type[CloudError]) -> Iterator[None]:
    """Turns botocore's errors into `rejected` if EC2 refused, and into another CloudError if it may have acted."""
    with aws_errors(operation):
        try:
            yield
        except ClientError as error:
            if _may_have_been_done(error):
                raise
            raise rejected(operation, code_of(error), error.response["Error"]["Message"]) from error


def _is_about_one(error: ClientError) -> bool:
    """Is it refused because of one instance, so that the others can be tried again?"""
    return not _may_have_been_done(error) and code_of(error) not in THROTTLED


def _may_have_been_done(error: ClientError) -> bool:
    """May EC2 have done what was asked? Also after a gateway's error."""
    code = code_of(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code in UNKNOWN_RESULT or (status >= 500 and code not in THROTTLED)


def worker_instance(described: Mapping[str, Any]) -> Instance | None:
    """An instance as DescribeInstances describes it; None if it does not have a worker's tags.

    None also if its state is not one that we know: then nothing is known of the instance.
    """
    tags = {tag["Key"]: tag["Value"] for tag in described.get("Tags", ())}
    if tags.get(TAG_ROLE) != ROLE_WORKER or not tags.get(TAG_CLUSTER):
        return None
    try:
        key = worker_key(tags.get(TAG_USER, ""), tags.get(TAG_SERVER, ""))
    except ValueError:
        return None
    word = described["State"]["Name"]
    if word not in EC2_STATES:
        log.error("worker %s (%s): unknown state %r in EC2", key, described["InstanceId"], word)
        return None
    home = _home(described)
    return Instance(
        key=key,
        cluster=tags[TAG_CLUSTER],
        instance_id=described["InstanceId"],
        state=EC2_STATES[word],
        launched_at=described["LaunchTime"].astimezone(UTC),
        address=described.get("PrivateIpAddress"),
        instance_type=described["InstanceType"],
        zone=described.get("Placement", {}).get("AvailabilityZone", ""),
        home_volume=home["VolumeId"] if home else None,
        home_attached=home is None or home.get("Status", "attached") == "attached",
    )


def attached_disks(described: Mapping[str, Any]) -> tuple[Attached, ...]:
    """The disks in EC2's description of an instance. What it does not say counts against the disk: then it would be
    deleted with the instance, or is not attached."""
    root = described.get("RootDeviceName")
    return tuple(
        Attached(
            volume=mapping["Ebs"]["VolumeId"],
            is_root=mapping["DeviceName"] == root,
            is_attached=mapping["Ebs"].get("Status") == "attached",
            goes_with_instance=mapping["Ebs"].get("DeleteOnTermination") is not False,
            is_backup=mapping["DeviceName"] == BACKUP_DEVICE,
        )
        for mapping in described.get("BlockDeviceMappings", ())
        if "Ebs" in mapping
    )


def _home(described: Mapping[str, Any]) -> Mapping[str, Any] | None:
    root = described.get("RootDeviceName")
    others = [
        mapping["Ebs"]
        for mapping in described.get("BlockDeviceMappings", ())
        if mapping["DeviceName"] not in (root, BACKUP_DEVICE) and "Ebs" in mapping
    ]
    return others[0] if others else None
