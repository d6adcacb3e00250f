"""How instances move through their states: what a call begins, what time completes, and what the status checks show."""

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from werkzeug import Response

from bootstrap.local.cloud import wire
from bootstrap.local.cloud.ec2.instances import (
    BY_INSTANCE,
    BY_USER,
    NONE,
    Machine,
    Machines,
    Reason,
    boot_plan,
)
from bootstrap.local.cloud.ec2.rules import CODES, State, check_ids, not_found
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.faults import Faults
from bootstrap.local.cloud.hypervisor.host import Hypervisor
from bootstrap.local.cloud.wire import Call

log = logging.getLogger(__name__)

TERMINATED_SHOWN = timedelta(hours=1)
ROOT_SIZE = 8
"""GB, as the images are."""

WAIT_FOR_PROCESSES = 0.05
LONGEST_WAIT = 1.0
HELD = {State.PENDING: "slow-boot", State.STOPPING: "slow-stop"}
"""By state: the fault that keeps instances in it for longer, until it is switched off."""
ENDED = {
    name: Reason(code, f"{code}: {message}")
    for name, code, message in (
        ("late-capacity", "Server.InsufficientInstanceCapacity", "Insufficient capacity to launch instance"),
        ("disk-key", "Client.InvalidKMSKey.InvalidState", "The KMS key provided is in an incorrect state"),
        ("disk-error", "Client.InternalError", "Client error on launch"),
    )
}
"""By fault: why an instance ends whose launch or start was accepted. A new one is terminated, another stopped again."""
BY_CODE = {reason.code: reason for reason in ENDED.values()}


@dataclass(slots=True)
class Lifecycle:
    """Begins and completes state changes. `begin` methods are used under the emulator's lock."""

    emulator: Emulator
    machines: Machines
    hypervisor: Hypervisor
    faults: Faults
    clock: Callable[[], float]
    boot_time: timedelta
    stop_time: timedelta
    _wake: threading.Event = field(init=False, default_factory=threading.Event)

    def launch(self, instance: Any, root_size: int = ROOT_SIZE) -> Machine:
        """A new instance is pending. It has a root disk, of so many GB, even where the request has only others."""
        root = instance.root_device_name
        if root not in dict(instance.get_block_device_mapping):
            instance.add_block_device(root_size, root, None, False, True, None, volume_type="gp3")
        machine = self.machines.add(instance)
        self._begin(machine, self.boot_time)
        return machine

    def start(self, machine: Machine) -> None:
        """A stopped instance is pending again."""
        for interface in machine.instance.nics.values():
            interface.start()
        self.machines.enter(machine, State.PENDING, NONE)
        self._begin(machine, self.boot_time)

    def stop(self, machine: Machine, reason: Reason = BY_USER, *, force: bool = False) -> None:
        """The instance is stopping, and its processes end."""
        self.machines.enter(machine, State.STOPPING, reason)
        self.hypervisor.halt(machine.instance_id, force=force)
        self._begin(machine, self.stop_time)

    def terminate(self, machine: Machine, reason: Reason = BY_USER) -> None:
        """The instance is shutting down, and its processes end."""
        was_stopped = machine.state is State.STOPPED
        self.machines.enter(machine, State.SHUTTING_DOWN, reason)
        if not was_stopped:
            self.hypervisor.halt(machine.instance_id, force=False)
        self._begin(machine, timedelta() if was_stopped else self.stop_time)

    def power_off(self, machine: Machine) -> None:
        """The instance shuts itself down: it stops or terminates, as its shutdown behaviour says."""
        if machine.instance.instance_initiated_shutdown_behavior == "terminate":
            self.terminate(machine, BY_INSTANCE)
        else:
            self.stop(machine, BY_INSTANCE)

    def reboot(self, machine: Machine) -> None:
        """A reboot does not change the state: processes end and start again."""
        self.hypervisor.restart(boot_plan(machine))

    def run(self, ended: threading.Event) -> None:
        """Completes what is due until the event is set."""
        while not ended.is_set():
            with self.emulator.lock:
                wait = self.advance(self.clock())
            self._wake.wait(wait)
            self._wake.clear()

    def advance(self, now: float) -> float:
        """Completes what is due; seconds until something may be due again."""
        wait = LONGEST_WAIT
        for machine in list(self.machines):
            if (
                machine.state is State.TERMINATED
                and now - machine.state_at > TERMINATED_SHOWN.total_seconds()
            ):
                self.machines.forget([machine.instance_id])
            if machine.due_at is None:
                continue
            due_at = machine.due_at + self.faults.delay(HELD.get(machine.state, "")).total_seconds()
            if due_at > now:
                wait = min(wait, due_at - now)
            elif machine.state is not State.PENDING and not self.hypervisor.is_halted(machine.instance_id):
                wait = min(wait, WAIT_FOR_PROCESSES)
            else:
                self._complete(machine)
        return wait

    def _begin(self, machine: Machine, takes: timedelta) -> None:
        machine.due_at = self.clock() + takes.total_seconds()
        self._wake.set()

    def _complete(self, machine: Machine) -> None:
        log.info("instance %s: leaves %s", machine.instance_id, machine.state)
        ended = machine.ends or next((one for name, one in ENDED.items() if self.faults.is_on(name)), None)
        if machine.state is State.PENDING and ended and machine.has_run:
            self.machines.enter(machine, State.STOPPED, ended)
        elif machine.state is State.PENDING and ended:
            self.terminate(machine, ended)
        elif machine.state is State.PENDING:
            self.machines.enter(machine, State.RUNNING, NONE)
            machine.has_run = True
            machine.is_dead = self.faults.is_on("dead-instance")
            if not machine.is_dead:
                self.hypervisor.boot(boot_plan(machine))
        elif machine.state is State.STOPPING:
            for interface in machine.instance.nics.values():
                interface.stop()
            self.machines.enter(machine, State.STOPPED)
        else:
            self._finish(machine)

    def _finish(self, machine: Machine) -> None:
        """The instance is terminated: its address is free again, its disks go unless they are to be kept."""
        ec2 = self.emulator.backend("ec2")
        instance = machine.instance
        reason, transition = instance.state_reason, instance._reason
        disks = [block.volume_id for _, block in instance.get_block_device_mapping]
        if instance.state != State.TERMINATED:
            instance.terminate()
        instance.state_reason, instance._reason = reason, transition
        for interface in list(instance.nics.values()):
            if interface.id in machine.kept_interfaces:
                detach(interface)
                continue
            ec2.enis.pop(interface.id, None)
            ec2.tags.pop(interface.id, None)
            interface.subnet.del_subnet_ip(interface.private_ip_address)
        gone = [one for one in disks if one not in ec2.volumes]
        for volume in gone:
            ec2.tags.pop(volume, None)
        self.machines.enter(machine, State.TERMINATED)
        self.hypervisor.discard(machine.instance_id, gone)


