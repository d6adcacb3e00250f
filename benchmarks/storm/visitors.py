"""The users as a process: each logs in as a browser does, presses Start, follows the progress and opens JupyterLab."""

import asyncio
import json
import random
import re
import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from html import unescape
from pathlib import Path

import aiohttp

from benchmarks.storm import settings
from benchmarks.storm.settings import Storm

ASSET = re.compile(r'(?:src|href)="(/hub/(?:static/[^"]+|logo))"')
PROGRESS = re.compile(r'new EventSource\("([^"]+)"\)')
PLACE = re.compile(r"number (\d+) in the queue")
RUSH = 5.0
"""With a rush, half of the users come within so much of the first part of the time: an exponential law's."""


@dataclass
class Visit:
    """What became of one user's visit; times in epoch seconds, 0 for what never came."""

    name: str
    came: float = 0.0
    pressed: float = 0.0
    """When the password was sent, which also starts the server."""
    ready: float = 0.0
    usable: float = 0.0
    places: list[int] = field(default_factory=list)
    """The places in the queue that the progress page told, in order."""
    problem: str = ""


class Visitor:
    """One user's browser."""

    def __init__(self, storm: Storm, name: str, password: str, connector: aiohttp.TCPConnector) -> None:
        self._storm = storm
        self._password = password
        self._seen: set[str] = set()
        self._http = aiohttp.ClientSession(
            storm.public,
            connector=connector,
            connector_owner=False,
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            timeout=aiohttp.ClientTimeout(total=storm.patience),
            read_bufsize=2**16,
        )
        self.visit = Visit(name)

    async def come(self, after: float) -> Visit:
        """The whole visit, which begins some seconds from now."""
        await asyncio.sleep(after)
        async with self._http:
            try:
                await self._start(await self._log_in())
            except (aiohttp.ClientError, TimeoutError, ProblemError) as problem:
                self.visit.problem = f"{type(problem).__name__}: {problem}"
        return self.visit

    async def _log_in(self) -> str:
        """The page on which the user waits: logging in leads there."""
        visit = self.visit
        visit.came = time.time()
        await self._page("GET", "/hub/login")
        xsrf = next(cookie.value for cookie in self._http.cookie_jar if cookie.key == "_xsrf")
        form = {"username": visit.name, "password": self._password, "_xsrf": xsrf}
        visit.pressed = time.time()
        return await self._page("POST", "/hub/login", form)

    async def _start(self, page: str) -> None:
        visit = self.visit
        progress = PROGRESS.search(page)
        if progress is None:
            raise ProblemError(f"no progress: {_title(page)}")
        await self._progress(unescape(progress[1]))
        visit.ready = time.time()
        async with self._http.get(f"/user/{visit.name}/lab") as answer:
            text = await answer.text()
            if answer.status != 200 or text != "JupyterLab":
                raise ProblemError(f"lab: {answer.status} at {answer.url.path} {_title(text)}")
        visit.usable = time.time()

    async def _progress(self, url: str) -> None:
        async with self._http.get(url, headers={"Accept": "text/event-stream"}) as answer:
            if answer.status != 200:
                raise ProblemError(f"progress: {answer.status}")
            async for line in answer.content:
                if not line.startswith(b"data:"):
                    continue
                event = json.loads(line[5:])
                self._note(event.get("message") or "")
                if event.get("failed"):
                    raise ProblemError(event.get("message", "failed"))
                if event.get("ready"):
                    return
        raise ProblemError("the progress ended early")

    def _note(self, message: str) -> None:
        found = PLACE.search(message)
        if found:
            self.visit.places.append(int(found[1]))

    async def _page(self, method: str, path: str, form: Mapping[str, str] | None = None) -> str:
        try:
            return await self._answer(method, path, form)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            # The proxy closes connections that are idle; a browser then asks again on a new one.
            return await self._answer(method, path, form)

    async def _answer(self, method: str, path: str, form: Mapping[str, str] | None) -> str:
        async with self._http.request(method, path, data=form) as answer:
            text = await answer.text()
            if answer.status != 200:
                raise ProblemError(f"{path}: {answer.status} at {answer.url.path} {_title(text)}")
        await self._assets(text)
        return text

    async def _assets(self, page: str) -> None:
        """What a browser with an empty cache fetches with a page."""
        new = set(ASSET.findall(page)) - self._seen
        self._seen |= new
        await asyncio.gather(*(self._asset(path) for path in new))

    async def _asset(self, path: str) -> None:
        async with self._http.get(path) as answer:
            await answer.read()


class ProblemError(Exception):
    """The user sees an error."""


def _title(text: str) -> str:
    found = re.search(r'<p[^>]*class="[^"]*error[^"]*"[^>]*>(.*?)</p>|<h1>(.*?)</h1>', text, re.S)
    return (found[1] or found[2] or "").strip()[:200] if found else text[:100]


def arrivals(storm: Storm) -> Iterator[float]:
    """Seconds at which the users arrive, in order."""
    chance = random.Random(f"{storm.seed} arrivals")  # noqa: S311 -- not a secret
    times = [chance.random() for _ in range(storm.users)]
    if storm.stagger == "rush":
        times = [min(1.0, chance.expovariate(RUSH)) for _ in times]
    yield from sorted(storm.within * one for one in times)


async def storm_of(storm: Storm, password: str, trust: Path) -> list[Visit]:
    """All visits; `trust` is the hub's certificate."""
    connector = aiohttp.TCPConnector(limit=0, ssl=ssl.create_default_context(cafile=str(trust)))
    coming = [
        Visitor(storm, storm.name(number), password, connector).come(after)
        for number, after in enumerate(arrivals(storm))
    ]
    visits = await asyncio.gather(*coming)
    await connector.close()
    return visits


def main() -> None:
    """Prints the visits of all users as JSON."""
    file = Path(sys.argv[1])
    storm, secrets = settings.read(file)
    trust = file.parent / "nginx/certificate.pem"
    visits = asyncio.run(storm_of(storm, secrets["hub/user-password"], trust))
    print(json.dumps([asdict(visit) for visit in visits]))


if __name__ == "__main__":
    main()
