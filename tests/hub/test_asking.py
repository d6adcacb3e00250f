"""A provider is asked again: about members, about those who left, and while it does not answer."""

import asyncio
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub import orm
from oauthenticator.generic import GenericOAuthenticator
from oauthenticator.github import GitHubOAuthenticator
from tornado import web
from tornado.httpclient import HTTPClientError

from hub.config.authenticators import can_be_asked_again
from hub.login.asking import ASKED_AT, AskedAgain, Said, is_believed, is_trouble, verdict
from hub.users.handlers import SpawnPage
from tests.hub.provider import YES, Provider

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from hub.login.ldap import VerifiedLdap

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ALL = {"preferred_username": "ada", "groups": ["course", "seminar"]}


@pytest.fixture
def provider() -> Iterator[Provider]:
    """What says who a user is."""
    found = Provider("127.0.0.1")
    found.answers["/me"] = ALL
    yield found
    found.close()


class User:
    """One of JupyterHub's, with what a login left."""

    def __init__(self, asked_at: float | None = None, **token: str) -> None:
        self.name = "ada"
        self.db = orm.new_session_factory()()
        self.orm_user = orm.User(name=self.name)
        self.db.add(self.orm_user)
        self.db.commit()
        self.cookie_id = self.orm_user.cookie_id
        self.groups: Sequence[str] = ("course", "seminar")
        response = {"access_token": "t", "token_type": "bearer", **token}
        self.state: Any = {"token_response": response, **token, ASKED_AT: asked_at}
        self.spawners: dict[str, Any] = {}

    async def get_auth_state(self) -> Any:
        return self.state

    async def save_auth_state(self, state: Any) -> None:
        self.state = state

    def sync_groups(self, groups: Sequence[str]) -> None:
        self.groups = groups

    @property
    def is_logged_in(self) -> bool:
        return bool(self.orm_user.cookie_id == self.cookie_id)


def oauth(provider: Provider, **more: Any) -> Any:
    made = type("Asked", (AskedAgain, GenericOAuthenticator), {})
    options = {
        "enable_auth_state": True,
        "userdata_url": f"{provider.url}/me",
        "token_url": f"{provider.url}/token",
        "username_claim": "preferred_username",
        "auth_state_groups_key": "oauth_user.groups",
        "manage_groups": True,
        "allowed_groups": {"course"},
        "http_request_kwargs": {"connect_timeout": 5, "request_timeout": 5},
    }
    return made(**{**options, **more})


async def test_a_member_stays_and_has_the_groups_of_now(provider: Provider) -> None:
    found, user = oauth(provider), User()
    provider.answers["/me"] = {**ALL, "groups": ["course", "thesis"]}
    said = await found.refresh_user(user)
    assert said["groups"] == ["course", "thesis"]
    assert user.state[ASKED_AT] == said["auth_state"][ASKED_AT] > 0
    assert (found.put_out, user.is_logged_in) == (set(), True)


async def test_who_left_the_group_is_logged_out_and_comes_back_by_a_login(provider: Provider) -> None:
    found, user = oauth(provider), User(datetime.now(UTC).timestamp())
    provider.answers["/me"] = {**ALL, "groups": ["seminar"]}
    assert await found.refresh_user(user) is False
    assert (found.put_out, user.groups, user.is_logged_in) == ({"ada"}, ["seminar"], False)
    found.confirmed({"name": "ada"}, NOW)
    assert found.put_out == set()


async def test_a_user_on_the_list_needs_no_group(provider: Provider) -> None:
    provider.answers["/me"] = {**ALL, "groups": []}
    found, user = oauth(provider, allowed_users={"ada"}), User()
    assert (await found.refresh_user(user))["groups"] == []
    assert user.is_logged_in


async def test_tokens_of_another_person_are_worth_nothing(provider: Provider) -> None:
    provider.answers["/me"] = {**ALL, "preferred_username": "mallory"}
    assert await oauth(provider).refresh_user(User(datetime.now(UTC).timestamp())) is False


