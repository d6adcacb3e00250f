"""Writes events: who acts is known from the request that is being handled."""

import logging
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from jupyterhub import orm
from jupyterhub.user import User

from hub.audit.event import IDENTIFIER, Event, Outcome, to_line
from lifecycle_app.contract import utc_now

log = logging.getLogger(__name__)
audit_log = logging.getLogger("hub.audit.lines")

MOST_A_MINUTE = 600
"""Lines about what one actor, or all strangers together, tried in vain; and about one kind of act of a user."""
MOST_FROM_ONE = 120
"""Lines a minute about one kind of act of a user from one address."""
HUB, OPERATOR, WORKER = "hub/", "operator/list", "worker/"


@dataclass(frozen=True, slots=True)
class Request:
    """The HTTP request that is being handled."""

    handler: Any
    id: str
    actor: str = ""
    """Who sent it, before it was handled."""


_acting: ContextVar[Request | str] = ContextVar("acting", default=HUB)


def begin(request: Request) -> None:
    """What happens from now on in this task, and in those that it begins, is due to this request."""
    _acting.set(request)


@contextmanager
def acting_as(actor: str) -> Iterator[None]:
    """What happens within is due to this actor."""
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)


def record(
    action: str, target: str = "", outcome: Outcome = Outcome.OK, detail: str = "", actor: str | None = None
) -> None:
    """Writes a line, unless the actor has had too many written within this minute."""
    acting = _acting.get()
    if isinstance(acting, Request):
        who, source, request = (
            actor_of(acting.handler) or acting.actor,
            str(acting.handler.request.remote_ip or ""),
            acting.id,
        )
    else:
        who, source, request = acting, "", ""
    event = Event(
        at=utc_now(),
        actor=who if actor is None else actor,
        action=action,
        target=target,
        source=source,
        outcome=outcome,
        request=request,
        detail=detail,
    )
    for one in _limit.allowed(event, is_trusted=_is_trusted(event.actor, acting)):
        audit_log.info("%s", to_line(one))


def _is_trusted(actor: str, acting: Request | str) -> bool:
    """Is it an administrator in a session, or a part of ours that no user controls? They act on a thousand at once."""
    if "/" in actor:
        return not actor.startswith(WORKER)
    user = getattr(acting.handler, "_jupyterhub_user", None) if isinstance(acting, Request) else None
    return isinstance(user, User) and user.name == actor and bool(user.admin)


def actor_of(handler: Any) -> str:
    """Who sent the request, as far as the hub knows."""
    user = getattr(handler, "_jupyterhub_user", None)
    if isinstance(user, User):
        return str(user.name)
    return f"service/{user.name}" if isinstance(user, orm.Service) else ""


class Group(NamedTuple):
    """Events that are counted together; "" stands for all."""

    actor: str
    action: str = ""
    source: str = ""


class Limit:
    """Bounds what strangers and users can have written, and counts what is left out."""

    def __init__(self, most: int = MOST_A_MINUTE, most_from_one: int = MOST_FROM_ONE) -> None:
        self._most, self._most_from_one = most, most_from_one
        self._since: datetime | None = None
        self._written: Counter[Group] = Counter()
        self._left: Counter[Group] = Counter()

    def allowed(self, event: Event, *, is_trusted: bool = False) -> Iterator[Event]:
        """The event, if it is to be written; before it, what the last minute left out."""
        if self._since is None or event.at - self._since >= timedelta(minutes=1):
            yield from self._left_out(event.at)
            self._since, self._written, self._left = event.at, Counter(), Counter()
        groups = _groups(event, is_trusted=is_trusted)
        # The wider group first: once it is full, its sources are not remembered.
        full = next((one for one in groups if self._written[one] >= self._most_of(one)), None)
        if full is not None:
            self._left[full] += 1
            return
        self._written.update(groups)
        yield event

    def _most_of(self, group: Group) -> int:
        return self._most_from_one if group.source else self._most

    def _left_out(self, now: datetime) -> Iterator[Event]:
        for group, times in self._left.items():
            detail = f"{times} lines {group.action}".rstrip()
            yield Event(
                at=now,
                actor=HUB,
                action="audit.left-out",
                target=group.actor,
                source=group.source,
                detail=detail,
            )


def _groups(event: Event, *, is_trusted: bool) -> list[Group]:
    """Those that the event counts in. Acts of one kind hide none of another."""
    if event.outcome is not Outcome.OK or not event.actor:
        return [Group(event.actor)]
    if is_trusted:
        return []
    return [Group(event.actor, event.action), Group(event.actor, event.action, event.source or "-")]


_limit = Limit()


class JournalHandler(logging.Handler):
    """Sends lines to the manager's journal by its own protocol, marked as the audit log's.

    A line that the journal does not take goes to the hub's log.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def close(self) -> None:
        """Called by `logging`."""
        self._socket.close()
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Called by `logging`."""
        line = record.getMessage()
        try:
            self._socket.sendto(datagram(line), self._path)
        except OSError as error:
            log.error("the journal does not take a line of the audit log: %s: %s", error, line)


def datagram(line: str) -> bytes:
    """A line in the journal's protocol: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/."""
    return f"PRIORITY=5\nSYSLOG_IDENTIFIER={IDENTIFIER}\nMESSAGE={line}\n".encode("ascii")


def send_to(path: Path | None) -> None:
    """Has lines sent to the journal's socket; without one they go to the hub's log."""
    audit_log.handlers.clear()
    if path is not None:
        audit_log.addHandler(JournalHandler(path))
    audit_log.propagate = path is None
