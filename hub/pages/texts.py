"""What the hub's pages show of workers. Times stay times: the page shows them in the reader's own time zone."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from hub.clients.calls import Calls
from hub.clients.lifecycle import Reader
from hub.clients.policies import Budget, Budgets
from hub.spawn.backups import Backups
from hub.spawn.launch_request import Backup
from hub.spawn.machine_types import machine_type
from hub.spawn.options import choice_option, groups_of, has_machine, offered
from hub.spawn.spawner import WorkerSpawner
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.errors import RecordError
from lifecycle_app.model.budget import Standing, near_message, used_text, used_up_message, whose
from lifecycle_app.model.history import Entry, Kind, sentence
from lifecycle_app.model.messages import FOR_ADMINISTRATORS, REMOVED, Part, Time, money, parts
from lifecycle_app.model.worker import State, Worker, worker_key

log = logging.getLogger(__name__)

LINES = 8
READ = 24
"""Entries that are read for so many lines: users are not shown all."""
READ_OF_ONE = 200
"""Entries that are read for the history of one worker."""
NOT_FOR_USERS = frozenset({Kind.REPAIR, Kind.REPORT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a worker's history."""

    at: Time
    parts: Sequence[Part]
    evidence: Sequence[str] = ()
    """What a decision rests on; only for who looks after machines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What happened to a worker, for who looks after it."""

    lines: tuple[Line, ...]
    this_month: str
    """The hours of its runs that ended this month, and what they cost; "" if there were none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a page shows of one worker; "" and () where there is nothing to show."""

    worker: str
    headline: Sequence[Part] = ()
    reason: Sequence[Part] = ()
    kept: Sequence[Part] = ()
    """Until when it is kept running, and by whom."""
    is_kept_by_user: bool = False
    """May its user end that?"""
    machine: str = ""
    history: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Whether a page of a user's machines is still right: it is while `version` stays the same."""

    version: str
    is_changing: bool
    """Will it soon be another one?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What the page of a failed start shows."""

    cause: str
    tried: tuple[str, ...] = ()
    retry_in: int = 0
    """Seconds until the page tries again by itself; 0 if it does not."""
    options: str = ""
    """The query of the URL that tries again with what was chosen."""
    has_choice: bool = False
    """May another machine be chosen?"""
    is_profile_suspected: bool = False
    """Did the machine boot, but not its server? Then the user's own settings may be the cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a page says about a budget that comes to its end."""

    parts: Sequence[Part]
    is_over: bool
    """Is it used up, so that machines are not started?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedBudget:
    """What the Machines page says of a shared budget; `kind`: Bootstrap's colour."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """How a user gets files of an earlier day."""

    backups: Sequence[Backup]
    needs_new_machine: bool
    """Has the user a machine, so that none of them can be shown at the next start?"""


class Pages:
    """Reads what pages show. A page is shown even if there is nothing to read."""

    def __init__(
        self,
        store: WorkerStore,
        reader: Reader,
        calls: Calls,
        budgets: Budgets,
        now: Callable[[], datetime],
        backups: Backups,
    ) -> None:
        self._store = store
        self._reader = reader
        self._calls = calls
        self._budgets = budgets
        self._now = now
        self._backups = backups

    async def budget(self, user: Any) -> Notice | None:
        """What one of JupyterHub's users should know of the month's budget; None while there is nothing to say."""
        found = await self._budgets.of(user.name, groups_of(user))
        return notice(found) if found else None

    async def shared_budgets(self, scopes: Collection[str]) -> list[SharedBudget]:
        """How the budgets stand that the users of these scopes share."""
        return [shared_budget(one) for one in await self._budgets.shared(scopes)]

    async def about(
        self, user: str, server: str = "", *, is_up: bool = True, for_administrators: bool = False
    ) -> Summary:
        """What happened to a user's server; for administrators with what only they can do something about. A machine
        whose server is not up is shown as stopping while its record says that it runs.
        """
        key = worker_key(user, server)
        try:
            worker = await self._calls.read(lambda: self._store.get(key))
            if worker:
                # Or `live`, which looks at the copy, could find nothing to wait for in what this page shows.
                self._reader.take(worker)
            entries = await self._calls.read(lambda: self._store.history(key, READ))
        except RecordError as error:
            log.warning("%s: its record and history cannot be read: %s", key, error)
            worker, entries = self._reader.get(key), []
        return summary(
            key, worker, entries, is_up=is_up, for_administrators=for_administrators, now=self._now()
        )

    async def earlier(self, user: str, server: str = "") -> Earlier | None:
        """The backups that a server which is down can show beside its home; None without any."""
        worker = self._reader.get(worker_key(user, server))
        found = await self._backups.shown(worker, self._now()) if worker else ()
        return earlier(worker, found)

    def live(self, user: Any) -> Live:
        """What the home page of one of JupyterHub's users shows now, by what the hub has in memory."""
        servers = {name: (one.pending, bool(one.active)) for name, one in user.spawners.items()}
        return live({"": (None, False), **servers}, self._reader.of_user(user.name))

    def failure(self, spawner: WorkerSpawner, error: Exception) -> Failure:
        """Why the latest start of a server failed, and how to go on."""
        return failure(spawner, error, self._reader.get(spawner.key))

    async def past(self, user: str, server: str, now: datetime, *, for_administrators: bool) -> Past | None:
        """What happened to a user's server; None if that cannot be read just now."""
        key = worker_key(user, server)
        try:
            entries = await self._calls.read(lambda: self._store.history(key, READ_OF_ONE))
        except RecordError as error:
            log.warning("%s: its history cannot be read: %s", key, error)
            return None
        return past(entries, now, for_administrators=for_administrators)


