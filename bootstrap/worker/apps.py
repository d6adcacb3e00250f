"""Web apps behind the server (RStudio, Streamlit, a desktop), and the widgets of notebooks: used, or only open?

An open page polls, sends heartbeats and responds to what its server pushes. A person does things at uneven times.
Nothing of what is sent is read or kept: only when it was sent, how long it is, and a hash of its method and path.

- What follows the server's own message at once is a response to it.
- What comes at even intervals is a poll, with one or two pages open and a beat lost now and then.
- What remains is a person's, if it comes at uneven times. Everything else may be a person's or not.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from math import log2

from lifecycle_app.contract import APP_PORTS, APPS, app_name

from .facts import AppUse

Kind = int

RESPONSE = 0.75
"""Seconds after a message of the server within which a page responds to it."""
RESPONSES = 3
"""So many messages of a page may be responses to one of the server; each key and each move of a mouse is one more."""
SETTLING = 10.0
"""Seconds after a page or a socket was opened in which the page itself asks for all it shows."""
PAUSE = 2.0
"""Seconds between two acts at least; what comes faster, like a mouse's moves, is one act."""
LONGEST_PAUSE = 60.0
"""A pause in an act may last a quarter of the act before it, up to so many seconds: streams without end falter. What
lasts for so long is a stream."""
EVEN = 2.5
"""Intervals whose longest is at most so many times the shortest are even. Timers of hidden pages are that inexact."""
ACTS_KEPT = 12
ACTS_OF_A_POLL, ACTS_OF_A_PERSON = 4, 3
"""So many acts show that their intervals are even, or uneven."""
PERSONS_MEMORY = 900.0
"""Seconds. Rare polls, of which it takes hours to see that they are even, must not look like a person."""
MOST_APPS, MOST_KINDS = 20, 64


@dataclass(slots=True)
class Rhythm:
    """When acts of one kind happened, in seconds of any clock."""

    acts: deque[float] = field(default_factory=lambda: deque(maxlen=ACTS_KEPT))
    last: float = 0.0

    def happened(self, at: float) -> bool:
        """Note it. Does a new act begin with it?"""
        at = max(at, self.last)
        goes_on = bool(self.acts) and at - self.last <= self._longest_pause()
        self.last = at
        if not goes_on:
            self.acts.append(at)
        return not goes_on

    def forget(self, before: float) -> None:
        """Drop acts that began before then."""
        while self.acts and self.acts[0] < before:
            self.acts.popleft()

    def is_even(self) -> bool:
        """Did enough acts happen at even intervals, of one page or of two that poll alike?"""
        return len(self.acts) >= ACTS_OF_A_POLL and self._has_beat()

    def is_stream(self) -> bool:
        """Has the present act lasted for too long to be one?"""
        return bool(self.acts) and self.last - self.acts[-1] >= LONGEST_PAUSE

    def is_uneven(self) -> bool:
        """Did enough acts happen at uneven intervals?"""
        return len(self.acts) >= ACTS_OF_A_PERSON and not self._has_beat()

    def _has_beat(self) -> bool:
        return any(_are_even(_intervals(self.acts, pages)) for pages in (1, 2))

    def _longest_pause(self) -> float:
        return max(PAUSE, min(LONGEST_PAUSE, (self.last - self.acts[-1]) / 4))


def _intervals(acts: Sequence[float], pages: int) -> list[float]:
    return [later - earlier for earlier, later in zip(acts, islice(acts, pages, None), strict=False)]


def _are_even(intervals: Sequence[float]) -> bool:
    """Are they all about as long? With many, one is left out that is shorter, and two that are longer: lost beats."""
    if len(intervals) < 2:
        return False
    ordered = sorted(intervals)
    if len(ordered) >= 8:
        ordered = ordered[1:-2]
    elif len(ordered) >= 5:
        ordered = ordered[:-1]
    return ordered[-1] <= EVEN * ordered[0]


