"""AWS clients are made when they are first used, once, and one at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock
from time import sleep
from types import SimpleNamespace
from typing import Any

from lifecycle_app.wiring import AtFirstUse

THREADS = 16


class Session:
    """Makes clients as botocore does: it breaks where two are made at the same time."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self._busy = Lock()

    def client(self, name: str) -> Callable[[], Any]:
        def make() -> Any:
            assert self._busy.acquire(blocking=False), "two threads make a client"
            self.made.append(name)
            sleep(0)  # lets another thread in
            self._busy.release()
            return SimpleNamespace(name=lambda: name)

        return make


def test_nothing_is_made_before_it_is_used() -> None:
    session = Session()
    ssm, ec2 = (AtFirstUse(session.client(name)) for name in ("ssm", "ec2"))
    assert session.made == []
    assert [ec2.name(), ec2.name()] == ["ec2", "ec2"]
    assert session.made == ["ec2"]
    assert ssm.name() == "ssm"


def test_threads_that_begin_together_get_the_same_one() -> None:
    session, together = Session(), Barrier(THREADS)
    clients = [AtFirstUse(session.client(name)) for name in ("ssm", "ec2")]

    def use(number: int) -> str:
        together.wait()
        return str(clients[number % 2].name())

    with ThreadPoolExecutor(THREADS) as threads:
        assert sorted(set(threads.map(use, range(THREADS)))) == ["ec2", "ssm"]
    assert sorted(session.made) == ["ec2", "ssm"]
