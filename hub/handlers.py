"""The hub's HTTP for workers, for the lifecycle app and for administrators, beside JupyterHub's own."""

import asyncio
import json
import logging
from datetime import UTC, timedelta
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.apihandlers.users import UserServerAPIHandler
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.scopes import needs_scope
from tornado import web

from hub.answering import base_url, server_url
from hub.drain import (
    Mode,
    Observation,
    Request,
    Server,
    Verdict,
    parse_observation,
    parse_request,
    refusal_before_asking,
    verdict,
)
from hub.errors import IdentityError, NotOurWorker, NotReady, WorkerSilent
from hub.naming import worker_token
from hub.options import instance_type_in
from hub.parts import Parts
from hub.spawner import WorkerSpawner
from lifecycle_app.errors import StoreUnavailable
from lifecycle_app.worker import Worker, split

log = logging.getLogger(__name__)

DRAIN_SCOPE = "custom:cloudjhub:drain"
RETRY_AFTER = 1
STOP_WAIT = timedelta(seconds=3)


def routes(parts: Parts) -> list[tuple[str, type[web.RequestHandler], dict[str, Parts]]]:
    """Our handlers. They come before JupyterHub's own, so that ours for servers takes the place of its."""
    given = {"parts": parts}
    return [
        (r"/api/cloudjhub/environment", EnvironmentHandler, given),
        (r"/api/cloudjhub/drain", DrainHandler, given),
        (r"/api/users/([^/]+)/server", ServerHandler, given),
        (r"/api/users/([^/]+)/servers/([^/]*)", ServerHandler, given),
        (r"/workers", WorkersHandler, given),
    ]


class _WithParts:
    parts: Parts

    def initialize(self, parts: Parts) -> None:
        self.parts = parts


