"""What the hub's pages show of workers. Times stay times: the page shows them in the reader's own time zone."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from hub.clients.calls import Calls
from hub.clients.lifecycle import Reader
from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.errors import RecordError
from lifecycle_app.model.history import Entry, sentence
from lifecycle_app.model.messages import Part, Time, parts
from lifecycle_app.model.worker import State, Worker, worker_key

log = logging.getLogger(__name__)

LINES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a worker's history."""

    at: Time
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a page shows of one worker; "" and () where there is nothing to show."""

    worker: str
    headline: Sequence[Part] = ()
    reason: Sequence[Part] = ()
    machine: str = ""
    history: tuple[Line, ...] = ()


class Pages:
    """Reads what pages show. A page is shown even if there is nothing to read."""

    def __init__(self, store: WorkerStore, reader: Reader, calls: Calls) -> None:
        self._store = store
        self._reader = reader
        self._calls = calls

    async def about(self, user: str, server: str = "") -> Summary:
        """What happened to a user's server."""
        key = worker_key(user, server)
        try:
            worker = await self._calls.read(lambda: self._store.get(key))
            entries = await self._calls.read(lambda: self._store.history(key, LINES))
        except RecordError as error:
            log.warning("%s: its record and history cannot be read: %s", key, error)
            worker, entries = self._reader.get(key), []
        return summary(key, worker, entries)

    def all_workers(self) -> list[Summary]:
        """All workers as last read, for the administrator."""
        return [summary(worker.key, worker, []) for worker in self._reader.all()]


def summary(key: str, worker: Worker | None, entries: list[Entry]) -> Summary:
    """What a page shows of a worker and its history."""
    if worker is None:
        return Summary(worker=key)
    is_down = worker.state in (State.STOPPING, State.STOPPED, State.TERMINATED)
    return Summary(
        worker=key,
        headline=_headline(worker),
        # If the lifecycle app did not stop it, its last message is not why.
        reason=_sentence(parts(worker.message)) if worker.stop_reason or not is_down else (),
        machine=" ".join(part for part in (worker.instance_type, worker.instance_id, worker.zone) if part),
        history=tuple(Line(at=Time(entry.at, True), parts=_sentence(sentence(entry))) for entry in entries),
    )


def _headline(worker: Worker) -> list[Part]:
    match worker.state:
        case State.STOPPING if worker.claimed_until:
            return ["About to be stopped, unless it is used (since ", Time(worker.state_at, True), ")"]
        case State.STOPPING:
            return ["Stopping since ", Time(worker.state_at, True)]
        case State.STOPPED:
            return ["Stopped ", Time(worker.state_at)]
        case State.TERMINATED:
            return ["The machine was removed ", Time(worker.state_at)]
        case State.PENDING:
            return ["Starting since ", Time(worker.state_at, True)]
        case State.RUNNING:
            return ["Running since ", Time(worker.started_at or worker.state_at, True)]


def _sentence(found: list[Part]) -> list[Part]:
    """With a capital where it begins with a word of ours."""
    if found and isinstance(found[0], str):
        return [found[0][:1].upper() + found[0][1:], *found[1:]]
    return found
