"""JupyterHub's configuration, as values made from the settings."""

import hashlib
import hmac
from pathlib import Path
from typing import Any

from hub.audit.hooks import request_ended
from hub.config import tuning
from hub.config.announcement import Announcement
from hub.config.brand import Brand, logo_in
from hub.config.origins import SHARED_ORIGIN, subdomain
from hub.config.settings import Settings
from hub.config.tuning import Proxy
from hub.database.preparation import NAME as DATABASE
from hub.errors import SettingsError
from hub.login.authenticator import authenticator_class, authenticator_traits, days_logged_in, same_site
from hub.login.links import own_page
from hub.pages.logo import LogoPage
from hub.pages.machines import oversees
from hub.pages.policies import administers
from hub.spawn.options import options_form
from hub.spawn.spawner import apply_options, spawner_class
from hub.wiring import Hub, Secrets
from lifecycle_app.contract import DRAIN_SCOPE, LAUNCH_SCOPE

TEMPLATES = Path(__file__).parent / "pages" / "templates"
LIFECYCLE, OPERATOR = "lifecycle", "operator"


def configuration(settings: Settings, secrets: Secrets, hub: Hub) -> dict[str, dict[str, Any]]:
    """Values by class and trait."""
    return {
        "JupyterHub": _hub(settings, secrets, hub),
        "ConfigurableHTTPProxy": {
            "should_start": False,
            "api_url": settings.proxy_api,
            "auth_token": secrets.proxy_token,
        },
        "JupyterHubHTTPClient": tuning.http_client_options(),
        "CryptKeeper": {"keys": [key_of_tokens(secrets.cookie_secret)]},
        "Spawner": _spawner(settings),
        **authenticator_traits(settings, secrets, hub.operator.people),
    }


def _hub(settings: Settings, secrets: Secrets, hub: Hub) -> dict[str, Any]:
    brand = brand_of(settings)
    return {
        "spawner_class": spawner_class(hub),
        "authenticator_class": authenticator_class(settings.authenticator, hub),
        "proxy_class": Proxy,
        # The proxy's address. It runs apart from the hub: users keep working while the hub restarts.
        "bind_url": settings.public_url + "/",
        "public_url": settings.public_url + "/",
        "hub_bind_url": settings.hub_url,
        "hub_connect_url": settings.hub_url,
        "cleanup_servers": False,
        "cleanup_proxy": False,
        "db_url": f"sqlite:///{settings.state_dir / DATABASE}",
        "db_kwargs": tuning.database_options(),
        "cookie_secret": secrets.cookie_secret,
        "cookie_max_age_days": days_logged_in(settings),
        # Servers that do not answer after a restart of the hub do not delay the others.
        "init_spawners_timeout": 1,
        # 0 means no limit to JupyterHub.
        "allow_named_servers": settings.named_servers > 0,
        "named_server_limit_per_user": settings.named_servers,
        "redirect_to_server": True,
        "user_redirect_hook": own_page,
        # EC2's rates limit a class that logs in at once: two launches a second, so this many get their instance within
        # start_timeout. Further users are asked to try again.
        "concurrent_spawn_limit": 1100,
        "active_server_limit": 0,
        "activity_resolution": 60,
        "last_activity_interval": 300,
        # Show the progress page at once, instead of a browser that seems to hang.
        "tornado_settings": {
            "slow_spawn_timeout": 0,
            "slow_stop_timeout": 4,
            "log_function": request_ended,
            "cookie_options": _cookies(settings),
            # A page that opens the hub's, or is opened by one of them, gets no handle on its window.
            "headers": {"Cross-Origin-Opener-Policy": "same-origin"},
        },
        # Only the web server and the proxy on this machine are believed when they say for whom they forward.
        "trusted_downstream_ips": ["127.0.0.1", settings.private_address],
        **_subdomains(settings),
        # Before JupyterHub's own handler of its logo.
        "extra_handlers": [(r"/logo", LogoPage, {"logo": brand.logo})] if brand.logo else [],
        "template_paths": [str(TEMPLATES)],
        # traitlets copies values deeply, but functions are taken as they are.
        "template_vars": {
            "pages": lambda _user: hub.pages,
            "oversees": lambda _user: oversees,
            "administers": lambda _user: administers,
            "brand": brand,
            "announced": lambda _user: _announced(hub),
            "has_accounts": settings.authenticator == "native",
            "shared_origin": "" if settings.subdomains else SHARED_ORIGIN,
        },
        **_services(secrets),
    }


def key_of_tokens(cookie_secret: bytes) -> bytes:
    """The key with which the hub encrypts providers' tokens in its database. With another cookie secret, which logs all
    users out, they cannot be read any more.
    """
    return hmac.new(cookie_secret, b"cloudjhub: providers' tokens", hashlib.sha256).digest()


def brand_of(settings: Settings) -> Brand:
    """How the hub's pages look. Raises SettingsError for a logo that cannot be shown."""
    logo = None
    if settings.logo.is_file():
        try:
            logo = logo_in(settings.logo.read_bytes())
        except (OSError, ValueError) as error:
            raise SettingsError(f"hub.logo: {settings.logo} {error}") from error
    return Brand(name=settings.brand, color=settings.color, login_text=settings.login_text, logo=logo)


def _announced(hub: Hub) -> Announcement | None:
    said = hub.operator.announcement
    return None if said is None or said.is_over(hub.now()) else said


def _services(secrets: Secrets) -> dict[str, Any]:
    """What the lifecycle app and the operator may do with their tokens."""
    return {
        "custom_scopes": {
            DRAIN_SCOPE: {"description": "Release servers before their instances are stopped."},
            LAUNCH_SCOPE: {"description": "Launch users' instances before their first login."},
        },
        "services": [
            {"name": LIFECYCLE, "api_token": secrets.lifecycle_token},
            {"name": OPERATOR, "api_token": secrets.operator_token},
        ],
        "load_roles": [
            {
                "name": LIFECYCLE,
                "description": "The lifecycle app: lists servers, and drains them before it stops their instances.",
                "services": [LIFECYCLE],
                "scopes": ["list:users", "read:users:groups", "read:servers", DRAIN_SCOPE],
            },
            {
                "name": OPERATOR,
                "description": "The operator's command line: launches instances before their users' first login.",
                "services": [OPERATOR],
                "scopes": [LAUNCH_SCOPE],
            },
        ],
    }


def _subdomains(settings: Settings) -> dict[str, Any]:
    """A user's server on a subdomain can set cookies for the whole domain: the hub must not take them for its own."""
    if not settings.subdomains:
        return {}
    return {
        "subdomain_host": settings.public_url,
        "subdomain_hook": subdomain,
        "cookie_host_prefix_enabled": True,
    }


def _cookies(settings: Settings) -> dict[str, Any]:
    """JupyterHub makes them Secure where the public URL is https. A `__Host-` cookie has to be Secure in any case, and
    browsers accept that from names below localhost.
    """
    return {"samesite": same_site(settings), **({"secure": True} if settings.subdomains else {})}


def _spawner(settings: Settings) -> dict[str, Any]:
    return {
        # Longer than a lease: a login waits until an abandoned claim expires.
        "start_timeout": 600,
        # start() returns once the server answers.
        "http_timeout": 30,
        # poll() reads memory.
        "poll_interval": max(1, int(settings.read_interval.total_seconds())),
        "consecutive_failure_limit": 0,
        "options_form": options_form if len(settings.choices) > 1 else "",
        "apply_user_options": apply_options,
        "default_url": "/lab",
    }
