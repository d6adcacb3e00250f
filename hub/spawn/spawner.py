"""JupyterHub's spawner: a user's server on an instance of its own, which the hub can start but never stop."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from jupyterhub.spawner import Spawner
from jupyterhub.utils import url_escape_path, url_path_join
from sqlalchemy import inspect
from tornado import web

from hub.audit.record import record
from hub.config.profiles import Profile
from hub.config.settings import WORKER_PORT
from hub.errors import StartError
from hub.identity import worker_token
from hub.spawn import tokens
from hub.spawn.options import backup_in, chosen_in, current, groups_of, is_clean, lasting
from hub.spawn.parts import Parts, PendingKeep, ServerInstance
from hub.spawn.planning import Step, is_doubtful, is_gone, step_for
from hub.spawn.start import FETCHED, Start, StartFailed
from hub.spawn.tokens import End, Grant
from lifecycle_app.contract import SET_ASIDE_FIELD, Problem, set_aside_name
from lifecycle_app.model.worker import worker_key

log = logging.getLogger(__name__)


class WorkerSpawner(Spawner):  # type: ignore[misc]  # JupyterHub publishes no types
    """Starts a user's instance and watches its server. `parts` is set by `spawner_class`."""

    parts: Parts
    # `run_post_stop_hook` removes token and OAuth client; JupyterHub would not know which tokens were revoked before.
    will_resume = True

    profile: Profile | None = None
    """What the user chose; None for the default."""
    backup = ""
    """The snapshot whose files a new instance shows beside the home, at this start; "" for none."""
    set_aside = ""
    """The directory into which the worker moves its user's settings at this start; "" for none."""
    instance = ServerInstance()
    latest_start: Start | None = None
    grant: Grant | None = None
    """What the server's token is derived from, or was before the server ended; None if it has to be a new one."""
    keep: PendingKeep | None = None
    """The user's request to keep the machine running, while it has no answer."""
    is_released = False
    """The lifecycle app is stopping the instance: JupyterHub only has to forget the server."""
    stop_requested_by = ""
    """Who pressed Stop, or why the hub has the server stopped; "" if neither."""

    @property
    def key(self) -> str:
        """The worker's key."""
        return worker_key(self.user.name, self.name)

    @property
    def groups(self) -> Collection[str]:
        """The groups of the user, in JupyterHub."""
        return groups_of(self.user)

    @property
    def chosen(self) -> Profile:
        """The profile of a new instance. Raises ValueError where there is none for the user."""
        return self.profile or chosen_in({}, self.parts.settings, groups_of(self.user))

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
        """What a restarted hub has to know; no secret.

        Not the instance of a pending start: the hub would wait for a server that JupyterHub has no address of yet. The
        next start finds the instance by its tags.
        """
        state: dict[str, Any] = super().get_state()
        if self.grant:
            state["token"] = self.grant.to_state()
        if self.instance.id and self.instance.alive_at and not self.is_starting:
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
        self.grant = tokens.grant_in(state)
        if state.get("instance_id"):
            alive_at = datetime.fromtimestamp(state["alive_at"], UTC)
            self.use(state["instance_id"], state["address"], alive_at)
            self.api_token = self._token()

    def clear_state(self) -> None:
        """Forgets the instance, which the record knows. What its token was derived from is kept."""
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

    def use_token(self, *, is_fresh: bool) -> bool:
        """Registers the server's own token now: the server uses it before JupyterHub would register it.

        Returns whether it is a new one, which a server that runs already does not have. `is_fresh`: the instance boots.
        """
        given = tokens.find(self._db, self.api_token)
        before, is_registered = self.grant, self.is_token_registered
        self.grant = tokens.next_grant(
            before, self.instance.id, self.parts.now(), is_fresh=is_fresh, is_registered=is_registered
        )
        self.api_token = self._token()
        if given is not None:
            self.grant = replace(self.grant, scopes=tuple(given.scopes))
            self.renew_token()
        tokens.remove(self._db, self.user.orm_user, self._notes, keep=self.api_token)
        return before is None or before.nonce != self.grant.nonce

    def renew_token(self) -> None:
        """Makes the token valid for its whole lifetime from now on, also one that has expired."""
        if self.grant:
            row = tokens.find(self._db, self._token())
            scopes = tuple(row.scopes) if row is not None else self.grant.scopes
            self.grant = replace(self.grant, until=self.parts.now() + tokens.LIFETIME, scopes=scopes)
            tokens.register(self._db, self.user.orm_user, self.key, self._token(), self.grant)
            self.orm_spawner.state = self.get_state()
            self._db.commit()

    @property
    def is_token_registered(self) -> bool:
        """Is the server's own token valid now?"""
        return self.grant is not None and tokens.find(self._db, self._token()) is not None

    @property
    def is_token_ready(self) -> bool:
        """May the worker have its environment? Not before its token is made, and not after that was revoked."""
        is_own = self.grant is not None and self.grant.instance_id == self.instance.id
        return is_own and self.api_token == self._token() and self.is_token_registered

    def run_post_stop_hook(self) -> Any:
        """Removes all that gives access to the server, or comes from it, once JupyterHub has stopped it."""
        if self.grant and not self.grant.end:
            was_up = self.latest_start is None or self.latest_start.has_answered
            ended = replace(self.grant, end=End.STOPPED if was_up else End.FAILED)
            is_revoked = tokens.is_revoked(
                self.grant, self.parts.now(), is_registered=self.is_token_registered
            )
            self.grant = None if is_revoked else ended
        tokens.remove(self._db, self.user.orm_user, self._notes)
        tokens.remove_client(self._db, self.oauth_client_id)
        return super().run_post_stop_hook()

    def launch_environment(self) -> dict[str, Any]:
        """What the worker starts its server with; it holds the server's token."""
        if self.latest_start:
            self.latest_start.is_fetched = True
            self.latest_start.progress.add(FETCHED, "Your machine has booted and is starting JupyterLab")
            if self.set_aside and self.is_starting:
                self.latest_start.progress.add(
                    FETCHED, f"Your settings are moved to {self.set_aside} in your home"
                )
        answer = {"env": self.get_env(), "args": list(self.get_args())}
        # Not at a later restart of the server, when its user may have taken back what works.
        if self.set_aside and self.is_starting:
            answer[SET_ASIDE_FIELD] = self.set_aside
        return answer

    def options_from_query(self, query_data: dict[str, Any]) -> dict[str, Any]:
        """The options in a link, without those of one start: another user may have made it."""
        options: dict[str, Any] = super().options_from_query(lasting(query_data))
        return options

    def report_problem(self, problem: Problem) -> None:
        """Takes up what the worker says of itself: a start that is pending fails for it."""
        log.error("%s: %s cannot start its server: %s", self.key, self.instance.id, problem)
        if self.latest_start:
            self.latest_start.problem = problem

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
        """The token of the grant; of a server without one, a token that is registered nowhere."""
        grant = self.grant or Grant(instance_id=self.instance.id)
        key, cluster = self.parts.token_key, self.parts.settings.cluster
        return worker_token(key, cluster, self.key, grant.instance_id, grant.nonce)

    @property
    def _db(self) -> Any:
        return inspect(self.orm_spawner).session

    @property
    def _notes(self) -> tuple[str, str]:
        """Of this server's tokens: our own, and the one that JupyterHub makes for a start."""
        path = url_path_join(self.user.base_url, url_escape_path(self.name), "/")
        return tokens.NOTE + self.key, tokens.JUPYTERHUBS_NOTE + path


def spawner_class(parts: Parts) -> type[WorkerSpawner]:
    """The spawner with its parts, as JupyterHub's configuration takes it."""
    return type("WorkerSpawner", (WorkerSpawner,), {"parts": parts, "__module__": __name__})


def apply_options(spawner: WorkerSpawner, options: dict[str, Any]) -> None:
    """Takes over the user's choice. A wrong one is forgotten, or each later start would fail because of it; and so is
    what is for one start: a clean profile, and a backup.
    """
    spawner.set_aside = set_aside_name(spawner.parts.now()) if is_clean(options) else ""
    spawner.backup = backup_in(options)
    if lasting(options) != options:
        spawner.orm_spawner.user_options = lasting(options)
    try:
        settings = spawner.parts.settings
        spawner.profile = chosen_in(current(options, settings), settings, groups_of(spawner.user))
    except ValueError as error:
        spawner.orm_spawner.user_options, spawner.set_aside, spawner.backup = {}, "", ""
        raise StartFailed(str(error), reason="options", status_code=400) from error
