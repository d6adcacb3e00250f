"""JupyterHub around the real spawner and the real drain's verdict: what it does with spawns, stops, polls and restarts.

Written from JupyterHub 6's User.spawn, User.stop and its start; a spawn that is pending is not remembered over a
restart, an active server is.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from hub.clients.calls import Calls
from hub.clients.lifecycle import Reader
from hub.clients.policies import Budgets, Policies
from hub.clients.workers import base_url, server_url
from hub.config.settings import Settings
from hub.drain.handler import WorkerAnswer, parse_answer, released
from hub.drain.verdict import Request, Server, Verdict, refusal_before_asking
from hub.errors import WorkerSilent
from hub.spawn.backups import Backups
from hub.spawn.instances import Homes, Instances
from hub.spawn.launcher import Launcher
from hub.spawn.protocol import StartProtocol
from hub.spawn.spawner import WorkerSpawner
from lifecycle_app.contract import Drain
from lifecycle_app.model.worker import split, worker_key
from tests.simulation.virtual_time import VirtualLoop

log = logging.getLogger(__name__)

POLL_EVERY = 30.0
START_TIMEOUT = 600


class Threads(Executor):
    """Threads that take virtual time. What is under way when the hub is killed may still be done, unanswered."""

    def __init__(
        self, loop: VirtualLoop, latency: Callable[[], float], reaches_anyway: Callable[[], bool]
    ) -> None:
        self._loop = loop
        self._latency = latency
        self._reaches_anyway = reaches_anyway
        self.is_dead = False
        self.calls = 0
        self.kill_at: tuple[int, Callable[[], None]] | None = None

    def submit(self, function: Callable[..., Any], /, *args: Any, **more: Any) -> Any:
        answer: Future[Any] = Future()

        def act() -> None:
            if self.is_dead and not self._reaches_anyway():
                return
            result, error = None, None
            try:
                result = function(*args, **more)
            except Exception as raised:
                error = raised
            self._loop.call_later(self._latency(), tell, result, error)

        def tell(result: Any, error: Exception | None) -> None:
            if self.is_dead or answer.cancelled():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)

        self._loop.call_later(self._latency(), act)
        self.calls += 1
        if self.kill_at is not None and self.calls > self.kill_at[0]:
            self._loop.call_later(self._latency(), self.kill_at[1])
            self.kill_at = None
        return answer


class SimulatedSpawner(WorkerSpawner):
    """The real spawner, without JupyterHub's database."""

    server_name = ""

    @property
    def name(self) -> str:
        return self.server_name

    def use_token(self, *, is_fresh: bool) -> bool:
        self.api_token = self._token()
        return False


@dataclass(slots=True)
class Seat:
    """A server in the hub's database."""

    is_active: bool = False
    started: datetime | None = None
    state: dict[str, Any] = field(default_factory=dict)


