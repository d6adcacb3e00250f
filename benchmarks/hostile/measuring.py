"""A real hub behind the real proxy and nginx, attacked; and what it used meanwhile."""

import asyncio
import json
import logging
import random
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

import psutil
import requests

from benchmarks.hostile.attacks import ANONYMOUS, WORKERS, Attack, Known, Make
from tests.bootstrap.front import Front, nginx, wait_for
from tests.hub.accounts import set_users, with_authenticators
from tests.hub.emulated import Emulated

log = logging.getLogger(__name__)

NETWORK, SOURCES = "127.204", "127.205"
"""The first halves of addresses: of hub, proxy and AWS, and of the attackers, who have 65,536."""
AT_ONCE = 100
HEALTH_EVERY = 0.2
ANSWER_WITHIN = 60.0
MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Scene:
    """The hub and what stands before it."""

    hub: Emulated
    front: Front
    steps: Path
    process: psutil.Process

    def known(self) -> Known:
        """The login page's token and cookies, as anybody gets them."""
        session = requests.Session()
        session.get(
            f"{self.front.url}/hub/login", timeout=ANSWER_WITHIN, verify=self.front.trust
        ).raise_for_status()
        cookies = "; ".join(f"{name}={value}" for name, value in session.cookies.items())
        return Known(self.front.url.partition("//")[2], session.cookies["_xsrf"], cookies)


@dataclass(slots=True)
class Figures:
    """What the hub endured. Memory in megabytes (RSS), times in seconds."""

    requests: int
    answers: Counter[str] = field(default_factory=Counter)
    """HTTP status codes, or `none` for a connection that was closed without one."""
    before: float = 0.0
    peak: float = 0.0
    longest: dict[str, float] = field(default_factory=dict)
    """CPU of the event loop's longest step, by kind; for comparison `login page`, ten ordinary requests."""
    health: list[float] = field(default_factory=list)
    """How long each health check took."""
    unhealthy: int = 0
    """Health checks that failed."""

    @property
    def growth(self) -> float:
        """Megabytes more than before."""
        return max(0.0, self.peak - self.before)

    @property
    def health_median_and_most(self) -> tuple[float, float, float]:
        """Median, 99th percentile and the longest."""
        cuts = quantiles(self.health, n=100)
        return cuts[49], cuts[98], max(self.health)


@contextmanager
def scene(directory: Path) -> Iterator[Scene]:
    """A hub with accounts, as on a manager, until the end of the block."""
    with with_authenticators(directory, NETWORK) as hub:
        set_users(hub, {"users": {"boss": {"admin": True}, **{f"user{n}": {} for n in range(50)}}})
        steps = directory / "steps.jsonl"
        host, _, port = hub.proxy_url.rpartition("/")[2].partition(":")
        with nginx(directory / "nginx", host, f"{host}:{port}", hub=f"{hub.hub_address}:8081") as front:
            hub.proxy_at = hub.public_url
            hub.config["public_url"] = front.url
            hub.config["login"] = {
                "authenticator": "native",
                "options": {"requests": True},
                "allow_all": False,
            }
            hub.config["hub"] |= {"extra_config": str(Path(__file__).with_name("watch.py"))}
            hub.environ["CLOUDJHUB_HOSTILE_STEPS"] = str(steps)
            hub.start_hub()
            wait_for(front, directory / "nginx")
            assert hub.process is not None
            yield Scene(hub, front, steps, psutil.Process(hub.process.pid))


def attacked(scene: Scene, total: int, seed: int) -> Figures:
    """The figures of `total` requests, the same number of each kind, kind after kind."""
    return asyncio.run(_attacked(scene, total, seed))


async def _attacked(scene: Scene, total: int, seed: int) -> Figures:
    chance = random.Random(seed)  # noqa: S311 -- no secret
    kinds = [*((name, make, True) for name, make in ANONYMOUS.items()),
             *((name, make, False) for name, make in WORKERS.items())]  # fmt: skip
    each = max(1, total // len(kinds))
    found = Figures(requests=each * len(kinds))
    known = scene.known()
    found.longest["login page"] = _longest(scene, _ordinary(scene))
    found.before = _memory(scene)
    watching = [asyncio.ensure_future(watch(scene, found)) for watch in (_watch_memory, _watch_health)]
    try:
        for name, make, is_anonymous in kinds:
            began = time.time()
            await _send_all(scene, make, known, each, chance, found.answers, through_front=is_anonymous)
            found.longest[name] = _longest(scene, began)
            log.info("%s: %.1f s, longest step %.3f s", name, time.time() - began, found.longest[name])
    finally:
        for one in watching:
            one.cancel()
    found.peak = max(found.peak, _memory(scene))
    return found


async def _send_all(
    scene: Scene, make: Make, known: Known, count: int, chance: random.Random, answers: Counter[str], *,
    through_front: bool,
) -> None:  # fmt: skip
    turns = asyncio.Semaphore(AT_ONCE)
    trust = ssl.create_default_context(cafile=scene.front.trust)

    async def send() -> None:
        async with turns:
            source = f"{SOURCES}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
            host, port = (
                (scene.front.host, scene.front.https) if through_front else (scene.hub.hub_address, 8081)
            )
            attack = make(chance, known)
            answers[await _sent(attack, source, host, port, trust if through_front else None)] += 1

    await asyncio.gather(*(send() for _ in range(count)))


async def _sent(attack: Attack, source: str, host: str, port: int, trust: ssl.SSLContext | None) -> str:
    """The status of the answer; `none` without one."""
    try:
        reader, writer = await asyncio.open_connection(host, port, ssl=trust, local_addr=(source, 0))
    except OSError:
        return "none"
    try:
        writer.write(attack.sent)
        if attack.hold:
            await asyncio.sleep(attack.hold)
            return "held"
        line = await asyncio.wait_for(reader.readline(), ANSWER_WITHIN)
        words = line.split()
        return words[1].decode() if len(words) > 1 and words[1].isdigit() else "none"
    except (OSError, ValueError, TimeoutError):
        return "none"
    finally:
        writer.transport.abort()


async def _watch_memory(scene: Scene, found: Figures) -> None:
    while True:
        found.peak = max(found.peak, _memory(scene))
        await asyncio.sleep(0.05)


async def _watch_health(scene: Scene, found: Figures) -> None:
    """As a load balancer would, from an address of its own."""
    asked = (
        f"GET /hub/health HTTP/1.1\r\nHost: {scene.front.url.partition('//')[2]}\r\nConnection: close\r\n\r\n"
    )
    trust = ssl.create_default_context(cafile=scene.front.trust)
    while True:
        began = time.monotonic()
        status = await _sent(
            Attack(asked.encode()), f"{NETWORK}.9.9", scene.front.host, scene.front.https, trust
        )
        found.health.append(time.monotonic() - began)
        found.unhealthy += status != "200"
        await asyncio.sleep(HEALTH_EVERY)


def _ordinary(scene: Scene) -> float:
    """Ten ordinary visits of the login page; when they began."""
    began = time.time()
    for _ in range(10):
        requests.get(
            f"{scene.front.url}/hub/login", timeout=ANSWER_WITHIN, verify=scene.front.trust
        ).raise_for_status()
    return began


def _memory(scene: Scene) -> float:
    return float(scene.process.memory_info().rss) / MEGABYTE


def _longest(scene: Scene, since: float) -> float:
    """CPU seconds of the longest step of the hub's loop since then."""
    told = [json.loads(line) for line in scene.steps.read_text().splitlines()] if scene.steps.exists() else []
    return max((one["cpu"] for one in told if one["at"] >= since), default=0.0)
