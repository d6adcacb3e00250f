"""The options of each authenticator. A wrong one is reported in a line that names it and the fix.

Imports no authenticator's package, so that the command line can check `cluster.yaml` with it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from hub.config.origins import is_loopback
from hub.config.shared_names import refuse_shared_names
from hub.errors import SettingsError

LONGEST_TEXT = 1000


@dataclass(frozen=True, slots=True)
class Kind:
    """What an option's value has to be, in words; `check` is true for such values."""

    words: str
    check: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Option:
    """One option of an authenticator."""

    kind: Kind
    needed: bool = False
    lets_in: bool = False
    """Does it admit users who are not on the list, such as a group's members?"""
    default: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An authenticator that can be chosen by name."""

    path: str
    """The path of its class."""
    options: Mapping[str, Option] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    """The parameters it needs below SSM's /cloudjhub/<cluster>/."""
    one_of: tuple[str, ...] = ()
    """At least one of these options is needed."""

    @property
    def section(self) -> str:
        """The name of its section in JupyterHub's configuration."""
        return self.path.rpartition(".")[2]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT and value.isprintable()


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_text(one) for one in value)


def _is_url(value: Any) -> bool:
    """Plain HTTP could be changed on the way, and with it who a user is; on this machine there is no way between."""
    if not _is_text(value):
        return False
    try:
        parts = urlsplit(value)
        host, is_local = parts.hostname or "", parts.scheme == "http" and is_loopback(parts.hostname or "")
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or is_local) and not parts.username


def _is_template(value: Any) -> bool:
    """A DN with the user's name in it, and nothing else that Python's format would fill in."""
    return _is_text(value) and value.replace("{username}", "").count("{") == 0 and "{username}" in value


def _is_pattern(value: Any) -> bool:
    if not _is_text(value):
        return False
    try:
        re.compile(value)
    except re.error:
        return False
    return True


TEXT = Kind("a text", _is_text)
PATTERN = Kind("a regular expression", _is_pattern)
LIST = Kind("a list of texts", _is_list)
URL = Kind("an address that begins with https://", _is_url)
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
TEMPLATES = Kind(
    "a list of names like uid={username},ou=people,dc=example",
    lambda value: _is_list(value) and all(_is_template(one) for one in value),
)


def number(least: int, most: int) -> Kind:
    """A whole number from `least` to `most`."""
    return Kind(
        f"a whole number from {least} to {most}",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most,
    )


def one_of(*words: str) -> Kind:
    """One of these words."""
    return Kind(" or ".join(words), lambda value: value in words)


_CLIENT = {"client_id": Option(TEXT, needed=True)}
CLIENT_SECRET = "hub/client-secret"  # noqa: S105 -- where it is kept
LDAP_PASSWORD = "hub/ldap-password"  # noqa: S105 -- where it is kept
SIGN_UP_KEY = "hub/sign-up-key"

CHOICES: Mapping[str, Choice] = {
    "native": Choice(
        path="hub.login.native.NativeAccounts",
        secrets=(SIGN_UP_KEY,),
        options={
            "minimum_password_length": Option(number(8, 72), default=10),
            "allowed_failed_logins": Option(number(1, 100), default=5),
            "seconds_before_next_try": Option(number(1, 86400), default=600),
            "requests": Option(FLAG, default=False),
        },
    ),
    "github": Choice(
        path="oauthenticator.github.GitHubOAuthenticator",
        secrets=(CLIENT_SECRET,),
        options={
            **_CLIENT,
            "allowed_organizations": Option(LIST, lets_in=True),
            "github_url": Option(URL),
            "github_api": Option(URL),
        },
    ),
    "google": Choice(
        path="oauthenticator.google.GoogleOAuthenticator",
        secrets=(CLIENT_SECRET,),
        options={**_CLIENT, "hosted_domain": Option(LIST), "strip_domain": Option(FLAG)},
    ),
    "oauth": Choice(
        path="hub.login.claims.ClaimedName",
        secrets=(CLIENT_SECRET,),
        options={
            **_CLIENT,
            "authorize_url": Option(URL, needed=True),
            "token_url": Option(URL, needed=True),
            "userdata_url": Option(URL, needed=True),
            "username_claim": Option(TEXT, needed=True),
            "scope": Option(LIST, default=["openid"]),
            "login_service": Option(TEXT),
            "logout_redirect_url": Option(URL),
            "basic_auth": Option(FLAG),
            "enable_pkce": Option(FLAG),
            "auth_state_groups_key": Option(TEXT),
            "allowed_groups": Option(LIST, lets_in=True),
        },
    ),
    "lti13": Choice(
        path="hub.login.claims.LaunchedName",
        options={
            "issuer": Option(URL, needed=True),
            "authorize_url": Option(URL, needed=True),
            "jwks_endpoint": Option(URL, needed=True),
            "client_id": Option(LIST, needed=True),
            "username_key": Option(TEXT, needed=True),
            "tool_name": Option(TEXT),
            "tool_description": Option(TEXT),
        },
    ),
    "ldap": Choice(
        path="hub.login.ldap.VerifiedLdap",
        one_of=("bind_dn_template", "lookup_dn"),
        options={
            "server_address": Option(TEXT, needed=True),
            "server_port": Option(number(1, 65535)),
            "tls": Option(one_of("start-tls", "ldaps"), default="start-tls"),
            "ca_certificates": Option(TEXT),
            "bind_dn_template": Option(TEMPLATES),
            "lookup_dn": Option(FLAG),
            "lookup_dn_search_filter": Option(TEXT),
            "lookup_dn_search_user": Option(TEXT),
            "lookup_dn_user_dn_attribute": Option(TEXT),
            "user_search_base": Option(TEXT),
            "user_attribute": Option(TEXT),
            "search_filter": Option(TEXT),
            "allowed_groups": Option(LIST, lets_in=True),
            "group_search_filter": Option(TEXT),
            "valid_username_regex": Option(PATTERN),
        },
    ),
}


