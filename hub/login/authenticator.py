"""Any JupyterHub authenticator with the cluster's rules for names, and its part of JupyterHub's configuration."""

import logging
import ssl
from contextvars import ContextVar
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import urlsplit

from jupyterhub.auth import Authenticator, DummyAuthenticator
from jupyterhub.authenticators.shared import SharedPasswordAuthenticator
from jupyterhub.handlers.login import LoginHandler
from tornado import web
from traitlets.utils.importstring import import_item

from hub.audit.event import Outcome
from hub.audit.record import record
from hub.config.authenticators import (
    CHOICES,
    CLIENT_SECRET,
    LDAP_PASSWORD,
    SIGN_UP_KEY,
    can_be_asked_again,
    lets_others_in,
)
from hub.config.settings import SHARED_PASSWORD, Settings
from hub.config.shared_names import refuse_shared_map
from hub.errors import SettingsError
from hub.login.asking import EVERY, AskedAgain
from hub.login.devices import remember_device, source_of
from hub.login.isolation import follow_own_links
from hub.login.passwords import Guesses
from hub.pages.handlers import routes
from hub.users.administrators import ensure_another_administrator
from hub.users.names import LONGEST, People, folded, name_problem, normalised
from hub.users.operator_settings import Membership
from hub.users.tokens import TokenKeeper
from hub.wiring import Hub, Secrets
from lifecycle_app.contract import utc_now

SHARED = (DummyAuthenticator, SharedPasswordAuthenticator)

log = logging.getLogger(__name__)

_tried: ContextVar[str] = ContextVar("tried", default="")
"""The name with which a login is tried."""


