"""Any authenticator, with one rule for names."""

from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub import orm
from tornado.web import HTTPError

from hub.errors import SettingsError
from hub.login.authenticator import authenticator_class
from hub.users.names import People
from hub.users.operator_settings import set_people
from tests.hub.fakes import SETTINGS

PEOPLE = People(frozenset({"ada", "boss"}), frozenset({"boss"}), frozenset({"bob"}))


STRANGER = SimpleNamespace(
    request=SimpleNamespace(remote_ip="192.0.2.7"), get_secure_cookie=lambda *_, **__: None
)
"""The request of a browser in which no user has logged in."""


def parts() -> Any:
    """What the authenticator needs of the hub's parts; the list is not followed."""
    operator = SimpleNamespace(people=PEOPLE, follow=id)
    return SimpleNamespace(
        settings=SETTINGS, operator=operator, reader=None, pages=None, keeps=None, policies=None, changes=None
    )


def authenticator(name: str = "shared-password") -> Any:
    found = authenticator_class(name, parts())()
    set_people(found, PEOPLE)
    return found


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
    assert (
        await found.get_authenticated_user(STRANGER, {"username": "a\u200bb", "password": "guessed"}) is None
    )
    with pytest.raises(HTTPError, match=r"U\+200B"):
        await found.get_authenticated_user(STRANGER, {"username": "a\u200bb", "password": "user-password"})


def test_our_handlers_come_with_it() -> None:
    session = orm.new_session_factory()()
    app = SimpleNamespace(db=session, service_tokens={})
    paths = [handler[0] for handler in authenticator().get_handlers(app)]
    session.close()
    session.get_bind().dispose()
    assert r"/api/cloudjhub/drain" in paths
    assert r"/login" in paths


def test_unknown_authenticator_is_named() -> None:
    with pytest.raises(SettingsError, match=r"login\.authenticator: JupyterHub has no authenticator missing"):
        authenticator("missing")


async def test_removed_user_is_refused_and_logged_out() -> None:
    found = authenticator()
    found.user_password, found.allow_all = "user-password", True
    for name, outcome in (("ada", "ada"), ("bob", None), ("visitor", "visitor")):
        said = await found.get_authenticated_user(STRANGER, {"username": name, "password": "user-password"})
        assert (said and said["name"]) == outcome
        assert await found.refresh_user(SimpleNamespace(name=name)) is (outcome is not None)


@pytest.mark.parametrize(
    ("name", "is_admin"), [("boss", True), ("ada", False), ("promoted-in-the-hub", None)]
)
def test_list_decides_who_of_those_on_it_is_an_administrator(name: str, is_admin: bool | None) -> None:
    assert authenticator().is_admin(None, {"name": name}) is is_admin


def test_changed_list_leaves_those_allowed_whom_an_administrator_added() -> None:
    found = authenticator()
    found.allowed_users.add("added-in-the-hub")
    set_people(found, People(frozenset({"boss", "new"}), frozenset({"new"}), frozenset({"ada"})), PEOPLE)
    assert found.allowed_users == {"boss", "new", "added-in-the-hub"}
    assert (found.admin_users, found.blocked_users) == ({"new"}, {"ada"})


def test_a_map_that_gives_two_people_one_name_is_refused() -> None:
    made = authenticator_class("shared-password", parts())
    assert made(username_map={"ann@a.example": "ann", "ann@b.example": "ann-b"})
    with pytest.raises(SettingsError, match=r"gives ann@a\.example and ann@b\.example the name ann"):
        made(username_map={"ann@a.example": "ann", "ann@b.example": "Ann"})
