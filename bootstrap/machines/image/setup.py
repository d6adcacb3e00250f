"""Sets up the disk that becomes the workers' image. `start` runs this once, as root, on the builder.

Standard library only: it runs in the system's own Python. Its last line on the console says whether it succeeded; then
the machine powers off.
"""

import json
import platform
import shutil
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path

from bootstrap.machines.image.start import (
    BUNDLE,
    CONFIG,
    FETCH,
    START,
    VENV,
    Run,
    at,
    pip_install,
    power_off,
    run,
    say,
    say_failed,
)

DONE = "cloudjhub-image: "
"""What follows on the console are the versions in the image, as JSON."""
PACKAGES = "/opt/cloudjhub/packages.json"
SHARED = ("bootstrap/__init__.py", "lifecycle_app/__init__.py", "lifecycle_app/contract.py")
"""What the worker package needs beside itself; it imports nothing else of this repository."""
REPORTED = ("jupyterlab", "jupyterhub", "nbgrader")
# What checks JSON for the formats iri and iri-reference, which nothing of Jupyter's uses. It builds its parsers at each
# import: half of what the server's start takes. jsonschema does without it.
SLOW = ("rfc3987-syntax",)
PROFILE = "/etc/profile.d/cloudjhub.sh"
"""Terminals are login shells, which begin with a PATH of their own."""

USER = "jovyan"
# Written down, for home disks carry it from image to image, whatever users a base image has of its own.
USER_ID = 1100
UNITS = ("cloudjhub-home.service", "cloudjhub-worker.service", "home-jovyan.mount")

# What would start at boot, or soon after, and why no worker needs it. Users wait for the boot.
UNNEEDED = {
    "apt-daily*": "takes disk and CPU just when a user waits; updates come with the next image",
    "dnf-*": "as apt-daily",
    "unattended-upgrades.service": "as apt-daily, and it delays the shutdown too",
    "update-notifier-*": "tells nobody of updates: nobody logs in on a terminal",
    "motd-news.*": "nobody logs in on a terminal",
    "update-motd.*": "nobody logs in on a terminal",
    "snapd.*": "cloud-init and the first service wait seconds for it; nothing of ours is a snap",
    "snap.*": "as snapd",
    "snap-*.mount": "as snapd",
    "ua-*": "Ubuntu Pro is not attached",
    "ubuntu-advantage*": "Ubuntu Pro is not attached",
    "apport*": "reports crashes to Canonical",
    "pollinate.service": "asks a server on the internet for entropy, which the kernel has",
    "lxd*": "no containers here",
    "ModemManager.service": "there is no modem",
    "multipath*": "disks have one path",
    "iscsi*": "disks are EBS's",
    "open-iscsi.service": "disks are EBS's",
    "lvm2-*": "there are no logical volumes",
    "blk-availability.service": "there are no logical volumes",
    "open-vm-tools.service": "this is no VMware",
    "vgauth.service": "this is no VMware",
    "plymouth*": "nobody sees a boot screen",
    "console-setup.service": "nobody sits at a console",
    "keyboard-setup.service": "nobody sits at a console",
    "setvtrgb.service": "nobody sits at a console",
    "thermald.service": "the host cools itself",
    "networkd-dispatcher.service": "nothing is hooked to a link that comes up; it is a Python program at each boot",
    "hibinit-agent.service": "nothing hibernates; it would make a swap file of the memory's size",
    "packagekit*": "nobody installs programs at a desktop",
    "wpa_supplicant.service": "there is no radio",
    "esm-cache.service": "Ubuntu Pro is not attached",
    "apt-news.service": "nobody logs in on a terminal",
    "secureboot-db.service": "there is no firmware to update",
    "fwupd*": "there is no firmware to update",
    "udisks2.service": "nobody plugs disks in at a desktop",
    "man-db.timer": "indexes manual pages",
    "e2scrub*": "LVM only",
    "grub-*": "records boots for a boot menu that nobody sees",
    "amazon-ssm-agent.service": "the workers' role may not talk to Session Manager",
    "ssh.*": "nobody reaches it: the workers' security group admits the proxy only",
    "sshd*": "as ssh",
    "ec2-instance-connect*": "as ssh",
    "sysstat*": "CloudWatch and the reporter measure already",
}
# cloud-init's work on a worker: the disk's size, the name, and /etc/cloudjhub/worker.json. The rest of its modules
# (keys for SSH, package sources, snaps, users) is done already or not needed, and takes seconds at the first boot.
CLOUD_INIT = {
    "datasource_list": ["Ec2", "None"],
    "cloud_init_modules": [
        "seed_random",
        "growpart",
        "resizefs",
        "set_hostname",
        "update_etc_hosts",
        "write_files",
    ],
    "cloud_config_modules": [],
    "cloud_final_modules": [],
}

# Its last two stages have nothing left to do, but each starts a Python just when the user's server does. They are not
# masked: where cloud-init is one process, it would wait for them.
YIELDING = ("cloud-config.service", "cloud-final.service")
YIELD = "[Service]\nCPUSchedulingPolicy=idle\nIOSchedulingClass=idle\n"


def set_up(root: Path, run: Run = run) -> dict[str, str]:
    """Set up the system below `root`; the versions of what it then holds."""
    install(root, json.loads(at(root, PACKAGES).read_text()), run)
    make_user(root, run)
    install_units(root, run)
    quieten(root, run)
    versions = reported(json.loads(run(str(at(root, VENV) / "bin/pip"), "list", "--format=json")), root)
    open_to_users_packages(root, run)
    clean(root, run)
    return versions


