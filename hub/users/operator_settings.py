"""What the operator sets while the hub runs: who belongs to the cluster, the image of new workers, an announcement, and
a backup of the database that is to be restored.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any

from jupyterhub import orm, roles
from jupyterhub.auth import Authenticator

from hub.audit.record import OPERATOR, acting_as
from hub.clients.calls import Calls
from hub.config import announcement
from hub.config.announcement import Announcement
from hub.spawn import tokens
from hub.users import generations, names
from hub.users.names import People, check_administrators
from hub.users.sessions import end_sessions
from hub.users.teachers import set_teachers
from lifecycle_app.contract import ANNOUNCEMENT_SCOPE, IMAGE_ID, IMAGE_SCOPE, RESTORE_SCOPE, USERS_SCOPE
from lifecycle_app.errors import StoreUnavailable

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=1)
FRESH = timedelta(seconds=5)
"""How long a launch uses an image that was read: a class that logs in at once does not read it one by one."""

Apply = Callable[[People], Awaitable[None]]


class OperatorSettings:
    """The users, the image and the announcement in the settings table, read when the hub starts and then every minute.

    `read` returns the texts of the scopes that exist. If one cannot be read or used, its last value stays. `on_restore`
    is called with the request to restore a backup, each time that it was read while the hub runs.
    """

    def __init__(
        self,
        read: Callable[[], Mapping[str, str]],
        calls: Calls,
        *,
        image: str,
        known: People,
        every: timedelta = EVERY,
        clock: Callable[[], float] = time.monotonic,
        on_restore: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._read = read
        self._calls = calls
        self._every = every
        self._fallbacks: tuple[People, str] = known, image
        self._clock = clock
        self._on_restore = on_restore
        self._read_at = -FRESH.total_seconds()
        self._task: asyncio.Task[None] | None = None
        self._admins: frozenset[str] = frozenset()
        """Those of the last list that was read: a later one without any is a mistake."""
        self.people = known
        self.image = image
        self.announcement: Announcement | None = None
        self.restore = ""
        """The request to restore a backup of the database, as it is written; "" for none."""

    def read_at_start(self) -> None:
        """Reads once, before there is an event loop."""
        try:
            self._take(self._read())
        except StoreUnavailable as error:
            log.warning("users and image cannot be read, going on with those of the configuration: %s", error)

    async def read_again(self) -> None:
        """Reads both now. Raises StoreUnavailable."""
        self._take(await self._calls.read(self._read))

    async def image_now(self) -> str:
        """The image for a launch that begins now: the one read some seconds ago, or the last known; "" before the first
        one is built.
        """
        if not self.image or self._clock() - self._read_at >= FRESH.total_seconds():
            try:
                await self.read_again()
            except StoreUnavailable as error:
                log.warning("the image cannot be read, going on with the last known: %s", error)
        return self.image

    def follow(self, apply: Apply) -> None:
        """Keeps reading, and passes the people to `apply` each time, changed or not."""
        self._task = asyncio.ensure_future(self._follow(apply))

    async def close(self) -> None:
        """Stops reading."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _follow(self, apply: Apply) -> None:
        while True:
            await asyncio.sleep(self._every.total_seconds())
            try:
                await self.read_again()
                self._on_restore(self.restore)
            except StoreUnavailable as error:
                log.warning("users and image cannot be read, going on with the last known: %s", error)
            except Exception:
                log.exception("users and image cannot be read, going on with the last known")
            try:
                await apply(self.people)
            except Exception:
                log.exception("the users cannot be applied; trying again in %s", self._every)

    def _take(self, texts: Mapping[str, str]) -> None:
        self._read_at = self._clock()
        known, image = self._fallbacks
        self.restore = texts.get(RESTORE_SCOPE, "")
        self._take_people(texts.get(USERS_SCOPE), known)
        self._take_image(texts.get(IMAGE_SCOPE), image)
        self._take_announcement(texts.get(ANNOUNCEMENT_SCOPE))

    def _take_people(self, text: str | None, fallback: People) -> None:
        try:
            people = fallback if text is None else names.parse(text)
            check_administrators(self._admins, people.admins)
        except ValueError as error:
            log.error(
                "the users in the settings table cannot be used, going on with the last known: %s", error
            )
        else:
            self.people, self._admins = people, people.admins

    def _take_announcement(self, text: str | None) -> None:
        try:
            self.announcement = None if text is None else announcement.parse(text)
        except ValueError as error:
            log.error("the announcement in the settings table cannot be used, showing none: %s", error)
            self.announcement = None

    def _take_image(self, text: str | None, fallback: str) -> None:
        image = fallback if text is None else text
        if not image:
            return  # none has been built yet, or the last known stays
        if not re.fullmatch(IMAGE_ID, image):
            log.error(
                "the settings table's image %r is not an AMI id, going on with %s", image[:100], self.image
            )
        elif image != self.image:
            log.info("new workers are launched from %s instead of %s", image, self.image)
            self.image = image


