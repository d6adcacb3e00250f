"""Any JupyterHub authenticator, with our rules for names and our handlers."""

import logging
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from jupyterhub.auth import Authenticator
from tornado import web
from traitlets.utils.importstring import import_item

from hub.errors import SettingsError
from hub.handlers import routes
from hub.naming import normalised, objection
from hub.parts import Parts

log = logging.getLogger(__name__)


def authenticator_class(name: str, parts: Parts) -> type[Authenticator]:
    """The authenticator of that name (an entry point of JupyterHub, or a class), bound to our rules.

    Raises SettingsError if there is none.
    """
    base = _find(name)

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

        def get_handlers(self, app: Any) -> list[Any]:
            return [*super().get_handlers(app), *routes(parts)]

    return NamedUsers


def read_users(file: Path) -> tuple[set[str], set[str]]:
    """All users and the administrators among them, from lines `name` or `name admin`.

    Raises SettingsError for a line that cannot be used.
    """
    users, admins = set(), set()
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        is_admin = text.endswith(" admin")
        name = normalised(text.removesuffix(" admin").strip() if is_admin else text)
        why = objection(name)
        if why:
            raise SettingsError(f"{file}, line {number}: {why}")
        users.add(name)
        if is_admin:
            admins.add(name)
    return users, admins


def _find(name: str) -> type[Authenticator]:
    for found in entry_points(group="jupyterhub.authenticators", name=name):
        loaded: type[Authenticator] = found.load()
        return loaded
    try:
        imported: type[Authenticator] = import_item(name)
    except ImportError as error:
        raise SettingsError(
            f"CLOUDJHUB_AUTHENTICATOR={name}: JupyterHub knows no such authenticator: install its package"
        ) from error
    return imported
