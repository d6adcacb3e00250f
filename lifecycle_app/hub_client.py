"""What the lifecycle app asks of the hub: to let go of a server, and who has which servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import requests
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError

from lifecycle_app.decision import Drain
from lifecycle_app.errors import HubAnswerOdd, HubUnreachable
from lifecycle_app.policy import Level
from lifecycle_app.worker import Worker, worker_key

CONNECT_SECONDS = 3
READ_SECONDS = 15
USERS_A_PAGE = 200
NOBODY_BEHIND = (502, 503, 504)
"""What a proxy or balancer answers when the hub behind it is down."""
NOT_KNOWN_THERE = (401, 403)
PAGED = "application/jupyterhub-pagination+json"


@dataclass(frozen=True, slots=True)
class DrainAnswer:
    """Has the hub let go of the server? If not, why; and what it saw."""

    drained: bool
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HubUser:
    """A user with servers that run or start. `groups` is None if the hub may not tell."""

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
        """Reads it anew next time: it did not work, and may have been changed."""
        ...


class HubClient:
    """The hub's REST API with the lifecycle service's token.

    Raises HubUnreachable only if nobody listens, or the proxy says that nobody does. Everything else that
    is no plain answer is HubAnswerOdd, silence after the request included: the hub may have acted.
    """

    def __init__(self, api: str, token: Secret, session: requests.Session) -> None:
        self._api = api.rstrip("/")
        self._token = token
        self._session = session

    def drain(self, worker: Worker, mode: Drain, since: datetime, counts: Level) -> DrainAnswer:
        """Asks the hub to let go of the worker's server, if the mode allows it.

        In mode idle, life below the level that `counts` does not forbid it.
        """
        asked = {
            "worker": worker.key,
            "instance_id": worker.instance_id,
            "since": since.timestamp(),
            "mode": mode.value,
            "counts": int(counts),
        }
        answer = self._json("POST", "/cloudjhub/drain", json=asked)
        drained, reason, evidence = (answer.get(name) for name in ("drained", "reason", "evidence"))
        if not isinstance(drained, bool) or not isinstance(reason, str):
            raise HubAnswerOdd(f"drain of {worker.key}: {_short(answer)}")
        return DrainAnswer(drained, reason, evidence if isinstance(evidence, Mapping) else {})

    def active_users(self) -> list[HubUser]:
        """All users with a server that runs or starts, page by page."""
        users: list[HubUser] = []
        offset: int | None = 0
        while offset is not None:
            page = self._json(
                "GET",
                "/users",
                params={"state": "active", "offset": offset, "limit": USERS_A_PAGE},
                headers={"Accept": PAGED},
            )
            users += [_user(item) for item in _items(page)]
            offset = _next_offset(page, offset)
        return users

    def _json(self, method: str, path: str, **arguments: Any) -> Mapping[str, Any]:
        headers = {"Authorization": f"token {self._token.value()}", **arguments.pop("headers", {})}
        try:
            answer = self._answer(method, path, headers=headers, **arguments)
        except requests.RequestException as error:
            kind = HubUnreachable if _nobody_listens(error) else HubAnswerOdd
            raise kind(f"{method} {path}: {error}") from error
        if answer.status_code in NOBODY_BEHIND:
            raise HubUnreachable(f"{method} {path}: {answer.status_code} {answer.reason}")
        if answer.status_code in NOT_KNOWN_THERE:
            self._token.forget()
        return _body(f"{method} {path}", answer)

    def _answer(self, method: str, path: str, **arguments: Any) -> requests.Response:
        ask = partial(
            self._session.request,
            method,
            self._api + path,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            allow_redirects=False,
            **arguments,
        )
        try:
            return ask()
        except requests.ConnectTimeout:  # some lost packets are no hub that is down
            return ask()


def _nobody_listens(error: requests.RequestException) -> bool:
    """Is it sure that the request reached nobody, and that the address is right?"""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else None
    return isinstance(reason, NewConnectionError) and not isinstance(reason, NameResolutionError)


def _body(what: str, answer: requests.Response) -> Mapping[str, Any]:
    if answer.status_code != 200:
        raise HubAnswerOdd(f"{what}: {answer.status_code} {answer.reason}: {_short(answer.text)}")
    try:
        body = answer.json()
    except requests.JSONDecodeError as error:
        raise HubAnswerOdd(f"{what}: not JSON: {_short(answer.text)}") from error
    if not isinstance(body, Mapping):
        raise HubAnswerOdd(f"{what}: not an object: {_short(body)}")
    return body


def _items(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    items = page.get("items")
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise HubAnswerOdd(f"users: no list of them: {_short(page)}")
    return items


def _next_offset(page: Mapping[str, Any], offset: int) -> int | None:
    pagination = page.get("_pagination")
    if not isinstance(pagination, Mapping) or "next" not in pagination:
        raise HubAnswerOdd(f"users: nothing tells where the next page begins: {_short(page)}")
    following = pagination["next"]
    if following is None:
        return None
    if isinstance(following, Mapping) and isinstance(following.get("offset"), int):
        if following["offset"] > offset:
            return int(following["offset"])
        raise HubAnswerOdd(f"users: the page after {offset} begins at {following['offset']}")
    raise HubAnswerOdd(f"users: the next page begins nowhere: {_short(following)}")


def _user(item: Mapping[str, Any]) -> HubUser:
    name, servers, groups = (item.get(key) for key in ("name", "servers", "groups"))
    if not isinstance(name, str) or not isinstance(servers, Mapping):
        raise HubAnswerOdd(f"users: a user without name or servers: {_short(item)}")
    try:
        keys = frozenset(worker_key(name, server) for server, about in servers.items() if _is_up(about))
    except ValueError as error:
        raise HubAnswerOdd(f"users: {error}") from error
    return HubUser(name, tuple(sorted(groups)) if isinstance(groups, list) else None, keys)


def _is_up(server: object) -> bool:
    """Does the hub believe that it runs or is about to? A server that only exists by name does not."""
    return isinstance(server, Mapping) and not server.get("stopped", False)


def _short(thing: object) -> str:
    return repr(thing)[:200]
