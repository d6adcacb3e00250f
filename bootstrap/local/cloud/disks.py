"""The instances' disks: a directory per volume, a link per instance to where its home is, a console log."""

import fcntl
import shutil
from datetime import datetime
from pathlib import Path

from bootstrap.local.cloud.messages import StartupError
from bootstrap.local.cloud.user_data import files_to_write

WRITTEN = Path("var/lib/cloud/instance/boot-finished")
CONSOLE_SHOWN = 64 * 1024
"""GetConsoleOutput gives the newest 64 KB."""


class Disks:
    """Directories under the state directory."""

    def __init__(self, state_dir: Path) -> None:
        self._volumes = state_dir / "volumes"
        self._instances = state_dir / "instances"
        self._consoles = state_dir / "console"
        for directory in (self._volumes, self._instances, self._consoles):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = (state_dir / "cloud.lock").open("w")

    def lock(self) -> None:
        """Keeps other clouds off the state directory until this process ends. Raises StartupError if one is there."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartupError(
                f"{self._volumes.parent} is in use by another local cloud: stop it or choose another --state-dir"
            ) from error

    def volume(self, volume_id: str) -> Path:
        """The volume's directory, made if it is not there."""
        directory = self._volumes / volume_id
        directory.mkdir(exist_ok=True)
        return directory

    def home(self, instance_id: str) -> Path:
        return self._instances / instance_id / "home"

    def console(self, instance_id: str) -> Path:
        return self._consoles / f"{instance_id}.log"

    def console_tail(self, instance_id: str) -> bytes:
        """The newest console output, nothing before the first boot."""
        try:
            with self.console(instance_id).open("rb") as console:
                console.seek(0, 2)
                console.seek(max(0, console.tell() - CONSOLE_SHOWN))
                return console.read()
        except FileNotFoundError:
            return b""

    def note(self, instance_id: str, now: datetime, words: str) -> None:
        """Appends a line of ours to the console log."""
        with self.console(instance_id).open("a") as console:
            console.write(f"[{now:%Y-%m-%dT%H:%M:%SZ}] cloud: {words}\n")

    def mount_home(self, instance_id: str, root_volume: str, home_volume: str | None) -> Path:
        """Points the instance's home at its home disk, or at its root disk if it has none."""
        target = self.volume(home_volume) if home_volume else self.volume(root_volume) / "home"
        target.mkdir(exist_ok=True)
        link = self.home(instance_id)
        link.parent.mkdir(exist_ok=True)
        fresh = link.with_name("home.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target.resolve())
        fresh.replace(link)
        return link

    def write_user_data(self, root_volume: str, user_data: bytes) -> int:
        """Writes what the user data asks for, on the first boot only; how many files. Raises UserDataError."""
        root = self.volume(root_volume)
        if (root / WRITTEN).exists():
            return 0
        files = files_to_write(user_data)
        for file in files:
            target = root / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.content)
            target.chmod(file.permissions)
        (root / WRITTEN).parent.mkdir(parents=True, exist_ok=True)
        (root / WRITTEN).touch()
        return len(files)

    def delete_volume(self, volume_id: str) -> None:
        shutil.rmtree(self._volumes / volume_id, ignore_errors=True)

    def delete_instance(self, instance_id: str) -> None:
        """Removes the instance's directory; its console log stays for whoever asks what happened."""
        shutil.rmtree(self._instances / instance_id, ignore_errors=True)
