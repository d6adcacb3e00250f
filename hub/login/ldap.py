"""A directory's users, asked without blocking the hub. Loaded only when the LDAP authenticator is chosen."""

import asyncio
import re
from typing import Any

from ldap3.core.exceptions import LDAPException
from ldapauthenticator import LDAPAuthenticator
from tornado import web
from traitlets import Unicode

from hub.users.names import folded, name_problem, normalised

LONGEST = 30
"""Seconds that the directory may take."""


class VerifiedLdap(LDAPAuthenticator):  # type: ignore[misc]  # it publishes no types
    """The package's own, in a thread: in the hub's event loop a slow directory would block all users."""

    valid_username_regex = Unicode(
        "",
        config=True,
        help="What the cluster's own rules for names allow; a regular expression allows less.",
    )

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

        try:
            async with asyncio.timeout(LONGEST):
                return await asyncio.get_running_loop().run_in_executor(None, ask)
        except (LDAPException, TimeoutError, OSError) as error:
            self.log.error("the LDAP server %s does not answer: %s", self.server_address, error)
            raise web.HTTPError(503, "The directory does not answer. Try again in a minute.") from error


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
