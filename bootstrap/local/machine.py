"""What an instance of a base image runs in the local cloud, in place of an operating system with cloud-init.

    python -m bootstrap.local.machine --root DIR --home DIR --instance-id ID --address ADDRESS

Its user data has been written below the root directory already; which file is there tells what the machine is for. What
systemd and apt would do with it is done by the module of that kind of machine, with this machine's Python.
"""

import argparse
import importlib
import logging
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

log = logging.getLogger(__name__)

POWER_OFF = 111
"""The exit status with which a guest asks for its shutdown: `poweroff` would be this machine's."""

KINDS = {
    "etc/cloudjhub/image.json": "bootstrap.local.builder_machine",
    "etc/cloudjhub/manager.json": "bootstrap.local.manager_machine",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """An instance as its programs see it: `root` is its root disk, `home` its second disk where it has one."""

    root: Path
    home: Path
    instance_id: str
    address: str

    def path(self, absolute: str) -> Path:
        """Where a file of the machine lies."""
        return self.root / absolute.lstrip("/")


class Kind(Protocol):
    """A module that is a kind of machine."""

    def run(self, machine: Machine) -> int:
        """Do what the machine is for; the exit status, POWER_OFF to shut it down."""
        ...


def kind_of(machine: Machine) -> Kind | None:
    """What the machine's user data makes of it; None for a machine that has nothing to do."""
    for file, module in KINDS.items():
        if machine.path(file).exists():
            return cast(Kind, importlib.import_module(module))
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bootstrap.local.machine")
    for name in ("root", "home"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("instance-id", "address"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args(arguments)
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    machine = Machine(root=given.root, home=given.home, instance_id=given.instance_id, address=given.address)
    kind = kind_of(machine)
    if kind is not None:
        return kind.run(machine)
    log.info("nothing in the user data says what this machine is for: it runs, and does nothing")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


if __name__ == "__main__":
    sys.exit(main())
