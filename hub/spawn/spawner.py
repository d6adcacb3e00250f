"""A user's server as JupyterHub knows it: on an instance of its own, which the hub can start but never stop.

A user's choice of a machine, as JupyterHub asks for it and takes it.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from jupyterhub import orm
from jupyterhub.spawner import Spawner, SpawnException
from sqlalchemy import inspect
from tornado import web

from hub.clients.workers import server_url
from hub.config.settings import WORKER_PORT
from hub.errors import StartError, StopNotSent
from hub.identity import worker_token
from hub.spawn import progress as steps
from hub.spawn.parts import Parts
from hub.spawn.planning import Known, Step, is_doubtful, is_gone, step_for
from hub.spawn.progress import Progress, form, instance_type_in
from lifecycle_app.model.worker import State, worker_key

# Before JupyterHub gives up with words of its own.
MARGIN = timedelta(seconds=5)
# A machine that is said to run but does not answer for so long is looked at.
DOUBT_AFTER = timedelta(seconds=20)
GLANCE = timedelta(seconds=2)
MOST_ATTEMPTS = 5
MOST_SILENCES = 2


class StartFailed(SpawnException):  # type: ignore[misc]  # JupyterHub publishes no types
    """A start that failed, in words for the user; JupyterHub shows `jupyterhub_message` on its pages."""

    def __init__(self, words: str, *, reason: str, status_code: int = 503) -> None:
        super().__init__(words, reason=reason, status_code=status_code)
        self.jupyterhub_message = words


class WorkerSpawner(Spawner):  # type: ignore[misc]  # JupyterHub publishes no types
    """Starts a user's instance and watches its server. `parts` is set by `spawner_class`."""

    parts: Parts
    # Tokens stay valid over a stop: a machine that was let go but not stopped can be taken up again.
    will_resume = True

    instance_id = ""
    instance_type = ""
    address = ""
    alive_at: datetime | None = None
    """When the server was last known to be up; older records say nothing about it."""
    let_go = False
    """The lifecycle app stops the machine, so that JupyterHub only has to forget the server."""
    stop_requested_by = ""
    """Who pressed Stop; "" while nobody did."""
    given_up = ""
    """The machine that runs without answering, and that this start has asked the lifecycle app to stop."""
    is_starting = False
    progress_told: Progress | None = None

    @property
    def key(self) -> str:
        """The worker's key."""
        return worker_key(self.user.name, self.name)

    async def start(self) -> str:
        """The URL of the server, which answers there already."""
        self.let_go, self.stop_requested_by, self.given_up = False, "", ""
        self.is_starting = True
        self.progress_told = Progress()
        limit = self.start_timeout - MARGIN.total_seconds()
        try:
            async with asyncio.timeout(limit):
                return await self._start()
        except TimeoutError as error:
            raise StartFailed(self._too_late(), reason="timeout") from error
        except StartError as error:
            raise StartFailed(str(error), reason=error.label) from error
        finally:
            self.is_starting, self.given_up = False, ""
            self.progress_told.end()

    async def stop(self, now: bool = False) -> None:  # noqa: ARG002 -- JupyterHub's signature
        """Asks the lifecycle app for a stop, if somebody pressed Stop. A start that failed stops nothing."""
        launched = await self.parts.starter.unfinished(self.key)
        instance_id = launched.instance_id if launched else self.instance_id
        if instance_id and self._is_stop_wanted():
            by = self.stop_requested_by or self.user.name
            await self.parts.stops.send(self.key, instance_id, by, self.parts.now())

    async def rename(self, old_name: str, new_name: str) -> None:  # noqa: ARG002 -- JupyterHub's signature
        """Refuses: the machine and its files are found by the server's name."""
        raise web.HTTPError(
            400,
            "A server keeps its name, because its machine and files are found by it. Its display name can be changed.",
        )

    async def poll(self) -> int | None:
        """None while the server runs or nothing is known; 0 when it is certainly down. Costs no call, unless the record
        and what was seen of the server contradict each other for a minute.
        """
        if self.let_go:
            return 0
        if self.is_starting or self.parts.starter.is_launching(self.key):
            return None
        if not self.instance_id:
            return 0
        await self.parts.reader.loaded()
        record = self.parts.reader.get(self.key)
        if is_gone(record, self.instance_id, self.alive_at):
            return 0
        if (
            is_doubtful(record, self.instance_id, self.alive_at, self.parts.now())
            and await self._is_seen_down()
        ):
            return 0
        return None

    async def _is_seen_down(self) -> bool:
        """Does EC2 say that the machine does not run? Not to be told is no answer."""
        try:
            seen = await self.parts.startup.look(self.key, self.instance_id)
        except StartError:
            return False
        if seen is None:
            return False
        if step_for(seen) is not Step.ADOPT:
            return True
        self.alive_at = self.parts.now()
        return False

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """The real steps of the start, as they happen."""
        while self.progress_told is None:
            await asyncio.sleep(0.05)
        async for step in self.progress_told.follow():
            yield {"progress": step.percent, "message": step.message}

    def tell(self, percent: int, message: str) -> None:
        """Adds a step to the progress page."""
        if self.progress_told:
            self.progress_told.tell(percent, message)

    def get_state(self) -> dict[str, Any]:
        """What a restarted hub has to know; no secret."""
        state: dict[str, Any] = super().get_state()
        if self.instance_id and self.alive_at:
            known = {
                "instance_id": self.instance_id,
                "address": self.address,
                "alive_at": self.alive_at.timestamp(),
            }
            state |= known
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes up a server that was started before the hub was."""
        super().load_state(state)
        if state.get("instance_id"):
            self._take(state["instance_id"], state["address"])
            self.alive_at = datetime.fromtimestamp(state["alive_at"], UTC)
            self.api_token = self._token()

    def clear_state(self) -> None:
        """Forgets the instance; the record knows it."""
        super().clear_state()
        self.instance_id, self.address, self.alive_at = "", "", None

    def launch_environment(self) -> dict[str, Any]:
        """What the worker starts its server with; it holds the server's token."""
        self.tell(steps.FETCHED, "The machine has booted and starts JupyterLab")
        return {"env": self.get_env(), "args": list(self.get_args())}

    def _is_stop_wanted(self) -> bool:
        """JupyterHub also stops servers whose start has failed, and those that do not answer after its own restart."""
        is_asked_for = getattr(self, "_stop_future", None) is not None
        return is_asked_for or self.user.name in self.authenticator.blocked_users

    async def _start(self) -> str:
        base_url, looked, silences, is_withdrawn = self.server.base_url, None, 0, False
        await self.parts.reader.loaded()
        for _ in range(MOST_ATTEMPTS):
            wished = self.instance_type or self.parts.settings.types[0]
            known = await self.parts.startup.bring_up(self.key, wished, self._say, self._note, looked)
            self._note(known)
            self._use_token()
            self.tell(steps.BOOTING, f"Machine {known.instance_id} is booting")
            await self.parts.homes.wait_for(known.instance_id)
            if known.is_fresh:
                self.given_up = ""
            try:
                async with asyncio.timeout(self.parts.settings.answer_limit.total_seconds()):
                    looked = await self._watch(server_url(self.address, base_url), known)
            except TimeoutError:
                silences, looked = silences + 1, None
                if silences == MOST_SILENCES:
                    break
                await self._give_up(known)
                continue
            if looked is None and silences and not is_withdrawn:
                # The stop that was asked for may be under way: from now on the hub refuses it, and the record tells.
                self.given_up, is_withdrawn = "", True
                continue
            if looked is None:
                self.alive_at = self.parts.now()
                self.tell(steps.ANSWERS, "JupyterLab answers")
                return f"http://{self.address}:{WORKER_PORT}"
            self._say("The machine does not run after all; starting it again")
        if silences:
            raise StartError(self._silent())
        raise StartError("Your machine goes down each time it is started. Tell your administrator.")

    async def _give_up(self, known: Known) -> None:
        """Has a machine stopped that runs and does not answer; this start then starts it again."""
        self.given_up = known.instance_id
        self._say("The machine runs but does not answer; it is stopped and started again")
        by = "the hub, because nothing on it answered,"
        try:
            await self.parts.stops.send(self.key, known.instance_id, by, self.parts.now())
        except StopNotSent as error:
            raise StartError(self._silent()) from error

    async def _watch(self, url: str, known: Known) -> Known | None:
        """None as soon as the server answers; or its machine as EC2 sees it, if it does not run, whatever was said."""
        waiting = asyncio.ensure_future(self.parts.workers.wait_for(url))
        doubt = None if known.is_fresh else self.parts.now() + DOUBT_AFTER
        try:
            while not (await asyncio.wait([waiting], timeout=GLANCE.total_seconds()))[0]:
                is_doubtful = doubt is not None and self.parts.now() > doubt
                if is_doubtful or is_gone(self.parts.reader.get(self.key), known.instance_id, self.alive_at):
                    seen = await self.parts.startup.look(self.key, known.instance_id)
                    if seen is None:
                        doubt = self.parts.now() + DOUBT_AFTER
                    elif step_for(seen) is not Step.ADOPT:
                        return seen
                    else:
                        doubt, self.alive_at = None, self.parts.now()
        finally:
            waiting.cancel()
        return None

    def _say(self, message: str) -> None:
        self.tell(steps.KNOWN if self.instance_id else steps.ASKED, message)

    def _note(self, known: Known) -> None:
        """Remembers the instance as soon as it is known, so that it can be found if the start is interrupted."""
        if known.instance_id != self.instance_id:
            self.tell(steps.KNOWN, f"Your machine is {known.instance_id}")
        self.alive_at = self.parts.now()
        self._take(known.instance_id, known.address or "")

    def _take(self, instance_id: str, address: str) -> None:
        self.instance_id, self.address = instance_id, address
        self.port = WORKER_PORT
        if address:
            self.ip = address

    def _token(self) -> str:
        return worker_token(self.parts.token_key, self.parts.settings.cluster, self.key, self.instance_id)

    def _use_token(self) -> None:
        """Registers the worker's own token now: its server uses it before JupyterHub would register it."""
        token = self._token()
        db = inspect(self.orm_spawner).session
        given = orm.APIToken.find(db, self.api_token)
        if given is not None and orm.APIToken.find(db, token) is None:
            # A derived token is as random as a generated one.
            self.user.new_api_token(token, note=f"Server of worker {self.key}", scopes=list(given.scopes))
        self.api_token = token

    def _silent(self) -> str:
        return (
            f"Your machine {self.instance_id} was started, but its server did not answer."
            " Try again; if that does not help, tell your administrator."
        )

    def _too_late(self) -> str:
        if self.instance_id:
            return self._silent()
        minutes = round(self.start_timeout / 60)
        return f"AWS had no machine for you within {minutes} minutes. Try again in a while."


def spawner_class(parts: Parts) -> type[WorkerSpawner]:
    """The spawner with its parts, as JupyterHub's configuration takes it."""
    return type("WorkerSpawner", (WorkerSpawner,), {"parts": parts, "__module__": __name__})


def apply_options(spawner: WorkerSpawner, options: dict[str, Any]) -> None:
    """Takes over the user's choice. A wrong one is forgotten, or each later start would fail by it too."""
    try:
        spawner.instance_type = instance_type_in(options, spawner.parts.settings.types)
    except ValueError as error:
        spawner.orm_spawner.user_options = {}
        raise StartFailed(str(error), reason="options", status_code=400) from error


async def options_form(spawner: WorkerSpawner) -> str:
    """The form for a user who has no machine yet; nobody else can choose."""
    await spawner.parts.reader.loaded()
    worker = spawner.parts.reader.get(spawner.key)
    if worker and worker.state is not State.TERMINATED:
        return ""
    allowed = spawner.parts.settings.types
    chosen = (spawner.orm_spawner.user_options or {}).get("instance_type", allowed[0])
    return form(allowed, chosen)
