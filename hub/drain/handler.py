"""The drain request: before it stops an instance, the lifecycle app asks the hub to release the server on it."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from tornado import web

from hub import metrics
from hub.audit.event import Outcome
from hub.audit.record import record
from hub.clients.workers import base_url, server_url
from hub.drain.verdict import (
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
from hub.spawn.parts import WithParts
from hub.spawn.spawner import WorkerSpawner
from hub.spawn.tokens import question_token
from lifecycle_app.contract import DRAIN_SCOPE, PENDING_KEEP, Drain, DrainResponse
from lifecycle_app.model.worker import Worker, split

log = logging.getLogger(__name__)

STOP_WAIT = timedelta(seconds=3)

Stop = Callable[[Any, str], Awaitable["asyncio.Future[None]"]]
"""JupyterHub's way to stop a user's server by its name. It may return before that is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerAnswer:
    """What asking a worker about its activity resulted in."""

    observation: Observation | None = None
    problem: str = ""
    """Why there is no observation."""
    answers: bool = False
    """Was there an answer, with whatever HTTP status?"""


class DrainHandler(WithParts, APIHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """Releases a server that the lifecycle app wants to stop, unless something speaks against it."""

    async def post(self) -> None:
        """Answers {"worker", "instance_id", "drained", "reason", "evidence"}."""
        if not self.has_scope(DRAIN_SCOPE):
            raise web.HTTPError(403, f"This needs the scope {DRAIN_SCOPE}.")
        try:
            request = parse_request(self.get_json_body(), self.parts.now())
        except ValueError as error:
            raise web.HTTPError(400, str(error)) from error
        decided = await self._drain(request)
        outcome = Outcome.OK if decided.drained else Outcome.REFUSED
        metrics.drains.labels(str(request.mode), "released" if decided.drained else "refused").inc()
        record(
            "server.drain",
            request.worker,
            outcome,
            f"{request.instance_id}, {request.mode}: {decided.reason}",
        )
        log.info(
            "%s: drain of %s (%s): %s: %s",
            request.worker,
            request.instance_id,
            request.mode,
            decided.drained,
            decided.reason,
        )
        self.write(json.dumps(response(request, decided)))

    async def _drain(self, request: Request) -> Verdict:
        spawner = self._spawner(request.worker)
        stopping = getattr(spawner, "_stop_future", None)
        if stopping:
            await asyncio.wait([stopping], timeout=STOP_WAIT.total_seconds())
            spawner = self._spawner(request.worker)
        refused = refusal_before_asking(request, _server(spawner, self.parts.now()))
        if refused:
            return noted(refused, spawner)
        answer = await self._ask(request, spawner)
        # From here until the server is marked as stopping nothing else runs in the hub's event loop.
        spawner = self._spawner(request.worker)
        server = _server(spawner, self.parts.now())
        return noted(await released(request, server, answer, spawner, self.stop_single_user), spawner)

    def _spawner(self, worker: str) -> WorkerSpawner | None:
        """The hub's object for a server that is active or pending; None if there is none."""
        name, server = split(worker)
        user = self.find_user(name)
        if user is None or server not in user.spawners:
            return None
        spawner: WorkerSpawner = user.spawners[server]
        return spawner

    async def _ask(self, request: Request, spawner: WorkerSpawner | None) -> WorkerAnswer:
        if request.mode is Drain.REGARDLESS:
            return WorkerAnswer()
        address = spawner.instance.address if spawner else ""
        if not address:
            known: Worker | None = self.parts.reader.by_instance(request.instance_id)
            address = (known.address or "") if known else ""
        if not address:
            return WorkerAnswer(problem="its address is not known")
        try:
            with self._token(request, spawner) as token:
                url = server_url(address, base_url(*split(request.worker)))
                reported = await self.parts.workers.activity(url, token)
        except WorkerSilent as error:
            return WorkerAnswer(problem=str(error), answers=error.answers)
        return parse_answer(reported, request.instance_id, self.parts.now())

    def _token(self, request: Request, spawner: WorkerSpawner | None) -> AbstractContextManager[str]:
        """What to ask the worker with: its server's own token, or one for this question if the hub has no server there.

        A server that was released and never stopped still runs, but its own token is valid no more.
        """
        if spawner and spawner.is_token_ready and spawner.instance.id == request.instance_id:
            return nullcontext(spawner.api_token)
        name, server = split(request.worker)
        user = self.find_user(name)
        return question_token(self.db, user.orm_user, server) if user else nullcontext("")


def response(request: Request, decided: Verdict) -> DrainResponse:
    """The JSON body for the lifecycle app, which checks worker and instance."""
    return {
        "worker": request.worker,
        "instance_id": request.instance_id,
        "drained": decided.drained,
        "reason": decided.reason,
        "evidence": dict(decided.evidence),
    }


def noted(decided: Verdict, spawner: WorkerSpawner | None) -> Verdict:
    """The verdict. If it is a refusal because the user asks to keep the machine, that request learns of it."""
    if spawner and spawner.keep and decided.evidence.get("pending") == PENDING_KEEP:
        spawner.keep.has_refused = True
    return decided


def parse_answer(reported: Mapping[str, Any], instance_id: str, now: datetime) -> WorkerAnswer:
    """The observation in what a worker's server reported, if it can be used."""
    if reported.get("instance_id") != instance_id:
        return WorkerAnswer(problem="another instance has its address", answers=True)
    try:
        return WorkerAnswer(observation=parse_observation(reported, now), answers=True)
    except ValueError as error:
        return WorkerAnswer(problem=str(error), answers=True)


async def released(
    request: Request,
    server: Server | None,
    answer: WorkerAnswer,
    spawner: WorkerSpawner | None,
    stop: Stop,
) -> Verdict:
    """The verdict, after the hub has released the server if it agrees."""
    decided = verdict(request, server, answer.observation, answer.problem, answers=answer.answers)
    if not decided.drained or spawner is None or not spawner.active:
        return decided
    if spawner.given_up:
        return replace(decided, reason="the user's login waits for the machine to be started again")
    if spawner.pending:
        return replace(decided, drained=False, reason=f"the user's server is pending {spawner.pending}")
    return await release(spawner, decided, stop)


async def release(spawner: WorkerSpawner, decided: Verdict, stop: Stop) -> Verdict:
    """The verdict, after JupyterHub has stopped the server; or a refusal, if that fails or takes too long.

    The server stays marked as released while the stop is under way, or it would end as its user's own stop.
    """
    spawner.is_released = True
    stopping = await stop(spawner.user, spawner.name)
    if not stopping.done():
        stopping.add_done_callback(lambda _: _is_kept(spawner))
        return replace(decided, drained=False, reason="the proxy is slow to remove the server's route")
    if _is_kept(spawner):
        return replace(
            decided, drained=False, reason="the server's route could not be removed from the proxy"
        )
    return decided


def _server(spawner: WorkerSpawner | None, now: datetime) -> Server | None:
    """The server as it is at this moment."""
    if spawner is None:
        return None
    started = spawner.orm_spawner.started
    return Server(
        pending="spawn" if spawner.is_starting else spawner.pending,
        active=bool(spawner.active),
        started=started.replace(tzinfo=UTC) if started else None,
        instance_id=spawner.instance.id,
        is_given_up=bool(spawner.given_up) and spawner.given_up == spawner.instance.id,
        is_keep_pending=spawner.keep is not None and spawner.keep.counts(now),
    )


def _is_kept(spawner: WorkerSpawner) -> bool:
    """Is the server still there after its stop? Then it is its user's again."""
    spawner.is_released = not spawner.active
    return bool(spawner.active)
