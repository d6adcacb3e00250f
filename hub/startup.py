"""Brings a worker's instance up: the start protocol, from the record to an instance that boots."""

import asyncio
import itertools
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from hub.calls import Calls, Say
from hub.errors import InstanceGone, NotStartable, RecordsSilent
from hub.instances import Instances
from hub.launching import Order, requests_for
from hub.planning import Known, Step, is_young, next_step, step_for
from hub.settings import Settings
from hub.starting import Starter
from lifecycle_app.errors import StoreUnavailable
from lifecycle_app.worker import State, Worker

log = logging.getLogger(__name__)

Note = Callable[[Known], None]

WAIT = 1.0
# So many waits after which EC2 itself is asked, since an event may have been lost.
LOOK_EVERY = 15
RECORD_TRIES = 5


class Startup:
    """Finds, starts or launches workers' instances. `get` reads one record consistently."""

    def __init__(
        self,
        get: Callable[[str], Worker | None],
        calls: Calls,
        starter: Starter,
        instances: Instances,
        settings: Settings,
        now: Callable[[], datetime],
    ) -> None:
        self._get = get
        self._calls = calls
        self._starter = starter
        self._instances = instances
        self._settings = settings
        self._now = now
        self._attaching: dict[str, asyncio.Task[None]] = {}

    async def bring_up(
        self, key: str, instance_type: str, say: Say, note: Note, looked: Known | None = None
    ) -> Known:
        """The worker's instance, pending or running. `note` hears of it as soon as its id is known.

        `looked` is what EC2 told of it, if the record is not to be trusted. Takes as long as it takes: the caller sets
        the limit. Raises StartError.
        """
        for waits in itertools.count():
            worker = await self._record(key)
            step = step_for(looked) if looked else next_step(worker, self._now())
            known = looked or (_known(worker) if worker else None)
            looked = None
            if step is Step.LAUNCH or known is None:
                return await self._find_or_launch(key, worker, instance_type, say, note)
            note(known)
            if step is Step.ADOPT:
                say(f"Your machine {known.instance_id} is running already")
                return await self._with_address(known)
            if step is Step.START:
                started, looked = await self._start(known, worker, say)
                if started:
                    return started
            if step is Step.LOOK or (step is Step.WAIT and waits % LOOK_EVERY == LOOK_EVERY - 1):
                looked = await self._look(known)
            if (step_for(looked) if looked else step) is Step.WAIT:
                say("Your machine is being stopped just now; it starts again as soon as that is done")
                await self._calls.pause(WAIT)
        raise AssertionError("itertools.count never ends")

    async def look(self, instance_id: str) -> Known:
        """The instance as EC2 sees it; one that EC2 does not know is terminated. Raises StartError."""
        return await self._look(Known(instance_id=instance_id, state=State.TERMINATED, address=None))

    def home_is_coming(self, instance_id: str) -> bool:
        """Is the worker's old home disk still on its way to this instance?"""
        return instance_id in self._attaching

    async def home_is_there(self, instance_id: str) -> None:
        """Waits until the old home disk, if there is one, is attached. Raises StartError."""
        task = self._attaching.get(instance_id)
        if task:
            await asyncio.shield(task)

    async def _start(
        self, known: Known, worker: Worker | None, say: Say
    ) -> tuple[Known | None, Known | None]:
        """The started instance, or what EC2 tells of one that could not be started."""
        say(f"Asking AWS to start your machine {known.instance_id}")
        try:
            await self._starter.start(known.instance_id)
        except NotStartable:
            await self._calls.pause(WAIT)
            return None, await self._look(known)
        except InstanceGone:
            if worker and is_young(worker, self._now()):
                await self._calls.pause(WAIT)
                return None, None
            log.warning("%s: instance %s is gone", worker.key if worker else "?", known.instance_id)
            return None, Known(instance_id=known.instance_id, state=State.TERMINATED, address=None)
        return replace(await self._with_address(known), is_fresh=True), None

    async def _look(self, known: Known) -> Known:
        try:
            return await self._instances.look(known.instance_id)
        except InstanceGone:
            return Known(instance_id=known.instance_id, state=State.TERMINATED, address=None)

    async def _find_or_launch(
        self, key: str, worker: Worker | None, instance_type: str, say: Say, note: Note
    ) -> Known:
        """An instance of which there is no record yet, or a new one."""
        while found := await self._instances.find(key):
            note(found)
            if worker and worker.home_volume and worker.home_volume not in found.volumes:
                self._attach(key, worker.home_volume, found.instance_id)
            match step_for(found):
                case Step.ADOPT:
                    say(f"Your machine {found.instance_id} is starting already")
                    return found
                case Step.START:
                    started, _ = await self._start(found, worker, say)
                    if started:
                        return started
                case _:
                    say("Your machine is being stopped just now; it starts again as soon as that is done")
            await self._calls.pause(WAIT * LOOK_EVERY)
        return await self._launch(key, worker, instance_type, say, note)

    async def _launch(self, key: str, old: Worker | None, instance_type: str, say: Say, note: Note) -> Known:
        around = await self._instances.surroundings()
        order = Order(
            worker=key,
            instance_type=instance_type,
            previous=old.instance_id if old else None,
            home_volume=old.home_volume if old else None,
            home_zone=old.zone if old else "",
        )
        say("Your old machine is gone; asking AWS for a new one" if old else "Asking AWS for a new machine")

        def requests(generation: int) -> list[dict[str, object]]:
            return requests_for(order, self._settings, around.places, around.root_device, generation)

        new = await self._starter.launch(key, requests, say)
        log.info("%s: launched %s, a %s in %s", key, new.instance_id, new.instance_type, new.zone)
        known = Known(
            instance_id=new.instance_id,
            state=State.PENDING,
            address=new.address,
            zone=new.zone,
            is_fresh=True,
        )
        note(known)
        if order.home_volume:
            self._attach(key, order.home_volume, new.instance_id)
        return known

    def _attach(self, key: str, volume: str, instance_id: str) -> None:
        if instance_id in self._attaching and not self._attaching[instance_id].done():
            return
        log.info("%s: attaching home disk %s to %s", key, volume, instance_id)
        task = asyncio.ensure_future(self._instances.attach_home(volume, instance_id))
        self._attaching[instance_id] = task

        def done(task: "asyncio.Task[None]") -> None:
            """A failed one stays: a worker must not be served without its home."""
            if task.cancelled() or task.exception() is None:
                del self._attaching[instance_id]

        task.add_done_callback(done)

    async def _with_address(self, known: Known) -> Known:
        return known if known.address else await self._instances.look(known.instance_id)

    async def _record(self, key: str) -> Worker | None:
        for attempt in range(RECORD_TRIES):
            try:
                return await self._calls.read(lambda: self._get(key))
            except StoreUnavailable as error:
                log.warning("%s: record cannot be read: %s", key, error)
                await self._calls.pause(WAIT * attempt)
        raise RecordsSilent(
            "The hub cannot read what your machine is doing, so it does not touch it. Try again in a minute."
        )


def _known(worker: Worker) -> Known:
    return Known(instance_id=worker.instance_id, state=worker.state, address=worker.address, zone=worker.zone)
