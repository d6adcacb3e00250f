"""The hypervisor: a running instance is a process of its own on this machine, with its own disks.

It knows nothing of roles: the instance's image decides which command it runs.
"""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bootstrap.local import processes, programs
from bootstrap.local.cloud.errors import UserDataError
from bootstrap.local.cloud.hypervisor.disks import Disks
from bootstrap.local.cloud.hypervisor.guest import POWER_OFF
from bootstrap.local.cloud.settings import Settings

log = logging.getLogger(__name__)

WORKER_COMMAND = ("{python}", "-m", "bootstrap.worker.boot", "--config", "{root}/etc/cloudjhub/worker.json")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class BootPlan:
    """Everything that booting an instance needs. `home_volume` is its first disk beside the root; `backup_volume` a
    copy of a backup, which is shown in the home.
    """

    instance_id: str
    image_id: str
    address: str
    user_data: bytes
    root_volume: str
    home_volume: str | None
    backup_volume: str | None = None


@dataclass(slots=True)
class Slot:
    """An instance on this host: its lock orders boots and halts; `halted` is set when none of its processes is left."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    halted: threading.Event = field(default_factory=threading.Event)
    process: "subprocess.Popen[bytes] | None" = None
    wanted: int = 0


@dataclass(slots=True)
class Hypervisor:
    """Boots and halts instances, each in a thread of its own; never holds up the caller."""

    settings: Settings
    metadata_path: Callable[[str], str]
    """Gives the path of an instance's metadata at the endpoint."""
    disks: Disks
    images: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The command that an image's instances run, by the image's id; the worker's for others."""
    on_power_off: Callable[[str], None] = lambda _: None
    _slots: dict[str, Slot] = field(init=False, default_factory=dict)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _is_closed: bool = field(init=False, default=False)

    def boot(self, plan: BootPlan) -> None:
        """Mounts the disks, writes the user data, runs the image's command."""
        slot = self._slot(plan.instance_id)
        slot.wanted += 1
        slot.halted.clear()
        _thread(self._boot, plan, slot, slot.wanted)

    def halt(self, instance_id: str, *, force: bool) -> None:
        """Ends all processes of the instance; `is_halted` is true when they are gone."""
        slot = self._slot(instance_id)
        slot.wanted += 1
        slot.halted.clear()
        _thread(self._halt, instance_id, slot, timedelta() if force else self.settings.stop_grace)

    def restart(self, plan: BootPlan) -> None:
        """Ends the instance's processes and boots it again."""
        slot = self._slot(plan.instance_id)
        slot.wanted += 1
        _thread(self._restart, plan, slot, slot.wanted)

    def is_halted(self, instance_id: str) -> bool:
        """Whether none of the instance's processes is left."""
        return self._slot(instance_id).halted.is_set()

    def pid(self, instance_id: str) -> int | None:
        """Process id of what the instance runs, None if it has ended."""
        process = self._slot(instance_id).process
        return process.pid if process and process.poll() is None else None

    def mount_home(
        self, instance_id: str, root_volume: str, home_volume: str | None, backup_volume: str | None
    ) -> None:
        """Points the instance's home at its disks as they are attached now."""
        self.disks.mount_home(instance_id, root_volume, home_volume, backup_volume)

    def discard(self, instance_id: str, volumes: Sequence[str]) -> None:
        """The instance is gone, and these disks with it."""
        with self._lock:
            self._slots.pop(instance_id, None)
        _thread(self._discard, instance_id, tuple(volumes))

    def close(self) -> None:
        """Ends the processes of all instances at once and waits for it."""
        self._is_closed = True
        with self._lock:
            slots = list(self._slots.values())
        for slot in slots:
            with slot.lock:  # waits for what is being launched right now
                slot.wanted += 1
        running = processes.by_instance(self.settings.state_dir)
        everything = [process for mine in running.values() for process in mine]
        processes.end(everything, self.settings.stop_grace)
        for instance_id in running:
            self._note(instance_id, "the host went down")

    def _boot(self, plan: BootPlan, slot: Slot, wanted: int) -> None:
        with slot.lock:
            if slot.wanted == wanted and not self._is_closed:
                self._launch(plan, slot)

    def _restart(self, plan: BootPlan, slot: Slot, wanted: int) -> None:
        with slot.lock:
            self._end(plan.instance_id, slot, self.settings.stop_grace)
            if slot.wanted == wanted and not self._is_closed:
                self._launch(plan, slot)

    def _halt(self, instance_id: str, slot: Slot, grace: timedelta) -> None:
        with slot.lock:
            self._end(instance_id, slot, grace)
            slot.halted.set()

    def _launch(self, plan: BootPlan, slot: Slot) -> None:
        home = self.disks.mount_home(plan.instance_id, plan.root_volume, plan.home_volume, plan.backup_volume)
        root = self.disks.volume(plan.root_volume)
        self._note(plan.instance_id, f"booting image {plan.image_id} on {plan.address}")
        try:
            written = self.disks.write_user_data(plan.root_volume, plan.user_data)
        except UserDataError as error:
            self._note(plan.instance_id, f"user data refused: {error}")
        else:
            self._note(plan.instance_id, f"user data: {written} files written")
        command = self._command(plan, root, home)
        try:
            slot.process = self._run(plan.instance_id, command, home)
        except OSError as error:
            self._note(plan.instance_id, f"cannot run {command[0]}: {error.strerror}")
            log.error("instance %s: cannot run %s: %s", plan.instance_id, command[0], error)
        else:
            _thread(self._watch, plan.instance_id, slot.process)

    def _run(self, instance_id: str, command: Sequence[str], home: Path) -> "subprocess.Popen[bytes]":
        with self.disks.console(instance_id).open("ab") as console:
            return subprocess.Popen(
                command,
                cwd=home,
                env=self._environment(instance_id, home),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _watch(self, instance_id: str, process: "subprocess.Popen[bytes]") -> None:
        """A machine whose service has ended is still running, as on EC2, unless that asks for a shutdown."""
        status = process.wait()
        if status == POWER_OFF:
            self._note(instance_id, "powering off")
            self.on_power_off(instance_id)
        else:
            self._note(instance_id, f"its process ended with status {status}")

    def _end(self, instance_id: str, slot: Slot, grace: timedelta) -> None:
        while mine := processes.of_instance(self.settings.state_dir, instance_id):
            if not processes.end(mine, grace):
                log.error("instance %s: processes survive SIGKILL", instance_id)
                return
        slot.process = None
        self._note(instance_id, "halted")

    def _discard(self, instance_id: str, volumes: Sequence[str]) -> None:
        for volume in volumes:
            self.disks.delete_volume(volume)
        self.disks.delete_instance(instance_id)

    def _slot(self, instance_id: str) -> Slot:
        with self._lock:
            return self._slots.setdefault(instance_id, Slot())

    def _note(self, instance_id: str, line: str) -> None:
        self.disks.note(instance_id, datetime.now(UTC), line)

    def _command(self, plan: BootPlan, root: Path, home: Path) -> list[str]:
        """The command of the plan's image with its places filled in."""
        places = {
            "{python}": sys.executable,
            "{root}": str(root),
            "{home}": str(home),
            "{instance_id}": plan.instance_id,
            "{address}": plan.address,
        }
        command = list(self.images.get(plan.image_id, WORKER_COMMAND))
        for place, value in places.items():
            command = [word.replace(place, value) for word in command]
        return command

    def _environment(self, instance_id: str, home: Path) -> dict[str, str]:
        """The variables of an instance's process; nothing of this process's environment is passed on."""
        settings = self.settings
        return {
            "PATH": f"{Path(sys.executable).parent}:{SYSTEM_PATH}",
            "LANG": "C.UTF-8",
            "SHELL": "/bin/bash",
            "HOME": str(home),
            "RUNTIME_DIRECTORY": str(self.disks.runtime(instance_id)),
            "AWS_REGION": settings.region,
            "AWS_DEFAULT_REGION": settings.region,
            "AWS_ENDPOINT_URL": settings.endpoint,
            "AWS_ENDPOINT_URL_EVENTBRIDGE": settings.events_endpoint,
            "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": settings.events_endpoint,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{settings.endpoint}{self.metadata_path(instance_id)}",
            programs.CACHE_VARIABLE: str(programs.cache()),
            processes.INSTANCE_MARKER: processes.marker(settings.state_dir, instance_id),
        }


def _thread(target: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=target, args=arguments, daemon=True).start()