def live(servers: Mapping[str, tuple[str | None, bool]], workers: Sequence[Worker]) -> Live:
    """What is shown of a user's servers, each with what is pending and whether it is active, and of their workers."""
    known = {worker.server: worker for worker in workers}
    lines, is_changing = [], False
    for name in sorted({*servers, *known}):
        pending, is_active = servers.get(name, (None, False))
        worker = known.get(name)
        state = worker.state if worker else None
        is_changing |= bool(pending) or state in (State.PENDING, State.STOPPING)
        is_changing |= state is State.RUNNING and not is_active
        claim = worker.claimed_until is not None if worker else False
        over = worker.over_budget_since is not None if worker else False
        kept = worker.keep_until.timestamp() if worker and worker.keep_until else 0
        lines.append(f"{name}:{pending}:{is_active}:{state}:{claim}:{over}:{kept:.0f}")
    return Live(version=" ".join(lines), is_changing=is_changing)


def shared_budget(found: Standing) -> SharedBudget:
    """How a shared budget stands, for administrators and teachers."""
    name = whose(found.limit.scope)
    return SharedBudget(
        text=f"{name[:1].upper()}{name[1:]}: {int(found.share * 100)} % ({used_text(found)})",
        kind="danger" if found.is_over else "warning" if found.is_near else "secondary",
    )


def notice(found: Budget) -> Notice | None:
    """What to say about a user's budget; None while most of it is left."""
    standing = found.standing
    if not standing.is_near:
        return None
    if not standing.is_over:
        return Notice(parts=[near_message(standing)], is_over=False)
    ends = found.stops_at
    stop: list[Part] = ["Save your work: your machine stops at ", Time(ends, True), ". "] if ends else []
    return Notice(parts=[*stop, used_up_message(standing)], is_over=True)


def earlier(worker: Worker | None, backups: Sequence[Backup]) -> Earlier | None:
    """What a page offers of a home's backups; None without any."""
    if not backups:
        return None
    return Earlier(backups=backups, needs_new_machine=has_machine(worker))


UNEXPECTED = "Something went wrong in the hub. Try again; if that does not help, tell your administrator."


def failure(spawner: WorkerSpawner, error: Exception, worker: Worker | None) -> Failure:
    """What the page of a failed start shows."""
    settings = spawner.parts.settings
    has_choice = len(offered(settings, groups_of(spawner.user))) > 1 and not has_machine(worker)
    retry_in: timedelta | None = getattr(error, "retry_in", None)
    return Failure(
        cause=getattr(error, "jupyterhub_message", "") or UNEXPECTED,
        tried=spawner.latest_start.progress.messages if spawner.latest_start else (),
        retry_in=int(retry_in.total_seconds()) if retry_in else 0,
        options=f"?opt-{choice_option(settings)}={quote(spawner.chosen.name, safe='')}" if has_choice else "",
        has_choice=has_choice,
        is_profile_suspected=spawner.latest_start is not None and spawner.latest_start.is_fetched,
    )


