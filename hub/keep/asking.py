"""Asks the lifecycle app to keep a machine running, and waits for the answer in the machine's record.

Dekker's fence, as for a login: the hub marks the request as pending and then reads the record; the lifecycle app claims
and then asks the hub, which refuses while one is pending. Whoever comes second sees the other.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import chain, repeat

from hub.clients.calls import Calls
from hub.clients.lifecycle import ANSWERED_WITHIN, KeepRequests, until_answered
from hub.errors import KeepNotSent, TooManyTries
from hub.identity import Failures
from hub.keep.answer import TOO_LATE, Answer, first_answer, later_answer
from hub.spawn.parts import PendingKeep
from hub.spawn.spawner import WorkerSpawner
from lifecycle_app.contract import KeepRefusal
from lifecycle_app.errors import RecordError
from lifecycle_app.model.worker import State, Worker

log = logging.getLogger(__name__)

PAUSES = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Seconds between two readings of the record; then the last one again and again."""
MOST, WITHIN = 6, timedelta(minutes=5)
"""Requests of one user: each may keep a drain from releasing the server while it is pending."""


class Keeps:
    """Asks for users. `get` reads a record as last written."""

    def __init__(
        self,
        get: Callable[[str], Worker | None],
        requests: KeepRequests,
        calls: Calls,
        now: Callable[[], datetime],
    ) -> None:
        self._get = get
        self._requests = requests
        self._calls = calls
        self._now = now
        self._asked = Failures(MOST, WITHIN)

    async def ask(self, spawner: WorkerSpawner, seconds: int, by: str) -> Answer:
        """The answer to a request to keep this server's machine for so long from now, confirmed by its record."""
        now = self._now()
        try:
            self._asked.check(spawner.user.name, now)
        except TooManyTries:
            return Answer(refused=KeepRefusal.TOO_OFTEN)
        self._asked.add(spawner.user.name, now)
        if spawner.keep is not None and spawner.keep.counts(now):
            return Answer(refused=KeepRefusal.TOO_OFTEN)
        with marked(spawner, now) as pending:
            try:
                async with asyncio.timeout(ANSWERED_WITHIN.total_seconds()):
                    return await self._answer(spawner, pending, seconds, by)
            except TimeoutError:
                return Answer(refused=KeepRefusal.UNCONFIRMED)
            except (KeepNotSent, RecordError) as error:
                log.warning("%s: cannot be kept for %s: %s", spawner.key, by, error)
                return Answer(refused=KeepRefusal.UNAVAILABLE)

    async def _answer(self, spawner: WorkerSpawner, pending: PendingKeep, seconds: int, by: str) -> Answer:
        instance_id, asked_at, request = spawner.instance.id, self._now(), secrets.token_hex(16)
        record = await self._read(spawner.key)
        # From here until the mark is taken away nothing else runs in the hub's event loop, if this is an answer.
        if not is_up(spawner, instance_id):
            return TOO_LATE
        answer = first_answer(record, instance_id, has_refused=pending.has_refused)
        if answer:
            return answer
        pauses = chain(PAUSES, repeat(PAUSES[-1]))
        while record is not None and record.state is not State.RUNNING and record.claimed_until is not None:
            await self._calls.pause(next(pauses))
            record = await self._read(spawner.key)

        async def send() -> None:
            # Again too: one that arrives under a claim is not answered, and after that has been given up it has to be.
            await self._requests.send(spawner.key, instance_id, request, seconds, by, asked_at)

        async def look() -> Answer | None:
            found = later_answer(await self._read(spawner.key), instance_id, request)
            return found or (None if is_up(spawner, instance_id) else TOO_LATE)

        return await until_answered(send, look, self._calls.pause, pauses)

    async def _read(self, key: str) -> Worker | None:
        return await self._calls.read(lambda: self._get(key))


def is_up(spawner: WorkerSpawner, instance_id: str) -> bool:
    """Is the server up on that instance, and neither starting nor stopping?"""
    return bool(spawner.active and not spawner.pending and spawner.instance.id == instance_id)


@contextmanager
def marked(spawner: WorkerSpawner, now: datetime) -> Iterator[PendingKeep]:
    """Within, drains of the server are refused; for a limited time, whatever happens here."""
    pending = PendingKeep(now + ANSWERED_WITHIN)
    spawner.keep = pending
    try:
        yield pending
    finally:
        spawner.keep = None
