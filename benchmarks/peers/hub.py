"""A substitute for the hub: pages of users as JupyterHub 6 returns them, and slow stops.

`python -m benchmarks.peers.hub USERS RUNNING DUE STOP_SECONDS` prints its port.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from tornado.httputil import url_concat
from tornado.web import RequestHandler

from benchmarks.peers.fleet import ACTIVE_BEFORE, IDLE_FOR, Fleet, Routes, Seen, number_of, serve, user_name

VERSION = "6.1.1"
PAGE, LARGEST_PAGE = 50, 200
"""JupyterHub's `api_page_default_limit` and `api_page_max_limit`."""


def page(fleet: Fleet, url: str, *, ready: bool, offset: int, limit: int, now: datetime) -> dict[str, Any]:
    """Some of the users, or of those whose server is ready, and where the next ones are."""
    total, limit = fleet.running if ready else fleet.users, min(limit, LARGEST_PAGE)
    end = min(offset + limit, total)
    more = {"offset": end, "limit": limit, "url": url_concat(url, {"offset": str(end), "limit": str(limit)})}
    if ready:
        more["url"] = url_concat(str(more["url"]), {"state": "ready"})
    return {
        "items": [user(fleet, number, now) for number in range(offset, end)],
        "_pagination": {
            "offset": offset,
            "limit": limit,
            "total": total,
            "next": more if end < total else None,
        },
    }


def user(fleet: Fleet, number: int, now: datetime) -> dict[str, Any]:
    """A user's model, with the attributes that a token for culling may read."""
    name, seen = user_name(number), _iso(now - (IDLE_FOR if fleet.is_due(number) else ACTIVE_BEFORE))
    return {
        "kind": "user",
        "name": name,
        "admin": False,
        "roles": ["user"],
        "groups": ["course"],
        "server": f"/user/{name}/" if fleet.runs(number) else None,
        "pending": None,
        "created": _iso(now - timedelta(days=100)),
        "last_activity": seen,
        "servers": {"": _server(name, seen, now)} if fleet.runs(number) else {},
    }


def _server(name: str, seen: str, now: datetime) -> dict[str, Any]:
    return {
        "name": "",
        "display_name": "",
        "full_name": f"{name}/",
        "last_activity": seen,
        "started": _iso(now - IDLE_FOR),
        "pending": None,
        "ready": True,
        "stopped": False,
        "url": f"/user/{name}/",
        "user_options": {},
        "progress_url": f"/hub/api/users/{name}/server/progress",
        "full_url": None,
        "full_progress_url": None,
    }


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


class _Api(RequestHandler):
    def initialize(self, seen: Seen) -> None:
        self._seen = seen

    def get(self) -> None:
        self._seen.calls["hub:GET /"] += 1
        self.finish({"version": VERSION})


class _Users(RequestHandler):
    def initialize(self, fleet: Fleet, seen: Seen) -> None:
        self._fleet, self._seen = fleet, seen

    def get(self) -> None:
        self._seen.calls["hub:GET /users"] += 1
        url = f"{self.request.protocol}://{self.request.host}{self.request.path}"
        found = page(
            self._fleet,
            url,
            ready=self.get_query_argument("state", "") == "ready",
            offset=int(self.get_query_argument("offset", "0")),
            limit=int(self.get_query_argument("limit", str(PAGE))),
            now=datetime.now(UTC),
        )
        self.finish(found)


class _Server(RequestHandler):
    def initialize(self, stop_seconds: float, seen: Seen) -> None:
        self._stop_seconds, self._seen = stop_seconds, seen

    async def delete(self, name: str) -> None:
        self._seen.calls["hub:DELETE /users/:name/server"] += 1
        await asyncio.sleep(self._stop_seconds)
        self._seen.stopped.append(number_of(name))
        self.set_status(204)


def routes(fleet: Fleet, stop_seconds: float, seen: Seen) -> Routes:
    """The routes of the hub's API that a culler uses."""
    return (
        ("/hub/api/", _Api, {"seen": seen}),
        ("/hub/api/users", _Users, {"fleet": fleet, "seen": seen}),
        ("/hub/api/users/([^/]+)/server", _Server, {"stop_seconds": stop_seconds, "seen": seen}),
    )


if __name__ == "__main__":
    serve(routes)
