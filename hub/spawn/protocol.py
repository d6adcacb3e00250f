"""The start protocol: from a worker's record to an instance that boots.

Each round reads the record, decides on the next step, and takes it, until there is an instance to use.
"""

import itertools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from hub.clients.calls import Calls, Say
from hub.config.profiles import Profile
from hub.config.settings import Settings
from hub.errors import (
    BackupGone,
    HomeInUse,
    InstanceGone,
    NotStartable,
    RecordsUnavailable,
    RecordUnusable,
    SeveralHomes,
    StartError,
)
from hub.spawn.backups import Backups
from hub.spawn.instances import Homes, Instances
from hub.spawn.launch_request import Backup, Order, requests_for
from hub.spawn.launcher import Launcher
from hub.spawn.left_homes import Disk, left_home, was_never_attached
from hub.spawn.planning import YOUNG, Known, Step, is_young, next_step, step_after_check, step_for
from lifecycle_app.errors import BadRecord, StoreUnavailable
from lifecycle_app.model.worker import State, Worker

log = logging.getLogger(__name__)

Note = Callable[[Known], None]

WAIT = 1.0
CHECK_EVERY = 15
"""Waits after which EC2 itself is asked, since an event may have been lost."""
RECORD_TRIES = 5
BEING_STOPPED = "Your machine is being stopped. It starts again as soon as it has stopped"
HOME_IN_USE = "Your home directory is still in use by a machine that is being removed. Waiting for it"
BEING_REMOVED = "Your old machine is being removed. A new one with your home directory starts in a moment"


@dataclass(frozen=True, slots=True)
class _Request:
    """What one caller wants: `say` and `note` get each message, and the instance as soon as its id is known."""

    key: str
    profile: Profile
    say: Say
    note: Note
    backup: str = ""
    """The snapshot whose files a new instance shows beside the home."""