@pytest.mark.parametrize("status", [401, 403])
async def test_with_tokens_that_have_expired_only_a_login_helps(provider: Provider, status: int) -> None:
    provider.refusals["/me"] = status
    found, user = oauth(provider), User(datetime.now(UTC).timestamp())
    assert await found.refresh_user(user) is False
    assert (found.put_out, user.is_logged_in) == (set(), True), "nothing was said about the groups"


@pytest.mark.parametrize(("age", "outcome"), [(timedelta(hours=1), True), (timedelta(days=2), False)])
@pytest.mark.parametrize("path", ["/me", "/token"])
async def test_while_the_provider_is_down_its_last_answer_counts_for_a_day(
    provider: Provider, path: str, age: timedelta, outcome: bool
) -> None:
    user = User((datetime.now(UTC) - age).timestamp(), refresh_token="r")
    provider.refusals = {"/me": 401, path: 503}
    assert await oauth(provider).refresh_user(user) is outcome
    assert user.is_logged_in


async def test_requests_at_the_same_time_use_a_refresh_token_once(provider: Provider) -> None:
    user = User(refresh_token="first")
    fresh = {"access_token": "u", "token_type": "bearer", "refresh_token": "second"}
    provider.answers["/token"] = fresh
    found = oauth(provider)
    asked = 0

    async def token_to_user(token: Any) -> Any:
        nonlocal asked
        asked += 1
        if token["access_token"] == "t":
            raise HTTPClientError(401 if asked == 1 else 500)
        return ALL

    found.token_to_user = token_to_user
    said = await asyncio.gather(*(found.refresh_user(user) for _ in range(5)))
    assert [one["groups"] for one in said] == [ALL["groups"]] * 5
    assert [form["refresh_token"] for path, _, form in provider.asked if path == "/token"] == ["first"]
    assert user.state["refresh_token"] == "second"


@pytest.mark.parametrize(
    ("answer", "status", "outcome"),
    [(YES, 0, "stays"), (None, 404, "out"), (None, 500, "stays"), (None, 429, "stays")],
)
async def test_githubs_organization_is_asked_again(
    provider: Provider, answer: Any, status: int, outcome: str
) -> None:
    made = type("Asked", (AskedAgain, GitHubOAuthenticator), {})
    found = made(
        enable_auth_state=True,
        github_api=f"{provider.url}",
        userdata_url=f"{provider.url}/user",
        allowed_organizations={"school"},
    )
    provider.answers |= {
        "/user": {"login": "ada", "email": "a@x.example"},
        "/orgs/school/members/ada": answer,
    }
    provider.refusals["/orgs/school/members/ada"] = status
    user = User(datetime.now(UTC).timestamp())
    assert bool(await found.refresh_user(user)) is (outcome == "stays")
    assert user.is_logged_in is (outcome == "stays")


class Connection:
    """A directory's answers to searches, by where they search."""

    def __init__(self, found: dict[str, set[str]]) -> None:
        self._found = found
        self.entries: list[Any] = []

    def search(self, base: str, wanted: str, *_: Any, **__: Any) -> bool:
        return base in self._found and (wanted == "(objectClass=*)" or "ada" in self._found[base])

    def unbind(self) -> None:
        """Ends it."""


@pytest.mark.parametrize(
    ("groups", "dn", "outcome"),
    [
        ({"cn=a": {"ada"}, "cn=b": set()}, "uid=ada", "stays"),
        ({"cn=a": set(), "cn=b": set()}, "uid=ada", "out"),
        ({"cn=a": {"ada"}}, "uid=ada", "believed"),
        ({}, None, "login"),
        (None, None, "believed"),
    ],
    ids=["a member", "a member no more", "a group that cannot be seen", "no such user", "account refused"],
)
async def test_a_directory_is_asked_by_its_account_for_searches(groups: Any, dn: Any, outcome: str) -> None:
    made: Any = type("Asked", (AskedAgain, VerifiedLdap), {})
    found = made(
        enable_auth_state=True, server_address="127.0.0.1", lookup_dn=True, allowed_groups=["cn=a", "cn=b"]
    )
    found.get_connection = lambda *_, **__: None if groups is None else Connection(groups)
    found.resolve_username = lambda _: (dn and "ada", dn)
    user = User(datetime.now(UTC).timestamp())
    said = await found.refresh_user(user)
    assert bool(said) is (outcome in ("stays", "believed"))
    assert isinstance(said, dict) is (outcome == "stays")
    assert ("ada" in found.put_out) is (outcome == "out")


