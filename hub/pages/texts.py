"""What the hub's pages tell about workers, in words."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from hub.clients.calls import Calls
from hub.clients.lifecycle import Reader
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.errors import RecordError
from lifecycle_app.model.history import Entry
from lifecycle_app.model.worker import State, Worker, worker_key

log = logging.getLogger(__name__)

LINES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a worker's history."""

    at: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a page shows of one worker; "" and () where there is nothing to say."""

    worker: str
    headline: str = ""
    reason: str = ""
    machine: str = ""
    history: tuple[Line, ...] = ()


class Pages:
    """Reads what pages show. A page is shown all the same if there is nothing to read."""

    def __init__(self, store: WorkerStore, reader: Reader, calls: Calls) -> None:
        self._store = store
        self._reader = reader
        self._calls = calls

    async def about(self, user: str, server: str = "") -> Told:
        """What happened to a user's server."""
        key = worker_key(user, server)
        try:
            worker = await self._calls.read(lambda: self._store.get(key))
            entries = await self._calls.read(lambda: self._store.history(key, LINES))
        except RecordError as error:
            log.warning("%s: nothing can be told about it: %s", key, error)
            worker, entries = self._reader.get(key), []
        return told(key, worker, entries)

    def everybody(self) -> list[Told]:
        """All workers as last read, for the administrator."""
        return [told(worker.key, worker, []) for worker in self._reader.everybody()]


def told(key: str, worker: Worker | None, entries: list[Entry]) -> Told:
    """The words for a worker and its history."""
    if worker is None:
        return Told(worker=key)
    down = worker.state in (State.STOPPING, State.STOPPED, State.TERMINATED)
    return Told(
        worker=key,
        headline=_headline(worker),
        # Without a reason of ours somebody else stopped it, and our last words are not why.
        reason=_sentence(worker.evidence) if worker.stop_reason or not down else "",
        machine=" ".join(part for part in (worker.instance_type, worker.instance_id, worker.zone) if part),
        history=tuple(Line(at=_clock(entry.at), words=_sentence(entry.words)) for entry in entries),
    )


def _headline(worker: Worker) -> str:
    at = _clock(worker.state_at)
    match worker.state:
        case State.STOPPING if worker.claimed_until:
            return f"Being looked at since {at}: it may be stopped"
        case State.STOPPING:
            return f"Being stopped since {at}"
        case State.STOPPED:
            return f"Stopped at {at}"
        case State.TERMINATED:
            return f"The machine was removed at {at}"
        case State.PENDING:
            return f"Starting since {at}"
        case State.RUNNING:
            return f"Running since {_clock(worker.started_at or worker.state_at)}"


def _clock(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
