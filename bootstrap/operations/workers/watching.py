"""What `workers watch` shows of a cluster, read from its records and their history alone."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from lifecycle_app.adapters.store import WorkerStore
from lifecycle_app.model.history import Entry
from lifecycle_app.model.worker import State, Worker, changes_from

DECISIONS = 6
ORDER = (State.PENDING, State.STOPPING, State.RUNNING, State.STOPPED)


class Watched:
    """The records as last read. The first reading costs as much as `workers list`; each further one only what has
    changed since the one before, and the newest entries of the history.
    """

    def __init__(self, store: WorkerStore) -> None:
        self._store = store
        self._workers: dict[str, Worker] = {}
        self.decisions: Sequence[Entry] = ()
        """The newest, newest first."""

    def read(self, now: datetime) -> None:
        """Reads what is new. Raises StoreUnavailable."""
        since = changes_from(self._workers.values(), now)
        self._workers |= {worker.key: worker for worker in self._store.changed_since(since)}
        self.decisions = newest_entries(self._store, now, DECISIONS)

    @property
    def workers(self) -> list[Worker]:
        """Those that have a machine: what costs money first, and of it what may stop first."""
        return in_order(self._workers.values())


def in_order(workers: Iterable[Worker]) -> list[Worker]:
    """Those that have a machine, as they are shown. Pure."""
    found = [worker for worker in workers if worker.state in ORDER]
    return sorted(found, key=lambda one: (ORDER.index(one.state), _position(one), one.key))


def _position(worker: Worker) -> float:
    """Running ones by when they may stop, others the newest change first."""
    if worker.state is State.RUNNING:
        return (worker.due_at or worker.state_at).timestamp()
    return -worker.state_at.timestamp()


def counts(workers: Iterable[Worker]) -> Mapping[str, int]:
    """How many there are by state, of the states that there are. Pure."""
    found = Counter(worker.state for worker in workers)
    return {str(state): found[state] for state in ORDER if found[state]}


def newest_entries(store: WorkerStore, now: datetime, most: int) -> list[Entry]:
    """The newest entries of the last two days, newest first: a decision at midnight does not vanish."""
    today, found = now.date(), list[Entry]()
    for day in (today, today - timedelta(days=1)):
        if len(found) < most:
            found += store.newest_of_day(day.isoformat(), most - len(found))
    return found
