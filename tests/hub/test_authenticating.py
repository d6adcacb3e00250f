"""Any authenticator, with one rule for names."""

from pathlib import Path
from typing import Any

import pytest
from tornado.web import HTTPError

from hub.authenticating import authenticator_class, read_users
from hub.errors import SettingsError

NO_PARTS: Any = None


def authenticator(name: str = "shared-password") -> Any:
    return authenticator_class(name, NO_PARTS)()


@pytest.mark.parametrize("name", ["shared-password", "dummy", "jupyterhub.auth.DummyAuthenticator"])
def test_names_are_normalised_and_refused_by_any_authenticator(name: str) -> None:
    found = authenticator(name)
    assert found.normalize_username("MU\u0308LLER") == "müller"
    assert found.validate_username("müller")
    with pytest.raises(HTTPError, match="character /"):
        found.validate_username("../müller")


async def test_refusal_is_told_only_to_who_knows_the_password() -> None:
    found = authenticator()
    found.user_password, found.allow_all = "user-password", True
    assert await found.get_authenticated_user(None, {"username": "a\u200bb", "password": "guessed"}) is None
    with pytest.raises(HTTPError, match=r"U\+200B"):
        await found.get_authenticated_user(None, {"username": "a\u200bb", "password": "user-password"})


def test_our_handlers_come_with_it() -> None:
    paths = [handler[0] for handler in authenticator().get_handlers(None)]
    assert r"/api/cloudjhub/drain" in paths
    assert r"/login" in paths


def test_unknown_authenticator_is_named() -> None:
    with pytest.raises(SettingsError, match="CLOUDJHUB_AUTHENTICATOR=nobody"):
        authenticator("nobody")


def test_users_file(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("# class of 2026\n\nAda\nbob the builder\nboss admin\n", encoding="utf-8")
    assert read_users(file) == ({"ada", "bob the builder", "boss"}, {"boss"})


def test_bad_line_in_the_users_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("ada\n../bob\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="line 2"):
        read_users(file)
