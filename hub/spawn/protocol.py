"""Brings a worker's instance up: the start protocol, from the record to an instance that boots."""

import itertools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from hub.clients.calls import Calls, Say
from hub.config.settings import Settings
from hub.errors import InstanceGone, NotStartable, RecordsSilent, RecordUnclear, StartError
from hub.spawn.instances import Homes, Instances
from hub.spawn.launch_request import Order, requests_for
from hub.spawn.planning import YOUNG, Known, Step, is_young, next_step, step_after_look, step_for
from hub.spawn.starter import Starter
from lifecycle_app.errors import BadRecord, StoreUnavailable
from lifecycle_app.model.worker import State, Worker

log = logging.getLogger(__name__)

Note = Callable[[Known], None]

WAIT = 1.0
# So many waits after which EC2 itself is asked, since an event may have been lost.
LOOK_EVERY = 15
RECORD_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A launch that was tried and of which no instance is known yet."""

    image: str
    at: datetime


class Startup:
    """Finds, starts or launches workers' instances. `get` reads one record consistently."""

    def __init__(
        self,
        get: Callable[[str], Worker | None],
        calls: Calls,
        starter: Starter,
        instances: Instances,
        homes: Homes,
        settings: Settings,
        now: Callable[[], datetime],
        image_now: Callable[[], Awaitable[str]],
    ) -> None:
        self._get = get
        self._calls = calls
        self._starter = starter
        self._instances = instances
        self._homes = homes
        self._settings = settings
        self._now = now
        self._image_now = image_now
        self._begun: dict[str, _Begun] = {}

    async def bring_up(
        self, key: str, instance_type: str, say: Say, note: Note, looked: Known | None = None
    ) -> Known:
        """The worker's instance, pending or running. `note` hears of it as soon as its id is known.

        `looked` is what EC2 told of it, if the record is not to be trusted. Takes as long as it takes: the caller sets
        the limit. Raises StartError.
        """
        for waits in itertools.count():
            worker = await self._record(key)
            now = self._now()
            step = step_after_look(worker, looked, now) if looked else next_step(worker, now)
            known = looked or (_known(worker) if worker else None)
            looked = None
            if step is Step.LAUNCH or known is None:
                return await self._find_or_launch(key, worker, instance_type, say, note)
            if step in (Step.ADOPT, Step.START):
                self._homes.see_to(worker, known)
            note(known)
            if step is Step.ADOPT:
                say(f"Your machine {known.instance_id} is running already")
                return await self._with_address(key, known)
            if step is Step.START:
                started, looked = await self._start(key, known, worker, say)
                if started:
                    return started
                continue
            if step is Step.LOOK or (waits % LOOK_EVERY == LOOK_EVERY - 1 and not _is_claimed(worker, now)):
                looked = await self._look(key, known.instance_id)
            if looked is None or step_after_look(worker, looked, self._now()) is Step.WAIT:
                say("Your machine is being stopped just now; it starts again as soon as that is done")
                await self._calls.pause(WAIT)
        raise AssertionError("itertools.count never ends")

    async def launch_if_none(self, key: str, instance_type: str, say: Say) -> Known | None:
        """A new instance of a worker that has none, by the very request that its login would make, so that EC2 launches
        one for both; None, with nothing done, for a worker that has one by its record or its tags. Raises StartError.
        """
        worker = await self._record(key)
        if next_step(worker, self._now()) is not Step.LAUNCH or await self._instances.find(key):
            return None
        return await self._launch(key, worker, instance_type, say, lambda _: None)

    async def look(self, key: str, instance_id: str) -> Known | None:
        """The worker's instance as EC2 sees it; None if nothing can be told. Raises StartError."""
        return await self._look(key, instance_id)

    async def _start(
        self, key: str, known: Known, worker: Worker | None, say: Say
    ) -> tuple[Known | None, Known | None]:
        """The started instance, or what EC2 tells of one that could not be started."""
        say(f"Asking AWS to start your machine {known.instance_id}")
        try:
            await self._starter.start(known.instance_id)
        except NotStartable:
            await self._calls.pause(WAIT)
            return None, await self._look(key, known.instance_id)
        except InstanceGone:
            await self._calls.pause(WAIT)
            return None, self._unless_young(worker, known.instance_id)
        return replace(await self._with_address(key, known), is_fresh=True), None

    async def _look(self, key: str, instance_id: str) -> Known | None:
        try:
            return await self._instances.look(instance_id)
        except InstanceGone:
            return self._unless_young(await self._record(key), instance_id)

    def _unless_young(self, worker: Worker | None, instance_id: str) -> Known | None:
        """What it means that EC2 does not find an instance: for a young one, or one of unknown age, nothing."""
        if worker is None or worker.instance_id != instance_id or is_young(worker, self._now()):
            return None
        log.warning("%s: instance %s is gone", worker.key, instance_id)
        return Known(instance_id=instance_id, state=State.TERMINATED, address=None)

    async def _find_or_launch(
        self, key: str, worker: Worker | None, instance_type: str, say: Say, note: Note
    ) -> Known:
        """An instance of which there is no record yet, or a new one."""
        while found := await self._instances.find(key):
            self._homes.see_to(worker, found)
            note(found)
            match step_for(found):
                case Step.ADOPT:
                    say(f"Your machine {found.instance_id} is starting already")
                    return found
                case Step.START:
                    started, _ = await self._start(key, found, worker, say)
                    if started:
                        return started
                case _:
                    say("Your machine is being stopped just now; it starts again as soon as that is done")
            await self._calls.pause(WAIT * LOOK_EVERY)
        return await self._launch(key, worker, instance_type, say, note)

    async def _launch(self, key: str, old: Worker | None, instance_type: str, say: Say, note: Note) -> Known:
        places = await self._instances.places()
        image = await self._instances.image(await self._image_of(key))
        order = Order(
            worker=key,
            instance_type=instance_type,
            image=image,
            previous=old.instance_id if old else None,
            home_volume=old.home_volume if old else None,
            home_zone=old.zone if old else "",
        )
        say("Your old machine is gone; asking AWS for a new one" if old else "Asking AWS for a new machine")

        def requests(generation: int) -> list[dict[str, object]]:
            return requests_for(order, self._settings, places, generation)

        self._begun.setdefault(key, _Begun(image=image.id, at=self._now()))
        new = await self._starter.launch(key, requests, say)
        self._begun.pop(key, None)
        log.info("%s: launched %s, a %s in %s", key, new.instance_id, new.instance_type, new.zone)
        known = Known(
            instance_id=new.instance_id,
            state=State.PENDING,
            address=new.address,
            zone=new.zone,
            is_fresh=True,
        )
        if order.home_volume:
            self._homes.attach(key, order.home_volume, new.instance_id)
        note(known)
        return known

    async def _image_of(self, key: str) -> str:
        """The image to launch the worker from. As long as an earlier try may still come to something it stays the
        same, so that its request and client token do, and EC2 launches one instance for both."""
        begun = self._begun.get(key)
        if begun and self._now() - begun.at < YOUNG:
            return begun.image
        self._begun.pop(key, None)
        image = await self._image_now()
        if not image:
            raise StartError("The image for new machines is still being made. Try again in a few minutes.")
        return image

    async def _with_address(self, key: str, known: Known) -> Known:
        while not known.address:
            seen = await self._look(key, known.instance_id)
            if seen is None:
                await self._calls.pause(WAIT)
            elif seen.address is None:
                raise InstanceGone("AWS does not know the machine any more. Try again.")
            else:
                return seen
        return known

    async def _record(self, key: str) -> Worker | None:
        for attempt in range(RECORD_TRIES):
            try:
                return await self._calls.read(lambda: self._get(key))
            except BadRecord as error:
                log.error("%s", error)
                raise RecordUnclear(
                    "What is recorded of your machine cannot be understood, so the hub does not touch it, and starts no"
                    " other: your files are on it. Tell your administrator."
                ) from error
            except StoreUnavailable as error:
                log.warning("%s: record cannot be read: %s", key, error)
                await self._calls.pause(WAIT * attempt)
        raise RecordsSilent(
            "The hub cannot read what your machine is doing, so it does not touch it. Try again in a minute."
        )


def _known(worker: Worker) -> Known:
    return Known(instance_id=worker.instance_id, state=worker.state, address=worker.address, zone=worker.zone)


def _is_claimed(worker: Worker | None, now: datetime) -> bool:
    return worker is not None and worker.is_claimed(now)
