"""A directory's users, asked without blocking the hub. Loaded only when the LDAP authenticator is chosen."""

import asyncio
from typing import Any

from ldap3.core.exceptions import LDAPException
from ldapauthenticator import LDAPAuthenticator
from tornado import web

LONGEST = 30
"""Seconds that the directory may take."""


class VerifiedLdap(LDAPAuthenticator):  # type: ignore[misc]  # it publishes no types
    """The package's own, in a thread: in the hub's event loop a slow directory would block all users."""

    async def authenticate(self, handler: Any, data: dict[str, str]) -> Any:  # noqa: ARG002 -- JupyterHub's
        """The user, as the directory identifies them. Raises HTTPError 503 if it does not answer."""

        def ask() -> Any:
            # It never awaits anything, though it is a coroutine.
            return asyncio.run(LDAPAuthenticator.authenticate(self, None, data))

        try:
            async with asyncio.timeout(LONGEST):
                return await asyncio.get_running_loop().run_in_executor(None, ask)
        except (LDAPException, TimeoutError, OSError) as error:
            self.log.error("the LDAP server %s does not answer: %s", self.server_address, error)
            raise web.HTTPError(503, "The directory does not answer. Try again in a minute.") from error
