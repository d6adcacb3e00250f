"""Prepares workers' instances: the hub launches them, EC2 says how far they are, the lifecycle app stops them."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from bootstrap.aws import secrets
from bootstrap.aws.site import Site
from bootstrap.aws.waiting import Report
from bootstrap.errors import Interrupted, NotBuilt, Refused
from bootstrap.machines.address import HubSilent, Question, ask, public_url, reached_at
from bootstrap.machines.tls import pair_of
from bootstrap.operations.workers.boots import Boot, boots
from bootstrap.operations.workers.listing import ListedWorker, store_of
from bootstrap.operations.workers.preparation import (
    CHOICE,
    NEVER_USED,
    NotLaunched,
    Preparation,
    Prepared,
    Wanted,
)
from bootstrap.operations.workers.stopping import ask_to_stop
from hub.clients.calls import Calls, Coalescer, TokenBucket
from lifecycle_app.contract import LAUNCH_PATH, OPERATOR_TOKEN
from lifecycle_app.model.decision import Reason
from lifecycle_app.model.history import Entry, Kind
from lifecycle_app.model.worker import State, Worker

THREADS = 20
WINDOW = 0.5
"""Seconds in which requests are collected into one call; none of them is urgent."""
MOST_TOGETHER = 100
LAUNCHES_WITHIN = 300.0
"""Seconds: in the hub a launch waits for its turn behind those of logins, and for the old home disk."""
LONGEST_MESSAGE = 500
"""Characters of what the hub says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchProfile:
    """A profile of the hub; its disk in GB, 0 for that of the settings."""

    name: str
    type: str
    """The first that it is launched by."""
    disk: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSettings:
    """What the hub launches with, which may be older than cluster.yaml; disks in GB."""

    types: tuple[str, ...]
    """The first is the default."""
    profiles: tuple[LaunchProfile, ...] = ()
    """What users choose among instead, if the cluster has profiles."""
    subnets: tuple[str, ...]
    disk: int
    home_disk: int


class HubApi:
    """The hub's API for the operator, at its public URL. Raises NotBuilt for a cluster that has no hub yet."""

    def __init__(self, site: Site) -> None:
        place = site.place()
        self._url = public_url(site.settings, place)
        self._pair, self._address = pair_of(site), reached_at(place)
        client = site.aws.client("ssm")
        found = secrets.read_if_there(client, site.cluster, [OPERATOR_TOKEN])
        if OPERATOR_TOKEN not in found:
            raise NotBuilt(f"the hub of {site.cluster} cannot launch for you yet: run `cloudjhub up` first")
        self._token = found[OPERATOR_TOKEN]

    def settings(self) -> LaunchSettings:
        """Raises Refused if the hub does not say."""
        try:
            status, body = self._ask(None)
            sent = _object(body)
            if status == HTTPStatus.OK:
                return LaunchSettings(
                    types=tuple(map(str, sent["types"])),
                    profiles=tuple(map(_profile, sent.get("profiles", []))),
                    subnets=tuple(map(str, sent["subnets"])),
                    disk=int(sent["disk"]),
                    home_disk=int(sent["home_disk"]),
                )
        except HubSilent as error:
            raise Refused(f"{_no_launches(self._url)} ({error}): run `cloudjhub doctor`") from error
        except (ValueError, TypeError, KeyError) as error:
            raise Refused(f"{_no_launches(self._url)}: run `cloudjhub up` first") from error
        raise Refused(f"{_no_launches(self._url)} (it answers {status}): run `cloudjhub up` first")

    def launch(self, user: str, options: Mapping[str, str]) -> tuple[str | None, str]:
        """The new instance's id, None for a user who has one; and why its old home disk is not attached, or "".

        Raises NotLaunched.
        """
        try:
            status, body = self._ask({"user": user, **options})
            sent = _object(body)
        except HubSilent as error:
            raise NotLaunched(
                f"JupyterHub did not answer whether it launched it ({error}): run the command again"
            ) from error
        except ValueError as error:
            raise NotLaunched("JupyterHub gave no usable answer: run `cloudjhub doctor`") from error
        if status == HTTPStatus.OK and "instance_id" in sent:
            found = sent["instance_id"]
            return (str(found) if found else None), _text(sent, "problem")
        message = _text(sent, "message") or f"JupyterHub answers {status}: run `cloudjhub doctor`"
        label = CHOICE if status == HTTPStatus.BAD_REQUEST else _text(sent, "label")
        raise NotLaunched(message, label=label, code=_text(sent, "code"))

    def _ask(self, sent: Any) -> tuple[int, bytes]:
        question = Question(path=LAUNCH_PATH, token=self._token, sent=sent, timeout=LAUNCHES_WITHIN)
        return ask(self._url, self._pair, self._address, question)


