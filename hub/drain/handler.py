"""The drain request: the lifecycle app asks the hub to let go of a server that it wants to stop."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from tornado import web

from hub.clients.workers import base_url, server_url
from hub.drain.verdict import (
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
from hub.errors import WorkerSilent
from hub.identity import worker_token
from hub.spawn.parts import WithParts
from hub.spawn.spawner import WorkerSpawner
from lifecycle_app.model.worker import Worker, split

log = logging.getLogger(__name__)

DRAIN_SCOPE = "custom:cloudjhub:drain"
STOP_WAIT = timedelta(seconds=3)

Stop = Callable[[Any, str], Awaitable["asyncio.Future[None]"]]
"""JupyterHub's way to stop a user's server by its name. It may return before that is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of asking a worker."""

    seen: Observation | None = None
    silence: str = ""
    """Why there is no observation."""
    answers: bool = False
    """Was there an answer at all, with whatever HTTP status?"""


class DrainHandler(WithParts, APIHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """Lets go of a server that the lifecycle app wants to stop, if nothing speaks against it."""

    async def post(self) -> None:
        """Answers {"worker", "instance_id", "drained", "reason", "evidence"}."""
        if not self.has_scope(DRAIN_SCOPE):
            raise web.HTTPError(403, f"this needs the scope {DRAIN_SCOPE}")
        try:
            request = parse_request(self.get_json_body(), self.parts.now())
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
        self.write(json.dumps(answer_to(request, said)))

    async def _drain(self, request: Request) -> Verdict:
        spawner = self._spawner(request.worker)
        stopping = getattr(spawner, "_stop_future", None)
        if stopping:
            await asyncio.wait([stopping], timeout=STOP_WAIT.total_seconds())
            spawner = self._spawner(request.worker)
        refused = refusal_before_asking(request, _server(spawner))
        if refused:
            return refused
        heard = await self._observed(request, spawner)
        # From here to the mark that it is being stopped nothing else runs in the hub's event loop.
        spawner = self._spawner(request.worker)
        said = verdict(request, _server(spawner), heard.seen, heard.silence, answers=heard.answers)
        if said.drained and spawner is not None and spawner.active:
            if spawner.given_up:
                return replace(said, reason="the user's login waits for the machine to be started again")
            if spawner.pending:
                return replace(said, drained=False, reason=f"the user's server is pending {spawner.pending}")
            return await let_go(spawner, said, self.stop_single_user)
        return said

    def _spawner(self, worker: str) -> WorkerSpawner | None:
        """The hub's object for a server that is active or has something pending; None if there is none."""
        name, server = split(worker)
        user = self.find_user(name)
        if user is None or server not in user.spawners:
            return None
        spawner: WorkerSpawner = user.spawners[server]
        return spawner

    async def _observed(self, request: Request, spawner: WorkerSpawner | None) -> Heard:
        if request.mode is Mode.REGARDLESS:
            return Heard()
        address = spawner.address if spawner else ""
        if not address:
            known: Worker | None = self.parts.reader.by_instance(request.instance_id)
            address = (known.address or "") if known else ""
        if not address:
            return Heard(silence="its address is not known")
        key, cluster = self.parts.token_key, self.parts.settings.cluster
        token = worker_token(key, cluster, request.worker, request.instance_id)
        url = server_url(address, base_url(*split(request.worker)))
        try:
            told = await self.parts.workers.activity(url, token)
        except WorkerSilent as error:
            return Heard(silence=str(error), answers=error.answers)
        return understood(told, request.instance_id, self.parts.now())


def answer_to(request: Request, said: Verdict) -> dict[str, Any]:
    """The answer as the lifecycle app takes it: it tells which worker it is about."""
    return {
        "worker": request.worker,
        "instance_id": request.instance_id,
        "drained": said.drained,
        "reason": said.reason,
        "evidence": dict(said.evidence),
    }


def understood(told: Mapping[str, Any], instance_id: str, now: datetime) -> Heard:
    """What the answer of a worker's server says, if it is one that can be used."""
    if told.get("instance_id") != instance_id:
        return Heard(silence="another machine has its address", answers=True)
    try:
        return Heard(seen=parse_observation(told, now), answers=True)
    except ValueError as error:
        return Heard(silence=str(error), answers=True)


async def let_go(spawner: WorkerSpawner, said: Verdict, stop: Stop) -> Verdict:
    """The verdict, after the hub has let go of the server; or a refusal, if that does not work or takes too long.

    The mark that nobody wants the machine stopped stays as long as the stop is under way, or it would end as the
    user's own.
    """
    spawner.let_go = True
    stopping = await stop(spawner.user, spawner.name)
    if not stopping.done():
        stopping.add_done_callback(lambda _: _keep(spawner))
        return replace(said, drained=False, reason="the proxy is slow to remove the server's route")
    if _keep(spawner):
        return replace(said, drained=False, reason="the server's route could not be removed from the proxy")
    return said


def _keep(spawner: WorkerSpawner) -> bool:
    """Is the server still there after its stop? Then it is the user's again."""
    spawner.let_go = not spawner.active
    return bool(spawner.active)


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
        is_given_up=bool(spawner.given_up) and spawner.given_up == spawner.instance_id,
    )
