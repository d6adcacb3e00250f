"""User names from what a provider says about a user: OAuth's claims and LTI's. Refused where they are no user names.

Loaded only when one of these authenticators is chosen.
"""

from collections.abc import Mapping
from typing import Any

from ltiauthenticator.lti13.auth import LTI13Authenticator
from ltiauthenticator.lti13.constants import LTI13_CUSTOM_CLAIM
from oauthenticator.generic import GenericOAuthenticator
from tornado import web

from hub.config.shared_names import is_of_many
from hub.users.names import name_problem, normalised

USUAL = (
    "preferred_username",
    "email",
    "upn",
    "unique_name",
    "login",
    "username",
    "eppn",
    "eduPersonPrincipalName",
    "sub",
)
"""Claims that are each user's own, from the most readable to the least."""
_OF_IDS = {
    "|": "It is an id of your provider's, with | in it.",
    " ": "It has a space in it, as names of persons have, which two people can share.",
}


class ClaimedName(GenericOAuthenticator):  # type: ignore[misc]  # it publishes no types
    """The package's own, but what is not a user name is refused."""

    def user_info_to_username(self, user_info: Mapping[str, Any]) -> str:
        """The name. Raises HTTPError 403 that says which claim would do."""
        if callable(self.username_claim):  # in an extra configuration
            return str(super().user_info_to_username(user_info))
        return claimed(user_info, self.username_claim, "username_claim", self.log)


class LaunchedName(LTI13Authenticator):  # type: ignore[misc]  # it publishes no types
    """The package's own, but what is not a user name is refused, and no other claim is taken in place of a missing one:
    a platform's number could be another user's name.
    """

    def get_username(self, token: Mapping[str, Any]) -> str:
        """The name. Raises HTTPError 403 that says which claim would do."""
        custom = {f"custom_{key}": value for key, value in token.get(LTI13_CUSTOM_CLAIM, {}).items()}
        return claimed({**token, **custom}, self.username_key, "username_key", self.log)


def claimed(about: Mapping[str, Any], claim: str, option: str, log: Any) -> str:
    """The name in a claim. Raises HTTPError 403 for its user; the log has what the administrator can change."""
    name, others = about.get(claim), other_claims(about, claim)
    hint = (
        f"set login.options.{option} to {' or '.join(others)}" if others else f"change login.options.{option}"
    )
    problem = claim_problem(name)
    if problem is None and claim == "email" and about.get("email_verified") in (False, "false"):
        problem = "Your provider has not verified this e-mail address, which may be another person's."
        hint = "the user has to verify it there"
    if problem:
        shown = f"{name!r:.100}" if name else "none"
        log.warning("the claim %s (%s) is not a user name: %s: %s", claim, shown, problem, hint)
        raise web.HTTPError(
            403,
            f"Your provider's {claim} ({shown}) cannot be a user name here. {problem} Administrator: {hint}.",
        )
    return str(name)


def claim_problem(name: Any) -> str | None:
    """Why a claim's value is refused as a user name, for its user; None if it is accepted. Pure."""
    if name is None or name == "":
        return "It was not sent."
    if not isinstance(name, str | int) or isinstance(name, bool):
        return "It is not a text."
    key = normalised(str(name))
    return name_problem(key) or next((why for mark, why in _OF_IDS.items() if mark in key), None)


def other_claims(about: Mapping[str, Any], claim: str) -> list[str]:
    """Claims that were sent, and could be the user name instead; the most readable first, at most two. Pure."""
    found = [
        one for one in USUAL if one != claim and not is_of_many(one) and claim_problem(about.get(one)) is None
    ]
    return found[:2]