class NamedUsers(AskedAgain):
    """The cluster's rules, before those of an authenticator: one form of each name, and a refusal that says why."""

    _hub: Hub
    _membership: Membership | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._form_guesses = Guesses()
        refuse_shared_map({given: normalised(name) for given, name in self.username_map.items()})

    def normalize_username(self, username: str) -> str:
        return normalised(super().normalize_username(normalised(username)))

    def validate_username(self, username: str) -> bool:
        problem = name_problem(username)
        if problem:
            log.warning("user name %r is refused: %s", username[:300], problem)
            raise web.HTTPError(400, problem)
        return bool(super().validate_username(username))

    async def get_authenticated_user(self, handler: Any, data: Any) -> Any:
        """The user who logs in, or None. Each try leaves a line in the audit log."""
        name = data.get("username", "") if isinstance(data, dict) else ""
        _tried.set(name if isinstance(name, str) else "")
        try:
            found = await self._checked(handler, data)
        except Exception as error:
            self._record_refusal(f"{error.status_code}" if isinstance(error, web.HTTPError) else "error")
            raise
        if not found:
            self._record_refusal("wrong or not allowed")
            return found
        record("login", found["name"], actor=found["name"])
        return self.confirmed(found, utc_now())

    async def _checked(self, handler: Any, data: Any) -> Any:
        """The user, or None. Whatever authenticator asks for a password, wrong ones make their source wait."""
        if not is_password_form(data) or getattr(self, "counts_guesses", False):
            return await super().get_authenticated_user(handler, data)
        # A directory may take several spellings for one user.
        name = folded(data["username"][:LONGEST])
        source, now = source_of(handler, name), utc_now()
        self._form_guesses.check(source, now)
        self._form_guesses.add(source, now)
        try:
            found = await super().get_authenticated_user(handler, data)
        except Exception as error:
            if not isinstance(error, web.HTTPError) or error.status_code >= 500:
                self._form_guesses.take_back(source)
            raise
        if found:
            self._form_guesses.forgive(source)
            if isinstance(handler, LoginHandler):
                remember_device(handler, name)
        return found

    def check_blocked_users(self, username: str, authentication: Any = None) -> Any:
        """May the user log in, as far as the list of removed users goes?"""
        _tried.set(username)
        return super().check_blocked_users(username, authentication)

    def _record_refusal(self, detail: str) -> None:
        """An unknown name may be a password in the wrong field."""
        name = normalised(_tried.get()[:LONGEST])
        record("login", name if self.is_known(name) else "", Outcome.REFUSED, detail)

    def is_known(self, username: str) -> bool:
        """Is it the name of a user, of a removed one, or of one on the list?"""
        name = normalised(username)
        listed = self.allowed_users | self.admin_users | self.blocked_users
        return name in listed or (self._membership is not None and self._membership.knows(name))

    async def refresh_user(self, user: Any, handler: Any = None) -> Any:
        """False for a removed user, who has to log in again in spite of a valid cookie, and may not."""
        if handler is not None and not hasattr(handler, "_token_authenticated"):
            # JupyterHub 6.1 reads it of each request whose user has to log in again, but sets it with a token only.
            handler._token_authenticated = False
        if user.name in self.blocked_users:
            return False
        return await super().refresh_user(user, handler)

    def is_admin(self, handler: Any, authentication: dict[str, Any]) -> bool | None:
        """The operator's list decides for the users on it, JupyterHub's admin page for the others."""
        name, people = authentication["name"], self._hub.operator.people
        return name in people.admins if name in people.users else super().is_admin(handler, authentication)

    def can_log_in(self, username: str) -> bool:
        """Is the user neither removed, nor put out by the provider, nor without an account that is authorised?"""
        is_authorized = getattr(super(), "is_authorized", None)
        is_out = username in self.blocked_users or username in self.put_out
        return not is_out and (is_authorized is None or is_authorized(username))

    def forget(self, username: str) -> None:
        """Deletes the account of a removed user, where the authenticator keeps accounts. The caller commits."""
        forget = getattr(super(), "forget", None)
        if forget is not None:
            forget(username)

    def delete_user(self, user: Any) -> Any:
        """JupyterHub asks before it deletes a user."""
        ensure_another_administrator(user.db, self, user.name)
        return super().delete_user(user)

    def generation_of(self, username: str) -> int:
        """How often the operator has removed the name."""
        return self._membership.people.generation(username) if self._membership else 0

    def get_handlers(self, app: Any) -> list[Any]:
        """Adds the hub's own. JupyterHub calls this when it starts, which is when following the list begins."""
        self._membership = membership = Membership(app, self, self._hub.operator.people)
        membership.take(self._hub.operator.people)
        keeper = TokenKeeper(app, self._hub)
        keeper.remove_replaced()

        async def apply(people: People) -> None:
            await membership.apply(people)
            await keeper.tidy()

        self._hub.operator.follow(apply)
        own = super().get_handlers(app)
        for handler in [LoginHandler, *(one[1] for one in own)]:
            follow_own_links(handler)
        return [
            *own,
            *routes(self._hub, self._hub.pages, self._hub.keeps, self._hub.policies, self._hub.changes),
        ]


def is_password_form(data: Any) -> bool:
    """Does a user log in with a name and a password, rather than by what a provider says? Pure."""
    return isinstance(data, dict) and all(isinstance(data.get(one), str) for one in ("username", "password"))


def authenticator_class(name: str, hub: Hub) -> type[Authenticator]:
    """The authenticator of that name (an entry point of JupyterHub, or a class), with the cluster's rules for names.

    Raises SettingsError if there is none, or if it has no real accounts although other machines can reach the hub.
    """
    base = _find(name)
    if issubclass(base, SHARED) and not hub.settings.is_loopback:
        raise SettingsError(
            f"login.authenticator: {name} is for one machine only, but public_url is"
            f" {hub.settings.public_url}: choose an authenticator with real accounts"
        )
    return type(NamedUsers.__name__, (NamedUsers, base), {"_hub": hub})


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
            f"login.authenticator: JupyterHub has no authenticator {name}: install its package"
        ) from error
    return imported


STRATEGIES = {"start-tls": "before_bind", "ldaps": "on_connect"}