class Hub:
    """One running hub process; `seats` is its database, which outlives it."""

    def __init__(
        self,
        loop: VirtualLoop,
        settings: Settings,
        seats: dict[str, Seat],
        *,
        ec2: Any,
        store: Any,
        workers: Any,
        send: Callable[[dict[str, Any]], None],
        threads: Threads,
    ) -> None:
        self._loop = loop
        self.threads = threads
        self.seats = seats
        self.spawners: dict[str, Any] = {}
        self.adopted: dict[str, str] = {}
        """The instance on which this process let each user's server up, by worker."""
        self.parts = self._parts(settings, ec2, store, workers, send)
        for key, seat in seats.items():
            if seat.is_active:
                self._spawner(key).load_state(seat.state)

    def begin(self) -> None:
        """Starts polling and reading."""
        self.in_background(self._poll_on())

    def kill(self) -> None:
        """SIGKILL: nothing of it goes on."""
        self.threads.is_dead = True
        self._loop.cancel_tasks_of(self)

    def in_background(self, work: Any) -> "asyncio.Task[Any]":
        """Runs it in this process: whatever it begins ends with the process."""
        return self._loop.begin_for(self, work)

    # What people and workers ask of it.

    def is_ready(self, key: str) -> bool:
        """Is the user's server up, as far as the hub knows?"""
        return key in self.spawners and bool(self.spawners[key].ready)

    async def spawn(self, key: str) -> bool:
        """Start pressed: whether the server came up. One that is pending or up is left as it is."""
        spawner = self._spawner(key)
        if spawner.pending:
            return False
        if spawner.ready:
            return True
        spawner._spawn_pending = True
        seat = self.seats.setdefault(key, Seat())
        seat.started = self._loop.now()
        spawner.clear_state()
        spawner._server = SimpleNamespace(base_url=base_url(*split(key)))
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await spawner.start()
        except Exception as error:
            log.info("%s: start failed: %r", key, error)
            await self._stop(key)
            return False
        seat.is_active, seat.state = True, spawner.get_state()
        spawner._spawn_pending = False
        return True

    async def stop(self, key: str) -> None:
        """Stop pressed."""
        spawner = self.spawners.get(key)
        if spawner is None or not spawner.ready:
            return
        spawner._stop_future = asyncio.current_task()
        await self._stop(key)

    async def drain(self, request: Request) -> Verdict:
        """hub.drain.handler.DrainHandler, by its parts."""
        spawner = self.spawners.get(request.worker)
        refused = refusal_before_asking(request, self._server(request.worker))
        if refused:
            return refused
        heard = await self._observed(request, spawner)
        spawner = self.spawners.get(request.worker)
        return await released(request, self._server(request.worker), heard, spawner, self._stop_single_user)

    def environment(self, instance_id: str) -> bool:
        """Does the hub give this instance an environment? Only while a spawn waits for it, or its server is known."""
        for spawner in self.spawners.values():
            if spawner.instance.id == instance_id and (spawner.is_starting or spawner.ready):
                return not self.parts.homes.is_missing(instance_id)
        return False

    async def _stop_single_user(self, user: Any, name: str) -> "asyncio.Future[None]":
        stopping = asyncio.ensure_future(self._stop(worker_key(user.name, name)))
        await asyncio.wait([stopping], timeout=10)
        return stopping

    async def _stop(self, key: str) -> None:
        spawner, seat = self.spawners[key], self.seats.setdefault(key, Seat())
        spawner._spawn_pending, spawner._stop_pending = False, True
        try:
            if await spawner.poll() is None:
                with suppress(Exception):
                    await spawner.stop()
        finally:
            if not self.threads.is_dead:
                self._forget(key, spawner, seat)

    def _forget(self, key: str, spawner: Any, seat: Seat) -> None:
        """What JupyterHub writes down once a server is stopped."""
        spawner._server, seat.started = None, None
        spawner.clear_state()
        seat.is_active, seat.state = False, {}
        self.adopted.pop(key, None)
        spawner._stop_pending = False
        spawner._stop_future = None

    async def _poll_on(self) -> None:
        while True:
            await asyncio.sleep(POLL_EVERY)
            for key, spawner in list(self.spawners.items()):
                if spawner.ready and await spawner.poll() is not None:
                    await self._stop(key)

    async def _observed(self, request: Request, spawner: Any) -> WorkerAnswer:
        if request.mode is Drain.REGARDLESS:
            return WorkerAnswer()
        address = spawner.instance.address if spawner else ""
        if not address:
            known = self.parts.reader.by_instance(request.instance_id)
            address = (known.address or "") if known else ""
        if not address:
            return WorkerAnswer(problem="its address is not known")
        try:
            told = await self.parts.workers.activity(
                server_url(address, base_url(*split(request.worker))), ""
            )
        except WorkerSilent as error:
            return WorkerAnswer(problem=str(error), answers=error.answers)
        return parse_answer(told, request.instance_id, self._loop.now())

    def _server(self, key: str) -> Server | None:
        spawner = self.spawners.get(key)
        if spawner is None:
            return None
        return Server(
            pending="spawn" if spawner.is_starting else spawner.pending,
            active=bool(spawner.active),
            started=self.seats[key].started if key in self.seats else None,
            instance_id=spawner.instance.id,
            is_given_up=bool(spawner.given_up) and spawner.given_up == spawner.instance.id,
            is_keep_pending=spawner.keep is not None and spawner.keep.counts(self._loop.now()),
        )

    def _spawner(self, key: str) -> Any:
        if key not in self.spawners:
            user, server = split(key)
            spawner = self._kind(
                user=SimpleNamespace(name=user, groups=()),
                authenticator=SimpleNamespace(blocked_users=set()),
                start_timeout=START_TIMEOUT,
            )
            spawner.server_name = server
            if self.seats.get(key, Seat()).is_active:
                spawner._server = SimpleNamespace(base_url=base_url(user, server))
            else:
                spawner._server = None
            self.spawners[key] = spawner
        return self.spawners[key]

    def _parts(self, settings: Settings, ec2: Any, store: Any, workers: Any, send: Any) -> Any:
        calls = Calls(self.threads, clock=self._loop.time)
        launcher, instances = Launcher(ec2, calls), Instances(ec2, calls, settings)
        homes = Homes(instances)
        reader = Reader(store.changed_since, calls, interval=settings.read_interval, now=self._loop.now)

        async def image_now() -> str:
            return settings.image

        protocol = StartProtocol(
            store.get,
            calls,
            launcher,
            instances,
            homes,
            settings,
            self._loop.now,
            image_now,
            Backups(ec2, calls, settings),
        )
        parts = SimpleNamespace(
            settings=settings,
            token_key="key",
            protocol=_Noting(protocol, self.adopted),
            homes=homes,
            workers=workers,
            reader=reader,
            budgets=Budgets(Policies(lambda _: {}, calls), reader, store.get, calls, self._loop.now),
            launcher=launcher,
            stops=SimpleNamespace(send=_sender(settings, calls, send)),
            now=self._loop.now,
        )
        self._kind: Any = type("_Spawner", (SimulatedSpawner,), {"parts": parts, "__module__": __name__})
        return parts


class _Noting:
    """The real StartProtocol; what it lets a login up on is noted, for the audit."""

    def __init__(self, protocol: StartProtocol, adopted: dict[str, str]) -> None:
        self._protocol = protocol
        self._adopted = adopted
        self.describe = protocol.describe

    async def bring_up(self, key: str, *args: Any, **more: Any) -> Any:
        self._adopted.pop(key, None)
        known = await self._protocol.bring_up(key, *args, **more)
        self._adopted[key] = known.instance_id
        return known


def _sender(settings: Settings, calls: Calls, send: Callable[[dict[str, Any]], None]) -> Any:
    from hub.clients.lifecycle import stop_entry

    async def sent(worker: str, instance_id: str, by: str, now: datetime) -> None:
        entry = stop_entry(settings.cluster, worker, instance_id, by, now)
        event = {
            "source": entry["Source"],
            "detail-type": entry["DetailType"],
            "detail": json.loads(entry["Detail"]),
            "time": now.isoformat(),
        }
        await calls.call("PutEvents", lambda: send(event))

    return sent
