"""Any JupyterHub authenticator, with our rules for names and our handlers."""

import logging
from importlib.metadata import entry_points
from typing import Any

from jupyterhub.auth import Authenticator, DummyAuthenticator
from jupyterhub.authenticators.shared import SharedPasswordAuthenticator
from tornado import web
from traitlets.utils.importstring import import_item

from hub.authenticators.options import CHOICES
from hub.errors import SettingsError
from hub.handlers import routes
from hub.membership import Membership
from hub.naming import normalised, objection
from hub.parts import Parts

SHARED = (DummyAuthenticator, SharedPasswordAuthenticator)

log = logging.getLogger(__name__)


def authenticator_class(name: str, parts: Parts) -> type[Authenticator]:
    """The authenticator of that name (an entry point of JupyterHub, or a class), bound to our rules.

    Raises SettingsError if there is none, or if it has no real accounts and others than this machine can reach it.
    """
    base = _find(name)
    if issubclass(base, SHARED) and not parts.settings.is_loopback:
        raise SettingsError(
            f"CLOUDJHUB_AUTHENTICATOR={name} is for one machine only, but CLOUDJHUB_PUBLIC_URL is"
            f" {parts.settings.public_url}: choose an authenticator with real accounts"
        )

    class NamedUsers(base):  # type: ignore[misc, valid-type]  # the class is known only when the hub runs
        """Names are normalised in one way, and a refusal says why."""

        def normalize_username(self, username: str) -> str:
            return normalised(super().normalize_username(normalised(username)))

        def validate_username(self, username: str) -> bool:
            why = objection(username)
            if why:
                log.warning("user name %r is refused: %s", username[:300], why)
                raise web.HTTPError(400, why)
            return bool(super().validate_username(username))

        async def refresh_user(self, user: Any, handler: Any = None) -> Any:
            """False for one who was removed: whoever comes with a cookie has to log in again, and may not."""
            if user.name in self.blocked_users:
                return False
            return await super().refresh_user(user, handler)

        def is_admin(self, handler: Any, authentication: dict[str, Any]) -> bool | None:
            """The operator's list decides about those who are on it, JupyterHub's admin page about the others."""
            name, people = authentication["name"], parts.wanted.people
            return (
                name in people.admins if name in people.users else super().is_admin(handler, authentication)
            )

        def get_handlers(self, app: Any) -> list[Any]:
            """Ours come first. JupyterHub asks for them when it starts, which is when following the list begins."""
            parts.wanted.follow(Membership(app, self, parts.wanted.people).apply)
            return [*super().get_handlers(app), *routes(parts)]

    return NamedUsers


def _find(name: str) -> type[Authenticator]:
    choice = CHOICES.get(name)
    try:
        if choice is None:
            for found in entry_points(group="jupyterhub.authenticators", name=name):
                loaded: type[Authenticator] = found.load()
                return loaded
        imported: type[Authenticator] = import_item(choice.path if choice else name)
    except ImportError as error:
        raise SettingsError(
            f"CLOUDJHUB_AUTHENTICATOR={name}: JupyterHub knows no such authenticator: install its package"
        ) from error
    return imported
