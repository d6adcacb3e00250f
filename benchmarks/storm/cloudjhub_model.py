"""A model of cloudJHub's call pattern when a class logs in: its libraries no longer run. Virtual time, EC2's buckets.

Modelled: each user alone looks for the instance, calls StartInstances (or RunInstances) for it alone and again each
second while EC2 refuses, waits with boto3's waiter (15 s between polls), asks for the address, tries SSH, and sleeps
ten seconds; the spawn fails after 300 s. All calls share one core, of which each takes a hundredth of a second.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from bootstrap.local.cloud.ec2.rules import State
from bootstrap.local.cloud.gateway.throttling import Buckets
from hub.spawn.launch_request import Image, Order, Place, run_request
from tests.hub.fakes import SETTINGS
from tests.simulation.ec2 import LeanEC2, Machine
from tests.simulation.virtual_time import VirtualLoop

CALL = 0.01
"""Seconds of the hub's one core for each call by boto3."""
RETRY = 1.0
WAITER = 15.0
SSH = 22.0
"""Seconds of SSH tries and other fixed waits; with one poll of the waiter and the sleep they are 47."""
SLEEP = 10.0
TIMEOUT = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The results of a class."""

    users: int
    failed: int
    calls: Counter[str]
    latest: float
    """Seconds until the last one has a server."""


class _Class:
    def __init__(self, users: int, *, first: bool, within: float, seed: int) -> None:
        self.loop = VirtualLoop()
        self.random = random.Random(seed)  # noqa: S311 -- not a secret
        self.ec2 = LeanEC2(
            now=self.loop.now,
            schedule=lambda after, act: self.loop.call_later(after.total_seconds(), act),
            boot_time=lambda: timedelta(seconds=self.random.uniform(2, 5)),
            lag=timedelta(0),
            limits=Buckets(self.loop.time),
        )
        self.core = asyncio.Lock()
        self.users, self.first, self.within = users, first, within
        if not first:
            for number in range(users):
                self.ec2.add(_stopped(number, self.loop))

    def run(self) -> Outcome:
        """The results, after all users have a server or have failed."""
        ends = self.loop.run_until_complete(self._all())
        self.loop.close()
        done = [end for end in ends if end is not None]
        failed = len(ends) - len(done)
        return Outcome(users=self.users, failed=failed, calls=self.ec2.calls, latest=max(done, default=0.0))

    async def _all(self) -> list[float | None]:
        return await asyncio.gather(*(self._login(number) for number in range(self.users)))

    async def _login(self, number: int) -> float | None:
        await asyncio.sleep(self.random.uniform(0, self.within))
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._spawn(number)
        except TimeoutError:
            return None
        return self.loop.time()

    async def _spawn(self, number: int) -> None:
        described = {"Filters": [{"Name": "tag:cloudjhub:user", "Values": [_name(number)]}]}
        await self._call(lambda: self.ec2.describe_instances(**described))
        if self.first:
            request = run_request(
                Order(
                    worker=_name(number),
                    profile=SETTINGS.choices[0],
                    image=Image(id="ami-1", root_device="/dev/sda1"),
                ),
                SETTINGS,
                Place(subnet="subnet-0000000a", zone="us-east-1a"),
                "t3.medium",
                0,
            )
            await self._call(lambda: self.ec2.run_instances(**request))
        else:
            await self._call(lambda: self.ec2.start_instances(InstanceIds=[_id(number)]))
        while True:
            answer = await self._call(lambda: self.ec2.describe_instances(**described))
            states = [one["State"]["Name"] for group in answer["Reservations"] for one in group["Instances"]]
            if "running" in states:
                break
            await asyncio.sleep(WAITER)
        await self._call(lambda: self.ec2.describe_instances(**described))
        await asyncio.sleep(SSH + SLEEP)

    async def _call(self, call: Callable[[], Any]) -> Any:
        while True:
            async with self.core:
                await asyncio.sleep(CALL)
            try:
                return call()
            except ClientError:
                await asyncio.sleep(RETRY)


def _name(number: int) -> str:
    return f"student{number:04d}"


def _id(number: int) -> str:
    return f"i-{number:017x}"


def _stopped(number: int, loop: VirtualLoop) -> Machine:
    return Machine(
        instance_id=_id(number),
        address="10.0.0.1",
        zone="us-east-1a",
        instance_type="t3.medium",
        tags={"cloudjhub:user": _name(number)},
        launched_at=loop.now() - timedelta(days=1),
        state=State.STOPPED,
        has_run=True,
    )


def class_of(users: int, *, first: bool = False, within: float = 0.0, seed: int = 1) -> Outcome:
    """A class that logs in within `within` seconds; at once by default, as the figures were observed."""
    return _Class(users, first=first, within=within, seed=seed).run()
