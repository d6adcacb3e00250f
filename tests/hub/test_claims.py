"""What a provider says about a user, and whether it can be a user name."""

import logging
from typing import Any

import pytest
from tornado.web import HTTPError

from hub.login.claims import LaunchedName, claimed, other_claims

LOG = logging.getLogger(__name__)
MAIL = {"email": "ann@school.example"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("auth0|66c9f0d3aa", r"an id of your provider's, with \| in it"),
        ("google-oauth2|1098", r"with \| in it"),
        ("ann_gmail.com#EXT#@tenant.onmicrosoft.example", "cannot contain the character #"),
        ("http://cilogon.example/serverA/users/12345", "cannot contain the character /"),
        ("RIVERA LOPEZ Maria (XC-DX/EPE4)", "cannot contain the character /"),
        ("Maria Rivera", "a space in it"),
        ("DOMAIN\\\\ann", r"cannot contain the character \\"),
        (None, "It was not sent"),
        (["ann"], "It is not a text"),
        (True, "It is not a text"),
    ],
)
def test_what_is_not_a_user_name_is_refused_with_what_would_do(name: Any, words: str) -> None:
    with pytest.raises(HTTPError, match=words) as refused:
        claimed({"name": name, **MAIL}, "name", "username_claim", LOG)
    assert refused.value.status_code == 403
    assert "set login.options.username_claim to email" in str(refused.value)


@pytest.mark.parametrize("name", ["ann", "Ann.Lee@School.example", 1098, "S-40021"])
def test_what_can_be_a_user_name_is_taken(name: Any) -> None:
    assert claimed({"sub": name}, "sub", "username_claim", LOG) == str(name)


@pytest.mark.parametrize("verified", [False, "false"])
def test_an_address_that_may_be_another_persons_is_refused(verified: Any) -> None:
    with pytest.raises(HTTPError, match="has not verified this e-mail address"):
        claimed({**MAIL, "email_verified": verified}, "email", "username_claim", LOG)
    assert claimed({**MAIL, "email_verified": True}, "email", "username_claim", LOG) == MAIL["email"]


def test_only_claims_that_would_do_are_suggested() -> None:
    about = {"sub": "auth0|7", "name": "Ann", "upn": "a#EXT#@x.example", "preferred_username": "ann", **MAIL}
    assert other_claims(about, "sub") == ["preferred_username", "email"]
    assert other_claims({"sub": "auth0|7"}, "sub") == []


def test_a_platforms_number_is_not_taken_in_place_of_a_missing_claim() -> None:
    launched = LaunchedName(username_key="custom_number")
    custom = {"https://purl.imsglobal.org/spec/lti/claim/custom": {"number": "4711"}}
    assert launched.get_username({"sub": "42", **custom}) == "4711"
    with pytest.raises(HTTPError, match=r"It was not sent\..*username_key to email or sub"):
        launched.get_username({"sub": "42", **MAIL})
