"""Servers' tokens in JupyterHub's database: one for each boot of an instance, removed with its server.

A token is derived, not stored (decision 4). What it is derived from is kept with the server, as a `Grant`.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from jupyterhub import orm

LIFETIME = timedelta(days=1)
"""A token is valid for so long after it was renewed; the token of a running server is renewed."""
RENEW_BEFORE = LIFETIME / 2
NOTE = "Server of worker "
"""The note of a server's token begins with it; the worker's key follows."""
JUPYTERHUBS_NOTE = "Server at "
"""The note of the token that JupyterHub makes for a start, which is replaced by ours."""
QUESTION_LIFETIME = timedelta(minutes=1)


class End(StrEnum):
    """How the hub ended a server whose token it then removed."""

    NONE = ""
    STOPPED = "stopped"
    FAILED = "failed"
    """The start failed: the instance may run, and the next start may use it as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a server's token is derived from beside the key; no secret."""

    instance_id: str
    nonce: str = ""
    """A new one for each boot; "" for servers that were started before there were any."""
    until: datetime | None = None
    """When the token expires; None if it does not yet."""
    scopes: tuple[str, ...] = ()
    end: End = End.NONE

    def to_state(self) -> dict[str, Any]:
        """As it is kept in the server's state."""
        until = self.until.timestamp() if self.until else None
        return {
            "instance_id": self.instance_id, "nonce": self.nonce, "until": until, "scopes": list(self.scopes),
            "end": str(self.end),
        }  # fmt: skip


def grant_in(state: Mapping[str, Any]) -> Grant | None:
    """The grant in a server's state; None if there is none."""
    kept = state.get("token")
    if kept:
        until = datetime.fromtimestamp(kept["until"], UTC) if kept["until"] is not None else None
        return Grant(
            instance_id=kept["instance_id"],
            nonce=kept["nonce"],
            until=until,
            scopes=tuple(kept["scopes"]),
            end=End(kept["end"]),
        )
    # A server that runs since before there were grants.
    return Grant(instance_id=state["instance_id"]) if state.get("instance_id") else None


def is_revoked(grant: Grant, now: datetime, *, is_registered: bool) -> bool:
    """Did a person revoke the token? The hub itself removes tokens of servers that have ended; others only expire."""
    return not is_registered and not grant.end and (grant.until is None or now < grant.until)


def next_grant(
    grant: Grant | None, instance_id: str, now: datetime, *, is_fresh: bool, is_registered: bool
) -> Grant:
    """The grant of a start on this instance, which EC2 has just booted if `is_fresh`.

    A running server keeps its token. A token that was revoked, or whose server was stopped, does not come back.
    """
    if (
        grant is None
        or grant.instance_id != instance_id
        or is_revoked(grant, now, is_registered=is_registered)
        or (is_fresh and grant.end is End.STOPPED)
    ):
        grant = Grant(instance_id=instance_id, nonce=secrets.token_hex(16))
    return replace(grant, until=now + LIFETIME, end=End.NONE)


def find(db: Any, token: str) -> Any:
    """JupyterHub's row of a token that is valid now; None if there is none."""
    return orm.APIToken.find(db, token) if token else None


def register(db: Any, user: Any, key: str, token: str, grant: Grant) -> None:
    """Makes the token valid until the grant ends."""
    row = find(db, token)
    if row is None:
        # A derived token is as random as a generated one.
        user.new_api_token(token, note=NOTE + key, scopes=list(grant.scopes))
        row = find(db, token)
    row.expires_at = grant.until
    db.commit()


def remove(db: Any, user: Any, notes: Iterable[str], keep: str = "") -> None:
    """Removes the user's tokens with these notes, except for the token `keep`."""
    rows = db.query(orm.APIToken).filter_by(user_id=user.id).filter(orm.APIToken.note.in_(list(notes)))
    for row in rows:
        if not (keep and row.match(keep)):
            db.delete(row)
    db.commit()


def remove_client(db: Any, client_id: str) -> None:
    """Removes a server's OAuth client, and with it what browsers hold to use that server."""
    for client in db.query(orm.OAuthClient).filter_by(identifier=client_id):
        db.delete(client)
    db.commit()


def forget_grants(db: Any, user: Any) -> None:
    """No token comes back for a server of this user's: each next start makes a new one."""
    for server in user.orm_spawners.values():
        server.state = {name: value for name, value in (server.state or {}).items() if name != "token"}
    db.commit()


@contextmanager
def question_token(db: Any, user: Any, server: str) -> Iterator[str]:
    """A token with which the hub asks a user's server, whatever became of the server's own; valid within the block.

    It is worth nothing for a user without rights, who was removed.
    """
    scopes: Sequence[str] = [f"access:servers!server={user.name}/{server}"] if user.roles else []
    token = user.new_api_token(
        note="Question of the hub", scopes=scopes, expires_in=QUESTION_LIFETIME.total_seconds()
    )
    try:
        yield token
    finally:
        row = find(db, token)
        if row is not None:
            db.delete(row)
            db.commit()