class EnvironmentHandler(_WithParts, APIHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """Gives a worker the environment of its own server, for its STS identity. Needs no login."""

    async def post(self) -> None:
        """Answers 200, or 401, 403, 409, 429, 503 as JSON. What was sent is never logged: it holds a signature."""
        now = self.parts.now()
        try:
            sent = self._sent()
            instance_id = await self.parts.identities.instance(sent, self.request.remote_ip or "", now)
            answer = (await self._spawner_on(instance_id)).launch_environment()
        except IdentityError as error:
            log.warning("environment refused to %s: %s", self.request.remote_ip, error)
            self._refuse(error.status, str(error))
            return
        except (OSError, StoreUnavailable) as error:
            log.warning("environment of %s cannot be given now: %s", self.request.remote_ip, error)
            self._refuse(503, "identities cannot be checked just now")
            return
        self.parts.identities.use_up(sent, now)
        log.info("instance %s fetched its environment", instance_id)
        self.set_header("Cache-Control", "no-store")
        self.write(json.dumps(answer))

    def _sent(self) -> Any:
        try:
            return json.loads(self.request.body)
        except ValueError:
            return None

    def _refuse(self, status: int, message: str) -> None:
        self.set_status(status)
        if status in (409, 429, 503):
            self.set_header("Retry-After", str(RETRY_AFTER))
        self.write(json.dumps({"status": status, "message": message}))

    async def _spawner_on(self, instance_id: str) -> WorkerSpawner:
        for user in self.users.values():
            for spawner in user.spawners.values():
                if getattr(spawner, "instance_id", "") == instance_id and (
                    spawner.is_starting or spawner.active
                ):
                    if self.parts.startup.home_is_coming(instance_id):
                        raise NotReady("the home disk is not attached yet")
                    found: WorkerSpawner = spawner
                    return found
        if self.parts.starter.is_any_launching():
            raise NotReady("machines are being launched just now")
        worker = self.parts.reader.by_instance(instance_id)
        if worker is None:
            worker = await self.parts.calls.read(lambda: self.parts.store.by_instance(instance_id))
        if worker is None:
            raise NotOurWorker(f"{instance_id} is no worker of this cluster")
        raise NotReady(f"nobody waits for the server of {worker.key}")


class DrainHandler(_WithParts, APIHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """Lets go of a server that the lifecycle app wants to stop, if nothing speaks against it."""

    async def post(self) -> None:
        """Answers {"drained", "reason", "evidence"}."""
        if not self.has_scope(DRAIN_SCOPE):
            raise web.HTTPError(403, f"this needs the scope {DRAIN_SCOPE}")
        try:
            request = parse_request(self.get_json_body())
        except ValueError as error:
            raise web.HTTPError(400, str(error)) from error
        said = await self._drain(request)
        log.info(
            "%s: drain of %s (%s): %s: %s",
            request.worker,
            request.instance_id,
            request.mode,
            said.drained,
            said.reason,
        )
        self.write(
            json.dumps({"drained": said.drained, "reason": said.reason, "evidence": dict(said.evidence)})
        )

    async def _drain(self, request: Request) -> Verdict:
        spawner = self._spawner(request.worker)
        stopping = getattr(spawner, "_stop_future", None)
        if stopping:
            await asyncio.wait([stopping], timeout=STOP_WAIT.total_seconds())
            spawner = self._spawner(request.worker)
        refused = refusal_before_asking(request, _server(spawner))
        if refused:
            return refused
        seen, silence = await self._observed(request, spawner)
        # From here to the mark that it is being stopped nothing else runs in the hub's event loop.
        spawner = self._spawner(request.worker)
        said = verdict(request, _server(spawner), seen, silence)
        if said.drained and spawner is not None and spawner.active:
            return await self._let_go(spawner, said)
        return said

    async def _let_go(self, spawner: WorkerSpawner, said: Verdict) -> Verdict:
        spawner.let_go = True
        await self.stop_single_user(spawner.user, spawner.name)
        if spawner.active:
            spawner.let_go = False
            return Verdict(drained=False, reason="the server's route could not be removed from the proxy")
        return said

    def _spawner(self, worker: str) -> WorkerSpawner | None:
        """The hub's object for a server that is active or has something pending; None if there is none."""
        name, server = split(worker)
        user = self.find_user(name)
        if user is None or server not in user.spawners:
            return None
        spawner: WorkerSpawner = user.spawners[server]
        return spawner

    async def _observed(
        self, request: Request, spawner: WorkerSpawner | None
    ) -> tuple[Observation | None, str]:
        if request.mode is Mode.REGARDLESS:
            return None, ""
        address = spawner.address if spawner else ""
        if not address:
            known: Worker | None = self.parts.reader.by_instance(request.instance_id)
            address = (known.address or "") if known else ""
        if not address:
            return None, "its address is not known"
        key, cluster = self.parts.token_key, self.parts.settings.cluster
        token = worker_token(key, cluster, request.worker, request.instance_id)
        try:
            told = await self.parts.workers.activity(
                server_url(address, base_url(*split(request.worker))), token
            )
            if told.get("instance_id") != request.instance_id:
                return None, "another machine has its address"
            return parse_observation(told), ""
        except (WorkerSilent, ValueError) as error:
            return None, str(error)


def _server(spawner: WorkerSpawner | None) -> Server | None:
    """The server as it is in this moment."""
    if spawner is None:
        return None
    started = spawner.orm_spawner.started
    return Server(
        pending="spawn" if spawner.is_starting else spawner.pending,
        active=bool(spawner.active),
        started=started.replace(tzinfo=UTC) if started else None,
        instance_id=spawner.instance_id,
    )


class ServerHandler(_WithParts, UserServerAPIHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """JupyterHub's own, but a start's options are checked at once, and a stop knows who asked for it."""

    async def post(self, user_name: str, server_name: str = "") -> None:
        """Starts a server."""
        options = self.get_server_json_body()["user_options"]
        try:
            instance_type_in(options or {}, self.parts.settings.types)
        except ValueError as error:
            raise web.HTTPError(400, str(error)) from error
        await super().post(user_name, server_name)

    async def stop_single_user(self, user: Any, server_name: str = "") -> Any:
        """Stops a server for the one who asks."""
        user.spawners[server_name].stop_requested_by = self.current_user.name
        return await super().stop_single_user(user, server_name)


class WorkersHandler(_WithParts, BaseHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """All workers, for administrators."""

    @web.authenticated
    @needs_scope("admin-ui")  # type: ignore[untyped-decorator]  # JupyterHub publishes no types
    async def get(self) -> None:
        """The page."""
        await self.parts.reader.loaded()
        self.finish(await self.render_template("workers.html", workers=self.parts.pages.everybody()))