async def test_without_an_account_for_searches_a_directory_is_not_asked() -> None:
    made: Any = type("Asked", (AskedAgain, VerifiedLdap), {})
    assert await made(server_address="127.0.0.1").refresh_user(SimpleNamespace(name="ada")) is True


class Asking:
    """JupyterHub's part of a page: what it says of a user whom the provider was asked about."""

    def __init__(self, *, found: bool, is_allowed: bool, is_own: bool) -> None:
        self.user = SimpleNamespace(name="ada")
        self._found = found
        self.current_user = self.user if is_own else SimpleNamespace(name="teacher")
        self.authenticator = SimpleNamespace(can_log_in=lambda _: is_allowed)
        self.logged_out = False

    async def refresh_auth(self, user: Any, force: bool) -> Any:
        return user if self._found or self.current_user is not user else None

    def clear_login_cookie(self) -> None:
        self.logged_out = True


def page(**of: bool) -> Any:
    mixin = SpawnPage.__mro__[1]
    return type("Page", (mixin, Asking), {})(**of)


@pytest.mark.parametrize("is_own", [True, False])
async def test_no_user_starts_the_server_of_a_user_who_is_out(is_own: bool) -> None:
    asked = page(found=False, is_allowed=False, is_own=is_own)
    with pytest.raises(web.HTTPError, match="ada may not use this hub any more"):
        await asked.refresh_auth(asked.user, True)


async def test_who_has_to_log_in_again_is_told_and_gets_to_the_login() -> None:
    asked = page(found=False, is_allowed=True, is_own=True)
    with pytest.raises(web.HTTPError, match="Log in again"):
        await asked.refresh_auth(asked.user, True)
    assert asked.logged_out
    assert await asked.refresh_auth(asked.user, False) is None, "JupyterHub leads to the login by itself"


async def test_a_teacher_starts_the_server_of_a_user_whose_tokens_have_expired() -> None:
    asked = page(found=False, is_allowed=True, is_own=False)
    assert await asked.refresh_auth(asked.user, True) is asked.user


@pytest.mark.parametrize(
    ("found", "allowed", "troubles", "said"),
    [
        (True, True, False, Said.MEMBER),
        (True, True, True, Said.MEMBER),
        (True, False, False, Said.GONE),
        (True, False, True, Said.NOTHING),
        (False, True, False, Said.LOGIN),
        (False, True, True, Said.NOTHING),
    ],
)
def test_verdict(found: bool, allowed: bool, troubles: bool, said: Said) -> None:
    assert verdict(found=found, allowed=allowed, troubles=troubles) is said


@pytest.mark.parametrize(
    ("asked_at", "outcome"),
    [(0, True), (86400, True), (86401, False), (-1, False), (None, False), ("0", False), (True, False)],
)
def test_an_answer_is_believed_for_a_day(asked_at: Any, outcome: bool) -> None:
    ago = NOW.timestamp() - asked_at if type(asked_at) is int else asked_at
    assert is_believed(ago, NOW) is outcome


@pytest.mark.parametrize(
    ("status", "outcome"), [(200, False), (404, False), (429, True), (503, True), (599, True)]
)
def test_statuses_that_say_nothing_about_a_user(status: int, outcome: bool) -> None:
    assert is_trouble(status) is outcome


@pytest.mark.parametrize(
    ("name", "options", "outcome"),
    [
        ("github", {"allowed_organizations": ["a"]}, True),
        ("github", {}, False),
        ("google", {"hosted_domain": ["a.example"]}, False),
        ("oauth", {"auth_state_groups_key": "g"}, True),
        ("oauth", {}, False),
        ("ldap", {"allowed_groups": ["a"], "lookup_dn": True, "lookup_dn_search_user": "cn=s"}, True),
        ("ldap", {"allowed_groups": ["a"], "bind_dn_template": ["{username}"]}, False),
        ("lti13", {}, False),
        ("native", {}, False),
    ],
)
def test_who_can_be_asked_again(name: str, options: dict[str, Any], outcome: bool) -> None:
    assert can_be_asked_again(name, options) is outcome
