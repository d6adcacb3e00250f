"""The hub's API for the lifecycle app: releasing a server, and which users have which servers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Any, Protocol

import requests
from requests.exceptions import InvalidHeader
from urllib3.exceptions import HTTPError, MaxRetryError, NameResolutionError, NewConnectionError

from lifecycle_app.contract import Drain, DrainRequest, Level
from lifecycle_app.errors import HubAnswerOdd, HubUnreachable
from lifecycle_app.model.transitions import LEASE
from lifecycle_app.model.worker import Worker, worker_key
from lifecycle_app.printable import printable, printable_values

CONNECT_SECONDS = 3
READ_SECONDS = 15
"""For a whole answer, with the session of `hub_session`."""
USERS_A_PAGE = 200
MOST_PAGES = 250
PAGES_SECONDS = 30
"""No further page is requested after so long: `record_activity` has a minute in all."""
LARGEST_DRAIN = 64 * 1024
"""Bytes of an answer, which goes into the history: an item of DynamoDB has at most 400 KB."""
LARGEST_PAGE = 8 * 1024 * 1024
LONGEST_REASON = 300
NOTHING_BEHIND = (502, 503, 504)
"""HTTP statuses of a proxy or balancer whose hub is down."""
NOT_KNOWN_THERE = (401, 403)
PAGED = "application/jupyterhub-pagination+json"


@dataclass(frozen=True, slots=True)
class DrainAnswer:
    """Has the hub released the server? If not, why; and what it observed."""

    drained: bool
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HubUser:
    """A user with servers that run or start. `groups` is None if the token may not read them."""

    name: str
    groups: tuple[str, ...] | None
    servers: frozenset[str]
    """Keys of the workers that the hub believes to have a server."""


class Secret(Protocol):
    """Something kept elsewhere, read when it is first needed."""

    def value(self) -> str:
        """The secret itself."""
        ...

    def forget(self) -> None:
        """Reads it again next time: it was refused, and may have been changed."""
        ...


class HubClient:
    """The hub's REST API with the lifecycle service's token.

    Raises HubUnreachable only if there is no connection, or the proxy says so. Anything else without a usable answer is
    HubAnswerOdd, also a timeout after the request: the hub may have acted.
    """

    def __init__(
        self,
        api: str,
        token: Secret,
        session: requests.Session,
        *,
        read_seconds: float = READ_SECONDS,
        stopwatch: Callable[[], float] = monotonic,
    ) -> None:
        self._api = api.rstrip("/")
        self._token = token
        self._session = session
        self._read_seconds = read_seconds
        self._stopwatch = stopwatch

    def drain(
        self, worker: Worker, mode: Drain, since: datetime, counts: Level, *, apps: bool = False
    ) -> DrainAnswer:
        """Asks the hub to release the claimed worker's server, if the mode allows it.

        In mode idle, activity below the level that `counts` does not forbid it; a web app's traffic does if `apps`.
        """
        asked: DrainRequest = {
            "worker": worker.key,
            "instance_id": worker.instance_id,
            "since": since.timestamp(),
            # `since` was made by the clock that made the claim: by this the hub sees whether that is its own.
            "claimed_at": (worker.claimed_until - LEASE).timestamp() if worker.claimed_until else None,
            "mode": mode.value,
            "counts": int(counts),
        }
        if apps:
            asked["apps"] = True
        answer = self._json("POST", "/cloudjhub/drain", LARGEST_DRAIN, json=asked)
        about = (answer.get("worker"), answer.get("instance_id"))
        drained, reason, evidence = (answer.get(name) for name in ("drained", "reason", "evidence"))
        if about != (worker.key, worker.instance_id):
            raise HubAnswerOdd(f"drain of {worker.key}: the answer is about something else: {_short(about)}")
        if not isinstance(drained, bool) or not isinstance(reason, str) or not isinstance(evidence, Mapping):
            raise HubAnswerOdd(f"drain of {worker.key}: {_short(answer)}")
        kept = {_line(name): printable_values(one) for name, one in evidence.items() if _is_plain(one)}
        return DrainAnswer(drained, _line(reason), kept)

    def active_users(self) -> list[HubUser]:
        """All users with a server that runs or starts, page by page."""
        users: list[HubUser] = []
        offset: int | None = 0
        ends, pages = self._stopwatch() + PAGES_SECONDS, 0
        while offset is not None:
            if pages == MOST_PAGES or (pages and self._stopwatch() > ends):
                raise HubAnswerOdd(f"users: no last page after {pages} pages")
            page = self._json(
                "GET",
                "/users",
                LARGEST_PAGE,
                params={"state": "active", "offset": offset, "limit": USERS_A_PAGE},
                headers={"Accept": PAGED},
            )
            users += [_user(item) for item in _items(page)]
            offset = _next_offset(page, offset)
            pages += 1
        return users

    def _json(self, method: str, path: str, largest: int, **arguments: Any) -> Mapping[str, Any]:
        what = f"{method} {path}"
        # No compression: what is small on the wire could be large here.
        headers = {"Accept-Encoding": "identity", **arguments.pop("headers", {})}
        headers["Authorization"] = f"token {self._token.value()}"
        try:
            with self._answer(method, path, headers=headers, **arguments) as answer:
                sent = answer.raw.read(largest + 1, decode_content=False)
        except (InvalidHeader, UnicodeError):  # its message would show the token
            raise HubAnswerOdd(f"{what}: the token for the hub cannot be a header") from None
        except (requests.RequestException, HTTPError) as error:
            kind = HubUnreachable if _nothing_listens(error) else HubAnswerOdd
            raise kind(_line(f"{what}: {error}")) from error
        if answer.status_code in NOTHING_BEHIND:
            raise HubUnreachable(_line(f"{what}: {answer.status_code} {answer.reason}"))
        if answer.status_code in NOT_KNOWN_THERE:
            self._token.forget()
        if answer.status_code != 200:
            raise HubAnswerOdd(_line(f"{what}: {answer.status_code} {answer.reason}: {_short(sent)}"))
        if len(sent) > largest:
            raise HubAnswerOdd(f"{what}: the answer is longer than {largest} bytes")
        return _body(what, sent)

    def _answer(self, method: str, path: str, **arguments: Any) -> requests.Response:
        ask = partial(
            self._session.request,
            method,
            self._api + path,
            timeout=(CONNECT_SECONDS, self._read_seconds),
            allow_redirects=False,
            stream=True,
            **arguments,
        )
        try:
            return ask()
        except requests.ConnectTimeout:  # some lost packets do not mean that the hub is down
            return ask()


def _nothing_listens(error: requests.RequestException | HTTPError) -> bool:
    """Is it certain that the request was not received, and that the address is right?"""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else None
    return isinstance(reason, NewConnectionError) and not isinstance(reason, NameResolutionError)


def _body(what: str, sent: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(sent, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:  # bytes that are not text are a ValueError, too
        raise HubAnswerOdd(f"{what}: not JSON: {_short(sent)}") from error
    if not isinstance(body, Mapping):
        raise HubAnswerOdd(f"{what}: not an object: {_short(sent)}")
    return body


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a number in JSON")


def _items(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    items = page.get("items")
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise HubAnswerOdd(f"users: not a list: {_short(page)}")
    return items


def _next_offset(page: Mapping[str, Any], offset: int) -> int | None:
    pagination = page.get("_pagination")
    if not isinstance(pagination, Mapping) or "next" not in pagination:
        raise HubAnswerOdd(f"users: no offset of the next page: {_short(page)}")
    following = pagination["next"]
    if following is None:
        return None
    if isinstance(following, Mapping) and type(following.get("offset")) is int:
        if following["offset"] > offset:
            return int(following["offset"])
        raise HubAnswerOdd(f"users: the page after {offset} begins at {following['offset']}")
    raise HubAnswerOdd(f"users: not an offset of the next page: {_short(following)}")


def _user(item: Mapping[str, Any]) -> HubUser:
    name, servers, groups = (item.get(key) for key in ("name", "servers", "groups"))
    if not isinstance(name, str) or not isinstance(servers, Mapping):
        raise HubAnswerOdd(f"users: a user without name or servers: {_short(item)}")
    if not (groups is None or (isinstance(groups, list) and all(map(_is_name, groups)))):
        raise HubAnswerOdd(f"users: {_short(name)} with invalid groups: {_short(groups)}")
    try:
        keys = frozenset(worker_key(name, server) for server, about in servers.items() if _is_up(about))
    except ValueError as error:
        raise HubAnswerOdd(f"users: {_short(str(error))}") from error
    return HubUser(name, None if groups is None else tuple(sorted(groups)), keys)


def _is_up(server: object) -> bool:
    """Does it run or start by the hub? A stopped server is listed too, if it has a name."""
    if not isinstance(server, Mapping) or not isinstance(server.get("stopped", False), bool):
        raise HubAnswerOdd(f"users: not a server: {_short(server)}")
    return not server.get("stopped", False)


def _is_name(thing: object) -> bool:
    """Is it text that can be encoded? JSON can have incomplete characters."""
    return isinstance(thing, str) and thing.encode(errors="ignore").decode() == thing


def _is_plain(thing: object) -> bool:
    """Can it be evidence: a number, a text, or a list of those?"""
    return isinstance(thing, str | int | float | None) or (
        isinstance(thing, list) and all(isinstance(one, str | int | float | None) for one in thing)
    )


def _line(text: str) -> str:
    """The text as one printable line of limited length."""
    return " ".join(printable(text[: 2 * LONGEST_REASON]).split())[:LONGEST_REASON]


def _short(thing: object) -> str:
    try:
        return repr(thing)[:200]
    except RecursionError:
        return f"a {type(thing).__name__} within others without end"
