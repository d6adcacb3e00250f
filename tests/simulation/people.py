"""People who log in, work, leave something running, go away and come back; by the simulation's seed."""

import asyncio
import random
from contextlib import suppress
from datetime import timedelta

from bootstrap.local.cloud.ec2.rules import State
from tests.simulation.workers import Process
from tests.simulation.world import World

HOUR = 3600.0


class Person:
    """One user with the default server."""

    def __init__(self, world: World, name: str, *, away: float = 6 * HOUR, stays: float = 1.5 * HOUR) -> None:
        self.world = world
        self.key = name
        self._random = random.Random(f"{name}/{world.random.random()}")  # noqa: S311 -- not a secret
        self._away = away
        self._stays = stays
        self.logins = 0
        self.denied = 0

    async def live(self) -> None:
        """Visits, without end."""
        while True:
            await asyncio.sleep(self._random.expovariate(1 / self._away))
            await self.visit(self._random.expovariate(1 / self._stays))

    async def visit(self, stays: float) -> None:
        """Logs in, and works for about so many seconds."""
        until = self.world.loop.time() + stays
        while self.world.loop.time() < until:
            if not await self.log_in():
                self.denied += 1
                await asyncio.sleep(self._random.uniform(20, 300))
                continue
            self.logins += 1
            await self._work(until)
        if self._random.random() < 0.15:
            await self.press_stop()

    async def log_in(self) -> bool:
        """Start pressed, and waited for; False if it fails, or the hub is killed or down."""
        hub = self.world.hub
        if hub is None:
            return False
        self.world.pending.setdefault(self.key, self.world.now())
        spawning = hub.in_background(hub.spawn(self.key))
        await asyncio.wait([spawning])
        self.world.pending.pop(self.key, None)
        return not spawning.cancelled() and spawning.exception() is None and bool(spawning.result())

    async def press_stop(self) -> None:
        """Stop pressed."""
        hub = self.world.hub
        if hub is not None:
            self.world.stop_pressed[self.key] = self.world.now()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([hub.in_background(hub.stop(self.key))])

    def touch(self) -> bool:
        """Does something in the server; False if there is no way to it."""
        process = self.reached()
        if process is None:
            return False
        process.life.touch(self.world.now())
        return True

    def run(self, takes: timedelta) -> bool:
        """Runs a cell."""
        process = self.reached()
        if process is None:
            return False
        process.life.touch(self.world.now())
        process.life.run(self.world.now(), takes)
        return True

    def reached(self) -> Process | None:
        """The server that the proxy leads to. The proxy goes on while the hub is down."""
        seat, hub = self.world.seats.get(self.key), self.world.hub
        if seat is None or not seat.is_active:
            return None
        if hub is not None and not hub.is_ready(self.key):
            return None
        process = self.world.workers.by_instance.get(str(seat.state.get("instance_id")))
        running = process is not None and process.is_up and process.machine.state is State.RUNNING
        return process if running else None

    async def _work(self, until: float) -> None:
        """Until the time is over, or the server is gone."""
        while self.world.loop.time() < until:
            chance = self._random.random()
            done = self.run(self._takes()) if chance < 0.1 else self.touch()
            if not done and self.world.hub is not None:
                # An error page: no user presses Start again in the same moment, before the hub can have noticed.
                await asyncio.sleep(self._random.uniform(1, 20))
                return
            await asyncio.sleep(self._random.expovariate(1 / 240))

    def _takes(self) -> timedelta:
        return timedelta(seconds=self._random.expovariate(1 / (0.7 * HOUR)))
