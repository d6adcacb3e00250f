"""Which machines the Machines page shows: searched, filtered, sorted, a page at a time. Pure.

A page has few rows whatever the cluster's size, so that an update stays small.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lifecycle_app.model.worker import EPOCH, State, Worker, worker_key

ROWS = 40
"""Of a page."""
LONGEST_SEARCH = 100
LAST_PAGE = 10_000
NO_MACHINE = "none"
"""Stands for the state of a server that has no machine."""
STATES = (State.RUNNING, State.PENDING, State.STOPPING, State.STOPPED, NO_MACHINE)
"""What can be filtered by, as the page shows it."""


class Sort(StrEnum):
    """What the rows are sorted by."""

    STATE = "state"
    NAME = "name"
    USED = "used"
    TYPE = "type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A user's server, with its record if it ever had a machine."""

    user: str
    server: str = ""
    worker: Worker | None = None
    is_active: bool = False
    """Has the hub a server there, running or starting?"""

    @property
    def key(self) -> str:
        """The worker's."""
        return worker_key(self.user, self.server)

    @property
    def state(self) -> str:
        """One of STATES."""
        if self.worker is None or self.worker.state is State.TERMINATED:
            return NO_MACHINE
        return self.worker.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a viewer asked for, within bounds."""

    search: str = ""
    state: str = ""
    """One of STATES; "" for all."""
    group: str = ""
    sort: Sort = Sort.STATE
    page: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A page of rows, and what there is to choose from."""

    rows: Sequence[Row]
    found: int
    """Rows on all pages."""
    page: int
    pages: int
    counts: Mapping[str, int]
    """By state, of the rows that the search and the group leave."""
    groups: Sequence[str]


def choice(asked: Callable[[str], str]) -> Choice:
    """The choice in a request's arguments, of which `asked` gives one by name; what cannot be used is left out."""
    state, sort, page = asked("state"), asked("sort"), asked("page")
    return Choice(
        search=asked("search")[:LONGEST_SEARCH].strip().casefold(),
        state=state if state in STATES else "",
        group=asked("group")[:LONGEST_SEARCH],
        sort=Sort(sort) if sort in set(map(str, Sort)) else Sort.STATE,
        page=min(int(page), LAST_PAGE) if page.isascii() and page.isdecimal() and len(page) < 9 else 1,
    )


def rows(users: Collection[str], workers: Iterable[Worker], active: Collection[tuple[str, str]]) -> list[Row]:
    """A row for each server of these users that has a machine or is active, and one for each user without any."""
    known = {(worker.user, worker.server): worker for worker in workers if worker.user in users}
    servers = {*known, *(one for one in active if one[0] in users)}
    with_servers = {user for user, _ in servers}
    servers |= {(user, "") for user in users if user not in with_servers}
    return [
        Row(user=user, server=server, worker=known.get((user, server)), is_active=(user, server) in active)
        for user, server in servers
    ]


def view(all_rows: Iterable[Row], chosen: Choice, *, rows_of_a_page: int | None = ROWS) -> View:
    """The page that was chosen, or the last one before it that exists; all rows on one page for None."""
    everything = list(all_rows)
    groups = sorted({group for row in everything if row.worker for group in row.worker.groups})
    matching = [row for row in everything if _matches(row, chosen)]
    counts = Counter(row.state for row in matching)
    found = [row for row in matching if chosen.state in ("", row.state)]
    found.sort(key=lambda row: (_ORDERS[chosen.sort](row), row.key))
    size = rows_of_a_page or max(len(found), 1)
    pages = max(1, -(-len(found) // size))
    page = min(max(chosen.page, 1), pages)
    return View(
        rows=found[(page - 1) * size : page * size],
        found=len(found),
        page=page,
        pages=pages,
        counts={state: counts[state] for state in STATES},
        groups=groups,
    )


def _matches(row: Row, chosen: Choice) -> bool:
    worker = row.worker
    if chosen.group and (worker is None or chosen.group not in worker.groups):
        return False
    words = (row.key, worker.instance_type, worker.instance_id, worker.zone) if worker else (row.key,)
    return any(chosen.search in word.casefold() for word in words)


def _last_used(row: Row) -> float:
    at = row.worker.last_interaction if row.worker else None
    return -(at or EPOCH).timestamp()


_ORDERS: Mapping[Sort, Callable[[Row], Any]] = {
    Sort.STATE: lambda row: STATES.index(row.state),
    Sort.NAME: lambda row: (row.user, row.server),
    Sort.USED: _last_used,
    Sort.TYPE: lambda row: row.worker.instance_type if row.worker else "~",
}
