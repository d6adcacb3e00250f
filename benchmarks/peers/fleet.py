"""The fleet that all sweeps get, with the same users and instances, and the servers that replace the hub and AWS.

Each server is a separate process and counts its requests.
"""

import asyncio
import json
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from subprocess import PIPE, Popen
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from tests.scenarios.cloud import REPOSITORY

USERS_FOR_EACH_THAT_RUNS = 5
"""A fifth of the registered users run at a time, as in docs/scaling.md."""
TIMEOUT = timedelta(hours=1)
IDLE_FOR = timedelta(minutes=100)
"""Time since the last activity of those that are due; all running ones were started that long ago."""
ACTIVE_BEFORE = timedelta(minutes=1)
"""The others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Users; the instances of the first `running` run, and the first `due` of these are due to be stopped."""

    users: int
    running: int
    due: int

    def __post_init__(self) -> None:
        if not 0 <= self.due <= self.running <= self.users:
            raise ValueError(f"{self} is not a fleet")

    def runs(self, number: int) -> bool:
        """Does this user's instance run?"""
        return number < self.running

    def is_due(self, number: int) -> bool:
        """Is this user's instance due to be stopped?"""
        return number < self.due

    def has_stopped_rightly(self, numbers: Iterable[int]) -> bool:
        """Were exactly the due instances stopped, each once?"""
        return sorted(numbers) == list(range(self.due))

    @property
    def title(self) -> str:
        """For a heading."""
        return f"{self.running:,} of {self.users:,} users run, {self.due:,} due"


def fleet_of(running: int, due: int) -> Fleet:
    """With the usual number of users for this number of running workers."""
    return Fleet(users=running * USERS_FOR_EACH_THAT_RUNS, running=running, due=due)


def user_name(number: int) -> str:
    """The user's name."""
    return f"user{number:06}"


def instance_id(number: int) -> str:
    """The id of the user's instance."""
    return f"i-{number:017x}"


def number_of(name: str) -> int:
    """The user's number, by name or instance id."""
    return int(name[2:], 16) if name.startswith("i-") else int(name.removeprefix("user"))


Routes = Sequence[tuple[str, type[RequestHandler], dict[str, Any]]]


@dataclass(slots=True)
class Seen:
    """A server's requests: calls by "service:Name", and the numbers of the instances it stopped."""

    calls: Counter[str] = field(default_factory=Counter)
    stopped: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    url: str

    def seen(self) -> Seen:
        """Its requests until now, without this one."""
        with urllib.request.urlopen(f"{self.url}/seen", timeout=30) as response:  # noqa: S310 -- our own, on 127.0.0.1
            answer = json.load(response)
        return Seen(Counter(answer["calls"]), answer["stopped"])


class _Requests(RequestHandler):
    def initialize(self, seen: Seen) -> None:
        self._seen = seen

    def get(self) -> None:
        self.finish({"calls": dict(self._seen.calls), "stopped": self._seen.stopped})


def serve(routes: Callable[[Fleet, float, Seen], Routes]) -> None:
    """The main program of such a server: prints its port and serves the fleet of its command line until terminated."""
    users, running, due = map(int, sys.argv[1:4])
    seen = Seen()
    asyncio.run(_served(routes(Fleet(users=users, running=running, due=due), float(sys.argv[4]), seen), seen))


async def _served(routes: Routes, seen: Seen) -> None:
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(Application([("/seen", _Requests, {"seen": seen}), *routes])).add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


@contextmanager
def serving(module: str, fleet: Fleet, stop_seconds: float) -> Iterator[Server]:
    """The server of that module, terminated afterwards. Each stop takes `stop_seconds`."""
    arguments = (str(fleet.users), str(fleet.running), str(fleet.due))
    command = [sys.executable, "-m", module, *arguments, str(stop_seconds)]
    with Popen(command, cwd=REPOSITORY, stdout=PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield Server(f"http://127.0.0.1:{int(server.stdout.readline())}")
        finally:
            server.terminate()
