"""What keeps links to other users' servers out of JupyterHub's handlers. The rest is attacked in a scenario."""

from types import SimpleNamespace
from typing import Any

import pytest
from oauthenticator.oauth2 import OAuthCallbackHandler

from hub.login.isolation import follow_own_links

ADA = SimpleNamespace(name="ada")


class Login:
    """A handler, as far as its `next` goes."""

    hub = SimpleNamespace(base_url="/hub/")
    current_user = None

    def get_next_url(self, user: Any = None, default: str | None = None) -> str:
        return default or "/user/mallory/login"


class Callback(Login):
    """One that overrides it, as those of authenticators do."""

    def get_next_url(self, user: Any = None, default: str | None = None) -> str:
        return super().get_next_url(user, default)


def test_a_next_to_another_users_server_is_dropped_wherever_it_is_read() -> None:
    follow_own_links(Callback)  # type: ignore[arg-type]  # as far as it goes
    for handler in (Login(), Callback()):
        assert handler.get_next_url(ADA) == "/hub/home"
        assert handler.get_next_url(SimpleNamespace(name="mallory")) == "/user/mallory/login"
        assert handler.get_next_url(ADA, default="/user/bob/") == "/user/bob/", (
            "an administrator's own choice"
        )
    follow_own_links(Callback)  # type: ignore[arg-type]  # a second time changes nothing
    assert Callback().get_next_url() == "/user/mallory/login", "before there is a user nothing is followed"


def test_the_state_of_a_login_by_oauth_is_one_of_these_places(monkeypatch: pytest.MonkeyPatch) -> None:
    class Returning(OAuthCallbackHandler):  # type: ignore[misc]  # the package publishes no types
        hub = SimpleNamespace(base_url="/hub/")
        current_user = None

        def __init__(self) -> None:
            """Without a request."""

        def get_state_cookie(self) -> str:
            return "state"

    monkeypatch.setattr(
        "oauthenticator.oauth2._deserialize_state", lambda _: {"next_url": "/user/mallory/login"}
    )
    assert Returning().get_next_url(ADA) == "/user/mallory/login"
    follow_own_links(Returning)
    assert Returning().get_next_url(ADA) == "/hub/home"
