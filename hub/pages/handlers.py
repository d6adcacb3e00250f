"""The hub's HTTP for workers and for administrators, beside JupyterHub's own; and where all our handlers are."""

import json
import logging
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.user import User
from tornado import web

from hub.audit.record import record
from hub.clients.policies import Policies
from hub.clients.policy_changes import PolicyChanges
from hub.drain.handler import DrainHandler
from hub.errors import IdentityError, NotOurWorker, NotReady
from hub.keep.asking import Keeps
from hub.keep.handlers import KeepHandler, StopHandler, TermsHandler
from hub.pages.bulk import BulkHandler
from hub.pages.machines import MachineHistory, MachinesPage, MachinesPart, MachinesSheet
from hub.pages.policies import SettingsChange, SettingsPage, SettingsPreview
from hub.pages.texts import Pages
from hub.spawn.parts import Parts, WithParts
from hub.spawn.spawner import WorkerSpawner
from hub.users.bounds import TokensHandler
from hub.users.handlers import LaunchHandler, ServerHandler, SpawnPage, UserHandler
from lifecycle_app.contract import PROBLEM_FIELD, Problem
from lifecycle_app.errors import RecordError

log = logging.getLogger(__name__)

RETRY_AFTER = 1
LONGEST_PROOF = 32_768
"""Bytes: a signed request with temporary credentials has about 3,000."""
# What a proxy adds. Workers come directly, over the private network.
FORWARDED = ("X-Forwarded-For", "X-Real-Ip", "Forwarded")


def routes(
    parts: Parts, pages: Pages, keeps: Keeps, policies: Policies, changes: PolicyChanges
) -> list[tuple[str, type[web.RequestHandler], dict[str, Any]]]:
    """Our handlers. They come before JupyterHub's own, so that ours take the place of its."""
    given = {"parts": parts}
    settings = {**given, "changes": changes}
    own = {**given, "keeps": keeps, "policies": policies}
    return [
        (r"/api/cloudjhub/environment", EnvironmentHandler, given),
        (r"/api/cloudjhub/drain", DrainHandler, given),
        (r"/api/cloudjhub/launch", LaunchHandler, given),
        (r"/api/cloudjhub/bulk", BulkHandler, given),
        (r"/settings", SettingsPage, settings),
        (r"/api/cloudjhub/settings/preview", SettingsPreview, settings),
        (r"/api/cloudjhub/settings", SettingsChange, settings),
        (r"/api/cloudjhub/terms", TermsHandler, own),
        (r"/api/cloudjhub/keep", KeepHandler, own),
        (r"/api/cloudjhub/stop", StopHandler, own),
        (r"/api/users/([^/]+)", UserHandler, given),
        (r"/api/users/([^/]+)/tokens", TokensHandler, {}),
        (r"/api/users/([^/]+)/server", ServerHandler, given),
        (r"/api/users/([^/]+)/servers/([^/]*)", ServerHandler, given),
        (r"/spawn", SpawnPage, given),
        (r"/spawn/([^/]+)", SpawnPage, given),
        (r"/spawn/([^/]+)/([^/]+)", SpawnPage, given),
        (r"/api/cloudjhub/live", LiveHandler, {"pages": pages}),
        (r"/workers", MachinesPage, {"parts": parts, "pages": pages}),
        (r"/workers/table", MachinesPart, {"parts": parts, "pages": pages}),
        (r"/workers/history", MachineHistory, {"parts": parts, "pages": pages}),
        (r"/workers\.csv", MachinesSheet, {"parts": parts, "pages": pages}),
    ]


class EnvironmentHandler(WithParts, APIHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """Gives a worker the environment of its own server, for its STS identity. Needs no login."""

    async def post(self) -> None:
        """Answers 200, or 401, 403, 409, 429, 503 as JSON. What was sent is never logged: it holds a signature."""
        if any(name in self.request.headers for name in FORWARDED):
            raise web.HTTPError(404)
        source = self._peer()
        try:
            async with self.parts.identities.proven(self._sent, source, self.parts.now()) as instance_id:
                spawner = await self._spawner_on(instance_id)
                if (problem := self._problem()) is not None:
                    spawner.report_problem(problem)
                    self.set_status(204)
                    return
                answer = spawner.launch_environment()
        except IdentityError as error:
            log.warning("environment refused to %s: %s", source, error)
            self._refuse(error.status, str(error))
            return
        except (OSError, RecordError) as error:
            log.warning("environment of %s cannot be given now: %s", source, error)
            self._refuse(503, "identities cannot be checked just now")
            return
        log.info("instance %s fetched its environment", instance_id)
        record("worker.environment", spawner.key, actor=f"worker/{instance_id}")
        self.set_header("Cache-Control", "no-store")
        self.write(json.dumps(answer))

    def _peer(self) -> str:
        """The address at the other end of the socket, whatever the headers say."""
        address: str = self.request.connection.context.address[0]
        return address

    def _sent(self) -> Any:
        if len(self.request.body) > LONGEST_PROOF:
            return None
        try:
            return json.loads(self.request.body)
        except (ValueError, RecursionError):
            return None

    def _problem(self) -> Problem | None:
        """What keeps the worker, which has proven who it is, from starting its server; None if it names nothing."""
        try:
            return Problem(self._sent()[PROBLEM_FIELD])
        except (KeyError, ValueError):
            return None

    def _refuse(self, status: int, message: str) -> None:
        self.set_status(status)
        # Not with 503: machines that could not be served would all come back within the second.
        if status in (409, 429):
            self.set_header("Retry-After", str(RETRY_AFTER))
        self.write(json.dumps({"status": status, "message": message}))

    async def _spawner_on(self, instance_id: str) -> WorkerSpawner:
        for user in self.users.values():
            for spawner in user.spawners.values():
                if spawner.instance.id == instance_id and (spawner.is_starting or spawner.active):
                    if self.parts.homes.is_missing(instance_id):
                        raise NotReady("the home disk is not attached yet")
                    if not spawner.is_token_ready:
                        raise NotReady("the token of its server is not ready, or was revoked")
                    found: WorkerSpawner = spawner
                    return found
        if self.parts.launcher.is_any_launching():
            raise NotReady("machines are being launched")
        worker = self.parts.reader.by_instance(instance_id)
        if worker is None:
            worker = await self.parts.calls.read(lambda: self.parts.store.by_instance(instance_id))
        if worker is None:
            raise NotOurWorker(f"{instance_id} is not a worker of this cluster")
        raise NotReady(f"no start of {worker.key} is pending")


class LiveHandler(APIHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """Whether the home page is still right. Reads memory only: open pages ask every few seconds."""

    def initialize(self, pages: Pages) -> None:
        """Called by Tornado with the route's keyword arguments."""
        self.pages = pages

    def get(self) -> None:
        """Answers {"version", "changing"} for the user who asks."""
        user = self.current_user
        if not isinstance(user, User):
            raise web.HTTPError(403)
        found = self.pages.live(user)
        self.write(json.dumps({"version": found.version, "changing": found.is_changing}))

    def _record_activity(self, obj: Any, timestamp: Any = None) -> bool:  # noqa: ARG002 -- JupyterHub's
        """A page that is open is not activity."""
        return False
