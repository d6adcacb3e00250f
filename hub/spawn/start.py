"""One start of a server: from the login to JupyterLab's first answer, and what its user reads meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from time import monotonic
from typing import Any, NoReturn, Protocol

from jupyterhub.spawner import SpawnException

from hub import metrics
from hub.clients.workers import server_url
from hub.config.profiles import Profile
from hub.config.settings import WORKER_PORT
from hub.errors import HomeUnusable, NoCapacity, StartError, StopNotSent
from hub.spawn.launcher import end_error
from hub.spawn.parts import Parts, ServerInstance
from hub.spawn.planning import Known, Step, is_gone, step_for
from lifecycle_app.contract import STOPPED_FOR_HOME, Problem

# The progress bar after each real step, in percent; it does not move in between.
REQUESTED = 5
KNOWN = 25
BOOTING = 40
FETCHED = 70
ANSWERED = 95

MARGIN = timedelta(seconds=5)
"""A start ends this long before JupyterHub's own limit, whose message says less."""
DOUBT_AFTER = timedelta(seconds=20)
"""An instance that is said to run but has not answered for this long is checked with EC2."""
CHECK_EVERY = timedelta(seconds=2)
MOST_ATTEMPTS = 5
MOST_SILENCES = 2
STOPPED_FOR_SILENCE = "the hub, because it did not answer"
STOPPED_FOR_TOKEN = "the hub, because the token of its server is not valid"  # noqa: S105 -- a reason


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the progress page; `percent` of 100."""

    percent: int
    message: str


class Progress:
    """The lines of one start, for any number of readers."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._changed = asyncio.Event()
        self._ended = False

    def add(self, percent: int, message: str) -> None:
        """Adds a line. A repeated message is added once; the bar never goes back."""
        if self._lines and self._lines[-1].message == message:
            return
        furthest = self._lines[-1].percent if self._lines else 0
        self._lines.append(Line(max(percent, furthest), message))
        self._wake()

    @property
    def messages(self) -> tuple[str, ...]:
        """What was added until now."""
        return tuple(line.message for line in self._lines)

    def end(self) -> None:
        """Marks the progress as complete."""
        self._ended = True
        self._wake()

    async def follow(self) -> AsyncIterator[Line]:
        """All lines from the first one, as they are added, until the end."""
        seen = 0
        while True:
            changed = self._changed
            while seen < len(self._lines):
                seen += 1
                yield self._lines[seen - 1]
            if self._ended:
                return
            await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class Answer(Enum):
    """How the wait for a server's first answer ended, unless its instance turned out not to run."""

    CAME = "came"
    TIMED_OUT = "timed out"


class StartFailed(SpawnException):  # type: ignore[misc]  # JupyterHub publishes no types
    """A start that failed; JupyterHub shows `jupyterhub_message` on its pages."""

    def __init__(
        self, message: str, *, reason: str, status_code: int = 503, retry_in: timedelta | None = None
    ) -> None:
        super().__init__(message, reason=reason, status_code=status_code)
        self.jupyterhub_message = message
        self.retry_in = retry_in
        """After how long another try may well succeed; None if that takes a person."""


class Startable(Protocol):
    """The server that a start is of: JupyterHub's spawner, as far as a start needs it."""

    parts: Parts
    instance: ServerInstance
    server: Any
    """JupyterHub's record of the server."""
    start_timeout: float
    backup: str
    """The snapshot whose files a new instance shows beside the home; "" for none."""

    @property
    def key(self) -> str:
        """The worker's key."""
        ...

    @property
    def groups(self) -> Collection[str]:
        """The groups of the user, in JupyterHub."""
        ...

    @property
    def chosen(self) -> Profile:
        """The profile of a new instance."""
        ...

    def use(self, instance_id: str, address: str, alive_at: datetime) -> None:
        """Puts the server on this instance; "" for an address that is not known yet."""
        ...

    def use_token(self, *, is_fresh: bool) -> bool:
        """Registers the token that the instance's server uses; returns whether it is a new one."""
        ...

    def seen_alive(self) -> None:
        """Records that the server or its instance is up now."""
        ...


