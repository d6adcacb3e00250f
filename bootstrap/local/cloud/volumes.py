"""The EBS calls in which moto is laxer than EC2, and the disks behind them."""

from collections.abc import Callable, Mapping

from bootstrap.local.cloud import wire
from bootstrap.local.cloud.emulator import Emulator, with_form
from bootstrap.local.cloud.machines import Machine, Machines
from bootstrap.local.cloud.messages import AwsError, Response
from bootstrap.local.cloud.plans import home_volume, root_volume
from bootstrap.local.cloud.room import Room
from bootstrap.local.cloud.rules import State
from bootstrap.local.cloud.wire import Call


class Volumes:
    """Answers volume calls by EC2's rules. Used under the emulator's lock."""

    def __init__(self, emulator: Emulator, machines: Machines, room: Room) -> None:
        self._emulator = emulator
        self._machines = machines
        self._room = room

    def handlers(self) -> Mapping[str, Callable[[Call], Response]]:
        return {
            "AttachVolume": self._attach,
            "DetachVolume": self._detach,
            "DeleteVolume": self._delete,
        }

    def _attach(self, call: Call) -> Response:
        asked = wire.parameters(call)
        [machine] = self._machines.require([asked.get("InstanceId", "")])
        volume = self._emulator.backend("ec2").volumes.get(asked.get("VolumeId"))
        if volume is not None:
            _judge_attachment(
                machine, volume.id, volume.status, volume.availability_zone, asked.get("Device", "")
            )
        response = self._emulator.ask(call.service, call.request)
        self._remount(machine, response)
        return response

    def _detach(self, call: Call) -> Response:
        asked = wire.parameters(call)
        volume = self._emulator.backend("ec2").volumes.get(asked.get("VolumeId"))
        if volume is None or volume.attachment is None:
            return self._emulator.ask(call.service, call.request)
        machine = self._machines.by_id[volume.attachment.instance_id]
        is_root = volume.id == root_volume(machine.instance)
        if is_root and machine.state is not State.STOPPED:
            message = f"Unable to detach root volume '{volume.id}' from instance '{machine.instance_id}'"
            raise AwsError("OperationNotPermitted", message)
        # EC2 knows where a volume is attached; moto has to be told.
        form = {**call.form, "InstanceId": machine.instance_id, "Device": volume.attachment.device}
        response = self._emulator.ask(call.service, with_form(call.request, form))
        if not is_root:
            self._remount(machine, response)
        return response

    def _delete(self, call: Call) -> Response:
        volume_id = wire.parameters(call).get("VolumeId", "")
        response = self._emulator.ask(call.service, call.request)
        if response.status < 400:
            self._room.disks.delete_volume(volume_id)
        return response

    def _remount(self, machine: Machine, response: Response) -> None:
        if response.status < 400:
            instance = machine.instance
            self._room.mount_home(machine.instance_id, root_volume(instance), home_volume(instance))


def _judge_attachment(machine: Machine, volume_id: str, status: str, zone: str | None, device: str) -> None:
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
