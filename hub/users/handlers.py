"""JupyterHub's own handlers of users and servers, with what cloudJHub adds to them; launches before a first login."""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC
from typing import Any

from botocore.exceptions import ClientError
from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.apihandlers.users import UserAPIHandler, UserServerAPIHandler
from jupyterhub.handlers.pages import SpawnHandler
from jupyterhub.scopes import needs_scope
from jupyterhub.slugs import is_valid_safe_slug
from tornado import web

from hub.audit.event import Outcome
from hub.audit.record import record
from hub.config.profiles import Profile
from hub.config.settings import Settings
from hub.errors import OverBudget, StartError
from hub.spawn.options import INSTANCE_TYPE, PROFILE, chosen_in, groups_of
from hub.spawn.parts import WithParts
from hub.spawn.planning import YOUNG
from hub.users.administrators import ensure_another_administrator
from hub.users.bounds import server_problem
from hub.users.names import name_problem, normalised
from lifecycle_app.adapters.aws import code_of
from lifecycle_app.contract import LAUNCH_SCOPE
from lifecycle_app.errors import RecordError
from lifecycle_app.model.worker import Worker, worker_key


class _NamedServers(WithParts):
    """Says why a named server is refused, wherever JupyterHub checks one: its name, or what its user has already."""

    async def _check_named_server_request(self, user: Any, server_name: str, *args: Any, **more: Any) -> None:
        problem = server_name_problem(server_name)
        if problem:
            raise web.HTTPError(400, problem)
        if server_name not in user.orm_spawners:
            if not await self.parts.reader.loaded():
                raise web.HTTPError(503, UNREADABLE)
            # Nothing waits from here until JupyterHub has created the server, so that parallel requests are counted.
            taken = named_servers(user.orm_spawners, self.parts.reader.of_user(user.name))
            limit = self.parts.settings.named_servers
            if server_name not in taken and len(taken) >= limit > 0:
                raise web.HTTPError(400, limit_message(user.name, taken, limit))
        await super()._check_named_server_request(  # type: ignore[misc]  # JupyterHub publishes no types
            user, server_name, *args, **more
        )


class _AsksBeforeStarts:
    """Says what to do where the provider, which JupyterHub asks before each start, allows none."""

    async def refresh_auth(self, user: Any, force: bool = False) -> Any:
        """The user, or None for one who has to log in again. Raises HTTPError 403 where that is about a start."""
        found = await super().refresh_auth(user, force)  # type: ignore[misc]  # JupyterHub publishes no types
        if not force:
            return found
        if not self.authenticator.can_log_in(user.name):  # type: ignore[attr-defined]
            raise web.HTTPError(403, f"{user.name} may not use this hub any more. {ASK_FOR_GROUP}")
        if found is None and user is self.current_user:  # type: ignore[attr-defined]
            # A cookie that is still good would lead from the login's page back to here.
            self.clear_login_cookie()  # type: ignore[attr-defined]
            raise web.HTTPError(403, "Your login has ended. Log in again, then start your machine.")
        return found


ASK_FOR_GROUP = "Ask who looks after your groups to add you to one that may use it. Then log in again."


