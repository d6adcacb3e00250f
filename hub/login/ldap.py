"""A directory's users, asked without blocking the hub. Loaded only when the LDAP authenticator is chosen."""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ldap3 import BASE, SUBTREE
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars
from ldapauthenticator import LDAPAuthenticator
from tornado import web
from traitlets import Unicode

from hub.users.names import folded, name_problem, normalised

LONGEST = 30
"""Seconds that the directory may take."""
THREADS = 16
MOST_WAITING = 400
"""Logins that wait for the directory, or for a thread: a class that logs in at once."""


class VerifiedLdap(LDAPAuthenticator):  # type: ignore[misc]  # it publishes no types
    """The package's own, in a thread: in the hub's event loop a slow directory would block all users."""

    valid_username_regex = Unicode(
        "",
        config=True,
        help="What the cluster's own rules for names allow; a regular expression allows less.",
    )

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        # Of its own: the hub resolves names in asyncio's threads.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ldap")
        self._waiting = 0

    async def authenticate(self, handler: Any, data: dict[str, str]) -> Any:  # noqa: ARG002 -- JupyterHub's
        """The user, as the directory identifies them. Raises HTTPError 403 for a name that is not allowed, whatever the
        password, and 503 if the directory does not answer.
        """
        problem = refusal(data["username"], self.valid_username_regex, self.blocked_users)
        if problem:
            raise web.HTTPError(403, problem)

        # It never awaits anything, though it is a coroutine.
        return await self._in_thread(lambda: asyncio.run(LDAPAuthenticator.authenticate(self, None, data)))

    async def refresh_user(self, user: Any, handler: Any = None) -> Any:  # noqa: ARG002 -- JupyterHub's
        """What the directory says about the user now, asked by an account that may search it; False if it knows no such
        user. Raises HTTPError 503 if it does not say.
        """
        if not self.enable_auth_state:
            return True  # there is no such account, or no group that counts
        return await self._in_thread(lambda: self._looked_up(user.name))

    def _looked_up(self, name: str) -> dict[str, Any] | bool:
        """As a login finds it, but without the user's password."""
        connection = self.get_connection(self.lookup_dn_search_user, self.lookup_dn_search_password)
        if not connection:
            raise web.HTTPError(503, f"The directory refuses {self.lookup_dn_search_user}.")
        try:
            found, dn = self.resolve_username(name)
            if not dn or not self._is_among_searched(connection, found):
                return False
            groups = [one for one in sorted(self.allowed_groups) if self._is_in(connection, one, found, dn)]
            return {"name": name, "auth_state": {"ldap_groups": groups}}
        finally:
            connection.unbind()

    def _is_among_searched(self, connection: Any, found: str) -> bool:
        """Does the option `search_filter`, if there is one, find this user alone?"""
        if not self.search_filter:
            return True
        only = self.search_filter.format(userattr=self.user_attribute, username=escape_filter_chars(found))
        connection.search(self.user_search_base, only, SUBTREE, attributes=self.attributes)
        return len(connection.entries) == 1

    def _is_in(self, connection: Any, group: str, found: str, dn: str) -> bool:
        """Is the user in the group? Raises HTTPError 503 if the account for searches cannot see the group."""
        if not connection.search(group, "(objectClass=*)", BASE, attributes=[]):
            raise web.HTTPError(503, f"{self.lookup_dn_search_user} cannot read the group {group}.")
        member = self.group_search_filter.format(
            userdn=escape_filter_chars(dn), uid=escape_filter_chars(found)
        )
        return bool(connection.search(group, member, BASE, attributes=self.group_attributes))

    async def _in_thread(self, ask: Callable[[], Any]) -> Any:
        """What the directory answers. Raises HTTPError 503 if it does not, or while too many ask."""
        if self._waiting >= MOST_WAITING:
            raise web.HTTPError(503, "Many users are logging in. Try again in a minute.")
        self._waiting += 1
        loop, asked = asyncio.get_running_loop(), self._threads.submit(ask)
        # A thread that is not waited for any longer is busy anyway.
        asked.add_done_callback(lambda _: loop.call_soon_threadsafe(self._answered))
        try:
            async with asyncio.timeout(LONGEST):
                return await asyncio.wrap_future(asked)
        except (LDAPException, TimeoutError, OSError) as error:
            self.log.error("the LDAP server %s does not answer: %s", self.server_address, error)
            raise web.HTTPError(503, "The directory does not answer. Try again in a minute.") from error

    def _answered(self) -> None:
        self._waiting -= 1


def refusal(typed: str, pattern: str, removed: set[str]) -> str | None:
    """Why no user may have this name, as it was typed; None if one may. Pure.

    A directory may take `strauss` and `strauß`, or one space and two, for the same user: a removed one stays out.
    """
    name = normalised(typed)
    problem = name_problem(name)
    if problem is None and not re.match(pattern, typed):
        problem = "Your administrator has allowed other names only (valid_username_regex)."
    if problem is None and any(one != name and folded(one) == folded(name) for one in removed):
        problem = "Write your user name as it is in the directory."
    return problem and f"This user name is not allowed. {problem}"
