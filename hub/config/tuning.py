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


class Connection(sqlite3.Connection):
    """A connection on which a commit waits for no disk, since JupyterHub commits in its event loop, dozens of times in
    each login.

    A hub that is killed loses nothing by that. A machine that loses power may lose the last commits, never the whole:
    whose login is lost logs in again, and who runs what is found by the records.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.execute("PRAGMA journal_mode=WAL")
        self.execute("PRAGMA synchronous=NORMAL")


def options() -> dict[str, Any]:
    """What JupyterHub hands to SQLAlchemy's `create_engine`, with its own default in it."""
    return {"connect_args": {"check_same_thread": False, "factory": Connection}}


YOUNG, MIDDLE, OLD = 10_000, 2, 2_500
"""A look at the youngest objects after so many more of them, at the next older ones after so many such looks, at all
after so many of those. A look takes a microsecond or two for each object: some 40 ms at the second step, which happens
in the midst of a class's login; at everything that a thousand users are it took 0.2 to 0.4 s.
"""


def freeze_garbage() -> None:
    """What is there by now, modules above all, is never looked at again; what comes is looked at seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)


AS_GOOD_AS_RANDOM = 32
"""Characters: JupyterHub's own tokens have so many, hexadecimal, and workers' have 64."""


def hash_long_secrets_once() -> None:
    """Long secrets are hashed once and not 16,384 times, as JupyterHub does with tokens that it generates.

    Rounds slow down those who guess, and nobody guesses a random token. A start hashes three times, in the event loop
    and for a millisecond and more each: a tenth of what a class that logs in costs the hub.
    """
    provider.hash_token = client_secret_hash


def client_secret_hash(secret: str) -> str:
    """In the form that JupyterHub compares with: algorithm, rounds, salt and digest."""
    return str(hash_token(secret, rounds=1) if len(secret) >= AS_GOOD_AS_RANDOM else hash_token(secret))


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
