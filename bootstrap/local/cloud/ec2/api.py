"""The instance, volume and tag calls in which moto is laxer than EC2."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from werkzeug import Response

from bootstrap.local.cloud import wire
from bootstrap.local.cloud.ec2 import rules
from bootstrap.local.cloud.ec2.instances import Machine, Machines, backup_volume, home_volume, root_volume
from bootstrap.local.cloud.ec2.launching import Launching
from bootstrap.local.cloud.ec2.lifecycle import Lifecycle, Statuses
from bootstrap.local.cloud.ec2.modifications import Modifications
from bootstrap.local.cloud.ec2.rules import CODES, State
from bootstrap.local.cloud.emulator import Emulator, with_form
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.hypervisor.host import Hypervisor
from bootstrap.local.cloud.wire import Call

Handler = Callable[[Call], Response]


@dataclass(slots=True)
class Ec2:
    """Answers instance calls by EC2's rules. Used under the emulator's lock."""

    emulator: Emulator
    machines: Machines
    lifecycle: Lifecycle
    launching: Launching
    hypervisor: Hypervisor
    statuses: Statuses
    lag: timedelta

    def handlers(self) -> Mapping[str, Handler]:
        """What answers each call, by action."""
        return {
            "RunInstances": self._run,
            "StartInstances": self._start,
            "StopInstances": self._stop,
            "TerminateInstances": self._terminate,
            "RebootInstances": self._reboot,
            "DescribeInstances": self._describe,
            "DescribeInstanceStatus": self.statuses.answer,
            "GetConsoleOutput": self._console,
        }

    def _run(self, call: Call) -> Response:
        return self.launching.run(call, wire.parameters(call))

    def _start(self, call: Call) -> Response:
        machines = self._asked(call)
        starting = [one for one in machines if rules.starts(one.instance_id, one.state)]
        if starting:
            zone = str(starting[0].instance.availability_zone)
            types = [str(one.instance.instance_type) for one in starting]
            self.launching.check_limits(types, zone, starting=True)
        before = [one.state for one in machines]
        for machine in starting:
            self.lifecycle.start(machine)
            self.launching.ask_for_keys(call, machine)
        return wire.answer(call, {"StartingInstances": _changes(machines, before)})

    def _stop(self, call: Call) -> Response:
        parameters = wire.parameters(call)
        machines = self._asked(call)
        for one in machines:
            if one.instance.disable_api_stop:
                raise _protected(one.instance_id, "stopped", "disableApiStop")
        stopping = [one for one in machines if rules.stops(one.instance_id, one.state, has_run=one.has_run)]
        if parameters.get("Hibernate"):
            _check_hibernation(stopping)
        before = [one.state for one in machines]
        for machine in stopping:
            self.lifecycle.stop(machine, force=bool(parameters.get("Force")))
        return wire.answer(call, {"StoppingInstances": _changes(machines, before)})

    def _terminate(self, call: Call) -> Response:
        machines = self._asked(call)
        ending = [one for one in machines if rules.terminates(one.state)]
        for one in ending:
            if one.instance.disable_api_termination:
                raise _protected(one.instance_id, "terminated", "disableApiTermination")
        before = [one.state for one in machines]
        for machine in ending:
            self.lifecycle.terminate(machine)
        return wire.answer(call, {"TerminatingInstances": _changes(machines, before)})

    def _reboot(self, call: Call) -> Response:
        machines = self._asked(call)
        for one in machines:
            rules.check_reboot(one.instance_id, one.state)
        for one in machines:
            self.lifecycle.reboot(one)
        return wire.answer(call, None)

    def _describe(self, call: Call) -> Response:
        rules_ids = wire.parameters(call).get("InstanceIds", [])
        if rules_ids:
            rules.check_ids(rules_ids)
        with self.machines.delayed(self.lag.total_seconds()):
            return self.emulator.forward(call.service, call.request)

    def _console(self, call: Call) -> Response:
        [machine] = self.machines.require([wire.parameters(call).get("InstanceId", "")])
        output = self.hypervisor.disks.console_tail(machine.instance_id)
        return wire.answer(
            call,
            {
                "InstanceId": machine.instance_id,
                "Timestamp": datetime.now(UTC).replace(tzinfo=None),
                "Output": base64.b64encode(output).decode(),
            },
        )

    def _asked(self, call: Call) -> list[Machine]:
        """The machines named in the call. Raises AwsError, also for a dry run, which ends here."""
        parameters = wire.parameters(call)
        machines = self.machines.require(parameters.get("InstanceIds", []))
        if parameters.get("DryRun"):
            raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
        return machines


def _changes(machines: Sequence[Machine], before: Sequence[State]) -> list[dict[str, Any]]:
    return [
        {
            "InstanceId": machine.instance_id,
            "CurrentState": {"Code": CODES[machine.state], "Name": str(machine.state)},
            "PreviousState": {"Code": CODES[previous], "Name": str(previous)},
        }
        for machine, previous in zip(machines, before, strict=True)
    ]


def _protected(instance_id: str, done: str, attribute: str) -> AwsError:
    message = (
        f"The instance '{instance_id}' may not be {done}. "
        f"Modify its '{attribute}' instance attribute and try again."
    )
    return AwsError("OperationNotPermitted", message)


def _check_hibernation(machines: Sequence[Machine]) -> None:
    for machine in machines:
        if not (machine.instance.hibernation_options or {}).get("Configured"):
            message = f"The instance '{machine.instance_id}' is not enabled for hibernation."
            raise AwsError("UnsupportedHibernationConfiguration", message)


ENDING = ("Delete", "Deregister", "Release")
KEPT = "DeleteTags"
RESOURCE_ID = re.compile(r"[a-z]+-[0-9a-f]{8,17}")


def forget_tags(emulator: Emulator, call: Call, response: Response) -> None:
    """After a call that has ended resources. Used under the emulator's lock."""
    if (
        call.service != "ec2"
        or not call.action.startswith(ENDING)
        or call.action == KEPT
        or response.status_code >= 400
    ):
        return
    tags = emulator.backend("ec2").tags
    for value in call.form.values():
        if RESOURCE_ID.fullmatch(value):
            tags.pop(value, None)


