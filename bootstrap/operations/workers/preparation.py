"""Instances prepared before their users' first login: launched, booted once, stopped. A login only starts one.

The hub launches each, by the code and with the request of a login, so that EC2 launches one for both.
The lifecycle app stops it, and asks the hub first: a user who has logged in meanwhile keeps the instance.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from botocore.exceptions import BotoCoreError, ClientError

from bootstrap.aws.instances import FIXES
from bootstrap.aws.waiting import Report
from bootstrap.errors import BootstrapError
from bootstrap.operations.workers.boots import Boot
from bootstrap.operations.workers.stopping import STOPS_WITHIN
from lifecycle_app.errors import BadRecord, StoreUnavailable
from lifecycle_app.model.history import Entry, sentence
from lifecycle_app.model.messages import joined
from lifecycle_app.model.worker import State, Worker

BOOTS_WITHIN = 1200.0
"""Seconds: EC2's checks take some minutes, and a record whose events were lost is made within a quarter of an hour."""
POLL_EVERY = 3.0
REFUSED = "refused"
"""Why a stop was given up, as its entry in the history has it."""
NEVER_USED = "the lifecycle app stops it when it is idle"
INTERRUPTED = "interrupted"


class NotLaunched(BootstrapError):
    """There is no new machine, or it lacks its home disk; `label` is the hub's for the cause, `code` AWS's."""

    def __init__(self, message: str, *, label: str = "", code: str = "") -> None:
        super().__init__(message)
        self.label = label
        self.code = code


CHOICE = "choice"
"""The label where the user may not have what was chosen."""
ITS_OWN = {"throttled", "record", CHOICE}
"""Labels of what refuses one launch and need not refuse the next (`hub.errors`)."""
ITS_PLACE = {"capacity", "addresses"}
"""The same, where an old home disk binds the machine to its zone."""


class Outcome(StrEnum):
    """What became of a worker."""

    STOPPED = "ready: launched, booted and stopped"
    IN_USE = "left running: its user has logged in"
    HAS_ONE = "left alone: it has an instance"
    RUNNING = "still running"
    NOT_LAUNCHED = "no instance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A worker that is to get an instance."""

    key: str
    home_volume: str | None = None
    """The disk of an earlier instance, which the new one gets; it binds the instance to its zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The outcome for one worker; `message` says why, where the outcome alone does not."""

    key: str
    instance_id: str
    outcome: Outcome
    message: str = ""


class Cloud(Protocol):
    """What a preparation needs of the hub's code, EC2, records and lifecycle app. All calls may be repeated."""

    async def launch(self, key: str) -> str | None:
        """The id of a new instance; None for a worker that has one already. Raises NotLaunched."""
        ...

    async def home(self, instance_id: str) -> None:
        """Returns when a new instance has the home disk of an earlier one, if there is such. Raises NotLaunched."""
        ...

    async def boot(self, instance_id: str) -> Boot:
        """How far an instance has come."""
        ...

    async def record(self, key: str) -> Worker | None:
        """The record as last written. Raises StoreUnavailable, BadRecord."""
        ...

    async def given_up(self, worker: Worker) -> Entry | None:
        """The history's entry of a stop that was requested and released. Raises StoreUnavailable."""
        ...

    async def ask_to_stop(self, worker: Worker) -> None:
        """Has the lifecycle app stop it, unless its user has a server there."""
        ...


