"""Policies as administrators see them: with who changed what; and their changes, which the lifecycle app records."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import chain, repeat
from typing import Any

from hub.clients.calls import Calls
from hub.clients.lifecycle import ANSWERED_WITHIN, SettingsRequests, until_answered
from hub.errors import SettingsNotSent
from lifecycle_app.contract import SettingsRefusal
from lifecycle_app.errors import RecordError
from lifecycle_app.model.policy_record import PolicyRecord, is_recorded

log = logging.getLogger(__name__)

PAUSES = (0.2, 0.3, 0.4, 0.5)
"""Seconds between two readings of the settings; then the last one again and again."""


class Outcome(StrEnum):
    """What has become of a request."""

    RECORDED = "recorded"
    REFUSED = "refused"
    UNCONFIRMED = "unconfirmed"
    """No answer came in time: it may be recorded yet, or not."""
    UNAVAILABLE = "unavailable"
    """It could not be sent, or the settings cannot be read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome, and for a refusal why."""

    outcome: Outcome
    why: str = ""
    """One of SettingsRefusal."""
    detail: str = ""


def answer_in(record: PolicyRecord, request: str) -> Answer | None:
    """The answer that the settings hold to this request; None if there is none yet. Pure."""
    if is_recorded(record, request):
        return Answer(Outcome.RECORDED)
    if record.request != request:
        return None
    if not record.refusal:
        return Answer(Outcome.RECORDED)
    why, _, detail = record.refusal.partition(" ")
    return Answer(Outcome.REFUSED, why if why in set(SettingsRefusal) else SettingsRefusal.NOT_VALID, detail)


class PolicyChanges:
    """Reads policies and asks for changes. `records` gives those of the scopes that there are, `get` one as last
    written, as SettingsStore's.
    """

    def __init__(
        self,
        records: Callable[[Iterable[str]], list[PolicyRecord]],
        get: Callable[[str], PolicyRecord],
        requests: SettingsRequests,
        calls: Calls,
        now: Callable[[], datetime],
    ) -> None:
        self._records = records
        self._get = get
        self._requests = requests
        self._calls = calls
        self._now = now

    async def of(self, scopes: Iterable[str]) -> dict[str, PolicyRecord]:
        """Those of the scopes that there are. Raises StoreUnavailable."""
        named = sorted(set(scopes))
        found = await self._calls.read(lambda: self._records(named))
        return {record.scope: record for record in found}

    async def get(self, scope: str) -> PolicyRecord:
        """The scope's policy as last written. Raises StoreUnavailable."""
        return await self._calls.read(lambda: self._get(scope))

    async def ask(
        self, scope: str, changes: Mapping[str, Any], unset: Collection[str], base: str, by: str
    ) -> Answer:
        """The answer to a request to change the policy that has the version `base`, confirmed by the settings."""
        try:
            async with asyncio.timeout(ANSWERED_WITHIN.total_seconds()):
                return await self._answer(scope, changes, unset, base, by)
        except TimeoutError:
            return Answer(Outcome.UNCONFIRMED)
        except (SettingsNotSent, RecordError) as error:
            log.warning("policy of %s cannot be changed for %s: %s", scope, by, error)
            return Answer(Outcome.UNAVAILABLE)

    async def _answer(
        self, scope: str, changes: Mapping[str, Any], unset: Collection[str], base: str, by: str
    ) -> Answer:
        request, asked_at = secrets.token_hex(16), self._now()
        pauses = chain(PAUSES, repeat(PAUSES[-1]))

        async def send() -> None:
            await self._requests.send(scope, request, changes, unset, base, by, asked_at)

        async def look() -> Answer | None:
            return answer_in(await self.get(scope), request)

        return await until_answered(send, look, self._calls.pause, pauses)