class Start:
    """One call of the spawner's `start()`.

    An instance that runs without answering is given up: the hub requests its stop, and this start starts it again.
    An instance that does not run, whatever was reported, is started again too.
    """

    def __init__(self, spawner: Startable) -> None:
        self._spawner = spawner
        self._parts = spawner.parts
        self._base_url = spawner.server.base_url
        self.progress = Progress()
        self.is_pending = True
        self.given_up = ""
        """The instance whose stop this start has requested, until it is started again or the request is withdrawn."""
        self.is_fetched = False
        """Has the worker fetched its environment during this start?"""
        self.problem: Problem | None = None
        """Why the worker starts no server, as it has said itself."""
        self.has_answered = False
        self._has_new_token = False
        self._began = monotonic()
        self._silences = 0
        self._is_withdrawn = False

    async def run(self) -> str:
        """The URL of the server, which answers there already. Raises StartFailed."""
        try:
            async with asyncio.timeout(self._spawner.start_timeout - MARGIN.total_seconds()):
                url = await self._run()
            metrics.starts.labels(metrics.STARTED).inc()
            return url
        except TimeoutError as error:
            metrics.starts.labels("timeout").inc()
            retry_in = None if self._spawner.instance.id else NoCapacity.retry_in
            raise StartFailed(self._too_late(), reason="timeout", retry_in=retry_in) from error
        except StartError as error:
            metrics.starts.labels(error.label).inc()
            raise StartFailed(
                str(error), reason=error.label, status_code=error.status, retry_in=error.retry_in
            ) from error
        finally:
            self.is_pending, self.given_up = False, ""
            self.progress.end()

    def say(self, message: str) -> None:
        """Adds a line to the progress page."""
        self.progress.add(KNOWN if self._spawner.instance.id else REQUESTED, message)

    def note(self, known: Known) -> None:
        """Stores the instance as soon as its id is known, so that it is found if the start is interrupted."""
        if known.instance_id != self._spawner.instance.id:
            self.progress.add(KNOWN, "Your machine is assigned")
            self._reached("assigned")
        self._spawner.use(known.instance_id, known.address or "", self._parts.now())

    def _reached(self, step: str) -> None:
        metrics.step_seconds.labels(step).observe(monotonic() - self._began)

    def _too_late(self) -> str:
        if self._spawner.instance.id:
            return self._no_answer()
        minutes = round(self._spawner.start_timeout / 60)
        return f"AWS had no machine for you within {minutes} minutes. Try again in a few minutes."

    def _no_answer(self) -> str:
        return (
            "Your machine was started, but its server did not answer."
            " Try again; if that does not help, tell your administrator."
        )

    async def _run(self) -> str:
        await self._parts.reader.loaded()
        await self._parts.budgets.check(self._spawner.key, self._spawner.groups)
        described: Known | None = None
        for _ in range(MOST_ATTEMPTS):
            known = await self._bring_up(described)
            described = None
            match await self._await_answer(known):
                case Answer.CAME if self._has_new_token and not self.is_fetched:
                    described = await self._stop_for_token(known)
                case Answer.CAME if self._silences and not self._is_withdrawn:
                    # The requested stop may be under way. From now on the hub refuses it; the record shows if it is.
                    self.given_up, self._is_withdrawn = "", True
                case Answer.CAME:
                    return self._answered()
                case Answer.TIMED_OUT:
                    await self._give_up(known)
                case Known() as described:
                    if refusal := end_error(described, self._spawner.key):
                        raise refusal
                    self.say("Your machine is not running after all. Starting it again")
        if self._silences:
            raise StartError(self._no_answer())
        raise StartError("Your machine stops each time it is started. Tell your administrator.")

    async def _bring_up(self, described: Known | None) -> Known:
        """The instance, booting and with its home disk; its server's token is valid from here on."""
        spawner = self._spawner
        known = await self._parts.protocol.bring_up(
            spawner.key, spawner.chosen, self.say, self.note, described, backup=spawner.backup
        )
        self.note(known)
        self._has_new_token = spawner.use_token(is_fresh=known.is_fresh) or (
            self._has_new_token and not self.is_fetched
        )
        self.progress.add(BOOTING, "Your machine is booting")
        self._reached("booting")
        await self._parts.homes.wait_for(known.instance_id)
        if known.is_fresh:
            self.given_up = ""
        return known

    def _answered(self) -> str:
        self.has_answered = True
        self._spawner.seen_alive()
        self.progress.add(ANSWERED, "JupyterLab answers")
        self._reached("answered")
        return f"http://{self._spawner.instance.address}:{WORKER_PORT}"

    async def _give_up(self, known: Known) -> None:
        """Requests the stop of an instance that runs and does not answer. Raises StartError the second time."""
        self._silences += 1
        if self._silences == MOST_SILENCES:
            raise StartError(self._no_answer())
        self.given_up = known.instance_id
        self.say("Your machine is running but does not answer. Stopping it and starting it again")
        await self._request_stop(known, STOPPED_FOR_SILENCE)

    async def _stop_for_token(self, known: Known) -> Known:
        """Has an instance stopped whose server holds an invalid token; the instance as EC2 describes it then."""
        self.given_up = known.instance_id
        self.say(
            "The token of your server is not valid any more. Stopping your machine and starting it again"
        )
        await self._request_stop(known, STOPPED_FOR_TOKEN)
        while True:
            await asyncio.sleep(CHECK_EVERY.total_seconds())
            described = await self._parts.protocol.describe(self._spawner.key, known.instance_id)
            if described and step_for(described) is not Step.ADOPT:
                return described

    async def _refuse_home(self, known: Known) -> NoReturn:
        """Requests the stop of an instance that cannot mount its home: it would cost money. Raises HomeUnusable."""
        self.given_up = known.instance_id
        with suppress(StartError):  # the lifecycle app stops it later, as one that hangs
            await self._request_stop(known, STOPPED_FOR_HOME)
        raise HomeUnusable(
            "Your home disk could not be mounted, so your machine starts no server. Your files were not touched."
            " Tell your administrator: the disk has to be repaired."
        )

    async def _request_stop(self, known: Known, requested_by: str) -> None:
        try:
            await self._parts.stops.send(
                self._spawner.key, known.instance_id, requested_by, self._parts.now()
            )
        except StopNotSent as error:
            raise StartError(self._no_answer()) from error

    async def _await_answer(self, known: Known) -> Answer | Known:
        """How the wait for the server ended; or the instance as EC2 describes it, if it does not run."""
        url = server_url(self._spawner.instance.address, self._base_url)
        try:
            async with asyncio.timeout(self._parts.settings.answer_limit.total_seconds()):
                return await self._watch(url, known) or Answer.CAME
        except TimeoutError:
            return Answer.TIMED_OUT

    async def _watch(self, url: str, known: Known) -> Known | None:
        """None when the server answers; or its instance as EC2 describes it, as soon as that does not run."""
        waiting = asyncio.ensure_future(self._parts.workers.wait_for(url))
        check_after = None if known.is_fresh else self._parts.now() + DOUBT_AFTER
        try:
            while not (await asyncio.wait([waiting], timeout=CHECK_EVERY.total_seconds()))[0]:
                if self.problem is Problem.HOME:
                    await self._refuse_home(known)
                if not self._is_in_doubt(known, check_after):
                    continue
                described = await self._parts.protocol.describe(self._spawner.key, known.instance_id)
                if described and step_for(described) is not Step.ADOPT:
                    return described
                if described:
                    self._spawner.seen_alive()
                check_after = None if described else self._parts.now() + DOUBT_AFTER
        finally:
            waiting.cancel()
        return None

    def _is_in_doubt(self, known: Known, check_after: datetime | None) -> bool:
        """May the instance be down, by the records or because it has not answered for long?"""
        if check_after is not None and self._parts.now() > check_after:
            return True
        record = self._parts.reader.get(self._spawner.key)
        return is_gone(record, known.instance_id, self._spawner.instance.alive_at)
