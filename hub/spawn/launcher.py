"""Starts and launches instances: the only module of the hub that makes an instance run."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from hub.clients.calls import Calls, Coalescer, Queue, Say, TokenBucket
from hub.errors import (
    BackupGone,
    CloudRefused,
    InstanceGone,
    NoAddresses,
    NoCapacity,
    NotStartable,
    QuotaReached,
    StartError,
)
from hub.spawn.planning import Known
from lifecycle_app.adapters.aws import code_of, split_refused

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

log = logging.getLogger(__name__)

WINDOW = 0.05
MOST_AT_ONCE = 200
CALLS_A_SECOND = 0.7
"""How often StartInstances is called while a class logs in, though EC2 would allow 2: users who log in meanwhile are in
the next call, which costs a login one second, and the account's other callers find tokens in the bucket."""
MOST_GENERATIONS = 3

# Another zone or type may do better.
PLACE_REFUSED = frozenset(
    {"InsufficientInstanceCapacity", "Unsupported", "InsufficientFreeAddressesInSubnet"}
)
NOT_FREE = "not eligible for Free Tier"
"""EC2 tells it only in the message: the code is that of all combinations that it refuses."""
MESSAGES: Mapping[str, tuple[type[StartError], str]] = {
    "InsufficientInstanceCapacity": (
        NoCapacity,
        "AWS has no machine of this type available. Your files are safe. Try again in a few minutes.",
    ),
    "Unsupported": (CloudRefused, "AWS does not offer this machine type here. Tell your administrator."),
    "InsufficientFreeAddressesInSubnet": (
        NoAddresses,
        "No network address is left for your machine. Tell your administrator: the worker subnets are full.",
    ),
    "VcpuLimitExceeded": (
        QuotaReached,
        "The AWS account's quota of vCPUs is used up. Tell your administrator: AWS raises it on request.",
    ),
    "InstanceLimitExceeded": (
        QuotaReached,
        "The AWS account's quota of instances is used up. Tell your administrator: AWS raises it on request.",
    ),
    "PendingVerification": (
        CloudRefused,
        "AWS is still verifying the account, which takes up to four hours. Tell your administrator, and try later.",
    ),
    "OptInRequired": (
        CloudRefused,
        "The AWS account may not use EC2 yet, or has not accepted the image's terms. Tell your administrator.",
    ),
    "Blocked": (CloudRefused, "AWS has blocked the account. Tell your administrator: AWS Support says why."),
    NOT_FREE: (
        CloudRefused,
        "The AWS account has the free plan, which excludes this machine type. Tell your administrator.",
    ),
    "InvalidSnapshot.NotFound": (
        BackupGone,
        "The backup that you chose is not there any more. Start your machine again, without it.",
    ),
    "IncorrectInstanceState": (NotStartable, "Your machine cannot be started in its present state."),
    "InvalidInstanceID.NotFound": (InstanceGone, "Your machine no longer exists at AWS."),
}
ENDED: Mapping[str, tuple[type[StartError], str]] = {
    "Server.InsufficientInstanceCapacity": MESSAGES["InsufficientInstanceCapacity"],
    "Client.VolumeLimitExceeded": (
        QuotaReached,
        "The AWS account's quota of disk space is used up. Tell your administrator: AWS raises it on request.",
    ),
    "Client.InvalidKMSKey": (
        CloudRefused,
        "AWS cannot use the key that encrypts your machine's disks. Your files are safe. Tell your administrator.",
    ),
    "Client.InternalError": (
        CloudRefused,
        "AWS could not give your machine its disks; most often it may not use the key that encrypts them. "
        "Tell your administrator.",
    ),
}
"""EC2 accepts a launch or a start and ends it, for these reasons, which another try does not change. By the beginning
of StateReason's code: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """A new instance."""

    instance_id: str
    address: str
    zone: str
    instance_type: str


class Launcher:
    """Starts stopped instances, many in one call, and launches new ones, one call each."""

    def __init__(self, ec2: "EC2Client", calls: Calls, *, window: float = WINDOW) -> None:
        self._ec2 = ec2
        self._calls = calls
        self._start_pace = TokenBucket()
        self._batch_pace = TokenBucket(rate=CALLS_A_SECOND)
        self._starts = Coalescer[str, None](
            self._start_batch, window=window, most=MOST_AT_ONCE, turn=self._start_turn
        )
        self._launch_pace = pace = TokenBucket()
        self._queue = Queue(lambda: calls.turn(pace))
        self._launches: dict[str, asyncio.Task[Launched]] = {}

    async def start(self, instance_id: str) -> None:
        """Starts an instance; one that is already pending or running stays as it is.

        Raises NotStartable, InstanceGone, NoCapacity, QuotaReached, CloudBusy, CloudRefused.
        """
        await self._starts.request(instance_id)

    async def launch(
        self, worker: str, requests: Callable[[int], Sequence[Mapping[str, Any]]], say: Say
    ) -> Launched:
        """Launches the first of the requests that EC2 has room for; `requests` makes them for a token generation.

        Raises NoCapacity, QuotaReached, NoAddresses, CloudBusy, CloudRefused.
        """
        ticket = self._queue.ticket()
        for generation in range(MOST_GENERATIONS):
            refusal: ClientError | None = None
            for request in requests(generation):
                try:
                    return await self._launch(worker, request, say, ticket)
                except ClientError as error:
                    refusal = error
                    if code_of(error) not in PLACE_REFUSED:
                        break
                    where = f"{request['InstanceType']} in {request['SubnetId']}"
                    log.warning("%s: %s is not available: %s", worker, where, error)
                    say("AWS has no such machine available there. Trying another zone or type")
            if refusal is None:
                raise CloudRefused(
                    "No worker subnet is in the zone of your home disk. Tell your administrator."
                )
            if code_of(refusal) != "IdempotentInstanceTerminated":
                raise start_error(refusal, worker) from refusal
        raise CloudRefused("AWS terminates each new machine at once. Tell your administrator.") from refusal

    async def unfinished(self, worker: str) -> Launched | None:
        """The outcome of a pending launch whose caller is gone; None if there is none."""
        task = self._launches.get(worker)
        if task is None:
            return None
        done, _ = await asyncio.wait([task])
        return None if task.cancelled() or task.exception() else done.pop().result()

    def is_launching(self, worker: str) -> bool:
        """Is a launch of this worker pending?"""
        return worker in self._launches

    def is_any_launching(self) -> bool:
        """May there be an instance whose id is not known yet?"""
        return bool(self._launches)

    async def _start_turn(self) -> None:
        await self._calls.turn(self._batch_pace)
        await self._calls.turn(self._start_pace)

    async def _launch(self, worker: str, request: Mapping[str, Any], say: Say, ticket: int) -> Launched:
        """One RunInstances call. It completes even if its caller is cancelled, so that its instance is known."""
        task = self._launches.get(worker)
        if task is None:
            await self._queue.wait(
                ticket, lambda place: say(f"Waiting for AWS: you are number {place} in the queue")
            )
            task = self._launches.get(worker)
        if task is None:
            work = self._calls.call(
                f"RunInstances for {worker}", lambda: self._run(request), self._launch_pace, has_turn=True
            )
            task = asyncio.ensure_future(work)
            self._launches[worker] = task
            task.add_done_callback(lambda _: self._launches.pop(worker, None))
        return await asyncio.shield(task)

    def _run(self, request: Mapping[str, Any]) -> Launched:
        instance = self._ec2.run_instances(**request)["Instances"][0]
        return Launched(
            instance_id=instance["InstanceId"],
            address=instance["PrivateIpAddress"],
            zone=instance["Placement"]["AvailabilityZone"],
            instance_type=instance["InstanceType"],
        )

    async def _start_batch(
        self, instance_ids: Sequence[str], *, has_turn: bool = True
    ) -> dict[str, Exception | None]:
        """Starts them in one call. If one cannot be started, the others still are."""
        ids = list(instance_ids)
        try:
            await self._calls.call(
                f"StartInstances of {len(ids)}",
                lambda: self._ec2.start_instances(InstanceIds=ids),
                self._start_pace,
                has_turn=has_turn,
            )
        except ClientError as error:
            if len(ids) == 1:
                return {ids[0]: start_error(error, ids[0])}
            outcomes: dict[str, Exception | None] = {}
            for part in split_refused(ids, str(error)):
                outcomes.update(await self._start_batch(part, has_turn=False))
            return outcomes
        return dict.fromkeys(ids)


def end_error(known: Known, name: str) -> StartError | None:
    """The error, with the message for the user, where EC2 ended an instance for a reason that stays; else None."""
    found = next((ENDED[code] for code in ENDED if known.reason.startswith(code)), None)
    if found is None:
        return None
    log.error("%s cannot be started: EC2 ended %s: %s", name, known.instance_id, known.reason)
    kind, message = found
    return kind(message)


def start_error(error: ClientError, name: str) -> StartError:
    """The error with the message that the user reads; AWS's own is logged for the administrator."""
    code = code_of(error)
    kind, message = MESSAGES.get(
        NOT_FREE if NOT_FREE in str(error) else code,
        (CloudRefused, f"AWS refused to start your machine ({code}). Tell your administrator."),
    )
    if kind not in (NotStartable, InstanceGone):
        log.error("%s cannot be started: %s", name, error)
    return kind(message)
