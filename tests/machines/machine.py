"""A running machine as a test sees it: what runs in it, its files, its console."""

import subprocess
import time
from collections.abc import Callable
from typing import Any

from bootstrap.local import environment
from bootstrap.local.settings import LocalSettings
from tests.machines.inside import init_of, inside

PATIENCE = 300.0
LOOK_EVERY = 0.5


class Machine:
    """One instance of a local cloud, by its control API."""

    def __init__(self, local: LocalSettings, instance_id: str) -> None:
        self._local = local
        self.instance_id = instance_id

    def described(self) -> dict[str, Any]:
        instances: list[dict[str, Any]] = environment.state(self._local)["instances"]
        return next(one for one in instances if one["instance_id"] == self.instance_id)

    def init(self) -> int | None:
        """The process id of the machine's systemd, None while it is not there."""
        pid = self.described()["pid"]
        return init_of(pid) if pid else None

    def run(self, *command: str, check: bool = True) -> str:
        """What a command prints that runs in the machine as root."""
        done = self.tried(*command)
        if check and done.returncode:
            raise AssertionError(f"{command} failed ({done.returncode}): {done.stdout}{done.stderr}")
        return done.stdout

    def tried(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return inside(self.init(), *command)

    def is_active(self, unit: str) -> bool:
        return bool(self.init()) and self.tried("systemctl", "is-active", "--quiet", unit).returncode == 0

    def await_active(self, *units: str) -> None:
        """Return when all units are active."""
        self.await_true(f"{', '.join(units)} are active", lambda: all(map(self.is_active, units)))

    def await_cloud_init(self) -> None:
        """Return when cloud-init has done all that the user data asks for; fail if it failed at it."""
        self.await_true("systemd runs", lambda: self.init() and self.tried("systemctl", "is-system-running"))
        self.await_true(
            "cloud-init is done",
            lambda: (
                "running" not in (told := self.run("cloud-init", "status", check=False)) and "status" in told
            ),
        )
        told = self.run("cloud-init", "status", "--long", check=False)
        assert "status: done" in told, f"{told}\n{self.journal()}"

    def await_true(self, what: str, look: Callable[[], Any], patience: float = PATIENCE) -> Any:
        end = time.monotonic() + patience
        while not (found := look()):
            if time.monotonic() > end:
                raise AssertionError(f"waited in vain until {what}\n{self.journal()}")
            time.sleep(LOOK_EVERY)
        return found

    def journal(self, *options: str) -> str:
        if not self.init():
            return "the machine is off"
        return self.run("journalctl", "--no-pager", "--lines=80", *options, check=False)
