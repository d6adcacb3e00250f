"""The manager's operating system: programs, files, users and the state disk."""

import grp
import os
import pwd
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bootstrap.machines.manager.config import HUB_STATE, HUB_USER, LABEL, NGINX_USER, PROXY_USER
from bootstrap.worker import disks


class SetupError(Exception):
    """A step of the set-up failed; the message names the fix, or what it waits for."""


Run = Callable[[Sequence[str]], str]
"""Runs a command and returns its output. Raises SetupError with the last line of its errors."""
SHOWN_LINES = 30
"""Of a failed command's output, on the console."""


def run(command: Sequence[str]) -> str:
    """The output of a command that succeeds. Of one that fails, the last lines are printed.

    Raises SetupError with the last line of its errors.
    """
    try:
        done = subprocess.run(list(command), capture_output=True, text=True, check=False)
    except OSError as error:
        raise SetupError(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
        print("\n".join(lines[-SHOWN_LINES:]), flush=True)
        raise SetupError(f"{' '.join(command[:4])} ended with {done.returncode}: {lines[-1]}")
    return done.stdout


def write_file(path: Path, content: str, mode: int = 0o644, group: int | None = None) -> bool:
    """Write a file in one step; whether it was different. `group` may read one of mode 0640."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wanted = content.encode()
    if path.exists() and path.read_bytes() == wanted and path.stat().st_mode & 0o777 == mode:
        return False
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(wanted)
        if group is not None:
            os.fchown(file.fileno(), -1, group)
        os.fchmod(file.fileno(), mode)
    fresh.replace(path)
    return True


def ensure_users(run: Run) -> None:
    """Create the users of hub, proxy and nginx."""
    nowhere = Path("/nonexistent")
    for user, home in ((HUB_USER, HUB_STATE), (PROXY_USER, nowhere), (NGINX_USER, nowhere)):
        try:
            pwd.getpwnam(user)
        except KeyError:
            run(
                ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", str(home),
                 "--shell", "/usr/sbin/nologin", user]
            )  # fmt: skip


def give_directory(directory: Path, user: str) -> None:
    """Make `user` the only owner of the directory and its content: an earlier machine may have used other user ids."""
    directory.mkdir(mode=0o700, exist_ok=True)
    directory.chmod(0o700)
    owner, group = pwd.getpwnam(user).pw_uid, grp.getgrnam(user).gr_gid
    for path in (directory, *directory.rglob("*")):
        os.chown(path, owner, group, follow_symlinks=False)


BLOCK_DEVICES = Path("/sys/block")
ATTACHED_WITHIN, LOOK_EVERY = 600.0, 1.0


def find_disk(volume: str, devices: Path = BLOCK_DEVICES) -> str | None:
    """The name of the block device of an EBS volume, like nvme1n1; None while it is not attached."""
    serial = volume.replace("-", "")
    for device in sorted(devices.iterdir()):
        for file in (device / "device/serial", device / "serial"):
            if file.exists() and file.read_text().strip().replace("-", "") == serial:
                return device.name
    return None


def await_disk(volume: str, devices: Path = BLOCK_DEVICES, within: float = ATTACHED_WITHIN) -> Path:
    """The device file of the volume, as soon as it is attached. Raises SetupError if it takes too long."""
    end = time.monotonic() + within
    while (name := find_disk(volume, devices)) is None:
        if time.monotonic() > end:
            raise SetupError(f"the state disk {volume} is not attached: run `cloudjhub up`")
        time.sleep(LOOK_EVERY)
    return Path("/dev") / name


UNDO = Path("/var/tmp/cloudjhub-state.e2undo")  # noqa: S108 -- only root writes there during set-up
"""What a repair of the state disk overwrites, until it is complete."""


def prepare_disk(disk: Path, run: Run = run) -> None:
    """Make the file system on a disk that is blank; check that of any other. Raises SetupError if it cannot be used.

    Whether CloudFormation has just made the volume is not known here, so that "blank" is checked, not believed: a
    damaged disk is repaired by `e2fsck -p` or refused.
    """
    parts = run(["lsblk", "--noheadings", "--raw", "--output", "NAME", str(disk)]).split()
    try:
        content = disks.content_of(disk)
        if not content.kind and len(parts) == 1 and disks.is_blank(disk):
            disks.make_file_system(disk, LABEL)
            run(["udevadm", "settle"])
            return
        if (content.kind and content.label != LABEL) or disks.ext4_label(disk) not in (LABEL, None):
            raise SetupError(f"{disk} has content that is not cloudJHub's state: attach the right volume")
        disks.check(disk, UNDO)
    except disks.DiskError as error:
        raise SetupError(
            f"{error}; nothing was formatted: repair the volume, or restore it from a snapshot"
        ) from error


def environment_file(variables: Mapping[str, str]) -> str:
    """The variables as systemd's EnvironmentFile= reads them: it expands nothing between double quotes.

    Raises ValueError for a value that spans lines.
    """
    broken = [name for name, value in variables.items() if "\n" in value or "\r" in value]
    if broken:
        raise ValueError(f"{', '.join(broken)}: a value spans lines")
    return "".join(f"{name}={_quoted(value)}\n" for name, value in sorted(variables.items()))


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
