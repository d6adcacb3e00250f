"""JupyterHub's spawner: a user's server on an instance of its own, which the hub can start but never stop."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from typing import Any

from jupyterhub import orm
from jupyterhub.spawner import Spawner
from sqlalchemy import inspect
from tornado import web

from hub.audit.record import record
from hub.config.settings import WORKER_PORT
from hub.errors import StartError
from hub.identity import worker_token
from hub.spawn.parts import Parts, ServerInstance
from hub.spawn.planning import Step, is_doubtful, is_gone, step_for
from hub.spawn.start import FETCHED, Start, StartFailed
from lifecycle_app.model.worker import State, worker_key

INSTANCE_TYPE = "instance_type"


class WorkerSpawner(Spawner):  # type: ignore[misc]  # JupyterHub publishes no types
    """Starts a user's instance and watches its server. `parts` is set by `spawner_class`."""

    parts: Parts
    # Tokens stay valid over a stop: a server that was released but not stopped can be used again.
    will_resume = True

    instance_type = ""
    """What the user chose; "" for the default."""
    instance = ServerInstance()
    latest_start: Start | None = None
    is_released = False
    """The lifecycle app is stopping the instance: JupyterHub only has to forget the server."""
    stop_requested_by = ""
    """Who pressed Stop; "" if no user did."""

    @property
    def key(self) -> str:
        """The worker's key."""
        return worker_key(self.user.name, self.name)

    @property
    def chosen_type(self) -> str:
        """The instance type of a new instance."""
        return self.instance_type or self.parts.settings.types[0]

    @property
    def is_starting(self) -> bool:
        """Is a start pending?"""
        return self.latest_start is not None and self.latest_start.is_pending

    @property
    def given_up(self) -> str:
        """The instance whose stop the pending start has requested because it does not answer; "" for none."""
        return self.latest_start.given_up if self.latest_start else ""

    async def start(self) -> str:
        """The URL of the server, which answers there already."""
        self.is_released, self.stop_requested_by = False, ""
        record("server.start", self.key)
        self.latest_start = Start(self)
        return await self.latest_start.run()

    async def stop(self, now: bool = False) -> None:  # noqa: ARG002 -- JupyterHub's signature
        """Requests a stop of the lifecycle app, if a user pressed Stop. A start that failed stops nothing."""
        launched = await self.parts.launcher.unfinished(self.key)
        instance_id = launched.instance_id if launched else self.instance.id
        if instance_id and self._is_stop_requested():
            requested_by = self.stop_requested_by or self.user.name
            record("server.stop", self.key, detail=f"{instance_id}, requested by {requested_by}")
            await self.parts.stops.send(self.key, instance_id, requested_by, self.parts.now())

    async def rename(self, old_name: str, new_name: str) -> None:  # noqa: ARG002 -- JupyterHub's signature
        """Refuses: the instance and its files are found by the server's name."""
        raise web.HTTPError(
            400,
            "A server cannot be renamed: its machine and files are found by its name. Change its display name instead.",
        )

    async def poll(self) -> int | None:
        """None while the server runs or nothing is known; 0 when it is certainly down. Makes no call, unless the record
        and what was seen of the server contradict each other for a minute.
        """
        if self.is_released:
            return 0
        if self.is_starting or self.parts.launcher.is_launching(self.key):
            return None
        if not self.instance.id:
            return 0
        await self.parts.reader.loaded()
        known = self.parts.reader.get(self.key), self.instance.id, self.instance.alive_at
        if is_gone(*known):
            return 0
        if is_doubtful(*known, self.parts.now()) and await self._is_down_by_ec2():
            return 0
        return None

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """The steps of the latest start, as they happen."""
        while self.latest_start is None:
            await asyncio.sleep(0.05)
        async for line in self.latest_start.progress.follow():
            yield {"progress": line.percent, "message": line.message}

    def get_state(self) -> dict[str, Any]:
        """What a restarted hub has to know; no secret."""
        state: dict[str, Any] = super().get_state()
        if self.instance.id and self.instance.alive_at:
            known = {
                "instance_id": self.instance.id,
                "address": self.instance.address,
                "alive_at": self.instance.alive_at.timestamp(),
            }
            state |= known
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes over a server that was started before the hub was."""
        super().load_state(state)
        if state.get("instance_id"):
            alive_at = datetime.fromtimestamp(state["alive_at"], UTC)
            self.use(state["instance_id"], state["address"], alive_at)
            self.api_token = self._token()

    def clear_state(self) -> None:
        """Forgets the instance; the record knows it."""
        super().clear_state()
        self.instance = ServerInstance()

    def use(self, instance_id: str, address: str, alive_at: datetime) -> None:
        """Puts the server on this instance. Without an address JupyterHub keeps the one it has for its URL."""
        self.instance = ServerInstance(id=instance_id, address=address, alive_at=alive_at)
        self.port = WORKER_PORT
        if address:
            self.ip = address

    def seen_alive(self) -> None:
        """Records that the server or its instance is up now."""
        self.instance = replace(self.instance, alive_at=self.parts.now())

    def use_token(self) -> None:
        """Registers the worker's own token now: its server uses it before JupyterHub would register it."""
        token = self._token()
        db = inspect(self.orm_spawner).session
        given = orm.APIToken.find(db, self.api_token)
        if given is not None and orm.APIToken.find(db, token) is None:
            # A derived token is as random as a generated one.
            self.user.new_api_token(token, note=f"Server of worker {self.key}", scopes=list(given.scopes))
        self.api_token = token

    def launch_environment(self) -> dict[str, Any]:
        """What the worker starts its server with; it holds the server's token."""
        if self.latest_start:
            self.latest_start.progress.add(FETCHED, "Your machine has booted and is starting JupyterLab")
        return {"env": self.get_env(), "args": list(self.get_args())}

    async def _is_down_by_ec2(self) -> bool:
        """Does EC2 say that the instance does not run? No answer means no."""
        try:
            described = await self.parts.protocol.describe(self.key, self.instance.id)
        except StartError:
            return False
        if described is None:
            return False
        if step_for(described) is not Step.ADOPT:
            return True
        self.seen_alive()
        return False

    def _is_stop_requested(self) -> bool:
        """JupyterHub also stops servers whose start has failed, and those that do not answer after its own restart."""
        is_requested = getattr(self, "_stop_future", None) is not None
        is_removed = self.user.name in self.authenticator.blocked_users
        return is_requested or is_removed or bool(self.stop_requested_by)

    def _token(self) -> str:
        return worker_token(self.parts.token_key, self.parts.settings.cluster, self.key, self.instance.id)


