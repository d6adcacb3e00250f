"""What JupyterHub's defaults cost a busy hub: SQLite commits, garbage collection, hashing, proxy routes."""

import asyncio
import gc
import logging
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientError
from jupyterhub.oauth import provider
from jupyterhub.proxy import ConfigurableHTTPProxy
from jupyterhub.utils import AnyTimeoutError, hash_token

log = logging.getLogger(__name__)

YOUNG, MIDDLE, OLD = 10_000, 2, 2_500
"""The youngest objects are collected after this many more of them, the next older ones after this many collections,
all objects after this many of those. A collection takes a microsecond or two for each object: about 40 ms at the second
step, which happens in the middle of a class's login; 0.2 to 0.4 s for all objects of a thousand users.
"""
RANDOM_LENGTH = 32
"""Characters: JupyterHub's own tokens have this many, hexadecimal, and workers' have 64."""
RETRY_AFTER = 0.5
"""Seconds until a proxy that does not listen is tried again."""


class Connection(sqlite3.Connection):
    """A connection whose commits do not wait for the disk: JupyterHub commits in its event loop, dozens of times a
    login.

    A killed hub loses nothing. A machine that loses power may lose the last commits, never the database: users log in
    again, and their servers are found by the records.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.execute("PRAGMA journal_mode=WAL")
        self.execute("PRAGMA synchronous=NORMAL")


def database_options() -> dict[str, Any]:
    """What JupyterHub passes to SQLAlchemy's `create_engine`, including its own default."""
    return {"connect_args": {"check_same_thread": False, "factory": Connection}}


def freeze_garbage() -> None:
    """Exempts the present objects, modules above all, from garbage collection, and collects new ones rarely: each
    collection blocks the event loop."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)


def hash_long_secrets_once() -> None:
    """Hashes the long secrets of OAuth clients, each user's server among them, once instead of 16,384 times, as
    JupyterHub does with tokens that it generates.

    Rounds slow down guessing, and a random token cannot be guessed. A start hashes three times in the event loop, for
    a millisecond and more each: a tenth of what a class's login costs the hub.
    """
    provider.hash_token = client_secret_hash


def client_secret_hash(secret: str) -> str:
    """In the form that JupyterHub compares with: algorithm, rounds, salt and digest."""
    return str(hash_token(secret, rounds=1) if len(secret) >= RANDOM_LENGTH else hash_token(secret))


class Proxy(ConfigurableHTTPProxy):  # type: ignore[misc]  # JupyterHub publishes no types
    """JupyterHub's own, watched from the first check of its routes on: a restarted proxy has lost them, and gets them
    again.

    JupyterHub watches only a proxy that it starts itself. Ours runs apart from the hub, and JupyterHub would notice at
    the next `last_activity_interval` only that no server, nor the hub, can be reached.
    """

    watching: "asyncio.Task[None] | None" = None

    async def get_all_routes(self) -> dict[str, Any]:
        """The routes without the proxy's record of their activity, which includes an open tab's: JupyterHub would apply
        it in one step, a millisecond of the event loop for each running server. The servers report their own.
        """
        routes: dict[str, Any] = await super().get_all_routes()
        for route in routes.values():
            route["data"].pop("last_activity", None)
        return routes

    async def check_routes(self, user_dict: Any, service_dict: Any, routes: Any = None) -> None:
        """Adds the missing routes."""
        await super().check_routes(user_dict, service_dict, routes)
        if self.watching is None:
            self.watching = asyncio.create_task(self.watch(user_dict, service_dict))

    async def watch(self, users: Any, services: Any) -> None:
        """Restores the routes of every proxy that starts, until it is cancelled. The end of an idle connection shows
        that a proxy has ended; the proxy also closes one after a minute or so, and then the routes are checked too.
        """
        api = urlsplit(self.api_url)
        while True:
            try:
                reader, writer = await asyncio.open_connection(api.hostname, api.port)
            except OSError:
                await asyncio.sleep(RETRY_AFTER)
                continue
            try:
                await self.restore_routes(users, services)
                with suppress(OSError):
                    await reader.read()
            finally:
                writer.close()

    async def restore_routes(self, users: Any, services: Any) -> None:
        """Adds all routes to a proxy that does not even know the hub."""
        try:
            routes: Mapping[str, Any] = await self.get_all_routes()
            if self.hub.routespec not in routes:
                log.warning("the proxy has lost its routes; adding them again")
                await self.check_routes(users, services, routes)
        except (*AnyTimeoutError, ClientError) as error:
            log.warning("the proxy does not answer: %s", error)
