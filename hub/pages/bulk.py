"""What an administrator's action on many servers would do and cost: the admin page asks before it acts."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from jupyterhub.apihandlers.base import APIHandler
from jupyterhub.scopes import needs_scope
from tornado import web

from hub.spawn.machine_types import total_an_hour
from hub.spawn.options import groups_of, has_machine, offered
from hub.spawn.parts import WithParts
from lifecycle_app.model.worker import worker_key

Server = tuple[str, str]
"""A user's name, and the server's."""
MOST_USERS = 1000


class BulkHandler(WithParts, APIHandler):  # type: ignore[misc]  # JupyterHub publishes no types
    """Changes nothing: says which servers would be started or stopped, and their price."""

    @needs_scope("admin-ui")  # type: ignore[untyped-decorator]  # JupyterHub publishes no types
    async def post(self) -> None:
        """For {"users": [name...]}, or {} for all users with servers that run, answers {"start", "stop"}, each
        {"servers": [[user, server]...], "price"}; the price is "" if it is not known.

        The default servers of these users are started, except those of users who cannot log in.
        """
        users = [user for user in self._named(self.get_json_body()) if user is not None]
        await self.parts.reader.loaded()
        running = [(user.name, one.name) for user in users for one in user.spawners.values() if one.active]
        idle = [(user.name, "") for user in users if self.authenticator.can_log_in(user.name)]
        starting = [server for server in idle if server not in set(running)]
        self.write(json.dumps({"start": self._offer(starting), "stop": self._offer(running)}))

    def _named(self, body: Any) -> Iterable[Any]:
        names = body.get("users") if isinstance(body, dict) else None
        if names is None:
            return list(self.users.values())
        if not isinstance(names, list) or len(names) > MOST_USERS:
            raise web.HTTPError(400, f"users is a list of at most {MOST_USERS} names.")
        return [self.find_user(name) for name in names if isinstance(name, str)]

    def _offer(self, servers: Sequence[Server]) -> dict[str, Any]:
        return {
            "servers": servers,
            "price": total_an_hour(map(self._type_of, servers), self.parts.settings.region),
        }

    def _type_of(self, server: Server) -> str:
        """The type of its machine, or the default one where it has none."""
        worker = self.parts.reader.get(worker_key(*server))
        if worker and has_machine(worker):
            return worker.instance_type
        settings = self.parts.settings
        if settings.choices[0].is_for(()):
            return settings.choices[0].types[0]
        allowed = offered(settings, groups_of(self.find_user(server[0])))
        return allowed[0].types[0] if allowed else ""
