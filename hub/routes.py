"""The proxy's routes: a proxy that was restarted has forgotten them, and is given them again.

JupyterHub looks after a proxy that it starts itself. Ours runs apart from the hub, and JupyterHub would notice only
with the next `last_activity_interval` that everybody's server, and the hub, cannot be reached.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientError
from jupyterhub.proxy import ConfigurableHTTPProxy
from jupyterhub.utils import AnyTimeoutError

log = logging.getLogger(__name__)

AGAIN_AFTER = 0.5
"""Seconds until a proxy that does not listen is tried again."""


class Proxy(ConfigurableHTTPProxy):  # type: ignore[misc]  # JupyterHub publishes no types
    """JupyterHub's own, watched from the first check of its routes on."""

    watching: "asyncio.Task[None] | None" = None

    async def get_all_routes(self) -> dict[str, Any]:
        """The routes without what the proxy knows of their activity, which is an open tab's too: JupyterHub would take
        it over, in one step, a millisecond of the event loop for each server that runs. The servers tell it themselves.
        """
        routes: dict[str, Any] = await super().get_all_routes()
        for route in routes.values():
            route["data"].pop("last_activity", None)
        return routes

    async def check_routes(self, user_dict: Any, service_dict: Any, routes: Any = None) -> None:
        """Adds the routes that are missing."""
        await super().check_routes(user_dict, service_dict, routes)
        if self.watching is None:
            self.watching = asyncio.create_task(self.watch(user_dict, service_dict))

    async def watch(self, users: Any, services: Any) -> None:
        """Looks at the routes of every proxy that comes up, for ever. A connection tells at once when one has ended.

        One that says nothing is closed by the proxy after a minute or so, and then the routes are looked at too.
        """
        api = urlsplit(self.api_url)
        while True:
            try:
                reader, writer = await asyncio.open_connection(api.hostname, api.port)
            except OSError:
                await asyncio.sleep(AGAIN_AFTER)
                continue
            try:
                await self.look(users, services)
                with suppress(OSError):
                    await reader.read()
            finally:
                writer.close()

    async def look(self, users: Any, services: Any) -> None:
        """Gives a proxy that does not even know the hub everybody's routes."""
        try:
            routes: Mapping[str, Any] = await self.get_all_routes()
            if self.hub.routespec not in routes:
                log.warning("the proxy has forgotten its routes, and is given them again")
                await self.check_routes(users, services, routes)
        except (*AnyTimeoutError, ClientError) as error:
            log.warning("the proxy does not answer: %s", error)