class SpawnPage(_AsksBeforeStarts, _NamedServers, SpawnHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """JupyterHub's own, but says why a start is refused."""


class ServerHandler(_AsksBeforeStarts, _NamedServers, UserServerAPIHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """JupyterHub's own, but a server's options are checked before they are kept, a stop records who requested it, and a
    server whose machine or disk exists is not deleted: its user could launch one machine after the other.
    """

    @needs_scope("start:servers")  # type: ignore[untyped-decorator]  # JupyterHub publishes no types
    async def post(self, user_name: str, server_name: str = "") -> None:
        """Starts a server, unless its user was removed or the budget is used up."""
        user = self.find_user(user_name)
        if user and user.name in self.authenticator.blocked_users:
            raise web.HTTPError(403, f"{user.name} was removed from the users, and gets no machine.")
        if user:
            # The start checks it too, but JupyterHub answers a program before that is known.
            await self._refuse_over_budget(user, server_name)
        await super().post(user_name, server_name)

    async def _refuse_over_budget(self, user: Any, server_name: str) -> None:
        try:
            await self.parts.budgets.check(worker_key(user.name, server_name), groups_of(user))
        except OverBudget as error:
            raise web.HTTPError(error.status, str(error)) from error

    def get_server_json_body(self) -> Any:
        """What a start or a new server was asked for with: options, and a name for people."""
        return self._checked(super().get_server_json_body(), self.path_args[0])

    @needs_scope("start:servers")  # type: ignore[untyped-decorator]  # JupyterHub publishes no types
    async def patch(self, user_name: str, server_name: str = "") -> None:
        """Changes options, or the name for people."""
        self._checked(self.get_json_body(), user_name)
        await super().patch(user_name, server_name)

    def _checked(self, body: Any, user_name: str) -> Any:
        """JupyterHub keeps whatever is sent."""
        if isinstance(body, dict):
            groups = groups_of(self.find_user(user_name))
            if problem := server_problem(body, self.parts.settings, groups):
                raise web.HTTPError(400, problem)
        return body

    @needs_scope("delete:servers")  # type: ignore[untyped-decorator]  # JupyterHub publishes no types
    async def delete(self, user_name: str, server_name: str = "") -> None:
        """Stops a server; with {"remove": true} deletes a named one."""
        options = self.get_json_body()
        user = self.find_user(user_name)
        if isinstance(options, dict) and options.get("remove") and user and server_name in user.orm_spawners:
            await self._refuse_with_resources(user, server_name)
        await super().delete(user_name, server_name)

    async def _refuse_with_resources(self, user: Any, server_name: str) -> None:
        key, spawner = worker_key(user.name, server_name), user.spawners[server_name]
        began = spawner.orm_spawner.last_activity
        is_young = began is not None and self.parts.now() - began.replace(tzinfo=UTC) < YOUNG
        try:
            has_resources = is_young or await self.parts.protocol.owns_resources(key)
        except (StartError, RecordError) as error:
            raise web.HTTPError(503, UNREADABLE) from error
        # A start may have begun meanwhile.
        if has_resources or spawner.active or spawner.pending or self.parts.launcher.is_launching(key):
            raise web.HTTPError(409, deletion_message(key))

    async def stop_single_user(self, user: Any, server_name: str = "") -> Any:
        """Stops a server for the current user."""
        user.spawners[server_name].stop_requested_by = self.current_user.name
        return await super().stop_single_user(user, server_name)


UNREADABLE = "The hub cannot read which machines this user has. Try again in a minute."


def named_servers(servers: Iterable[str], workers: Iterable[Worker]) -> frozenset[str]:
    """The user's named servers that count: those of JupyterHub, and deleted ones whose machine or disk exists. Pure."""
    owning = {worker.server for worker in workers if worker.owns_resources}
    return frozenset({*servers, *owning} - {""})


def limit_message(user: str, taken: Iterable[str], limit: int) -> str:
    """Why a further named server is refused, for its user. Pure."""
    return (
        f"{user} has the most named servers that are allowed, {limit}, with machines or disks that exist:"
        f" {', '.join(sorted(taken))}. Use one of them, or ask your administrator to remove one."
    )


def deletion_message(key: str) -> str:
    """Why a named server is not deleted, for its user. Pure."""
    return (
        f"{key} cannot be deleted while its machine or disk exists: they hold its files, and cost money. Stop it"
        f" instead. Your administrator can remove them with `cloudjhub workers terminate {key} --with-home`; then you"
        " can delete it, from five minutes after its last use on."
    )


class UserHandler(WithParts, UserAPIHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """JupyterHub's own, but the last administrator stays one, and a user who has a machine cannot be renamed: it is
    found by the name.
    """

    @needs_scope("admin:users")  # type: ignore[untyped-decorator]  # JupyterHub publishes no types
    async def patch(self, user_name: str) -> None:
        """Changes a user."""
        changes = self.get_json_body()
        if isinstance(changes, dict):
            is_renamed = changes.get("name", user_name) != user_name
            if is_renamed:
                await self._refuse_with_machine(user_name)
            if is_renamed or not changes.get("admin", True):
                self._ensure_another_administrator(user_name)
        await super().patch(user_name)

    @needs_scope("delete:users")  # type: ignore[untyped-decorator]  # JupyterHub publishes no types
    async def delete(self, user_name: str) -> None:
        """Deletes a user, but before the server is stopped asks whether that may be."""
        self._ensure_another_administrator(user_name)
        await super().delete(user_name)

    def _ensure_another_administrator(self, name: str) -> None:
        ensure_another_administrator(self.db, self.authenticator, self.authenticator.normalize_username(name))

    async def _refuse_with_machine(self, user_name: str) -> None:
        user = self.find_user(user_name)
        if user is None:
            return
        try:
            has_machine = await self._has_machine(user)
        except RecordError as error:
            raise web.HTTPError(
                503, "The hub cannot read whether this user has a machine. Try again in a minute."
            ) from error
        if has_machine:
            raise web.HTTPError(
                409,
                f"{user.name} cannot be renamed: the user's machine and files are found by this name."
                " Create a new user instead; the operator gives the files to it with"
                f" `cloudjhub homes move {user.name} NEW`.",
            )

    async def _has_machine(self, user: Any) -> bool:
        """Has any server of the user a record, even a deleted one, or an active start?"""
        await self.parts.reader.loaded()
        if any(spawner.active for spawner in user.spawners.values()):
            return True
        if any(worker.user == user.name for worker in self.parts.reader.all()):
            return True
        keys = [worker_key(user.name, server) for server in {"", *user.orm_spawners}]
        return bool(
            await self.parts.calls.read(lambda: [one for one in map(self.parts.store.get, keys) if one])
        )


def server_name_problem(name: str) -> str | None:
    """Why a named server's name is refused, for its user; None if it is accepted. The rule is JupyterHub's own."""
    if is_valid_safe_slug(name):
        return None
    return (
        "A server name has 1 to 30 characters: lower-case letters a to z, digits and single hyphens. It begins with a"
        " letter and does not end with a hyphen."
    )


log = logging.getLogger(__name__)

LONGEST_BODY = 4096
"""Bytes: a name, and an instance type or a profile."""


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
        """Answers {"types", "profiles", "subnets", "disk", "home_disk"}, what it launches with; disks in GB."""
        self.write(json.dumps(launch_settings(self.parts.settings)))

    async def post(self) -> None:
        """Answers {"instance_id", "problem"}: null for a user who has an instance, or whose server is starting or runs;
        `problem` says why the home disk of an earlier instance is not attached to the new one.

        409 with {"label", "message", "code"} if there was no launch: the error's label, its message, and AWS's code.
        """
        try:
            name, options = wanted(self.get_json_body())
            profile = chosen_in(options, self.parts.settings, groups_of(self.find_user(name)))
        except ValueError as error:
            raise web.HTTPError(400, str(error)) from error
        try:
            instance_id = None if self._is_in_use(name) else await self._launch(name, profile)
        except StartError as error:
            log.warning("%s: not prepared: %s", name, error)
            record("worker.launch", name, Outcome.FAILED, error.label)
            self.set_status(409)
            self.write(refusal(error))
            return
        if instance_id:
            record("worker.launch", name, detail=instance_id)
        self.write({"instance_id": instance_id, "problem": await self._home_problem(instance_id)})

    def _is_in_use(self, name: str) -> bool:
        user = self.find_user(name)
        return user is not None and any(
            one.active or one.pending for one in user.spawners.values() if not one.name
        )

    async def _launch(self, name: str, profile: Profile) -> str | None:
        """The new instance's id. Raises StartError."""
        known = await self.parts.protocol.launch_if_none(name, profile, lambda _: None)
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
        "profiles": [asdict(profile) for profile in settings.profiles],
        "subnets": list(settings.subnets),
        "disk": settings.worker_disk,
        "home_disk": settings.home_disk,
    }


def wanted(sent: Any) -> tuple[str, dict[str, Any]]:
    """The user's name in a request, and the options of the launch. Raises ValueError that says what is wrong. Pure."""
    given = sent if isinstance(sent, Mapping) else {}
    name = given.get("user")
    user = normalised(name) if isinstance(name, str) else ""
    problem = name_problem(user)
    if problem:
        raise ValueError(problem)
    return user, {option: given[option] for option in (PROFILE, INSTANCE_TYPE) if option in given}


def refusal(error: StartError) -> dict[str, str]:
    """Why there was no launch, for the operator. Pure."""
    cause = error.__cause__
    return {
        "label": error.label,
        "message": str(error),
        "code": code_of(cause) if isinstance(cause, ClientError) else "",
    }
