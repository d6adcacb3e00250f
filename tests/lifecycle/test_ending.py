"""An answer ends in time, however slowly it comes; each piece of it may still take its while."""

import socket
from io import BytesIO
from typing import cast

import pytest
import requests

from lifecycle_app.adapters.hub_session import EndingAdapter, EndingReader


class Stopwatch:
    """Shows the next of these seconds each time."""

    def __init__(self, *seconds: float) -> None:
        self._seconds = list(seconds)

    def __call__(self) -> float:
        return self._seconds.pop(0)


class FakeSocket:
    def __init__(self, patience: float | None) -> None:
        self.timeouts = [patience]

    def gettimeout(self) -> float | None:
        return self.timeouts[0]

    def settimeout(self, seconds: float) -> None:
        self.timeouts.append(seconds)


def reader(patience: float | None, *seconds: float) -> tuple[EndingReader, FakeSocket]:
    sock = FakeSocket(patience)
    raw = cast("socket.SocketIO", BytesIO(b"abcdef"))
    return EndingReader(cast("socket.socket", sock), raw, Stopwatch(*seconds)), sock


def test_each_piece_gets_the_time_that_is_left() -> None:
    made, sock = reader(15.0, 100.0, 101.0, 114.9)
    assert [made.readinto(bytearray(2)), made.readinto(bytearray(2))] == [2, 2]
    assert sock.timeouts[1:] == pytest.approx([14.0, 0.1])


@pytest.mark.parametrize(("at", "is_over"), [(114.999, False), (115.0, True), (116.0, True)])
def test_it_is_over_when_the_time_is(at: float, is_over: bool) -> None:
    made, _ = reader(15.0, 100.0, at)
    if not is_over:
        assert made.readinto(bytearray(2)) == 2
        return
    with pytest.raises(TimeoutError):
        made.readinto(bytearray(2))


def test_without_a_timeout_it_never_is() -> None:
    made, sock = reader(None)
    assert made.readinto(bytearray(9)) == 6
    assert sock.timeouts == [None]


def test_a_session_gets_it_for_both_schemes() -> None:
    with requests.Session() as session:
        session.mount("https://", EndingAdapter())
        pools = cast(EndingAdapter, session.get_adapter("https://hub.test")).poolmanager
        for address in ("http://127.0.0.1", "https://127.0.0.1"):
            pool = pools.connection_from_url(address)
            assert pool.ConnectionCls.response_class.__module__ == "lifecycle_app.adapters.hub_session"
