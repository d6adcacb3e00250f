"""Releasing a server with JupyterHub's way to stop one, which may take longer than its answer."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from hub.drain.handler import parse_answer, response
from hub.drain.handler import release as real_release
from hub.drain.verdict import Verdict, parse_request
from tests.hub.fakes import NOON

AGREED = Verdict(drained=True, reason="no activity since")


@dataclass
class FakeSpawner:
    """A user's server, as the drain sees it."""

    user: str = "ada"
    name: str = ""
    active: bool = True
    is_released: bool = False


async def released(spawner: Any, done: "asyncio.Future[None]") -> Verdict:
    async def stop(user: str, name: str) -> "asyncio.Future[None]":
        assert (user, name, spawner.is_released) == ("ada", "", True)
        return done

    return await real_release(spawner, AGREED, stop)


def stopped() -> "asyncio.Future[None]":
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


def test_answer_tells_which_worker_it_is_about() -> None:
    moment = NOON.timestamp()
    body = {"worker": "ada", "instance_id": "i-1", "since": moment, "claimed_at": moment, "mode": "idle"}
    answer = response(parse_request(body, NOON), AGREED)
    assert answer == {
        "worker": "ada",
        "instance_id": "i-1",
        "drained": True,
        "reason": "no activity since",
        "evidence": {},
    }


async def test_server_is_released() -> None:
    spawner = FakeSpawner(active=False)
    assert await released(spawner, stopped()) is AGREED
    assert spawner.is_released


async def test_server_whose_route_stays_is_the_users_again() -> None:
    spawner = FakeSpawner()
    said = await released(spawner, stopped())
    assert (said.drained, spawner.is_released) == (False, False)


@pytest.mark.parametrize("active", [True, False])
async def test_mark_stays_while_the_proxy_is_slow(active: bool) -> None:
    """Without it the stop, when the proxy answers at last, would be sent on as the user's own wish."""
    spawner = FakeSpawner()
    pending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    said = await released(spawner, pending)
    assert (said.drained, spawner.is_released) == (False, True)
    spawner.active = active
    pending.set_result(None)
    await asyncio.sleep(0)
    assert spawner.is_released is not active


@pytest.mark.parametrize(
    "changes", [{"instance_id": "i-2"}, {"level": 9}, {"observed_at": None}, {"observed_at": "noon"}]
)
def test_answer_that_cannot_be_used_is_still_an_answer(changes: dict[str, Any]) -> None:
    told = {"instance_id": "i-1", "level": 0, "observed_at": NOON.timestamp()}
    assert parse_answer(told, "i-1", NOON).observation is not None
    heard = parse_answer({**told, **changes}, "i-1", NOON)
    assert (heard.observation, heard.answers) == (None, True)
    assert heard.problem