def detach(interface: Any) -> None:
    """A network interface that was there before its instance is there after it, with its addresses."""
    interface.instance = None
    interface.attachment_id = None
    interface.status = "available"


DETAILS = {"ok": "passed", "initializing": "initializing", "impaired": "failed"}


@dataclass(slots=True)
class Statuses:
    """Shows instances as they were `lag` ago. Used under the emulator's lock."""

    machines: Machines
    clock: Callable[[], float]
    checks_take: timedelta
    lag: timedelta

    def answer(self, call: Call) -> Response:
        """The statuses of the named or all instances; only of running ones unless the request includes all."""
        parameters = wire.parameters(call)
        at = self.clock() - self.lag.total_seconds()
        shown = {one.instance_id: one for one in self.machines if one.state_shown(at) is not None}
        ids = parameters.get("InstanceIds", [])
        if ids:
            _check_ids(ids, shown, is_paged="MaxResults" in parameters)
        found = [self._status(shown[one], at) for one in ids or shown]
        if not parameters.get("IncludeAllInstances"):
            found = [one for one in found if one["InstanceState"]["Name"] == State.RUNNING]
        passed = [one for one in found if all(_passes(one, each) for each in parameters.get("Filters", []))]
        return wire.answer(call, {"InstanceStatuses": passed})

    def _status(self, machine: Machine, at: float) -> dict[str, Any]:
        state = machine.state_shown(at) or machine.state
        since = max(entered for entered, _ in machine.history if entered <= at)
        status = self._checks(state, at - since, is_dead=machine.is_dead)
        host = "ok" if status == "impaired" else status
        return {
            "InstanceId": machine.instance_id,
            "AvailabilityZone": str(machine.instance.availability_zone),
            "InstanceState": {"Code": CODES[state], "Name": str(state)},
            "InstanceStatus": _summary(status),
            "SystemStatus": _summary(host),
        }

    def _checks(self, state: State, seconds: float, *, is_dead: bool) -> str:
        if state is not State.RUNNING:
            return "not-applicable"
        if seconds < self.checks_take.total_seconds():
            return "initializing"
        return "impaired" if is_dead else "ok"


def _check_ids(ids: Collection[str], shown: Mapping[str, Machine], *, is_paged: bool) -> None:
    check_ids(list(ids))
    if is_paged:
        message = "The parameter instancesSet cannot be used with the parameter maxResults"
        raise AwsError("InvalidParameterCombination", message)
    if missing := [one for one in ids if one not in shown]:
        raise not_found(missing)


def _summary(status: str) -> dict[str, Any]:
    if status not in DETAILS:
        return {"Status": status}
    return {"Status": status, "Details": [{"Name": "reachability", "Status": DETAILS[status]}]}


def _passes(status: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    values = {
        "availability-zone": status["AvailabilityZone"],
        "instance-state-code": str(status["InstanceState"]["Code"]),
        "instance-state-name": status["InstanceState"]["Name"],
        "instance-status.status": status["InstanceStatus"]["Status"],
        "system-status.status": status["SystemStatus"]["Status"],
    }
    if wanted["Name"] not in values:
        raise AwsError("InvalidParameterValue", f"The filter '{wanted['Name']}' is invalid")
    return values[wanted["Name"]] in wanted["Values"]