def spawner_class(parts: Parts) -> type[WorkerSpawner]:
    """The spawner with its parts, as JupyterHub's configuration takes it."""
    return type("WorkerSpawner", (WorkerSpawner,), {"parts": parts, "__module__": __name__})


def apply_options(spawner: WorkerSpawner, options: dict[str, Any]) -> None:
    """Takes over the user's choice. A wrong one is forgotten, or each later start would fail because of it."""
    try:
        spawner.instance_type = instance_type_in(options, spawner.parts.settings.types)
    except ValueError as error:
        spawner.orm_spawner.user_options = {}
        raise StartFailed(str(error), reason="options", status_code=400) from error


async def options_form(spawner: WorkerSpawner) -> str:
    """The form for a user who has no instance yet; "" for the others, who cannot choose."""
    await spawner.parts.reader.loaded()
    worker = spawner.parts.reader.get(spawner.key)
    if worker and worker.state is not State.TERMINATED:
        return ""
    allowed = spawner.parts.settings.types
    chosen = (spawner.orm_spawner.user_options or {}).get(INSTANCE_TYPE, allowed[0])
    return form(allowed, chosen)


def instance_type_in(options: Mapping[str, Any], allowed: Sequence[str]) -> str:
    """The chosen type, or the default one. Raises ValueError with a message for the user."""
    unknown = sorted(str(name) for name in options if name != INSTANCE_TYPE)
    if unknown:
        raise ValueError(f"Unknown option {_shortened(unknown[0])}. The only option is {INSTANCE_TYPE}.")
    chosen = options.get(INSTANCE_TYPE, allowed[0])
    if isinstance(chosen, list) and len(chosen) == 1:  # as forms send it
        chosen = chosen[0]
    if not isinstance(chosen, str) or chosen not in allowed:
        raise ValueError(f"Unknown machine type {_shortened(chosen)}. Choose one of {', '.join(allowed)}.")
    return chosen


def _shortened(value: object) -> str:
    """What was sent, in a few characters: it can be megabytes, or nested lists."""
    return repr(value)[:60] if isinstance(value, str) else f"(a {type(value).__name__})"


def form(allowed: Sequence[str], chosen: str) -> str:
    """The form's HTML; "" where there is nothing to choose, so that the server starts without asking."""
    if len(allowed) < 2:
        return ""
    lines = [
        f'<option value="{escape(one)}"{" selected" if one == chosen else ""}>{escape(one)}</option>'
        for one in allowed
    ]
    return (
        f'<label for="{INSTANCE_TYPE}">Machine type</label>'
        f'<select class="form-control" id="{INSTANCE_TYPE}" name="{INSTANCE_TYPE}">{"".join(lines)}</select>'
        "<p>Your machine keeps this type until it is replaced.</p>"
    )
