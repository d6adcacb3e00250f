"""Servers' tokens: which one a start uses, how long it is valid, and what removes it."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub import orm

from hub.spawn import tokens
from hub.spawn.planning import Known
from hub.spawn.tokens import LIFETIME, End, Grant, grant_in, is_revoked, next_grant
from hub.users.sessions import end_sessions
from hub.users.tokens import MOST_TOKENS, STOPPED_BY, TokenKeeper
from lifecycle_app.model.worker import State
from tests.hub.fakes import NOON
from tests.hub.test_spawner import FRESH, RUNNING, Case, Cases
from tests.hub.test_spawner import cases as cases

OLD = Grant(instance_id="i-1", nonce="old", until=NOON + LIFETIME, scopes=("self",))
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize("is_fresh", [True, False])
@pytest.mark.parametrize("grant", [None, OLD])
def test_another_instance_gets_another_token(grant: Grant | None, is_fresh: bool) -> None:
    found = next_grant(grant, "i-2", NOON, is_fresh=is_fresh, is_registered=True)
    assert (found.instance_id, found.until) == ("i-2", NOON + LIFETIME)
    assert len(found.nonce) == 32


@pytest.mark.parametrize(
    ("end", "is_fresh", "is_registered", "keeps"),
    [
        (End.NONE, False, True, True),  # the hub was killed during the start
        (End.NONE, True, True, True),  # and the record still says that the instance is stopped
        (End.NONE, False, False, False),  # revoked
        (End.STOPPED, False, False, True),  # released, but its instance runs on
        (End.STOPPED, True, False, False),  # another boot
        (End.FAILED, True, False, True),  # the start before may have booted it, with this token
    ],
)
def test_a_boot_keeps_its_token_and_no_other_does(
    end: End, is_fresh: bool, is_registered: bool, keeps: bool
) -> None:
    grant = Grant(instance_id="i-1", nonce="old", until=NOON + LIFETIME, end=end)
    found = next_grant(grant, "i-1", NOON, is_fresh=is_fresh, is_registered=is_registered)
    assert ((found.nonce == "old"), found.end) == (keeps, End.NONE)


def test_a_token_that_expired_was_not_revoked() -> None:
    """As after a hub that was down for long: JupyterHub removes what has expired."""
    assert is_revoked(OLD, NOON + LIFETIME - SECOND, is_registered=False)
    assert not is_revoked(OLD, NOON + LIFETIME, is_registered=False)
    assert is_revoked(Grant(instance_id="i-1"), NOON, is_registered=False), "an earlier one, without an end"


def test_a_grant_survives_in_the_state_and_earlier_servers_have_one() -> None:
    assert grant_in({"token": OLD.to_state()}) == OLD
    assert grant_in({"instance_id": "i-1"}) == Grant(instance_id="i-1")
    assert grant_in({}) is None


def is_valid(case: Case, token: str) -> bool:
    return orm.APIToken.find(case.db, token) is not None


def stop(case: Case) -> None:
    """As JupyterHub does once a server is stopped."""
    case.spawner.run_post_stop_hook()
    case.spawner.clear_state()
    case.spawner.orm_spawner.state = case.spawner.get_state()


def start_again(case: Case, *outcomes: Known | Exception) -> Any:
    """A start as JupyterHub makes it, after a restart of the hub or not."""
    case.protocol.outcomes += outcomes
    case.spawner.api_token = case.spawner.user.orm_user.new_api_token(
        scopes=["users:activity!user=ada"], note="Server at /user/ada/"
    )
    return case.spawner.start()


async def test_a_stopped_servers_token_is_gone_and_does_not_come_back(cases: Cases) -> None:
    case = cases(FRESH)
    await case.spawner.start()
    first = case.spawner.api_token
    stop(case)
    assert not is_valid(case, first)
    assert case.db.query(orm.APIToken).filter(orm.APIToken.note.startswith("Server")).all() == []
    await start_again(case, FRESH)
    assert is_valid(case, case.spawner.api_token)
    assert not is_valid(case, first)


async def test_a_released_server_that_runs_on_gets_its_own_token_back(cases: Cases) -> None:
    case = cases(FRESH)
    await case.spawner.start()
    first = case.spawner.api_token
    stop(case)
    case.workers.fetch = lambda: None  # its server runs on
    await start_again(case, RUNNING)
    assert case.spawner.api_token == first
    assert is_valid(case, first)
    assert case.stops.sent == []


async def test_a_new_instance_ends_the_token_of_the_old_one(cases: Cases) -> None:
    """Without a stop in between: the old one was terminated while the hub was down."""
    case = cases(FRESH)
    await case.spawner.start()
    first = case.spawner.api_token
    new = Known(instance_id="i-00000002", state=State.PENDING, address="127.77.1.5", is_fresh=True)
    await start_again(case, new)
    assert not is_valid(case, first)
    assert is_valid(case, case.spawner.api_token)


async def test_a_revoked_token_does_not_come_back_and_its_machine_is_started_again(cases: Cases) -> None:
    """Its server runs, and answers, with a token that is worth nothing."""
    case = cases(FRESH)
    await case.spawner.start()
    first = case.spawner.api_token
    revoke(case, first)
    stop(case)
    case.workers.fetch = lambda: None
    case.protocol.looks = [RUNNING, Known(instance_id="i-00000001", state=State.STOPPED, address=None)]
    starting = asyncio.ensure_future(start_again(case, RUNNING, FRESH))
    while not case.stops.sent:
        await asyncio.sleep(0.01)
    assert case.spawner.given_up == "i-00000001"
    case.workers.fetch = case.fetch
    await starting
    assert [one[:3] for one in case.stops.sent] == [
        ("ada", "i-00000001", "the hub, because the token of its server is not valid")
    ]
    assert not is_valid(case, first)
    assert is_valid(case, case.spawner.api_token)


async def test_an_environment_waits_for_its_token(cases: Cases) -> None:
    case = cases(FRESH)
    assert not case.spawner.is_token_ready
    await case.spawner.start()
    assert case.spawner.is_token_ready
    given = case.spawner.launch_environment()["env"]["JUPYTERHUB_API_TOKEN"]
    assert case.spawner.launch_environment()["env"]["JUPYTERHUB_API_TOKEN"] == given, "asked again"
    revoke(case, given)
    assert not case.spawner.is_token_ready


async def test_a_server_that_ends_takes_its_oauth_client_and_browsers_tokens_along(cases: Cases) -> None:
    case = cases(FRESH)
    await case.spawner.start()
    browsers = given_to_a_browser(case)
    stop(case)
    assert not is_valid(case, browsers)
    assert case.db.query(orm.OAuthClient).filter_by(identifier="jupyterhub-user-ada").all() == []


def given_to_a_browser(case: Case) -> str:
    client = orm.OAuthClient(identifier=case.spawner.oauth_client_id, allowed_scopes=["self"])
    case.db.add(client)
    case.spawner.orm_spawner.oauth_client = client
    case.db.commit()
    token: str = case.spawner.user.orm_user.new_api_token(oauth_client=client, scopes=["self"])
    return token


def revoke(case: Case, token: str) -> None:
    """As the page of tokens does."""
    case.db.delete(orm.APIToken.find(case.db, token))
    case.db.commit()


class Keeping:
    """A keeper over the case's one server, which is active."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.stopped: list[tuple[str, str]] = []
        user = case.spawner.user
        user.stop = self.stop
        app = SimpleNamespace(
            users={"ada": user}, db=case.db, proxy=SimpleNamespace(delete_user=self.delete_user)
        )
        self.keeper = TokenKeeper(app, case.parts)

    async def delete_user(self, _user: Any, _server: str) -> None:
        """The route is gone."""

    async def stop(self, server: str) -> None:
        self.stopped.append((server, self.case.spawner.stop_requested_by))

    async def tidy_for(self, total: timedelta, every: timedelta) -> Sequence[bool]:
        """Was the server's token valid, each time before the keeper came?"""
        found = []
        for _ in range(int(total / every)):
            self.case.time += every
            orm.APIToken.purge_expired(self.case.db)
            found.append(is_valid(self.case, self.case.spawner.api_token))
            await self.keeper.tidy()
        return found


