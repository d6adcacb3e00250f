"""What JupyterHub's configuration says of the chosen authenticator."""

import ssl
from typing import Any
from urllib.parse import urlsplit

from hub.authenticators.options import CHOICES, CLIENT_SECRET, LDAP_PASSWORD, SIGN_UP_KEY, lets_others_in
from hub.parameters import Secrets
from hub.people import People
from hub.settings import SHARED_PASSWORD, Settings

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
    # Whom an administrator adds in the hub may come; but who was let in as a group's member has to be one still.
    names["allow_existing_users"] = not lets_others_in(settings.authenticator, settings.authenticator_options)
    return {"Authenticator": names, choice.section: _own(settings, secrets)}


def same_site(settings: Settings) -> str:
    """Which other sites' pages may make a browser send the hub's cookies.

    A learning platform posts its users to the hub from its own page, for which the cookies of that login have to come
    along; JupyterHub's XSRF tokens protect what such a page could ask for.
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
        # Without it GitHub tells of public members only.
        own["scope"] = ["read:org"]
    return {**options, **own}


def ldap_traits(options: dict[str, Any], password: str) -> dict[str, Any]:
    """The class's own traits. ldap3 checks no certificate unless it is told to."""
    own = {key: value for key, value in options.items() if key not in ("tls", "ca_certificates")}
    tls: dict[str, Any] = {"validate": ssl.CERT_REQUIRED}
    if options.get("ca_certificates"):
        tls["ca_certs_file"] = options["ca_certificates"]
    secret = {"lookup_dn_search_password": password} if password else {}
    return {**own, **secret, "tls_strategy": STRATEGIES[options["tls"]], "tls_kwargs": tls}
