"""A directory's users, asked without blocking the hub. Loaded only when the LDAP authenticator is chosen."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ldap3.core.exceptions import LDAPException
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

        def ask() -> Any:
            # It never awaits anything, though it is a coroutine.
            return asyncio.run(LDAPAuthenticator.authenticate(self, None, data))

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