async def started(case: Case) -> Keeping:
    await case.spawner.start()
    case.spawner._start_pending = case.spawner._spawn_pending = False
    return Keeping(case)


async def test_a_machine_that_runs_for_weeks_keeps_its_token(cases: Cases) -> None:
    keeping = await started(cases(FRESH))
    token = keeping.case.spawner.api_token
    assert all(await keeping.tidy_for(30 * DAY, HOUR))
    assert keeping.case.spawner.api_token == token
    assert keeping.stopped == []


async def test_a_token_that_is_not_renewed_expires(cases: Cases) -> None:
    keeping = await started(cases(FRESH))
    keeping.case.time += LIFETIME - SECOND
    assert is_valid(keeping.case, keeping.case.spawner.api_token)
    keeping.case.time += 2 * SECOND
    assert not is_valid(keeping.case, keeping.case.spawner.api_token)


async def test_a_server_that_outlived_a_hub_that_was_down_is_kept(cases: Cases) -> None:
    """It runs: its token, which expired meanwhile, is made valid again with the same scopes."""
    keeping = await started(cases(FRESH))
    assert await keeping.tidy_for(5 * DAY, 5 * DAY) == [False]
    found = orm.APIToken.find(keeping.case.db, keeping.case.spawner.api_token)
    assert found.scopes == ["users:activity!user=ada"]
    assert keeping.stopped == []