def authenticator_traits(settings: Settings, secrets: Secrets, people: People) -> dict[str, dict[str, Any]]:
    """Values by class and trait."""
    names: dict[str, Any] = {
        "allow_all": settings.allow_all,
        "allowed_users": set(people.users),
        "admin_users": set(people.admins),
        "blocked_users": set(people.removed),
    }
    if settings.authenticator == SHARED_PASSWORD:
        passwords = {"user_password": secrets.user_password, "admin_password": secrets.admin_password}
        return {"Authenticator": names, "SharedPasswordAuthenticator": passwords}
    choice = CHOICES.get(settings.authenticator)
    if choice is None:
        return {"Authenticator": names}
    # A user whom an administrator added may log in; one admitted as a group's member has to be a member still.
    names["allow_existing_users"] = not lets_others_in(settings.authenticator, settings.authenticator_options)
    if can_be_asked_again(settings.authenticator, settings.authenticator_options):
        names |= {
            "enable_auth_state": True,
            "refresh_pre_spawn": True,
            "auth_refresh_age": int(EVERY.total_seconds()),
        }
    return {"Authenticator": names, choice.section: _own(settings, secrets)}


DAYS_LOGGED_IN = 14


def days_logged_in(settings: Settings) -> int:
    """For how long a login lasts, on the hub's pages and on users' servers: not every provider can be asked again in
    which groups a user is, and none about a user whose tokens have expired.
    """
    chosen = settings.authenticator, settings.authenticator_options
    return 1 if lets_others_in(*chosen) or can_be_asked_again(*chosen) else DAYS_LOGGED_IN


def same_site(settings: Settings) -> str:
    """The SameSite attribute of the hub's cookies.

    A learning platform posts its users to the hub from its own page, and the browser has to send the cookies of that
    login along. JupyterHub's XSRF tokens protect against what other pages post.
    """
    posts_from_elsewhere = settings.authenticator == "lti13" and settings.public_url.startswith("https://")
    return "None" if posts_from_elsewhere else "Lax"


def _own(settings: Settings, secrets: Secrets) -> dict[str, Any]:
    options = dict(settings.authenticator_options)
    match settings.authenticator:
        case "native":
            return {
                **options,
                "sign_up_key": secrets.of_authenticator[SIGN_UP_KEY],
                "cluster": settings.cluster,
                "check_common_password": True,
                "enable_signup": True,
                "open_signup": False,
            }
        case "lti13":
            scheme = urlsplit(settings.public_url).scheme
            return {**options, "client_id": set(options["client_id"]), "uri_scheme": scheme}
        case "ldap":
            return ldap_traits(options, secrets.of_authenticator.get(LDAP_PASSWORD, ""))
        case _:
            return _oauth(settings, options, secrets)


def _oauth(settings: Settings, options: dict[str, Any], secrets: Secrets) -> dict[str, Any]:
    own: dict[str, Any] = {
        "oauth_callback_url": f"{settings.public_url}/hub/oauth_callback",
        "client_secret": secrets.of_authenticator[CLIENT_SECRET],
    }
    if "auth_state_groups_key" in options:
        own["manage_groups"] = True
    for key in ("allowed_organizations", "allowed_groups"):
        if key in options:
            own[key] = set(options[key])
    if "allowed_organizations" in options:
        # Without it GitHub lists only public members.
        own["scope"] = ["read:org"]
    return {**options, **own}


def ldap_traits(options: dict[str, Any], password: str) -> dict[str, Any]:
    """The class's own traits. By default, ldap3 checks no certificate."""
    own = {key: value for key, value in options.items() if key not in ("tls", "ca_certificates")}
    tls: dict[str, Any] = {"validate": ssl.CERT_REQUIRED}
    if options.get("ca_certificates"):
        tls["ca_certs_file"] = options["ca_certificates"]
    secret = {"lookup_dn_search_password": password} if password else {}
    return {**own, **secret, "tls_strategy": STRATEGIES[options["tls"]], "tls_kwargs": tls}
