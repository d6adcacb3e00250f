"""Options by which two people would get the same user name, and with it one machine and one home. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hub.errors import SettingsError

# Without capitals, hyphens and underscores: OpenID Connect's claims and LDAP's attributes, and what others call them.
_NAMES = "name fullname displayname commonname givenname firstname familyname lastname surname sn middlename nickname"
_OTHERS = "initials locale zoneinfo gender birthdate profile picture title department company organization groups roles"
_ABOUT_THE_LOGIN = "hd tid iss aud azp emailverified acr amr"
_OF_MANY = frozenset(f"{_NAMES} {_OTHERS} {_ABOUT_THE_LOGIN}".split())
_ONE_LOGIN = re.compile(r"(?<![~<>:])=\{login\}\)")


def refuse_shared_names(name: str, options: Mapping[str, Any]) -> None:
    """Raises SettingsError that names the option of this authenticator, the reason and the way out."""
    for problem in _problems(name, options):
        raise SettingsError(problem)


def is_of_many(claim: str) -> bool:
    """Can two people have the same value of this claim or attribute?"""
    return "".join(filter(str.isalnum, claim.casefold().removeprefix("custom_"))) in _OF_MANY


def refuse_shared_map(username_map: Mapping[str, str]) -> None:
    """Raises SettingsError if JupyterHub's `username_map` gives two people one name."""
    seen: dict[str, str] = {}
    for given, name in username_map.items():
        other = seen.setdefault(name, given)
        if other != given:
            raise SettingsError(
                f"username_map gives {other} and {given} the name {name}, so they would share a machine and its files:"
                " give each a name of their own"
            )


def _problems(name: str, options: Mapping[str, Any]) -> Iterator[str]:
    match name:
        case "google":
            yield from _domains(options)
        case "oauth":
            yield from _claim(name, options, "username_claim", "sub, preferred_username or email")
        case "lti13":
            yield from _claim(name, options, "username_key", "email or sub")
        case "ldap":
            yield from _claim(name, options, "user_attribute", "uid or sAMAccountName")
            yield from _directory(options)


def _domains(options: Mapping[str, Any]) -> Iterator[str]:
    domains = list(dict.fromkeys(domain.casefold() for domain in options.get("hosted_domain", ())))
    if options.get("strip_domain") and len(domains) > 1:
        both = " and ".join(f"ann@{domain}" for domain in domains[:2])
        yield (
            f"option strip_domain of google gives {both} the same name, ann, so they would share a machine and its"
            " files: remove it, and users are named by their addresses; or keep to one hosted_domain"
        )


def _claim(name: str, options: Mapping[str, Any], key: str, others: str) -> Iterator[str]:
    claim = options.get(key, "")
    if is_of_many(claim):
        yield (
            f"option {key} of {name} is {claim}, which two people can have in common; they would share a machine and"
            f" its files: set it to one that is each user's own, like {others}"
        )


def _directory(options: Mapping[str, Any]) -> Iterator[str]:
    templates = set(options.get("bind_dn_template", ()))
    if len(templates) > 1:
        yield (
            "option bind_dn_template of ldap has several templates: the same name in two of these branches can be two"
            " people, who would share a machine and its files: keep to one, or use lookup_dn with a user_search_base"
            " above both, which refuses a name that is there twice"
        )
    searched = options.get("lookup_dn_search_filter", "")
    is_exact = searched.count("{login}") == len(_ONE_LOGIN.findall(searched)) > 0
    if searched and not (is_exact and "*" not in searched.replace("=*)", "")):
        yield (
            "option lookup_dn_search_filter of ldap finds users by a part of a name or by none, so whoever logs in"
            " could get another user's machine: compare the whole name, as in ({login_attr}={login})"
        )
