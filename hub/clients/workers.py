"""Requests to workers' servers at their private addresses, never through the proxy, which would count as activity."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from hub.config.settings import WORKER_PORT
from hub.errors import WorkerSilent

SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds between two probes of one booting instance."""
PROBES_A_SECOND = 100
"""Of all booting instances together."""
AT_ONCE = 128
"""Connections: a sweep drains a hundred servers at the same time, and none may wait behind another."""
CONNECT = timedelta(seconds=2)
ANSWER = timedelta(seconds=5)
PROBE_CONNECT, PROBE_ANSWER = timedelta(seconds=1), timedelta(seconds=3)
LARGEST_ANSWER = 256 * 1024
"""Bytes. A user can have a worker answer anything: whatever is longer is not read, and nothing is unzipped."""


def server_url(address: str, base_url: str) -> str:
    """Where a worker's server listens."""
    return f"http://{address}:{WORKER_PORT}{base_url}"


def base_url(user: str, server: str) -> str:
    """The path of a user's server, as JupyterHub makes it."""
    parts = [user, server] if server else [user]
    return "/user/" + "".join(quote(part, safe="@~") + "/" for part in parts)


def pause(waiting: int) -> float:
    """Seconds between two probes of one port while this many servers are waited for."""
    return min(LONGEST_PAUSE, max(SHORTEST_PAUSE, waiting / PROBES_A_SECOND))


class Workers:
    """Probes workers' servers, and asks them about their activity."""

    def __init__(self) -> None:
        # Two clients, so that many booting instances do not delay a drain.
        self._probes: AsyncHTTPClient | None = None
        self._activities: AsyncHTTPClient | None = None
        self._waiting = 0

    async def wait_for(self, url: str) -> None:
        """Returns as soon as a server answers at `url`. The caller sets the time limit."""
        self._waiting += 1
        try:
            while not await self._answers(url + "api"):
                await asyncio.sleep(pause(self._waiting))
        finally:
            self._waiting -= 1

    async def activity(self, url: str, token: str) -> Mapping[str, Any]:
        """What a worker's reporter observes now. Raises WorkerSilent."""
        headers: list[str] = []
        request = HTTPRequest(
            f"{url}cloudjhub/activity?no_track_activity=1",
            headers={"Authorization": f"token {token}"},
            header_callback=headers.append,
            connect_timeout=CONNECT.total_seconds(),
            request_timeout=ANSWER.total_seconds(),
            follow_redirects=False,
            decompress_response=False,
        )
        try:
            self._activities = self._activities or _client()
            answer = await self._activities.fetch(request)
            reported = json.loads(answer.body)
        except Exception as error:  # tornado raises what the socket raises, besides its own
            raise WorkerSilent(str(error), answers=bool(headers)) from error
        if not isinstance(reported, dict):
            raise WorkerSilent("its answer is not a report", answers=True)
        return reported

    async def _answers(self, url: str) -> bool:
        request = HTTPRequest(
            url,
            connect_timeout=PROBE_CONNECT.total_seconds(),
            request_timeout=PROBE_ANSWER.total_seconds(),
            follow_redirects=False,
            decompress_response=False,
        )
        try:
            self._probes = self._probes or _client()
            answer = await self._probes.fetch(request, raise_error=False)
        except Exception:
            return False
        return 200 <= answer.code < 500


def _client() -> AsyncHTTPClient:
    """A client of our own: the shared one lets only ten requests run at once. Needs a running event loop."""
    return SimpleAsyncHTTPClient(
        force_instance=True,
        max_clients=AT_ONCE,
        max_buffer_size=LARGEST_ANSWER,
        max_body_size=LARGEST_ANSWER,
    )
