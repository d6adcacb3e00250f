"""The instances' disks and consoles as directories and files, and user data as cloud-init reads it.

A directory per volume, a link per instance to its home, a console log; `#cloud-config` with `write_files`.
"""

import base64
import binascii
import fcntl
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

import yaml

from bootstrap.local.cloud.errors import StartupError, UserDataError

EARLIER = "earlier-files"
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

    def close(self) -> None:
        """Lets another cloud have the state directory."""
        self._lock.close()

    def volume(self, volume_id: str) -> Path:
        """The volume's directory, made if it is not there."""
        directory = self._volumes / volume_id
        directory.mkdir(exist_ok=True)
        return directory

    def home(self, instance_id: str) -> Path:
        """The link to the instance's home."""
        return self._instances / instance_id / "home"

    def runtime(self, instance_id: str) -> Path:
        """The directory in place of the instance's /run, made if it is not there."""
        directory = self._instances / instance_id / "run"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return directory

    def console(self, instance_id: str) -> Path:
        """The instance's console log."""
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

    def note(self, instance_id: str, now: datetime, line: str) -> None:
        """Appends a line of the cloud to the console log."""
        with self.console(instance_id).open("a") as console:
            console.write(f"[{now:%Y-%m-%dT%H:%M:%SZ}] cloud: {line}\n")

    def mount_home(
        self, instance_id: str, root_volume: str, home_volume: str | None, backup_volume: str | None = None
    ) -> Path:
        """Points the instance's home at its home disk, or at its root disk if it has none; and a name in it at a copy
        of a backup, if there is one, as on a worker. Here that is not read-only.
        """
        target = self.volume(home_volume) if home_volume else self.volume(root_volume) / "home"
        target.mkdir(exist_ok=True)
        earlier = target / EARLIER
        if earlier.is_symlink():
            earlier.unlink()
        if backup_volume and not earlier.exists():
            earlier.symlink_to(self.volume(backup_volume).resolve())
        link = self.home(instance_id)
        link.parent.mkdir(exist_ok=True)
        fresh = link.with_name("home.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target.resolve())
        fresh.replace(link)
        return link

    def write_user_data(self, root_volume: str, user_data: bytes) -> int:
        """Writes the files in the user data, on the first boot only; how many. Raises UserDataError."""
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

    def copy(self, source: str, target: str) -> None:
        """Copies what a volume or snapshot holds to a new one. One that never was in use holds nothing."""
        if (self._volumes / source).exists():
            subprocess.run(["cp", "-a", self._volumes / source, self._volumes / target], check=True)

    def delete_volume(self, volume_id: str) -> None:
        """Deletes a volume's directory."""
        shutil.rmtree(self._volumes / volume_id, ignore_errors=True)

    def delete_instance(self, instance_id: str) -> None:
        """Removes the instance's directory; its console log is kept."""
        shutil.rmtree(self._instances / instance_id, ignore_errors=True)


HEADER = "#cloud-config"
DEFAULT_PERMISSIONS = 0o644
BASE64 = ("b64", "base64")


@dataclass(frozen=True, slots=True)
class FileToWrite:
    """A file of `write_files`; `path` is relative to the instance's root."""

    path: PurePosixPath
    content: bytes
    permissions: int


def files_to_write(user_data: bytes) -> list[FileToWrite]:
    """The files in the user data. Raises UserDataError for what is not cloud-config."""
    if not user_data.strip():
        return []
    try:
        text = user_data.decode()
        config = yaml.safe_load(text)
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserDataError(f"user data is not YAML: {error}") from error
    if not text.startswith(HEADER):
        raise UserDataError(f"user data does not start with {HEADER}")
    entries = config.get("write_files", []) if isinstance(config, dict) else None
    if not isinstance(entries, list):
        raise UserDataError("write_files is not a list")
    return [_file(entry) for entry in entries]


def _file(entry: object) -> FileToWrite:
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        raise UserDataError(f"an entry of write_files has no path: {entry!r}")
    path = PurePosixPath(entry["path"])
    if not path.is_absolute() or ".." in path.parts:
        raise UserDataError(f"not an absolute path: {entry['path']}")
    try:
        permissions = int(str(entry.get("permissions", f"{DEFAULT_PERMISSIONS:o}")), 8)
    except ValueError as error:
        raise UserDataError(f"permissions of {path} are not octal: {entry['permissions']!r}") from error
    return FileToWrite(path.relative_to("/"), _content(entry), permissions)


def _content(entry: dict[str, object]) -> bytes:
    content = str(entry.get("content", ""))
    encoding = entry.get("encoding", "text/plain")
    if encoding in BASE64:
        try:
            return base64.b64decode(content, validate=True)
        except binascii.Error as error:
            raise UserDataError(f"content of {entry['path']} is not base64") from error
    if encoding != "text/plain":
        raise UserDataError(f"encoding {encoding!r} of {entry['path']} is not known")
    return content.encode()
