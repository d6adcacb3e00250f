"""Starts and launches instances: the one place in which the hub can make a machine run."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from hub.clients.calls import Calls, Joining, Queue, Say, TokenBucket, code_of
from hub.errors import (
    CloudRefused,
    InstanceGone,
    NoAddresses,
    NoCapacity,
    NotStartable,
    QuotaReached,
    StartError,
)
from lifecycle_app.adapters.aws import taken_apart

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

log = logging.getLogger(__name__)

WINDOW = 0.05
MOST_AT_ONCE = 200
CALLS_A_SECOND = 0.7
"""StartInstances is called no more often while a class logs in, though EC2 would allow 2: whoever comes meanwhile goes
with the next call, which costs a second of a login, and others in the account find tokens in the bucket."""
MOST_GENERATIONS = 3

# Another zone or type may do better.
PLACE_REFUSED = frozenset(
    {"InsufficientInstanceCapacity", "Unsupported", "InsufficientFreeAddressesInSubnet"}
)
WORDS: Mapping[str, tuple[type[StartError], str]] = {
    "InsufficientInstanceCapacity": (
        NoCapacity,
        "AWS has no machine of this kind free just now. Your files are safe; try again in some minutes.",
    ),
    "Unsupported": (NoCapacity, "AWS does not have this kind of machine here. Tell your administrator."),
    "InsufficientFreeAddressesInSubnet": (
        NoAddresses,
        "There is no network address left for another machine. Tell your administrator: the worker subnets are full.",
    ),
    "VcpuLimitExceeded": (
        QuotaReached,
        "The AWS account's quota of vCPUs is used up. Tell your administrator: AWS raises it on request.",
    ),
    "InstanceLimitExceeded": (
        QuotaReached,
        "The AWS account's quota of instances is used up. Tell your administrator: AWS raises it on request.",
    ),
    "IncorrectInstanceState": (NotStartable, "The machine is in a state from which it cannot be started."),
    "InvalidInstanceID.NotFound": (InstanceGone, "AWS does not know the machine any more."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """A new instance."""

    instance_id: str
    address: str
    zone: str
    instance_type: str


class Starter:
    """Starts stopped instances, many in one call, and launches new ones, one call each."""

    def __init__(self, ec2: "EC2Client", calls: Calls, *, window: float = WINDOW) -> None:
        self._ec2 = ec2
        self._calls = calls
        self._start_pace = TokenBucket()
        self._gathering = TokenBucket(rate=CALLS_A_SECOND)
        self._starts = Joining[str, None](
            self._start_together, window=window, most=MOST_AT_ONCE, turn=self._start_turn
        )
        self._launch_pace = pace = TokenBucket()
        self._queue = Queue(lambda: calls.turn(pace))
        self._launches: dict[str, asyncio.Task[Launched]] = {}

    async def start(self, instance_id: str) -> None:
        """Starts an instance; one that is pending or running already is left as it is.

        Raises NotStartable, InstanceGone, NoCapacity, QuotaReached, CloudBusy, CloudRefused.
        """
        await self._starts.ask(instance_id)

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
                    log.warning("%s: %s is not to be had: %s", worker, where, error)
                    say("AWS has no such machine free there; trying another one")
            if refusal is None:
                raise CloudRefused("No subnet fits the machine. Tell your administrator.")
            if code_of(refusal) != "IdempotentInstanceTerminated":
                raise in_words(refusal, worker) from refusal
        raise CloudRefused("AWS ends each new machine at once. Tell your administrator.") from refusal

    async def unfinished(self, worker: str) -> Launched | None:
        """The outcome of a launch that is under way, though nobody waits for it any more; None if there is none."""
        task = self._launches.get(worker)
        if task is None:
            return None
        done, _ = await asyncio.wait([task])
        return None if task.cancelled() or task.exception() else done.pop().result()

    def is_launching(self, worker: str) -> bool:
        """Is a launch of this worker under way?"""
        return worker in self._launches

    def is_any_launching(self) -> bool:
        """May there be an instance whose id is not known yet?"""
        return bool(self._launches)

    async def _start_turn(self) -> None:
        await self._calls.turn(self._gathering)
        await self._calls.turn(self._start_pace)

    async def _launch(self, worker: str, request: Mapping[str, Any], say: Say, ticket: int) -> Launched:
        """One RunInstances. It runs to its end even if its caller goes away, so that its instance is known."""
        task = self._launches.get(worker)
        if task is None:
            await self._queue.wait(ticket, lambda place: say(f"Waiting for AWS: number {place} in the queue"))
            task = self._launches.get(worker)
        if task is None:
            work = self._calls.call(
                f"RunInstances for {worker}", lambda: self._run(request), self._launch_pace, booked=True
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

    async def _start_together(
        self, instance_ids: Sequence[str], *, booked: bool = True
    ) -> dict[str, Exception | None]:
        """Starts them in one call; if one cannot be started, the others still are."""
        ids = list(instance_ids)
        try:
            await self._calls.call(
                f"StartInstances of {len(ids)}",
                lambda: self._ec2.start_instances(InstanceIds=ids),
                self._start_pace,
                booked=booked,
            )
        except ClientError as error:
            if len(ids) == 1:
                return {ids[0]: in_words(error, ids[0])}
            answers: dict[str, Exception | None] = {}
            for part in taken_apart(ids, str(error)):
                answers.update(await self._start_together(part, booked=False))
            return answers
        return dict.fromkeys(ids)


def in_words(error: ClientError, whose: str) -> StartError:
    """What the user reads; for the administrator it is logged."""
    code = code_of(error)
    kind, words = WORDS.get(
        code, (CloudRefused, f"AWS refused to start the machine ({code}). Tell your administrator.")
    )
    if kind not in (NotStartable, InstanceGone):
        log.error("%s cannot be started: %s", whose, error)
    return kind(words)
