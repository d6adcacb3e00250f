"""Where the manager is reached: its name in the browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bootstrap.config.choices import Https

if TYPE_CHECKING:  # pydantic is not needed on the manager
    from bootstrap.config.settings import ClusterSettings

DEFAULT_PORTS = {"http": 80, "https": 443}


def public_host(settings: ClusterSettings, place: Mapping[str, str]) -> str:
    """The domain, or else the public address; a manager without either is reached by its private address.

    `place`: the outputs of the place stack.
    """
    return settings.manager.domain or place.get("PublicAddress") or place["ManagerAddress"]


def public_url(settings: ClusterSettings, place: Mapping[str, str]) -> str:
    """The address in the browser, without a slash at its end."""
    scheme = "http" if settings.manager.https is Https.NONE else "https"
    port = settings.manager.port
    host = public_host(settings, place)
    return f"{scheme}://{host}" if port == DEFAULT_PORTS[scheme] else f"{scheme}://{host}:{port}"
