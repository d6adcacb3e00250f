"""The secrets of OAuth clients in JupyterHub's own provider."""

import pytest
from jupyterhub import orm
from jupyterhub.oauth import provider
from jupyterhub.utils import compare_token, new_token

from hub.config import tuning
from hub.identity import worker_token


@pytest.fixture
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "hash_token", provider.hash_token)
    tuning.hash_long_secrets_once()


@pytest.mark.usefixtures("_settled")
@pytest.mark.parametrize(
    ("secret", "rounds"),
    [
        (worker_token("key", "physics", "ada", "i-1"), "1"),
        (new_token(), "1"),
        ("x" * 31, "16384"),
        ("chosen by somebody", "16384"),
    ],
    ids=["a worker's", "JupyterHub's", "a little too short", "words"],
)
def test_only_secrets_that_somebody_may_have_chosen_are_hashed_many_times(secret: str, rounds: str) -> None:
    session = orm.new_session_factory("sqlite://")()
    server = provider.make_provider(lambda: session, "/", "/login")
    client = server.add_client("jupyterhub-user-ada", secret, "/user/ada/oauth_callback")
    assert client.secret.split(":")[:2] == ["sha512", rounds]
    assert compare_token(client.secret, secret)
    assert not compare_token(client.secret, secret[:-1] + "!")
    session.close()
    session.get_bind().dispose()
