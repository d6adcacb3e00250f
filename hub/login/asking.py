"""Asks a provider again whether a user may still use the hub, and in which groups the user is now.

A login says it once, and a cookie may last for longer than a membership. JupyterHub asks at each start and, while a
user is active, each hour; an authenticator that keeps what it needs for that (`enable_auth_state`) is asked here.
"""

import asyncio
import logging
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from jupyterhub.auth import Authenticator
from jupyterhub.utils import maybe_future
from tornado import web
from tornado.httpclient import HTTPClientError

from hub.audit.event import Outcome
from hub.audit.record import record
from hub.users.sessions import end_sessions, server_tokens
from lifecycle_app.contract import utc_now

EVERY = timedelta(hours=1)
"""How old an answer may be while a user is active. A start asks in any case."""
BELIEVED = timedelta(days=1)
"""For how long an answer is believed while the provider gives no other one."""
LONGEST = timedelta(seconds=15)
"""So long the provider may take: a user is waiting for a page."""
ASKED_AT = "cloudjhub_asked_at"
"""In JupyterHub's `auth_state`: when the provider last answered, in seconds since 1970."""
BUSY = 429
"""HTTP's status for too many requests, which says nothing about a user."""

log = logging.getLogger(__name__)

_troubles: ContextVar[list[str] | None] = ContextVar("troubles", default=None)
"""What kept the provider from answering while it is asked."""


class Said(Enum):
    """What the provider says about a user."""

    MEMBER = "may use the hub"
    GONE = "may not use the hub any more"
    LOGIN = "only a login can tell"
    """The tokens of the last login are not accepted any more, or there are none."""
    NOTHING = "no answer"


class AskedAgain(Authenticator):  # type: ignore[misc]  # JupyterHub publishes no types
    """Whom the provider has put out is logged out, and starts nothing more; groups are those that it says now."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.put_out = set[str]()
        """The users that may not use the hub, as the provider last said."""
        self._asking: dict[str, asyncio.Task[Any]] = {}

    async def refresh_user(self, user: Any, handler: Any = None) -> Any:
        """What JupyterHub keeps of the user: True for all of it, False for a user who has to log in again, or what has
        changed.
        """
        if not self.enable_auth_state:
            return await super().refresh_user(user, handler)
        asking = self._asking.get(user.name)
        if asking is None:
            # One request at a time for each user: many providers take a refresh token only once.
            asking = self._asking[user.name] = asyncio.ensure_future(self._ask(user, handler))
            asking.add_done_callback(lambda _: self._asking.pop(user.name, None))
        found = await asking
        return dict(found) if isinstance(found, dict) else found

    def confirmed(self, found: dict[str, Any], now: datetime) -> dict[str, Any]:
        """What a login found, with the moment at which the provider has said so."""
        if not self.enable_auth_state:
            return found
        self.put_out.discard(found["name"])
        return {**found, "auth_state": {**(found.get("auth_state") or {}), ASKED_AT: now.timestamp()}}

    async def httpfetch(self, *args: Any, **more: Any) -> Any:
        """OAuthenticator's, but remembers answers that say nothing about a user: it takes them for a no."""
        troubles = _troubles.get()
        try:
            answer = await super().httpfetch(*args, **more)
        except HTTPClientError as error:
            if troubles is not None and is_trouble(error.code):
                troubles.append(str(error))
            raise
        except OSError as error:
            if troubles is not None:
                troubles.append(str(error))
            raise
        if troubles is not None and is_trouble(getattr(answer, "code", 0)):
            troubles.append(f"HTTP {answer.code}")
        return answer

    async def _ask(self, user: Any, handler: Any) -> Any:
        said, found = await self._answer(user, handler)
        if said is Said.NOTHING:
            asked_at = (await user.get_auth_state() or {}).get(ASKED_AT)
            return is_believed(asked_at, utc_now())
        if said is Said.GONE:
            self._end(user, found)
        if said is not Said.MEMBER:
            return False
        self.put_out.discard(user.name)
        if found is True:
            return True
        found = self.confirmed(found, utc_now())
        # Before another request asks with a refresh token that has just been replaced.
        await user.save_auth_state(found["auth_state"])
        return found

    async def _answer(self, user: Any, handler: Any) -> tuple[Said, Any]:
        troubles: list[str] = []
        _troubles.set(troubles)
        try:
            async with asyncio.timeout(LONGEST.total_seconds()):
                found = await super().refresh_user(user, handler)
                is_other = isinstance(found, dict) and found["name"] != user.name
                allowed = not isinstance(found, dict) or await maybe_future(
                    self.check_allowed(user.name, found)
                )
        except web.HTTPError as error:
            # The claim with the name is not one any more: the next login says what is wrong with it.
            said = Said.LOGIN if error.status_code < 500 and not troubles else Said.NOTHING
            log.warning("asked about %s, the provider gave: %s", user.name, error)
            return said, None
        except Exception as error:  # whatever it is, it says nothing about this user
            log.warning("asked about %s, the provider does not answer: %r", user.name, error)
            return Said.NOTHING, None
        said = verdict(found=bool(found) and not is_other, allowed=bool(allowed), troubles=bool(troubles))
        if said is not Said.MEMBER:
            log.info("asked about %s, the provider says: %s %s", user.name, said.value, "; ".join(troubles))
        return said, found

    def _end(self, user: Any, found: Any) -> None:
        """Logs the user out everywhere; the server's token stays, with which the hub asks before the machine stops."""
        if self.manage_groups and isinstance(found, dict) and found.get("groups") is not None:
            user.sync_groups(found["groups"])
        if user.name not in self.put_out:
            self.put_out.add(user.name)
            record("login", user.name, Outcome.REFUSED, "the provider allows it no longer", actor=user.name)
        end_sessions(user.db, user.orm_user, kept=server_tokens(user))


def is_trouble(status: int) -> bool:
    """Does an HTTP status say nothing about the user? Pure, as what follows."""
    return status == BUSY or status >= 500


def verdict(*, found: bool, allowed: bool, troubles: bool) -> Said:
    """What an answer means: `found` if the provider still knows the user by the tokens, `allowed` by the hub's rules
    with what it says, `troubles` if something kept it from saying it all. A yes counts in spite of troubles.
    """
    if found and allowed:
        return Said.MEMBER
    if troubles:
        return Said.NOTHING
    return Said.GONE if found else Said.LOGIN


def is_believed(asked_at: Any, now: datetime) -> bool:
    """Is the last answer, at these seconds since 1970, recent enough to go on with?"""
    if isinstance(asked_at, bool) or not isinstance(asked_at, int | float):
        return False
    return timedelta() <= now - datetime.fromtimestamp(asked_at, UTC) <= BELIEVED