@dataclass(slots=True)
class Volumes:
    """Answers volume calls by EC2's rules. Used under the emulator's lock."""

    emulator: Emulator
    machines: Machines
    hypervisor: Hypervisor
    modifications: Modifications

    def handlers(self) -> Mapping[str, Callable[[Call], Response]]:
        """What answers each call, by action."""
        return {
            "AttachVolume": self._attach,
            "DetachVolume": self._detach,
            "DeleteVolume": self._delete,
        }

    def _attach(self, call: Call) -> Response:
        parameters = wire.parameters(call)
        [machine] = self.machines.require([parameters.get("InstanceId", "")])
        volume = self.emulator.backend("ec2").volumes.get(parameters.get("VolumeId"))
        if volume is not None:
            self.modifications.check_attachable(volume.id)
            _check_attachment(
                machine, volume.id, volume.status, volume.availability_zone, parameters.get("Device", "")
            )
        response = self.emulator.forward(call.service, call.request)
        if volume is not None and volume.attachment is not None:
            volume.attachment.delete_on_termination = False
        self._remount(machine, response)
        return response

    def _detach(self, call: Call) -> Response:
        parameters = wire.parameters(call)
        volume = self.emulator.backend("ec2").volumes.get(parameters.get("VolumeId"))
        if volume is None or volume.attachment is None:
            return self.emulator.forward(call.service, call.request)
        machine = self.machines.by_id[volume.attachment.instance_id]
        is_root = volume.id == root_volume(machine.instance)
        if is_root and machine.state is not State.STOPPED:
            message = f"Unable to detach root volume '{volume.id}' from instance '{machine.instance_id}'"
            raise AwsError("OperationNotPermitted", message)
        # EC2 knows where a volume is attached; moto needs it in the request.
        form = {**call.form, "InstanceId": machine.instance_id, "Device": volume.attachment.device}
        response = self.emulator.forward(call.service, with_form(call.request, form))
        if not is_root:
            self._remount(machine, response)
        return response

    def _delete(self, call: Call) -> Response:
        volume_id = wire.parameters(call).get("VolumeId", "")
        response = self.emulator.forward(call.service, call.request)
        if response.status_code < 400:
            self.hypervisor.disks.delete_volume(volume_id)
            self.modifications.changes.pop(volume_id, None)
        return response

    def _remount(self, machine: Machine, response: Response) -> None:
        if response.status_code < 400:
            instance = machine.instance
            self.hypervisor.mount_home(
                machine.instance_id,
                root_volume(instance),
                home_volume(instance),
                backup_volume(instance),
            )


def _check_attachment(machine: Machine, volume_id: str, status: str, zone: str | None, device: str) -> None:
    if status != "available":
        raise AwsError("VolumeInUse", f"{volume_id} is already attached to an instance")
    if machine.state not in (State.RUNNING, State.STOPPED):
        raise AwsError("IncorrectState", f"Instance '{machine.instance_id}' is not 'running'.")
    if zone != machine.instance.availability_zone:
        message = f"The volume '{volume_id}' is not in the same availability zone as instance '{machine.instance_id}'"
        raise AwsError("InvalidVolume.ZoneMismatch", message)
    if device in dict(machine.instance.get_block_device_mapping):
        message = f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"
        raise AwsError("InvalidParameterValue", message)
