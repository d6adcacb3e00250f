"""Keeps other origins out of JupyterHub's handlers: pages of users' servers, and links that lead to them.

JupyterHub has settings for neither, and its handlers are many; so this changes what all of them inherit.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from jupyterhub.handlers.base import BaseHandler
from tornado import web

from hub.config.origins import is_from_foreign_page, is_users_host, leads_to_another
from hub.config.settings import Settings


def refuse_foreign_pages(settings: Settings) -> None:
    """From now on, the hub answers on its own host only, and no request of another origin's page."""
    BaseHandler.prepare = _guarded(BaseHandler.prepare, settings)


def _guarded(
    prepare: Callable[[Any], Awaitable[None]], settings: Settings
) -> Callable[[Any], Awaitable[None]]:
    @wraps(prepare)
    async def guarded(self: Any) -> None:
        request, prefix = self.request, self.hub.base_url
        # Outside the prefix JupyterHub only redirects to the hub's own host.
        if request.path.startswith(prefix):
            if settings.subdomains and is_users_host(request.host, self.domain):
                _send_home(self, settings.public_url)
            if is_from_foreign_page(request.method, request.path[len(prefix) - 1 :], request.headers):
                _refuse(
                    self,
                    403,
                    "A page of another address made this request. Open the hub and try again there.",
                )
        await prepare(self)

    return guarded


def _send_home(handler: Any, public_url: str) -> None:
    """A page of the hub's on a user's host would be in that user's hands."""
    if handler.request.method not in ("GET", "HEAD"):
        _refuse(handler, 421, "The hub does not answer at this address.")
    handler.redirect(public_url + handler.request.uri)
    raise web.Finish


def _refuse(handler: Any, status: int, message: str) -> None:
    # The page of the error asks who is logged in.
    handler._jupyterhub_user = None
    handler._resolve_roles_and_scopes()
    raise web.HTTPError(status, message, reason=HTTPStatus(status).phrase)


def follow_own_links(handler: type[web.RequestHandler]) -> None:
    """Has this handler, and what it inherits from, follow no `next` to another user's server."""
    for kind in handler.__mro__:
        found = vars(kind).get("get_next_url")
        if found is not None and not hasattr(found, "__wrapped__"):
            kind.get_next_url = _own(found)  # type: ignore[attr-defined]  # it has one


def _own(get_next_url: Callable[..., str]) -> Callable[..., str]:
    @wraps(get_next_url)
    def own(self: Any, user: Any = None, default: str | None = None) -> str:
        # Those of authenticators take no default.
        url = get_next_url(self, user, **({"default": default} if default else {}))
        visitor = user or self.current_user
        if visitor is None or url == default or not leads_to_another(url, visitor.name):
            return url
        return default or f"{self.hub.base_url}home"

    return own
