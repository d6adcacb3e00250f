"""Launches users' instances before their first login, for `cloudjhub workers prepare`."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError
from jupyterhub.apihandlers.base import APIHandler
from tornado import web

from hub.clients.calls import code_of
from hub.config.settings import Settings
from hub.errors import StartError
from hub.spawn.spawner import INSTANCE_TYPE, WithParts, instance_type_in
from hub.users.names import name_problem, normalised
from lifecycle_app.contract import LAUNCH_SCOPE

log = logging.getLogger(__name__)

LONGEST_BODY = 4096
"""Bytes: a name and an instance type."""


class LaunchHandler(WithParts, APIHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """Launches the instance of a user who has none, by the same code and the same request as a login."""

    async def prepare(self) -> None:
        """Refuses, before the body is parsed, what is too long or comes without the scope."""
        await super().prepare()
        if not self.has_scope(LAUNCH_SCOPE):
            raise web.HTTPError(403, f"This needs the scope {LAUNCH_SCOPE}.")
        if len(self.request.body) > LONGEST_BODY:
            raise web.HTTPError(413, f"The body is longer than {LONGEST_BODY} bytes.")

    async def get(self) -> None:
        """Answers with what instances are launched with: {"types", "subnets", "disk", "home_disk"}; disks in GB."""
        self.write(json.dumps(launch_settings(self.parts.settings)))

    async def post(self) -> None:
        """Answers {"instance_id", "problem"}: null for a user who has an instance, or whose server is starting or runs;
        `problem` says why the home disk of an earlier instance is not attached to the new one.

        409 with {"label", "message", "code"} if there was no launch: the error's label, its message, and AWS's code.
        """
        try:
            name, instance_type = wanted(self.get_json_body(), self.parts.settings)
        except ValueError as error:
            raise web.HTTPError(400, str(error)) from error
        try:
            instance_id = None if self._is_in_use(name) else await self._launch(name, instance_type)
        except StartError as error:
            log.warning("%s: not prepared: %s", name, error)
            self.set_status(409)
            self.write(refusal(error))
            return
        self.write({"instance_id": instance_id, "problem": await self._home_problem(instance_id)})

    def _is_in_use(self, name: str) -> bool:
        user = self.find_user(name)
        return user is not None and any(
            one.active or one.pending for one in user.spawners.values() if not one.name
        )

    async def _launch(self, name: str, instance_type: str) -> str | None:
        """The new instance's id. Raises StartError."""
        known = await self.parts.protocol.launch_if_none(name, instance_type, lambda _: None)
        return known.instance_id if known else None

    async def _home_problem(self, instance_id: str | None) -> str:
        """Why the home disk is not attached; "" once it is, or if there is none."""
        if instance_id:
            try:
                await self.parts.homes.wait_for(instance_id)
            except StartError as error:
                return str(error)
        return ""


def launch_settings(settings: Settings) -> dict[str, Any]:
    """The settings that decide what a new instance costs and where it may be. Pure."""
    return {
        "types": list(settings.types),
        "subnets": list(settings.subnets),
        "disk": settings.worker_disk,
        "home_disk": settings.home_disk,
    }


def wanted(sent: Any, settings: Settings) -> tuple[str, str]:
    """The user's name and the instance type in a request. Raises ValueError that says what is wrong. Pure."""
    given = sent if isinstance(sent, Mapping) else {}
    name = given.get("user")
    user = normalised(name) if isinstance(name, str) else ""
    problem = name_problem(user)
    if problem:
        raise ValueError(problem)
    options = {INSTANCE_TYPE: given[INSTANCE_TYPE]} if INSTANCE_TYPE in given else {}
    return user, instance_type_in(options, settings.types)


def refusal(error: StartError) -> dict[str, str]:
    """Why there was no launch, for the operator. Pure."""
    cause = error.__cause__
    return {
        "label": error.label,
        "message": str(error),
        "code": code_of(cause) if isinstance(cause, ClientError) else "",
    }
