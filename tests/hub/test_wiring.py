"""Secrets: what is missing is named, and nothing is shown."""

from dataclasses import replace
from typing import Any

import pytest

from hub.errors import SettingsError
from hub.wiring import secrets_in
from tests.hub.fakes import SETTINGS, refusal

GOOD = {
    "/cloudjhub/test/lifecycle-token": "token",
    "/cloudjhub/test/hub/operator-token": "operator",
    "/cloudjhub/test/hub/worker-token-key": "key",
    "/cloudjhub/test/hub/cookie-secret": "ab" * 32,
    "/cloudjhub/test/hub/proxy-token": "proxy",
    "/cloudjhub/test/hub/user-password": "user-password",
    "/cloudjhub/test/hub/admin-password": "admin-password",
}


class FakeSSM:
    """A Parameter Store."""

    def __init__(self, values: dict[str, str], error: Exception | None = None) -> None:
        self._values = values
        self._error = error

    def get_parameters(self, Names: list[str], WithDecryption: bool) -> dict[str, Any]:  # noqa: N803 -- boto3's own names
        assert WithDecryption
        if self._error:
            raise self._error
        return {
            "Parameters": [{"Name": one, "Value": self._values[one]} for one in Names if one in self._values]
        }


def read(values: dict[str, str], settings: Any = SETTINGS) -> Any:
    ssm: Any = FakeSSM(values)
    return secrets_in(ssm, settings)


def test_secrets_are_read_and_never_shown() -> None:
    secrets = read(GOOD)
    assert secrets.cookie_secret == b"\xab" * 32
    assert secrets.user_password == "user-password"
    assert not any(value in repr(secrets) for value in GOOD.values())


@pytest.mark.parametrize("name", sorted(GOOD))
def test_missing_one_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize(
    ("name", "options", "own"),
    [
        ("native", {}, {"hub/sign-up-key"}),
        ("github", {}, {"hub/client-secret"}),
        ("oauth", {}, {"hub/client-secret"}),
        ("lti13", {}, set()),
        ("ldap", {"lookup_dn": True}, set()),
        ("ldap", {"lookup_dn_search_user": "cn=hub"}, {"hub/ldap-password"}),
        ("another", {}, set()),
    ],
)
def test_only_what_the_authenticator_needs_is_read(name: str, options: dict[str, Any], own: set[str]) -> None:
    settings = replace(SETTINGS, authenticator=name, authenticator_options=options)
    needed = {key: value for key, value in GOOD.items() if "password" not in key}
    extra = {f"/cloudjhub/test/{one}": f"value of {one}" for one in own}
    found = read({**needed, **extra}, settings)
    assert (found.user_password, set(found.of_authenticator)) == ("", own)
    assert "value of" not in repr(found)
    for one in own:
        with pytest.raises(SettingsError, match=one):
            read(needed, settings)


@pytest.mark.parametrize("value", ["not hex", "abcd"])
def test_cookie_secret_has_to_be_one(value: str) -> None:
    with pytest.raises(SettingsError, match=r"cookie-secret.*hexadecimal"):
        read({**GOOD, "/cloudjhub/test/hub/cookie-secret": value})


def test_store_that_refuses_is_told() -> None:
    ssm: Any = FakeSSM(GOOD, refusal("AccessDeniedException"))
    with pytest.raises(SettingsError, match="AccessDenied"):
        secrets_in(ssm, SETTINGS)
