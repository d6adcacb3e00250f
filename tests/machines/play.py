"""Plays an instance's machine: the command that the hypervisor runs for images whose instances are real roots.

    unshare --mount python -m tests.machines.play --root DIR --layers ROOT[:ROOT…] --instance ID --volumes DIR

Runs in a mount namespace of its own, so that nothing stays mounted however it ends. Its output is the console.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import requests

from bootstrap.local.cloud.hypervisor.guest import POWER_OFF
from tests.machines import volumes
from tests.machines.inside import init_of, inside

REPOSITORY = Path(__file__).resolve().parents[2]
LOOK_EVERY = 1.0
REBOOT = 133
"""What systemd-nspawn ends with to be started again."""
VOLUME_GB = 1
"""All volumes are small, whatever was asked for: they are made of files."""
SEED = "var/lib/cloud/seed/nocloud"
HARDWARE, VOLUMES = "usr/local/sbin/hardware.sh", "etc/attached-volumes"
TOLD = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "AWS_EC2_METADATA_SERVICE_ENDPOINT")
REGISTRIES = ("PIP_CERT", "PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT", "NPM_CONFIG_REGISTRY", "NODE_EXTRA_CA_CERTS",
              "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")  # fmt: skip


def command(layers: Sequence[Path], disks: Path, logs_endpoint: str) -> list[str]:
    """What to register as an image's launch command, for instances whose root begins with these layers."""
    settings = [f"{name}={os.environ[name]}" for name in REGISTRIES if name in os.environ]
    settings.append(f"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS={logs_endpoint}")
    return [
        "env", f"PYTHONPATH={REPOSITORY}", *settings,
        "unshare", "--mount", "{python}", "-P", "-m", "tests.machines.play",
        "--root", str(disks.parent / "machines" / "{instance_id}"), "--layers", ":".join(map(str, layers)),
        "--instance", "{instance_id}", "--volumes", str(disks),
    ]  # fmt: skip


class Played:
    """The machine of one instance."""

    def __init__(self, root: Path, layers: list[str], instance: str, disks: Path) -> None:
        self._upper, self._work, self._mounted = (root / name for name in ("upper", "work", "mounted"))
        self._layers = layers
        self._instance = instance
        self._disks = disks
        self._devices: list[volumes.Device] = []

    def run(self) -> int:
        """From the machine's start to its power-off."""
        for directory in (self._upper, self._work, self._mounted):
            directory.mkdir(parents=True, exist_ok=True)
        layers = ":".join(self._layers)
        options = f"lowerdir={layers},upperdir={self._upper},workdir={self._work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self._mounted], check=True)
        self._devices = [self._take(name) for name in self._volumes()]
        try:
            self._equip()
            while (status := self._boot()) == REBOOT:
                pass
            return status
        finally:
            for device in self._devices:
                device.detach()

    def _equip(self) -> None:
        """What EC2 gives a machine: user data, its disks' model, and (here only) where AWS is."""
        self._write(f"{SEED}/meta-data", f"instance-id: {self._instance}\n")
        self._write(f"{SEED}/user-data", self._metadata("user-data"))
        self._write(HARDWARE, Path(__file__).with_name("hardware.sh").read_text())
        self._note_volumes()
        # Also where the image lets cloud-init ask EC2 alone.
        self._write("etc/cloud/cloud.cfg.d/99-machine.cfg", "datasource_list: [NoCloud]\n")
        told = [f"{name}={os.environ[name]}" for name in (*TOLD, *REGISTRIES) if name in os.environ]
        self._write(
            "etc/systemd/system.conf.d/10-cloud.conf", f"[Manager]\nDefaultEnvironment={' '.join(told)}\n"
        )

    def _boot(self) -> int:
        started = subprocess.Popen(
            [
                "systemd-nspawn", "--quiet", f"--directory={self._mounted}", "--register=no", "--keep-unit",
                f"--machine={self._instance}", "--console=read-only", "--resolv-conf=copy-host", "--link-journal=no",
                "--kill-signal=SIGRTMIN+3",
                # As on EC2, the machine rules its network and knows its disks.
                "--capability=CAP_NET_ADMIN",
                "/bin/sh", f"/{HARDWARE}", "boot",
            ],
            env={"PATH": os.environ["PATH"], "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "yes"},
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

        asked: list[int] = []

        def power_off(number: int, _frame: FrameType | None) -> None:
            asked.append(number)
            started.terminate()

        signal.signal(signal.SIGTERM, power_off)
        while (status := _ended(started)) is None:
            self._attach_new(started.pid)
        return POWER_OFF if status == 0 and not asked else status

    def _attach_new(self, nspawn: int) -> None:
        """Volumes that were attached to the running machine."""
        there = {device.volume for device in self._devices}
        for name in [name for name in self._volumes() if name not in there]:
            device = self._take(name)
            self._devices.append(device)
            self._note_volumes()
            inside(init_of(nspawn), "/bin/sh", f"/{HARDWARE}", "attach", str(device))

    def _note_volumes(self) -> None:
        self._write(VOLUMES, "".join(f"{device}\n" for device in self._devices))

    def _take(self, volume: str) -> volumes.Device:
        return volumes.attach(self._disks, volume, VOLUME_GB)

    def _volumes(self) -> list[str]:
        """The instance's volumes beside the root volume."""
        secret = (self._disks.parent / "operator-secret").read_text()
        state = requests.get(
            f"{os.environ['AWS_ENDPOINT_URL']}/_cloud/state",
            headers={"Authorization": f"Bearer {secret}"},
            timeout=10,
        ).json()
        mine: list[dict[str, str]] = [
            one["volumes"] for one in state["instances"] if one["instance_id"] == self._instance
        ]
        return [name for attached in mine for _device, name in sorted(attached.items())[1:]]

    def _metadata(self, path: str) -> str:
        service = os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"].rstrip("/") + "/latest/"
        token = requests.put(
            f"{service}api/token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}, timeout=10
        ).text
        answer = requests.get(f"{service}{path}", headers={"X-aws-ec2-metadata-token": token}, timeout=10)
        return answer.text if answer.ok else ""

    def _write(self, name: str, content: str) -> None:
        path = self._mounted / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def _ended(process: "subprocess.Popen[bytes]") -> int | None:
    try:
        return process.wait(LOOK_EVERY)
    except subprocess.TimeoutExpired:
        return None


def main() -> int:
    """Play until the machine is off."""
    parser = argparse.ArgumentParser(prog="python -m tests.machines.play")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--layers", required=True)
    parser.add_argument("--instance", required=True)
    parser.add_argument("--volumes", type=Path, required=True)
    given = parser.parse_args()
    return Played(given.root, given.layers.split(":"), given.instance, given.volumes).run()


if __name__ == "__main__":
    sys.exit(main())
