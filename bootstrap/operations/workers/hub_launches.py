"""The hub's own code for launches, run by the operator with the settings of the running manager."""

import asyncio
import base64
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime

from bootstrap.aws import instances
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.errors import Interrupted, NotBuilt, Refused
from bootstrap.machines.bundle import current, files_in
from bootstrap.machines.image import images
from bootstrap.machines.manager.config import ManagerConfig
from bootstrap.machines.manager_request import ROLE_MANAGER, config_in
from bootstrap.operations.workers.listing import ListedWorker, store_of
from bootstrap.operations.workers.preparation import NEVER_USED, Boot, Preparation, Prepared, Wanted, boots
from bootstrap.operations.workers.stopping import ask_to_stop
from hub.clients.calls import Calls, Coalescer, TokenBucket
from hub.config.settings import Settings, from_document
from hub.spawn.instances import Homes, Instances
from hub.spawn.launcher import Launcher
from hub.spawn.protocol import StartProtocol
from lifecycle_app.model.decision import Reason
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.worker import State, Worker

THREADS = 8
WINDOW = 0.5
"""Seconds in which requests are collected into one call; none of them is urgent."""
MOST_TOGETHER = 100
DECIDING = (
    "hub/spawn/launch_request.py",
    "hub/config/settings.py",
    "lifecycle_app/model/worker.py",
)
"""What a launch's request, and with it its client token, is made by."""
ANOTHER_VERSION = "its manager runs another version of cloudJHub than this one: run `cloudjhub up` first"


def manager_config(site: Site) -> ManagerConfig:
    """The manager's configuration at its launch. Raises NotBuilt; Refused where it runs another version, which
    might ask EC2 for other instances.
    """
    found = instances.found_by_tags(site.aws, site.cluster, ROLE_MANAGER)
    if not found:
        raise NotBuilt(f"{site.cluster} has no manager in {site.aws.region}: run `cloudjhub up` first")
    newest = max(found, key=lambda one: one["LaunchTime"])["InstanceId"]
    answer = site.aws.client("ec2").describe_instance_attribute(InstanceId=newest, Attribute="userData")
    try:
        config = config_in(base64.b64decode(answer["UserData"].get("Value", "")).decode())
    except ValueError as error:
        raise Refused(f"{site.cluster}: {ANOTHER_VERSION}") from error
    if config.bundle != current().key and not _asks_the_same(site, config):
        raise Refused(f"{site.cluster}: {ANOTHER_VERSION}")
    return config


def _asks_the_same(site: Site, config: ManagerConfig) -> bool:
    """Does the hub of another bundle make the same requests as this one's?"""
    answer = site.aws.client("s3").get_object(Bucket=config.bucket, Key=config.bundle)["Body"].read()
    return files_in(answer, DECIDING) == files_in(current().content, DECIDING)


def hub_settings(config: ManagerConfig) -> Settings:
    """The settings that the hub of this manager runs with, except for its state directory."""
    return from_document(asdict(config))


class AsHub:
    """The cloud as the hub sees it. Used in one event loop; `close` when that is over."""

    def __init__(
        self, site: Site, settings: Settings, instance_type: str, utc_now: Callable[[], datetime]
    ) -> None:
        self._site = site
        self._instance_type = instance_type
        self._utc_now = utc_now
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="aws")
        self._calls = calls = Calls(self._threads)
        self._store = store_of(site)
        self._image = settings.image
        self._launch_pace = TokenBucket()
        ec2 = site.aws.quick_ec2()
        seen = Instances(ec2, calls, settings)
        self._homes = Homes(seen)
        self._startup = StartProtocol(
            self._store.get,
            calls,
            Launcher(ec2, calls),
            seen,
            self._homes,
            settings,
            utc_now,
            self._image_now,
        )
        self._boots = Coalescer[str, Boot](self._boots_together, window=WINDOW, most=MOST_TOGETHER)
        self._stops = Coalescer[Worker, None](self._ask_together, window=WINDOW, most=MOST_TOGETHER)

    async def turn(self) -> None:
        """Returns when the next launch may be made: who waits before looking decides by what is so then."""
        await self._calls.turn(self._launch_pace)

    async def pause(self, seconds: float) -> None:
        await self._calls.pause(seconds)

    def clock(self) -> float:
        return time.monotonic()

    async def launch(self, key: str) -> str | None:
        known = await self._startup.launch_if_none(key, self._instance_type, lambda _: None)
        return known.instance_id if known else None

    async def home(self, instance_id: str) -> None:
        await self._homes.wait_for(instance_id)

    async def boot(self, instance_id: str) -> Boot:
        return await self._boots.request(instance_id)

    async def record(self, key: str) -> Worker | None:
        return await self._calls.read(lambda: self._store.get(key))

    async def given_up(self, worker: Worker) -> Entry | None:
        entries = await self._calls.read(lambda: self._store.history(worker.key))
        return last_release(entries, worker.instance_id)

    async def ask_to_stop(self, worker: Worker) -> None:
        await self._stops.request(worker)

    def close(self) -> None:
        """Ends the threads, once their calls have."""
        self._threads.shutdown()

    async def _image_now(self) -> str:
        chosen = await self._calls.read(lambda: images.current(self._site.aws, self._site.cluster))
        return chosen or self._image

    async def _boots_together(self, ids: Sequence[str]) -> dict[str, Boot | Exception]:
        return {**await self._calls.read(lambda: boots(self._site.aws, ids))}

    async def _ask_together(self, workers: Sequence[Worker]) -> dict[Worker, Exception | None]:
        machines = [
            ListedWorker(key=one.key, instance_id=one.instance_id, state=State.RUNNING) for one in workers
        ]
        # By this machine's clock a run may begin only later, and the request would be one for an earlier run.
        at = max([self._utc_now(), *(one.started_at for one in workers if one.started_at)])
        await self._calls.read(lambda: ask_to_stop(self._site, machines, at, unless_used=True))
        return dict.fromkeys(workers)


def last_release(entries: Sequence[Entry], instance_id: str) -> Entry | None:
    """The newest entry of a stop of this instance that was requested and released. Pure."""
    for entry in entries:
        is_ours = entry.instance_id == instance_id and entry.reason == Reason.STOP_REQUESTED
        if is_ours and entry.kind is Kind.RELEASE:
            return entry
    return None


def prepare_all(
    site: Site,
    settings: Settings,
    instance_type: str,
    wanted: Sequence[Wanted],
    at_once: int,
    utc_now: Callable[[], datetime],
    report: Report,
) -> list[Prepared]:
    """What became of each. The first Ctrl-C stops what was launched; at the second, raises Interrupted that names what
    is left to run.
    """
    # What the hub logs for its administrator is in each worker's outcome.
    logging.getLogger("hub").addHandler(logging.NullHandler())
    hub = AsHub(site, settings, instance_type, utc_now)
    preparation = Preparation(hub, at_once, report, turn=hub.turn, pause=hub.pause, clock=hub.clock)
    try:
        return asyncio.run(preparation.run(wanted))
    except KeyboardInterrupt as interrupt:
        left = ", ".join(f"{key} ({machine})" for key, machine in sorted(preparation.running.items()))
        raise Interrupted(
            f"interrupted; still running: {left or 'none that is known'}: {NEVER_USED}"
        ) from interrupt
    finally:
        hub.close()
