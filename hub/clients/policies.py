"""Users' policies, and how much of their budgets is used, as the hub reads them. It decides about starts alone."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.clients.calls import Calls
from hub.clients.lifecycle import Reader
from hub.errors import OverBudget
from lifecycle_app.contract import user_scope
from lifecycle_app.errors import RecordError
from lifecycle_app.model.budget import (
    UNUSED,
    Standing,
    Use,
    nearest,
    next_month,
    standings,
    stops_at,
    used,
    used_up_message,
    uses,
)
from lifecycle_app.model.policy import Limit, Policy, policy_for, scopes, shared_limits
from lifecycle_app.model.worker import State, Worker, split

log = logging.getLogger(__name__)

SUMMED_FOR = timedelta(seconds=5)


class Policies:
    """Reads users' policies. `read` gives the JSON of those scopes that have one, as SettingsStore's."""

    def __init__(self, read: Callable[[Iterable[str]], dict[str, str]], calls: Calls) -> None:
        self._read = read
        self._calls = calls

    async def of(self, user: str, groups: Iterable[str]) -> Policy:
        """The user's policy as it is now; what cannot be used of it is left out. Raises StoreUnavailable."""
        named = tuple(groups)
        return policy_for(user, named, await self._calls.read(lambda: self._read(scopes(user, named))))

    async def shared(self, scopes: Collection[str]) -> list[Limit]:
        """The budgets that the users of these scopes, groups' or the cluster's, share. Raises StoreUnavailable."""
        return shared_limits(await self._calls.read(lambda: self._read(scopes)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How the budget stands that is nearest to its end for a user, the own or a shared one, and when the first of the
    user's machines is stopped for it.
    """

    standing: Standing
    stops_at: datetime | None


class Budgets:
    """Reads how much of their budgets users have used: from the copy of the records that the hub has in memory, and
    the policy. `get` reads a record as last written.
    """

    def __init__(
        self,
        policies: Policies,
        reader: Reader,
        get: Callable[[str], Worker | None],
        calls: Calls,
        now: Callable[[], datetime],
    ) -> None:
        self._policies = policies
        self._reader = reader
        self._get = get
        self._calls = calls
        self._now = now
        self._summed: dict[str, Use] = {}
        self._summed_at: datetime | None = None

    async def of(self, user: str, groups: Collection[str]) -> Budget | None:
        """The user's; None without any, and while settings or records cannot be read: the sweep enforces them."""
        try:
            policy = await self._policies.of(user, groups)
        except RecordError as error:
            log.warning("%s: the budget cannot be read: %s", user, error)
            return None
        return await self.by(policy, user)

    async def by(self, policy: Policy, user: str) -> Budget | None:
        """The user's, by this policy of the user's."""
        if not policy.has_budget or not await self._reader.loaded():
            return None
        now, theirs = self._now(), self._reader.of_user(user)
        stops = [at for worker in theirs if (at := stops_at(worker, policy, now)) is not None]
        found = nearest(standings(user, policy, {**self._all(now), user_scope(user): used(theirs, now)}, now))
        return Budget(standing=found, stops_at=min(stops, default=None)) if found else None

    def _all(self, now: datetime) -> Mapping[str, Use]:
        """What is used in each scope, at most `SUMMED_FOR` old: all of a class ask at once, and the copy is as old."""
        if self._summed_at is None or not timedelta(0) <= now - self._summed_at < SUMMED_FOR:
            self._summed, self._summed_at = uses(self._reader.all(), now), now
        return self._summed

    async def shared(self, scopes: Collection[str]) -> list[Standing]:
        """How the budgets stand that the users of these scopes share; none while settings or records cannot be read."""
        try:
            limits = await self._policies.shared(scopes)
        except RecordError as error:
            log.warning("the shared budgets cannot be read: %s", error)
            return []
        if not limits or not await self._reader.loaded():
            return []
        now = self._now()
        used = self._all(now)
        return [
            Standing(limit=one, used=used.get(one.scope, UNUSED), resets_at=next_month(now)) for one in limits
        ]

    async def check(self, key: str, groups: Collection[str]) -> None:
        """Raises OverBudget if this worker may not be started. One that runs may be used until it is stopped."""
        found = await self.of(split(key)[0], groups)
        if found is None or not found.standing.is_over:
            return
        try:
            worker = await self._calls.read(lambda: self._get(key))
        except RecordError:
            worker = None
        if worker is None or worker.state is not State.RUNNING:
            raise OverBudget(used_up_message(found.standing))
