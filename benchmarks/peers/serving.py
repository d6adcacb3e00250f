"""Servers that stand in for the hub and AWS: each a process of its own, which counts what it is asked."""

import asyncio
import json
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from subprocess import PIPE, Popen
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from benchmarks.peers.fleet import Fleet
from tests.scenarios.cloud import REPOSITORY

Routes = Sequence[tuple[str, type[RequestHandler], dict[str, Any]]]


@dataclass(slots=True)
class Seen:
    """What a server was asked: calls by "service:Name", and whose instances it was told to stop."""

    calls: Counter[str] = field(default_factory=Counter)
    stopped: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Standing:
    """A server that runs."""

    url: str

    def seen(self) -> Seen:
        """What it was asked until now; this question is not counted."""
        with urllib.request.urlopen(f"{self.url}/seen", timeout=30) as answer:  # noqa: S310 -- our own, on 127.0.0.1
            told = json.load(answer)
        return Seen(Counter(told["calls"]), told["stopped"])


class _Told(RequestHandler):
    def initialize(self, seen: Seen) -> None:
        self._seen = seen

    def get(self) -> None:
        self.finish({"calls": dict(self._seen.calls), "stopped": self._seen.stopped})


def serve(routes: Callable[[Fleet, float, Seen], Routes]) -> None:
    """The main program of such a server: prints its port and serves the fleet of its command line until it is ended."""
    users, running, due = map(int, sys.argv[1:4])
    seen = Seen()
    asyncio.run(_served(routes(Fleet(users=users, running=running, due=due), float(sys.argv[4]), seen), seen))


async def _served(routes: Routes, seen: Seen) -> None:
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(Application([("/seen", _Told, {"seen": seen}), *routes])).add_sockets(sockets)
    print(sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


@contextmanager
def standing(module: str, fleet: Fleet, stop_seconds: float) -> Iterator[Standing]:
    """The server of that module, ended afterwards. Each stop that it is asked for takes `stop_seconds`."""
    fleet_words = (str(fleet.users), str(fleet.running), str(fleet.due))
    command = [sys.executable, "-m", module, *fleet_words, str(stop_seconds)]
    with Popen(command, cwd=REPOSITORY, stdout=PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield Standing(f"http://127.0.0.1:{int(server.stdout.readline())}")
        finally:
            server.terminate()
