"""What a user's own Jupyter server and the home page request of the hub: keep this machine running, stop it."""

import hmac
import json
import logging
from datetime import timedelta
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.user import User
from tornado import web

from hub.audit.event import Outcome
from hub.audit.record import record
from hub.clients.policies import Policies
from hub.keep.answer import TOO_LATE, as_json
from hub.keep.asking import Keeps
from hub.keep.terms import longest_keep, terms
from hub.spawn.parts import Parts
from hub.spawn.spawner import WorkerSpawner
from lifecycle_app.contract import keep_seconds
from lifecycle_app.errors import RecordError
from lifecycle_app.model.policy import Policy
from lifecycle_app.model.worker import Worker

log = logging.getLogger(__name__)

LONGEST_BODY = 1000
"""Bytes: a number and a server's name."""


class _OwnMachine(APIHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """A request about one machine of the user who sends it: by the server's own token, which no other server has, or by
    a login in the browser.
    """

    def initialize(self, parts: Parts, keeps: Keeps, policies: Policies) -> None:
        """Called by Tornado with the route's keyword arguments."""
        self.parts, self.keeps, self.policies = parts, keeps, policies

    async def prepare(self) -> None:
        """Refuses, before the body is parsed, what is too long."""
        await super().prepare()
        if len(self.request.body) > LONGEST_BODY:
            raise web.HTTPError(413, f"The body is longer than {LONGEST_BODY} bytes.")

    def spawner(self) -> WorkerSpawner:
        """The server that the request is about. Raises 403, or 404 for a server that does not run."""
        user = self.current_user
        if not isinstance(user, User):
            raise web.HTTPError(403)
        token = self.get_auth_token()
        if token is None:
            return self._named(user)
        for spawner in user.spawners.values():
            if spawner.active and spawner.is_token_ready and hmac.compare_digest(spawner.api_token, token):
                found: WorkerSpawner = spawner
                return found
        raise web.HTTPError(403, "This needs the token of the server that it is about.")

    def _named(self, user: User) -> WorkerSpawner:
        body = self.get_json_body() if self.request.body else {}
        name = body.get("server", "") if isinstance(body, dict) else ""
        spawner = user.spawners.get(name) if isinstance(name, str) and name in user.spawners else None
        if spawner is None or not spawner.active:
            raise web.HTTPError(404, "This server does not run.")
        found: WorkerSpawner = spawner
        return found

    async def known(self, spawner: WorkerSpawner) -> tuple[Policy, Worker | None]:
        """The user's policy, and the machine's record, read now: the hub's copy may be older than a keep that was just
        confirmed. Raises RecordError.
        """
        found = await self.parts.calls.read(lambda: self.parts.store.get(spawner.key))
        worker = found if found and found.instance_id == spawner.instance.id else None
        return await self.policies.of(spawner.user.name, worker.groups if worker else ()), worker


class TermsHandler(_OwnMachine):
    """For how long a machine may run, for its own server, which shows it."""

    async def get(self) -> None:
        """Answers as `terms` says, or 503 while the policy cannot be read."""
        spawner = self.spawner()
        try:
            policy, worker = await self.known(spawner)
        except RecordError as error:
            raise web.HTTPError(503, "The settings cannot be read at the moment.") from error
        budget = await self.parts.budgets.by(policy, spawner.user.name)
        period, now = self.parts.settings.report_period, self.parts.now()
        self.write(json.dumps(terms(policy, worker, period, now, budget)))

    def _record_activity(self, obj: Any, timestamp: Any = None) -> bool:  # noqa: ARG002 -- JupyterHub's
        """A machine asks by itself: that is not activity of its user."""
        return False


class KeepHandler(_OwnMachine):
    """Keeps the machine running for a time, within what the user's policy allows, or ends the user's own keep."""

    async def post(self) -> None:
        """Answers {"kept_until"} once the record says so, null if it is not kept; or {"refused", "message"}."""
        spawner = self.spawner()
        try:
            seconds = keep_seconds(self.get_json_body())
        except ValueError as error:
            raise web.HTTPError(400, str(error)) from error
        user = spawner.user.name
        answer = await self.keeps.ask(spawner, seconds, user)
        outcome = Outcome.REFUSED if answer.refused else Outcome.OK
        detail = answer.refused.value if answer.refused else f"until {answer.kept_until}"
        record("server.keep", spawner.key, outcome, f"{spawner.instance.id}, {seconds} s: {detail}")
        longest = await self._longest(spawner) if answer.refused else timedelta(0)
        self.write(json.dumps(as_json(answer, longest)))

    async def _longest(self, spawner: WorkerSpawner) -> timedelta:
        """How long the user may keep it; 0 if that cannot be read."""
        try:
            policy, worker = await self.known(spawner)
        except RecordError:
            return timedelta(0)
        return longest_keep(policy, worker, self.parts.now())


class StopHandler(_OwnMachine):
    """Stops the machine as the Stop button of the hub's own page does."""

    async def post(self) -> None:
        """Answers {"stopping": true}, or {"refused", "message"} if a start or a stop of it is under way."""
        spawner = self.spawner()
        if spawner.pending:
            self.write(json.dumps(as_json(TOO_LATE, timedelta(0))))
            return
        spawner.stop_requested_by = spawner.user.name
        await self.stop_single_user(spawner.user, spawner.name)
        self.write(json.dumps({"stopping": True}))