@dataclass(slots=True)
class App:
    """One app's traffic: `number` by `contract.app_name`."""

    number: int
    is_judged: bool = True
    """Can a person be told from its polling at all? Of extensions of JupyterLab too little is known."""
    _kinds: OrderedDict[Kind, tuple[Rhythm, Rhythm]] = field(default_factory=OrderedDict)
    """Of each kind the rhythm of all messages, and of those that are not responses: a poll may be even in one only."""
    _rest: Rhythm = field(default_factory=Rhythm)
    _settled_at: float = 0.0
    _served_at: float = float("-inf")
    _responses: int = 0

    def opened(self, at: float) -> None:
        """A page or a socket of it was opened."""
        self._settled_at = at + SETTLING

    def served(self, at: float) -> None:
        """The server sent a message or a response."""
        self._served_at, self._responses = at, RESPONSES

    def is_response(self, at: float) -> bool:
        """Does what the page sends now follow from what it got? Each may be asked about once."""
        if at < self._settled_at:
            return True
        if at - self._served_at > RESPONSE or not self._responses:
            return False
        self._responses -= 1
        return True

    def is_poll(self, kind: Kind, at: float, *, is_response: bool) -> bool:
        """Note a message. Does its kind come at even intervals?"""
        rhythms = self._kinds.setdefault(kind, (Rhythm(), Rhythm()))
        self._kinds.move_to_end(kind)
        while len(self._kinds) > MOST_KINDS:
            self._kinds.popitem(last=False)
        for rhythm in rhythms[:1] if is_response else rhythms:
            rhythm.happened(at)
        return any(rhythm.is_stream() or rhythm.is_even() for rhythm in rhythms)

    def is_person(self, at: float) -> bool:
        """Note a message that is neither response nor poll. Does an act begin with it that is certainly a person's?"""
        self._rest.forget(at - PERSONS_MEMORY)
        return self._rest.happened(at) and self.is_judged and self._rest.is_uneven()


class Apps:
    """The traffic of all apps of a server, and the newest act of a person in it."""

    def __init__(self, clock: Callable[[], datetime], note: Callable[[str | None], None]) -> None:
        self._clock = clock
        self._note = note
        self._apps: OrderedDict[str, App] = OrderedDict()
        self.last: AppUse | None = None

    def app(self, key: str, number: int, *, is_judged: bool = True) -> App:
        """The app with that key; the one not used for longest is forgotten where there are too many."""
        app = self._apps.get(key)
        if app is None:
            app = self._apps[key] = App(number, is_judged=is_judged)
        self._apps.move_to_end(key)
        while len(self._apps) > MOST_APPS:
            self._apps.popitem(last=False)
        return app

    def now(self) -> float:
        """The time in seconds."""
        return self._clock().timestamp()

    def sent(self, app: App, kind: Kind, at: float, *, is_response: bool, is_change: bool = True) -> None:
        """A page of the app sent a message or a request at that time. Of an extension only changes count."""
        if not app.is_judged and (not is_change or is_response):
            return
        is_poll = app.is_poll(kind, at, is_response=is_response)
        if is_poll and not app.is_judged:
            return
        self.seen(app)
        if not is_response and not is_poll and app.is_person(at):
            self.used_by_person(app)

    def used_by_person(self, app: App) -> None:
        """A person certainly used the app."""
        self.seen(app)
        self._note(f"used {app_name(app.number)}")

    def seen(self, app: App) -> None:
        """The app has traffic, a person's or not."""
        self.last = AppUse(at=self._clock(), number=app.number)


def frame_kind(path: str, message: str | bytes) -> Kind:
    """The kind of a socket's message, by its socket, type and length; a counter in it changes none of them."""
    return hash((path, type(message), _size(len(message))))


def request_kind(method: str, path: str, length: int) -> Kind:
    """The kind of an HTTP request, by its method, path and its body's length."""
    return hash((method, path, _size(length)))


def _size(length: int) -> int:
    return int(4 * log2(length)) if length else -1


OTHER, WIDGETS, EXTENSION = 1, 2, 3
"""Numbers in APPS."""
LONGEST_KEY = 100


def number_of(path: str) -> int:
    """The number of the app that is served at a path relative to the base URL."""
    first, *others = path.strip("/").split("/")
    if first == "proxy":
        found = [part.rpartition(":")[2] for part in others[:2] if part != "absolute"]
        port = int(found[0]) if found and found[0].isascii() and found[0].isdigit() else 0
        return port if port in APP_PORTS else OTHER
    name = f"app /{first}"
    return APPS.index(name) + 1 if name in APPS else OTHER


def key_of(path: str) -> str:
    """What tells the apps of a server apart in a path relative to the base URL."""
    parts = path.strip("/").split("/")
    length = (3 if parts[1:2] == ["absolute"] else 2) if parts[0] == "proxy" else 1
    return "/".join(parts[:length])[:LONGEST_KEY]