def set_people(authenticator: Authenticator, people: People, before: People = People()) -> None:  # noqa: B008 -- frozen
    """Sets the authenticator's users. Names that an administrator added in the hub stay allowed."""
    allowed: set[str] = authenticator.allowed_users
    # In place: JupyterHub's own additions go into the same set.
    allowed -= (before.users - people.users) | people.removed
    allowed |= people.users
    authenticator.admin_users = set(people.admins)
    authenticator.blocked_users = set(people.removed)


class Membership:
    """Applies the operator's list to the hub's users. `app` is JupyterHub's application."""

    def __init__(self, app: Any, authenticator: Any, people: People) -> None:
        self._app = app
        self._authenticator = authenticator
        self._to_stop: set[str] = set()
        self.people = people
        """The list that is in effect."""

    async def apply(self, people: People) -> None:
        """Applies the list. Repeating it is harmless, and completes what failed the last time."""
        self.take(people)
        for name in self._known(people.removed | self._to_stop):
            with acting_as(OPERATOR):
                await self._stop_servers(name)
            self._to_stop.discard(name)

    def take(self, people: People) -> None:
        """Applies what concerns rights and sessions, in one step of the event loop."""
        set_people(self._authenticator, people, self.people)
        with acting_as(OPERATOR):
            self._set_admins(people)
            set_teachers(self._app.db, people.teaches)
            for name in sorted(people.removed | set(people.generations)):
                self._carry_out_removal(name, people)
        self.people = people

    def _set_admins(self, people: People) -> None:
        """Makes the list's administrators administrators, and its other users ordinary users."""
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

    def knows(self, name: str) -> bool:
        """Has the hub a user of this name?"""
        return orm.User.find(self._app.db, name) is not None

    def _known(self, names: AbstractSet[str]) -> list[str]:
        """The names that the hub has a user for."""
        return [name for name in sorted(names) if self.knows(name)]

    def _carry_out_removal(self, name: str, people: People) -> None:
        """Ends everything of a removed user, also of one who has been replaced by the next user of that name."""
        db, generation = self._app.db, people.generation(name)
        user = orm.User.find(db, name)
        is_new = generation > generations.carried_out(db, name)
        if is_new:
            self._authenticator.forget(name)
            generations.record(db, name, generation)
            db.commit()
        if user is None or not (is_new or (name in people.removed and _has_rights(user))):
            return
        log.info("%s was removed from the cluster: logged out, without tokens and rights", name)
        user.groups = []
        user.admin, user.roles = False, []
        end_sessions(db, user)
        self._forget_grants(user)
        if name in people.users:
            self._set_admin(user, name in people.admins)
            self._to_stop.add(name)

    def _forget_grants(self, user: orm.User) -> None:
        """No token of the user's servers comes back, whatever becomes of their instances."""
        known = self._app.users.get(user.name)
        for spawner in known.spawners.values() if known else ():
            spawner.grant = None
        tokens.forget_grants(self._app.db, user)

    async def _stop_servers(self, name: str) -> None:
        user = self._app.users.get(name)
        if user is None:
            return
        for server, spawner in list(user.spawners.items()):
            if spawner.active and not spawner.pending:
                spawner.stop_requested_by = "the operator, who removed the user"
                await self._app.proxy.delete_user(user, server)
                await user.stop(server)


def _has_rights(user: orm.User) -> bool:
    return bool(user.roles or user.admin or user.groups or user.api_tokens)
