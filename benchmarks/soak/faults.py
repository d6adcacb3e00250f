"""Carries out the plan of a soak: faults on and off, kills, crashes."""

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psutil
import requests
from botocore.exceptions import ClientError

from benchmarks.soak.plan import FAULTS, Step
from benchmarks.soak.story import Crash, Episode
from benchmarks.soak.watch import workers
from tests.scenarios.cloud import LocalCloud, control
from tests.scenarios.killing import HUB, PROXY, crash, kill, power_off

KILLS = {"kill hub": (HUB,), "kill proxy": (PROXY,), "kill hub and proxy": (HUB, PROXY)}
# How long a fault's effect lasts after it is switched off.
AFTERMATH = {"late-events": timedelta(seconds=10), "slow-boot": timedelta(seconds=15)}
BACK_WITHIN = 300.0


class Faults:
    """What was done to a local cloud, and when."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.episodes: list[Episode] = []
        self.crashes: list[Crash] = []
        self._cloud = cloud
        self._began: dict[str, datetime] = {}
        self._waiting: list[threading.Thread] = []

    def carry_out(self, steps: Sequence[Step]) -> None:
        """Every step at its time; return when all is over and the hub is back."""
        began = time.monotonic()
        for step in steps:
            time.sleep(max(0.0, began + step.after - time.monotonic()))
            if step.on is None:
                self._strike(step)
            else:
                self._switch(step.name, on=step.on)
        for thread in self._waiting:
            thread.join()

    def all_off(self) -> None:
        """Leaves no fault on."""
        for name in FAULTS:
            self._tell_cloud(name, on=False)

    def _switch(self, name: str, *, on: bool) -> None:
        self._tell_cloud(name, on=on)
        if on:
            self._began[name] = datetime.now(UTC)
        elif name == "hub-down":
            self._until_back(name, self._began.pop(name))
        else:
            ended = datetime.now(UTC) + AFTERMATH.get(name, timedelta())
            self.episodes.append(Episode(name=name, began=self._began.pop(name), ended=ended))

    def _tell_cloud(self, name: str, *, on: bool) -> None:
        control(self._cloud.told, "faults", {"name": name, "on": on})

    def _strike(self, step: Step) -> None:
        if step.name in KILLS:
            began = datetime.now(UTC)
            kill(self._cloud, *KILLS[step.name])
            self._until_back(step.name, began)
            return
        running = sorted(
            one["instance_id"]
            for one in workers(self._cloud)
            if one["state"] == "running" and not one["dead"]
        )
        if running:
            self._end(step.name, running[int(step.chance * len(running))])

    def _end(self, how: str, instance_id: str) -> None:
        """A machine that just goes down by itself is none to crash; and where AWS is throttled just then, none ends."""
        at = datetime.now(UTC)
        try:
            if how == "crash":
                crash(self._cloud, instance_id)
            elif how == "power off":
                power_off(self._cloud, instance_id)
            else:
                self._cloud.client("ec2").terminate_instances(InstanceIds=[instance_id])
        except (requests.HTTPError, psutil.NoSuchProcess):
            return
        except ClientError as error:
            if error.response["Error"]["Code"] != "RequestLimitExceeded":
                raise
            return
        self.crashes.append(Crash(at=at, instance_id=instance_id, how=how))

    def _until_back(self, name: str, began: datetime) -> None:
        """The episode is over when hub and proxy answer again."""

        def wait() -> None:
            end = time.monotonic() + BACK_WITHIN
            time.sleep(0.5)
            while not answers(self._cloud) and time.monotonic() < end:
                time.sleep(0.5)
            self.episodes.append(Episode(name=name, began=began, ended=datetime.now(UTC)))

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        self._waiting.append(thread)


def answers(cloud: LocalCloud) -> bool:
    """Whether the hub answers through the proxy."""
    try:
        return requests.get(f"{cloud.url}/hub/api/", timeout=5).ok
    except requests.RequestException:
        return False
