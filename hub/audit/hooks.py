"""Where JupyterHub is listened to: at each request, and at each change of users, accounts and tokens."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from jupyterhub import orm
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.log import _scrub_uri, log_request
from sqlalchemy import event, inspect
from sqlalchemy.orm import Session

from hub.audit.event import Outcome
from hub.audit.record import Request, actor_of, begin, record

READING = frozenset({"GET", "HEAD", "OPTIONS"})
UNKNOWN_METHOD = "UNKNOWN"
CHANGING_BY_LINK = frozenset({"LogoutHandler"})
ROUTINE: dict[str, Callable[[int], bool]] = {
    # Each server's report, every few minutes.
    "ActivityAPIHandler": lambda status: status < 400,
    # Booting workers ask each second until it is their turn; the answer leaves a line of its own.
    "EnvironmentHandler": lambda status: status in (200, 409, 503),
}
"""Requests that leave no line, by the names of their handlers."""


def follow_requests() -> None:
    """Has each request know its id and, by `request_ended` as JupyterHub's `log_function`, leave a line."""
    prepare = BaseHandler.prepare

    async def identified(self: Any) -> None:
        number = secrets.token_hex(8)
        begin(Request(self, number))
        await prepare(self)
        begin(Request(self, number, actor_of(self)))

    BaseHandler.prepare = identified


def request_ended(handler: Any) -> None:
    """Called by Tornado at the end of each request: JupyterHub's log line, and one in the audit log."""
    if handler.request.method not in handler.SUPPORTED_METHODS:
        # JupyterHub keeps figures for each method that it has ever seen.
        handler.request.method = UNKNOWN_METHOD
    log_request(handler)
    method, status, name = handler.request.method, handler.get_status(), type(handler).__name__
    if method in READING and name not in CHANGING_BY_LINK:
        return
    if name not in ROUTINE or not ROUTINE[name](status):
        record("request", _scrub_uri(handler.request.path), outcome_of(status), f"{method} {status}")


def outcome_of(status: int) -> Outcome:
    """What an HTTP status says."""
    if status < 400:
        return Outcome.OK
    return Outcome.REFUSED if status < 500 else Outcome.FAILED


class Change(NamedTuple):
    """What a change in the database stands for; `actor` where it is not the sender of the request."""

    action: str
    target: str
    detail: str = ""
    actor: str | None = None


WAITING = "cloudjhub-audit"


def follow_database() -> None:
    """Has each committed change of users, accounts and tokens leave a line, whichever code made it."""
    event.listen(Session, "before_flush", _note_changes)
    event.listen(Session, "after_flush", _note_new)
    event.listen(Session, "after_commit", _write)
    event.listen(Session, "after_rollback", lambda session: session.info.pop(WAITING, None))


def _note_changes(session: Session, *_: Any) -> None:
    """What is deleted is still there now."""
    with session.no_autoflush:
        for one in session.deleted:
            _note(session, deleted(one))
        for one in session.dirty:
            _note(session, changed(one))


def _note_new(session: Session, *_: Any) -> None:
    """What is new has its number now."""
    with session.no_autoflush:
        for one in session.new:
            _note(session, created(session, one))


def _note(session: Session, changes: Iterator[Change]) -> None:
    session.info.setdefault(WAITING, []).extend(changes)


def _write(session: Session) -> None:
    for change in session.info.pop(WAITING, []):
        record(change.action, change.target, detail=change.detail, actor=change.actor)


def created(session: Session, one: Any) -> Iterator[Change]:
    """What this new object stands for."""
    match _table(one):
        case "users":
            yield Change("user.add", one.name, "administrator" if one.admin else "")
        case "users_info":
            yield Change("account.create", one.username, "authorised" if one.is_authorized else "waits")
        case "api_tokens":
            server = _server_of_another(session, one)
            if server:
                yield Change("server.access", server, one.client_id, _owner(one))
            # The server sends the request, for the user.
            yield Change(
                "token.create", _owner(one), _token(one), _owner(one) if _is_of_server(one) else None
            )


def deleted(one: Any) -> Iterator[Change]:
    """What the end of this object stands for."""
    match _table(one):
        case "users":
            yield Change("user.remove", one.name)
        case "users_info":
            yield Change("account.delete", one.username)
        case "api_tokens" if not one.expired:
            yield Change("token.revoke", _owner(one), _token(one))


def changed(one: Any) -> Iterator[Change]:
    """What the changes of this object stand for."""
    match _table(one):
        case "users":
            if _is_changed(one, "name"):
                yield Change("user.rename", one.name, f"from {_before(one, 'name')}")
            if _is_changed(one, "admin"):
                yield Change("user.promote" if one.admin else "user.demote", one.name)
            if _is_changed(one, "cookie_id"):
                yield Change("sessions.end", one.name)
        case "users_info":
            if _is_changed(one, "password"):
                yield Change("password.change", one.username)
            if _is_changed(one, "is_authorized"):
                yield Change("account.authorise" if one.is_authorized else "account.suspend", one.username)


def _table(one: Any) -> str:
    return str(one.__tablename__)


def _is_changed(one: Any, attribute: str) -> bool:
    history = inspect(one).attrs[attribute].history
    return bool(history.added) and list(history.added) != list(history.deleted)


def _before(one: Any, attribute: str) -> str:
    return str(next(iter(inspect(one).attrs[attribute].history.deleted or ()), ""))


def _owner(token: orm.APIToken) -> str:
    if token.user is not None:
        return str(token.user.name)
    return f"service/{token.service.name}" if token.service is not None else ""


def _token(token: orm.APIToken) -> str:
    """Its id, and for which application; never the token, nor its note, which a user wrote."""
    return f"{token.api_id} {token.client_id or ''}".strip()


def _is_of_server(token: orm.APIToken) -> bool:
    """Was it made for an application such as a user's server, by OAuth?"""
    return token.client_id not in (None, "", "jupyterhub")


def _server_of_another(session: Session, token: orm.APIToken) -> str:
    """The worker whose server a user other than its own may enter with the token; "" for none."""
    query = session.query(orm.Spawner).filter(orm.Spawner.oauth_client_id == token.client_id)
    spawner = query.first() if token.client_id and token.user_id else None
    if spawner is None or spawner.user_id == token.user_id:
        return ""
    return f"{spawner.user.name}/{spawner.name}".rstrip("/")
