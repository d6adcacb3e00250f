"""The instances: what the cloud knows of each beyond moto, and the only place where an instance's state changes."""

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.ec2.models.instances import InstanceState, StateReason

from bootstrap.local.cloud.ec2.rules import CODES, State, check_ids, not_found
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.hypervisor.host import BootPlan
from lifecycle_app.contract import BACKUP_DEVICE

Announce = Callable[[str, State, float], None]
"""Called at every change with instance id, new state and epoch seconds."""

HISTORY = 8


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an instance is in its state: StateReason's code and message, and who parameters."""

    code: str
    message: str
    initiator: str = ""

    def transition(self, now: float) -> str:
        """EC2's StateTransitionReason."""
        if not self.initiator:
            return ""
        return f"{self.initiator} ({datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S} GMT)"


LAUNCH = Reason("pending", "pending")
NONE = Reason("", "")
BY_USER = Reason(
    "Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown", "User initiated"
)
BY_INSTANCE = Reason(
    "Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown"
)


@dataclass(slots=True)
class Machine:
    """One instance. `due_at`: when its transitional state ends; times are epoch seconds."""

    instance: Any
    state: State
    state_at: float
    due_at: float | None = None
    has_run: bool = False
    is_dead: bool = False
    cpu_percent: float = 0.0
    history: list[tuple[float, State]] = field(default_factory=list)
    kept_interfaces: frozenset[str] = frozenset()
    """Network interfaces that existed before it and outlast it."""
    ends: Reason | None = None
    """Why EC2 ends it instead of running it, after it has accepted the launch or start."""

    @property
    def instance_id(self) -> str:
        """The id, like `i-0123456789abcdef0`."""
        return str(self.instance.id)

    def state_shown(self, at: float) -> State | None:
        """The state as it was at a moment; None if the instance was not there yet."""
        shown = [state for since, state in self.history if since <= at]
        return shown[-1] if shown else None


@dataclass(slots=True)
class Machines:
    """Every instance by id, in the order of their launch. Used under the emulator's lock."""

    emulator: Emulator
    clock: Callable[[], float]
    announce: Announce
    by_id: dict[str, Machine] = field(init=False, default_factory=dict)

    def __iter__(self) -> Iterator[Machine]:
        return iter(self.by_id.values())

    def require(self, instance_ids: Sequence[str]) -> list[Machine]:
        """The machines of these ids. Raises AwsError as EC2 does if one is malformed or unknown."""
        check_ids(instance_ids)
        missing = [one for one in instance_ids if one not in self.by_id]
        if missing:
            raise not_found(missing)
        return [self.by_id[one] for one in dict.fromkeys(instance_ids)]

    def add(self, instance: Any) -> Machine:
        """Adds an instance that moto has just made, as pending."""
        machine = Machine(instance, State.PENDING, self.clock())
        self.by_id[machine.instance_id] = machine
        self.enter(machine, State.PENDING, LAUNCH)
        return machine

    def enter(self, machine: Machine, state: State, reason: Reason | None = None) -> None:
        """The machine enters a state: shown by moto, kept in its history, announced. No reason keeps the old one."""
        now = self.clock()
        machine.state, machine.state_at, machine.due_at = state, now, None
        machine.history = [*machine.history[-HISTORY:], (now, state)]
        show(machine.instance, state)
        if reason is not None:
            machine.instance.state_reason = StateReason(reason.message, reason.code)
            machine.instance._reason = reason.transition(now)
        self.announce(machine.instance_id, state, now)

    def forget(self, instance_ids: Sequence[str]) -> None:
        """Drops terminated instances for good, as EC2 does after a while."""
        reservations = self.emulator.backend("ec2").reservations
        for instance_id in instance_ids:
            self.by_id.pop(instance_id, None)
        for reservation in list(reservations.values()):
            reservation.instances = [one for one in reservation.instances if one.id not in instance_ids]
            if not reservation.instances:
                del reservations[reservation.id]

    @contextmanager
    def delayed(self, lag: float) -> Iterator[None]:
        """Within, moto shows instances as they were `lag` seconds ago, without younger ones."""
        at = self.clock() - lag
        late = [machine for machine in self if machine.state_at > at]
        hidden = {machine.instance_id for machine in late if machine.state_shown(at) is None}
        reservations = self.emulator.backend("ec2").reservations
        kept = (
            {reservation.id: reservation.instances for reservation in reservations.values()} if hidden else {}
        )
        order = list(reservations.items())
        try:
            for machine in late:
                show(machine.instance, machine.state_shown(at) or machine.state)
            for reservation_id in kept:
                reservation = reservations[reservation_id]
                reservation.instances = [one for one in reservation.instances if one.id not in hidden]
                if not reservation.instances:
                    del reservations[reservation_id]
            yield
        finally:
            for machine in late:
                show(machine.instance, machine.state)
            if hidden:
                reservations.clear()
                reservations.update(order)
                for reservation_id, instances in kept.items():
                    reservations[reservation_id].instances = instances


def show(instance: Any, state: State) -> None:
    """Makes moto show this state."""
    instance._state = InstanceState(str(state), CODES[state])


def boot_plan(machine: Machine) -> BootPlan:
    """What the hypervisor needs to boot the instance."""
    instance = machine.instance
    return BootPlan(
        instance_id=machine.instance_id,
        image_id=str(instance.image_id),
        address=str(instance.private_ip_address),
        user_data=user_data(instance),
        root_volume=root_volume(instance),
        home_volume=home_volume(instance),
        backup_volume=backup_volume(instance),
    )


def user_data(instance: Any) -> bytes:
    """User data as the instance sees it, decoded."""
    return base64.b64decode(str(instance.user_data)) if instance.user_data else b""


def root_volume(instance: Any) -> str:
    """The id of the root volume."""
    return str(instance.block_device_mapping[instance.root_device_name].volume_id)


def home_volume(instance: Any) -> str | None:
    """The first attached disk, by device name, that is neither the root nor a copy of a backup."""
    others = sorted(
        (device, block)
        for device, block in instance.get_block_device_mapping
        if device not in (instance.root_device_name, BACKUP_DEVICE)
    )
    return str(others[0][1].volume_id) if others else None


def backup_volume(instance: Any) -> str | None:
    """The copy of a backup of the home, which a launch has attached."""
    found = next(
        (block for device, block in instance.get_block_device_mapping if device == BACKUP_DEVICE), None
    )
    return str(found.volume_id) if found else None


def profile_role(instance: Any, iam: Any) -> str | None:
    """The role of the instance's profile, None without one."""
    profile = instance.iam_instance_profile
    if not profile:
        return None
    for one in iam.instance_profiles.values():
        if one.arn == profile["Arn"]:
            return str(one.roles[0].name) if one.roles else None
    return None
