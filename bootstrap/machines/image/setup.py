"""Sets up the disk that becomes the workers' image. `start` runs this once, as root, on the builder.

Standard library only: it runs in the system's own Python. Its last line on the console says whether it succeeded; then
the machine powers off.
"""

import json
import platform
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

from bootstrap.machines.image.additions import APT, QUIETLY, install_apt, run_script
from bootstrap.machines.image.start import (
    BUNDLE,
    CONFIG,
    FETCH,
    FETCH_REQUIREMENTS,
    LOCKED,
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
CONSTRAINTS = "/opt/cloudjhub/constraints.txt"
SHARED = ("bootstrap/__init__.py", "lifecycle_app/__init__.py", "lifecycle_app/contract.py")
"""What the worker package needs beside itself; it imports nothing else of this repository."""
REPORTED = ("jupyterlab", "jupyterhub", "nbgrader")
# Checks the JSON formats iri and iri-reference, which Jupyter does not use. It builds its parsers at each import, half
# of the server's start. jsonschema works without it.
SLOW = ("rfc3987-syntax",)
PROFILE = "/etc/profile.d/cloudjhub.sh"
"""Terminals are login shells, which start with their own PATH."""

SYSCTL = "/etc/sysctl.d/90-cloudjhub.conf"
"""After Ubuntu's 10-ptrace.conf. A line that begins with - is for kernels that have the setting."""

USER = "jovyan"
# Fixed, because home disks keep it from image to image, whatever users a base image has.
USER_ID = 1100
UNITS = (
    "cloudjhub-earlier.service",
    "cloudjhub-home.service",
    "cloudjhub-home-failed.service",
    "cloudjhub-home-growth.service",
    "cloudjhub-home-growth.timer",
    "cloudjhub-worker.service",
    "home-jovyan.mount",
)
STARTED = ("cloudjhub-worker.service", "cloudjhub-home-growth.timer", "cloudjhub-earlier.service")
"""What boot starts of these; the worker needs the mount, and that the disk."""

# Units that would start at or soon after boot, each with the reason why no worker needs it. Users wait for the boot.
UNNEEDED = {
    "apt-daily*": "uses disk and CPU while a user waits; updates come with the next image",
    "dnf-*": "as apt-daily",
    "unattended-upgrades.service": "as apt-daily, and it delays the shutdown",
    "update-notifier-*": "announces updates, but no one logs in on a console",
    "motd-news.*": "no one logs in on a console",
    "update-motd.*": "no one logs in on a console",
    "snapd.*": "cloud-init and the first service wait seconds for it; no snap is used",
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
    "open-vm-tools.service": "this is not VMware",
    "vgauth.service": "this is not VMware",
    "plymouth*": "there is no boot screen",
    "console-setup.service": "there is no console user",
    "keyboard-setup.service": "there is no console user",
    "setvtrgb.service": "there is no console user",
    "thermald.service": "the host does this",
    "networkd-dispatcher.service": "nothing is hooked to a link that comes up; it is a Python program at each boot",
    "hibinit-agent.service": "nothing hibernates; it would make a swap file of the memory's size",
    "packagekit*": "there is no desktop",
    "wpa_supplicant.service": "there is no radio",
    "esm-cache.service": "Ubuntu Pro is not attached",
    "apt-news.service": "no one logs in on a console",
    "secureboot-db.service": "there is no firmware to update",
    "fwupd*": "there is no firmware to update",
    "udisks2.service": "there is no desktop",
    "man-db.timer": "indexes manual pages",
    "e2scrub*": "LVM only",
    "grub-*": "records boots for a boot menu, which is never shown",
    "amazon-ssm-agent.service": "the workers' role may not use Session Manager",
    "ssh.*": "cannot be reached: the workers' security group admits only the proxy",
    "sshd*": "as ssh",
    "ec2-instance-connect*": "as ssh",
    "sysstat*": "CloudWatch and the reporter measure already",
}
# What cloud-init does on a worker: the disk's size, the host name, and /etc/cloudjhub/worker.json. Its other modules
# (SSH keys, package sources, snaps, users) are done already or not needed, and take seconds at the first boot.
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

# Its last two stages have nothing left to do, but each starts a Python process while the user's server starts. They are
# not masked: where cloud-init is one process, it would wait for them.
YIELDING = ("cloud-config.service", "cloud-final.service")
YIELD = "[Service]\nCPUSchedulingPolicy=idle\nIOSchedulingClass=idle\n"


def set_up(root: Path, run: Run = run) -> dict[str, str]:
    """Set up the system below `root`; the versions of what is then in it."""
    additions = json.loads(at(root, PACKAGES).read_text())
    upgrade(root, run)
    install_apt(root, additions["apt_packages"], run)
    install(root, additions["packages"], run)
    make_user(root, run)
    run_script(root, additions["setup"])
    open_processes(root)
    install_units(root, run)
    quieten(root, run)
    versions = reported(json.loads(run(str(at(root, VENV) / "bin/pip"), "list", "--format=json")), root)
    open_to_users_packages(root, run)
    clean(root, run)
    return versions


def upgrade(root: Path, run: Run) -> None:
    """Install all updates. cloud-init has tried; here a failure ends the build: workers get updates by images only."""
    if at(root, "/usr/bin/apt-get").exists():
        run("apt-get", *APT, "update")
        run(*QUIETLY, "apt-get", *APT, "--yes", "full-upgrade")
    elif at(root, "/usr/bin/dnf").exists():
        run("dnf", "--assumeyes", "--quiet", "upgrade", "--releasever=latest")


def install(root: Path, packages: Sequence[str], run: Run) -> None:
    """JupyterLab, nbgrader, the operator's packages and the worker package, compiled: its user may not write here."""
    python, worker = str(at(root, VENV) / "bin/python"), at(root, BUNDLE) / "bootstrap/worker"
    pip_install(python, run, *LOCKED, "-r", str(worker / "image-requirements.txt"))
    install_operators(python, packages, root, run)
    run(python, "-m", "pip", "uninstall", "--yes", "--disable-pip-version-check", *SLOW)
    for libraries in at(root, VENV).glob("lib/python3*/site-packages"):
        shutil.copytree(worker, libraries / "bootstrap/worker", dirs_exist_ok=True)
        for file in SHARED:
            (libraries / file).parent.mkdir(exist_ok=True)
            shutil.copy(at(root, BUNDLE) / file, libraries / file)
    # Some packages contain templates that are not Python: files that cannot be compiled are ignored.
    run(python, "-m", "compileall", "-q", "-j", "0", str(at(root, VENV) / "lib"), check=False)


def install_operators(python: str, packages: Sequence[str], root: Path, run: Run) -> None:
    """The packages of `workers.packages`, without hashes: pip refuses what needs another version of a locked one."""
    write(root, CONSTRAINTS, run(python, "-m", "pip", "freeze", "--all"))
    if packages:
        pip_install(python, run, "--constraint", str(at(root, CONSTRAINTS)), *packages)


def open_to_users_packages(root: Path, run: Run) -> None:
    """Let programs of the environment use what their user has installed in ~/.local: the environment itself is root's.

    Done last, so that everything that the image's packages need is in the environment, whatever the system has. The
    server runs without it (-s).
    """
    venv = str(at(root, VENV))
    run(sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", venv)
    write(root, PROFILE, f'PATH="{VENV}/bin:$PATH:$HOME/.local/bin"\n')


def make_user(root: Path, run: Run) -> None:
    """Create the user whose programs run here, with sudo: the machine is theirs. nbgrader's exchange is for all."""
    if f"\n{USER}:" not in "\n" + at(root, "/etc/passwd").read_text():
        run("groupadd", "--root", str(root), "--gid", str(USER_ID), USER)
        identity = ("--uid", str(USER_ID), "--gid", str(USER_ID))
        run("useradd", "--root", str(root), *identity, "--create-home", "--shell", "/bin/bash", USER)
    write(root, "/etc/sudoers.d/cloudjhub", f"{USER} ALL=(ALL) NOPASSWD:ALL\n", 0o440)
    exchange = at(root, "/srv/nbgrader/exchange")
    exchange.mkdir(parents=True, exist_ok=True)
    exchange.chmod(0o777)


def open_processes(root: Path) -> None:
    """Let the reporter read what its user's detached programs wait for. Yama, where a kernel has it, allows that for
    descendants only. Programs of one user could read each other's environment and files before.
    """
    write(root, SYSCTL, "-kernel.yama.ptrace_scope = 0\n")


def install_units(root: Path, run: Run) -> None:
    """Install the services of a worker, which start at boot."""
    units = at(root, BUNDLE) / "bootstrap/worker/systemd"
    for unit in UNITS:
        write(root, f"/etc/systemd/system/{unit}", (units / unit).read_text())
    run("systemctl", "enable", *STARTED)


def quieten(root: Path, run: Run) -> None:
    """Disable what no worker needs, and give what must start a low priority, so that no user waits for it."""
    for unit in YIELDING:
        write(root, f"/etc/systemd/system/{unit}.d/cloudjhub.conf", YIELD)
    listed = run("systemctl", "list-unit-files", "--no-legend", "--no-pager", "--plain")
    for unit in unneeded(line.split()[0] for line in listed.splitlines() if line.strip()):
        # Units of snaps and similar ones are where a mask would be: these can only be disabled.
        run("systemctl", "disable", unit, check=False)
        run("systemctl", "mask", unit, check=False)


def unneeded(units: Iterable[str]) -> list[str]:
    """The units, of these, that no worker needs."""
    return [one for one in units if any(fnmatch(one, pattern) for pattern in UNNEEDED)]


def reported(packages: Iterable[Mapping[str, str]], root: Path) -> dict[str, str]:
    """The versions of what is in the image, by name."""
    versions = {one["name"].lower(): one["version"] for one in packages}
    release = at(root, "/etc/os-release").read_text()
    named = dict(line.partition("=")[::2] for line in release.splitlines())
    system = named.get("PRETTY_NAME", "").strip('"')
    return {name: versions[name] for name in REPORTED} | {
        "python": platform.python_version(),
        "system": system,
    }


def clean(root: Path, run: Run) -> None:
    """Remove everything that identifies the builder."""
    write(root, "/etc/cloud/cloud.cfg.d/99-cloudjhub.cfg", json.dumps(CLOUD_INIT) + "\n")
    for left in (CONFIG, START, FETCH, FETCH_REQUIREMENTS, PACKAGES, CONSTRAINTS):
        at(root, left).unlink(missing_ok=True)
    shutil.rmtree(at(root, BUNDLE), ignore_errors=True)
    for key in at(root, "/etc/ssh").glob("ssh_host_*"):
        key.unlink()
    run("cloud-init", "clean", "--logs")
    write(root, "/etc/machine-id", "")


def write(root: Path, path: str, content: str, mode: int = 0o644) -> None:
    """Write a file below `root`."""
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
    except Exception as error:  # of any kind: it cannot be seen on the machine itself, which costs money
        say_failed(error)
    finally:
        power_off()


if __name__ == "__main__":
    main()