@dataclass(frozen=True, slots=True)
class _Home:
    """A home disk that a worker has already, and the zone that it is in."""

    volume: str
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A launch that was tried, whose instance is not known yet."""

    image: str
    at: datetime
    backup: Backup | None = None


class StartProtocol:
    """Finds, starts or launches workers' instances. `get` reads one record consistently."""

    def __init__(
        self,
        get: Callable[[str], Worker | None],
        calls: Calls,
        launcher: Launcher,
        instances: Instances,
        homes: Homes,
        settings: Settings,
        now: Callable[[], datetime],
        image_now: Callable[[], Awaitable[str]],
        backups: Backups,
    ) -> None:
        self._get = get
        self._calls = calls
        self._launcher = launcher
        self._instances = instances
        self._homes = homes
        self._settings = settings
        self._now = now
        self._image_now = image_now
        self._backups = backups
        self._begun: dict[str, _Begun] = {}

    async def bring_up(
        self,
        key: str,
        profile: Profile,
        say: Say,
        note: Note,
        described: Known | None = None,
        *,
        backup: str = "",
    ) -> Known:
        """The worker's instance, pending or running. `note` gets it as soon as its id is known.

        `described` is what EC2 said of it, if the record is not to be trusted. `backup` is the snapshot that a new
        instance shows beside the home. Has no time limit: the caller sets one.
        Raises StartError.
        """
        request = _Request(key, profile, say, note, backup)
        for waits in itertools.count(1):
            worker = await self._record(key)
            known, step = self._decide(worker, described)
            if known is None or step is Step.LAUNCH:
                return await self._find_or_launch(request, worker)
            if step in (Step.ADOPT, Step.START):  # before the instance can fetch its environment
                await self._ensure_home(worker, known)
            note(known)
            match step:
                case Step.ADOPT:
                    return await self._adopt(request, known)
                case Step.START:
                    started, described = await self._start(request, worker, known)
                    if started:
                        return started
                case _:
                    must_check = step is Step.CHECK or (
                        waits % CHECK_EVERY == 0 and not self._is_claimed(worker)
                    )
                    described = await self._wait(request, worker, known, must_check=must_check)
        raise AssertionError("itertools.count never ends")

    async def launch_if_none(self, key: str, profile: Profile, say: Say) -> Known | None:
        """A new instance of a worker that has none, by the very request that its login would make, so that EC2 launches
        one for both; None, with nothing done, for a worker that has one by its record or its tags. Raises StartError.
        """
        worker = await self._record(key)
        if next_step(worker, self._now()) is not Step.LAUNCH or await self._instances.find(key):
            return None
        home = await self._home_of(key, worker)
        return await self._launch(_Request(key, profile, say, lambda _: None), worker, home)

    async def owns_resources(self, key: str) -> bool:
        """Has the worker an instance or a home disk, by its record, read consistently, or by EC2? Raises StartError."""
        worker = await self._record(key)
        return (worker is not None and worker.owns_resources) or await self._instances.find(key) is not None

    async def describe(self, key: str, instance_id: str) -> Known | None:
        """The worker's instance as EC2 describes it; None if EC2 cannot say yet. Raises StartError."""
        try:
            return await self._instances.describe(instance_id)
        except InstanceGone:
            return self._gone_unless_young(await self._record(key), instance_id)

    def _decide(self, worker: Worker | None, described: Known | None) -> tuple[Known | None, Step]:
        """The instance to act on, if one is known, and the next step."""
        if described:
            return described, step_after_check(worker, described, self._now())
        return _known(worker), next_step(worker, self._now())

    async def _adopt(self, request: _Request, known: Known) -> Known:
        request.say("Your machine is already running")
        return await self._with_address(request.key, known)

    async def _start(
        self, request: _Request, worker: Worker | None, known: Known
    ) -> tuple[Known | None, Known | None]:
        """The started instance; or, if it could not be started, what EC2 says of it."""
        request.say("Starting your machine")
        try:
            await self._launcher.start(known.instance_id)
        except NotStartable:
            await self._calls.pause(WAIT)
            return None, await self.describe(request.key, known.instance_id)
        except InstanceGone:
            await self._calls.pause(WAIT)
            return None, self._gone_unless_young(worker, known.instance_id)
        return replace(await self._with_address(request.key, known), is_fresh=True), None

    async def _wait(
        self, request: _Request, worker: Worker | None, known: Known, *, must_check: bool
    ) -> Known | None:
        """Waits for the stop of the instance to end; what EC2 says of it, if it had to be asked."""
        described = await self.describe(request.key, known.instance_id) if must_check else None
        if described is None or step_after_check(worker, described, self._now()) is Step.WAIT:
            request.say(BEING_REMOVED if worker and worker.removing else BEING_STOPPED)
            await self._calls.pause(WAIT)
        return described

    def _is_claimed(self, worker: Worker | None) -> bool:
        return worker is not None and worker.is_claimed(self._now())

    def _gone_unless_young(self, worker: Worker | None, instance_id: str) -> Known | None:
        """What it means that EC2 does not find an instance: for a young one, or one of unknown age, nothing."""
        if worker is None or worker.instance_id != instance_id or is_young(worker, self._now()):
            return None
        log.warning("%s: instance %s is gone", worker.key, instance_id)
        return Known(instance_id=instance_id, state=State.TERMINATED, address=None)

    async def _find_or_launch(self, request: _Request, worker: Worker | None) -> Known:
        """An instance that has no record yet, or a new one."""
        while True:
            if found := await self._instances.find(request.key):
                used = await self._use_found(request, worker, found)
                if used:
                    return used
            else:
                try:
                    home = await self._home_of(request.key, worker)
                except HomeInUse:
                    request.say(HOME_IN_USE)
                else:
                    return await self._launch(request, worker, home)
            await self._calls.pause(WAIT * CHECK_EVERY)

    async def _use_found(self, request: _Request, worker: Worker | None, found: Known) -> Known | None:
        """The instance that was found by its tags, if it runs or could be started."""
        self._homes.ensure(worker, found)
        request.note(found)
        match step_for(found):
            case Step.ADOPT:
                request.say("Your machine is already starting")
                return found
            case Step.START:
                return (await self._start(request, worker, found))[0]
            case _:
                request.say(BEING_STOPPED)
                return None

    async def _home_of(self, key: str, worker: Worker | None) -> _Home | None:
        """The home disk that a new instance gets, by the record, else by EC2; None if it is to have a new one.

        EC2 is asked before a worker's first launch, by one call: its first machine may have been terminated by hand
        before there was a record of it. Raises StartError.
        """
        if worker is not None and worker.home_volume:
            return _Home(worker.home_volume, worker.zone)
        if not self._settings.home_disk:
            return None
        left = await self._left_home(key)
        return _Home(left.volume, left.zone) if left else None

    async def _left_home(self, key: str, instance_id: str = "") -> Disk | None:
        """The worker's home disk that is in no record, for this instance or a new one. Raises StartError."""
        disks = await self._instances.disks(key)
        try:
            left = left_home(disks, instance_id)
        except SeveralHomes as error:
            log.error("%s: which of %s is its home is in no record", key, ", ".join(error.volumes))
            raise
        if left is not None:
            log.info("%s: home disk %s in %s was in no record", key, left.volume, left.zone)
        return left

    async def _ensure_home(self, worker: Worker | None, known: Known) -> None:
        """Begins to attach the home disk, if this instance lacks it. Raises StartError."""
        if worker is not None and was_never_attached(worker):
            left = await self._left_home(worker.key, known.instance_id)
            if left is not None:
                self._homes.attach(worker.key, left.volume, known.instance_id)
                return
        self._homes.ensure(worker, known)

    async def _launch(self, request: _Request, old: Worker | None, home: _Home | None) -> Known:
        places = await self._instances.places()
        begun = await self._begin(request, old)
        image = await self._instances.image(begun.image)
        order = Order(
            worker=request.key,
            profile=request.profile,
            image=image,
            previous=old.instance_id if old else None,
            home_volume=home.volume if home else None,
            home_zone=home.zone if home else "",
            backup=begun.backup,
        )
        request.say(_requesting(old, home))
        self._begun.setdefault(request.key, begun)
        try:
            new = await self._launcher.launch(
                request.key,
                lambda generation: requests_for(order, self._settings, places, generation),
                request.say,
            )
        except BackupGone:
            self._begun.pop(request.key, None)  # nothing was launched, and the next try is without it
            raise
        self._begun.pop(request.key, None)
        log.info("%s: launched %s, a %s in %s", request.key, new.instance_id, new.instance_type, new.zone)
        if order.home_volume:
            self._homes.attach(request.key, order.home_volume, new.instance_id)
        known = Known(
            instance_id=new.instance_id,
            state=State.PENDING,
            address=new.address,
            zone=new.zone,
            is_fresh=True,
        )
        request.note(known)
        return known

    async def _begin(self, request: _Request, old: Worker | None) -> _Begun:
        """The image to launch the worker from, and the backup beside its home. While an earlier try may still succeed,
        they stay the same, and with them the request and its client token, so that EC2 launches one instance for both.
        """
        begun = self._begun.get(request.key)
        if begun and self._now() - begun.at < YOUNG:
            return begun
        self._begun.pop(request.key, None)
        image = await self._image_now()
        if not image:
            raise StartError("The image for new machines is still being built. Try again in a few minutes.")
        backup = await self._backups.chosen(old, request.backup)
        if request.backup and not backup:
            request.say("That backup is not there any more, so your machine starts without it")
        return _Begun(image=image, at=self._now(), backup=backup)

    async def _with_address(self, key: str, known: Known) -> Known:
        while not known.address:
            described = await self.describe(key, known.instance_id)
            if described is None:
                await self._calls.pause(WAIT)
            elif described.address is None:
                raise InstanceGone("Your machine no longer exists at AWS. Try again.")
            else:
                return described
        return known

    async def _record(self, key: str) -> Worker | None:
        for attempt in range(RECORD_TRIES):
            try:
                return await self._calls.read(lambda: self._get(key))
            except BadRecord as error:
                log.error("%s", error)
                raise RecordUnusable(
                    "The record of your machine is damaged, so the hub neither touches it nor starts another one:"
                    " your files are on it. Tell your administrator."
                ) from error
            except StoreUnavailable as error:
                log.warning("%s: the record cannot be read: %s", key, error)
                await self._calls.pause(WAIT * attempt)
        raise RecordsUnavailable(
            "The hub cannot read the state of your machine, so it does not touch it. Try again in a minute."
        )


def _requesting(old: Worker | None, home: _Home | None) -> str:
    if home is not None:
        return "Requesting a new machine for your home directory"
    if old is None:
        return "Requesting a new machine"
    return "Your old machine no longer exists. Requesting a new one"


def _known(worker: Worker | None) -> Known | None:
    if worker is None:
        return None
    return Known(instance_id=worker.instance_id, state=worker.state, address=worker.address, zone=worker.zone)
