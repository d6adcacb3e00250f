"""JupyterHub's own handlers of users and servers, with what cloudJHub adds to them."""

from typing import Any

from jupyterhub.apihandlers.users import UserAPIHandler, UserServerAPIHandler
from jupyterhub.handlers.pages import SpawnHandler
from jupyterhub.scopes import needs_scope
from jupyterhub.slugs import is_valid_safe_slug
from tornado import web

from hub.spawn.spawner import WithParts, instance_type_in
from lifecycle_app.errors import RecordError
from lifecycle_app.model.worker import worker_key


class _NamedServers:
    """Says why a server's name is refused, wherever JupyterHub checks one."""

    async def _check_named_server_request(self, user: Any, server_name: str, *args: Any, **more: Any) -> None:
        problem = server_name_problem(server_name)
        if problem:
            raise web.HTTPError(400, problem)
        await super()._check_named_server_request(  # type: ignore[misc]  # JupyterHub publishes no types
            user, server_name, *args, **more
        )


class SpawnPage(WithParts, _NamedServers, SpawnHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """JupyterHub's own, for named servers."""


class ServerHandler(WithParts, _NamedServers, UserServerAPIHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """JupyterHub's own, but a start's options are checked at once, and a stop records who requested it."""

    async def post(self, user_name: str, server_name: str = "") -> None:
        """Starts a server."""
        options = self.get_server_json_body()["user_options"]
        try:
            instance_type_in(options or {}, self.parts.settings.types)
        except ValueError as error:
            raise web.HTTPError(400, str(error)) from error
        await super().post(user_name, server_name)

    async def stop_single_user(self, user: Any, server_name: str = "") -> Any:
        """Stops a server for the current user."""
        user.spawners[server_name].stop_requested_by = self.current_user.name
        return await super().stop_single_user(user, server_name)


class UserHandler(WithParts, UserAPIHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """JupyterHub's own, but a user who has a machine cannot be renamed: it is found by the name."""

    @needs_scope("admin:users")  # type: ignore[untyped-decorator]  # JupyterHub publishes no types
    async def patch(self, user_name: str) -> None:
        """Changes a user."""
        changes = self.get_json_body()
        if isinstance(changes, dict) and changes.get("name", user_name) != user_name:
            await self._refuse_with_machine(user_name)
        await super().patch(user_name)

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
                " Create a new user instead.",
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