class Preparation:
    """Prepares workers, `at_once` at a time. `turn` returns when the next launch may be made."""

    def __init__(
        self,
        cloud: Cloud,
        at_once: int,
        report: Report,
        *,
        turn: Callable[[], Awaitable[None]],
        pause: Callable[[float], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._cloud = cloud
        self._slots = asyncio.Semaphore(at_once)
        self._report = report
        self._turn = turn
        self._pause = pause
        self._clock = clock
        self._closed = ""
        self._ends_early = False
        self._phases: dict[str, str] = {}
        self._running: dict[str, str] = {}

    @property
    def running(self) -> dict[str, str]:
        """The instances, by worker, that were launched and are not known to be stopped or in use."""
        return dict(self._running)

    async def run(self, wanted: Sequence[Wanted]) -> list[Prepared]:
        """What became of each. Cancelled, it launches no more, and stops what it has launched as soon as that runs."""
        self._phases = dict.fromkeys((one.key for one in wanted), "to come")
        tasks = [asyncio.ensure_future(self._prepare(one)) for one in wanted]
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:
            self._closed, self._ends_early = INTERRUPTED, True
            self._report(
                f"launching no more, and stopping the {len(self._running)} that run; Ctrl-C again leaves them to run"
            )
            await asyncio.wait(tasks)
        return [task.result() for task in tasks]

    async def _prepare(self, one: Wanted) -> Prepared:
        async with self._slots:
            await self._take_turn()
            if self._closed:
                return self._done(one.key, "", Outcome.NOT_LAUNCHED, self._closed)
            self._enter(one.key, "launching")
            try:
                instance_id = await self._cloud.launch(one.key)
            except NotLaunched as error:
                return self._done(one.key, "", Outcome.NOT_LAUNCHED, self._refused(one, error))
            if instance_id is None:
                return self._done(one.key, "", Outcome.HAS_ONE)
            self._running[one.key] = instance_id
            return await self._boot_and_stop(one.key, instance_id)

    async def _take_turn(self) -> None:
        if not self._closed:
            await self._turn()

    def _refused(self, one: Wanted, error: NotLaunched) -> str:
        """Why, for the operator. What would be refused to the others too ends the launching."""
        reason = reason_in(error)
        is_its_own = error.label in ITS_OWN or (one.home_volume is not None and error.label in ITS_PLACE)
        if not is_its_own and not self._closed:
            self._closed = reason
            self._report(f"launching no more: {reason}")
        return reason

    async def _boot_and_stop(self, key: str, instance_id: str) -> Prepared:
        try:
            return await self._attended(key, instance_id)
        except (ClientError, BotoCoreError, BootstrapError) as error:
            return self._done(key, instance_id, Outcome.RUNNING, f"{error}; {NEVER_USED}")

    async def _attended(self, key: str, instance_id: str) -> Prepared:
        """Raises BootstrapError and botocore's errors for an instance that is left to run."""
        self._enter(key, "booting")
        await self._cloud.home(instance_id)
        worker, message = await self._booted(key, instance_id)
        if worker is None:
            return self._done(key, instance_id, Outcome.RUNNING, f"{message}; {NEVER_USED}")
        if worker.state is State.RUNNING:
            self._enter(key, "being stopped")
            await self._cloud.ask_to_stop(worker)
        outcome, message = await self._stopped(worker)
        return self._done(key, instance_id, outcome, message)

    async def _booted(self, key: str, instance_id: str) -> tuple[Worker | None, str]:
        """The record of an instance that has booted, or is down already; None, and why, if it takes too long."""
        until = self._clock() + BOOTS_WITHIN
        boot = Boot.BEGUN
        while self._clock() < until:
            if boot not in (Boot.PASSED, Boot.FAILED):
                boot = await self._cloud.boot(instance_id)
            worker = await self._record(key, instance_id)
            if worker and self._may_stop(worker, boot):
                return worker, ""
            await self._pause(POLL_EVERY)
        if boot is Boot.PASSED:
            return (
                None,
                "it has booted, but no record says so: see `cloudjhub logs reconcile`",
            )
        return None, f"it has not booted within {BOOTS_WITHIN / 60:.0f} minutes"

    def _may_stop(self, worker: Worker, boot: Boot) -> bool:
        """One whose checks fail has booted too: it gets another host at its next start."""
        if worker.state in (State.STOPPED, State.TERMINATED):
            return True
        return worker.state is State.RUNNING and (
            boot in (Boot.PASSED, Boot.FAILED, Boot.DOWN) or self._ends_early
        )

    async def _stopped(self, before: Worker) -> tuple[Outcome, str]:
        """The outcome of the requested stop, by the record."""
        until = self._clock() + STOPS_WITHIN
        while self._clock() < until:
            worker = await self._record(before.key, before.instance_id)
            if worker and (found := verdict(before, worker, await self._given_up(worker))):
                return found
            await self._pause(POLL_EVERY)
        message = f"not stopped within {STOPS_WITHIN / 60:.0f} minutes: see `cloudjhub logs stop_requested`"
        return Outcome.RUNNING, f"{message}; {NEVER_USED}"

    async def _record(self, key: str, instance_id: str) -> Worker | None:
        """The record, if it is of this machine and can be read."""
        try:
            worker = await self._cloud.record(key)
        except (StoreUnavailable, BadRecord):
            return None
        return worker if worker and worker.instance_id == instance_id else None

    async def _given_up(self, worker: Worker) -> Entry | None:
        """By the history: a sweep may have decided since, and the record has the last decision alone."""
        try:
            return await self._cloud.given_up(worker) if worker.state is State.RUNNING else None
        except StoreUnavailable:
            return None

    def _done(self, key: str, instance_id: str, outcome: Outcome, message: str = "") -> Prepared:
        self._enter(key, "done")
        if outcome is not Outcome.RUNNING:
            self._running.pop(key, None)
        return Prepared(key=key, instance_id=instance_id, outcome=outcome, message=message)

    def _enter(self, key: str, phase: str) -> None:
        self._phases[key] = phase
        self._report(progress(self._phases))


def verdict(before: Worker, now: Worker, given_up: Entry | None) -> tuple[Outcome, str] | None:
    """The outcome of a stop that was requested when the record was `before`; None while it is unknown. Pure."""
    match now.state:
        case State.STOPPED:
            return Outcome.STOPPED, ""
        case State.TERMINATED:
            return Outcome.NOT_LAUNCHED, "it was terminated meanwhile: run the command again"
        case State.PENDING:
            return Outcome.IN_USE, "it was stopped, and its user started it again"
        case State.RUNNING if _began_anew(before.started_at, now.started_at):
            return Outcome.IN_USE, "it was stopped, and its user started it again"
        case State.RUNNING if given_up and given_up.evidence.get("why") == REFUSED:
            return Outcome.IN_USE, joined(sentence(given_up))
        case State.RUNNING if given_up:
            return Outcome.RUNNING, f"{joined(sentence(given_up))}; {NEVER_USED}"
        case _:
            return None


def _began_anew(before: datetime | None, now: datetime | None) -> bool:
    return before is not None and now is not None and now > before


def progress(phases: dict[str, str]) -> str:
    """How many are done, and the phases of the others. Pure."""
    counts = Counter(phases.values())
    done = counts.pop("done", 0)
    under_way = ", ".join(f"{count} {phase}" for phase, count in counts.items())
    return f"{done} of {len(phases)} done" + (f"; {under_way}" if under_way else "")


def reason_in(error: NotLaunched) -> str:
    """Why a launch was refused, and what to do, for the operator. Pure."""
    if error.code in FIXES:
        return f"AWS launches none ({error.code}): {FIXES[error.code]}"
    return f"{error} ({error.code})" if error.code else str(error)