async def test_a_server_whose_token_is_revoked_is_stopped_and_named(cases: Cases) -> None:
    keeping = await started(cases(FRESH))
    await keeping.keeper.tidy()
    assert keeping.stopped == []
    revoke(keeping.case, keeping.case.spawner.api_token)
    await keeping.keeper.tidy()
    assert keeping.stopped == [("", STOPPED_BY)]
    await keeping.case.spawner.stop()
    assert keeping.case.stops.sent == [("ada", "i-00000001", STOPPED_BY, NOON)]


async def test_a_replaced_key_ends_every_token_and_its_server(cases: Cases) -> None:
    """The hub is restarted with it: the rows of the old key are removed."""
    keeping = await started(cases(FRESH))
    case, old = keeping.case, keeping.case.spawner.api_token
    case.parts.token_key = "another key"
    case.spawner.load_state(case.spawner.get_state())
    await keeping.keeper.tidy()
    assert not is_valid(case, old)
    assert keeping.stopped == [("", STOPPED_BY)]


async def test_what_ended_servers_left_is_removed(cases: Cases) -> None:
    """Tokens of another instance, of a server that does not run, and browsers' tokens for it."""
    keeping = await started(cases(FRESH))
    case = keeping.case
    user = case.spawner.user.orm_user
    left = [user.new_api_token("f" * 64, note=tokens.NOTE + key, scopes=["self"]) for key in ("ada",)]
    left.append(user.new_api_token("e" * 64, note=tokens.NOTE + "ada/gone", scopes=["self"]))
    own = user.new_api_token(note="my script", scopes=["self"])
    browsers = given_to_a_browser(case)
    await keeping.keeper.tidy()
    assert [is_valid(case, one) for one in (*left, own, browsers)] == [False, False, True, True]
    assert is_valid(case, case.spawner.api_token)
    case.spawner.server = None
    await keeping.keeper.tidy()
    assert not is_valid(case, browsers)
    assert not is_valid(case, case.spawner.api_token)


async def test_of_more_than_a_thousand_tokens_of_a_user_the_oldest_are_removed(cases: Cases) -> None:
    keeping = await started(cases(FRESH))
    case, user = keeping.case, keeping.case.spawner.user.orm_user
    other = orm.User(name="bob")
    case.db.add(other)
    case.db.commit()
    made = [f"{number:064}" for number in range(MOST_TOKENS + 3)]
    for owner, token in [*((user, one) for one in made), (other, "b" * 64)]:
        case.db.add(orm.APIToken(user=owner, note="", prefix=token[-6:], hashed=token))
    case.db.commit()
    await keeping.keeper.tidy()
    count = case.db.query(orm.APIToken).filter_by(user_id=user.id, note="").count()
    oldest = case.db.query(orm.APIToken).filter_by(user_id=user.id, note="").order_by(orm.APIToken.id).first()
    assert (count, oldest.prefix) == (MOST_TOKENS, made[3][-6:])
    assert len(other.api_tokens) == 1
    assert is_valid(case, case.spawner.api_token)
    assert keeping.stopped == []


async def test_a_removed_user_has_no_token_and_none_comes_back(cases: Cases) -> None:
    case = cases(FRESH)
    await case.spawner.start()
    user = case.spawner.user.orm_user
    own = user.new_api_token(note="my script", scopes=["self"])
    first = case.spawner.api_token
    stop(case)
    end_sessions(case.db, user)
    tokens.forget_grants(case.db, user)
    assert user.api_tokens == []
    case.spawner.load_state(case.spawner.orm_spawner.state)
    await start_again(case, RUNNING)
    assert not is_valid(case, first)
    assert not is_valid(case, own)


async def test_the_hub_asks_with_a_token_for_one_question(cases: Cases) -> None:
    case = cases(FRESH)
    user = case.spawner.user.orm_user
    with tokens.question_token(case.db, user, "") as token:
        assert orm.APIToken.find(case.db, token).scopes == ["access:servers!server=ada/"]
    assert not is_valid(case, token)
    user.roles = []
    with tokens.question_token(case.db, user, "") as token:
        assert orm.APIToken.find(case.db, token).scopes == [], "removed from the cluster"