def install(root: Path, packages: Iterable[str], run: Run) -> None:
    """JupyterLab, nbgrader, the operator's packages and the worker package, compiled: its user may not write here."""
    python, worker = str(at(root, VENV) / "bin/python"), at(root, BUNDLE) / "bootstrap/worker"
    pip_install(python, run, "-r", str(worker / "image-requirements.txt"), *packages)
    run(python, "-m", "pip", "uninstall", "--yes", "--disable-pip-version-check", *SLOW)
    for libraries in at(root, VENV).glob("lib/python3*/site-packages"):
        shutil.copytree(worker, libraries / "bootstrap/worker", dirs_exist_ok=True)
        for file in SHARED:
            (libraries / file).parent.mkdir(exist_ok=True)
            shutil.copy(at(root, BUNDLE) / file, libraries / file)
    # Some packages carry templates that are no Python: a file that cannot be compiled does not matter.
    run(python, "-m", "compileall", "-q", "-j", "0", str(at(root, VENV) / "lib"), check=False)


def open_to_users_packages(root: Path, run: Run) -> None:
    """Let programs of the environment see what their user has installed in ~/.local: the environment itself is root's.

    Done last, so that all that the image's packages need is in the environment, whatever the system has of it. The
    server runs without (-s).
    """
    venv = str(at(root, VENV))
    run(sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", venv)
    write(root, PROFILE, f'PATH="{VENV}/bin:$PATH:$HOME/.local/bin"\n')


def make_user(root: Path, run: Run) -> None:
    """The user whose programs run here, with sudo: the machine is theirs. nbgrader's exchange is there for all."""
    if f"\n{USER}:" not in "\n" + at(root, "/etc/passwd").read_text():
        run("groupadd", "--root", str(root), "--gid", str(USER_ID), USER)
        identity = ("--uid", str(USER_ID), "--gid", str(USER_ID))
        run("useradd", "--root", str(root), *identity, "--create-home", "--shell", "/bin/bash", USER)
    write(root, "/etc/sudoers.d/cloudjhub", f"{USER} ALL=(ALL) NOPASSWD:ALL\n", 0o440)
    exchange = at(root, "/srv/nbgrader/exchange")
    exchange.mkdir(parents=True, exist_ok=True)
    exchange.chmod(0o777)


def install_units(root: Path, run: Run) -> None:
    """The services of a worker, to be started at boot."""
    units = at(root, BUNDLE) / "bootstrap/worker/systemd"
    for unit in UNITS:
        write(root, f"/etc/systemd/system/{unit}", (units / unit).read_text())
    write(root, f"{VENV}/libexec/format-home", (units / "format-home").read_text(), 0o755)
    run("systemctl", "enable", *UNITS)


def quieten(root: Path, run: Run) -> None:
    """Keep from starting what no worker needs, and what must start from keeping a user waiting."""
    for unit in YIELDING:
        write(root, f"/etc/systemd/system/{unit}.d/cloudjhub.conf", YIELD)
    listed = run("systemctl", "list-unit-files", "--no-legend", "--no-pager", "--plain")
    for unit in unneeded(line.split()[0] for line in listed.splitlines() if line.strip()):
        # Units of snaps and the like lie where a mask would: these can only be disabled.
        run("systemctl", "disable", unit, check=False)
        run("systemctl", "mask", unit, check=False)


def unneeded(units: Iterable[str]) -> list[str]:
    """Those units that no worker needs."""
    return [one for one in units if any(fnmatch(one, pattern) for pattern in UNNEEDED)]


def reported(packages: Iterable[Mapping[str, str]], root: Path) -> dict[str, str]:
    """What the image holds, by name and version."""
    versions = {one["name"].lower(): one["version"] for one in packages}
    release = at(root, "/etc/os-release").read_text()
    named = dict(line.partition("=")[::2] for line in release.splitlines())
    system = named.get("PRETTY_NAME", "").strip('"')
    return {name: versions[name] for name in REPORTED} | {
        "python": platform.python_version(),
        "system": system,
    }


def clean(root: Path, run: Run) -> None:
    """Nothing of the builder is left that a worker would take for its own."""
    write(root, "/etc/cloud/cloud.cfg.d/99-cloudjhub.cfg", json.dumps(CLOUD_INIT) + "\n")
    for left in (CONFIG, START, FETCH, PACKAGES):
        at(root, left).unlink(missing_ok=True)
    shutil.rmtree(at(root, BUNDLE), ignore_errors=True)
    for key in at(root, "/etc/ssh").glob("ssh_host_*"):
        key.unlink()
    run("cloud-init", "clean", "--logs")
    write(root, "/etc/machine-id", "")


def write(root: Path, path: str, content: str, mode: int = 0o644) -> None:
    target = at(root, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
    target.chmod(mode)


def last_line(versions: Mapping[str, str]) -> str:
    """The line by which the operator's machine learns that the image is good."""
    return DONE + json.dumps(versions, sort_keys=True)


def main() -> None:
    """Set this machine up, say how it went, and power off."""
    try:
        say(last_line(set_up(Path("/"))))
    except Exception as error:  # whatever it is: nobody can log in to see it, and the machine costs money
        say_failed(error)
    finally:
        power_off()


if __name__ == "__main__":
    main()
