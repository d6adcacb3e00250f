"""Takes over in the running hub who belongs to the cluster and who does not any more."""

import logging
from typing import Any

from jupyterhub import orm, roles
from jupyterhub.auth import Authenticator

from hub.people import People

log = logging.getLogger(__name__)


def set_people(authenticator: Authenticator, people: People, before: People = People()) -> None:  # noqa: B008 -- frozen
    """Tells the authenticator. Names that an administrator added in the hub stay allowed."""
    allowed: set[str] = authenticator.allowed_users
    # In place: JupyterHub's own additions go into the same set.
    allowed -= (before.users - people.users) | people.removed
    allowed |= people.users
    authenticator.admin_users = set(people.admins)
    authenticator.blocked_users = set(people.removed)


class Membership:
    """The hub's users, brought in line with the operator's list. `app` is JupyterHub's application."""

    def __init__(self, app: Any, authenticator: Authenticator, people: People) -> None:
        self._app = app
        self._authenticator = authenticator
        self._people = people

    async def apply(self, people: People) -> None:
        """Takes over the list. Repeating it is harmless, and makes up for what did not work the last time."""
        set_people(self._authenticator, people, self._people)
        self._people = people
        self._appoint(people)
        for name in self._known(people.removed):
            self._revoke(name)
            await self._stop_servers(name)

    def _appoint(self, people: People) -> None:
        """Makes administrators of those who are to be, and of the other names on the list none."""
        db = self._app.db
        for user in db.query(orm.User).filter(orm.User.admin.is_(True)).all():
            if user.name in people.users - people.admins:
                self._set_admin(user, False)
        for name in self._known(people.admins):
            user = orm.User.find(db, name)
            if not user.admin:
                self._set_admin(user, True)

    def _set_admin(self, user: Any, is_admin: bool) -> None:
        log.info("%s is an administrator: %s", user.name, is_admin)
        user.admin = is_admin
        roles.assign_default_roles(self._app.db, entity=user)
        self._app.db.commit()

    def _known(self, names: frozenset[str]) -> list[str]:
        """Those among the names of which the hub has a user."""
        return [name for name in sorted(names) if orm.User.find(self._app.db, name) is not None]

    def _revoke(self, name: str) -> None:
        """Logs a user out everywhere, and takes all rights away, as JupyterHub does to blocked users when it starts.

        The user's tokens can do no more than the user.
        """
        db, user = self._app.db, orm.User.find(self._app.db, name)
        if not (user.roles or user.admin or user.groups):
            return
        log.info("%s was removed: logged out and without any right from now on", name)
        user.admin, user.roles, user.groups = False, [], []
        user.cookie_id = orm.new_token()
        db.commit()

    async def _stop_servers(self, name: str) -> None:
        user = self._app.users.get(name)
        if user is None:
            return
        for server, spawner in list(user.spawners.items()):
            if spawner.active and not spawner.pending:
                spawner.stop_requested_by = "the operator, who removed the user,"
                await self._app.proxy.delete_user(user, server)
                await user.stop(server)
