"""The user's requests to keep and to stop this machine, at a real Jupyter server and a hub that answers as told."""

import asyncio
import json
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime
from typing import Any

import pytest

from bootstrap.worker.keep import EVERY, IN_FLIGHT, KEEPING, NOT_AVAILABLE, Hub, Requests
from bootstrap.worker.settings import HubAccess
from bootstrap.worker.terms import TERMS_SETTING, Terms

from .hub_api import HubApi, answering

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def hub() -> Iterator[HubApi]:
    with answering() as found:
        yield found


def asking(url: str) -> tuple[Requests, MutableMapping[str, Any]]:
    settings: dict[str, Any] = {TERMS_SETTING: Terms()}
    return Requests(Hub(HubAccess(url, "secret")), settings), settings


async def test_the_hub_is_asked_with_the_servers_own_token(hub: HubApi) -> None:
    hub.answer = {"kept_until": NOON.timestamp()}
    requests, settings = asking(hub.url)
    assert await requests.ask("keep", {"seconds": 60}) == hub.answer
    assert hub.asked == [("POST", "/hub/api/cloudjhub/keep", "token secret", {"seconds": 60})]
    assert settings[TERMS_SETTING].keep_until == NOON, "the next status says so"
    assert settings[KEEPING] is True
    hub.answer = {"kept_until": None}
    await requests.ask("keep", {"seconds": 0})
    assert settings[TERMS_SETTING].keep_until is None, "the keep has ended"


async def test_a_refusal_is_passed_on(hub: HubApi) -> None:
    hub.answer = {"refused": "too-late", "message": "Too late"}
    requests, settings = asking(hub.url)
    assert await requests.ask("keep", {"seconds": 60}) == hub.answer
    assert settings[TERMS_SETTING].keep_until is None


@pytest.mark.parametrize(
    ("status", "answer"), [(500, {}), (403, {}), (302, {}), (200, []), (200, b"<html>"), (200, b"1" * 20_000)]
)
async def test_without_an_answer_to_be_used_it_is_not_available(
    hub: HubApi, status: int, answer: Any
) -> None:
    hub.status, hub.answer = status, answer
    requests, settings = asking(hub.url)
    assert await requests.ask("stop", {}) == NOT_AVAILABLE
    assert settings[KEEPING] is False


async def test_without_a_hub_it_is_not_available() -> None:
    requests, settings = asking("http://127.0.0.1:9/hub/api")
    assert await requests.ask("keep", {"seconds": 60}) == NOT_AVAILABLE
    assert settings[KEEPING] is False


async def test_one_request_at_a_time() -> None:
    found: list[Any] = []

    class Slow(Hub):
        def post(self, what: str, body: dict[str, Any]) -> dict[str, Any] | None:
            found.append(True)
            return {"stopping": True}

    requests = Requests(Slow(HubAccess("", "")), {TERMS_SETTING: Terms()})
    requests._is_busy = True
    assert await requests.ask("stop", {}) == IN_FLIGHT
    requests._is_busy = False
    assert await requests.ask("stop", {}) == {"stopping": True}
    assert found == [True]


async def test_the_terms_are_the_hubs_and_stay_while_it_is_away(hub: HubApi) -> None:
    hub.answer = {"idle_timeout": 1800, "keep_limit": 3600, "keep_until": NOON.timestamp(), "lowest_level": 2}
    requests, settings = asking(hub.url)
    await requests.read()
    terms = settings[TERMS_SETTING]
    assert (terms, settings[KEEPING]) == (Terms.from_text(json.dumps(hub.answer)), True)
    assert terms.keep_until == NOON
    hub.status = 503
    await requests.read()
    assert (settings[TERMS_SETTING], settings[KEEPING]) == (terms, False)


async def test_terms_are_read_while_pages_ask_and_not_more_often_than_that(hub: HubApi) -> None:
    """Of pages that ask at once only the first does; without an answer the next one asks again."""
    clock = [0.0]
    settings: dict[str, Any] = {TERMS_SETTING: Terms()}
    requests = Requests(Hub(HubAccess(hub.url, "secret")), settings, clock=lambda: clock[0])
    hub.status = 503
    await requests.refresh()
    hub.status, hub.answer = 200, {"keep_limit": 60}
    await asyncio.gather(requests.refresh(), requests.refresh())
    await requests.refresh()
    assert len(hub.asked) == 2
    assert settings[TERMS_SETTING].keep_limit.total_seconds() == 60
    clock[0] = EVERY.total_seconds()
    await requests.refresh()
    assert len(hub.asked) == 3
