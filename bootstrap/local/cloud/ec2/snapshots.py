"""Snapshots of volumes with what these hold, and volumes made of snapshots: moto's hold nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug import Response

from bootstrap.local.cloud import wire
from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.errors import AwsError
from bootstrap.local.cloud.hypervisor.disks import Disks
from bootstrap.local.cloud.wire import Call


@dataclass(slots=True)
class Snapshots:
    """Makes and deletes snapshots, and makes volumes. Used under the emulator's lock."""

    emulator: Emulator
    disks: Disks

    def handlers(self) -> Mapping[str, Callable[[Call], Response]]:
        """What answers each call, by action."""
        return {"CreateSnapshot": self._create, "DeleteSnapshot": self._delete, "CreateVolume": self._volume}

    def make(self, volume_id: str, tags: Mapping[str, str], description: str) -> str:
        """The id of a new snapshot of a volume, as it is now."""
        made = self.emulator.backend("ec2").create_snapshot(volume_id, description, self.emulator.account)
        made.add_tags(dict(tags))
        self.disks.copy(volume_id, made.id)
        return str(made.id)

    def remove(self, snapshot_id: str) -> None:
        """Delete a snapshot and what it holds."""
        ec2 = self.emulator.backend("ec2")
        ec2.delete_snapshot(snapshot_id)
        ec2.tags.pop(snapshot_id, None)
        self.disks.delete_volume(snapshot_id)

    def _create(self, call: Call) -> Response:
        response = self.emulator.forward(call.service, call.request)
        if response.status_code < 400:
            newest = list(self.emulator.backend("ec2").snapshots.values())[-1]
            self.disks.copy(newest.volume.id, newest.id)
        return response

    def _delete(self, call: Call) -> Response:
        response = self.emulator.forward(call.service, call.request)
        if response.status_code < 400:
            self.disks.delete_volume(wire.parameters(call)["SnapshotId"])
        return response

    def _volume(self, call: Call) -> Response:
        """EC2 makes none that is smaller than its snapshot; moto does."""
        ec2, parameters = self.emulator.backend("ec2"), wire.parameters(call)
        source: Any = ec2.snapshots.get(parameters.get("SnapshotId"))
        if source is not None and int(parameters.get("Size", source.volume.size)) < int(source.volume.size):
            message = f"The specified size is smaller than that of the snapshot '{source.id}'"
            raise AwsError("InvalidParameterValue", message)
        response = self.emulator.forward(call.service, call.request)
        if response.status_code < 400 and source is not None:
            newest = list(ec2.volumes.values())[-1]
            self.disks.copy(source.id, newest.id)
        return response
