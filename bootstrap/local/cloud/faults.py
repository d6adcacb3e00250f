"""Faults switched on by name: what a real cloud does on a bad day."""

from dataclasses import dataclass, field
from datetime import timedelta

from bootstrap.local.cloud.errors import UnknownFaultError

DESCRIPTIONS = {
    "capacity": "InsufficientInstanceCapacity on run and start (for instance_types, if given)",
    "throttling": "RequestLimitExceeded on every EC2 call",
    "lost-events": "EC2 state events are not delivered",
    "late-events": "events arrive late (seconds, default 10)",
    "doubled-events": "events arrive twice",
    "late-capacity": "EC2 accepts a launch or start, and ends it: Server.InsufficientInstanceCapacity",
    "disk-key": "EC2 accepts a launch or start, and ends it: Client.InvalidKMSKey.InvalidState",
    "disk-error": "EC2 accepts a launch or start, and ends it: Client.InternalError",
    "slow-boot": "instances stay pending for longer (seconds, default 15), until it is switched off",
    "slow-stop": "instances stay stopping for longer (seconds, default 15), until it is switched off",
    "dead-instance": "instances started now run nothing and cannot be reached",
    "hub-down": "recorded only: the supervisor stops the hub",
    "alarms-off": "alarms are not evaluated",
    "sweep-off": "recorded only: the supervisor disables the sweep",
    "vcpu-limit": "the account may run 5 vCPUs",
    "free-plan": "the account has the free plan, which launches few instance types only",
    "pending-verification": "PendingVerification on run: AWS has not verified the account yet",
    "opt-in-required": "OptInRequired on run: the account is not subscribed",
    "blocked": "Blocked on run: AWS has blocked the account",
    "expired-credentials": "all credentials have expired",
}
NAMES = tuple(DESCRIPTIONS)
DEFAULT_DELAYS = {
    "late-events": timedelta(seconds=10),
    "slow-boot": timedelta(seconds=15),
    "slow-stop": timedelta(seconds=15),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault that is on, with what narrows it."""

    delay: timedelta = timedelta()
    instance_types: tuple[str, ...] = ()


@dataclass(slots=True)
class Faults:
    """Which faults are on. One assignment per change, so readers need no lock."""

    _on: dict[str, Fault] = field(init=False, default_factory=dict)

    def switch(
        self, name: str, *, on: bool, delay: timedelta | None = None, instance_types: tuple[str, ...] = ()
    ) -> None:
        """Switches a fault. Raises UnknownFaultError, whose message lists the names."""
        if name not in DESCRIPTIONS:
            raise UnknownFaultError(f"there is no fault {name!r}; there are: {', '.join(NAMES)}")
        if not on:
            self._on.pop(name, None)
            return
        default = DEFAULT_DELAYS.get(name, timedelta())
        self._on[name] = Fault(delay=default if delay is None else delay, instance_types=instance_types)

    def is_on(self, name: str) -> bool:
        """Whether the fault is on."""
        return name in self._on

    def delay(self, name: str) -> timedelta:
        """How long the fault holds things up; nothing when it is off."""
        fault = self._on.get(name)
        return fault.delay if fault else timedelta()

    def hits(self, name: str, instance_type: str) -> bool:
        """Whether the fault is on for this instance type."""
        fault = self._on.get(name)
        return fault is not None and (not fault.instance_types or instance_type in fault.instance_types)

    def names_on(self) -> list[str]:
        """The names of the faults that are on, sorted."""
        return sorted(self._on)
