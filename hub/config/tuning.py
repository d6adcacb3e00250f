"""Where JupyterHub's defaults do not fit: SQLite commits, garbage collection, hashing, proxy routes, HTTP requests, log
lines.
"""

import asyncio
import gc
import logging
import re
import sqlite3
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientTimeout
from jupyterhub.log import SCRUB_PARAM_KEYS
from jupyterhub.oauth import provider
from jupyterhub.proxy import ConfigurableHTTPProxy
from jupyterhub.utils import AnyTimeoutError, hash_token
from tornado import httpserver, httputil
from tornado.httpserver import HTTPServer

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


LONGEST_BODY = 65_536
"""Bytes: forms, tokens of a learning platform, lists of users. Anonymous requests must not fill the memory."""
LONGEST_HEADERS = 32_768
BODY_WITHIN = 30.0
"""Seconds for a request's body."""


class Server(HTTPServer):
    """Tornado's server, with limits of what a request may hold, and with the word of our own proxies alone about where
    a request comes from.
    """

    def initialize(self, *args: Any, **more: Any) -> None:
        """Called by Tornado with the constructor's arguments."""
        limits = {
            "max_body_size": LONGEST_BODY,
            "max_header_size": LONGEST_HEADERS,
            "body_timeout": BODY_WITHIN,
        }
        super().initialize(*args, **{**more, **limits})

    def start_request(
        self, server_conn: object, request_conn: httputil.HTTPConnection
    ) -> httputil.HTTPMessageDelegate:
        """What handles a request. A worker reaches the hub without a proxy, and could name any address."""
        address = request_conn.context.address  # type: ignore[attr-defined]  # of HTTP/1.1
        self.xheaders = address is not None and address[0] in (self.trusted_downstream or ())
        delegate = super().start_request(server_conn, request_conn)
        return _WithoutRealIp(delegate) if self.xheaders else delegate


class _WithoutRealIp(httputil.HTTPMessageDelegate):
    """Hides X-Real-Ip, which our proxies do not set and pass on from browsers: Tornado prefers it."""

    def __init__(self, delegate: httputil.HTTPMessageDelegate) -> None:
        self._delegate = delegate
        self.data_received = delegate.data_received  # type: ignore[method-assign]
        self.finish = delegate.finish  # type: ignore[method-assign]
        self.on_connection_close = delegate.on_connection_close  # type: ignore[method-assign]

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> Awaitable[None] | None:
        if "X-Real-Ip" in headers:
            headers["Forwarded"] = headers.pop("X-Real-Ip")  # Tornado does not interpret this one
        return self._delegate.headers_received(start_line, headers)


def limit_requests() -> None:
    """Has JupyterHub, which has no setting for it, use our server."""
    httpserver.HTTPServer = Server  # type: ignore[misc]


ANSWERS_WITHIN = 30.0
"""Seconds that the proxy or a user's server may take for an answer to JupyterHub."""
OF_ONE_HOST = 32


def http_client_options() -> dict[str, Any]:
    """JupyterHub's one client for the proxy and for all users' servers, which may keep their connections open without
    an answer: by default, a hundred such connections would leave none for the proxy, for five minutes.
    """
    return {
        "session_options": {"timeout": ClientTimeout(total=ANSWERS_WITHIN)},
        "connector_options": {"limit": 0, "limit_per_host": OF_ONE_HOST},
    }


SECRET_PARAMETERS = (*SCRUB_PARAM_KEYS, "password", "secret")
"""Parts of names of a URL's parameters whose values no log shows."""
_PARAMETER = re.compile(r"""([?&])([^=&?\s'"]*)=([^&\s'"]+)""")
_IN_PATH = re.compile(r"""(/authorizations/(?:token|cookie/[^/?\s'"]*)/)[^?\s'"]+""")


def without_secrets(text: str) -> str:
    """The text without the secrets of URLs in it: values of parameters, and tokens in a path. Takes time in proportion
    to the length, whatever the text.
    """
    return _PARAMETER.sub(_hidden, _IN_PATH.sub(r"\1[secret]", text))


def _hidden(found: re.Match[str]) -> str:
    is_secret = any(part in found[2].lower() for part in SECRET_PARAMETERS)
    return f"{found[1]}{found[2]}=[secret]" if is_secret else found[0]


class LogRecord(logging.LogRecord):
    """A line of the hub's log. JupyterHub scrubs its log of requests; its errors, and Tornado's, name URLs too."""

    def getMessage(self) -> str:  # noqa: N802 -- logging's
        """The message without secrets."""
        return without_secrets(super().getMessage())


def hide_secrets() -> None:
    """From now on no line has a secret that is in a URL, whichever logger writes it."""
    logging.setLogRecordFactory(LogRecord)


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
