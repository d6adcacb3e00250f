"""Machine images: known to EC2 by their id, to the machine room by the command they run."""

from moto.ec2.models.amis import Ami

from bootstrap.local.cloud.emulator import Emulator
from bootstrap.local.cloud.room import Room


class Images:
    """Registers images. Used under the emulator's lock."""

    def __init__(self, emulator: Emulator, room: Room) -> None:
        self._emulator = emulator
        self._room = room

    def register(self, image_id: str, command: tuple[str, ...] | None) -> None:
        """Makes the image known if it is not; `command` is what its instances run, the worker's if None."""
        ec2 = self._emulator.backend("ec2")
        if image_id not in ec2.amis:
            ec2.amis[image_id] = Ami(
                ec2,
                image_id,
                name=f"cloudjhub-local-{image_id}",
                architecture="x86_64",
                virtualization_type="hvm",
                region_name=f"{self._emulator.region}a",
            )
        if command is not None:
            self._room.machinery.images[image_id] = command