def summary(
    key: str,
    worker: Worker | None,
    entries: list[Entry],
    *,
    is_up: bool = True,
    for_administrators: bool = False,
    now: datetime | None = None,
) -> Summary:
    """What a page shows of a worker and its history. `now`: for a page that says by itself until when it is kept."""
    if worker is None:
        return Summary(worker=key)
    is_down = worker.state in (State.STOPPING, State.STOPPED, State.TERMINATED)
    # If the lifecycle app did not stop it, its last message is not why.
    is_known = bool(worker.stop_reason) or not is_down or worker.message.code == REMOVED
    shown = [entry for entry in entries if for_administrators or _is_for_users(entry)]
    kept = _kept(worker, now) if now else ()
    is_known &= not (kept and worker.message.code == "kept")
    return Summary(
        worker=key,
        headline=_headline(worker) if is_up or worker.state is not State.RUNNING else ["Stopping"],
        reason=_sentence(parts(worker.message))
        if is_known and (for_administrators or worker.message.code not in FOR_ADMINISTRATORS)
        else (),
        kept=kept,
        is_kept_by_user=bool(kept) and worker.keep_by == worker.user,
        machine=_machine(worker, for_administrators=for_administrators),
        history=tuple(
            Line(at=Time(entry.at, True), parts=_sentence(sentence(entry))) for entry in shown[:LINES]
        ),
    )


def _kept(worker: Worker, now: datetime) -> Sequence[Part]:
    """Until when a worker is kept running that is not stopping; () for one that is not kept."""
    until, by = worker.keep_until, worker.keep_by
    if until is None or until <= now or worker.state not in (State.PENDING, State.RUNNING):
        return ()
    asked = "" if by == worker.user else f" by {by}" if by else " by an administrator"
    return ["Kept on until ", Time(until, True), f"{asked}, whether it is used or not"]


def past(entries: Sequence[Entry], now: datetime, *, for_administrators: bool) -> Past:
    """What to show of a worker's newest entries, newest first."""
    return Past(
        lines=tuple(
            Line(at=Time(one.at, True), parts=_sentence(sentence(one)), evidence=_evidence(one))
            for one in entries
            if for_administrators or _is_for_users(one)
        ),
        this_month=_month(entries, now),
    )


def _evidence(entry: Entry) -> tuple[str, ...]:
    """Each value with its name. What is not known, and what only programs use, is left out."""
    return tuple(
        f"{name.replace('_', ' ')}: {value}"
        for name, value in sorted(entry.evidence.items())
        if isinstance(value, str | int | float) and value not in ("", None)
    )


def _month(entries: Sequence[Entry], now: datetime) -> str:
    begin = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    runs = [one for one in entries if one.kind is Kind.RUN and one.at >= begin]
    if not runs:
        return ""
    hours = sum(one.seconds or 0 for one in runs) / 3600
    costs = [one.cost for one in runs]
    # More runs may have ended before the oldest entry that was read.
    least = "at least " if len(entries) >= READ_OF_ONE and entries[-1].at >= begin else ""
    price = "" if None in costs else f", {money(sum(cost or 0.0 for cost in costs))} for the machine"
    return f"{least}{hours:.1f} hours{price}"


def _is_for_users(entry: Entry) -> bool:
    return entry.kind not in NOT_FOR_USERS and entry.message.code not in FOR_ADMINISTRATORS


def _machine(worker: Worker, *, for_administrators: bool) -> str:
    if for_administrators:
        return " ".join(part for part in (worker.instance_type, worker.instance_id, worker.zone) if part)
    kind = machine_type(worker.instance_type)
    return ", ".join(part for part in (kind.name, kind.processors, kind.memory) if part)


def _headline(worker: Worker) -> list[Part]:
    match worker.state:
        case State.STOPPING if worker.removing:
            return ["Stopped ", Time(worker.state_at), ", about to be removed"]
        case State.STOPPING if worker.claimed_until:
            return ["About to be stopped, unless it is used (since ", Time(worker.state_at, True), ")"]
        case State.STOPPING:
            return ["Stopping since ", Time(worker.state_at, True)]
        case State.STOPPED:
            return ["Stopped ", Time(worker.state_at)]
        case State.TERMINATED:
            kept = (
                ", files in the home directory are kept, programs installed with sudo are not"
                if worker.home_volume
                else ""
            )
            return ["No machine: it was removed ", Time(worker.state_at), *([kept] if kept else [])]
        case State.PENDING:
            return ["Starting since ", Time(worker.state_at, True)]
        case State.RUNNING:
            return ["Running since ", Time(worker.started_at or worker.state_at, True)]


def _sentence(found: list[Part]) -> list[Part]:
    """With a capital where it begins with a word of ours."""
    if found and isinstance(found[0], str):
        return [found[0][:1].upper() + found[0][1:], *found[1:]]
    return found
