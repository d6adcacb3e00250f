"""What a hub, or what stands in its place, costs at most, and what it learns."""

from collections.abc import Callable

import pytest

from lifecycle_app.adapters.hub_client import HubClient
from lifecycle_app.adapters.hub_session import session
from lifecycle_app.contract import Drain, Level
from lifecycle_app.errors import HubAnswerOdd
from tests.faults.hostile_hub import Answer, hostile_hub, told, users_page
from tests.faults.hub_faults import huge, without_end
from tests.lifecycle.examples import NOON
from tests.lifecycle.test_hub_contract import WORKER, Token

MEGABYTE = 1024 * 1024
BUFFERED = 24 * MEGABYTE
"""What the two sockets, and not we, may hold."""


class Told(Token):
    """A token that was stored in a way that no header takes."""

    def __init__(self, value: str) -> None:
        super().__init__([value])


def drain(client: HubClient) -> object:
    return client.drain(WORKER, Drain.IDLE, NOON, Level.LOAD)


@pytest.mark.parametrize("answer", [huge, without_end])
@pytest.mark.parametrize("ask", [drain, HubClient.active_users])
def test_of_a_hundred_megabytes_only_so_many_are_taken(
    answer: Answer, ask: Callable[[HubClient], object]
) -> None:
    with hostile_hub(answer) as hub, session(None) as made:
        with pytest.raises(HubAnswerOdd, match="longer than"):
            ask(HubClient(hub.api, Token(), made))
        assert hub.sent < 8 * MEGABYTE + BUFFERED


def test_a_caller_that_has_to_wait_asks_once() -> None:
    with hostile_hub(lambda _: [told({}, "429 Too Many", "Retry-After: 1")]) as hub, session(None) as made:
        with pytest.raises(HubAnswerOdd, match="429"):
            drain(HubClient(hub.api, Token(), made))
        assert len(hub.asked) == 1


def test_pages_end_when_their_time_is_over() -> None:
    seconds = iter([0.0, 30.0, 30.1])
    page = users_page({"bob": [""]}, {"offset": 10**9})

    def answer(asked: object) -> list[bytes]:
        page["_pagination"]["next"]["offset"] += 1
        return [told(page)]

    with hostile_hub(answer) as hub, session(None) as made:
        client = HubClient(hub.api, Token(), made, stopwatch=lambda: next(seconds))
        with pytest.raises(HubAnswerOdd, match="no last page after 2 pages"):
            client.active_users()
        assert len(hub.asked) == 2


@pytest.mark.parametrize("token", ["secret\n", "secret\r\nX: y", " secret\n", "secr\u00e9\u20act"])
def test_a_token_that_no_header_takes_is_not_told_in_the_error(token: str) -> None:
    with hostile_hub(lambda _: [told({})]) as hub, session(None) as made:
        with pytest.raises(HubAnswerOdd, match="token for the hub cannot be a header") as error:
            drain(HubClient(hub.api, Told(token), made))
        assert "secr" not in str(error.value)
        assert hub.asked == []
