"""What the user asks of the hub through this server: keep the machine running, stop it. And how long it may run.

The hub passes on what it is asked, and answers what was really done. The server's own token says for which machine.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

from lifecycle_app.contract import KeepRefusal, keep_seconds

from .settings import HubAccess
from .terms import TERMS_SETTING, Terms

log = logging.getLogger(__name__)

REQUESTS = "cloudjhub_requests"
"""Where handlers find the `Requests` of their server among the web application's settings."""
KEEPING = "cloudjhub_keeping"
"""Where it is among the web application's settings whether users can keep this machine running from here."""
LONGEST_BODY = 1000
CONNECT_WITHIN, ANSWER_WITHIN = 3.0, 15.0
"""Seconds. The hub waits 8 s for the lifecycle app's answer, and 4 s for a server's stop."""
LONGEST_ANSWER = 10_000
"""Characters."""
EVERY, WAITS = timedelta(minutes=5), timedelta(seconds=2)
"""How often the terms are read while pages ask for the status, and how long these wait for that."""
EVERY_ALONE = timedelta(minutes=15)
"""How often they are read in any case: the reports leave out the signals that they ignore."""
NOT_AVAILABLE = {
    "refused": KeepRefusal.UNAVAILABLE.value,
    "message": "This is not available at the moment, because JupyterHub cannot be reached. Try again in a minute.",
}
IN_FLIGHT = {
    "refused": KeepRefusal.TOO_OFTEN.value,
    "message": "The last request has no answer yet. Try again in a few seconds.",
}


@dataclass(frozen=True, slots=True)
class Hub:
    """The hub's API about this machine. Every method blocks, and returns None if there is no answer to be used."""

    access: HubAccess

    def post(self, what: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to a request."""
        return self._answer("POST", what, json.dumps(body))

    def terms(self) -> str | None:
        """The terms as JSON."""
        answer = self._answer("GET", "terms", None)
        return None if answer is None else json.dumps(answer)

    def _answer(self, method: str, what: str, body: str | None) -> dict[str, Any] | None:
        headers = {"Authorization": f"token {self.access.token}", "Content-Type": "application/json"}
        try:
            with requests.Session() as http:
                http.trust_env = False  # the hub is on the same network: no proxy, no .netrc
                answer = http.request(
                    method,
                    f"{self.access.api_url}/cloudjhub/{what}",
                    data=body,
                    headers=headers,
                    timeout=(CONNECT_WITHIN, ANSWER_WITHIN),
                    allow_redirects=False,
                )
            is_usable = answer.status_code == 200 and len(answer.text) <= LONGEST_ANSWER
            found = answer.json() if is_usable else None
        except (requests.RequestException, ValueError, RecursionError) as error:
            log.warning("The hub does not answer %s: %s", what, error)
            return None
        if not isinstance(found, dict):
            log.warning("The hub answers %s with status %s", what, answer.status_code)
            return None
        return found


class Requests:
    """The user's requests, one at a time, and the terms among the web application's `settings`."""

    def __init__(
        self,
        hub: Hub,
        settings: MutableMapping[str, Any],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hub = hub
        self._settings = settings
        self._clock = clock
        self._is_busy = False
        self._read_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    async def ask(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """The hub's answer, or why there is none, for the page that asks."""
        if self._is_busy:
            return IN_FLIGHT
        self._is_busy = True
        try:
            answer = await asyncio.to_thread(self._hub.post, what, body)
        finally:
            self._is_busy = False
        self._settings[KEEPING] = answer is not None
        if answer is None:
            return NOT_AVAILABLE
        if "kept_until" in answer:
            self._take(answer["kept_until"])
        return answer

    async def refresh(self) -> None:
        """Reads the terms if they are old, for a page that asks for the status.

        Returns before they are there if that takes long.
        """
        is_old = self._read_at is None or self._clock() - self._read_at >= EVERY.total_seconds()
        if is_old and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self.read())
        if self._reading is not None:
            await asyncio.wait([self._reading], timeout=WAITS.total_seconds())

    async def follow(self, first: timedelta) -> None:
        """Reads the terms now and then, until cancelled, also without a page; the first time after so long: machines
        that start together must not ask together.
        """
        await asyncio.sleep(first.total_seconds())
        while True:
            await self.refresh()
            await asyncio.sleep(EVERY_ALONE.total_seconds())

    async def read(self) -> None:
        """Reads the terms once. Without the hub the last ones stay, and nothing can be kept from here."""
        text = await asyncio.to_thread(self._hub.terms)
        self._settings[KEEPING] = text is not None
        if text is not None:
            self._settings[TERMS_SETTING] = Terms.from_text(text)
            self._read_at = self._clock()

    def _take(self, kept_until: object) -> None:
        """The page's next status must not say what was so before the keep."""
        until = None
        if isinstance(kept_until, int | float) and not isinstance(kept_until, bool):
            until = datetime.fromtimestamp(kept_until, UTC)
        if until is not None or kept_until is None:
            self._settings[TERMS_SETTING] = replace(self._settings[TERMS_SETTING], keep_until=until)


class RequestHandler(APIHandler):  # type: ignore[misc]  # publishes no types
    """What both handlers need: a bounded body, and the hub's answer."""

    auth_resource = "cloudjhub"

    def sent(self) -> dict[str, Any]:
        """The body, which is an object. Raises 400 or 413."""
        if len(self.request.body) > LONGEST_BODY:
            raise web.HTTPError(413, f"The body is longer than {LONGEST_BODY} bytes")
        try:
            body = json.loads(self.request.body or b"{}")
        except (ValueError, RecursionError) as error:
            raise web.HTTPError(400, "The body is not JSON") from error
        if not isinstance(body, dict):
            raise web.HTTPError(400, "The body is not an object")
        return body

    async def answer(self, what: str, body: dict[str, Any]) -> None:
        """Answers what the hub does."""
        asked: Requests | None = self.settings.get(REQUESTS)
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(NOT_AVAILABLE if asked is None else await asked.ask(what, body)))


class KeepHandler(RequestHandler):
    """Keeps this machine running."""

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]  # publishes no types
    async def post(self) -> None:
        """{"seconds"} → {"kept_until"} once that is written, null if it is not kept, or {"refused", "message"}."""
        try:
            seconds = keep_seconds(self.sent())
        except ValueError as error:
            raise web.HTTPError(400, str(error)) from error
        await self.answer("keep", {"seconds": seconds})


class StopHandler(RequestHandler):
    """Stops this machine, as the Stop button of JupyterHub's page does."""

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]  # publishes no types
    async def post(self) -> None:
        """→ {"stopping": true}, or {"refused", "message"}."""
        self.sent()
        await self.answer("stop", {})