def _no_launches(url: str) -> str:
    return f"nothing was launched: the hub at {url} does not say what it launches"


def _profile(sent: Any) -> LaunchProfile:
    """Raises ValueError, TypeError or KeyError."""
    return LaunchProfile(name=str(sent["name"]), type=str(sent["types"][0]), disk=int(sent["disk"]))


def _object(body: bytes) -> dict[str, Any]:
    """Raises ValueError for anything but a JSON object."""
    sent = json.loads(body)
    return dict(sent) if isinstance(sent, dict) else {}


def _text(sent: dict[str, Any], key: str) -> str:
    found = str(sent.get(key) or "")[:LONGEST_MESSAGE]
    return "".join(one if one.isprintable() else " " for one in found)


class HubLaunches:
    """The cloud as a preparation needs it. Used in one event loop; `close` when that is over."""

    def __init__(
        self, site: Site, hub: HubApi, options: Mapping[str, str], utc_now: Callable[[], datetime]
    ) -> None:
        self._site = site
        self._hub = hub
        self._options = options
        self._utc_now = utc_now
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="aws")
        self._calls = Calls(self._threads)
        self._store = store_of(site)
        self._launch_pace = TokenBucket()
        self._home_problems: dict[str, str] = {}
        self._boots = Coalescer[str, Boot](self._boots_together, window=WINDOW, most=MOST_TOGETHER)
        self._stops = Coalescer[Worker, None](self._ask_together, window=WINDOW, most=MOST_TOGETHER)

    async def turn(self) -> None:
        """Returns when the next launch may be made: who waits before looking decides by what is so then."""
        await self._calls.turn(self._launch_pace)

    async def pause(self, seconds: float) -> None:
        """Waits without holding up other workers."""
        await self._calls.pause(seconds)

    def clock(self) -> float:
        """Seconds, for measuring."""
        return time.monotonic()

    async def launch(self, key: str) -> str | None:
        loop = asyncio.get_running_loop()
        found, problem = await loop.run_in_executor(self._threads, self._hub.launch, key, self._options)
        if found and problem:
            self._home_problems[found] = problem
        return found

    async def home(self, instance_id: str) -> None:
        if instance_id in self._home_problems:
            raise NotLaunched(self._home_problems[instance_id])

    async def boot(self, instance_id: str) -> Boot:
        return await self._boots.request(instance_id)

    async def record(self, key: str) -> Worker | None:
        return await self._calls.read(lambda: self._store.get(key))

    async def given_up(self, worker: Worker) -> Entry | None:
        entries = await self._calls.read(lambda: self._store.history(worker.key))
        return last_release(entries, worker.instance_id)

    async def ask_to_stop(self, worker: Worker) -> None:
        await self._stops.request(worker)

    def close(self) -> None:
        """Ends the threads, once their calls have."""
        self._threads.shutdown()

    async def _boots_together(self, ids: Sequence[str]) -> dict[str, Boot | Exception]:
        return {**await self._calls.read(lambda: boots(self._site.aws, ids))}

    async def _ask_together(self, workers: Sequence[Worker]) -> dict[Worker, Exception | None]:
        machines = [
            ListedWorker(key=one.key, instance_id=one.instance_id, state=State.RUNNING) for one in workers
        ]
        # By this machine's clock a run may begin only later, and the request would be one for an earlier run.
        at = max([self._utc_now(), *(one.started_at for one in workers if one.started_at)])
        await self._calls.read(lambda: ask_to_stop(self._site, machines, at, unless_used=True))
        return dict.fromkeys(workers)


def last_release(entries: Sequence[Entry], instance_id: str) -> Entry | None:
    """The newest entry of a stop of this instance that was requested and released. Pure."""
    for entry in entries:
        is_ours = entry.instance_id == instance_id and entry.reason == Reason.STOP_REQUESTED
        if is_ours and entry.kind is Kind.RELEASE:
            return entry
    return None


def prepare_all(
    site: Site,
    hub: HubApi,
    options: Mapping[str, str],
    wanted: Sequence[Wanted],
    at_once: int,
    utc_now: Callable[[], datetime],
    report: Report,
) -> list[Prepared]:
    """What became of each, launched with these options. The first Ctrl-C stops what was launched; at the second, raises
    Interrupted that names what is left to run.
    """
    cloud = HubLaunches(site, hub, options, utc_now)
    preparation = Preparation(cloud, at_once, report, turn=cloud.turn, pause=cloud.pause, clock=cloud.clock)
    try:
        return asyncio.run(preparation.run(wanted))
    except KeyboardInterrupt as interrupt:
        left = ", ".join(f"{key} ({machine})" for key, machine in sorted(preparation.running.items()))
        raise Interrupted(
            f"interrupted; still running: {left or 'none that is known'}: {NEVER_USED}"
        ) from interrupt
    finally:
        cloud.close()
