"""What each authenticator may be told, and what must not be forgotten."""

from dataclasses import replace
from typing import Any

import pytest

from hub.config.authenticators import CHOICES, checked, lets_others_in
from hub.errors import SettingsError
from hub.login.authenticator import days_logged_in
from tests.hub.fakes import SETTINGS

GOOD: dict[str, dict[str, Any]] = {
    "native": {},
    "github": {"client_id": "x", "allowed_organizations": ["school"]},
    "google": {"client_id": "x", "hosted_domain": ["school.example"]},
    "oauth": {
        "client_id": "x",
        "authorize_url": "https://idp.example/authorize",
        "token_url": "https://idp.example/token",
        "userdata_url": "https://idp.example/me",
        "username_claim": "preferred_username",
    },
    "lti13": {
        "client_id": ["x"],
        "issuer": "https://lms.example",
        "authorize_url": "https://lms.example/auth",
        "jwks_endpoint": "https://lms.example/jwks",
        "username_key": "email",
    },
    "ldap": {
        "server_address": "ldap.example",
        "bind_dn_template": ["uid={username},ou=people,dc=example"],
    },
}


def test_every_authenticator_has_an_example() -> None:
    assert set(GOOD) == set(CHOICES)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_good_options_are_taken(name: str) -> None:
    assert GOOD[name].items() <= checked(name, GOOD[name]).items()


@pytest.mark.parametrize("name", sorted(GOOD))
def test_forgotten_option_is_named(name: str) -> None:
    for key, option in CHOICES[name].options.items():
        if option.needed:
            with pytest.raises(SettingsError, match=f"{name} needs the option {key}: set it to"):
                checked(name, {other: value for other, value in GOOD[name].items() if other != key})


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("oauth", "token_url", "http://idp.example/token"),
        ("oauth", "token_url", "https://me:secret@idp.example/token"),
        ("oauth", "token_url", "https://[idp/"),
        ("oauth", "scope", []),
        ("oauth", "scope", ["a", 1]),
        ("oauth", "enable_pkce", "yes"),
        ("lti13", "client_id", "x"),
        ("ldap", "tls", "none"),
        ("ldap", "valid_username_regex", "["),
        ("ldap", "server_port", 0),
        ("ldap", "server_port", True),
        ("ldap", "bind_dn_template", ["uid=ada"]),
        ("ldap", "bind_dn_template", ["uid={username},{0}"]),
    ],
)
def test_unusable_option_is_named(name: str, key: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"option {key} of {name} is not usable: set it to"):
        checked(name, {**GOOD[name], key: value})


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("ldap", {"lookup_dn": True}, "lookup_dn of ldap needs user_search_base"),
        ("ldap", {"search_filter": "(x=y)"}, "search_filter of ldap needs user_search_base"),
        ("oauth", {"allowed_groups": ["a"]}, "allowed_groups of oauth needs auth_state_groups_key"),
    ],
)
def test_option_that_needs_another_says_so(name: str, more: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        checked(name, {**GOOD[name], **more})


def test_ldap_needs_a_way_to_find_users() -> None:
    with pytest.raises(SettingsError, match="needs one of the options bind_dn_template, lookup_dn"):
        checked("ldap", {"server_address": "ldap.example"})


@pytest.mark.parametrize(("name", "outcome"), [("github", True), ("google", False), ("native", False)])
def test_members_of_a_group_have_to_stay_members(name: str, outcome: bool) -> None:
    assert lets_others_in(name, GOOD[name]) is outcome
    settings = replace(SETTINGS, authenticator=name, authenticator_options=GOOD[name])
    assert days_logged_in(settings) == (1 if outcome else 14), "the provider is asked again at the next login"


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        (
            "google",
            {"hosted_domain": ["alpha.example", "students.alpha.example"], "strip_domain": True},
            "ann@alpha.example and ann@students.alpha.example the same name, ann.*: remove it",
        ),
        (
            "oauth",
            {"username_claim": "given_name"},
            "username_claim of oauth is given_name.*: set it to .*sub",
        ),
        ("oauth", {"username_claim": "displayName"}, "two people can have in common"),
        ("lti13", {"username_key": "custom_Family-Name"}, "username_key of lti13.*: set it to .*email"),
        ("ldap", {"user_attribute": "sn"}, "user_attribute of ldap.*: set it to .*uid"),
        ("ldap", {"bind_dn_template": ["uid={username},ou=a", "uid={username},ou=b"]}, "use lookup_dn"),
        (
            "ldap",
            {"lookup_dn_search_filter": "(uid={login}*)"},
            "another user's machine: compare the whole name",
        ),
        ("ldap", {"lookup_dn_search_filter": "(&(uid={login})(cn=a*))"}, "compare the whole name"),
        ("ldap", {"lookup_dn_search_filter": "({login_attr}~={login})"}, "compare the whole name"),
        ("ldap", {"lookup_dn_search_filter": "(objectClass=person)"}, "compare the whole name"),
    ],
)
def test_two_people_never_get_one_name(name: str, more: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        checked(name, {**GOOD[name], **more})


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("google", {"hosted_domain": ["alpha.example", "ALPHA.example"], "strip_domain": True}),
        ("google", {"hosted_domain": ["alpha.example", "beta.example"], "strip_domain": False}),
        ("oauth", {"username_claim": "sub"}),
        ("lti13", {"username_key": "custom_login_id"}),
        ("ldap", {"user_attribute": "sAMAccountName"}),
        ("ldap", {"lookup_dn_search_filter": "(&(objectClass=*)(|({login_attr}={login})(mail={login})))"}),
    ],
)
def test_names_of_ones_own_are_taken(name: str, more: dict[str, Any]) -> None:
    assert checked(name, {**GOOD[name], **more})
