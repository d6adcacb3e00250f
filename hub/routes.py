"""The proxy's routes: a proxy that was restarted has forgotten them, and is given them again.

JupyterHub looks after a proxy that it starts itself. Ours runs apart from the hub, and JupyterHub would notice only
with the next `last_activity_interval` that everybody's server, and the hub, cannot be reached.
"""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from jupyterhub.proxy import ConfigurableHTTPProxy
from jupyterhub.utils import AnyTimeoutError
from tornado.ioloop import PeriodicCallback

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=2)


class Proxy(ConfigurableHTTPProxy):  # type: ignore[misc]  # JupyterHub publishes no types
    """JupyterHub's own, watched from the first check of its routes on."""

    looking: PeriodicCallback | None = None

    async def check_routes(self, user_dict: Any, service_dict: Any, routes: Any = None) -> None:
        """Adds the routes that are missing."""
        await super().check_routes(user_dict, service_dict, routes)
        if self.looking is None:
            self.looking = PeriodicCallback(lambda: self.look(user_dict, service_dict), LOOK_EVERY)
            self.looking.start()

    async def look(self, users: Any, services: Any) -> None:
        """Gives a proxy that does not even know the hub everybody's routes."""
        try:
            routes: Mapping[str, Any] = await self.get_all_routes()
            if self.hub.routespec not in routes:
                log.warning("the proxy has forgotten its routes, and is given them again")
                await self.check_routes(users, services, routes)
        except AnyTimeoutError as error:
            log.warning("the proxy does not answer: %s", error)
