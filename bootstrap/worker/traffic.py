"""Hooks into Jupyter Server to see the requests and socket messages of web apps: of what jupyter-server-proxy serves,
and of other extensions' own routes. Jupyter Server's and JupyterLab's routes are not apps; `interactions` knows them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from .apps import EXTENSION, App, Apps, frame_kind, key_of, number_of, request_kind
from .interactions import CHANGING_METHODS, Interactions, in_request, widgets_of

CORE = frozenset(
    {
        "bootstrap", "jupyter_server", "jupyter_server_terminals", "jupyterhub", "jupyterlab", "jupyterlab_server",
        "nbclassic", "notebook", "notebook_shim", "tornado",
    }
)  # fmt: skip
"""Packages whose handlers serve notebooks, files, kernels and terminals."""
PROXY = "jupyter_server_proxy"
KERNEL = re.compile(r"api/kernels/([^/]+)/channels\Z")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that is being answered: of which app, since when, and whether its page only responds with it."""

    app: App
    at: float
    is_response: bool


class Traffic:
    """All requests of one server."""

    def __init__(self, interactions: Interactions, base_url: str) -> None:
        self._interactions = interactions
        self._apps = interactions.apps
        self._base_url = base_url
        # Of open sockets, by their first request.
        self.sockets: WeakKeyDictionary[HTTPServerRequest, Socket] = WeakKeyDictionary()
        # One subclass for each class of handlers: there are few.
        self._classes: dict[type[RequestHandler], type[RequestHandler]] = {}
        self._arrivals: WeakKeyDictionary[HTTPServerRequest, Arrival] = WeakKeyDictionary()

    def watch(self, web_app: Application) -> None:
        """See all requests as they arrive, and what is sent over their sockets."""
        deliver = web_app.get_handler_delegate

        def delivered(
            request: HTTPServerRequest, target: type[RequestHandler], *args: Any, **kwargs: Any
        ) -> Any:
            return deliver(request, self._arrived(request, target), *args, **kwargs)

        web_app.get_handler_delegate = delivered  # type: ignore[method-assign,assignment]  # its router asks the instance

    def logged(self, write: Callable[[RequestHandler], None]) -> Callable[[RequestHandler], None]:
        """Tornado's ``log_function``, called at the end of every request: logs as before, and notes interactions."""

        def log_request(handler: RequestHandler) -> None:
            write(handler)
            self._answered(handler.request, handler.get_status())

        return log_request

    def _path(self, request: HTTPServerRequest) -> str:
        return request.path.removeprefix(self._base_url)

    def _arrived(self, request: HTTPServerRequest, target: type[RequestHandler]) -> type[RequestHandler]:
        path = self._path(request)
        is_socket = issubclass(target, WebSocketHandler) and is_upgrade(request.headers)
        if is_socket and issubclass(target, KernelWebsocketHandler):
            found = KERNEL.match(path)
            return (
                self._observed(request, target, widgets_of(self._apps, found[1]), None) if found else target
            )
        app = app_of(self._apps, target, path)
        if app is None:
            return target
        if is_socket:
            return self._observed(request, target, app, path)
        at = self._apps.now()
        self._arrivals[request] = Arrival(app, at, app.is_response(at))
        return target

    def _observed(
        self, request: HTTPServerRequest, target: type[RequestHandler], app: App, path: str | None
    ) -> type[RequestHandler]:
        self.sockets[request] = Socket(self._apps, app, path)
        if target not in self._classes:
            self._classes[target] = observing(target, self.sockets)
        return self._classes[target]

    def _answered(self, request: HTTPServerRequest, status: int) -> None:
        arrival, path, method = self._arrivals.pop(request, None), self._path(request), str(request.method)
        if arrival is None:
            self._interactions.note(in_request(method, path, status, request.headers))
            return
        app = arrival.app
        if status < 400 and status != 101:
            kind = request_kind(method, path, len(request.body))
            is_change = method in CHANGING_METHODS
            if is_navigation(request.headers):
                app.opened(arrival.at)
            if not app.is_judged:
                self._interactions.note(in_request(method, path, status, request.headers))
            elif is_navigation(request.headers) and is_persons(request.headers):
                self._apps.used_by_person(app)
            self._apps.sent(app, kind, arrival.at, is_response=arrival.is_response, is_change=is_change)
        app.served(self._apps.now())


class Socket:
    """One socket between a page and its app; without a path, of a kernel: its messages are noted elsewhere."""

    def __init__(self, apps: Apps, app: App, path: str | None) -> None:
        self._apps = apps
        self._app = app
        self._path = path

    def opened(self) -> None:
        """The page has opened it."""
        self._app.opened(self._apps.now())

    def sent(self, message: str | bytes) -> None:
        """The page sent a message."""
        if self._path is not None:
            at = self._apps.now()
            kind = frame_kind(self._path, message)
            self._apps.sent(self._app, kind, at, is_response=self._app.is_response(at))

    def served(self) -> None:
        """The server sent a message: of an app, perhaps to a person who watches."""
        self._app.served(self._apps.now())
        if self._path is not None and self._app.is_judged:
            self._apps.seen(self._app)


def app_of(apps: Apps, target: type[RequestHandler], path: str) -> App | None:
    """The app that a handler serves; None for the server's own."""
    if any(package_of(one) == PROXY for one in target.__mro__):
        return apps.app(key_of(path), number_of(path))
    if package_of(target) in CORE:
        return None
    return apps.app("extension " + key_of(path), EXTENSION, is_judged=False)


def package_of(target: type) -> str:
    """The top-level package that a class is from."""
    return target.__module__.partition(".")[0]


def is_upgrade(headers: Mapping[str, str]) -> bool:
    """Is the request a socket's first one?"""
    return headers.get("Upgrade", "").lower() == "websocket"


def is_navigation(headers: Mapping[str, str]) -> bool:
    """Does the browser ask for a page, in a tab or a frame?"""
    return headers.get("Sec-Fetch-Mode") == "navigate"


def is_persons(headers: Mapping[str, str]) -> bool:
    """Does the browser say that a person caused it? A page that reloads itself does not make it say so."""
    return headers.get("Sec-Fetch-User") == "?1"


def observing(target: Any, sockets: Mapping[HTTPServerRequest, Socket]) -> Any:
    """A subclass of a handler that reports what its socket, one of `sockets`, sends and receives."""

    class Observing(target):  # type: ignore[misc]  # whatever handler it is
        def open(self, *args: Any, **kwargs: Any) -> Any:
            sockets[self.request].opened()
            return super().open(*args, **kwargs)

        def on_message(self, message: Any) -> Any:
            sockets[self.request].sent(message)
            return super().on_message(message)

        def write_message(self, *args: Any, **kwargs: Any) -> Any:
            sockets[self.request].served()
            return super().write_message(*args, **kwargs)

    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(Observing, name, getattr(target, name))
    return Observing
