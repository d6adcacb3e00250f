"""Keeps servers' tokens: renews those of running servers, and removes what servers that ended have left."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jupyterhub import orm
from jupyterhub.utils import compare_token
from sqlalchemy import func

from hub.spawn import tokens
from hub.spawn.parts import Parts
from hub.spawn.spawner import WorkerSpawner

log = logging.getLogger(__name__)

STOPPED_BY = "the hub, because the token of the server was revoked"

MOST_TOKENS = 1_000
"""Of a user, beside those of servers: a browser that stays logged in to all servers has a dozen."""

CONFIGURED = "from config"
"""JupyterHub's note of a service's token that its configuration has."""

Row = tuple[int, str, str, datetime | None]
"""Id, note, hash and expiry of a token."""


class TokenKeeper:
    """Goes through the tokens of all servers. `app` is JupyterHub's application."""

    def __init__(self, app: Any, parts: Parts) -> None:
        self._app = app
        self._parts = parts

    def remove_replaced(self) -> None:
        """Removes tokens of services that the configuration no longer has: JupyterHub only adds the new ones."""
        db, configured = self._app.db, list(self._app.service_tokens)
        found = db.query(orm.APIToken).filter(
            orm.APIToken.service_id.is_not(None), orm.APIToken.note == CONFIGURED
        )
        for row in found.all():
            if not any(row.match(token) for token in configured):
                log.info("a replaced token of the service %s is removed", row.service.name)
                db.delete(row)
        db.commit()

    async def tidy(self) -> None:
        """Renews, removes, and stops servers whose token a person revoked. Repeating it is harmless."""
        servers = self._servers()
        rows = self._rows()
        self._remove_left(rows, servers)
        self._remove_clients()
        self._remove_surplus()
        up = [one for one in servers.values() if one.active and not one.pending and one.grant]
        revoked = [one for one in up if not self._is_kept(one, rows.get(one.key, ()))]
        await asyncio.gather(*map(self._stop, revoked))

    def _servers(self) -> dict[str, WorkerSpawner]:
        """The servers that are active or pending, by their workers' keys."""
        found = (spawner for user in self._app.users.values() for spawner in user.spawners.values())
        return {spawner.key: spawner for spawner in found if spawner.active or spawner.pending}

    def _rows(self) -> dict[str, list[Row]]:
        """The tokens of servers, by their workers' keys."""
        columns = orm.APIToken.id, orm.APIToken.note, orm.APIToken.hashed, orm.APIToken.expires_at
        found: dict[str, list[Row]] = {}
        for row in self._app.db.query(*columns).filter(orm.APIToken.note.startswith(tokens.NOTE)):
            found.setdefault(row[1].removeprefix(tokens.NOTE), []).append(tuple(row))
        return found

    def _remove_left(self, rows: Mapping[str, Sequence[Row]], servers: Mapping[str, WorkerSpawner]) -> None:
        """Removes tokens of servers that have ended, of other instances, and of a key that was replaced."""
        left = [
            row[0]
            for key, own in rows.items()
            for row in own
            if key not in servers or not (servers[key].pending or _is_of(row, servers[key]))
        ]
        if left:
            log.info("%s tokens of servers that have ended are removed", len(left))
            self._delete(left)

    def _remove_surplus(self) -> None:
        """Removes the oldest tokens of users with too many: a program makes a hundred a second, for good."""
        db, table = self._app.db, orm.APIToken
        own = ~table.note.startswith(tokens.NOTE)
        crowded = db.query(table.user_id).filter(own, table.user_id.is_not(None)).group_by(table.user_id)
        for (user,) in crowded.having(func.count() > MOST_TOKENS).all():
            newest = db.query(table.id).filter(own, table.user_id == user).order_by(table.id.desc())
            surplus = [row[0] for row in newest.offset(MOST_TOKENS)]
            log.warning("user %s has too many tokens: the %s oldest are removed", user, len(surplus))
            self._delete(surplus)

    def _delete(self, ids: Sequence[int]) -> None:
        for start in range(0, len(ids), 500):  # SQLite takes a limited number of values
            chosen = ids[start : start + 500]
            self._app.db.query(orm.APIToken).filter(orm.APIToken.id.in_(chosen)).delete()
        self._app.db.commit()

    def _remove_clients(self) -> None:
        """Removes the OAuth clients of servers that have ended: browsers hold tokens for them."""
        db = self._app.db
        ended = db.query(orm.Spawner).filter(
            orm.Spawner.server_id.is_(None), orm.Spawner.oauth_client_id.is_not(None)
        )
        for server in ended:
            tokens.remove_client(db, server.oauth_client_id)

    def _is_kept(self, spawner: WorkerSpawner, rows: Sequence[Row]) -> bool:
        """Renews the token of a running server in time; False if a person revoked it."""
        now, grant = self._parts.now(), spawner.grant
        if grant is None:
            return True
        is_registered = any(_is_of(row, spawner) and now <= _aware(row[3]) for row in rows)
        if tokens.is_revoked(grant, now, is_registered=is_registered or spawner.is_token_registered):
            return False
        if grant.until is None or grant.until - now < tokens.RENEW_BEFORE:
            spawner.renew_token()
        return True

    async def _stop(self, spawner: WorkerSpawner) -> None:
        """Stops a server and its machine: without a valid token the hub and the server cannot work together."""
        log.warning("%s: the token of its server was revoked: stopping it", spawner.key)
        spawner.stop_requested_by = STOPPED_BY
        try:
            await self._app.proxy.delete_user(spawner.user, spawner.name)
            await spawner.user.stop(spawner.name)
        except Exception:
            log.exception("%s: its server, whose token was revoked, could not be stopped", spawner.key)


def _is_of(row: Row, spawner: WorkerSpawner) -> bool:
    return bool(compare_token(row[2], spawner.api_token))


def _aware(at: datetime | None) -> datetime:
    """JupyterHub keeps UTC without saying so; a token without a time does not expire."""
    return at.replace(tzinfo=UTC) if at else datetime.max.replace(tzinfo=UTC)