def checked(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of that authenticator, with its defaults. Raises SettingsError that names the option and the fix."""
    choice = CHOICES.get(name)
    if choice is None:
        if options:
            raise SettingsError(
                f"authenticator {name} takes no options here: set them in the file that hub.extra_config names, or"
                f" choose one of {', '.join(CHOICES)}"
            )
        return {}
    for key, value in options.items():
        option = choice.options.get(key)
        if option is None:
            known = ", ".join(sorted(choice.options))
            raise SettingsError(f"{name} has no option {key!r}: remove it; there are {known}")
        if not option.kind.check(value):
            raise SettingsError(f"option {key} of {name} is not usable: set it to {option.kind.words}")
    for key, option in choice.options.items():
        if option.needed and key not in options:
            raise SettingsError(f"{name} needs the option {key}: set it to {option.kind.words}")
    if choice.one_of and not any(options.get(key) for key in choice.one_of):
        raise SettingsError(f"{name} needs one of the options {', '.join(choice.one_of)}: set one of them")
    _check_together(name, options)
    refuse_shared_names(name, options)
    defaults = {key: one.default for key, one in choice.options.items() if one.default is not None}
    return {**defaults, **options}


def secrets_of(name: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    """The parameters that this authenticator with these options needs below SSM's /cloudjhub/<cluster>/."""
    choice = CHOICES.get(name)
    if choice is None:
        return ()
    return (*choice.secrets, LDAP_PASSWORD) if options.get("lookup_dn_search_user") else choice.secrets


def lets_others_in(name: str, options: Mapping[str, Any]) -> bool:
    """Does a group's membership admit users, so that an earlier login must not be enough?"""
    choice = CHOICES.get(name)
    return choice is not None and any(one.lets_in and options.get(key) for key, one in choice.options.items())


def can_be_asked_again(name: str, options: Mapping[str, Any]) -> bool:
    """Do groups decide what a user may do, and can the hub ask for them without the user?

    OAuth's providers answer to the tokens of the last login; a directory to an account of its own that may search it. A
    learning platform only sends users over, and no group of it counts here.
    """
    match name:
        case "github":
            return bool(options.get("allowed_organizations"))
        case "oauth":
            return bool(options.get("auth_state_groups_key"))
        case "ldap":
            return all(options.get(one) for one in ("allowed_groups", "lookup_dn", "lookup_dn_search_user"))
    return False


def _check_together(name: str, options: Mapping[str, Any]) -> None:
    """Options that need others."""
    needs: dict[str, tuple[str, ...]] = {
        "lookup_dn": ("user_search_base", "user_attribute", "lookup_dn_user_dn_attribute"),
        "search_filter": ("user_search_base", "user_attribute"),
    }
    if name == "oauth":
        needs = {"allowed_groups": ("auth_state_groups_key",)}
    for key, needed in needs.items():
        missing = [one for one in needed if options.get(key) and not options.get(one)]
        if missing:
            raise SettingsError(f"option {key} of {name} needs {missing[0]} too: set it, or remove {key}")
